//! Connections from the internet to load balancers, at the hosts that edges chose for them: which
//! target each has, for as long as it lives.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, Hash},
    net::IpAddr,
};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use weft_model::{BalancerId, InterfaceId, Protocol};
use weft_packet::{
    headers::{Ip, L4},
    icmp::{self, Embedded},
};

use crate::{hash::Map, nat::Pieces, time::Now};

/// Connections of one worker that are remembered, some hundred bytes each; what comes beyond goes by
/// its hash alone.
const MOST: usize = 1 << 18;
/// The same of one balancer, so that a flood of one costs no other.
const MOST_OF_BALANCER: usize = 1 << 16;
/// How often each connection is looked at, whether it is over; and how long one lasts of which only a
/// first packet came.
const TURN: u64 = 30 * Now::SECOND;
/// How long one is kept that an end has closed.
const CLOSING: u64 = 60 * Now::SECOND;

/// A connection as the internet sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Visit {
    /// The internet's end.
    pub(crate) client: (IpAddr, u16),
    /// The balancer's.
    pub(crate) front: (IpAddr, u16),
    pub(crate) protocol: u8,
}

impl Visit {
    /// Of a packet to the balancer; `None` where it shows no ports.
    pub(crate) fn of(ip: &Ip) -> Option<Self> {
        let (L4::Tcp { src, dst, .. } | L4::Udp { src, dst }) = ip.l4_kind else {
            return None;
        };
        Some(Self {
            client: (ip.src, src),
            front: (ip.dst, dst),
            protocol: ip.protocol,
        })
    }

    /// Of the packet that an ICMP error quotes: an answer to the client.
    pub(crate) fn quoted(quote: &Embedded) -> Option<Self> {
        let shows = quote
            .fragment
            .is_none_or(|fragment| fragment.offset == 0 && quote.icmp.is_none());
        shows.then_some(Self {
            client: (quote.dst, quote.ports.1),
            front: (quote.src, quote.ports.0),
            protocol: quote.protocol,
        })
    }

    /// The same on every host and after every restart, so that whoever has forgotten, or never knew,
    /// picks as was picked before while the targets are the same.
    pub(crate) fn hash(&self) -> u64 {
        fixed(self)
    }

    /// What chooses the host and the worker that remember it. The pieces of a datagram must come
    /// together, and the later ones show no ports.
    fn place(&self) -> u32 {
        let ports = match Protocol(self.protocol) {
            Protocol::TCP => (self.client.1, self.front.1),
            _ => (0, 0),
        };
        place((self.client.0, self.front.0), ports, self.protocol)
    }
}

fn fixed(value: impl Hash) -> u64 {
    FixedState::default().hash_one(value)
}

fn place(ends: (IpAddr, IpAddr), ports: (u16, u16), protocol: u8) -> u32 {
    fixed((ends, ports, protocol)) as u32
}

/// What chooses the host and the worker for a packet from the internet: the same for all of a
/// connection, and for the errors about it.
pub(crate) fn spread(ip: &Ip, bytes: &[u8]) -> u32 {
    let visit = match icmp::is_error(ip) {
        true => icmp::embedded(bytes, ip)
            .ok()
            .and_then(|quote| Visit::quoted(&quote)),
        false => Visit::of(ip),
    };
    let alone = || place((ip.src, ip.dst), (0, 0), ip.protocol);
    visit.map_or_else(alone, |visit| visit.place())
}

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) interface: InterfaceId,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

/// How far a connection got, as far as its packets from the client show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begun,
    Settled,
    Closing,
}

/// A connection's target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pin {
    pub(crate) pick: Pick,
    balancer: BalancerId,
    seen: Now,
    /// Nanoseconds.
    idle: u64,
    stage: Stage,
}

impl Pin {
    fn is_over(&self, now: Now) -> bool {
        let limit = match self.stage {
            Stage::Begun => TURN.min(self.idle),
            Stage::Settled => self.idle,
            Stage::Closing => CLOSING.min(self.idle),
        };
        now >= self.seen.plus(limit)
    }

    /// Another packet of the client.
    pub(crate) fn pass(&mut self, now: Now, closes: bool) {
        self.seen = now;
        self.stage = match (self.stage, closes) {
            (_, true) | (Stage::Closing, _) => Stage::Closing,
            _ => Stage::Settled,
        };
    }
}

/// What one worker remembers.
#[derive(Debug)]
pub(crate) struct Pins {
    /// The internet chooses what is in the keys, so the hash has the engine's seed.
    pins: HashMap<Visit, Pin, FixedState>,
    /// In the order in which they are looked at.
    queue: VecDeque<(Now, Visit)>,
    of_balancer: Map<BalancerId, usize>,
    /// Where the first pieces of datagrams went.
    pub(crate) pieces: Pieces<Pick>,
    /// Connections that weren't remembered for want of room.
    pub(crate) refused: u64,
}

impl Pins {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            pins: HashMap::with_hasher(FixedState::with_seed(seed)),
            queue: VecDeque::new(),
            of_balancer: Map::default(),
            pieces: Pieces::new(seed),
            refused: 0,
        }
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.pins.len()
    }

    pub(crate) fn get(&mut self, now: Now, visit: &Visit) -> Option<&mut Pin> {
        let pin = self.pins.get_mut(visit)?;
        (!pin.is_over(now)).then_some(pin)
    }

    /// Remembers a connection that begins, or gives a known one another target.
    pub(crate) fn put(
        &mut self,
        now: Now,
        visit: Visit,
        pick: Pick,
        (balancer, idle): (BalancerId, u64),
    ) {
        let pin = Pin {
            pick,
            balancer,
            seen: now,
            idle,
            stage: Stage::Begun,
        };
        if let Some(known) = self.pins.get_mut(&visit) {
            *known = Pin {
                balancer: known.balancer,
                ..pin
            };
            return;
        }
        let own = self.of_balancer.get(&balancer).copied().unwrap_or(0);
        if self.pins.len() >= MOST || own >= MOST_OF_BALANCER {
            self.refused += 1;
            return;
        }
        self.of_balancer.insert(balancer, own + 1);
        self.pins.insert(visit, pin);
        self.queue.push_back((now.plus(TURN), visit));
    }

    /// Forgets what is over, looking at no more than `budget`.
    pub(crate) fn turn(&mut self, now: Now, budget: usize) {
        for _ in 0..budget {
            let Some((_, visit)) = self.queue.pop_front_if(|(due, _)| *due <= now) else {
                break;
            };
            if self.pins.get(&visit).is_some_and(|pin| !pin.is_over(now)) {
                self.queue.push_back((now.plus(TURN), visit));
            } else {
                self.forget(&visit);
            }
        }
    }

    fn forget(&mut self, visit: &Visit) {
        let Some(pin) = self.pins.remove(visit) else {
            return;
        };
        if let Some(count) = self.of_balancer.get_mut(&pin.balancer) {
            *count -= 1;
            if *count == 0 {
                self.of_balancer.remove(&pin.balancer);
            }
        }
    }
}
