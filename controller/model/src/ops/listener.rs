//! Listeners of load balancers.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, refuse,
};
use crate::{
    Balancer, BalancerId, Carried, Change, Cloud, IdleTimeout, Label, Listener, ListenerId, Meta,
    Revision, TargetGroupId,
};

/// What a listener is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The balancer whose port it is.
    pub balancer: BalancerId,
    /// What it takes.
    pub protocol: Carried,
    /// The port.
    pub port: u16,
    /// Where it sends.
    pub target_group: TargetGroupId,
    /// How long an idle TCP connection is kept.
    pub idle_timeout: IdleTimeout,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Where it sends; connections to targets of the former group end.
    pub target_group: Option<TargetGroupId>,
    /// How long an idle TCP connection is kept.
    pub idle_timeout: Option<IdleTimeout>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a listener.
///
/// # Errors
/// When the balancer or the group doesn't exist or they don't fit, the port is taken, or a quota
/// is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let balancer = cloud.balancer(draft.balancer).ok_or_else(|| {
        let reason = format!("load balancer {} doesn't exist", draft.balancer);
        OpError::invalid("listener.load_balancer", reason)
    })?;
    let limit = settings.quotas.listeners_per_balancer;
    let count = cloud.listeners_of(balancer.id).count() + 1;
    check_quota(count, limit, "listeners", || {
        format!("load balancer {}", balancer.id)
    })?;
    let listener = Listener {
        id: draw_id(cloud, entropy, ListenerId::from_bits)?,
        balancer: balancer.id,
        protocol: draft.protocol,
        port: draft.port,
        target_group: draft.target_group,
        idle_timeout: draft.idle_timeout,
        meta: Meta::named(draft.label),
    };
    let mut violations: Vec<Violation> = check_port(cloud, &listener).into_iter().collect();
    violations.extend(check_group(cloud, balancer, &listener));
    refuse(violations)?;
    Ok(vec![Change::create(listener)])
}

/// Changes a listener.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or the group doesn't fit.
pub fn update(
    cloud: &Cloud,
    id: ListenerId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.listener(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let balancer = found(cloud.balancer(before.balancer), before.balancer)?;
    let mut after = before.clone();
    after.target_group = update.target_group.unwrap_or(after.target_group);
    after.idle_timeout = update.idle_timeout.unwrap_or(after.idle_timeout);
    after.meta.rename(update.label);
    refuse(check_group(cloud, balancer, &after).into_iter().collect())?;
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a listener; its connections end.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: ListenerId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let listener = found(cloud.listener(id), id)?;
    check_etag(id, &listener.meta, etag)?;
    Ok(vec![Change::delete(listener.clone())])
}

fn check_port(cloud: &Cloud, listener: &Listener) -> Option<Violation> {
    let violation = |reason: String| Some(Violation::new("listener.port", reason));
    if listener.port == 0 {
        return violation("is required: 1 to 65535".to_owned());
    }
    let mut others = cloud.listeners_of(listener.balancer);
    let taken =
        |other: &&Listener| other.port == listener.port && other.protocol.meets(listener.protocol);
    let other = others.find(taken)?;
    violation(format!("port {} is {}'s", listener.port, other.id))
}

fn check_group(cloud: &Cloud, balancer: &Balancer, listener: &Listener) -> Option<Violation> {
    let id = listener.target_group;
    let reason = match cloud.target_group(id) {
        None => format!("target group {id} doesn't exist"),
        Some(group) if group.vpc != balancer.vpc => format!(
            "target group {id} is in VPC {}, and the load balancer is in {}",
            group.vpc, balancer.vpc
        ),
        Some(group) if group.protocol != listener.protocol => format!(
            "target group {id} takes {}, and the listener {}: they must be the same",
            group.protocol, listener.protocol
        ),
        Some(_) => return None,
    };
    Some(Violation::new("listener.target_group", reason))
}
