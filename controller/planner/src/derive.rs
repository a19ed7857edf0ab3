//! The state that hosts hold, cut from the stored resources. The order of what has none (groups,
//! routes) is made canonical, so that it alone never makes a new version.

use std::{collections::BTreeMap, net::IpAddr};

use weft_model::{
    Attachment, FlowLog, Host, Interface, InterfaceId, Prefix, Route, RouteOrigin, RouteTable,
    RouteTableId, RouteTarget, SecurityGroup, SecurityGroupId, Subnet, Vpc,
    state::{
        FlowLogState, GroupState, Mapping, Port, RouteState, RouteTableState, SubnetState, Tunnel,
        VpcState,
    },
};

pub(crate) fn tunnel(host: &Host) -> Tunnel {
    Tunnel {
        host: host.name.clone(),
        vtep: host.vtep,
        zone: host.zone.clone(),
    }
}

pub(crate) fn vpc(vpc: &Vpc) -> VpcState {
    VpcState {
        id: vpc.id,
        vni: vpc.vni,
        ipv4: vpc.blocks4().collect(),
        ipv6: vpc.ipv6.clone(),
    }
}

/// `main` is the VPC's main table, for a subnet that names none.
pub(crate) fn subnet(subnet: &Subnet, main: RouteTableId) -> SubnetState {
    SubnetState {
        id: subnet.id,
        vpc: subnet.vpc,
        zone: subnet.zone.clone(),
        ipv4: subnet.ipv4,
        ipv6: subnet.ipv6,
        route_table: subnet.route_table.unwrap_or(main),
    }
}

pub(crate) fn group(group: &SecurityGroup) -> GroupState {
    GroupState {
        id: group.id,
        vpc: group.vpc,
        ingress: group.ingress.clone(),
        egress: group.egress.clone(),
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
    }
}

pub(crate) fn port(interface: &Interface, place: &Attachment) -> Port {
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
        netns: place.netns.clone(),
        device: place.device.clone(),
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

/// The table with one route per destination. A route to an interface that isn't plugged in drops
/// what it matches; it doesn't fall through to a shorter prefix.
pub(crate) fn route_table(
    table: &RouteTable,
    is_attached: impl Fn(InterfaceId) -> bool,
) -> RouteTableState {
    let mut winners: BTreeMap<Prefix, &Route> = BTreeMap::new();
    for route in &table.routes {
        let winner = winners.entry(route.destination).or_insert(route);
        if rank(route.origin) < rank(winner.origin) {
            *winner = route;
        }
    }
    let live = |target| match target {
        RouteTarget::Interface(id) if !is_attached(id) => RouteTarget::Blackhole,
        // Hosts don't lead outside yet.
        RouteTarget::InternetGateway(_) | RouteTarget::EgressGateway(_) => RouteTarget::Blackhole,
        target => target,
    };
    let routes = winners.into_values().map(|route| RouteState {
        destination: route.destination,
        target: live(route.target),
    });
    RouteTableState {
        id: table.id,
        vpc: table.vpc,
        routes: routes.collect(),
    }
}

/// Of routes to one destination the lowest rank wins: static beats propagated, and nobody's
/// announcement replaces the `local` route.
const fn rank(origin: RouteOrigin) -> u8 {
    match origin {
        RouteOrigin::Static => 0,
        RouteOrigin::Table => 1,
        RouteOrigin::Propagated => 2,
    }
}
