//! Internet gateways.

use super::{Entropy, OpError, Settings, check_etag, check_quota, draw_id, found};
use crate::{
    Change, Cloud, InternetGateway, InternetGatewayId, Kind, Label, Meta, RegionName, Resource,
    Revision, Scheme, VpcId,
};

/// What an internet gateway is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The VPC to attach it to.
    pub vpc: Option<VpcId>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The VPC it is attached to; `Some(None)` detaches it.
    pub vpc: Option<Option<VpcId>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes an internet gateway.
///
/// # Errors
/// When the VPC doesn't exist or has one, or the quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let count = cloud.count(Kind::InternetGateway) + 1;
    let limit = settings.quotas.internet_gateways;
    check_quota(count, limit, "internet gateways", || "the cloud".to_owned())?;
    check_vpc(cloud, draft.vpc)?;
    Ok(vec![Change::create(InternetGateway {
        id: draw_id(cloud, entropy, InternetGatewayId::from_bits)?,
        region: None,
        vpc: draft.vpc,
        meta: Meta::named(draft.label),
    })])
}

/// The same for one region: it is attached to VPCs of it alone.
///
/// # Errors
/// As [`create`], or when the VPC is of another region.
pub fn create_in(
    cloud: &Cloud,
    settings: &Settings,
    region: RegionName,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    check_region(cloud, Some(&region), draft.vpc)?;
    let mut changes = create(cloud, settings, draft, entropy)?;
    for change in &mut changes {
        if let Some(Resource::InternetGateway(gateway)) = &mut change.after {
            gateway.region = Some(region.clone());
        }
    }
    Ok(changes)
}

fn check_region(
    cloud: &Cloud,
    region: Option<&RegionName>,
    vpc: Option<VpcId>,
) -> Result<(), OpError> {
    let of_vpc = vpc.and_then(|id| cloud.vpc(id)).map(|vpc| &vpc.region);
    match (region, of_vpc) {
        (Some(own), Some(other)) if own != other => {
            let reason = format!("the gateway is of region {own}, the VPC of {other}");
            Err(OpError::invalid("internet_gateway.vpc", reason))
        }
        _ => Ok(()),
    }
}

/// Attaches, detaches or names an internet gateway.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, is attached elsewhere, the VPC can't have it,
/// or one that it leaves has public addresses in use.
pub fn update(
    cloud: &Cloud,
    id: InternetGatewayId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.internet_gateway(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    if let Some(vpc) = update.vpc.filter(|vpc| *vpc != before.vpc) {
        if let (Some(old), Some(_)) = (before.vpc, vpc) {
            let reason = format!("{id} is attached to {old}: detach it first");
            return Err(OpError::invalid("internet_gateway.vpc", reason));
        }
        check_leaves(cloud, before)?;
        check_vpc(cloud, vpc)?;
        check_region(cloud, before.region.as_ref(), vpc)?;
        after.vpc = vpc;
    }
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes an internet gateway. Routes to it stay and drop what they match.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or is attached.
pub fn delete(
    cloud: &Cloud,
    id: InternetGatewayId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let gateway = found(cloud.internet_gateway(id), id)?;
    check_etag(id, &gateway.meta, etag)?;
    if let Some(vpc) = gateway.vpc {
        let (key, by) = (id.into(), vpc.into());
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(gateway.clone())])
}

fn check_vpc(cloud: &Cloud, vpc: Option<VpcId>) -> Result<(), OpError> {
    let Some(id) = vpc else {
        return Ok(());
    };
    let reason = match (cloud.vpc(id), cloud.internet_gateway_of(id)) {
        (None, _) => format!("VPC {id} doesn't exist"),
        (_, Some(other)) => format!("VPC {id} has {} already", other.id),
        (Some(_), None) => return Ok(()),
    };
    Err(OpError::invalid("internet_gateway.vpc", reason))
}

/// Public addresses in use would silently stop working.
fn check_leaves(cloud: &Cloud, gateway: &InternetGateway) -> Result<(), OpError> {
    let Some(vpc) = gateway.vpc else {
        return Ok(());
    };
    if let Some(nat) = cloud.nat_gateways_in_vpc(vpc).next() {
        let (key, by) = (gateway.id.into(), nat.id.into());
        return Err(OpError::InUse { key, by });
    }
    let mut interfaces = cloud.interfaces_in_vpc(vpc);
    let interface = interfaces.find(|interface| !cloud.public_pairs(interface.id).is_empty());
    let mut balancers = cloud.balancers_in_vpc(vpc);
    let balancer = balancers.find(|balancer| balancer.scheme == Scheme::InternetFacing);
    let by = interface.map(|interface| interface.id.into());
    match by.or(balancer.map(|balancer| balancer.id.into())) {
        None => Ok(()),
        Some(by) => Err(OpError::InUse {
            key: gateway.id.into(),
            by,
        }),
    }
}
