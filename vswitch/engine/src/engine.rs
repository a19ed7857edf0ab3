//! The engine: one per worker thread.

use std::{net::IpAddr, sync::Arc};

use weft_packet::offload::Offload;

use crate::{Config, Counters, DropReason, Frame, Limits, Now, PortIndex, Sink, Verdict};

/// The pipeline with the flows of the ports that its worker owns.
#[derive(Debug)]
pub struct Engine {
    config: Option<Arc<Config>>,
    counters: Counters,
}

impl Engine {
    /// Without a configuration: it drops everything.
    pub fn new(_limits: Limits, _seed: u64) -> Self {
        Self {
            config: None,
            counters: Counters::default(),
        }
    }

    /// Takes a newer configuration; flows are looked at again as their next packets come.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.config = Some(config);
    }

    /// The egress half, on the worker of the port that sent the frame.
    pub fn from_port(
        &mut self,
        _now: Now,
        _port: PortIndex,
        _frame: Frame<'_>,
        _sink: &mut impl Sink,
    ) -> Verdict {
        Verdict::Drop(DropReason::PortUnknown.into())
    }

    /// The ingress half of a frame from a port of the same host.
    pub fn to_port(
        &mut self,
        _now: Now,
        _port: PortIndex,
        _frame: Frame<'_>,
        _sink: &mut impl Sink,
    ) -> Verdict {
        Verdict::Drop(DropReason::PortUnknown.into())
    }

    /// The ingress half of a VXLAN packet: `payload` is the UDP payload, `offload` speaks of the
    /// inner frame. On delivery the inner frame is `payload[8..]`.
    pub fn from_tunnel(
        &mut self,
        _now: Now,
        _source: IpAddr,
        _payload: &mut [u8],
        _offload: Offload,
        _sink: &mut impl Sink,
    ) -> Verdict {
        Verdict::Drop(DropReason::PortUnknown.into())
    }

    /// Ends idle flows, looking at no more than `budget` of them.
    pub fn tick(&mut self, _now: Now, _budget: usize) {}

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
