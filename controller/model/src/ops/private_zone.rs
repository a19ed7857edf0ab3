//! Private zones: a domain, its records, and the VPCs that see it.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, refuse,
};
use crate::{
    Change, Cloud, DnsName, Kind, Label, Meta, PrivateZone, PrivateZoneId, RecordKind, RecordSet,
    Revision, VpcId,
};

/// Bytes of all names and values of a zone: it travels to hosts in one piece.
const MOST_BYTES: usize = 256 << 10;

/// What a private zone is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The domain.
    pub domain: DnsName,
    /// The VPCs that see it.
    pub vpcs: Vec<VpcId>,
    /// Its records.
    pub records: Vec<RecordSet>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Lists are the whole list wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The VPCs that see it.
    pub vpcs: Option<Vec<VpcId>>,
    /// Its records.
    pub records: Option<Vec<RecordSet>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a private zone.
///
/// # Errors
/// When a VPC doesn't exist or sees a zone of this domain already, a record can't be, or a quota is
/// reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let limit = settings.quotas.private_zones;
    let count = cloud.count(Kind::PrivateZone) + 1;
    check_quota(count, limit, "private zones", || "the cloud".to_owned())?;
    let zone = PrivateZone {
        id: draw_id(cloud, entropy, PrivateZoneId::from_bits)?,
        domain: draft.domain,
        vpcs: draft.vpcs,
        records: draft.records,
        meta: Meta::named(draft.label),
    };
    let zone = checked(cloud, settings, zone)?;
    Ok(vec![Change::create(zone)])
}

/// Changes a private zone.
///
/// # Errors
/// When it doesn't exist or has changed since the etag, or what it shall be can't be.
pub fn update(
    cloud: &Cloud,
    settings: &Settings,
    id: PrivateZoneId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, settings, id, etag, |zone| {
        if let Some(vpcs) = update.vpcs {
            zone.vpcs = vpcs;
        }
        if let Some(records) = update.records {
            zone.records = records;
        }
        zone.meta.rename(update.label);
        Ok(())
    })
}

/// Deletes a private zone with its records.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: PrivateZoneId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let zone = found(cloud.private_zone(id), id)?;
    check_etag(id, &zone.meta, etag)?;
    Ok(vec![Change::delete(zone.clone())])
}

/// Adds records, or replaces all those of the same name and type.
///
/// # Errors
/// When the zone doesn't exist or has changed since the etag, or the records can't be.
pub fn put_record(
    cloud: &Cloud,
    settings: &Settings,
    id: PrivateZoneId,
    record: RecordSet,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, settings, id, etag, |zone| {
        zone.records
            .retain(|old| (&old.name, old.kind) != (&record.name, record.kind));
        zone.records.push(record);
        Ok(())
    })
}

/// Deletes all records of a name and type.
///
/// # Errors
/// When the zone doesn't exist or has changed since the etag, or has none.
pub fn delete_record(
    cloud: &Cloud,
    settings: &Settings,
    id: PrivateZoneId,
    (name, kind): (&DnsName, RecordKind),
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, settings, id, etag, |zone| {
        let before = zone.records.len();
        zone.records
            .retain(|old| (&old.name, old.kind) != (name, kind));
        if zone.records.len() == before {
            let reason = format!("{id} has no {kind} record of {name}");
            return Err(OpError::invalid("name", reason));
        }
        Ok(())
    })
}

fn change(
    cloud: &Cloud,
    settings: &Settings,
    id: PrivateZoneId,
    etag: Option<Revision>,
    edit: impl FnOnce(&mut PrivateZone) -> Result<(), OpError>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.private_zone(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    edit(&mut after)?;
    let after = checked(cloud, settings, after)?;
    Ok(vec![Change::update(before.clone(), after)])
}

/// The zone in its stored form, if all of it can be.
fn checked(
    cloud: &Cloud,
    settings: &Settings,
    mut zone: PrivateZone,
) -> Result<PrivateZone, OpError> {
    let within = || format!("private zone {}", zone.domain);
    let quotas = &settings.quotas;
    check_quota(
        zone.vpcs.len(),
        quotas.vpcs_per_private_zone,
        "VPCs",
        within,
    )?;
    let records = zone.records.len();
    check_quota(records, quotas.records_per_private_zone, "records", within)?;
    let mut violations: Vec<_> = (0..zone.vpcs.len())
        .filter_map(|i| check_vpc(cloud, &zone, i))
        .collect();
    violations.extend((0..records).filter_map(|i| check_record(&zone, i)));
    let bytes: usize = zone.records.iter().map(size).sum();
    if bytes > MOST_BYTES {
        let reason = format!("are {bytes} bytes: a zone has at most {MOST_BYTES}");
        violations.push(Violation::new("private_zone.records", reason));
    }
    if zone.domain.is_wildcard() {
        let reason = "can't begin with `*`: only its records can";
        violations.push(Violation::new("private_zone.domain", reason));
    }
    refuse(violations)?;
    let order = |a: &RecordSet, b: &RecordSet| (&a.name, a.kind).cmp(&(&b.name, b.kind));
    zone.records.sort_by(order);
    Ok(zone)
}

fn size(record: &RecordSet) -> usize {
    let values = record.values.iter().map(|value| value.to_string().len());
    record.name.as_str().len() + values.sum::<usize>()
}

fn check_vpc(cloud: &Cloud, zone: &PrivateZone, i: usize) -> Option<Violation> {
    let vpc = zone.vpcs[i];
    let same = |other: &&PrivateZone| other.domain == zone.domain && other.id != zone.id;
    let reason = if cloud.vpc(vpc).is_none() {
        format!("VPC {vpc} doesn't exist")
    } else if zone.vpcs[..i].contains(&vpc) {
        format!("{vpc} is listed twice")
    } else {
        let other = cloud.private_zones_of_vpc(vpc).find(same)?;
        let domain = &zone.domain;
        format!("{vpc} sees {} of the same domain {domain}", other.id)
    };
    Some(Violation::new(format!("private_zone.vpcs[{i}]"), reason))
}

fn check_record(zone: &PrivateZone, i: usize) -> Option<Violation> {
    let RecordSet {
        name, kind, values, ..
    } = &zone.records[i];
    let others = || {
        zone.records
            .iter()
            .enumerate()
            .filter(move |(j, _)| *j != i)
    };
    let same_name = || others().filter(|(_, other)| other.name == *name);
    let (field, reason) = if !name.is_in(&zone.domain) {
        ("name", format!("{name} isn't in {}", zone.domain))
    } else if same_name().any(|(_, other)| other.kind == *kind) {
        ("name", format!("{name} has two entries of type {kind}"))
    } else if *kind == RecordKind::Cname && same_name().next().is_some() {
        let reason = format!("{name} has other records: a CNAME stands alone");
        ("type", reason)
    } else if *kind == RecordKind::Cname && *name == zone.domain {
        let reason = "the domain itself has an SOA record: a CNAME stands alone";
        ("type", reason.to_owned())
    } else if *kind == RecordKind::Cname && values.len() > 1 {
        ("values", "a CNAME has one value".to_owned())
    } else if values.is_empty() {
        ("values", "is required".to_owned())
    } else if values.iter().any(|value| value.kind() != *kind) {
        ("values", format!("must all be of type {kind}"))
    } else {
        return None;
    };
    let field = format!("private_zone.records[{i}].{field}");
    Some(Violation::new(field, reason))
}
