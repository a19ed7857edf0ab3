//! Egress-only internet gateways.

use super::{Entropy, OpError, check_etag, draw_id, found};
use crate::{Change, Cloud, EgressGateway, EgressGatewayId, Label, Meta, Revision, VpcId};

/// What an egress-only internet gateway is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The VPC it belongs to.
    pub vpc: VpcId,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes an egress-only internet gateway.
///
/// # Errors
/// When the VPC doesn't exist or has one.
pub fn create(
    cloud: &Cloud,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let id = draft.vpc;
    let reason = match (cloud.vpc(id), cloud.egress_gateway_of(id)) {
        (None, _) => Some(format!("VPC {id} doesn't exist")),
        (_, Some(other)) => Some(format!("VPC {id} has {} already", other.id)),
        (Some(_), None) => None,
    };
    if let Some(reason) = reason {
        return Err(OpError::invalid("egress_gateway.vpc", reason));
    }
    Ok(vec![Change::create(EgressGateway {
        id: draw_id(cloud, entropy, EgressGatewayId::from_bits)?,
        vpc: draft.vpc,
        meta: Meta::named(draft.label),
    })])
}

/// Names an egress-only internet gateway.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: EgressGatewayId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.egress_gateway(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes an egress-only internet gateway. Routes to it stay and drop what they match.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: EgressGatewayId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let gateway = found(cloud.egress_gateway(id), id)?;
    check_etag(id, &gateway.meta, etag)?;
    Ok(vec![Change::delete(gateway.clone())])
}
