//! Subnets.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, refuse,
};
use crate::{
    Block4, Change, Cloud, Label, LogScope, Meta, NetworkAclId, Placement, Prefix, ResourceKey,
    Revision, Route, RouteOrigin, RouteTableId, Subnet, SubnetBlock6, SubnetId, Vpc, VpcId,
    ZoneName,
};

/// What a subnet is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// The zone that its interfaces' hosts stand in.
    pub zone: ZoneName,
    /// Its IPv4 block, inside one of the VPC's.
    pub ipv4: Block4,
    /// Its IPv6 block, inside one of the VPC's.
    pub ipv6: Option<SubnetBlock6>,
    /// Whether to take the lowest free /64 of the VPC where `ipv6` is `None`.
    pub assign_ipv6: bool,
    /// The table to associate; `None` means the VPC's main one.
    pub route_table: Option<RouteTableId>,
    /// Whether a new interface gets a public address of the region's pools.
    pub map_public_ip: bool,
    /// The network ACL at its boundary; `None` means the VPC's default one.
    pub acl: Option<NetworkAclId>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The associated table; `Some(None)` means the VPC's main one.
    pub route_table: Option<Option<RouteTableId>>,
    /// The network ACL at its boundary; `Some(None)` means the VPC's default one.
    pub acl: Option<Option<NetworkAclId>>,
    /// The IPv6 block, or none; it can't go or change while an interface has an address of it.
    pub ipv6: Option<Option<SubnetBlock6>>,
    /// Whether a new interface gets a public address; those there keep what they have.
    pub map_public_ip: Option<bool>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a subnet.
///
/// # Errors
/// When the VPC, zone, table or ACL doesn't fit, a block is outside the VPC's or overlaps another
/// subnet's, a quota is reached, or no /64 is free.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let vpc = cloud.vpc(draft.vpc).ok_or_else(|| {
        let reason = format!("VPC {} doesn't exist", draft.vpc);
        OpError::invalid("subnet.vpc", reason)
    })?;
    let subnets = cloud.subnets_in_vpc(vpc.id).count() + 1;
    let limit = settings.quotas.subnets_per_vpc;
    check_quota(subnets, limit, "subnets", || format!("VPC {}", vpc.id))?;
    let mut violations = Vec::new();
    violations.extend(check_zone(cloud, vpc, &draft.zone));
    violations.extend(check_block4(cloud, vpc, draft.ipv4));
    violations.extend(draft.ipv6.and_then(|b| check_block6(cloud, vpc, None, b)));
    violations.extend(check_table(cloud, vpc, draft.route_table));
    violations.extend(check_acl(cloud, vpc, draft.acl));
    refuse(violations)?;
    let ipv6 = match draft.ipv6 {
        None if draft.assign_ipv6 => Some(assigned6(cloud, vpc)?),
        given => given,
    };
    Ok(vec![Change::create(Subnet {
        id: draw_id(cloud, entropy, SubnetId::from_bits)?,
        vpc: draft.vpc,
        zone: draft.zone,
        ipv4: draft.ipv4,
        ipv6,
        route_table: draft.route_table,
        map_public_ip: draft.map_public_ip,
        acl: draft.acl,
        meta: Meta::named(draft.label),
    })])
}

/// Changes a subnet.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, the table, the ACL or the block doesn't fit, or the
/// block that goes has addresses in use.
pub fn update(
    cloud: &Cloud,
    id: SubnetId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.subnet(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let vpc = found(cloud.vpc(before.vpc), before.vpc)?;
    let mut after = before.clone();
    if let Some(table) = update.route_table {
        refuse(check_table(cloud, vpc, table).into_iter().collect())?;
        after.route_table = table;
    }
    if let Some(acl) = update.acl {
        refuse(check_acl(cloud, vpc, acl).into_iter().collect())?;
        after.acl = acl;
    }
    if let Some(ipv6) = update.ipv6.filter(|ipv6| *ipv6 != before.ipv6) {
        check_replaced6(cloud, before)?;
        let violation = ipv6.and_then(|block| check_block6(cloud, vpc, Some(id), block));
        refuse(violation.into_iter().collect())?;
        after.ipv6 = ipv6;
    }
    after.map_public_ip = update.map_public_ip.unwrap_or(after.map_public_ip);
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a subnet.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, has interfaces or a load
/// balancer's addresses, or a route is for it.
pub fn delete(cloud: &Cloud, id: SubnetId, etag: Option<Revision>) -> Result<Vec<Change>, OpError> {
    let subnet = found(cloud.subnet(id), id)?;
    check_etag(id, &subnet.meta, etag)?;
    if let Some(interface) = cloud.interfaces_in_subnet(id).next() {
        let (key, by) = (id.into(), interface.id.into());
        return Err(OpError::InUse { key, by });
    }
    if let Some(balancer) = cloud.balancers_in_subnet(id).next() {
        let (key, by) = (id.into(), balancer.id.into());
        return Err(OpError::InUse { key, by });
    }
    let mut nats = cloud.nat_gateways_in_vpc(subnet.vpc);
    if let Some(nat) = nats.find(|nat| nat.subnet == id) {
        let (key, by) = (id.into(), nat.id.into());
        return Err(OpError::InUse { key, by });
    }
    check_no_route(cloud, subnet, Some(subnet.ipv4.into()))?;
    check_no_route(cloud, subnet, subnet.ipv6.map(Prefix::from))?;
    let logs = super::flow_log::end_with(cloud, LogScope::Subnet(id));
    let gone = std::iter::once(Change::delete(subnet.clone()));
    Ok(logs.chain(gone).collect())
}

fn check_zone(cloud: &Cloud, vpc: &Vpc, zone: &ZoneName) -> Option<Violation> {
    let reason = match cloud.zone(zone) {
        None => format!("zone {zone} doesn't exist; create it first"),
        Some(found) if found.region != vpc.region => format!(
            "zone {zone} is in region {}, and VPC {} is in {}",
            found.region, vpc.id, vpc.region
        ),
        Some(_) => return None,
    };
    Some(Violation::new("subnet.zone", reason))
}

fn check_block4(cloud: &Cloud, vpc: &Vpc, block: Block4) -> Option<Violation> {
    let violation = |reason| Some(Violation::new("subnet.cidr_block", reason));
    if !vpc.blocks4().any(|outer| outer.contains(block)) {
        let blocks: Vec<String> = vpc.blocks4().map(|block| block.to_string()).collect();
        let blocks = blocks.join(", ");
        return violation(format!(
            "{block} is not inside one of the blocks of VPC {}: {blocks}",
            vpc.id
        ));
    }
    let mut others = cloud.subnets_in_vpc(vpc.id);
    let other = others.find(|other| other.ipv4.overlaps(block))?;
    let (theirs, id) = (other.ipv4, other.id);
    violation(format!("{block} overlaps {theirs} of subnet {id}"))
}

fn check_block6(
    cloud: &Cloud,
    vpc: &Vpc,
    own: Option<SubnetId>,
    block: SubnetBlock6,
) -> Option<Violation> {
    let violation = |reason| Some(Violation::new("subnet.ipv6_cidr_block", reason));
    if !vpc.ipv6.iter().any(|outer| outer.contains_subnet(block)) {
        let blocks: Vec<String> = vpc.ipv6.iter().map(ToString::to_string).collect();
        return violation(match blocks.as_slice() {
            [] => format!("VPC {} has no IPv6 block; give it one first", vpc.id),
            blocks => format!(
                "{block} is not inside one of the IPv6 blocks of VPC {}: {}",
                vpc.id,
                blocks.join(", ")
            ),
        });
    }
    let mut others = cloud.subnets_in_vpc(vpc.id);
    let other = others.find(|other| other.ipv6 == Some(block) && Some(other.id) != own)?;
    violation(format!("{block} is the block of subnet {}", other.id))
}

fn check_table(cloud: &Cloud, vpc: &Vpc, table: Option<RouteTableId>) -> Option<Violation> {
    let id = table?;
    let reason = match cloud.route_table(id) {
        None => format!("route table {id} doesn't exist"),
        Some(table) if table.vpc != vpc.id => format!(
            "route table {id} is of VPC {}, and the subnet is of {}",
            table.vpc, vpc.id
        ),
        Some(_) => return None,
    };
    Some(Violation::new("subnet.route_table", reason))
}

fn check_acl(cloud: &Cloud, vpc: &Vpc, acl: Option<NetworkAclId>) -> Option<Violation> {
    let id = acl?;
    let reason = match cloud.network_acl(id) {
        None => format!("network ACL {id} doesn't exist"),
        Some(acl) if acl.vpc != vpc.id => format!(
            "network ACL {id} is of VPC {}, and the subnet is of {}",
            acl.vpc, vpc.id
        ),
        Some(_) => return None,
    };
    Some(Violation::new("subnet.network_acl", reason))
}

fn assigned6(cloud: &Cloud, vpc: &Vpc) -> Result<SubnetBlock6, OpError> {
    if vpc.ipv6.is_empty() {
        let reason = format!("VPC {} has no IPv6 block; give it one first", vpc.id);
        return Err(OpError::invalid("assign_ipv6", reason));
    }
    cloud
        .free_subnet_block6(vpc)
        .ok_or_else(|| OpError::Exhausted {
            what: "IPv6 /64",
            within: format!("VPC {}", vpc.id),
        })
}

/// A route more specific than the local one is for a whole subnet, so the subnet stays while a
/// table has one.
fn check_no_route(cloud: &Cloud, subnet: &Subnet, block: Option<Prefix>) -> Result<(), OpError> {
    let Some(block) = block else {
        return Ok(());
    };
    let own = |route: &Route| {
        let prefixes = cloud.prefixes_of(route.destination);
        route.origin != RouteOrigin::Table && prefixes.contains(&block)
    };
    let mut tables = cloud.route_tables_in_vpc(subnet.vpc);
    match tables.find(|table| table.routes.iter().any(own)) {
        None => Ok(()),
        Some(table) => Err(OpError::InUse {
            key: subnet.id.into(),
            by: table.id.into(),
        }),
    }
}

/// Addresses of the block must be nobody's before it goes, nor may a route be for it.
fn check_replaced6(cloud: &Cloud, subnet: &Subnet) -> Result<(), OpError> {
    check_no_route(cloud, subnet, subnet.ipv6.map(Prefix::from))?;
    let mut interfaces = cloud.interfaces_in_subnet(subnet.id);
    let interface = interfaces.find(|interface| !interface.ipv6.is_empty());
    let mut balancers = cloud.balancers_in_subnet(subnet.id);
    let is_here = |place: &Placement| place.subnet == subnet.id && place.ipv6.is_some();
    let balancer = balancers.find(|balancer| balancer.placements.iter().any(is_here));
    let by = interface.map(|interface| ResourceKey::from(interface.id));
    match by.or(balancer.map(|balancer| balancer.id.into())) {
        None => Ok(()),
        Some(by) => Err(OpError::InUse {
            key: subnet.id.into(),
            by,
        }),
    }
}

/// Whether the prefix is exactly the subnet's IPv4 or IPv6 block.
pub(super) fn is_whole(subnet: &Subnet, prefix: Prefix) -> bool {
    Prefix::from(subnet.ipv4) == prefix || subnet.ipv6.map(Prefix::from) == Some(prefix)
}
