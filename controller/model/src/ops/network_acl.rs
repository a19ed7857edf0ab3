//! Network ACLs and their entries.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, refuse,
    security_group::{canonical, family_fault},
};
use crate::{
    AclAction, AclEntry, AclNumber, Change, Cloud, Family, Label, Meta, NetworkAcl, NetworkAclId,
    PortMatch, Prefix, Revision, Vpc, VpcId, acl::Direction,
};

/// What a network ACL is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// For what comes into a subnet; nothing passes where empty.
    pub ingress: Vec<AclEntry>,
    /// For what leaves a subnet; nothing passes where empty.
    pub egress: Vec<AclEntry>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Entries have commands of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a network ACL.
///
/// # Errors
/// When the VPC doesn't exist, an entry can't be, or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let vpc = cloud.vpc(draft.vpc).ok_or_else(|| {
        let reason = format!("VPC {} doesn't exist", draft.vpc);
        OpError::invalid("network_acl.vpc", reason)
    })?;
    let acls = cloud.acls_in_vpc(vpc.id).count() + 1;
    let limit = settings.quotas.acls_per_vpc;
    check_quota(acls, limit, "network ACLs", || format!("VPC {}", vpc.id))?;
    let mut acl = NetworkAcl {
        id: draw_id(cloud, entropy, NetworkAclId::from_bits)?,
        vpc: draft.vpc,
        ingress: Vec::new(),
        egress: Vec::new(),
        meta: Meta::named(draft.label),
    };
    let mut violations = Vec::new();
    for (direction, entries) in [
        (Direction::Ingress, draft.ingress),
        (Direction::Egress, draft.egress),
    ] {
        for (i, entry) in entries.into_iter().enumerate() {
            let field = format!("network_acl.{}[{i}]", direction.text());
            violations.extend(check_entry(&field, &entry));
            if set_entry(acl.entries_mut(direction), entry).is_some() {
                let family = Family::of(entry.prefix);
                let reason = format!("{family} has an entry {} already", entry.number);
                violations.push(Violation::new(format!("{field}.number"), reason));
            }
        }
    }
    refuse(violations)?;
    check_entry_quota(&acl, settings)?;
    Ok(vec![Change::create(acl)])
}

/// Changes a network ACL's name.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: NetworkAclId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |acl| {
        acl.meta.rename(update.label);
        Ok(())
    })
}

/// Deletes a network ACL.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, is its VPC's default one, or a subnet is
/// associated with it.
pub fn delete(
    cloud: &Cloud,
    id: NetworkAclId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let acl = found(cloud.network_acl(id), id)?;
    check_etag(id, &acl.meta, etag)?;
    let vpc = cloud.vpc(acl.vpc);
    if vpc.is_some_and(|vpc| vpc.default_acl == id) {
        return Err(OpError::Protected {
            key: id.into(),
            reason: "it is its VPC's default ACL, and goes with the VPC",
        });
    }
    if let Some(subnet) = cloud.subnets_with_acl(id).next() {
        let (key, by) = (id.into(), subnet.id.into());
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(acl.clone())])
}

/// Adds an entry, or replaces the one with its number in the same direction and family.
///
/// # Errors
/// When the ACL doesn't exist or has changed since the etag, the entry can't be, or the quota is
/// reached.
pub fn put_entry(
    cloud: &Cloud,
    settings: &Settings,
    id: NetworkAclId,
    (direction, entry): (Direction, AclEntry),
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |acl| {
        refuse(check_entry("entry", &entry).into_iter().collect())?;
        set_entry(acl.entries_mut(direction), entry);
        check_entry_quota(acl, settings)
    })
}

/// Removes an entry.
///
/// # Errors
/// When the ACL doesn't exist or has changed since the etag, or has no such entry.
pub fn delete_entry(
    cloud: &Cloud,
    id: NetworkAclId,
    (direction, family, number): (Direction, Family, AclNumber),
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |acl| {
        let entries = acl.entries_mut(direction);
        let place = (family == Family::Ipv6, number);
        let Ok(at) = entries.binary_search_by_key(&place, AclEntry::place) else {
            let way = direction.text();
            let reason = format!("{id} has no {family} {way} entry {number}");
            return Err(OpError::invalid("number", reason));
        };
        entries.remove(at);
        Ok(())
    })
}

/// The ACL that a VPC is made with: everything passes.
pub(super) fn default_acl(vpc: &Vpc) -> NetworkAcl {
    let entry = |prefix| AclEntry {
        number: AclNumber::DEFAULT,
        action: AclAction::Allow,
        traffic: PortMatch::All,
        prefix,
    };
    let entries: Vec<AclEntry> = Prefix::everywhere().into_iter().map(entry).collect();
    NetworkAcl {
        id: vpc.default_acl,
        vpc: vpc.id,
        ingress: entries.clone(),
        egress: entries,
        meta: Meta::default(),
    }
}

fn change(
    cloud: &Cloud,
    id: NetworkAclId,
    etag: Option<Revision>,
    edit: impl FnOnce(&mut NetworkAcl) -> Result<(), OpError>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.network_acl(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    edit(&mut after)?;
    Ok(vec![Change::update(before.clone(), after)])
}

/// Puts the entry in its place; gives the one that was there.
fn set_entry(entries: &mut Vec<AclEntry>, entry: AclEntry) -> Option<AclEntry> {
    let entry = AclEntry {
        traffic: canonical(entry.traffic),
        ..entry
    };
    match entries.binary_search_by_key(&entry.place(), AclEntry::place) {
        Ok(at) => Some(std::mem::replace(&mut entries[at], entry)),
        Err(at) => {
            entries.insert(at, entry);
            None
        }
    }
}

fn check_entry(field: &str, entry: &AclEntry) -> Option<Violation> {
    let reason = family_fault(canonical(entry.traffic), Family::of(entry.prefix))?;
    Some(Violation::new(format!("{field}.protocol"), reason))
}

fn check_entry_quota(acl: &NetworkAcl, settings: &Settings) -> Result<(), OpError> {
    let limit = settings.quotas.entries_per_acl;
    let within = || format!("network ACL {}", acl.id);
    for (entries, what4, what6) in [
        (&acl.ingress, "IPv4 ingress entries", "IPv6 ingress entries"),
        (&acl.egress, "IPv4 egress entries", "IPv6 egress entries"),
    ] {
        let v6 = entries.iter().filter(|e| e.prefix.is_v6()).count();
        check_quota(entries.len() - v6, limit, what4, within)?;
        check_quota(v6, limit, what6, within)?;
    }
    Ok(())
}
