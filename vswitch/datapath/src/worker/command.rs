//! What other threads ask of a worker.

use std::{collections::BTreeMap, fs::File, io, sync::mpsc::SyncSender};

use weft_engine::{
    Counters, DnsQuestion, PortIndex,
    flow::FlowReport,
    watch::{LogRecord, Meter},
};
use weft_model::InterfaceId;

use super::{RecentDrops, Watcher, WorkerCounters};
use crate::underlay::SendCounters;

/// Done between two batches, in order.
pub(crate) enum Command {
    /// Serve this TAP as the port's.
    Attach {
        port: PortIndex,
        tap: File,
        done: SyncSender<io::Result<()>>,
    },
    /// Serve this device as the edge's.
    AttachEdge {
        tap: File,
        done: SyncSender<io::Result<()>>,
    },
    /// Close the port's TAP.
    Detach {
        port: PortIndex,
        done: SyncSender<()>,
    },
    /// Answer: every packet from now on sees the configuration published before.
    Barrier { done: SyncSender<()> },
    /// Copy the counters.
    Snapshot { done: SyncSender<WorkerSnapshot> },
    /// List the port's connections, at most this many.
    Flows {
        port: PortIndex,
        limit: usize,
        done: SyncSender<Vec<FlowReport>>,
    },
    /// List the latest drops, at most this many; of one interface if it is named.
    RecentDrops {
        interface: Option<InterfaceId>,
        limit: usize,
        done: SyncSender<RecentDrops>,
    },
    /// Let somebody look at what passes.
    Watch {
        watcher: Watcher,
        done: SyncSender<()>,
    },
    /// Give what flow logs hold; with `flush` what they would hold at the end of their windows.
    Records {
        flush: bool,
        done: SyncSender<(Vec<LogRecord>, u64)>,
    },
    /// Give what interfaces used since this was asked last.
    Meters {
        done: SyncSender<BTreeMap<InterfaceId, Meter>>,
    },
    /// Give a port the answer to what it asked resolvers outside, or say that there is none.
    Resolved {
        question: Box<DnsQuestion>,
        answer: Option<Vec<u8>>,
    },
    /// End the thread.
    Stop,
}

/// One worker's counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// The engine's.
    pub engine: Counters,
    /// The worker's own.
    pub worker: WorkerCounters,
    /// Into the tunnel.
    pub sent: SendCounters,
    /// TAPs that it serves.
    pub ports: usize,
}
