//! Route tables and their routes.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, prefix_list,
    refuse, subnet::is_whole, vpc::blocks,
};
use crate::{
    Change, Cloud, Destination, EgressGatewayId, Family, InterfaceId, InternetGatewayId, Label,
    Meta, NatGatewayId, PeeringId, Prefix, PrefixListId, Revision, Route, RouteOrigin, RouteTable,
    RouteTableId, RouteTarget, TransitGatewayId, Vpc, VpcId,
};

/// What a route table is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// Routes beside the local ones, or in their place.
    pub routes: Vec<(Destination, RouteTarget)>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Routes have commands of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a route table with a local route per block of the VPC.
///
/// # Errors
/// When the VPC doesn't exist, a route can't be, or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let vpc = cloud.vpc(draft.vpc).ok_or_else(|| {
        let reason = format!("VPC {} doesn't exist", draft.vpc);
        OpError::invalid("route_table.vpc", reason)
    })?;
    let tables = cloud.route_tables_in_vpc(vpc.id).count() + 1;
    let limit = settings.quotas.route_tables_per_vpc;
    check_quota(tables, limit, "route tables", || format!("VPC {}", vpc.id))?;
    let mut table = RouteTable {
        id: draw_id(cloud, entropy, RouteTableId::from_bits)?,
        vpc: draft.vpc,
        routes: blocks(vpc).into_iter().map(local_route).collect(),
        meta: Meta::named(draft.label),
    };
    let mut violations = Vec::new();
    for (i, &(destination, target)) in draft.routes.iter().enumerate() {
        let field = format!("route_table.routes[{i}]");
        let twice = draft.routes[..i].iter().any(|(d, _)| *d == destination);
        if twice {
            let field = destination_field(&field, destination);
            let reason = format!("{destination} is listed twice");
            violations.push(Violation::new(field, reason));
        }
        violations.extend(check_route(cloud, vpc, &field, destination, target));
        set_route(&mut table, destination, target);
    }
    refuse(violations)?;
    check_route_quota(&table, settings, |id| prefix_list::weight(cloud, id))?;
    Ok(vec![Change::create(table)])
}

/// Changes a route table's name.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: RouteTableId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |table| {
        table.meta.rename(update.label);
        Ok(())
    })
}

/// Deletes a route table.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, is its VPC's main one, or a subnet uses it.
pub fn delete(
    cloud: &Cloud,
    id: RouteTableId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let table = found(cloud.route_table(id), id)?;
    check_etag(id, &table.meta, etag)?;
    let vpc = cloud.vpc(table.vpc);
    if vpc.is_some_and(|vpc| vpc.main_route_table == id) {
        return Err(OpError::Protected {
            key: id.into(),
            reason: "it is its VPC's main table: make another table the main one first",
        });
    }
    if let Some(subnet) = cloud.subnets_with_table(id).next() {
        let (key, by) = (id.into(), subnet.id.into());
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(table.clone())])
}

/// Adds a static route, or replaces the target of the static or local one for the destination.
///
/// # Errors
/// When the table doesn't exist or has changed since the etag, the route can't be, or the quota is
/// reached.
pub fn put_route(
    cloud: &Cloud,
    settings: &Settings,
    id: RouteTableId,
    (destination, target): (Destination, RouteTarget),
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |table| {
        let vpc = found(cloud.vpc(table.vpc), table.vpc)?;
        refuse(check_route(cloud, vpc, "route", destination, target))?;
        set_route(table, destination, target);
        check_route_quota(table, settings, |id| prefix_list::weight(cloud, id))
    })
}

/// Deletes a static route.
///
/// # Errors
/// When the table doesn't exist or has changed since the etag, or has no static route for the
/// destination.
pub fn delete_route(
    cloud: &Cloud,
    id: RouteTableId,
    destination: Destination,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |table| {
        let same = |route: &&Route| route.destination == destination;
        let origins: Vec<RouteOrigin> =
            table.routes.iter().filter(same).map(|r| r.origin).collect();
        if !origins.contains(&RouteOrigin::Static) {
            return Err(OpError::invalid(
                "destination",
                kept(id, destination, &origins),
            ));
        }
        table
            .routes
            .retain(|r| r.destination != destination || r.origin != RouteOrigin::Static);
        Ok(())
    })
}

/// Why no route for the destination goes.
fn kept(id: RouteTableId, destination: Destination, origins: &[RouteOrigin]) -> String {
    match origins.first() {
        Some(RouteOrigin::Table) => format!(
            "the route for {destination} came with {id} and can't be deleted; to undo a \
             replaced target, put it back to local"
        ),
        Some(_) => format!("the route for {destination} in {id} is propagated, not static"),
        None => format!("{id} has no route for {destination}"),
    }
}

/// The route that every table has for a block of its VPC.
pub(super) fn local_route(block: Prefix) -> Route {
    Route {
        destination: block.into(),
        target: RouteTarget::Local,
        origin: RouteOrigin::Table,
    }
}

fn change(
    cloud: &Cloud,
    id: RouteTableId,
    etag: Option<Revision>,
    edit: impl FnOnce(&mut RouteTable) -> Result<(), OpError>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.route_table(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    edit(&mut after)?;
    Ok(vec![Change::update(before.clone(), after)])
}

fn set_route(table: &mut RouteTable, destination: Destination, target: RouteTarget) {
    let given = |route: &&mut Route| {
        route.destination == destination && route.origin != RouteOrigin::Propagated
    };
    if let Some(route) = table.routes.iter_mut().find(given) {
        route.target = target;
        return;
    }
    table.routes.push(Route {
        destination,
        target,
        origin: RouteOrigin::Static,
    });
    table.routes.sort_by_key(|route| route.destination);
}

/// A route for a list counts as often as the list may have entries.
pub(super) fn check_route_quota(
    table: &RouteTable,
    settings: &Settings,
    weight: impl Fn(PrefixListId) -> usize,
) -> Result<(), OpError> {
    let routes = table.routes.iter();
    let counts = routes
        .filter(|route| route.origin == RouteOrigin::Static)
        .map(|route| match route.destination {
            Destination::Prefix(_) => 1,
            Destination::List(id) => weight(id),
        });
    let count = counts.fold(0, usize::saturating_add);
    let limit = settings.quotas.routes_per_table;
    let within = || format!("route table {}", table.id);
    check_quota(count, limit, "routes beside the local ones", within)
}

fn family(cloud: &Cloud, destination: Destination) -> Option<Family> {
    match destination {
        Destination::Prefix(prefix) => Some(Family::of(prefix)),
        Destination::List(id) => cloud.prefix_list(id).map(|list| list.family),
    }
}

fn destination_field(route: &str, destination: Destination) -> String {
    match destination {
        Destination::Prefix(_) => format!("{route}.destination"),
        Destination::List(_) => format!("{route}.prefix_list"),
    }
}

fn check_route(
    cloud: &Cloud,
    vpc: &Vpc,
    field: &str,
    destination: Destination,
    target: RouteTarget,
) -> Vec<Violation> {
    let wrong_place = match destination {
        Destination::Prefix(prefix) => check_destination(cloud, vpc, prefix, target),
        Destination::List(id) => check_list(cloud, vpc, id, target),
    };
    let wrong_place =
        wrong_place.map(|reason| Violation::new(destination_field(field, destination), reason));
    let wrong_target = match target {
        RouteTarget::Interface(id) => check_target(cloud, vpc, id)
            .map(|reason| Violation::new(format!("{field}.interface"), reason)),
        RouteTarget::InternetGateway(id) => check_internet(cloud, vpc, id)
            .map(|reason| Violation::new(format!("{field}.internet_gateway"), reason)),
        RouteTarget::EgressGateway(id) => check_egress(cloud, vpc, id, destination)
            .map(|reason| Violation::new(format!("{field}.egress_gateway"), reason)),
        RouteTarget::Peering(id) => check_peering(cloud, vpc, id)
            .map(|reason| Violation::new(format!("{field}.peering"), reason)),
        RouteTarget::Nat(id) => check_nat(cloud, vpc, id, destination)
            .map(|reason| Violation::new(format!("{field}.nat_gateway"), reason)),
        RouteTarget::TransitGateway(id) => check_transit(cloud, vpc, id)
            .map(|reason| Violation::new(format!("{field}.transit_gateway"), reason)),
        RouteTarget::Local | RouteTarget::Blackhole => None,
    };
    wrong_place.into_iter().chain(wrong_target).collect()
}

/// Why the list can't have a route with such a target.
fn check_list(cloud: &Cloud, vpc: &Vpc, id: PrefixListId, target: RouteTarget) -> Option<String> {
    if target == RouteTarget::Local {
        return Some("only a block of the VPC has a local route".to_owned());
    }
    match prefix_list::referable(cloud, &vpc.region, id) {
        Err(reason) => Some(reason),
        Ok(list) => list
            .prefixes()
            .find_map(|prefix| check_listed(cloud, vpc, prefix, target)),
    }
}

/// Why a list with a route of this target can't have the prefix.
pub(super) fn check_listed(
    cloud: &Cloud,
    vpc: &Vpc,
    prefix: Prefix,
    target: RouteTarget,
) -> Option<String> {
    if blocks(vpc).contains(&prefix) {
        return Some(format!(
            "{prefix} is a block of the VPC: a list can't replace its local route"
        ));
    }
    check_destination(cloud, vpc, prefix, target)
}

/// Why the destination can't have such a target.
fn check_destination(
    cloud: &Cloud,
    vpc: &Vpc,
    destination: Prefix,
    target: RouteTarget,
) -> Option<String> {
    if in_services(destination) {
        return Some(format!(
            "{destination} is inside 169.254.168.0/22 or fd00:ec2::/32, which are kept for \
             services"
        ));
    }
    let blocks = blocks(vpc);
    if blocks.contains(&destination) {
        let inside = matches!(target, RouteTarget::Local | RouteTarget::Interface(_));
        return (!inside).then(|| {
            format!("{destination} is a block of the VPC: its target is local or an interface")
        });
    }
    if target == RouteTarget::Local {
        let id = vpc.id;
        return Some(format!(
            "{destination} is no block of {id}, so it has no local route"
        ));
    }
    let block = blocks.iter().find(|block| block.contains(destination))?;
    let mut subnets = cloud.subnets_in_vpc(vpc.id);
    let whole = subnets.any(|subnet| is_whole(subnet, destination));
    let to_interface = matches!(target, RouteTarget::Interface(_));
    (!whole || !to_interface).then(|| {
        format!(
            "{destination} is more specific than the local route {block}: it must equal a whole \
             subnet's block and point at an interface"
        )
    })
}

pub(super) fn in_services(destination: Prefix) -> bool {
    let v4 = Ipv4Net::new(Ipv4Addr::new(169, 254, 168, 0), 22).map(IpNet::V4);
    let v6 = Ipv6Net::new(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32).map(IpNet::V6);
    let inside = |services: IpNet| services.contains(&destination.net());
    v4.is_ok_and(inside) || v6.is_ok_and(inside)
}

/// Why the interface can't be a target.
fn check_target(cloud: &Cloud, vpc: &Vpc, id: InterfaceId) -> Option<String> {
    match cloud.interface(id) {
        None => Some(format!("interface {id} doesn't exist")),
        Some(interface) if interface.vpc != vpc.id => Some(format!(
            "interface {id} is in VPC {}, and the table is of {}",
            interface.vpc, vpc.id
        )),
        Some(_) => None,
    }
}

/// Why the internet gateway can't be a target.
fn check_internet(cloud: &Cloud, vpc: &Vpc, id: InternetGatewayId) -> Option<String> {
    match cloud.internet_gateway(id) {
        None => Some(format!("internet gateway {id} doesn't exist")),
        Some(gateway) if gateway.vpc != Some(vpc.id) => Some(format!(
            "internet gateway {id} is not attached to {}, the table's VPC; attach it first",
            vpc.id
        )),
        Some(_) => None,
    }
}

/// Why the egress-only internet gateway can't be a target.
fn check_egress(
    cloud: &Cloud,
    vpc: &Vpc,
    id: EgressGatewayId,
    destination: Destination,
) -> Option<String> {
    match cloud.egress_gateway(id) {
        None => Some(format!("egress-only internet gateway {id} doesn't exist")),
        Some(gateway) if gateway.vpc != vpc.id => Some(format!(
            "egress-only internet gateway {id} is of VPC {}, and the table is of {}",
            gateway.vpc, vpc.id
        )),
        Some(_) => (family(cloud, destination) == Some(Family::Ipv4)).then(|| {
            format!("{destination} is IPv4, and an egress-only internet gateway is for IPv6 alone")
        }),
    }
}

/// Why the peering can't be a target. One that waits for its answer can: the route is a blackhole
/// until then.
fn check_peering(cloud: &Cloud, vpc: &Vpc, id: PeeringId) -> Option<String> {
    let Some(peering) = cloud.peering(id) else {
        return Some(format!("peering {id} doesn't exist"));
    };
    if peering.other(vpc.id).is_none() {
        let (one, two) = (peering.requester, peering.accepter);
        return Some(format!(
            "peering {id} is between {one} and {two}, and the table is of {}",
            vpc.id
        ));
    }
    (!peering.is_wanted()).then(|| format!("peering {id} is rejected"))
}

/// Why the NAT gateway can't be a target.
fn check_nat(
    cloud: &Cloud,
    vpc: &Vpc,
    id: NatGatewayId,
    destination: Destination,
) -> Option<String> {
    match cloud.nat_gateway(id) {
        None => Some(format!("NAT gateway {id} doesn't exist")),
        Some(nat) if nat.vpc != vpc.id => Some(format!(
            "NAT gateway {id} is of VPC {}, and the table is of {}",
            nat.vpc, vpc.id
        )),
        Some(_) => (family(cloud, destination) == Some(Family::Ipv6))
            .then(|| format!("{destination} is IPv6, and a NAT gateway is for IPv4 alone")),
    }
}

/// Why the transit gateway can't be a target.
fn check_transit(cloud: &Cloud, vpc: &Vpc, id: TransitGatewayId) -> Option<String> {
    if cloud.transit_gateway(id).is_none() {
        return Some(format!("transit gateway {id} doesn't exist"));
    }
    cloud.attachment(id, vpc.id).is_none().then(|| {
        let vpc = vpc.id;
        format!("{vpc}, the table's VPC, is not attached to transit gateway {id}; attach it first")
    })
}
