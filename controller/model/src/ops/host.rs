//! Hosts.

use std::net::IpAddr;

use super::{OpError, Violation, check_etag, found, refuse};
use crate::{Change, Cloud, DeviceName, Host, HostName, Label, Meta, Revision, ZoneName};

/// What a host is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name, unique in the cloud.
    pub name: HostName,
    /// The zone that it stands in.
    pub zone: ZoneName,
    /// The underlay address of its VTEP, unique in the cloud.
    pub vtep: IpAddr,
    /// The device that leads to the internet: with one, the host is an edge.
    pub uplink: Option<DeviceName>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The underlay address of its VTEP.
    pub vtep: Option<IpAddr>,
    /// The device that leads to the internet, or none.
    pub uplink: Option<Option<DeviceName>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a host.
///
/// # Errors
/// When the name or the VTEP is taken, the zone doesn't exist, or the VTEP is no unicast address.
pub fn create(cloud: &Cloud, draft: Draft) -> Result<Vec<Change>, OpError> {
    if cloud.host(&draft.name).is_some() {
        return Err(OpError::AlreadyExists(draft.name.into()));
    }
    let mut violations = Vec::new();
    if cloud.zone(&draft.zone).is_none() {
        let reason = format!("zone {} doesn't exist; create it first", draft.zone);
        violations.push(Violation::new("host.zone", reason));
    }
    violations.extend(check_vtep(cloud, &draft.name, draft.vtep));
    refuse(violations)?;
    Ok(vec![Change::create(Host {
        name: draft.name,
        zone: draft.zone,
        vtep: draft.vtep,
        uplink: draft.uplink,
        meta: Meta::named(draft.label),
    })])
}

/// Changes a host.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or the VTEP can't be its.
pub fn update(
    cloud: &Cloud,
    name: &HostName,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.host(name), name.clone())?;
    check_etag(name.clone(), &before.meta, etag)?;
    let mut after = before.clone();
    if let Some(vtep) = update.vtep {
        refuse(check_vtep(cloud, name, vtep))?;
        after.vtep = vtep;
    }
    after.uplink = update.uplink.unwrap_or(after.uplink);
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a host.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or has interfaces attached.
pub fn delete(
    cloud: &Cloud,
    name: &HostName,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let host = found(cloud.host(name), name.clone())?;
    check_etag(name.clone(), &host.meta, etag)?;
    if let Some(interface) = cloud.interfaces_on_host(name).next() {
        let (key, by) = (name.clone().into(), interface.id.into());
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(host.clone())])
}

fn check_vtep(cloud: &Cloud, host: &HostName, vtep: IpAddr) -> Vec<Violation> {
    let violation = |reason: String| vec![Violation::new("host.vtep", reason)];
    let broadcast = matches!(vtep, IpAddr::V4(v4) if v4.is_broadcast());
    if vtep.is_unspecified() || vtep.is_multicast() || broadcast {
        return violation(format!("{vtep} is no unicast address"));
    }
    match cloud.host_by_vtep(vtep) {
        Some(other) if other.name != *host => violation(format!(
            "{vtep} is the VTEP of host {}; give each host its own",
            other.name
        )),
        _ => Vec::new(),
    }
}
