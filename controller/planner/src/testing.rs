//! A small cloud to test with, and the slow, obvious answer to what a host must hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use weft_model::{
    AclAction, AclEntry, AclNumber, Attachment, Change, Family, Host, HostName, Interface,
    InterfaceId, Mac, NetworkAcl, NetworkAclId, Peering, PeeringId, PeeringStatus, Prefix,
    PrefixList, PrefixListEntry, PrefixListId, Resource, ResourceKey, Route, RouteOrigin,
    RouteTable, RouteTableId, RouteTarget, SecurityGroup, SecurityGroupId, Subnet, SubnetId,
    TransitAttachment, TransitAttachmentId, TransitGateway, TransitGatewayId, TransitRoute,
    TransitTable, TransitTableId, Vni, Vpc, VpcId, VpcInTransit,
    cloud::Cloud,
    state::{LeaseState, Public, Served, State, StateKey, TransitRouteState, TransitTargetState},
};

use crate::{derive, item::Item};

/// The state itself as the body; the version is FNV-1a of its JSON.
pub(crate) fn seal(state: &State) -> Item<State> {
    let json = serde_json::to_vec(state).unwrap();
    let version = json.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Item {
        key: state.key(),
        version,
        size: json.len(),
        body: state.clone(),
    }
}

pub(crate) fn host_name(n: usize) -> HostName {
    format!("h{n}").parse().unwrap()
}

pub(crate) fn host(n: usize) -> Host {
    let low = u32::try_from(n).unwrap() + 1;
    Host {
        name: host_name(n),
        zone: "z".parse().unwrap(),
        vtep: Ipv4Addr::from_bits(0xc612_0000 + low).into(),
        uplink: None,
        meta: Default::default(),
    }
}

pub(crate) fn vpc_id(v: u64) -> VpcId {
    VpcId::from_bits(v)
}

pub(crate) fn main_table(v: u64) -> RouteTableId {
    RouteTableId::from_bits(v)
}

pub(crate) fn default_acl(v: u64) -> NetworkAclId {
    NetworkAclId::from_bits(v)
}

pub(crate) fn list_id(n: u64) -> PrefixListId {
    PrefixListId::from_bits(n)
}

pub(crate) fn group_id(v: u64, g: u64) -> SecurityGroupId {
    SecurityGroupId::from_bits(v * 100 + g)
}

pub(crate) fn subnet_id(v: u64, s: u64) -> SubnetId {
    SubnetId::from_bits(v * 100 + s)
}

pub(crate) fn vpc(v: u64) -> Vpc {
    Vpc {
        id: vpc_id(v),
        region: "r".parse().unwrap(),
        vni: Vni::try_from(u32::try_from(v).unwrap() + 1).unwrap(),
        primary: "10.0.0.0/16".parse().unwrap(),
        secondary: vec![],
        ipv6: vec![],
        main_route_table: main_table(v),
        default_group: group_id(v, 0),
        default_acl: default_acl(v),
        dns: Default::default(),
        meta: Default::default(),
    }
}

pub(crate) fn route(destination: &str, target: RouteTarget, origin: RouteOrigin) -> Route {
    Route {
        destination: destination.parse().unwrap(),
        target,
        origin,
    }
}

pub(crate) fn table(v: u64, id: RouteTableId, more: &[Route]) -> RouteTable {
    let mut routes = vec![route("10.0.0.0/16", RouteTarget::Local, RouteOrigin::Table)];
    routes.extend_from_slice(more);
    RouteTable {
        id,
        vpc: vpc_id(v),
        routes,
        meta: Default::default(),
    }
}

pub(crate) fn group(v: u64, g: u64, text: &str) -> SecurityGroup {
    let rule = weft_model::Rule {
        id: weft_model::RuleId::from_bits(g),
        traffic: weft_model::PortMatch::All,
        peer: weft_model::Peer::Group(group_id(v, g)),
        description: Some(text.parse().unwrap()),
    };
    SecurityGroup {
        id: group_id(v, g),
        vpc: vpc_id(v),
        group_name: format!("g{g}").parse().unwrap(),
        description: "".parse().unwrap(),
        ingress: vec![rule],
        egress: vec![],
        meta: Default::default(),
    }
}

pub(crate) fn subnet(v: u64, s: u64, route_table: Option<RouteTableId>) -> Subnet {
    Subnet {
        id: subnet_id(v, s),
        vpc: vpc_id(v),
        zone: "z".parse().unwrap(),
        ipv4: format!("10.0.{}.0/24", s % 256).parse().unwrap(),
        ipv6: None,
        route_table,
        map_public_ip: false,
        acl: None,
        meta: Default::default(),
    }
}

/// An ACL whose only entry is for that much of the world.
pub(crate) fn acl(v: u64, id: NetworkAclId, length: u8) -> NetworkAcl {
    let entry = AclEntry {
        number: AclNumber::DEFAULT,
        action: AclAction::Allow,
        traffic: weft_model::PortMatch::All,
        prefix: format!("128.0.0.0/{length}").parse().unwrap(),
    };
    NetworkAcl {
        id,
        vpc: vpc_id(v),
        ingress: vec![entry],
        egress: vec![],
        meta: Default::default(),
    }
}

/// A list of 198.51.100.x/32 for each of these.
pub(crate) fn list(n: u64, hosts: &[u8]) -> PrefixList {
    let entries = hosts.iter().map(|host| PrefixListEntry {
        prefix: format!("198.51.100.{host}/32").parse().unwrap(),
        description: None,
    });
    PrefixList {
        id: list_id(n),
        region: "r".parse().unwrap(),
        family: Family::Ipv4,
        max_entries: 10,
        entries: entries.collect(),
        meta: Default::default(),
    }
}

pub(crate) fn eni(n: u64) -> InterfaceId {
    InterfaceId::from_bits(n)
}

/// Interface `n` of the VPC's first subnet, on a host or nowhere, in some of the VPC's groups.
pub(crate) fn interface(n: u64, v: u64, on: Option<usize>, groups: &[u64]) -> Interface {
    let low = u32::try_from(n % 60_000).unwrap();
    Interface {
        id: eni(n),
        vpc: vpc_id(v),
        subnet: subnet_id(v, 0),
        mac: Mac::local(n),
        ipv4: Ipv4Addr::from_bits(0x0a00_0004 + low),
        secondary_ipv4: vec![],
        public_ipv4: None,
        ipv6: vec![],
        groups: groups.iter().map(|&g| group_id(v, g)).collect(),
        source_dest_check: true,
        attachment: on.map(|on| Attachment {
            host: host_name(on),
            netns: format!("w{n}").parse().unwrap(),
            device: "eth0".parse().unwrap(),
        }),
        options: Default::default(),
        meta: Default::default(),
    }
}

pub(crate) fn pcx(n: u64) -> PeeringId {
    PeeringId::from_bits(n)
}

/// A peering of two VPCs, active or waiting.
pub(crate) fn peering(n: u64, (one, two): (u64, u64), active: bool) -> Peering {
    Peering {
        id: pcx(n),
        requester: vpc_id(one),
        accepter: vpc_id(two),
        status: if active {
            PeeringStatus::Active
        } else {
            PeeringStatus::PendingAcceptance
        },
        meta: Default::default(),
    }
}

pub(crate) fn tgw(n: u64) -> TransitGatewayId {
    TransitGatewayId::from_bits(n)
}

pub(crate) fn transit_gateway(n: u64) -> TransitGateway {
    TransitGateway {
        id: tgw(n),
        association_table: None,
        propagation_table: None,
        meta: Default::default(),
    }
}

pub(crate) fn transit_table_id(n: u64) -> TransitTableId {
    TransitTableId::from_bits(n)
}

/// Attachment `n` is of VPC `n`.
pub(crate) fn attachment_id(n: u64) -> TransitAttachmentId {
    TransitAttachmentId::from_bits(n)
}

/// A table of the first gateway, with static routes.
pub(crate) fn transit_table(n: u64, routes: &[(&str, Option<u64>)]) -> TransitTable {
    let routes = routes.iter().map(|(destination, to)| TransitRoute {
        destination: destination.parse().unwrap(),
        target: to.map(attachment_id),
    });
    TransitTable {
        id: transit_table_id(n),
        gateway: tgw(1),
        routes: routes.collect(),
        meta: Default::default(),
    }
}

/// VPC `v` at the first gateway, routed by a table and propagating into others.
pub(crate) fn transit_attachment(v: u64, table: Option<u64>, into: &[u64]) -> TransitAttachment {
    TransitAttachment {
        id: attachment_id(v),
        gateway: tgw(1),
        vpc: vpc_id(v),
        table: table.map(transit_table_id),
        propagations: into.iter().copied().map(transit_table_id).collect(),
        meta: Default::default(),
    }
}

/// A VPC with its main table, two groups and a subnet.
pub(crate) fn whole_vpc(v: u64) -> Vec<Resource> {
    vec![
        vpc(v).into(),
        table(v, main_table(v), &[]).into(),
        group(v, 0, "first").into(),
        group(v, 1, "first").into(),
        acl(v, default_acl(v), 0).into(),
        subnet(v, 0, None).into(),
    ]
}

/// The change that puts the resource there.
pub(crate) fn put(cloud: &Cloud, resource: impl Into<Resource>) -> Change {
    let after = resource.into();
    Change {
        before: cloud.get(&after.key()),
        after: Some(after),
    }
}

/// The change that takes the resource away.
pub(crate) fn take(cloud: &Cloud, key: &ResourceKey) -> Change {
    Change {
        before: cloud.get(key),
        after: None,
    }
}

/// What the host must hold, by looking at everything.
pub(crate) fn naive_desired(cloud: &Cloud, host: &HostName) -> BTreeMap<StateKey, State> {
    let place_of = |i: &Interface| i.attachment.clone().map(|place| place.host);
    let ports: Vec<_> = cloud
        .interfaces()
        .filter(|i| place_of(i).as_ref() == Some(host))
        .collect();
    let vpcs: BTreeSet<_> = ports.iter().map(|i| i.vpc).collect();
    let groups: BTreeSet<_> = ports.iter().flat_map(|i| i.groups.clone()).collect();
    let lists = naive_lists(cloud);
    let mut states = Vec::new();
    for port in &ports {
        states.push(State::Port(derive::port(
            port,
            port.attachment.as_ref().unwrap(),
            elastic_on(cloud, port.id),
        )));
    }
    for id in groups {
        let group = cloud.security_group(id);
        let listed = |id| naive_list(&lists, id);
        states.extend(group.map(|group| State::Group(derive::group(group, listed))));
    }
    for &id in &vpcs {
        states.extend(naive_vpc(cloud, id));
        states.extend(naive_outline(cloud, id, host));
        let nats = cloud.nat_gateways_in_vpc(id);
        states.extend(nats.map(|nat| State::Nat(derive::nat(nat))));
        let peerings = cloud.peerings().filter(|p| p.is_active());
        for peering in peerings.filter(|p| p.other(id).is_some()) {
            states.push(State::Peering(derive::peering(peering)));
        }
    }
    states.extend(naive_transit(cloud, &vpcs));
    let paths = naive_paths(cloud);
    for other in cloud.vpcs().filter(|other| {
        let mut own = vpcs.iter();
        own.any(|id| {
            let (to, from) = ((*id, other.id), (other.id, *id));
            let is_linked = paths.contains(&to) || paths.contains(&from);
            is_linked || cloud.active_peering(*id, other.id).is_some()
        })
    }) {
        states.extend(naive_outline(cloud, other.id, host));
    }
    let is_edge = cloud.host(host).is_some_and(|host| host.uplink.is_some());
    for lease in cloud.port_leases() {
        let Some(holder) = lease
            .host
            .as_ref()
            .filter(|holder| is_edge || *holder == host)
        else {
            continue;
        };
        let vtep = cloud.host(holder).unwrap().vtep;
        let (key, host) = (lease.key, holder.clone());
        states.push(State::Lease(LeaseState { key, host, vtep }));
    }
    states.extend(naive_outside(cloud, host, !ports.is_empty()));
    states
        .into_iter()
        .map(|state| (state.key(), state))
        .collect()
}

/// Which VPC's packets are led to which by transit gateways.
fn naive_paths(cloud: &Cloud) -> BTreeSet<(VpcId, VpcId)> {
    let mut paths = BTreeSet::new();
    for from in cloud.transit_attachments() {
        let table = from.table.and_then(|id| cloud.transit_table(id));
        let routes = table.map(|table| cloud.transit_routes(table));
        let hops = routes.into_iter().flatten().filter_map(|route| route.hop);
        paths.extend(hops.map(|hop| (from.vpc, hop.vpc)));
    }
    paths
}

fn naive_transit(cloud: &Cloud, vpcs: &BTreeSet<VpcId>) -> Vec<State> {
    let mut states = Vec::new();
    for table in cloud.transit_tables() {
        let routes = cloud.transit_routes(table);
        let targets: BTreeSet<_> = routes.iter().filter_map(|r| Some(r.hop?.vpc)).collect();
        let users: Vec<_> = cloud.attachments_with_table(table.id).collect();
        let is_used = users.iter().any(|user| vpcs.contains(&user.vpc));
        for &vpc in targets.iter().filter(|t| is_used || vpcs.contains(t)) {
            let id = VpcInTransit {
                table: table.id,
                vpc,
            };
            states.push(State::TransitTarget(TransitTargetState { id }));
        }
        if targets.iter().any(|target| vpcs.contains(target)) {
            let users = users.iter().copied();
            states.extend(users.map(|a| State::TransitAttachment(derive::transit_attachment(a))));
        }
        for route in routes.iter().filter(|_| is_used) {
            let id = weft_model::RouteInTransit {
                table: table.id,
                destination: route.destination,
            };
            let hop = route.hop;
            states.push(State::TransitRoute(TransitRouteState { id, hop }));
        }
    }
    let own = cloud.transit_attachments();
    let own = own.filter(|attachment| vpcs.contains(&attachment.vpc));
    states.extend(own.map(|a| State::TransitAttachment(derive::transit_attachment(a))));
    states
}

type NaiveLists = BTreeMap<PrefixListId, Vec<Prefix>>;

fn naive_lists(cloud: &Cloud) -> NaiveLists {
    let lists = cloud.prefix_lists();
    lists
        .map(|list| (list.id, list.prefixes().collect()))
        .collect()
}

fn naive_list(lists: &NaiveLists, id: PrefixListId) -> &[Prefix] {
    lists.get(&id).map_or(&[], Vec::as_slice)
}

fn naive_vpc(cloud: &Cloud, id: VpcId) -> Vec<State> {
    let Some(vpc) = cloud.vpc(id) else {
        return Vec::new();
    };
    let live = |target| match target {
        RouteTarget::Nat(nat) => cloud.nat_gateway(nat).is_some_and(|nat| nat.vpc == id),
        RouteTarget::Interface(id) => cloud.interface(id).is_some_and(|i| i.attachment.is_some()),
        RouteTarget::Peering(id) => cloud.peering(id).is_some_and(Peering::is_active),
        RouteTarget::InternetGateway(gateway) => cloud
            .internet_gateway(gateway)
            .is_some_and(|g| g.vpc == Some(id)),
        RouteTarget::EgressGateway(gateway) => {
            cloud.egress_gateway(gateway).is_some_and(|g| g.vpc == id)
        }
        RouteTarget::TransitGateway(gateway) => cloud.attachment(gateway, id).is_some(),
        RouteTarget::Local | RouteTarget::Blackhole => true,
    };
    let lists = naive_lists(cloud);
    let mut states = Vec::new();
    for subnet in cloud.subnets().filter(|s| s.vpc == id) {
        states.push(State::Subnet(derive::subnet(
            subnet,
            derive::Defaults::of(vpc),
        )));
    }
    for table in cloud.route_tables().filter(|t| t.vpc == id) {
        let listed = |id| naive_list(&lists, id);
        states.push(State::RouteTable(derive::route_table(table, listed, live)));
    }
    for acl in cloud.network_acls().filter(|a| a.vpc == id) {
        states.push(State::Acl(derive::acl(acl)));
    }
    states
}

/// What a host that sends to the VPC holds of it.
fn naive_outline(cloud: &Cloud, id: VpcId, host: &HostName) -> Vec<State> {
    let vpc = cloud.vpc(id).map(|vpc| State::Vpc(derive::vpc(vpc)));
    let mut states: Vec<_> = vpc.into_iter().collect();
    for interface in cloud.interfaces().filter(|i| i.vpc == id) {
        let Some(place) = &interface.attachment else {
            continue;
        };
        states.push(State::Mapping(derive::mapping(interface, place)));
        if place.host != *host
            && let Some(other) = cloud.host(&place.host)
        {
            states.push(State::Tunnel(derive::tunnel(other)));
        }
    }
    states
}

fn elastic_on(cloud: &Cloud, interface: InterfaceId) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let own = cloud.interface(interface).and_then(|i| i.public_ipv4);
    let pairs = cloud.public_pairs(interface).into_iter();
    pairs.filter(|(_, public)| Some(*public) != own).collect()
}

fn naive_outside(cloud: &Cloud, host: &HostName, busy: bool) -> Vec<State> {
    let edges = cloud.hosts().filter(|h| busy && h.uplink.is_some());
    let mut states: Vec<_> = edges.map(|h| State::Edge(derive::edge(h))).collect();
    if cloud.host(host).is_none_or(|host| host.uplink.is_none()) {
        return states;
    }
    for pool in cloud.public_pools() {
        let blocks = pool.blocks.iter().copied().map(Into::into);
        states.extend(blocks.map(|prefix| State::Served(Served { prefix })));
    }
    let online = |vpc| {
        let internet = cloud.internet_gateway_of(vpc).is_some();
        (internet, internet || cloud.egress_gateway_of(vpc).is_some())
    };
    for vpc in cloud.vpcs().filter(|vpc| online(vpc.id).1) {
        let blocks = vpc.ipv6.iter().copied().map(Into::into);
        states.extend(blocks.map(|prefix| State::Served(Served { prefix })));
    }
    for interface in cloud.interfaces() {
        let Some(at) = interface
            .attachment
            .as_ref()
            .and_then(|at| cloud.host(&at.host))
        else {
            continue;
        };
        let (v4, v6) = online(interface.vpc);
        let pairs = cloud.public_pairs(interface.id).into_iter().filter(|_| v4);
        let own = interface.ipv6.iter().copied().filter(|_| v6);
        let addresses = pairs.map(|(_, public)| IpAddr::V4(public));
        for address in addresses.chain(own.map(IpAddr::V6)) {
            states.push(State::Public(Public {
                address,
                host: at.name.clone(),
                vtep: at.vtep,
                mac: interface.mac,
            }));
        }
    }
    states
}
