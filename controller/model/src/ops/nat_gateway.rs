//! NAT gateways.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, refuse,
};
use crate::{
    Association, Change, Cloud, ElasticAddress, ElasticAddressId, Label, Meta, NatGateway,
    NatGatewayId, Revision, Subnet, SubnetId,
};

/// What a NAT gateway is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The subnet it stands in.
    pub subnet: SubnetId,
    /// The elastic address that connections are seen from.
    pub elastic: ElasticAddressId,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a NAT gateway, with the lowest free address of its subnet.
///
/// # Errors
/// When the subnet or the elastic address doesn't exist, the address is put on something or of
/// another region, the VPC has no internet gateway, no private address is free, or the quota is
/// reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let (subnet, elastic) = check_places(cloud, &draft)?;
    let in_subnet = cloud.nat_gateways_in_vpc(subnet.vpc);
    let count = in_subnet.filter(|nat| nat.subnet == subnet.id).count() + 1;
    let limit = settings.quotas.nat_gateways_per_subnet;
    let within = || format!("subnet {}", subnet.id);
    check_quota(count, limit, "NAT gateways", within)?;
    let private = cloud.free_address4(subnet, None);
    let nat = NatGateway {
        id: draw_id(cloud, entropy, NatGatewayId::from_bits)?,
        vpc: subnet.vpc,
        subnet: subnet.id,
        elastic: elastic.id,
        public: elastic.address,
        private: private.ok_or_else(|| OpError::Exhausted {
            what: "IPv4 address",
            within: format!("subnet {} ({})", subnet.id, subnet.ipv4),
        })?,
        meta: Meta::named(draft.label),
    };
    let mut taken = elastic.clone();
    taken.association = Some(Association::Nat(nat.id));
    Ok(vec![
        Change::create(nat),
        Change::update(elastic.clone(), taken),
    ])
}

/// Names a NAT gateway.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: NatGatewayId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.nat_gateway(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a NAT gateway: its connections end, its elastic address is free again, and routes to it
/// stay and drop what they match.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: NatGatewayId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let nat = found(cloud.nat_gateway(id), id)?;
    check_etag(id, &nat.meta, etag)?;
    let elastic = cloud.elastic_address(nat.elastic).map(|elastic| {
        let mut free = elastic.clone();
        free.association = None;
        Change::update(elastic.clone(), free)
    });
    let leases = cloud.leases_of_nat(id).cloned().map(Change::delete);
    let first = Change::delete(nat.clone());
    Ok(std::iter::once(first)
        .chain(elastic)
        .chain(leases)
        .collect())
}

fn check_places<'a>(
    cloud: &'a Cloud,
    draft: &Draft,
) -> Result<(&'a Subnet, &'a ElasticAddress), OpError> {
    let (subnet, elastic) = (
        cloud.subnet(draft.subnet),
        cloud.elastic_address(draft.elastic),
    );
    let mut violations = Vec::new();
    let mut refused = |field: &str, reason: String| {
        violations.push(Violation::new(format!("nat_gateway.{field}"), reason));
    };
    match subnet {
        None => refused("subnet", format!("subnet {} doesn't exist", draft.subnet)),
        Some(subnet) if cloud.internet_gateway_of(subnet.vpc).is_none() => {
            let vpc = subnet.vpc;
            let reason = format!("its VPC {vpc} has no internet gateway: attach one first");
            refused("subnet", reason);
        }
        Some(_) => {}
    }
    match elastic {
        None => {
            let reason = format!("elastic address {} doesn't exist", draft.elastic);
            refused("elastic_address", reason);
        }
        Some(elastic) => {
            if let Some(reason) = check_elastic(cloud, subnet, elastic) {
                refused("elastic_address", reason);
            }
        }
    }
    refuse(violations)?;
    Ok((found(subnet, draft.subnet)?, found(elastic, draft.elastic)?))
}

/// Why the gateway can't have the address.
fn check_elastic(
    cloud: &Cloud,
    subnet: Option<&Subnet>,
    elastic: &ElasticAddress,
) -> Option<String> {
    if let Some(association) = &elastic.association {
        let by = association.holder();
        return Some(format!("{} is put on {by}: take it off first", elastic.id));
    }
    let theirs = &cloud.vpc(subnet?.vpc)?.region;
    let ours = &cloud.public_pool(elastic.pool)?.region;
    (ours != theirs).then(|| {
        format!(
            "{} is of region {ours}, and the subnet is in {theirs}",
            elastic.id
        )
    })
}
