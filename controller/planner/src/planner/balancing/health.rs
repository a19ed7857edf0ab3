//! What hosts' checks found, and for how long that holds.
//!
//! Hosts say what changes only. What they said holds while they are heard: a target of a host that
//! falls silent is out once its checks would have failed, as if it had fallen silent itself.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use weft_model::{
    HostName, InterfaceId, Target, TargetGroup, TargetGroupId, TargetName, state::TargetKey,
};

use super::{Balancing, Planner};
use crate::plan::Plan;

/// How a target is doing, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetReport {
    /// In one word, as the API has it.
    pub health: &'static str,
    /// Why, where there is more to say.
    pub reason: String,
}

impl Balancing {
    /// The group's target that this key is of, and who it is.
    fn named(&self, group: &TargetGroup, key: &TargetKey) -> Option<InterfaceId> {
        let &(_, address, port) = key;
        let id = *self.by_address.get(&(group.vpc, address))?;
        let serves = self.standing.get(&id)?.serving.first() == Some(&address);
        let is_it = |target: &Target| {
            target.port == port
                && match target.name {
                    TargetName::Interface(name) => name == id && serves,
                    TargetName::Ip(name) => name == address,
                }
        };
        group.targets.iter().any(is_it).then_some(id)
    }

    /// The used groups with targets among these interfaces.
    fn groups_on(&self, ports: impl Iterator<Item = InterfaceId>) -> BTreeSet<TargetGroupId> {
        let mut groups = BTreeSet::new();
        for id in ports {
            let Some(standing) = self.standing.get(&id) else {
                continue;
            };
            for name in standing.names(id) {
                let naming = self.groups_naming.get(&(standing.vpc, name));
                let used = naming.into_iter().flatten();
                groups.extend(used.filter(|group| self.is_used(**group)));
            }
        }
        groups
    }

    /// The group's targets on the host that nobody calls unhealthy.
    fn serving_on(&self, group: &TargetGroup, host: &HostName) -> Vec<TargetKey> {
        let keys = group.targets.iter().filter_map(|t| self.key(group, t));
        let here = keys.filter(|(_, standing)| standing.host == *host);
        here.map(|(key, _)| key)
            .filter(|key| !matches!(self.findings.get(key), Some(Some(_))))
            .collect()
    }
}

impl<B> Planner<B> {
    /// Takes what a host found of targets, and says whom that concerns. A host speaks of its own
    /// only.
    pub fn report(
        &mut self,
        host: &HostName,
        findings: impl IntoIterator<Item = (TargetKey, Option<String>)>,
    ) -> Plan<B> {
        let mut changed = BTreeSet::new();
        for (key, finding) in findings {
            if self.speaks_for(host, &key) {
                let before = self.balancing.findings.insert(key, finding.clone());
                if before.map(|before| before.is_none()) != Some(finding.is_none()) {
                    changed.insert(key.0);
                }
            }
        }
        self.refreshed(changed)
    }

    fn speaks_for(&self, host: &HostName, key: &TargetKey) -> bool {
        let known = &self.balancing;
        let group = known.groups.get(&key.0);
        let interface = group.and_then(|group| known.named(group, key));
        let standing = interface.and_then(|id| known.standing.get(&id));
        standing.is_some_and(|standing| standing.host == *host)
    }

    /// The host has said nothing for so long: its targets whose checks would have failed by now are
    /// unhealthy. Also the silence at which that is so of others, if there are any.
    pub fn silent(&mut self, host: &HostName, silence: Duration) -> (Plan<B>, Option<Duration>) {
        let known = &self.balancing;
        let (mut due, mut next) = (Vec::new(), None::<Duration>);
        for id in known.groups_on(self.presence.ports(host)) {
            let Some(group) = known.groups.get(&id) else {
                continue;
            };
            let detection = Duration::from_secs(group.health_check.detection().into());
            if silence < detection {
                next = Some(next.map_or(detection, |next| next.min(detection)));
            } else {
                due.extend(known.serving_on(group, host));
            }
        }
        let mut changed = BTreeSet::new();
        for key in due {
            let reason = format!("its host {host} is lost");
            self.balancing.findings.insert(key, Some(reason));
            changed.insert(key.0);
        }
        (self.refreshed(changed), next)
    }

    fn refreshed(&mut self, groups: BTreeSet<TargetGroupId>) -> Plan<B> {
        let mut plan = Plan::new();
        for group in groups {
            self.refresh_targets(group, &mut plan);
        }
        plan
    }

    /// How the group's targets are doing, in their order.
    pub fn target_health(&self, group: TargetGroupId) -> Vec<TargetReport> {
        let group = self.balancing.groups.get(&group);
        let targets = group.into_iter().flat_map(|group| {
            let each = group.targets.iter();
            each.map(|target| self.report_of(group, target))
        });
        targets.collect()
    }

    fn report_of(&self, group: &TargetGroup, target: &Target) -> TargetReport {
        let known = &self.balancing;
        let key = known.key(group, target).map(|(key, _)| key);
        let finding = key.and_then(|key| known.findings.get(&key));
        let (health, reason) = match (key, finding) {
            _ if target.draining => ("draining", "deregistered: it keeps its connections"),
            _ if !known.is_used(group.id) => ("unused", "no listener sends to the group"),
            (None, _) => ("unavailable", "it isn't plugged in on any host"),
            (_, None) => ("initial", "its checks have not decided yet"),
            (_, Some(None)) => ("healthy", ""),
            (_, Some(Some(reason))) => ("unhealthy", reason.as_str()),
        };
        TargetReport {
            health,
            reason: reason.to_owned(),
        }
    }
}
