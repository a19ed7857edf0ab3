//! What would become of a packet: the pipeline itself, run on a configuration without any flow, with
//! every look recorded.
//!
//! One host's part is [`run`]: a function of its configuration and of the packets that came before,
//! so that a reply finds the connection of its request, and nothing needs to be remembered between
//! two questions. [`Walk`] leads the packet from host to host and the reply back.

mod walk;

use std::{net::IpAddr, sync::Arc};

use weft_model::{InterfaceId, Vni};
use weft_packet::{
    headers::{Body, Headers},
    offload::Offload,
    vxlan,
};

pub use self::walk::{Ending, Hop, Question, Transport, Walk};
use crate::{
    Config, Drop, DropObject, DropReason, Encap, Engine, Frame, Limits, Now, PortIndex, Sink,
    Verdict,
    config::Direction,
    flow::FlowKey,
    trace::{End, Step, Trace},
};

/// A packet at the edge of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A workload sends a frame.
    FromPort {
        /// Its interface.
        interface: InterfaceId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// A frame from another port of the same host.
    ToPort {
        /// The interface that it is for.
        interface: InterfaceId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Another host sends a VXLAN packet.
    FromTunnel {
        /// That host's VTEP.
        source: IpAddr,
        /// The UDP payload.
        payload: Vec<u8>,
    },
    /// The internet sends a frame, at an edge.
    FromOutside {
        /// The frame.
        frame: Vec<u8>,
    },
}

/// What a host did with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The workload got the frame.
    Delivered {
        /// Its interface.
        interface: InterfaceId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// A workload got the frame that forwards what isn't its own.
    Forwarder {
        /// Its interface.
        interface: InterfaceId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// On to another port of the same host.
    Local {
        /// That port's interface.
        interface: InterfaceId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// On to another host.
    Tunnel {
        /// Its VTEP.
        vtep: IpAddr,
        /// The VXLAN network.
        vni: Vni,
        /// The UDP payload.
        payload: Vec<u8>,
    },
    /// Out of the cloud, by this host's uplink.
    Outside {
        /// The frame.
        frame: Vec<u8>,
    },
    /// The port's own switch answered.
    Answered,
    /// Nobody got it.
    Dropped {
        /// The reason's stable name.
        reason: String,
        /// What is to blame, where there is something.
        object: String,
        /// A sentence for people.
        text: String,
    },
    /// The interface is no port of the host.
    NoSuchPort(InterfaceId),
}

/// A thing that was looked at, in words: what a [`Step`] says, wherever it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What kind of thing.
    pub kind: String,
    /// The object that decided, by its id.
    pub object: String,
    /// A sentence for people.
    pub text: String,
}

impl From<&Step> for Line {
    fn from(step: &Step) -> Self {
        Self {
            kind: step.kind().to_owned(),
            object: step.object(),
            text: step.to_string(),
        }
    }
}

/// A host's part of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What was looked at, in order.
    pub steps: Vec<Line>,
    /// What came of it.
    pub outcome: Outcome,
}

/// Runs `before` and then `input` through the pipeline of a host without flows, and tells of
/// `input`.
pub fn run(config: &Config, before: &[Input], input: &Input) -> Output {
    let trace = Arc::new(Trace::default());
    let limits = Limits::default();
    let mut host = Lone {
        config: Arc::new(config.traced(Arc::clone(&trace))),
        engine: Engine::new(limits, 0),
    };
    host.engine.set_config(Arc::clone(&host.config));
    for earlier in before {
        host.take(earlier);
    }
    trace.take();
    let outcome = host.take(input);
    let mut steps = trace.take();
    host.add_derived(&mut steps, input, &outcome);
    Output {
        steps: steps.iter().map(Line::from).collect(),
        outcome,
    }
}

fn dropped(drop: &Drop) -> Outcome {
    let text = drop.reason.text().trim_end_matches('.');
    let shown = drop.object.map_or_else(String::new, |o| o.to_string());
    Outcome::Dropped {
        reason: drop.reason.code().to_owned(),
        text: match shown.as_str() {
            "" => text.to_owned(),
            object => format!("{text}: {object}"),
        },
        object: match (drop.object, drop.reason) {
            (Some(DropObject::AclEntry { acl, entry }), reason) => {
                let number = entry.map_or_else(|| "*".to_owned(), |number| number.to_string());
                let egress = reason == DropReason::AclEgress;
                let way = if egress { "egress" } else { "ingress" };
                format!("{acl} {way} {number}")
            }
            _ => shown,
        },
    }
}

/// A host with nothing but its configuration.
struct Lone {
    config: Arc<Config>,
    engine: Engine,
}

/// Time stands still: no rate limit and no timeout has a say.
const NOW: Now = Now(1 << 40);

impl Lone {
    fn take(&mut self, input: &Input) -> Outcome {
        match input {
            Input::FromPort { interface, frame } | Input::ToPort { interface, frame } => {
                let Some(port) = self.config.port_of(*interface) else {
                    return Outcome::NoSuchPort(*interface);
                };
                let (port, mut bytes) = (port.index, frame.clone());
                let frame = Frame {
                    bytes: &mut bytes,
                    offload: Offload::NONE,
                };
                let verdict = match input {
                    Input::FromPort { .. } => self.engine.from_port(NOW, port, frame, &mut Nowhere),
                    _ => self.engine.to_port(NOW, port, frame, &mut Nowhere),
                };
                self.outcome(verdict, bytes)
            }
            Input::FromOutside { frame } => {
                let mut bytes = frame.clone();
                let verdict = self.engine.from_outside(&mut Frame {
                    bytes: &mut bytes,
                    offload: Offload::NONE,
                });
                self.outcome(verdict, bytes)
            }
            Input::FromTunnel { source, payload } => {
                let mut payload = payload.clone();
                let engine = &mut self.engine;
                let verdict =
                    engine.from_tunnel(NOW, *source, &mut payload, Offload::NONE, &mut Nowhere);
                self.outcome(verdict, inner(&payload).to_vec())
            }
        }
    }

    fn outcome(&self, verdict: Verdict, frame: Vec<u8>) -> Outcome {
        let interface = |port: PortIndex| self.config.port(port).map(|port| port.interface);
        match verdict {
            Verdict::Deliver(port) => match interface(port) {
                Some(interface) if self.is_own(interface, &frame) => {
                    Outcome::Delivered { interface, frame }
                }
                Some(interface) => Outcome::Forwarder { interface, frame },
                None => Outcome::Answered,
            },
            Verdict::Local(port) => match interface(port) {
                Some(interface) => Outcome::Local { interface, frame },
                None => Outcome::Answered,
            },
            Verdict::Encapsulate(Encap { vtep, vni, .. }) => Outcome::Tunnel {
                vtep,
                vni,
                payload: [&vxlan::emit(vni)[..], &frame].concat(),
            },
            Verdict::Outside => Outcome::Outside { frame },
            Verdict::Consumed => Outcome::Answered,
            Verdict::Drop(drop) => dropped(&drop),
        }
    }

    fn is_own(&self, interface: InterfaceId, frame: &[u8]) -> bool {
        let port = self.config.port_of(interface);
        let to = ends(frame).map(|(_, (to, _))| to);
        port.zip(to).is_some_and(|(port, to)| port.owns(to))
    }

    /// What follows from the packet before and after: connections it is part of, translations.
    fn add_derived(&self, steps: &mut Vec<Step>, input: &Input, outcome: &Outcome) {
        let judged = steps.iter().any(|step| matches!(step, Step::Group { .. }));
        if let Some(step) = self.tracked(input, outcome).filter(|_| !judged) {
            steps.insert(0, step);
        }
        let before = match input {
            Input::FromPort { frame, .. }
            | Input::ToPort { frame, .. }
            | Input::FromOutside { frame } => ends(frame),
            Input::FromTunnel { payload, .. } => ends(inner(payload)),
        };
        let after = match outcome {
            Outcome::Delivered { frame, .. }
            | Outcome::Forwarder { frame, .. }
            | Outcome::Local { frame, .. }
            | Outcome::Outside { frame } => ends(frame),
            Outcome::Tunnel { payload, .. } => ends(inner(payload)),
            _ => None,
        };
        if let (Some(from), Some(to)) = (before, after)
            && from != to
        {
            let at = match input {
                Input::FromPort { .. } => steps.len(),
                Input::ToPort { .. } | Input::FromTunnel { .. } | Input::FromOutside { .. } => 0,
            };
            steps.insert(at, Step::Translated { from, to });
        }
    }

    fn tracked(&self, input: &Input, outcome: &Outcome) -> Option<Step> {
        let (direction, interface, frame) = match (input, outcome) {
            (_, Outcome::Dropped { .. } | Outcome::Answered | Outcome::NoSuchPort(_)) => {
                return None;
            }
            (Input::FromPort { interface, frame }, _) => (Direction::Egress, interface, frame),
            (
                _,
                Outcome::Delivered { interface, frame } | Outcome::Forwarder { interface, frame },
            ) => (Direction::Ingress, interface, frame),
            _ => return None,
        };
        let port = self.config.port_of(*interface)?.index;
        let parsed = Headers::parse(frame).ok()?;
        let Body::Ip(ip) = &parsed.body else {
            return None;
        };
        let key = FlowKey::of(port, direction, ip)?;
        let flows = &self.engine.core.flows;
        let at = flows.find(NOW, &key, flows.hash(&key))?;
        Some(Step::Tracked {
            direction,
            interface: *interface,
            rule: flows.get(at).rule,
        })
    }
}

fn inner(payload: &[u8]) -> &[u8] {
    payload.get(vxlan::HEADER..).unwrap_or_default()
}

fn ends(frame: &[u8]) -> Option<(End, End)> {
    match Headers::parse(frame).ok()?.body {
        Body::Ip(ip) => {
            let (src, dst) = ip.ports();
            Some(((ip.src, src), (ip.dst, dst)))
        }
        _ => None,
    }
}

/// What an engine makes by itself (answers, ICMP errors, fragments) is not followed: the question is
/// about one packet.
struct Nowhere;

impl Sink for Nowhere {
    fn to_port(&mut self, _: PortIndex, _: &[u8]) {}
    fn to_local(&mut self, _: PortIndex, _: &[u8]) {}
    fn to_tunnel(&mut self, _: Encap, _: &[u8]) {}
}
