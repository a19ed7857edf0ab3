//! VPC peerings: requested by one side, accepted or rejected by the other.

use super::{Entropy, OpError, Settings, check_etag, check_quota, draw_id, found, vpc::blocks};
use crate::{
    Change, Cloud, Label, Meta, Peering, PeeringId, PeeringStatus, Prefix, Revision, Vpc, VpcId,
};

/// What a peering is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The VPC that asks.
    pub requester: VpcId,
    /// The VPC that is asked.
    pub accepter: VpcId,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Requests a peering.
///
/// # Errors
/// When a VPC doesn't exist, both are the same, their blocks overlap, they have a peering already,
/// or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let requester = side(cloud, "peering.requester", draft.requester)?;
    let accepter = side(cloud, "peering.accepter", draft.accepter)?;
    if requester.id == accepter.id {
        let reason = "a VPC can't be peered with itself: name another one";
        return Err(OpError::invalid("peering.accepter", reason));
    }
    if let Some((here, there)) = overlap(requester, accepter) {
        let reason = format!(
            "{there} of {} overlaps {here} of {}: peered VPCs have no address in common",
            accepter.id, requester.id
        );
        return Err(OpError::invalid("peering.accepter", reason));
    }
    let mut between = cloud.peerings_of_vpc(requester.id);
    let twin = between.find(|p| p.is_wanted() && p.other(requester.id) == Some(accepter.id));
    if let Some(twin) = twin {
        return Err(OpError::AlreadyExists(twin.id.into()));
    }
    let waiting =
        |p: &&Peering| p.status == PeeringStatus::PendingAcceptance && p.requester == requester.id;
    let waiting = cloud.peerings_of_vpc(requester.id).filter(waiting).count() + 1;
    let limit = settings.quotas.pending_peerings_per_vpc;
    let within = || format!("VPC {}", requester.id);
    check_quota(waiting, limit, "peerings that wait for an answer", within)?;
    Ok(vec![Change::create(Peering {
        id: draw_id(cloud, entropy, PeeringId::from_bits)?,
        requester: requester.id,
        accepter: accepter.id,
        status: PeeringStatus::PendingAcceptance,
        meta: Meta::named(draft.label),
    })])
}

/// Accepts a requested peering.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, isn't waiting for an answer, or either VPC
/// has its quota of active ones.
pub fn accept(
    cloud: &Cloud,
    settings: &Settings,
    id: PeeringId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let change = answer(cloud, id, PeeringStatus::Active, etag)?;
    let peering = found(cloud.peering(id), id)?;
    for vpc in [peering.requester, peering.accepter] {
        let active = cloud.peerings_of_vpc(vpc).filter(|p| p.is_active());
        let limit = settings.quotas.peerings_per_vpc;
        let within = || format!("VPC {vpc}");
        check_quota(active.count() + 1, limit, "active peerings", within)?;
    }
    Ok(vec![change])
}

/// Rejects a requested peering.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or isn't waiting for an answer.
pub fn reject(
    cloud: &Cloud,
    id: PeeringId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    Ok(vec![answer(cloud, id, PeeringStatus::Rejected, etag)?])
}

/// Changes a peering's name.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: PeeringId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.peering(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Ends a peering, whatever its status. Routes to it stay, as blackholes.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: PeeringId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let peering = found(cloud.peering(id), id)?;
    check_etag(id, &peering.meta, etag)?;
    Ok(vec![Change::delete(peering.clone())])
}

/// Why a VPC can't have this block: a VPC that it is, or may become, peered with has its addresses.
pub(super) fn taken(cloud: &Cloud, vpc: VpcId, block: Prefix) -> Option<String> {
    let wanted = cloud.peerings_of_vpc(vpc).filter(|p| p.is_wanted());
    let others = wanted.filter_map(|p| Some((p.id, cloud.vpc(p.other(vpc)?)?)));
    others.into_iter().find_map(|(id, other)| {
        let hit = blocks(other).into_iter().find(|b| overlaps(*b, block))?;
        Some(format!(
            "{block} overlaps {hit} of {}, which is peered with the VPC by {id}",
            other.id
        ))
    })
}

fn answer(
    cloud: &Cloud,
    id: PeeringId,
    status: PeeringStatus,
    etag: Option<Revision>,
) -> Result<Change, OpError> {
    let before = found(cloud.peering(id), id)?;
    check_etag(id, &before.meta, etag)?;
    if before.status != PeeringStatus::PendingAcceptance {
        let reason = format!(
            "the peering is {}: only one that is pending-acceptance can be answered",
            before.status
        );
        return Err(OpError::invalid("peering", reason));
    }
    let mut after = before.clone();
    after.status = status;
    Ok(Change::update(before.clone(), after))
}

fn side<'a>(cloud: &'a Cloud, field: &str, id: VpcId) -> Result<&'a Vpc, OpError> {
    cloud
        .vpc(id)
        .ok_or_else(|| OpError::invalid(field, format!("VPC {id} doesn't exist")))
}

fn overlap(one: &Vpc, two: &Vpc) -> Option<(Prefix, Prefix)> {
    let theirs = blocks(two);
    blocks(one).into_iter().find_map(|here| {
        let there = theirs.iter().find(|there| overlaps(here, **there))?;
        Some((here, *there))
    })
}

/// Two prefixes have addresses in common exactly when one holds the other.
fn overlaps(one: Prefix, two: Prefix) -> bool {
    one.contains(two) || two.contains(one)
}
