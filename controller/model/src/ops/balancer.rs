//! Network load balancers and their addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found,
    interface::check_usable, refuse,
};
use crate::{
    Balancer, BalancerId, Change, Cloud, Label, Meta, Placement, Revision, Scheme, Subnet,
    SubnetId, Vpc,
};

/// Where a balancer gets an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementDraft {
    /// The subnet.
    pub subnet: SubnetId,
    /// The IPv4 address; `None` takes the lowest free one.
    pub ipv4: Option<Ipv4Addr>,
    /// The IPv6 address; `None` takes the lowest free one where the subnet has an IPv6 block.
    pub ipv6: Option<Ipv6Addr>,
}

/// What a load balancer is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whose clients it is for; one for the internet takes a public address for each subnet.
    pub scheme: Scheme,
    /// Its subnets, all of one VPC and each in another zone.
    pub placements: Vec<PlacementDraft>,
    /// Whether clients use targets of every zone, or those of their own.
    pub cross_zone: bool,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Whether clients use targets of every zone, or those of their own.
    pub cross_zone: Option<bool>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a load balancer.
///
/// # Errors
/// When a subnet doesn't exist, two are in one zone or in different VPCs, an address can't be its
/// or none is free, it is for the internet and its VPC has no gateway to it, or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let subnets = subnets(cloud, &draft)?;
    let Some(first) = subnets.first() else {
        let reason = "is required: a load balancer has addresses in at least one subnet";
        return Err(OpError::invalid("load_balancer.placements", reason));
    };
    refuse(apart(&subnets))?;
    let vpc = found(cloud.vpc(first.vpc), first.vpc)?;
    check_region_quota(cloud, settings, vpc)?;
    let mut publics = publics(cloud, vpc, draft.scheme, subnets.len())?.into_iter();
    let placements = draft.placements.iter().zip(&subnets);
    let placements = placements.enumerate();
    let placements = placements.map(|(i, (draft, subnet))| {
        let placement = place(cloud, i, draft, subnet)?;
        Ok(Placement {
            public_ipv4: publics.next(),
            ..placement
        })
    });
    let balancer = Balancer {
        id: draw_id(cloud, entropy, BalancerId::from_bits)?,
        vpc: first.vpc,
        scheme: draft.scheme,
        placements: placements.collect::<Result<_, _>>()?,
        cross_zone: draft.cross_zone,
        meta: Meta::named(draft.label),
    };
    Ok(vec![Change::create(balancer)])
}

/// Changes a load balancer.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: BalancerId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.balancer(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.cross_zone = update.cross_zone.unwrap_or(after.cross_zone);
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a load balancer with its listeners; their connections end.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: BalancerId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let balancer = found(cloud.balancer(id), id)?;
    check_etag(id, &balancer.meta, etag)?;
    let listeners = cloud.listeners_of(id).cloned().map(Change::delete);
    Ok(listeners
        .chain(std::iter::once(Change::delete(balancer.clone())))
        .collect())
}

fn check_region_quota(cloud: &Cloud, settings: &Settings, vpc: &Vpc) -> Result<(), OpError> {
    let limit = settings.quotas.balancers_per_region;
    let vpcs = cloud.vpcs_in_region(&vpc.region);
    let count = vpcs.flat_map(|vpc| cloud.balancers_in_vpc(vpc.id)).count();
    check_quota(count + 1, limit, "load balancers", || {
        format!("region {}", vpc.region)
    })
}

fn subnets<'a>(cloud: &'a Cloud, draft: &Draft) -> Result<Vec<&'a Subnet>, OpError> {
    let mut violations = Vec::new();
    let mut subnets = Vec::new();
    for (i, placement) in draft.placements.iter().enumerate() {
        match cloud.subnet(placement.subnet) {
            Some(subnet) => subnets.push(subnet),
            None => {
                let reason = format!("subnet {} doesn't exist", placement.subnet);
                violations.push(Violation::new(field(i, "subnet"), reason));
            }
        }
    }
    refuse(violations)?;
    Ok(subnets)
}

fn field(i: usize, name: &str) -> String {
    format!("load_balancer.placements[{i}].{name}")
}

/// One VPC, and a zone each: a client can tell its own zone's address.
fn apart(subnets: &[&Subnet]) -> Vec<Violation> {
    let reason = |i: usize, subnet: &Subnet| {
        let first = subnets[0];
        if subnet.vpc != first.vpc {
            return Some(format!(
                "subnet {} is in VPC {}, and {} is in {}",
                subnet.id, subnet.vpc, first.id, first.vpc
            ));
        }
        let mut earlier = subnets[..i].iter();
        let same = earlier.find(|other| other.zone == subnet.zone)?;
        Some(format!(
            "subnet {} is in zone {} as {} is: give one subnet per zone",
            subnet.id, subnet.zone, same.id
        ))
    };
    let each = subnets.iter().enumerate();
    each.filter_map(|(i, subnet)| {
        let reason = reason(i, subnet)?;
        Some(Violation::new(field(i, "subnet"), reason))
    })
    .collect()
}

fn place(
    cloud: &Cloud,
    i: usize,
    draft: &PlacementDraft,
    subnet: &Subnet,
) -> Result<Placement, OpError> {
    let exhausted = |what| OpError::Exhausted {
        what,
        within: format!("subnet {}", subnet.id),
    };
    let ipv4 = match draft.ipv4 {
        Some(address) => checked(cloud, field(i, "ipv4"), subnet, address)?,
        None => {
            let free = cloud.free_address4(subnet, None);
            free.ok_or_else(|| exhausted("IPv4 address"))?
        }
    };
    let ipv6 = match (draft.ipv6, subnet.ipv6) {
        (Some(address), _) => Some(checked(cloud, field(i, "ipv6"), subnet, address)?),
        (None, None) => None,
        (None, Some(_)) => {
            let free = cloud.free_address6(subnet, None);
            Some(free.ok_or_else(|| exhausted("IPv6 address"))?)
        }
    };
    Ok(Placement {
        subnet: subnet.id,
        ipv4,
        ipv6,
        public_ipv4: None,
    })
}

/// The public addresses that it takes.
fn publics(
    cloud: &Cloud,
    vpc: &Vpc,
    scheme: Scheme,
    count: usize,
) -> Result<Vec<Ipv4Addr>, OpError> {
    if scheme == Scheme::Internal {
        return Ok(Vec::new());
    }
    if cloud.internet_gateway_of(vpc.id).is_none() {
        let reason = format!(
            "VPC {} has no internet gateway: attach one first, or make it internal",
            vpc.id
        );
        return Err(OpError::invalid("load_balancer.scheme", reason));
    }
    let pools = cloud.pools_in_region(&vpc.region);
    let free = cloud.free_publics4(pools.flat_map(|pool| &pool.blocks), count);
    if free.len() < count {
        return Err(OpError::Exhausted {
            what: "public address",
            within: format!("the public pools of region {}", vpc.region),
        });
    }
    Ok(free)
}

/// An address that was asked for, if it can be had.
fn checked<A: Into<IpAddr> + Copy>(
    cloud: &Cloud,
    field: String,
    subnet: &Subnet,
    address: A,
) -> Result<A, OpError> {
    let reason = check_usable(subnet, address.into()).or_else(|| {
        let holder = cloud.address_holder(subnet.vpc, address.into())?;
        Some(format!("{} is in use by {holder}", address.into()))
    });
    match reason {
        Some(reason) => Err(OpError::invalid(field, reason)),
        None => Ok(address),
    }
}
