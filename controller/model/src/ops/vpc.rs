//! VPCs: each made with its VNI, its main route table, its default security group and its default
//! network ACL.

use std::collections::BTreeSet;

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found,
    network_acl::default_acl, peering, refuse, route_table::local_route,
    security_group::default_group,
};
use crate::{
    Block4, Change, Cloud, DnsForward, Label, LogScope, Meta, NetworkAclId, Prefix, RegionName,
    ResourceKey, Revision, RouteOrigin, RouteTable, RouteTableId, SecurityGroupId, Vpc, VpcBlock6,
    VpcDns, VpcId,
};

/// What a VPC is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The region it lives in.
    pub region: RegionName,
    /// The primary IPv4 block.
    pub primary: Block4,
    /// Secondary IPv4 blocks.
    pub secondary: Vec<Block4>,
    /// IPv6 blocks.
    pub ipv6: Vec<VpcBlock6>,
    /// Whether to take a /56 from the pool where `ipv6` is empty.
    pub assign_ipv6: bool,
    /// What its resolver does.
    pub dns: VpcDns,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Lists are the whole list wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Secondary IPv4 blocks.
    pub secondary: Option<Vec<Block4>>,
    /// IPv6 blocks.
    pub ipv6: Option<Vec<VpcBlock6>>,
    /// The table of subnets that name none: one of the VPC's.
    pub main_route_table: Option<RouteTableId>,
    /// Whether its resolver answers at all.
    pub dns_support: Option<bool>,
    /// Whether interfaces have names.
    pub dns_hostnames: Option<bool>,
    /// Where its resolver asks for names that aren't its own.
    pub dns_forwards: Option<Vec<DnsForward>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a VPC, its main route table, its default security group and its default network ACL: the
/// VPC's change is first.
///
/// # Errors
/// When the region doesn't exist, blocks overlap, a quota is reached, or no VNI or /56 is free.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    if cloud.region(&draft.region).is_none() {
        let reason = format!("region {} doesn't exist; create it first", draft.region);
        return Err(OpError::invalid("vpc.region", reason));
    }
    assemble(cloud, settings, draft, entropy)
}

/// The same in a region that is just being made.
pub(super) fn assemble(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    check_region_quotas(cloud, settings, &draft.region)?;
    let id = draw_id(cloud, entropy, VpcId::from_bits)?;
    let vpc = Vpc {
        id,
        vni: cloud.free_vni().ok_or_else(|| OpError::Exhausted {
            what: "VNI",
            within: "the cloud".to_owned(),
        })?,
        ipv6: blocks6(cloud, settings, &draft)?,
        region: draft.region,
        primary: draft.primary,
        dns: draft.dns,
        secondary: draft.secondary,
        main_route_table: draw_id(cloud, entropy, RouteTableId::from_bits)?,
        default_group: draw_id(cloud, entropy, SecurityGroupId::from_bits)?,
        default_acl: draw_id(cloud, entropy, NetworkAclId::from_bits)?,
        meta: Meta::named(draft.label),
    };
    check_blocks(&vpc, settings)?;
    check_forwards(&vpc)?;
    let table = main_table(&vpc);
    let group = default_group(&vpc, entropy);
    let acl = default_acl(&vpc);
    Ok(vec![
        Change::create(vpc),
        Change::create(table),
        Change::create(group),
        Change::create(acl),
    ])
}

/// Changes a VPC; its route tables' local routes follow its blocks.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, a new block equals or contains the
/// destination of a route or overlaps a peered VPC's, a block that goes is in use, the main table
/// isn't the VPC's, or a quota is reached.
pub fn update(
    cloud: &Cloud,
    settings: &Settings,
    id: VpcId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.vpc(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.secondary = update.secondary.unwrap_or(after.secondary);
    after.ipv6 = update.ipv6.unwrap_or(after.ipv6);
    if let Some(table) = update.main_route_table {
        check_main(cloud, id, table)?;
        after.main_route_table = table;
    }
    after.dns.support = update.dns_support.unwrap_or(after.dns.support);
    after.dns.hostnames = update.dns_hostnames.unwrap_or(after.dns.hostnames);
    after.dns.forwards = update.dns_forwards.unwrap_or(after.dns.forwards);
    after.meta.rename(update.label);
    check_blocks(&after, settings)?;
    check_forwards(&after)?;
    check_new_blocks(cloud, before, &after)?;
    check_gone_blocks(cloud, before, &after)?;
    let mut changes = vec![Change::update(before.clone(), after.clone())];
    if blocks(before) != blocks(&after) {
        let tables = cloud.route_tables_in_vpc(id);
        changes.extend(tables.map(|table| with_local_routes(table, before, &after)));
    }
    Ok(changes)
}

/// A block to give a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// An IPv4 one.
    Ipv4(Block4),
    /// An IPv6 one.
    Ipv6(VpcBlock6),
    /// An IPv6 one of the region's pool.
    AnyIpv6,
}

/// Gives a VPC one more block, and its route tables a local route for it.
///
/// # Errors
/// As an update that adds it to the others; or no /56 is free.
pub fn associate(
    cloud: &Cloud,
    settings: &Settings,
    id: VpcId,
    block: Block,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let vpc = found(cloud.vpc(id), id)?;
    let mut added = Update::default();
    match block {
        Block::Ipv4(block) => {
            let secondary = vpc.secondary.iter().copied();
            added.secondary = Some(secondary.chain([block]).collect());
        }
        Block::Ipv6(block) => added.ipv6 = Some(vpc.ipv6.iter().copied().chain([block]).collect()),
        Block::AnyIpv6 => {
            let block = pooled6(cloud, settings)?;
            added.ipv6 = Some(vpc.ipv6.iter().copied().chain([block]).collect());
        }
    }
    update(cloud, settings, id, added, etag)
}

/// Takes a block away from a VPC.
///
/// # Errors
/// When it doesn't exist or has changed since the etag, or the block isn't its, is its primary one
/// or in use.
pub fn disassociate(
    cloud: &Cloud,
    settings: &Settings,
    id: VpcId,
    block: Prefix,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let vpc = found(cloud.vpc(id), id)?;
    if block == Prefix::from(vpc.primary) {
        let reason = format!("{block} is the VPC's primary block, which can't change");
        return Err(OpError::invalid("cidr_block", reason));
    }
    if !blocks(vpc).contains(&block) {
        let reason = format!("{block} is no block of VPC {id}");
        return Err(OpError::invalid("cidr_block", reason));
    }
    let secondary = vpc.secondary.iter().copied();
    let ipv6 = vpc.ipv6.iter().copied();
    let rest = Update {
        secondary: Some(secondary.filter(|&b| Prefix::from(b) != block).collect()),
        ipv6: Some(ipv6.filter(|&b| Prefix::from(b) != block).collect()),
        ..Update::default()
    };
    update(cloud, settings, id, rest, etag)
}

/// Deletes a VPC with its main route table, its default security group and its default network
/// ACL.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or has subnets, interfaces, gateways,
/// peerings, attachments to transit gateways, or other tables, groups or ACLs.
pub fn delete(cloud: &Cloud, id: VpcId, etag: Option<Revision>) -> Result<Vec<Change>, OpError> {
    let vpc = found(cloud.vpc(id), id)?;
    check_etag(id, &vpc.meta, etag)?;
    if let Some(by) = user(cloud, vpc) {
        let key = id.into();
        return Err(OpError::InUse { key, by });
    }
    let table = cloud.route_table(vpc.main_route_table).cloned();
    let group = cloud.security_group(vpc.default_group).cloned();
    let acl = cloud.network_acl(vpc.default_acl).cloned();
    let vpc = Change::delete(vpc.clone());
    let logs = super::flow_log::end_with(cloud, LogScope::Vpc(id));
    let made_with_it = [
        table.map(Change::delete),
        group.map(Change::delete),
        acl.map(Change::delete),
    ];
    Ok(made_with_it
        .into_iter()
        .flatten()
        .chain(logs)
        .chain(std::iter::once(vpc))
        .collect())
}

/// One of those that keep the VPC from being deleted.
fn user(cloud: &Cloud, vpc: &Vpc) -> Option<ResourceKey> {
    let interface = cloud.interfaces_in_vpc(vpc.id).next();
    let subnet = cloud.subnets_in_vpc(vpc.id).next();
    let mut tables = cloud.route_tables_in_vpc(vpc.id);
    let peering = cloud.peerings_of_vpc(vpc.id).next();
    let table = tables.find(|table| table.id != vpc.main_route_table);
    let mut groups = cloud.groups_in_vpc(vpc.id);
    let group = groups.find(|group| group.id != vpc.default_group);
    let internet = cloud.internet_gateway_of(vpc.id);
    let egress = cloud.egress_gateway_of(vpc.id);
    let mut acls = cloud.acls_in_vpc(vpc.id);
    let acl = acls.find(|acl| acl.id != vpc.default_acl);
    let zone = cloud.private_zones_of_vpc(vpc.id).next();
    let targets = cloud.target_groups_in_vpc(vpc.id).next();
    let transit = cloud.attachments_of_vpc(vpc.id).next();
    interface
        .map(|i| i.id.into())
        .or(internet.map(|g| g.id.into()))
        .or(egress.map(|g| g.id.into()))
        .or(subnet.map(|s| s.id.into()))
        .or(peering.map(|p| p.id.into()))
        .or(transit.map(|t| t.id.into()))
        .or(table.map(|t| t.id.into()))
        .or(group.map(|g| g.id.into()))
        .or(acl.map(|a| a.id.into()))
        .or(zone.map(|z| z.id.into()))
        .or(targets.map(|t| t.id.into()))
}

/// Every block, v4 and v6, as a route's destination.
pub(super) fn blocks(vpc: &Vpc) -> BTreeSet<Prefix> {
    vpc.blocks().collect()
}

fn check_main(cloud: &Cloud, vpc: VpcId, id: RouteTableId) -> Result<(), OpError> {
    let reason = match cloud.route_table(id) {
        None => format!("route table {id} doesn't exist"),
        Some(table) if table.vpc != vpc => format!("route table {id} is of VPC {}", table.vpc),
        Some(_) => return Ok(()),
    };
    Err(OpError::invalid("vpc.main_route_table", reason))
}

fn main_table(vpc: &Vpc) -> RouteTable {
    RouteTable {
        id: vpc.main_route_table,
        vpc: vpc.id,
        routes: blocks(vpc).into_iter().map(local_route).collect(),
        meta: Meta::default(),
    }
}

fn check_region_quotas(
    cloud: &Cloud,
    settings: &Settings,
    region: &RegionName,
) -> Result<(), OpError> {
    let within = || format!("region {region}");
    let quotas = &settings.quotas;
    let vpcs = cloud.vpcs_in_region(region).count() + 1;
    check_quota(vpcs, quotas.vpcs_per_region, "VPCs", within)
}

fn blocks6(cloud: &Cloud, settings: &Settings, draft: &Draft) -> Result<Vec<VpcBlock6>, OpError> {
    if !draft.ipv6.is_empty() || !draft.assign_ipv6 {
        return Ok(draft.ipv6.clone());
    }
    Ok(vec![pooled6(cloud, settings)?])
}

fn pooled6(cloud: &Cloud, settings: &Settings) -> Result<VpcBlock6, OpError> {
    let pool = settings.ipv6_pool.ok_or_else(|| {
        let reason = "the controller has no IPv6 pool to take a /56 from; name the block in \
                      vpc.ipv6_cidr_blocks, or start it with --region-pool";
        OpError::invalid("assign_ipv6", reason)
    })?;
    let block = cloud.free_vpc_block6(pool);
    block.ok_or_else(|| OpError::Exhausted {
        what: "IPv6 /56",
        within: format!("the pool {pool}"),
    })
}

/// The blocks by themselves: unicast, apart from each other, and not too many.
fn check_blocks(vpc: &Vpc, settings: &Settings) -> Result<(), OpError> {
    let limit = settings.quotas.cidrs_per_vpc;
    let within = || format!("VPC {}", vpc.id);
    check_quota(vpc.secondary.len() + 1, limit, "IPv4 CIDRs", within)?;
    check_quota(vpc.ipv6.len(), limit, "IPv6 CIDRs", within)?;
    let mut violations: Vec<Violation> = vpc
        .blocks4()
        .enumerate()
        .filter_map(|(i, block)| check_block4(vpc, i, block))
        .collect();
    violations.extend((0..vpc.ipv6.len()).filter_map(|i| check_block6(vpc, i)));
    refuse(violations)
}

fn check_forwards(vpc: &Vpc) -> Result<(), OpError> {
    refuse(DnsForward::check(&vpc.dns.forwards, "vpc.dns_forwards"))
}

fn check_block4(vpc: &Vpc, i: usize, block: Block4) -> Option<Violation> {
    let field = match i {
        0 => "vpc.cidr_block".to_owned(),
        i => format!("vpc.secondary_cidr_blocks[{}]", i - 1),
    };
    let network = block.net().network();
    let special = network.is_loopback()
        || network.is_link_local()
        || network.is_multicast()
        || network.octets()[0] == 0
        || network.octets()[0] >= 240;
    if special {
        let reason = format!(
            "{block} isn't for hosts (this-network, loopback, link-local, multicast or reserved); use a private block such as 10.0.0.0/16"
        );
        return Some(Violation::new(field, reason));
    }
    let other = vpc.blocks4().take(i).find(|other| other.overlaps(block))?;
    let reason = format!("{block} overlaps {other} of the same VPC");
    Some(Violation::new(field, reason))
}

fn check_block6(vpc: &Vpc, i: usize) -> Option<Violation> {
    let block = vpc.ipv6[i];
    let field = format!("vpc.ipv6_cidr_blocks[{i}]");
    let network = block.net().network();
    // fd00:ec2::/32 is where the services of every VPC answer.
    let services = network.segments()[..2] == [0xfd00, 0xec2];
    let global = network.segments()[0] & 0xe000 == 0x2000;
    if services || !(global || network.is_unique_local()) {
        let reason = format!(
            "{block} is neither global unicast (2000::/3) nor unique local (fc00::/7, fd00:ec2::/32 excepted)"
        );
        return Some(Violation::new(field, reason));
    }
    let twice = vpc.ipv6[..i].contains(&block);
    twice.then(|| Violation::new(field, format!("{block} is listed twice")))
}

/// A new block must not equal or contain the destination of a route: the local route that comes
/// with it would silently take that traffic or be overridden by it.
fn check_new_blocks(cloud: &Cloud, before: &Vpc, after: &Vpc) -> Result<(), OpError> {
    let old = blocks(before);
    let hit = |block: Prefix| {
        cloud.route_tables_in_vpc(before.id).find_map(|table| {
            let mut routes = table.routes.iter();
            routes
                .find_map(|route| {
                    let mut prefixes = cloud.prefixes_of(route.destination).into_iter();
                    prefixes.find(|prefix| block.contains(*prefix))
                })
                .map(|destination| (table.id, destination))
        })
    };
    let reason = |block: Prefix| match hit(block) {
        Some((table, destination)) => Some(format!(
            "{block} equals or contains {destination}, the destination of a route in {table}; \
             delete that route first"
        )),
        None => peering::taken(cloud, before.id, block),
    };
    let v4 = after.secondary.iter().enumerate().map(|(i, block)| {
        let field = format!("vpc.secondary_cidr_blocks[{i}]");
        (field, Prefix::from(*block))
    });
    let v6 = after.ipv6.iter().enumerate().map(|(i, block)| {
        let field = format!("vpc.ipv6_cidr_blocks[{i}]");
        (field, Prefix::from(*block))
    });
    let new = v4.chain(v6).filter(|(_, block)| !old.contains(block));
    let violations = new.filter_map(|(field, block)| Some(Violation::new(field, reason(block)?)));
    refuse(violations.collect())
}

/// A block that goes must not have subnets.
fn check_gone_blocks(cloud: &Cloud, before: &Vpc, after: &Vpc) -> Result<(), OpError> {
    let kept = blocks(after);
    for block in blocks(before).difference(&kept) {
        let mut subnets = cloud.subnets_in_vpc(before.id);
        let used = subnets.find(|subnet| {
            let v6 = subnet.ipv6.map(Prefix::from);
            block.contains(subnet.ipv4.into()) || v6.is_some_and(|v6| block.contains(v6))
        });
        if let Some(subnet) = used {
            let (key, by) = (before.id.into(), subnet.id.into());
            return Err(OpError::InUse { key, by });
        }
    }
    Ok(())
}

fn with_local_routes(table: &RouteTable, before: &Vpc, after: &Vpc) -> Change {
    let (old, new) = (blocks(before), blocks(after));
    let mut changed = table.clone();
    changed.routes.retain(|route| {
        let local = route.origin == RouteOrigin::Table;
        !local || new.iter().any(|block| route.destination == (*block).into())
    });
    let added = new.difference(&old).copied();
    changed.routes.extend(added.map(local_route));
    changed.routes.sort_by_key(|route| route.destination);
    Change::update(table.clone(), changed)
}
