//! Regions.

use super::{Entropy, OpError, Settings, check_etag, default_vpc, found};
use crate::{Change, Cloud, Label, Meta, Region, RegionName, ResourceKey, Revision};

/// What a region is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name, unique in the cloud.
    pub name: RegionName,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a region.
///
/// # Errors
/// When the name is taken.
pub fn create(cloud: &Cloud, draft: Draft) -> Result<Vec<Change>, OpError> {
    if cloud.region(&draft.name).is_some() {
        return Err(OpError::AlreadyExists(draft.name.into()));
    }
    Ok(vec![Change::create(Region {
        name: draft.name,
        meta: Meta::named(draft.label),
    })])
}

/// The same, with the region's default VPC where settings want one.
///
/// # Errors
/// As [`create`], or when there can't be a default VPC.
pub fn born(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let name = draft.name.clone();
    let mut changes = create(cloud, draft)?;
    if settings.default_vpcs {
        changes.extend(default_vpc::create(cloud, settings, &name, entropy)?);
    }
    Ok(changes)
}

/// Changes a region.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    name: &RegionName,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.region(name), name.clone())?;
    check_etag(name.clone(), &before.meta, etag)?;
    let mut after = before.clone();
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a region.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or has zones, pools or VPCs.
pub fn delete(
    cloud: &Cloud,
    name: &RegionName,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let region = found(cloud.region(name), name.clone())?;
    check_etag(name.clone(), &region.meta, etag)?;
    let zone = cloud.zones_in_region(name).next();
    let vpc = cloud.vpcs_in_region(name).next();
    let by = zone.map(|zone| ResourceKey::from(zone.name.clone()));
    let pool = cloud.pools_in_region(name).next();
    let by = by.or(vpc.map(|vpc| vpc.id.into()));
    if let Some(by) = by.or(pool.map(|pool| pool.id.into())) {
        let key = name.clone().into();
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(region.clone())])
}
