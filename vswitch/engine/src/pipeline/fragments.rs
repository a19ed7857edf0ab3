//! Fragments follow their first one's verdict: later ones show no ports to judge.

use std::{collections::VecDeque, net::IpAddr};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use weft_packet::headers::L4;

use super::Packet;
use crate::{
    config::Direction,
    drop::{Drop, DropReason},
    hash::Map,
    limits::Limits,
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

/// The datagrams whose first fragment passed.
#[derive(Debug)]
pub(super) struct Fragments {
    /// Tenants choose what is in the keys, so the hash has the engine's seed.
    ///
    /// The value is the first one's entropy: the others must take its way through the underlay, or
    /// they overtake it and find nobody to follow.
    passed: HashMap<Datagram, u32, FixedState>,
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

    /// The entropy of a later fragment's first one; none may pass without.
    pub(super) fn follow(
        &mut self,
        packet: &Packet<'_>,
        direction: Direction,
    ) -> Result<u32, Drop> {
        self.expire(packet.now, 8);
        let first = datagram(packet, direction).and_then(|first| self.passed.get(&first));
        first
            .copied()
            .ok_or_else(|| DropReason::FragmentOrphan.into())
    }

    /// Notes that a first fragment passed, so that the others may.
    pub(super) fn settle<T>(
        &mut self,
        packet: &Packet<'_>,
        direction: Direction,
        verdict: Result<T, Drop>,
    ) -> Result<T, Drop> {
        let first = packet.ip.l4_kind != L4::LaterFragment;
        let Some(datagram) = datagram(packet, direction).filter(|_| first && verdict.is_ok())
        else {
            return verdict;
        };
        self.expire(packet.now, 8);
        let count = self.per_port.get(&datagram.port).copied().unwrap_or(0);
        if self.passed.contains_key(&datagram) {
            return verdict;
        }
        if self.passed.len() >= self.limit || count >= self.limit_per_port {
            return Err(DropReason::FragmentTableFull.into());
        }
        self.passed.insert(datagram, packet.entropy());
        self.per_port.insert(datagram.port, count + 1);
        self.queue
            .push_back((packet.now.plus(self.timeout), datagram));
        verdict
    }

    /// Forgets what is over, at most `budget` of it.
    pub(super) fn expire(&mut self, now: Now, budget: usize) {
        for _ in 0..budget {
            match self.queue.front() {
                Some(&(until, datagram)) if until <= now => {
                    self.queue.pop_front();
                    self.forget(&datagram);
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

fn datagram(packet: &Packet<'_>, direction: Direction) -> Option<Datagram> {
    let PortIndex(port) = packet.port();
    Some(Datagram {
        port,
        egress: direction == Direction::Egress,
        src: packet.ip.src,
        dst: packet.ip.dst,
        id: packet.ip.fragment?.id,
        protocol: packet.ip.protocol,
    })
}
