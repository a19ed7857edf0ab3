//! The body of each kind, both ways.

use std::net::{Ipv4Addr, Ipv6Addr};

use weft_model::{
    LogInterval, Peer, PortOptions, Rule, Vni, VpcDns,
    state::{
        AclState, DnsZoneState, Edge, FlowLogState, GroupState, LeaseState, Mapping, NatState,
        PeeringState, Port, Public, RouteTableState, Served, State, SubnetState, Tunnel, VpcState,
    },
};

use super::{
    MOST_ITEMS, balancing, mirror, read_address, read_exact, read_mac, transit,
    wire::{self, resource::Body},
    write_address,
};
use crate::{
    convert::{
        fields::{Fields, Reported},
        v1::{
            read_acl_entry, read_forward, read_limits, read_metadata, read_record,
            read_route_state, read_rule, read_timeouts, read_user_data,
        },
    },
    v1,
};

fn texts<T: std::fmt::Display>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn text_or_empty<T: std::fmt::Display>(item: Option<&T>) -> String {
    item.map(ToString::to_string).unwrap_or_default()
}

pub(super) fn write(state: &State) -> Body {
    match state {
        State::Tunnel(tunnel) => Body::Tunnel(wire::Tunnel {
            host: tunnel.host.to_string(),
            vtep: write_address(tunnel.vtep),
            zone: tunnel.zone.to_string(),
        }),
        State::Edge(edge) => Body::Edge(wire::Edge {
            host: edge.host.to_string(),
            vtep: write_address(edge.vtep),
        }),
        State::Public(public) => Body::Public(wire::Public {
            address: write_address(public.address),
            host: public.host.to_string(),
            vtep: write_address(public.vtep),
            mac: public.mac.octets().to_vec(),
        }),
        State::Front(front) => Body::Front(balancing::write_front(front)),
        State::Served(served) => Body::Served(wire::Served {
            prefix: served.prefix.to_string(),
        }),
        State::Vpc(vpc) => Body::Vpc(write_vpc(vpc)),
        State::DnsZone(zone) => Body::DnsZone(wire::DnsZone {
            id: zone.id.to_string(),
            domain: zone.domain.to_string(),
            records: zone.records.iter().map(Into::into).collect(),
        }),
        State::Mapping(mapping) => Body::Mapping(write_mapping(mapping)),
        State::Group(group) => Body::SecurityGroup(wire::SecurityGroup {
            id: group.id.to_string(),
            vpc: group.vpc.to_string(),
            ingress: group.ingress.iter().map(Into::into).collect(),
            egress: group.egress.iter().map(Into::into).collect(),
            name: group.name.to_string(),
        }),
        State::Subnet(subnet) => Body::Subnet(write_subnet(subnet)),
        State::Acl(acl) => Body::NetworkAcl(wire::NetworkAcl {
            id: acl.id.to_string(),
            vpc: acl.vpc.to_string(),
            ingress: acl.ingress.iter().map(Into::into).collect(),
            egress: acl.egress.iter().map(Into::into).collect(),
        }),
        State::Peering(peering) => Body::Peering(write_peering(peering)),
        State::Port(port) => Body::Port(write_port(port)),
        State::TransitTarget(target) => Body::TransitTarget(transit::write_target(target)),
        State::TransitRoute(route) => Body::TransitRoute(transit::write_route(route)),
        State::TransitAttachment(attachment) => {
            Body::TransitAttachment(transit::write_attachment(attachment))
        }
        State::Nat(nat) => Body::Nat(write_nat(nat)),
        State::Lease(lease) => Body::Lease(write_lease(lease)),
        State::RouteTable(table) => Body::RouteTable(wire::RouteTable {
            id: table.id.to_string(),
            vpc: table.vpc.to_string(),
            routes: table.routes.iter().map(Into::into).collect(),
        }),
        State::FlowLog(log) => Body::FlowLog(write_flow_log(log)),
        State::Mirror(session) => Body::Mirror(mirror::write_mirror(session)),
        State::TargetGroup(group) => Body::TargetGroup(balancing::write_group(group)),
        State::Balancer(balancer) => Body::Balancer(balancing::write_balancer(balancer)),
    }
}

fn write_vpc(vpc: &VpcState) -> wire::Vpc {
    wire::Vpc {
        id: vpc.id.to_string(),
        vni: vpc.vni.get(),
        ipv4: texts(&vpc.ipv4),
        ipv6: texts(&vpc.ipv6),
        region: vpc.region.to_string(),
        dns_support: vpc.dns.support,
        dns_hostnames: vpc.dns.hostnames,
        dns_forwards: vpc.dns.forwards.iter().map(Into::into).collect(),
    }
}

fn write_nat(nat: &NatState) -> wire::Nat {
    wire::Nat {
        id: nat.id.to_string(),
        vpc: nat.vpc.to_string(),
        subnet: nat.subnet.to_string(),
        public: nat.public.octets().to_vec(),
        private: nat.private.octets().to_vec(),
    }
}

fn write_lease(lease: &LeaseState) -> wire::Lease {
    wire::Lease {
        key: lease.key.to_string(),
        host: lease.host.to_string(),
        vtep: write_address(lease.vtep),
    }
}

fn write_flow_log(log: &FlowLogState) -> wire::FlowLog {
    wire::FlowLog {
        id: log.id.to_string(),
        vpc: log.vpc.to_string(),
        region: log.region.to_string(),
        account: log.account.to_string(),
        resource: log.scope.to_string(),
        traffic_type: log.traffic.to_string(),
        interval_seconds: log.interval.seconds(),
        format: log.format.to_string(),
    }
}

fn write_peering(peering: &PeeringState) -> wire::Peering {
    wire::Peering {
        id: peering.id.to_string(),
        requester: peering.requester.to_string(),
        accepter: peering.accepter.to_string(),
    }
}

fn write_subnet(subnet: &SubnetState) -> wire::Subnet {
    wire::Subnet {
        id: subnet.id.to_string(),
        vpc: subnet.vpc.to_string(),
        ipv4: subnet.ipv4.to_string(),
        ipv6: text_or_empty(subnet.ipv6.as_ref()),
        route_table: subnet.route_table.to_string(),
        zone: subnet.zone.to_string(),
        network_acl: subnet.acl.to_string(),
    }
}

fn write_mapping(mapping: &Mapping) -> wire::Mapping {
    wire::Mapping {
        interface: mapping.interface.to_string(),
        vpc: mapping.vpc.to_string(),
        subnet: mapping.subnet.to_string(),
        host: mapping.host.to_string(),
        mac: mapping.mac.octets().to_vec(),
        addresses: mapping
            .addresses
            .iter()
            .copied()
            .map(write_address)
            .collect(),
        groups: texts(&mapping.groups),
        source_dest_check: mapping.source_dest_check,
        dns_label: text_or_empty(mapping.dns_label.as_ref()),
    }
}

fn write_port(port: &Port) -> wire::Port {
    let secondary = port.secondary_ipv4.iter();
    wire::Port {
        interface: port.interface.to_string(),
        vpc: port.vpc.to_string(),
        subnet: port.subnet.to_string(),
        mac: port.mac.octets().to_vec(),
        ipv4: port.ipv4.octets().to_vec(),
        secondary_ipv4: secondary.map(|address| address.octets().to_vec()).collect(),
        ipv6: port
            .ipv6
            .iter()
            .map(|address| address.octets().to_vec())
            .collect(),
        groups: texts(&port.groups),
        source_dest_check: port.source_dest_check,
        netns: port.netns.to_string(),
        device: port.device.to_string(),
        name: text_or_empty(port.name.as_ref()),
        limits: Some((&port.options.limits).into()),
        timeouts: Some((&port.options.timeouts).into()),
        user_data: port.options.user_data.bytes().to_vec(),
        metadata: Some((&port.options.metadata).into()),
        public: port.public.iter().map(write_pair).collect(),
    }
}

fn write_pair(&(private, public): &(Ipv4Addr, Ipv4Addr)) -> wire::PublicPair {
    wire::PublicPair {
        private_address: private.octets().to_vec(),
        public_address: public.octets().to_vec(),
    }
}

pub(super) fn read(fields: &mut Fields, body: Option<&Body>) -> Result<State, Reported> {
    match fields.present("body", body)? {
        Body::Tunnel(tunnel) => read_tunnel(fields, tunnel).map(State::Tunnel),
        Body::Edge(edge) => read_edge(fields, edge).map(State::Edge),
        Body::Public(public) => read_public(fields, public).map(State::Public),
        Body::Front(front) => balancing::read_front(fields, front).map(State::Front),
        Body::Served(served) => {
            let prefix = fields.required("prefix", &served.prefix)?;
            Ok(State::Served(Served { prefix }))
        }
        Body::Vpc(vpc) => read_vpc(fields, vpc).map(State::Vpc),
        Body::Mapping(mapping) => read_mapping(fields, mapping).map(State::Mapping),
        Body::SecurityGroup(group) => read_group(fields, group).map(State::Group),
        Body::NetworkAcl(acl) => read_acl(fields, acl).map(State::Acl),
        Body::Subnet(subnet) => read_subnet(fields, subnet).map(State::Subnet),
        Body::Peering(peering) => read_peering(fields, peering).map(State::Peering),
        Body::Port(port) => read_port(fields, port).map(State::Port),
        Body::TransitTarget(target) => {
            transit::read_target(fields, target).map(State::TransitTarget)
        }
        Body::TransitRoute(route) => transit::read_route(fields, route).map(State::TransitRoute),
        Body::TransitAttachment(attachment) => {
            transit::read_attachment(fields, attachment).map(State::TransitAttachment)
        }
        Body::Nat(nat) => read_nat(fields, nat).map(State::Nat),
        Body::Lease(lease) => read_lease(fields, lease).map(State::Lease),
        Body::RouteTable(table) => read_table(fields, table).map(State::RouteTable),
        Body::FlowLog(log) => read_flow_log(fields, log).map(State::FlowLog),
        Body::Mirror(session) => mirror::read_mirror(fields, session).map(State::Mirror),
        Body::DnsZone(zone) => read_zone(fields, zone).map(State::DnsZone),
        Body::TargetGroup(group) => balancing::read_group(fields, group).map(State::TargetGroup),
        Body::Balancer(balancer) => balancing::read_balancer(fields, balancer).map(State::Balancer),
    }
}

fn read_tunnel(fields: &mut Fields, tunnel: &wire::Tunnel) -> Result<Tunnel, Reported> {
    let host = fields.required("host", &tunnel.host);
    let vtep = read_address(fields, "vtep", &tunnel.vtep);
    let zone = fields.required("zone", &tunnel.zone);
    Ok(Tunnel {
        host: host?,
        vtep: vtep?,
        zone: zone?,
    })
}

fn read_edge(fields: &mut Fields, edge: &wire::Edge) -> Result<Edge, Reported> {
    let host = fields.required("host", &edge.host);
    let vtep = read_address(fields, "vtep", &edge.vtep);
    Ok(Edge {
        host: host?,
        vtep: vtep?,
    })
}

fn read_public(fields: &mut Fields, public: &wire::Public) -> Result<Public, Reported> {
    let address = read_address(fields, "address", &public.address);
    let host = fields.required("host", &public.host);
    let vtep = read_address(fields, "vtep", &public.vtep);
    let mac = read_mac(fields, "mac", &public.mac);
    Ok(Public {
        address: address?,
        host: host?,
        vtep: vtep?,
        mac: mac?,
    })
}

fn read_pair(
    fields: &mut Fields,
    pair: &wire::PublicPair,
) -> Result<(Ipv4Addr, Ipv4Addr), Reported> {
    let private = read_exact::<Ipv4Addr, 4>(fields, "private_address", &pair.private_address);
    let public = read_exact::<Ipv4Addr, 4>(fields, "public_address", &pair.public_address);
    Ok((private?, public?))
}

fn read_vpc(fields: &mut Fields, vpc: &wire::Vpc) -> Result<VpcState, Reported> {
    let id = fields.required("id", &vpc.id);
    let vni = Vni::try_from(vpc.vni).map_err(|error| fields.refuse("vni", error));
    let ipv4 = fields.all("ipv4", MOST_ITEMS, &vpc.ipv4);
    let ipv6 = fields.all("ipv6", MOST_ITEMS, &vpc.ipv6);
    let region = fields.required("region", &vpc.region);
    let forwards = fields.each("dns_forwards", MOST_ITEMS, &vpc.dns_forwards, read_forward);
    if vpc.ipv4.is_empty() {
        return Err(fields.refuse("ipv4", "is required: a VPC has a primary block"));
    }
    Ok(VpcState {
        id: id?,
        vni: vni?,
        ipv4: ipv4?,
        ipv6: ipv6?,
        region: region?,
        dns: VpcDns {
            support: vpc.dns_support,
            hostnames: vpc.dns_hostnames,
            forwards: forwards?,
        },
    })
}

fn read_zone(fields: &mut Fields, zone: &wire::DnsZone) -> Result<DnsZoneState, Reported> {
    let id = fields.required("id", &zone.id);
    let domain = fields.required("domain", &zone.domain);
    let records = fields.each("records", MOST_ITEMS, &zone.records, read_record);
    Ok(DnsZoneState {
        id: id?,
        domain: domain?,
        records: records?,
    })
}

fn read_peering(fields: &mut Fields, peering: &wire::Peering) -> Result<PeeringState, Reported> {
    let id = fields.required("id", &peering.id);
    let requester = fields.required("requester", &peering.requester);
    let accepter = fields.required("accepter", &peering.accepter);
    Ok(PeeringState {
        id: id?,
        requester: requester?,
        accepter: accepter?,
    })
}

fn read_mapping(fields: &mut Fields, mapping: &wire::Mapping) -> Result<Mapping, Reported> {
    let interface = fields.required("interface", &mapping.interface);
    let vpc = fields.required("vpc", &mapping.vpc);
    let subnet = fields.required("subnet", &mapping.subnet);
    let host = fields.required("host", &mapping.host);
    let mac = read_mac(fields, "mac", &mapping.mac);
    let addresses = fields.each(
        "addresses",
        MOST_ITEMS,
        &mapping.addresses,
        |fields, bytes| read_address(fields, "", bytes),
    );
    let groups = fields.all("groups", MOST_ITEMS, &mapping.groups);
    let dns_label = fields.optional("dns_label", &mapping.dns_label);
    Ok(Mapping {
        interface: interface?,
        vpc: vpc?,
        subnet: subnet?,
        host: host?,
        mac: mac?,
        addresses: addresses?,
        groups: groups?,
        source_dest_check: mapping.source_dest_check,
        dns_label: dns_label?,
    })
}

fn read_group(fields: &mut Fields, group: &wire::SecurityGroup) -> Result<GroupState, Reported> {
    let id = fields.required("id", &group.id);
    let vpc = fields.required("vpc", &group.vpc);
    let ingress = read_rules(fields, "ingress", &group.ingress);
    let egress = read_rules(fields, "egress", &group.egress);
    let name = fields.text("name", &group.name);
    Ok(GroupState {
        id: id?,
        vpc: vpc?,
        ingress: ingress?,
        egress: egress?,
        name: name?,
    })
}

fn read_rules(fields: &mut Fields, field: &str, rules: &[v1::Rule]) -> Result<Vec<Rule>, Reported> {
    fields.each(field, MOST_ITEMS, rules, |fields, rule| {
        let rule = read_rule(fields, rule)?;
        match rule.peer {
            Peer::List(_) => {
                Err(fields.refuse("prefix_list", "is the controller's to expand: give a cidr"))
            }
            _ => Ok(rule),
        }
    })
}

fn read_acl(fields: &mut Fields, acl: &wire::NetworkAcl) -> Result<AclState, Reported> {
    let id = fields.required("id", &acl.id);
    let vpc = fields.required("vpc", &acl.vpc);
    let ingress = fields.each("ingress", MOST_ITEMS, &acl.ingress, read_acl_entry);
    let egress = fields.each("egress", MOST_ITEMS, &acl.egress, read_acl_entry);
    Ok(AclState {
        id: id?,
        vpc: vpc?,
        ingress: ingress?,
        egress: egress?,
    })
}

fn read_subnet(fields: &mut Fields, subnet: &wire::Subnet) -> Result<SubnetState, Reported> {
    let id = fields.required("id", &subnet.id);
    let vpc = fields.required("vpc", &subnet.vpc);
    let ipv4 = fields.required("ipv4", &subnet.ipv4);
    let ipv6 = fields.optional("ipv6", &subnet.ipv6);
    let route_table = fields.required("route_table", &subnet.route_table);
    let zone = fields.required("zone", &subnet.zone);
    let acl = fields.required("network_acl", &subnet.network_acl);
    Ok(SubnetState {
        id: id?,
        vpc: vpc?,
        ipv4: ipv4?,
        ipv6: ipv6?,
        route_table: route_table?,
        acl: acl?,
        zone: zone?,
    })
}

fn read_port(fields: &mut Fields, port: &wire::Port) -> Result<Port, Reported> {
    let interface = fields.required("interface", &port.interface);
    let vpc = fields.required("vpc", &port.vpc);
    let subnet = fields.required("subnet", &port.subnet);
    let mac = read_mac(fields, "mac", &port.mac);
    let ipv4 = read_exact::<Ipv4Addr, 4>(fields, "ipv4", &port.ipv4);
    let secondary = fields.each(
        "secondary_ipv4",
        MOST_ITEMS,
        &port.secondary_ipv4,
        |fields, bytes| read_exact::<Ipv4Addr, 4>(fields, "", bytes),
    );
    let ipv6 = fields.each("ipv6", MOST_ITEMS, &port.ipv6, |fields, bytes| {
        read_exact::<Ipv6Addr, 16>(fields, "", bytes)
    });
    let groups = fields.all("groups", MOST_ITEMS, &port.groups);
    let netns = fields.required("netns", &port.netns);
    let device = fields.required("device", &port.device);
    let name = fields.optional("name", &port.name);
    let options = read_options(fields, port);
    let public = fields.each("public", MOST_ITEMS, &port.public, read_pair);
    Ok(Port {
        interface: interface?,
        vpc: vpc?,
        subnet: subnet?,
        mac: mac?,
        ipv4: ipv4?,
        secondary_ipv4: secondary?,
        ipv6: ipv6?,
        groups: groups?,
        source_dest_check: port.source_dest_check,
        netns: netns?,
        device: device?,
        public: public?,
        name: name?,
        options: Box::new(options?),
    })
}

fn read_options(fields: &mut Fields, port: &wire::Port) -> Result<PortOptions, Reported> {
    let limits = read_limits(fields, port.limits.as_ref());
    let timeouts = read_timeouts(fields, port.timeouts.as_ref());
    let user_data = read_user_data(fields, &port.user_data);
    let metadata = read_metadata(fields, port.metadata.as_ref());
    Ok(PortOptions {
        limits: limits?,
        timeouts: timeouts?,
        user_data: user_data?,
        metadata: metadata?,
    })
}

fn read_table(fields: &mut Fields, table: &wire::RouteTable) -> Result<RouteTableState, Reported> {
    let id = fields.required("id", &table.id);
    let vpc = fields.required("vpc", &table.vpc);
    let routes = fields.each("routes", MOST_ITEMS, &table.routes, read_route_state);
    Ok(RouteTableState {
        id: id?,
        vpc: vpc?,
        routes: routes?,
    })
}

fn read_flow_log(fields: &mut Fields, log: &wire::FlowLog) -> Result<FlowLogState, Reported> {
    let id = fields.required("id", &log.id);
    let vpc = fields.required("vpc", &log.vpc);
    let region = fields.required("region", &log.region);
    let account = fields.required("account", &log.account);
    let scope = fields.required("resource", &log.resource);
    let traffic = fields.required("traffic_type", &log.traffic_type);
    let interval = LogInterval::try_from(log.interval_seconds)
        .map_err(|error| fields.refuse("interval_seconds", error));
    let format = fields.required("format", &log.format);
    Ok(FlowLogState {
        id: id?,
        vpc: vpc?,
        region: region?,
        account: account?,
        scope: scope?,
        traffic: traffic?,
        interval: interval?,
        format: format?,
    })
}

fn read_nat(fields: &mut Fields, nat: &wire::Nat) -> Result<NatState, Reported> {
    let id = fields.required("id", &nat.id);
    let vpc = fields.required("vpc", &nat.vpc);
    let subnet = fields.required("subnet", &nat.subnet);
    let public = read_exact::<Ipv4Addr, 4>(fields, "public", &nat.public);
    let private = read_exact::<Ipv4Addr, 4>(fields, "private", &nat.private);
    Ok(NatState {
        id: id?,
        vpc: vpc?,
        subnet: subnet?,
        public: public?,
        private: private?,
    })
}

fn read_lease(fields: &mut Fields, lease: &wire::Lease) -> Result<LeaseState, Reported> {
    let key = fields.required("key", &lease.key);
    let host = fields.required("host", &lease.host);
    let vtep = read_address(fields, "vtep", &lease.vtep);
    Ok(LeaseState {
        key: key?,
        host: host?,
        vtep: vtep?,
    })
}
