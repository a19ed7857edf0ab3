//! What came of what was sent.

use super::Update;

/// A resource that the host refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The version that it refused; 0 for a removal.
    pub version: u64,
    /// Why, in its words.
    pub reason: String,
}

impl Refusal {
    /// With a reason of at most `limit` bytes, fit to be shown: it comes from another machine.
    pub(super) fn shortened(mut self, limit: usize) -> Self {
        self.reason.retain(|c| !c.is_control());
        self.reason.truncate(self.reason.floor_char_boundary(limit));
        self
    }
}

/// An acknowledgement of something that is not in flight: the host doesn't follow the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nonce {nonce} was acknowledged but {}: answer each update once, in order", expectation(*.in_flight))]
pub struct UnexpectedAck {
    /// The nonce that was acknowledged.
    pub nonce: u64,
    /// The one that could have been.
    pub in_flight: Option<u64>,
}

fn expectation(nonce: Option<u64>) -> String {
    match nonce {
        Some(nonce) => format!("{nonce} is in flight"),
        None => "nothing is in flight".to_owned(),
    }
}

/// What happened on a host's stream since the controller started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Updates sent.
    pub updates: u64,
    /// Resources and removals sent.
    pub resources: u64,
    /// Bytes sent, about.
    pub bytes: u64,
    /// Updates acknowledged.
    pub acks: u64,
    /// Resources refused.
    pub nacks: u64,
    /// Times that the host connected.
    pub resyncs: u64,
}

impl Counters {
    pub(super) const ZERO: Self = Self {
        updates: 0,
        resources: 0,
        bytes: 0,
        acks: 0,
        nacks: 0,
        resyncs: 0,
    };

    pub(super) fn count_update<B>(&mut self, update: &Update<B>, size: usize) {
        self.updates += 1;
        self.resources += (update.upserts.len() + update.removals.len()) as u64;
        self.bytes += size as u64;
    }
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.updates += other.updates;
        self.resources += other.resources;
        self.bytes += other.bytes;
        self.acks += other.acks;
        self.nacks += other.nacks;
        self.resyncs += other.resyncs;
    }
}
