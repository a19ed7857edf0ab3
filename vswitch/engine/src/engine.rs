//! The engine: one per worker thread.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use weft_model::{InterfaceId, Mac};
use weft_packet::{
    headers::{Body, Headers},
    offload::Offload,
    vxlan,
};

use crate::{
    Config, Counters, DnsQuestion, DropReason, Frame, Limits, Now, PortIndex, Sink, Verdict,
    WallClock,
    balance::Finding,
    compiled::{HalfChange, HalfId},
    config::Direction,
    flow::{Flow, FlowKey, FlowReport},
    nat::Share,
    pipeline::Core,
    watch::{LogRecord, Meter},
};

/// The pipeline with the flows of the ports that its worker owns.
#[derive(Debug)]
pub struct Engine {
    config: Option<Arc<Config>>,
    pub(crate) core: Core,
}

impl Engine {
    /// Without a configuration it drops everything. `seed` is drawn at random by the caller, so
    /// that nobody can aim at the flow table's hashes; tests give a fixed one.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            config: None,
            core: Core::new(limits, seed),
        }
    }

    /// Says which of the host's interfaces and NAT ports are this engine's: those of one worker of
    /// so many; before any configuration. Without, all are its.
    pub fn set_share(&mut self, worker: usize, workers: usize) {
        self.core.books.set_share(worker, workers);
        self.core.nat.set_share(Share { worker, workers });
    }

    /// Takes a newer configuration; flows are looked at again as their next packets come.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.core.configure(&config);
        self.core.take_leases(&config.leases);
        self.config = Some(config);
        self.core.checker.stale = true;
    }

    /// Sets the clock that workloads can ask; without one, none answers.
    pub fn set_clock(&mut self, clock: WallClock) {
        self.core.reserved.clock = Some(clock);
    }

    /// A resolver's answer to what [`Sink::ask`] was given, or that there is none.
    pub fn resolved(
        &mut self,
        now: Now,
        question: &DnsQuestion,
        answer: Option<&[u8]>,
        sink: &mut impl Sink,
    ) {
        let config = self.config.as_ref();
        if let Some(view) = config.and_then(|config| config.view(question.port)) {
            self.core.resolved(now, &view, question, answer, sink);
        }
    }

    /// What connections to the port's services have to do in time; call it as often as [`tick`].
    ///
    /// [`tick`]: Self::tick
    pub fn attend(&mut self, now: Now, sink: &mut impl Sink) {
        if let Some(config) = &self.config {
            self.core.attend(config, now, sink);
        }
    }

    /// The egress half, on the worker of the port that sent the frame.
    pub fn from_port(
        &mut self,
        now: Now,
        port: PortIndex,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Verdict {
        let Some(config) = &self.config else {
            return self.unconfigured();
        };
        let Frame { bytes, offload } = frame;
        let frame = Frame {
            bytes: &mut *bytes,
            offload,
        };
        let verdict = self.core.leave(config, now, port, frame, sink);
        if let Verdict::Drop(drop) = &verdict {
            let place = (port, Direction::Egress);
            self.core
                .books
                .reject(config, now, place, bytes, drop.reason);
        }
        verdict
    }

    /// The ingress half of a frame from a port of the same host, on the worker of the port that
    /// gets it.
    pub fn to_port(
        &mut self,
        now: Now,
        port: PortIndex,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Verdict {
        let Some(config) = &self.config else {
            return self.unconfigured();
        };
        let Frame { bytes, offload } = frame;
        let frame = Frame {
            bytes: &mut *bytes,
            offload,
        };
        let verdict = self.core.arrive(config, now, port, frame, sink);
        if let Verdict::Drop(drop) = &verdict {
            let place = (port, Direction::Ingress);
            self.core
                .books
                .reject(config, now, place, bytes, drop.reason);
        }
        verdict
    }

    /// The ingress half of a VXLAN packet from the underlay address `source`: `payload` is the UDP
    /// payload, `offload` speaks of the inner frame. On delivery the inner frame is `payload[8..]`.
    pub fn from_tunnel(
        &mut self,
        now: Now,
        source: IpAddr,
        payload: &mut [u8],
        offload: Offload,
        sink: &mut impl Sink,
    ) -> Verdict {
        let Some(config) = &self.config else {
            return self.unconfigured();
        };
        let verdict = self
            .core
            .emerge(config, now, source, payload, offload, sink);
        if let Verdict::Drop(drop) = &verdict
            && let Some((port, inner)) = receiver(config, payload)
        {
            let place = (port, Direction::Ingress);
            self.core
                .books
                .reject(config, now, place, inner, drop.reason);
        }
        verdict
    }

    /// A frame from the internet, at an edge.
    pub fn from_outside(&mut self, frame: &mut Frame<'_>) -> Verdict {
        match &self.config {
            Some(config) => self.core.inward(config, frame),
            None => self.unconfigured(),
        }
    }

    /// Ends idle flows, looking at no more than `budget` of them.
    pub fn tick(&mut self, now: Now, budget: usize) {
        self.core.tick(self.config.as_deref(), now, budget);
    }

    /// Goes on with the health checks of the targets behind ports whose MAC is `mine`: those that
    /// this worker owns.
    pub fn check_targets(&mut self, now: Now, mine: impl Fn(Mac) -> bool, sink: &mut impl Sink) {
        if let Some(config) = &self.config {
            self.core.checker.tick(config, now, mine, sink);
        }
    }

    /// What those checks have found since the last time.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        self.core.checker.take_findings()
    }

    /// Says from now on what of its connections can be carried on elsewhere.
    pub fn begin_compiling(&mut self) {
        self.core.flows.exports.begin();
    }

    /// Adds what changed of that since this was asked last.
    pub fn take_compiled(&mut self, changes: &mut Vec<HalfChange>) {
        if let Some(config) = &self.config {
            self.core.compile(config, changes);
        }
    }

    /// Packets and bytes of a half that passed elsewhere since this was said last, and when the last of
    /// them did.
    pub fn credit(&mut self, id: &HalfId, passed: (u64, u64), seen: Now) {
        self.core.credit(id, passed, seen);
    }

    /// The half could not be held elsewhere: it is compiled again after its next packet.
    pub fn refuse_compiled(&mut self, id: &HalfId) {
        self.core.let_go(id);
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// The connections of a port, in no order.
    pub fn flows(&self, now: Now, port: PortIndex) -> impl Iterator<Item = FlowReport> {
        let flows = self.core.flows.of_port(now, port);
        flows.map(move |flow: &Flow| flow.report(now))
    }

    /// The connection that a frame at its port is of: one that the port is about to send, or one as
    /// it is delivered.
    pub fn flow_of(
        &self,
        now: Now,
        port: PortIndex,
        direction: Direction,
        frame: &[u8],
    ) -> Option<FlowReport> {
        let headers = Headers::parse(frame).ok()?;
        let Body::Ip(ip) = &headers.body else {
            return None;
        };
        let key = FlowKey::of(port, direction, ip)?;
        let flows = &self.core.flows;
        let at = flows.find(now, &key, flows.hash(&key))?;
        Some(flows.get(at).report(now))
    }

    /// The records of flow logs whose windows ended, and how many were lost for want of room. With
    /// `flush` the windows end now.
    pub fn take_records(&mut self, now: Now, flush: bool) -> (Vec<LogRecord>, u64) {
        if let Some(config) = self.config.as_deref().filter(|_| flush) {
            self.core.flush(config, now);
        }
        self.core.books.take_records()
    }

    /// What every interface used since this was asked last.
    pub fn take_meters(&mut self) -> BTreeMap<InterfaceId, Meter> {
        self.core.books.take_meters()
    }

    fn unconfigured(&mut self) -> Verdict {
        self.core.counters.drops.add(DropReason::PortUnknown);
        Verdict::Drop(DropReason::PortUnknown.into())
    }
}

/// The port that a tunnel packet is for, and its frame.
fn receiver<'a>(config: &Config, payload: &'a [u8]) -> Option<(PortIndex, &'a [u8])> {
    let vni = vxlan::parse(payload).ok()?;
    let inner = payload.get(vxlan::HEADER..)?;
    let headers = Headers::parse(inner).ok()?;
    Some((config.endpoint(vni, headers.dst)?, inner))
}
