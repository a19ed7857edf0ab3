//! The state that hosts hold, cut from the stored resources. The order of what has none (groups,
//! routes) is made canonical, so that it alone never makes a new version.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use weft_model::{
    Attachment, Destination, DnsLabel, FlowLog, Host, Interface, NatGateway, NetworkAcl,
    NetworkAclId, Peer, Peering, Prefix, PrefixListId, PrivateZone, Route, RouteOrigin, RouteTable,
    RouteTableId, RouteTarget, Rule, SecurityGroup, SecurityGroupId, Subnet, TransitAttachment,
    Vpc, VpcId, ZoneInVpc,
    state::{
        AclState, DnsZoneState, Edge, FlowLogState, GroupState, Mapping, NatState, PeeringState,
        Port, RouteState, RouteTableState, SubnetState, TransitAttachmentState, Tunnel, VpcState,
    },
};

pub(crate) fn tunnel(host: &Host) -> Tunnel {
    Tunnel {
        host: host.name.clone(),
        vtep: host.vtep,
        zone: host.zone.clone(),
    }
}

pub(crate) fn edge(host: &Host) -> Edge {
    Edge {
        host: host.name.clone(),
        vtep: host.vtep,
    }
}

pub(crate) fn vpc(vpc: &Vpc) -> VpcState {
    VpcState {
        id: vpc.id,
        vni: vpc.vni,
        ipv4: vpc.blocks4().collect(),
        ipv6: vpc.ipv6.clone(),
        region: vpc.region.clone(),
        dns: vpc.dns.clone(),
    }
}

pub(crate) fn dns_zone(zone: &PrivateZone, vpc: VpcId) -> DnsZoneState {
    DnsZoneState {
        id: ZoneInVpc { zone: zone.id, vpc },
        domain: zone.domain.clone(),
        records: zone.records.clone(),
    }
}

/// What a subnet has that names none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// The VPC's main route table.
    pub(crate) table: RouteTableId,
    /// The VPC's default network ACL.
    pub(crate) acl: NetworkAclId,
}

impl Defaults {
    pub(crate) fn of(vpc: &Vpc) -> Self {
        Self {
            table: vpc.main_route_table,
            acl: vpc.default_acl,
        }
    }
}

pub(crate) fn peering(peering: &Peering) -> PeeringState {
    PeeringState {
        id: peering.id,
        requester: peering.requester,
        accepter: peering.accepter,
    }
}

pub(crate) fn transit_attachment(attachment: &TransitAttachment) -> TransitAttachmentState {
    TransitAttachmentState {
        id: attachment.id,
        gateway: attachment.gateway,
        vpc: attachment.vpc,
        table: attachment.table,
    }
}

pub(crate) fn subnet(subnet: &Subnet, defaults: Defaults) -> SubnetState {
    SubnetState {
        id: subnet.id,
        vpc: subnet.vpc,
        ipv4: subnet.ipv4,
        ipv6: subnet.ipv6,
        route_table: subnet.route_table.unwrap_or(defaults.table),
        acl: subnet.acl.unwrap_or(defaults.acl),
        zone: subnet.zone.clone(),
    }
}

pub(crate) fn acl(acl: &NetworkAcl) -> AclState {
    AclState {
        id: acl.id,
        vpc: acl.vpc,
        ingress: acl.ingress.clone(),
        egress: acl.egress.clone(),
    }
}

/// The group with a rule per prefix in the place of each rule for a list. `listed` are the list's
/// prefixes: none of one that isn't there (yet).
pub(crate) fn group<'a>(
    group: &SecurityGroup,
    listed: impl Fn(PrefixListId) -> &'a [Prefix],
) -> GroupState {
    let expand = |rules: &[Rule]| {
        let mut expanded = Vec::with_capacity(rules.len());
        for rule in rules {
            let Peer::List(list) = rule.peer else {
                expanded.push(rule.clone());
                continue;
            };
            expanded.extend(listed(list).iter().map(|&prefix| Rule {
                peer: Peer::Cidr(prefix),
                ..rule.clone()
            }));
        }
        expanded
    };
    GroupState {
        id: group.id,
        vpc: group.vpc,
        ingress: expand(&group.ingress),
        egress: expand(&group.egress),
        name: group.group_name.clone(),
    }
}

pub(crate) fn nat(nat: &NatGateway) -> NatState {
    NatState {
        id: nat.id,
        vpc: nat.vpc,
        subnet: nat.subnet,
        public: nat.public,
        private: nat.private,
    }
}

pub(crate) fn mapping(interface: &Interface, place: &Attachment) -> Mapping {
    let ipv4 = interface.addresses4().map(IpAddr::V4);
    let ipv6 = interface.ipv6.iter().copied().map(IpAddr::V6);
    Mapping {
        interface: interface.id,
        vpc: interface.vpc,
        subnet: interface.subnet,
        host: place.host.clone(),
        mac: interface.mac,
        addresses: ipv4.chain(ipv6).collect(),
        groups: sorted(&interface.groups),
        source_dest_check: interface.source_dest_check,
        dns_label: dns_label(interface),
    }
}

/// The interface's name, where it can be part of a domain name.
fn dns_label(interface: &Interface) -> Option<DnsLabel> {
    let name = interface.meta.name.as_ref()?;
    name.as_str().to_ascii_lowercase().parse().ok()
}

/// `elastic` are the elastic addresses put on it.
pub(crate) fn port(
    interface: &Interface,
    place: &Attachment,
    elastic: impl IntoIterator<Item = (Ipv4Addr, Ipv4Addr)>,
) -> Port {
    let own = interface.public_ipv4.map(|public| (interface.ipv4, public));
    let mut public: Vec<_> = own.into_iter().chain(elastic).collect();
    public.sort_unstable();
    Port {
        interface: interface.id,
        vpc: interface.vpc,
        subnet: interface.subnet,
        mac: interface.mac,
        ipv4: interface.ipv4,
        secondary_ipv4: interface.secondary_ipv4.clone(),
        ipv6: interface.ipv6.clone(),
        groups: sorted(&interface.groups),
        source_dest_check: interface.source_dest_check,
        public,
        netns: place.netns.clone(),
        device: place.device.clone(),
        name: interface.meta.name.clone(),
        options: Box::new(interface.options.clone()),
    }
}

pub(crate) fn flow_log(log: &FlowLog) -> FlowLogState {
    FlowLogState {
        id: log.id,
        vpc: log.vpc,
        region: log.region.clone(),
        account: log.account.clone(),
        scope: log.scope,
        traffic: log.traffic,
        interval: log.interval,
        format: log.format.clone(),
    }
}

/// The groups once each, in the order of their ids.
pub(crate) fn sorted(groups: &[SecurityGroupId]) -> Vec<SecurityGroupId> {
    let mut groups = groups.to_vec();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// The table with one route per destination. A route whose target isn't live (an interface that isn't
/// plugged in, a peering that isn't active, a gateway that isn't attached) drops what it matches; it
/// doesn't fall through to a shorter prefix. A route for a list is one for each of its prefixes.
pub(crate) fn route_table<'a>(
    table: &RouteTable,
    listed: impl Fn(PrefixListId) -> &'a [Prefix],
    is_live: impl Fn(RouteTarget) -> bool,
) -> RouteTableState {
    let mut winners: BTreeMap<Prefix, &Route> = BTreeMap::new();
    for route in &table.routes {
        let prefixes = match &route.destination {
            Destination::Prefix(prefix) => std::slice::from_ref(prefix),
            Destination::List(list) => listed(*list),
        };
        for &prefix in prefixes {
            let winner = winners.entry(prefix).or_insert(route);
            if rank(route) < rank(winner) {
                *winner = route;
            }
        }
    }
    let live = |target| {
        if is_live(target) {
            target
        } else {
            RouteTarget::Blackhole
        }
    };
    let routes = winners.into_iter().map(|(destination, route)| RouteState {
        destination,
        target: live(route.target),
    });
    RouteTableState {
        id: table.id,
        vpc: table.vpc,
        routes: routes.collect(),
    }
}

/// Of routes to one destination the lowest rank wins: static beats propagated, one for the very
/// prefix beats a list's, and nobody's announcement replaces the `local` route. Of two lists' the
/// one with the lower id wins, as it comes first in the table.
const fn rank(route: &Route) -> u8 {
    match (route.origin, route.destination) {
        (RouteOrigin::Static, Destination::Prefix(_)) => 0,
        (RouteOrigin::Table, _) => 1,
        (RouteOrigin::Static, Destination::List(_)) => 2,
        (RouteOrigin::Propagated, _) => 3,
    }
}
