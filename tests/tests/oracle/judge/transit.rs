//! Transit gateways: the tables that route between VPCs, route by route.

use std::{cmp::Reverse, net::IpAddr};

use weft_model::{
    Cloud, Interface, Prefix, RouteTarget, TransitAttachment, TransitAttachmentId,
    TransitGatewayId, TransitTableId, Vpc, VpcId,
};

use super::{
    Refusal,
    policy::{held, table_route},
};

/// A route of a table: where it leads, and how it stands among those for the same prefix.
#[derive(Debug, Clone, Copy)]
struct Route {
    prefix: Prefix,
    to: Option<TransitAttachmentId>,
    /// What people wrote beats what attachments announce, of which the first one counts.
    rank: (
        bool,
        Option<Reverse<(weft_model::Revision, TransitAttachmentId)>>,
    ),
}

/// Whether the address is in a block of the VPC.
pub(super) fn has(vpc: &Vpc, address: IpAddr) -> bool {
    vpc.blocks().any(|block| block.contains_addr(address))
}

fn routes(cloud: &Cloud, table: TransitTableId) -> Vec<Route> {
    let written = cloud.transit_tables().find(|t| t.id == table);
    let written = written.into_iter().flat_map(|table| &table.routes);
    let written = written.map(|route| Route {
        prefix: route.destination,
        to: route.target,
        rank: (true, None),
    });
    let announced = cloud.transit_attachments().flat_map(|attachment| {
        let into = attachment.propagations.contains(&table);
        let vpc = cloud.vpc(attachment.vpc).filter(|_| into);
        vpc.into_iter().flat_map(|vpc| {
            vpc.blocks().map(|prefix| Route {
                prefix,
                to: Some(attachment.id),
                rank: (
                    false,
                    Some(Reverse((attachment.meta.created, attachment.id))),
                ),
            })
        })
    });
    written.chain(announced).collect()
}

/// The route that the table has for the address.
fn route(cloud: &Cloud, table: TransitTableId, to: IpAddr) -> Option<Route> {
    let fitting = routes(cloud, table).into_iter();
    let fitting = fitting.filter(|route| route.prefix.contains_addr(to));
    fitting.max_by_key(|route| (route.prefix.net().prefix_len(), route.rank))
}

fn attached(cloud: &Cloud, vpc: VpcId, gateway: TransitGatewayId) -> Option<&TransitAttachment> {
    let mut all = cloud.transit_attachments();
    all.find(|attachment| (attachment.vpc, attachment.gateway) == (vpc, gateway))
}

/// The interface that a packet of the VPC is led to by the gateway; `None` where the VPC isn't
/// attached to it.
pub(super) fn lead(
    cloud: &Cloud,
    vpc: VpcId,
    gateway: TransitGatewayId,
    (src, dst): (IpAddr, IpAddr),
) -> Option<Result<Interface, Refusal>> {
    let from = attached(cloud, vpc, gateway)?;
    Some(lead_from(cloud, from, (src, dst)))
}

fn lead_from(
    cloud: &Cloud,
    from: &TransitAttachment,
    (src, dst): (IpAddr, IpAddr),
) -> Result<Interface, Refusal> {
    let lost = Refusal::because("transit_no_table", from.id);
    let table = from.table.ok_or(lost)?;
    let found = route(cloud, table, dst);
    let found = found.ok_or_else(|| Refusal::because("transit_no_route", table))?;
    let to = found.to.and_then(|id| cloud.transit_attachment(id));
    let dead = || Refusal::because("blackhole", format!("{table} {}", found.prefix));
    let to = to.ok_or_else(dead)?;
    // Its answers would never leave it.
    if has(cloud.vpc(to.vpc).unwrap(), src) {
        return Err(Refusal::because("transit_overlap", to.id));
    }
    // Only what is the VPC's own crosses, and nothing behind the other is reached.
    let own = held(cloud, from.vpc, src);
    own.ok_or_else(|| Refusal::because("foreign_source", to.id))?;
    let there = held(cloud, to.vpc, dst);
    there.ok_or_else(|| Refusal::because("transit_no_mapping", to.id))
}

/// The VPCs that packets of this one are led to, whatever the address.
pub(crate) fn reached(cloud: &Cloud, vpc: VpcId) -> Vec<VpcId> {
    let own = cloud.transit_attachments().filter(|a| a.vpc == vpc);
    let tables = own.filter_map(|attachment| attachment.table);
    let winners = tables.flat_map(|table| {
        let all = routes(cloud, table);
        let wins = |route: &Route| {
            let same = all.iter().filter(|other| other.prefix == route.prefix);
            same.map(|other| other.rank).max() == Some(route.rank)
        };
        all.iter().copied().filter(wins).collect::<Vec<_>>()
    });
    let to = winners.filter_map(|route| cloud.transit_attachment(route.to?));
    let mut vpcs: Vec<_> = to.map(|to| to.vpc).filter(|to| *to != vpc).collect();
    vpcs.sort_unstable();
    vpcs.dedup();
    vpcs
}

/// Who holds the address on the other side of a gateway: of several, the one that the interface's
/// own packets are led to, or else the first.
pub(super) fn holder(cloud: &Cloud, near: &Interface, address: IpAddr) -> Option<Interface> {
    let reached_by_us = reached(cloud, near.vpc);
    let all = cloud.vpcs().map(|vpc| vpc.id).filter(|id| *id != near.vpc);
    let around =
        all.filter(|id| reached_by_us.contains(id) || reached(cloud, *id).contains(&near.vpc));
    let mut around: Vec<_> = around
        .filter(|id| has(cloud.vpc(*id).unwrap(), address))
        .collect();
    around.sort_unstable();
    if around.is_empty() {
        return None;
    }
    let led = led_to(cloud, near, address).filter(|id| reached_by_us.contains(id));
    let mut vpcs = led.into_iter().chain(around);
    vpcs.find_map(|vpc| held(cloud, vpc, address))
}

/// The VPC that the interface's packets to the address are led to.
fn led_to(cloud: &Cloud, near: &Interface, address: IpAddr) -> Option<VpcId> {
    let subnet = cloud.subnet(near.subnet).unwrap();
    let (_, found) = table_route(cloud, subnet, address);
    let RouteTarget::TransitGateway(gateway) = found?.1.target else {
        return None;
    };
    let table = attached(cloud, near.vpc, gateway)?.table?;
    let to = route(cloud, table, address)?.to?;
    Some(cloud.transit_attachment(to)?.vpc)
}
