//! Zones.

use super::{Entropy, OpError, Settings, check_etag, default_vpc, found};
use crate::{Change, Cloud, Label, Meta, RegionName, ResourceKey, Revision, Zone, ZoneName};

/// What a zone is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name, unique in the cloud.
    pub name: ZoneName,
    /// The region that it is part of.
    pub region: RegionName,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a zone.
///
/// # Errors
/// When the name is taken or the region doesn't exist.
pub fn create(cloud: &Cloud, draft: Draft) -> Result<Vec<Change>, OpError> {
    if cloud.zone(&draft.name).is_some() {
        return Err(OpError::AlreadyExists(draft.name.into()));
    }
    if cloud.region(&draft.region).is_none() {
        let reason = format!("region {} doesn't exist; create it first", draft.region);
        return Err(OpError::invalid("zone.region", reason));
    }
    Ok(vec![Change::create(Zone {
        name: draft.name,
        region: draft.region,
        meta: Meta::named(draft.label),
    })])
}

/// The same, with the zone's default subnet where settings want one and the region has its default
/// VPC.
///
/// # Errors
/// As [`create`], or when there is no room for the subnet.
pub fn born(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let mut changes = create(cloud, draft.clone())?;
    if settings.default_vpcs && default_vpc::of(cloud, &draft.region).is_some() {
        let zone = Zone {
            name: draft.name,
            region: draft.region,
            meta: Meta::default(),
        };
        changes.extend(default_vpc::create_subnet(cloud, &zone, entropy)?);
    }
    Ok(changes)
}

/// Changes a zone.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    name: &ZoneName,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.zone(name), name.clone())?;
    check_etag(name.clone(), &before.meta, etag)?;
    let mut after = before.clone();
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a zone.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or has hosts or subnets.
pub fn delete(
    cloud: &Cloud,
    name: &ZoneName,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let zone = found(cloud.zone(name), name.clone())?;
    check_etag(name.clone(), &zone.meta, etag)?;
    let host = cloud.hosts_in_zone(name).next();
    let subnet = cloud.subnets_in_zone(name).next();
    let by = host.map(|host| ResourceKey::from(host.name.clone()));
    if let Some(by) = by.or(subnet.map(|subnet| subnet.id.into())) {
        let key = name.clone().into();
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(zone.clone())])
}
