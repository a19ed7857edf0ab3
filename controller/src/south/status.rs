//! How hosts are doing, as the API and the metrics tell it.

use std::collections::BTreeMap;

use weft_model::{InterfaceId, Revision, state::StateKey};
use weft_planner::queue::{self, Refusal};
use weft_proto::v1;

/// One host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostStatus {
    /// Whether its vswitch is on the stream now.
    pub connected: bool,
    /// The build of its vswitch; empty before it first connects.
    pub version: String,
    /// Everything up to this revision is applied there, but for what it refused.
    pub applied: Revision,
    /// Changes that wait to be sent or acknowledged.
    pub pending: usize,
    /// What it refused, and would still have to hold.
    pub refused: BTreeMap<StateKey, Refusal>,
    /// Ports that are not up, as far as it has said.
    pub troubles: BTreeMap<InterfaceId, PortTrouble>,
    /// What happened on its stream.
    pub counters: queue::Counters,
}

/// Why a port is not up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortTrouble {
    /// Whether it can't come up as it is, rather than not yet.
    pub failed: bool,
    /// Why, in the vswitch's words.
    pub reason: String,
}

/// What happened on all hosts' streams since the controller started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Hosts connected now.
    pub connected: u64,
    /// Sums of the hosts' own.
    pub queues: queue::Counters,
    /// Streams ended because another one of the same host came.
    pub displaced: u64,
    /// Hellos refused.
    pub turned_away: u64,
    /// Streams ended because the host said nothing for too long.
    pub silent: u64,
}

/// How all hosts are doing now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Registered.
    pub(crate) hosts: usize,
    /// On the stream.
    pub(crate) connected: usize,
    /// With something to send or to acknowledge.
    pub(crate) behind: usize,
    /// Changes of all of them that wait.
    pub(crate) pending: usize,
    /// Resources refused.
    pub(crate) refused: usize,
    /// Ports that are not up yet.
    pub(crate) waiting: usize,
    /// Ports that can't come up as they are.
    pub(crate) failed: usize,
}

/// The refusal of this resource, for the API.
pub(super) fn refusal(key: &StateKey, refusal: &Refusal) -> v1::Refusal {
    v1::Refusal {
        kind: key.kind().text().to_owned(),
        name: key.name(),
        reason: refusal.reason.clone(),
    }
}

impl From<&HostStatus> for v1::HostStatus {
    fn from(status: &HostStatus) -> Self {
        let refused = status.refused.iter();
        Self {
            connected: status.connected,
            applied_revision: status.applied.0,
            pending: status.pending as u64,
            refused: refused.map(|(key, why)| refusal(key, why)).collect(),
            version: status.version.clone(),
            sent: status.counters.resources,
        }
    }
}
