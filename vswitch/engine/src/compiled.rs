//! Halves of connections as something simpler than the engine can carry them on: the kernel's
//! programs. What it can't have goes through the engine as ever.

use std::net::IpAddr;

use weft_model::{Mac, Vni};
use weft_packet::headers::protocol;

use crate::{
    Config, Now, PortIndex,
    config::{Direction, HostSlot, PortView},
    flow::{Event, Flags, Flow, FlowKey, Hop, NextHop},
    pipeline::Core,
};

/// Packets of a connection that the engine sees before it gives it away: one that ends sooner isn't
/// worth two writes and two removals.
const PROVEN: u64 = 3;

/// Which half of which connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfId {
    at: u32,
    direction: Direction,
    key: FlowKey,
}

impl HalfId {
    /// A small number that no other half has while this one is held.
    pub const fn number(&self) -> usize {
        (self.at as usize) << 1 | self.direction as usize
    }
}

/// What is to be held of a half from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfChange {
    /// Which.
    pub id: HalfId,
    /// What becomes of its packets; `None`: they go to the engine again.
    pub half: Option<CompiledHalf>,
}

/// What becomes of packets in mid-stream: those of UDP, and of TCP without SYN, FIN and RST, whole,
/// and without IP options. Others go to the engine, as do those for which a condition doesn't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompiledHalf {
    /// Where the packets come from, as they show it.
    pub source: (IpAddr, u16),
    /// Where they go, as they show it.
    pub destination: (IpAddr, u16),
    /// TCP or UDP.
    pub protocol: u8,
    /// The port whose half it is.
    pub port: PortIndex,
    /// It holds while the port's generation is this.
    pub generation: u32,
    /// Nanoseconds that the half may be idle.
    pub limit: u64,
    /// When its last packet passed.
    pub seen: Now,
    /// The port's own MAC: the source on the way out, the destination on the way in.
    pub mac: Mac,
    /// The largest IP packet, of each segment.
    pub mtu: u16,
    /// What else there is to it.
    pub way: CompiledWay,
}

/// Where a half's packets go, or come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompiledWay {
    /// Out of the port.
    Out {
        /// Where to.
        next: CompiledNext,
        /// The next interface's MAC.
        mac: Mac,
        /// Whether the packet takes a hop: one whose TTL is used up goes to the engine.
        hop: bool,
        /// Whether the router's MAC becomes its source.
        routed: bool,
    },
    /// Into the port's workload.
    In {
        /// The only way that it may have come.
        from: CompiledOrigin,
        /// The only source MAC that it may have.
        mac: Mac,
    },
}

/// Where packets out of a port go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompiledNext {
    /// To the ingress half of this port of the same host.
    Local(PortIndex),
    /// Into the tunnel.
    Tunnel {
        /// The other host, whatever its VTEP is by then.
        host: HostSlot,
        /// The network that they are of there.
        vni: Vni,
        /// For the outer source port.
        entropy: u32,
    },
}

/// Where packets to a port come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompiledOrigin {
    /// A port of the same host.
    Local,
    /// Out of the tunnel.
    Tunnel {
        /// From this host, by its VTEP.
        host: HostSlot,
        /// In this network.
        vni: Vni,
    },
}

impl Core {
    /// What changed since this was asked last, into `changes`.
    pub(crate) fn compile(&mut self, config: &Config, changes: &mut Vec<HalfChange>) {
        for event in self.flows.exports.take() {
            match event {
                Event::Gone(at, direction, key) => changes.push(HalfChange {
                    id: id(at, direction, key),
                    half: None,
                }),
                Event::Look(at, direction) => self.look(config, at, direction, changes),
            }
        }
    }

    fn look(
        &mut self,
        config: &Config,
        at: usize,
        direction: Direction,
        changes: &mut Vec<HalfChange>,
    ) {
        let flow = self.flows.get(at);
        let seen = flow.egress.packets + flow.ingress.packets;
        let id = id(at, direction, flow.key);
        let half = self.half(config, at, direction);
        let early = seen < PROVEN || flow.tcp.is_opening();
        let held = (!early).then_some(half.is_some());
        let before = self.flows.exports.settle(at, direction, held);
        let half = half.filter(|_| !early);
        if half.is_some() || before {
            changes.push(HalfChange { id, half });
        }
    }

    /// The half, where it can be carried on elsewhere.
    fn half(&self, config: &Config, at: usize, direction: Direction) -> Option<CompiledHalf> {
        let flow = self.flows.get(at);
        let apart = Flags::FREE | Flags::BLOCKED | Flags::TRANSLATED;
        if flow.flags.has(apart) || !flow.goes_on() {
            return None;
        }
        let view = config.view(flow.key.port())?;
        if !view.is_compiled() || flow.generation(direction) != view.generation() {
            return None;
        }
        let way = match direction {
            Direction::Egress => self.way_out(&view, flow)?,
            Direction::Ingress => way_in(&view, flow)?,
        };
        let (local, remote) = flow.key.ports();
        let (local, remote) = ((flow.key.local(), local), (flow.key.remote(), remote));
        let (source, destination) = match direction {
            Direction::Egress => (local, remote),
            Direction::Ingress => (remote, local),
        };
        Some(CompiledHalf {
            source,
            destination,
            protocol: flow.key.protocol(),
            port: flow.key.port(),
            generation: view.generation(),
            limit: self.flows.limit_of(at),
            seen: flow.seen(),
            mac: view.port.mac,
            mtu: view.port.mtu.get(),
            way,
        })
    }

    fn way_out(&self, view: &PortView<'_>, flow: &Flow) -> Option<CompiledWay> {
        if flow.hides_client() {
            return None;
        }
        let entropy = self.flows.hash(&flow.key);
        let tunnel = |host, vni| CompiledNext::Tunnel { host, vni, entropy };
        let next = match flow.next() {
            NextHop::Local(port) => CompiledNext::Local(port),
            NextHop::Tunnel(host) => tunnel(host, view.vpc.vni),
            NextHop::Abroad(number) => {
                let (host, vni) = self.abroad.place(number)?;
                tunnel(host, vni)
            }
            // An edge is chosen anew when one dies.
            NextHop::Outside | NextHop::Unknown => return None,
        };
        Some(CompiledWay::Out {
            next,
            mac: flow.next_mac,
            hop: flow.hop() != Hop::Direct,
            routed: flow.hop() == Hop::Routed,
        })
    }

    pub(crate) fn let_go(&mut self, id: &HalfId) {
        let at = id.at as usize;
        if self.flows.get(at).key == id.key {
            self.flows.exports.settle(at, id.direction, None);
        }
    }

    /// What passed of a half elsewhere since this was said last.
    pub(crate) fn credit(&mut self, id: &HalfId, (packets, bytes): (u64, u64), seen: Now) {
        let counters = self.counters.port_mut(id.key.port());
        let tally = match id.direction {
            Direction::Egress => &mut counters.egress,
            Direction::Ingress => &mut counters.ingress,
        };
        tally.packets += packets;
        tally.bytes += bytes;
        self.flows.credit(
            id.at as usize,
            (&id.key, id.direction),
            (packets, bytes),
            seen,
        );
    }
}

fn id(at: usize, direction: Direction, key: FlowKey) -> HalfId {
    HalfId {
        at: at as u32,
        direction,
        key,
    }
}

fn way_in(view: &PortView<'_>, flow: &Flow) -> Option<CompiledWay> {
    let (host, mac) = flow.origin()?;
    let from = match host {
        // Copies that a mirror makes are written down apart.
        _ if mac == Mac::MIRROR => return None,
        HostSlot::OWN => CompiledOrigin::Local,
        // Any edge may bring any packet.
        HostSlot::OUTSIDE => return None,
        host => CompiledOrigin::Tunnel {
            host,
            vni: view.vpc.vni,
        },
    };
    Some(CompiledWay::In { from, mac })
}

impl PortView<'_> {
    /// What was judged at the port under another one is to be judged again. Never 0.
    pub fn generation(&self) -> u32 {
        self.vpc.generation
    }

    /// Whether connections of the port may be carried on elsewhere: what is counted against a limit or
    /// mirrored goes through the engine, packet by packet.
    pub fn is_compiled(&self) -> bool {
        !self.port.is_metered && self.port.mirrors.is_empty() && self.vpc.generation != 0
    }
}

impl Flow {
    /// Whether more packets are to come.
    fn goes_on(&self) -> bool {
        matches!(self.key.protocol(), protocol::TCP | protocol::UDP) && self.is_under_way()
    }
}
