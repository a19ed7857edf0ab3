//! The engine: one per worker thread.

use std::{net::IpAddr, sync::Arc};

use weft_model::Mac;
use weft_packet::offload::Offload;

use crate::{
    Config, Counters, DnsQuestion, DropReason, Frame, Limits, Now, PortIndex, Sink, Verdict,
    WallClock,
    balance::Finding,
    flow::{Flow, FlowReport},
    pipeline::Core,
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

    /// Takes a newer configuration; flows are looked at again as their next packets come.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.core.configure(&config);
        self.config = Some(config);
        self.core.checker.stale = true;
    }

    /// Sets the clock that workloads can ask; without one, none answers.
    pub fn set_clock(&mut self, clock: WallClock) {
        self.core.reserved.clock = Some(clock);
    }

    /// Whether [`Sink::ask`] leads to an upstream resolver; until then, names from elsewhere are
    /// refused.
    pub fn set_upstream(&mut self, upstream: bool) {
        self.core.reserved.upstream = upstream;
    }

    /// An upstream resolver's answer, or that there is none, for the port that asked.
    pub fn resolved(
        &mut self,
        question: &DnsQuestion,
        answer: Option<&[u8]>,
        sink: &mut impl Sink,
    ) {
        let config = self.config.as_ref();
        if let Some(view) = config.and_then(|config| config.view(question.port)) {
            self.core.resolved(&view, question, answer, sink);
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
        match &self.config {
            Some(config) => self.core.leave(config, now, port, frame, sink),
            None => self.unconfigured(),
        }
    }

    /// The ingress half of a frame from a port of the same host, on the worker of the port that
    /// gets it.
    pub fn to_port(
        &mut self,
        now: Now,
        port: PortIndex,
        frame: Frame<'_>,
        _sink: &mut impl Sink,
    ) -> Verdict {
        match &self.config {
            Some(config) => self.core.arrive(config, now, port, frame),
            None => self.unconfigured(),
        }
    }

    /// The ingress half of a VXLAN packet from the underlay address `source`: `payload` is the UDP
    /// payload, `offload` speaks of the inner frame. On delivery the inner frame is `payload[8..]`.
    pub fn from_tunnel(
        &mut self,
        now: Now,
        source: IpAddr,
        payload: &mut [u8],
        offload: Offload,
        _sink: &mut impl Sink,
    ) -> Verdict {
        match &self.config {
            Some(config) => self.core.emerge(config, now, source, payload, offload),
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

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// The connections of a port, in no order.
    pub fn flows(&self, now: Now, port: PortIndex) -> impl Iterator<Item = FlowReport> {
        let flows = self.core.flows.of_port(now, port);
        flows.map(move |flow: &Flow| flow.report(now))
    }

    fn unconfigured(&mut self) -> Verdict {
        self.core.counters.drops.add(DropReason::PortUnknown);
        Verdict::Drop(DropReason::PortUnknown.into())
    }
}
