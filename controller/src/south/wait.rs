//! Waiting until every host has applied what was committed.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};
use weft_model::{HostName, Revision, state::StateKey};
use weft_planner::queue::Refusal;
use weft_proto::v1;

use super::{Hub, session::Session, status};

/// A revision that is applied on every host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The revision.
    pub revision: Revision,
    /// The hosts that it concerned; where that is no longer known, those that were waited for.
    pub hosts: Vec<HostName>,
    /// What hosts refuse as of now: it is not applied, and waiting longer would not help.
    pub refused: BTreeMap<HostName, BTreeMap<StateKey, Refusal>>,
}

/// Hosts that had not applied a revision in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Lagging {
    /// The revision waited for.
    pub revision: Revision,
    /// The newest revision that exists.
    pub newest: Revision,
    /// The hosts, each with what keeps it; empty where the revision doesn't exist yet.
    pub hosts: Vec<HostLag>,
}

/// A host that has not applied a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLag {
    /// The host.
    pub host: HostName,
    /// What keeps it.
    pub reason: LagReason,
}

/// What keeps a host from having applied a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LagReason {
    /// Its vswitch is not on the stream.
    NotConnected,
    /// This many changes wait to be sent or acknowledged.
    Pending(usize),
}

impl fmt::Display for Lagging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            revision,
            newest,
            hosts,
        } = self;
        if newest < revision {
            return write!(
                f,
                "revision {revision} doesn't exist yet: the newest is {newest}"
            );
        }
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        let hosts = hosts.join(", ");
        write!(
            f,
            "revision {revision} is not applied everywhere yet: {hosts}"
        )
    }
}

impl fmt::Display for HostLag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match self.reason {
            LagReason::NotConnected => {
                write!(f, "{host} is not connected (does its `weft vswitch` run?)")
            }
            LagReason::Pending(changes) => write!(f, "{host} has {changes} changes to apply"),
        }
    }
}

impl Hub {
    /// Returns once everything up to the revision is applied on every host that it concerns.
    ///
    /// # Errors
    /// When that takes longer than `timeout`: the hosts that lag, and why.
    pub async fn wait(&self, revision: Revision, timeout: Duration) -> Result<Applied, Lagging> {
        let deadline = Instant::now() + timeout;
        let mut newest = self.watch_revision();
        let committed = newest.wait_for(|newest| *newest >= revision);
        if timeout_at(deadline, committed).await.is_err() {
            return Err(self.lagging(revision));
        }
        let behind = self.behind(revision);
        for session in behind.values() {
            let mut lag = session.watch();
            let past = lag.wait_for(|lag| lag.is_past(revision));
            if timeout_at(deadline, past).await.is_err() {
                return Err(self.lagging(revision));
            }
        }
        let waited = || behind.into_keys().collect();
        Ok(Applied {
            revision,
            hosts: self.concerned_by(revision).unwrap_or_else(waited),
            refused: self.refused(),
        })
    }

    fn behind(&self, revision: Revision) -> BTreeMap<HostName, Arc<Session>> {
        let mut sessions = self.sessions();
        sessions.retain(|_, session| !session.watch().borrow().is_past(revision));
        sessions
    }

    fn lagging(&self, revision: Revision) -> Lagging {
        let newest = self.revision();
        let hosts = self.behind(revision).into_iter().map(|(host, session)| {
            let status = session.status(newest);
            let reason = if status.connected {
                LagReason::Pending(status.pending)
            } else {
                LagReason::NotConnected
            };
            HostLag { host, reason }
        });
        Lagging {
            revision,
            newest,
            hosts: hosts.collect(),
        }
    }

    fn refused(&self) -> BTreeMap<HostName, BTreeMap<StateKey, Refusal>> {
        let sessions = self.sessions().into_iter();
        let refused = sessions.map(|(host, session)| (host, session.status(Revision(0)).refused));
        refused.filter(|(_, refused)| !refused.is_empty()).collect()
    }
}

impl From<&Applied> for v1::WaitResponse {
    fn from(applied: &Applied) -> Self {
        let refused = applied.refused.iter().flat_map(|(host, refused)| {
            refused.iter().map(|(key, why)| v1::HostRefusal {
                host: host.to_string(),
                refusal: Some(status::refusal(key, why)),
            })
        });
        Self {
            revision: applied.revision.0,
            hosts: applied.hosts.iter().map(ToString::to_string).collect(),
            refused: refused.collect(),
        }
    }
}
