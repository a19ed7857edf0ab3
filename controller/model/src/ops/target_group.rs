//! Target groups: their targets and their health checks.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, refuse,
};
use crate::{
    Carried, Change, Cloud, HealthCheck, Label, Meta, Revision, Target, TargetGroup, TargetGroupId,
    TargetName, TargetType, Vpc, VpcId, Weight,
};

/// What a target group is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The VPC that the targets are in.
    pub vpc: VpcId,
    /// What the targets take.
    pub protocol: Carried,
    /// The port of targets that name none.
    pub port: u16,
    /// What targets are named by.
    pub target_type: TargetType,
    /// How their health is found out.
    pub health_check: HealthCheck,
    /// Seconds that a deregistered target keeps its connections.
    pub deregistration_delay: u16,
    /// Whether targets see the client's address.
    pub preserve_client_address: bool,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Targets have commands of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// How the targets' health is found out.
    pub health_check: Option<HealthCheck>,
    /// Seconds that a deregistered target keeps its connections.
    pub deregistration_delay: Option<u16>,
    /// Whether targets see the client's address. Connections that are there stay as they are.
    pub preserve_client_address: Option<bool>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// A target to register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetDraft {
    /// Who.
    pub name: TargetName,
    /// On which port; `None` is the group's.
    pub port: Option<u16>,
    /// Its share.
    pub weight: Weight,
}

/// A target to deregister.
pub type TargetKey = (TargetName, Option<u16>);

/// Makes a target group.
///
/// # Errors
/// When the VPC doesn't exist, a setting is out of its range, or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let vpc = cloud.vpc(draft.vpc).ok_or_else(|| {
        let reason = format!("VPC {} doesn't exist", draft.vpc);
        OpError::invalid("target_group.vpc", reason)
    })?;
    check_region_quota(cloud, settings, vpc)?;
    let group = TargetGroup {
        id: draw_id(cloud, entropy, TargetGroupId::from_bits)?,
        vpc: draft.vpc,
        protocol: draft.protocol,
        port: draft.port,
        target_type: draft.target_type,
        health_check: draft.health_check,
        deregistration_delay: draft.deregistration_delay,
        preserve_client_address: draft.preserve_client_address,
        targets: Vec::new(),
        meta: Meta::named(draft.label),
    };
    refuse(check(&group))?;
    Ok(vec![Change::create(group)])
}

/// Changes a target group.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or a setting is out of its range.
pub fn update(
    cloud: &Cloud,
    id: TargetGroupId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.target_group(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.health_check = update.health_check.unwrap_or(after.health_check);
    after.deregistration_delay = update
        .deregistration_delay
        .unwrap_or(after.deregistration_delay);
    after.preserve_client_address = update
        .preserve_client_address
        .unwrap_or(after.preserve_client_address);
    after.meta.rename(update.label);
    refuse(check(&after))?;
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a target group.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or a listener sends to it.
pub fn delete(
    cloud: &Cloud,
    id: TargetGroupId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let group = found(cloud.target_group(id), id)?;
    check_etag(id, &group.meta, etag)?;
    if let Some(listener) = cloud.listeners_to(id).next() {
        let (key, by) = (id.into(), listener.id.into());
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(group.clone())])
}

/// Registers targets. One that is registered gets the new weight; one that drains comes back.
///
/// # Errors
/// When the group doesn't exist, has changed since the etag, a target can't be its, or a quota is
/// reached.
pub fn register(
    cloud: &Cloud,
    settings: &Settings,
    id: TargetGroupId,
    targets: &[TargetDraft],
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.target_group(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let reasons = targets.iter().map(|target| misfit(cloud, before, target));
    let violations = reasons.enumerate().filter_map(|(i, reason)| {
        let field = format!("targets[{i}].target");
        Some(Violation::new(field, reason?))
    });
    refuse(violations.collect())?;
    let mut after = before.clone();
    for draft in targets {
        let target = Target {
            name: draft.name,
            port: draft.port.unwrap_or(before.port),
            weight: draft.weight,
            draining: false,
        };
        let key = (target.name, target.port);
        after
            .targets
            .retain(|other| (other.name, other.port) != key);
        after.targets.push(target);
    }
    after
        .targets
        .sort_by_key(|target| (target.name, target.port));
    let limit = settings.quotas.targets_per_group;
    check_quota(after.targets.len(), limit, "targets", || {
        format!("target group {id}")
    })?;
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deregisters targets: they drain, or are gone at once where the group's delay is 0. Without a
/// port, all of the target's are meant.
///
/// # Errors
/// When the group doesn't exist, has changed since the etag, or a target isn't registered.
pub fn deregister(
    cloud: &Cloud,
    id: TargetGroupId,
    targets: &[TargetKey],
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.target_group(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let is = |target: &Target, key: &TargetKey| {
        target.name == key.0 && key.1.is_none_or(|port| target.port == port)
    };
    let strangers = targets.iter().enumerate().filter_map(|(i, key)| {
        let known = before.targets.iter().any(|target| is(target, key));
        let reason = format!("{} isn't registered there", key.0);
        (!known).then(|| Violation::new(format!("targets[{i}].target"), reason))
    });
    refuse(strangers.collect())?;
    let mut after = before.clone();
    let meant = |target: &Target| targets.iter().any(|key| is(target, key));
    for target in after.targets.iter_mut().filter(|target| meant(target)) {
        target.draining = true;
    }
    if before.deregistration_delay == 0 {
        after.targets.retain(|target| !meant(target));
    }
    Ok(vec![Change::update(before.clone(), after)])
}

/// Takes a target out whose delay is over; nothing where it doesn't drain any more.
///
/// # Errors
/// When the group doesn't exist.
pub fn drained(
    cloud: &Cloud,
    id: TargetGroupId,
    key: (TargetName, u16),
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.target_group(id), id)?;
    let mut after = before.clone();
    let is = |target: &Target| target.draining && (target.name, target.port) == key;
    after.targets.retain(|target| !is(target));
    if after == *before {
        return Ok(Vec::new());
    }
    Ok(vec![Change::update(before.clone(), after)])
}

/// Why the group can't have the target.
fn misfit(cloud: &Cloud, group: &TargetGroup, draft: &TargetDraft) -> Option<String> {
    if draft.port == Some(0) {
        return Some("has port 0: use 1 to 65535".to_owned());
    }
    match (group.target_type, draft.name) {
        (TargetType::Interface, TargetName::Interface(id)) => match cloud.interface(id) {
            None => Some(format!("interface {id} doesn't exist")),
            Some(interface) if interface.vpc != group.vpc => Some(format!(
                "interface {id} is in VPC {}, and the target group is in {}",
                interface.vpc, group.vpc
            )),
            Some(_) => None,
        },
        (TargetType::Ip, TargetName::Ip(address)) => {
            let holder = cloud.interface_by_address(group.vpc, address);
            holder
                .is_none()
                .then(|| format!("{address} is no interface's address in VPC {}", group.vpc))
        }
        (TargetType::Interface, _) => Some("the group's targets are interfaces".to_owned()),
        (TargetType::Ip, _) => Some("the group's targets are addresses".to_owned()),
    }
}

fn check_region_quota(cloud: &Cloud, settings: &Settings, vpc: &Vpc) -> Result<(), OpError> {
    let limit = settings.quotas.target_groups_per_region;
    let vpcs = cloud.vpcs_in_region(&vpc.region);
    let groups = vpcs.flat_map(|vpc| cloud.target_groups_in_vpc(vpc.id));
    check_quota(groups.count() + 1, limit, "target groups", || {
        format!("region {}", vpc.region)
    })
}

fn check(group: &TargetGroup) -> Vec<Violation> {
    let check = &group.health_check;
    let ranges = [
        ("port", u32::from(group.port), 1, 65_535),
        (
            "deregistration_delay",
            group.deregistration_delay.into(),
            0,
            3_600,
        ),
        ("health_check.interval", check.interval.into(), 5, 300),
        ("health_check.timeout", check.timeout.into(), 2, 120),
        (
            "health_check.healthy_threshold",
            check.healthy.into(),
            2,
            10,
        ),
        (
            "health_check.unhealthy_threshold",
            check.unhealthy.into(),
            2,
            10,
        ),
        (
            "health_check.port",
            check.port.map_or(1, u32::from),
            1,
            65_535,
        ),
    ];
    let outside = ranges
        .iter()
        .filter(|(_, value, first, last)| !(first..=last).contains(&value));
    let mut violations: Vec<Violation> = outside
        .map(|(field, value, first, last)| {
            let reason = format!("{value} is out of range: use {first} to {last}");
            Violation::new(format!("target_group.{field}"), reason)
        })
        .collect();
    if group.protocol == Carried::Udp && check.port.is_none() {
        let reason = "is required for UDP targets: checks ask over TCP";
        violations.push(Violation::new("target_group.health_check.port", reason));
    }
    if group.protocol != Carried::Tcp && !group.preserve_client_address {
        let reason = format!(
            "can be off for tcp alone, and the group's protocol is {}",
            group.protocol
        );
        let field = "target_group.preserve_client_address";
        violations.push(Violation::new(field, reason));
    }
    violations
}
