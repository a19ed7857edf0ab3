//! Fragments follow their first one's verdict: later ones show no ports to judge.

use std::{collections::VecDeque, net::IpAddr};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use weft_packet::headers::L4;

use super::{Core, Packet};
use crate::{
    config::Direction,
    drop::{Drop, DropReason},
    flow::{Flags, FlowKey},
    hash::Map,
    limits::Limits,
    mutation::{Mutation, is_awake},
    port::PortIndex,
    time::Now,
};

/// A datagram in pieces, at one port, in one half (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Datagram {
    port: u32,
    egress: bool,
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    protocol: u8,
}

/// What the later fragments of a datagram need to know of the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct First {
    /// They must take its way through the underlay, or they overtake it and find nobody to follow.
    pub(super) entropy: u32,
    /// Its flow, where that is translated: they show no ports to find it by.
    pub(super) translated: Option<FlowKey>,
}

/// The datagrams whose first fragment passed.
#[derive(Debug)]
pub(super) struct Fragments {
    /// Tenants choose what is in the keys, so the hash has the engine's seed.
    passed: HashMap<Datagram, (First, Now), FixedState>,
    /// In the order in which they expire.
    queue: VecDeque<(Now, Datagram)>,
    per_port: Map<u32, usize>,
    limit: usize,
    limit_per_port: usize,
    timeout: u64,
}

impl Fragments {
    pub(super) fn new(limits: &Limits, seed: u64) -> Self {
        Self {
            passed: HashMap::with_hasher(FixedState::with_seed(seed)),
            queue: VecDeque::new(),
            per_port: Map::default(),
            limit: limits.fragments,
            limit_per_port: limits.fragments_per_port,
            timeout: limits.timeouts.fragment,
        }
    }

    /// A later fragment's first one; none may pass without.
    pub(super) fn follow(
        &mut self,
        packet: &Packet<'_>,
        direction: Direction,
    ) -> Result<First, Drop> {
        self.expire(packet.now, 8);
        if is_awake(Mutation::AnyFragment) {
            return Ok(First {
                entropy: 0,
                translated: None,
            });
        }
        let noted = datagram(packet, direction).and_then(|first| self.passed.get(&first));
        let live = noted.filter(|(_, until)| *until > packet.now);
        live.map(|(first, _)| *first)
            .ok_or_else(|| DropReason::FragmentOrphan.into())
    }

    /// Notes that a first fragment passed, so that the others may.
    fn settle<T>(
        &mut self,
        packet: &Packet<'_>,
        direction: Direction,
        translated: Option<FlowKey>,
        verdict: Result<T, Drop>,
    ) -> Result<T, Drop> {
        let is_first = packet.ip.l4_kind != L4::LaterFragment;
        let Some(datagram) = datagram(packet, direction).filter(|_| is_first && verdict.is_ok())
        else {
            return verdict;
        };
        self.expire(packet.now, 8);
        let first = First {
            entropy: packet.entropy(),
            translated,
        };
        match self.passed.get_mut(&datagram) {
            // Identifications come again: the newest datagram counts.
            Some((noted, until)) if *until > packet.now => {
                *noted = first;
                return verdict;
            }
            // One that is over, and wasn't come by yet.
            Some(_) => self.forget(&datagram),
            None => {}
        }
        let count = self.per_port.get(&datagram.port).copied().unwrap_or(0);
        if self.passed.len() >= self.limit || count >= self.limit_per_port {
            return Err(DropReason::FragmentTableFull.into());
        }
        let until = packet.now.plus(self.timeout);
        self.passed.insert(datagram, (first, until));
        self.per_port.insert(datagram.port, count + 1);
        self.queue.push_back((until, datagram));
        verdict
    }

    /// Forgets what is over, at most `budget` of it.
    pub(super) fn expire(&mut self, now: Now, budget: usize) {
        for _ in 0..budget {
            match self.queue.front() {
                Some(&(until, datagram)) if until <= now => {
                    self.queue.pop_front();
                    // It may have made way for another with its name.
                    let noted = self.passed.get(&datagram);
                    if noted.is_some_and(|(_, noted)| *noted == until) {
                        self.forget(&datagram);
                    }
                }
                _ => return,
            }
        }
    }

    fn forget(&mut self, datagram: &Datagram) {
        self.passed.remove(datagram);
        if let Some(count) = self.per_port.get_mut(&datagram.port) {
            *count -= 1;
            if *count == 0 {
                self.per_port.remove(&datagram.port);
            }
        }
    }
}

impl Core {
    /// Notes that a first fragment passed, so that the others may.
    pub(super) fn settle_fragment<T>(
        &mut self,
        packet: &Packet<'_>,
        direction: Direction,
        verdict: Result<T, Drop>,
    ) -> Result<T, Drop> {
        if packet.ip.fragment.is_none() {
            return verdict;
        }
        let flow = self.find(packet).map(|at| self.flows.get(at));
        let translated = flow
            .filter(|flow| flow.flags.has(Flags::TRANSLATED))
            .map(|flow| flow.key);
        self.fragments
            .settle(packet, direction, translated, verdict)
    }
}

fn datagram(packet: &Packet<'_>, direction: Direction) -> Option<Datagram> {
    let PortIndex(port) = packet.port();
    Some(Datagram {
        port,
        egress: direction == Direction::Egress,
        // Later ones can't be translated before their first one is found.
        src: packet.wire.src,
        dst: packet.wire.dst,
        id: packet.wire.fragment?.id,
        protocol: packet.wire.protocol,
    })
}
