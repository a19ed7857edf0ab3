//! What happened since a window of a flow log began: bounded, and each port by itself, so that a
//! flood of one port costs its own records and nobody else's.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use weft_model::{LogInterval, state::FlowLogState};

use super::record::{LogData, LogRecord, PortFacts, Traffic};
use crate::{config::Config, drop::DropReason, port::PortIndex, time::Now};

/// Records of one port in a window.
const MOST_PER_PORT: usize = 4_096;
/// Records of a window, of about 150 bytes each.
const MOST: usize = 65_536;

/// What tells records of a window apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tuple {
    pub(super) port: PortIndex,
    pub(super) egress: bool,
    pub(super) protocol: u8,
    pub(super) src: (IpAddr, u16),
    pub(super) dst: (IpAddr, u16),
    pub(super) reject: Option<DropReason>,
}

/// What is summed up of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) first: Now,
    pub(super) last: Now,
    pub(super) tcp_flags: u8,
    pub(super) on_wire: (IpAddr, IpAddr),
    pub(super) path: Option<u8>,
}

#[derive(Debug)]
struct Use {
    facts: Arc<PortFacts>,
    records: usize,
    skipped: bool,
}

/// An open window.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) interval: LogInterval,
    pub(super) start: Now,
    sums: BTreeMap<Tuple, Sum>,
    ports: BTreeMap<PortIndex, Use>,
}

impl Window {
    pub(super) fn new(interval: LogInterval, start: Now) -> Self {
        Self {
            interval,
            start,
            sums: BTreeMap::new(),
            ports: BTreeMap::new(),
        }
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        now.since(self.start) >= u64::from(self.interval.seconds()) * Now::SECOND
    }

    /// Adds to what is known of such packets.
    pub(super) fn add(&mut self, config: &Config, tuple: Tuple, more: Sum) {
        if let Some(sum) = self.sums.get_mut(&tuple) {
            sum.packets += more.packets;
            sum.bytes += more.bytes;
            sum.first = sum.first.min(more.first);
            sum.last = sum.last.max(more.last);
            sum.tcp_flags |= more.tcp_flags;
            sum.path = more.path.or(sum.path);
            return;
        }
        let full = self.sums.len() >= MOST;
        let Some(port) = self.port(config, tuple.port) else {
            return;
        };
        if full || port.records >= MOST_PER_PORT {
            port.skipped = true;
            return;
        }
        port.records += 1;
        self.sums.insert(tuple, more);
    }

    /// Something of the port is missing.
    pub(super) fn skip(&mut self, config: &Config, port: PortIndex) {
        if let Some(port) = self.port(config, port) {
            port.skipped = true;
        }
    }

    /// The port's use; a port that is gone has one if it had before.
    fn port(&mut self, config: &Config, index: PortIndex) -> Option<&mut Use> {
        match self.ports.entry(index) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => {
                let facts = Arc::new(PortFacts::of(config.port(index)?));
                Some(place.insert(Use {
                    facts,
                    records: 0,
                    skipped: false,
                }))
            }
        }
    }

    /// The records of a log, once the window is over.
    pub(super) fn records(
        &self,
        config: &Config,
        log: &Arc<FlowLogState>,
        owns: impl Fn(PortIndex) -> bool,
        end: Now,
    ) -> Vec<LogRecord> {
        let mut records = Vec::new();
        let mut told = BTreeSet::new();
        for (tuple, sum) in &self.sums {
            let Some(port) = self.ports.get(&tuple.port) else {
                continue;
            };
            if port.facts.is_in(log.scope) && log.traffic.includes(tuple.reject.is_none()) {
                told.insert(tuple.port);
                records.push(record(log, &port.facts, tuple, sum));
            }
        }
        let whole = |facts: &Arc<PortFacts>, data| LogRecord {
            log: Arc::clone(log),
            port: Arc::clone(facts),
            start: self.start,
            end,
            data,
        };
        for port in self.ports.values() {
            if port.skipped && port.facts.is_in(log.scope) {
                records.push(whole(&port.facts, LogData::Skipped));
            }
        }
        for (index, port) in config.ports() {
            let skipped = self.ports.get(&index).is_some_and(|port| port.skipped);
            let facts = PortFacts::of(port);
            if !told.contains(&index) && !skipped && facts.is_in(log.scope) && owns(index) {
                records.push(whole(&Arc::new(facts), LogData::Nothing));
            }
        }
        records
    }
}

fn record(log: &Arc<FlowLogState>, facts: &Arc<PortFacts>, tuple: &Tuple, sum: &Sum) -> LogRecord {
    LogRecord {
        log: Arc::clone(log),
        port: Arc::clone(facts),
        start: sum.first,
        end: sum.last,
        data: LogData::Traffic(Traffic {
            protocol: tuple.protocol,
            src: tuple.src.0,
            dst: tuple.dst.0,
            ports: (tuple.src.1, tuple.dst.1),
            egress: tuple.egress,
            reject: tuple.reject,
            packets: sum.packets,
            bytes: sum.bytes,
            tcp_flags: sum.tcp_flags,
            on_wire: sum.on_wire,
            path: sum.path,
        }),
    }
}
