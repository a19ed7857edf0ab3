//! The targets' health: what hosts report goes to the hosts that need it, and what was on a host
//! that is lost counts as failed once its checks would have.

use std::time::Duration;

use tokio::time::Instant;
use weft_model::{HostName, TargetGroupId, state::TargetKey};
use weft_planner::{Plan, TargetReport};
use weft_proto::{convert::sync::read_health, sync::v1 as wire};

use super::Hub;

/// How often lost hosts are looked at: it adds to the time after which a target is out.
const LOOK: Duration = Duration::from_millis(50);

impl Hub {
    /// Takes a host's report.
    pub(super) fn report_health(&self, host: &HostName, report: &wire::HealthReport) {
        let read = report.targets.iter().map(read_health);
        let findings: Vec<(TargetKey, Option<String>)> = read.filter_map(Result::ok).collect();
        let mut plans = self.plans();
        let plan = plans.planner.report(host, findings);
        self.spread(plan);
    }

    /// With the plans' lock held, as a commit.
    fn spread(&self, plan: Plan<wire::Resource>) {
        // It is no commit: the hosts are told as of the newest one.
        let revision = self.revision();
        for (host, edits) in plan {
            self.enqueue(&host, revision, edits);
        }
    }

    /// The host's stream is gone.
    pub(super) fn lose(&self, host: &HostName) {
        self.plans().lost.insert(host.clone(), Instant::now());
    }

    /// Looks at lost hosts, until the hub is closed.
    pub async fn watch_lost(self) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = looks.tick() => self.look_at_lost(),
                () = self.closed() => return,
            }
        }
    }

    fn look_at_lost(&self) {
        let mut plans = self.plans();
        let lost: Vec<(HostName, Instant)> = plans.lost.clone().into_iter().collect();
        for (host, since) in lost {
            let (plan, waiting) = plans.planner.lost(&host, since.elapsed());
            self.spread(plan);
            if !waiting {
                plans.lost.remove(&host);
            }
        }
    }

    /// How the group's targets are doing, in their order.
    pub fn target_health(&self, group: TargetGroupId) -> Vec<TargetReport> {
        self.plans().planner.target_health(group)
    }
}
