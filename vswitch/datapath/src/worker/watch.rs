//! Who looks at traffic as it passes: observers of connections and drops, and captures of packets.
//! While nobody does, a packet pays one branch for it.
//!
//! What is seen goes to a bounded ring for each worker and watch. Where a reader is too slow, what
//! doesn't fit is counted and not kept: the worker never waits.

mod filter;
mod ring;

use std::{net::IpAddr, sync::Arc};

use weft_engine::{
    Config, Drop, Encap, Engine, Now, PortIndex, Verdict, config::Direction, flow::FlowReport,
};
use weft_model::{InterfaceId, RuleId, SecurityGroupId, Vni};
use weft_packet::{headers::Headers, vxlan};

pub(crate) use self::ring::Ring as WatchRing;
pub use self::{
    filter::{Points, WatchFilter},
    ring::Watch,
};
use super::drops::{Ends, Half, Place, ends, port_of};

/// What became of a packet at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It passed.
    Forwarded {
        /// The security group rule that let its connection pass, where it is part of one.
        rule: Option<RuleId>,
    },
    /// The router's services answered it, or it is such an answer.
    Answered,
    /// It was dropped.
    Dropped(Drop),
}

/// A connection that began at a port, a packet of one, or a drop.
#[derive(Debug, Clone)]
pub struct FlowEvent {
    /// When.
    pub at: Now,
    /// On which part of its way.
    pub half: Half,
    /// The port's interface, where that is known.
    pub interface: Option<InterfaceId>,
    /// That interface's security groups.
    pub groups: Arc<[SecurityGroupId]>,
    /// Its ends, where its headers make sense.
    pub ends: Option<Ends>,
    /// Bytes of the frame.
    pub length: usize,
    /// What became of it.
    pub seen: Seen,
}

/// Where a packet was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// At the workload's device, as the workload knows it.
    Tap,
    /// In the tunnel, as it looks inside VXLAN.
    Overlay {
        /// The VPC's network.
        vni: Vni,
    },
    /// Under the tunnel: the frame begins with the VXLAN header.
    Underlay {
        /// The other host's VTEP.
        vtep: IpAddr,
    },
}

/// A copy of a packet.
#[derive(Debug, Clone)]
pub struct CapturedFrame {
    /// When.
    pub at: Now,
    /// Where.
    pub point: Point,
    /// The port's interface.
    pub interface: InterfaceId,
    /// Whether the workload sent it.
    pub egress: bool,
    /// The first bytes of it.
    pub bytes: Vec<u8>,
    /// How many it had.
    pub length: usize,
    /// What became of it.
    pub seen: Seen,
}

/// One who looks.
#[derive(Clone)]
pub(crate) enum Watcher {
    Observer {
        filter: WatchFilter,
        /// Every packet instead of a connection's first.
        packets: bool,
        ring: Arc<WatchRing<FlowEvent>>,
    },
    Capture {
        filter: WatchFilter,
        points: Points,
        /// Bytes of each packet that are kept.
        most: usize,
        ring: Arc<WatchRing<CapturedFrame>>,
    },
}

impl Watcher {
    fn is_closed(&self) -> bool {
        match self {
            Self::Observer { ring, .. } => ring.is_closed(),
            Self::Capture { ring, .. } => ring.is_closed(),
        }
    }
}

/// All who look at one worker's traffic.
#[derive(Default)]
pub(super) struct Watchers {
    list: Vec<Watcher>,
    now: Now,
    config: Option<Arc<Config>>,
    /// The port that the frame in hand came from.
    from: Option<PortIndex>,
    /// The frame in hand before the engine rewrote it.
    before: Vec<u8>,
}

/// A frame at one point of its way.
struct Sight<'a> {
    port: Option<PortIndex>,
    half: Half,
    ends: Option<Ends>,
    length: usize,
    seen: Seen,
    first: bool,
    frames: &'a [(Point, &'a [u8])],
}

impl Watchers {
    /// Whether anybody looks.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        !self.list.is_empty()
    }

    pub(super) fn add(&mut self, watcher: Watcher) {
        self.list.push(watcher);
    }

    /// Forgets those whose readers are gone.
    pub(super) fn prune(&mut self) {
        self.list.retain(|watcher| !watcher.is_closed());
        if self.list.is_empty() {
            *self = Self::default();
        }
    }

    /// Copies a frame before the engine sees it.
    #[cold]
    pub(super) fn keep(
        &mut self,
        now: Now,
        config: &Arc<Config>,
        from: Option<PortIndex>,
        frame: &[u8],
    ) {
        (self.now, self.from) = (now, from);
        self.config = Some(Arc::clone(config));
        self.before.clear();
        self.before.extend_from_slice(frame);
    }

    /// A port sent the kept frame, and this became of it.
    #[cold]
    pub(super) fn left(
        &mut self,
        engine: &Engine,
        port: PortIndex,
        after: &[u8],
        verdict: &Verdict,
    ) {
        let before = std::mem::take(&mut self.before);
        let flow = engine.flow_of(self.now, port, Direction::Egress, &before);
        let seen = match verdict {
            Verdict::Drop(drop) => Seen::Dropped(*drop),
            Verdict::Consumed if flow.is_none() => Seen::Answered,
            _ => forwarded(flow.as_ref()),
        };
        let tunnel;
        let payload;
        let tap = (Point::Tap, before.as_slice());
        let frames: &[_] = match verdict {
            Verdict::Encapsulate(encap) => {
                payload = encapsulated(encap, after);
                tunnel = [
                    tap,
                    (Point::Overlay { vni: encap.vni }, after),
                    (Point::Underlay { vtep: encap.vtep }, payload.as_slice()),
                ];
                &tunnel
            }
            _ => &[tap],
        };
        self.see(&Sight {
            port: Some(port),
            half: Half::Egress,
            ends: ends_of(&before),
            length: before.len(),
            seen,
            first: is_first(flow.as_ref()),
            frames,
        });
        self.before = before;
    }

    /// The kept frame, or UDP payload out of the tunnel from `source`, came to where a port is.
    #[cold]
    pub(super) fn arrived(
        &mut self,
        engine: &Engine,
        (place, source): (Place, Option<IpAddr>),
        after: &[u8],
        verdict: &Verdict,
    ) {
        let Some(config) = self.config.clone() else {
            return;
        };
        let before = std::mem::take(&mut self.before);
        let (half, port) = match verdict {
            Verdict::Deliver(port) => (place.half(), Some(*port)),
            _ => (place.half(), port_of(&config, place, &before)),
        };
        let flow = port.and_then(|port| engine.flow_of(self.now, port, Direction::Ingress, after));
        let seen = match verdict {
            Verdict::Drop(drop) => Seen::Dropped(*drop),
            _ => forwarded(flow.as_ref()),
        };
        let inner = before.get(vxlan::HEADER..).unwrap_or_default();
        let delivered = (Point::Tap, after);
        let all;
        let frames: &[_] = match (source, vxlan::parse(&before)) {
            (Some(vtep), Ok(vni)) => {
                all = [
                    (Point::Underlay { vtep }, before.as_slice()),
                    (Point::Overlay { vni }, inner),
                    delivered,
                ];
                let dropped = matches!(verdict, Verdict::Drop(_));
                if dropped { &all[..2] } else { &all }
            }
            _ => &[delivered],
        };
        self.see(&Sight {
            port,
            half,
            ends: ends_of(after),
            length: after.len(),
            seen,
            first: is_first(flow.as_ref()),
            frames,
        });
        self.before = before;
    }

    /// The engine made a frame for the port's workload.
    #[cold]
    pub(super) fn made(&mut self, port: PortIndex, frame: &[u8]) {
        self.see(&Sight {
            port: Some(port),
            half: Half::Ingress,
            ends: ends_of(frame),
            length: frame.len(),
            seen: Seen::Answered,
            first: false,
            frames: &[(Point::Tap, frame)],
        });
    }

    /// The engine made a piece of the frame in hand for the tunnel.
    #[cold]
    pub(super) fn split(&mut self, encap: &Encap, frame: &[u8]) {
        let payload = encapsulated(encap, frame);
        self.see(&Sight {
            port: self.from,
            half: Half::Egress,
            ends: ends_of(frame),
            length: frame.len(),
            seen: Seen::Forwarded { rule: None },
            first: false,
            frames: &[
                (Point::Overlay { vni: encap.vni }, frame),
                (Point::Underlay { vtep: encap.vtep }, &payload),
            ],
        });
    }

    fn see(&self, sight: &Sight<'_>) {
        let Some(config) = &self.config else {
            return;
        };
        let port = sight.port.and_then(|port| config.port(port));
        let interface = port.map(|port| port.interface);
        let dropped = matches!(sight.seen, Seen::Dropped(_));
        let admits = |filter: &WatchFilter| filter.admits(interface, sight.ends.as_ref(), dropped);
        for watcher in &self.list {
            match watcher {
                Watcher::Observer {
                    filter,
                    packets,
                    ring,
                } => {
                    let shown = dropped || *packets || sight.first;
                    if shown && !matches!(sight.seen, Seen::Answered) && admits(filter) {
                        ring.push(|| FlowEvent {
                            at: self.now,
                            half: sight.half,
                            interface,
                            groups: port.map_or_else(Arc::default, |port| Arc::clone(&port.groups)),
                            ends: sight.ends,
                            length: sight.length,
                            seen: sight.seen,
                        });
                    }
                }
                Watcher::Capture {
                    filter,
                    points,
                    most,
                    ring,
                } => {
                    let Some(interface) = interface.filter(|_| admits(filter)) else {
                        continue;
                    };
                    for (point, frame) in sight.frames {
                        if points.has(point) {
                            ring.push(|| CapturedFrame {
                                at: self.now,
                                point: *point,
                                interface,
                                egress: sight.half == Half::Egress,
                                bytes: frame[..frame.len().min(*most)].to_vec(),
                                length: frame.len(),
                                seen: sight.seen,
                            });
                        }
                    }
                }
            }
        }
    }
}

fn forwarded(flow: Option<&FlowReport>) -> Seen {
    Seen::Forwarded {
        rule: flow.map(|flow| flow.rule),
    }
}

/// Whether the flow was made by the packet in hand.
fn is_first(flow: Option<&FlowReport>) -> bool {
    flow.is_some_and(|flow| flow.egress.packets + flow.ingress.packets == 1)
}

fn ends_of(frame: &[u8]) -> Option<Ends> {
    ends(&Headers::parse(frame).ok()?)
}

fn encapsulated(encap: &Encap, frame: &[u8]) -> Vec<u8> {
    [&vxlan::emit(encap.vni)[..], frame].concat()
}
