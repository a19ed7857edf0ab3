//! What the core counts and times, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use weft_telemetry::{Histogram, latencies};

/// Counts since the start; the writer's thread adds to them, whoever scrapes reads.
#[derive(Debug)]
pub(crate) struct Stats {
    /// Writes that wait now.
    pub(crate) waiting: AtomicU64,
    /// Writes carried out and committed.
    pub(crate) committed: AtomicU64,
    /// Writes that their operation refused.
    pub(crate) refused: AtomicU64,
    /// Repeated requests that got their first answer.
    pub(crate) repeated: AtomicU64,
    /// Writes that found the queue full.
    pub(crate) busy: AtomicU64,
    /// How long a group took to be on disk: its count is that of commits.
    pub(crate) commit: Histogram,
    /// How long it took to plan a revision and leave each host's share in its session.
    pub(crate) plan: Histogram,
}

impl Default for Stats {
    fn default() -> Self {
        let count = AtomicU64::default;
        Self {
            waiting: count(),
            committed: count(),
            refused: count(),
            repeated: count(),
            busy: count(),
            commit: latencies(),
            plan: latencies(),
        }
    }
}

impl Stats {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// One of those that waited does so no more.
    pub(super) fn taken(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}
