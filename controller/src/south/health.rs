//! The targets' health: what hosts report goes to the hosts that need it, and holds while the host
//! is heard. A host that fell silent loses its targets once their checks would have failed.
//!
//! A word from a host costs one store of a number. Each host is looked at when something that it
//! said may cease to hold, and every [`LOOK`] at the least: that bounds the work, however many
//! hosts there are and however often they speak.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use weft_model::{HealthCheck, HostName, TargetGroupId, state::TargetKey};
use weft_planner::{Plan, TargetReport};
use weft_proto::{convert::sync::read_health, sync::v1 as wire};

use super::{
    Hub,
    hub::Plans,
    session::{Ending, Session},
};

/// The longest time until a host is looked at again. What it says from now on holds for at least so
/// long, so nothing ceases to hold unseen.
pub(super) const LOOK: Duration = Duration::from_secs(HealthCheck::SHORTEST_DETECTION as u64);

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

    /// Looks at hosts when it is time, until the hub is closed.
    pub async fn watch_silence(self) {
        loop {
            let next = self.look(Instant::now());
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.closed() => return,
            }
        }
    }

    /// Looks at all hosts whose time has come; when the next one's does.
    pub(super) fn look(&self, now: Instant) -> Instant {
        let mut plans = self.plans();
        loop {
            match plans.looks.pop_first() {
                Some((due, host)) if due <= now => {
                    if let Some(session) = self.session(&host) {
                        let next = self.look_at(&mut plans, &host, &session, now);
                        plans.looks.insert((next, host));
                    }
                }
                Some(later) => {
                    let next = later.0;
                    plans.looks.insert(later);
                    return next;
                }
                None => return now + LOOK,
            }
        }
    }

    fn look_at(
        &self,
        plans: &mut Plans,
        host: &HostName,
        session: &Session,
        now: Instant,
    ) -> Instant {
        let heard = session.heard();
        let silence = now.saturating_duration_since(heard);
        let (plan, next) = plans.planner.silent(host, silence);
        if plan.hosts().next().is_some() {
            // It has to say all again: it tells only what changed since it told it.
            session.end(Ending::Silent);
        }
        self.spread(plan);
        let latest = now + LOOK;
        next.map_or(latest, |next| latest.min(heard + next))
    }

    /// How the group's targets are doing, in their order.
    pub fn target_health(&self, group: TargetGroupId) -> Vec<TargetReport> {
        self.plans().planner.target_health(group)
    }
}
