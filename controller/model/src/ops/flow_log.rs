//! Flow logs. They go with what they are about.

use super::{Entropy, OpError, Settings, check_etag, check_quota, draw_id, found};
use crate::{
    Change, Cloud, FlowLog, FlowLogId, Label, LogFormat, LogInterval, LogScope, LogTraffic, Meta,
    Revision, VpcId,
};

/// What a flow log is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whose interfaces.
    pub scope: LogScope,
    /// Which traffic.
    pub traffic: LogTraffic,
    /// How long a record gathers.
    pub interval: LogInterval,
    /// How a line looks.
    pub format: LogFormat,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. What is logged, and how, can't change: a file
/// has lines of one form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a flow log.
///
/// # Errors
/// When what it is about doesn't exist, or has as many logs as it may.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let scope = draft.scope;
    let vpc = vpc_of(cloud, scope).and_then(|id| cloud.vpc(id));
    let vpc =
        vpc.ok_or_else(|| OpError::invalid("flow_log.resource", format!("{scope} doesn't exist")))?;
    let count = cloud.flow_logs_of(scope).count() + 1;
    let limit = settings.quotas.flow_logs_per_resource;
    check_quota(count, limit, "flow logs", || scope.to_string())?;
    Ok(vec![Change::create(FlowLog {
        id: draw_id(cloud, entropy, FlowLogId::from_bits)?,
        vpc: vpc.id,
        region: vpc.region.clone(),
        account: settings.account.clone(),
        scope,
        traffic: draft.traffic,
        interval: draft.interval,
        format: draft.format,
        meta: Meta::named(draft.label),
    })])
}

/// Changes a flow log's name.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: FlowLogId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.flow_log(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a flow log; what it wrote stays on the hosts.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: FlowLogId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let log = found(cloud.flow_log(id), id)?;
    check_etag(id, &log.meta, etag)?;
    Ok(vec![Change::delete(log.clone())])
}

/// The deletion of all logs of what is about to be deleted.
pub(super) fn end_with(cloud: &Cloud, scope: LogScope) -> impl Iterator<Item = Change> {
    cloud.flow_logs_of(scope).cloned().map(Change::delete)
}

fn vpc_of(cloud: &Cloud, scope: LogScope) -> Option<VpcId> {
    match scope {
        LogScope::Vpc(id) => Some(id),
        LogScope::Subnet(id) => cloud.subnet(id).map(|subnet| subnet.vpc),
        LogScope::Interface(id) => cloud.interface(id).map(|interface| interface.vpc),
    }
}
