//! Traffic mirroring: filters, and sessions, which go with their source and with their target.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, refuse,
};
use crate::{
    Change, Cloud, Family, InterfaceId, Label, Meta, MirrorFilter, MirrorFilterId, MirrorLength,
    MirrorNumber, MirrorRule, MirrorSession, MirrorSessionId, MirrorTarget, PortRange, Protocol,
    RegionName, Revision, Vni, VpcId,
};

/// What a filter is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterDraft {
    /// The region whose sessions may use it.
    pub region: RegionName,
    /// For what the source gets.
    pub ingress: Vec<MirrorRule>,
    /// For what the source sends.
    pub egress: Vec<MirrorRule>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change of a filter; `None` leaves a field as it is. Lists are the whole list wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterUpdate {
    /// For what the source gets.
    pub ingress: Option<Vec<MirrorRule>>,
    /// For what the source sends.
    pub egress: Option<Vec<MirrorRule>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// What a session is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whose packets.
    pub source: InterfaceId,
    /// Where the copies go.
    pub target: MirrorTarget,
    /// Which packets.
    pub filter: MirrorFilterId,
    /// Its place among the sessions of the source.
    pub number: MirrorNumber,
    /// How much of each packet; all of it where `None`.
    pub packet_length: Option<MirrorLength>,
    /// What the target tells sessions apart by; drawn at random where `None`.
    pub vni: Option<Vni>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change of a session; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Which packets.
    pub filter: Option<MirrorFilterId>,
    /// How much of each packet, or all of it.
    pub packet_length: Option<Option<MirrorLength>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a filter.
///
/// # Errors
/// When the region doesn't exist, a rule can't be, or a quota is reached.
pub fn create_filter(
    cloud: &Cloud,
    settings: &Settings,
    draft: FilterDraft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    if cloud.region(&draft.region).is_none() {
        let reason = format!("region {} doesn't exist; create it first", draft.region);
        return Err(OpError::invalid("mirror_filter.region", reason));
    }
    let count = cloud.mirror_filters_in_region(&draft.region).count() + 1;
    let limit = settings.quotas.mirror_filters_per_region;
    let within = || format!("region {}", draft.region);
    check_quota(count, limit, "mirror filters", within)?;
    let mut filter = MirrorFilter {
        id: draw_id(cloud, entropy, MirrorFilterId::from_bits)?,
        region: draft.region,
        ingress: draft.ingress,
        egress: draft.egress,
        meta: Meta::named(draft.label),
    };
    settle(&mut filter, settings)?;
    Ok(vec![Change::create(filter)])
}

/// Changes a filter; sessions follow it.
///
/// # Errors
/// When it doesn't exist or has changed since the etag, a rule can't be, or a quota is reached.
pub fn update_filter(
    cloud: &Cloud,
    settings: &Settings,
    id: MirrorFilterId,
    update: FilterUpdate,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.mirror_filter(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.ingress = update.ingress.unwrap_or(after.ingress);
    after.egress = update.egress.unwrap_or(after.egress);
    after.meta.rename(update.label);
    settle(&mut after, settings)?;
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a filter.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or a session uses it.
pub fn delete_filter(
    cloud: &Cloud,
    id: MirrorFilterId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let filter = found(cloud.mirror_filter(id), id)?;
    check_etag(id, &filter.meta, etag)?;
    if let Some(session) = cloud.mirror_sessions_with(id).next() {
        let (key, by) = (id.into(), session.id.into());
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(filter.clone())])
}

/// Makes a session.
///
/// # Errors
/// When its source, target or filter doesn't exist or they don't belong together, its number is taken,
/// or the source has as many as it may.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let source = draft.source;
    let vpc = cloud.interface(source).map(|interface| interface.vpc);
    let vpc = vpc.ok_or_else(|| invalid("source", format!("{source} doesn't exist")))?;
    check_target(cloud, vpc, &draft)?;
    check_filter(cloud, vpc, draft.filter)?;
    let own: Vec<_> = cloud.mirror_sessions_of(source).collect();
    let own = own.iter().filter(|session| session.source == source);
    if let Some(other) = own.clone().find(|other| other.number == draft.number) {
        let reason = format!("{} is the number of {} already", draft.number, other.id);
        return Err(invalid("number", reason));
    }
    let limit = settings.quotas.mirror_sessions_per_source;
    let within = || format!("interface {source}");
    check_quota(own.count() + 1, limit, "mirror sessions", within)?;
    let drawn = 1 + entropy.bits() % u64::from(Vni::MAX - 1);
    let drawn = u32::try_from(drawn)
        .ok()
        .and_then(|n| Vni::try_from(n).ok());
    let vni = draft.vni.or(drawn).ok_or_else(|| OpError::Exhausted {
        what: "VNI",
        within: "the cloud".to_owned(),
    })?;
    Ok(vec![Change::create(MirrorSession {
        id: draw_id(cloud, entropy, MirrorSessionId::from_bits)?,
        vpc,
        source,
        target: draft.target,
        filter: draft.filter,
        number: draft.number,
        packet_length: draft.packet_length,
        vni,
        meta: Meta::named(draft.label),
    })])
}

/// Changes a session.
///
/// # Errors
/// When it or its new filter doesn't exist, or it has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: MirrorSessionId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.mirror_session(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    if let Some(filter) = update.filter {
        check_filter(cloud, before.vpc, filter)?;
        after.filter = filter;
    }
    after.packet_length = update.packet_length.unwrap_or(after.packet_length);
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a session; a file that it wrote stays.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: MirrorSessionId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let session = found(cloud.mirror_session(id), id)?;
    check_etag(id, &session.meta, etag)?;
    Ok(vec![Change::delete(session.clone())])
}

/// The deletion of all sessions from and to an interface that is about to be deleted.
pub(super) fn end_with(cloud: &Cloud, interface: InterfaceId) -> impl Iterator<Item = Change> {
    let sessions = cloud.mirror_sessions_of(interface);
    sessions.cloned().map(Change::delete)
}

fn invalid(field: &str, reason: String) -> OpError {
    OpError::invalid(format!("mirror_session.{field}"), reason)
}

fn check_target(cloud: &Cloud, vpc: VpcId, draft: &Draft) -> Result<(), OpError> {
    let MirrorTarget::Interface(target) = draft.target else {
        return Ok(());
    };
    let reason = match cloud.interface(target) {
        _ if target == draft.source => "is the source itself".to_owned(),
        None => format!("{target} doesn't exist"),
        Some(found) if found.vpc != vpc => {
            format!("{target} is in VPC {}, the source in {vpc}", found.vpc)
        }
        Some(_) => return Ok(()),
    };
    Err(invalid("target", reason))
}

fn check_filter(cloud: &Cloud, vpc: VpcId, id: MirrorFilterId) -> Result<(), OpError> {
    let region = cloud.vpc(vpc).map(|vpc| &vpc.region);
    let reason = match cloud.mirror_filter(id) {
        None => format!("{id} doesn't exist"),
        Some(filter) if Some(&filter.region) != region => {
            format!("{id} is of region {}", filter.region)
        }
        Some(_) => return Ok(()),
    };
    Err(invalid("filter", reason))
}

/// Puts the rules in order, and refuses what can't be.
fn settle(filter: &mut MirrorFilter, settings: &Settings) -> Result<(), OpError> {
    let mut violations = Vec::new();
    for (direction, rules) in [
        ("ingress", &mut filter.ingress),
        ("egress", &mut filter.egress),
    ] {
        for (i, rule) in rules.iter().enumerate() {
            let field = |name: &str| format!("mirror_filter.{direction}[{i}].{name}");
            if rules[..i].iter().any(|other| other.place() == rule.place()) {
                let family = Family::of(rule.source);
                let reason = format!("{family} has a rule {} already", rule.number);
                violations.push(Violation::new(field("number"), reason));
            }
            violations.extend(check_rule(rule, field));
        }
        rules.sort_by_key(MirrorRule::place);
    }
    refuse(violations)?;
    let limit = settings.quotas.rules_per_mirror_filter;
    let within = || format!("mirror filter {}", filter.id);
    check_quota(filter.ingress.len(), limit, "ingress rules", within)?;
    check_quota(filter.egress.len(), limit, "egress rules", within)
}

fn check_rule(rule: &MirrorRule, field: impl Fn(&str) -> String) -> Option<Violation> {
    let families = [rule.source, rule.destination].map(Family::of);
    if families[0] != families[1] {
        let reason = format!("is of {}, the source of {}", families[1], families[0]);
        return Some(Violation::new(field("destination_cidr"), reason));
    }
    let with_ports = [Some(Protocol::TCP), Some(Protocol::UDP)].contains(&rule.protocol);
    let all = rule.source_ports == PortRange::ALL && rule.destination_ports == PortRange::ALL;
    (!with_ports && !all).then(|| {
        let reason = "ports are of tcp and udp alone";
        Violation::new(field("protocol"), reason)
    })
}
