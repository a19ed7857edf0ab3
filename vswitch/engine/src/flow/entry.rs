//! One connection's entry: two cache lines.

use weft_model::{InterfaceId, Mac, RuleId, Vni};

use super::{
    class::{Class, Tick},
    key::FlowKey,
    tcp::{TcpState, is_opening},
};
use crate::{
    config::{Direction, HostSlot},
    counters::Tally,
    hash::Map,
    port::PortIndex,
    time::Now,
};

/// Where a flow's packets go when they leave the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// Nothing was resolved yet: so far packets only came in.
    Unknown,
    /// A port of this host.
    Local(PortIndex),
    /// Another host, whatever its VTEP is by then.
    Tunnel(HostSlot),
    /// Another host, in another VPC: what this place stands for, [`Abroad`] knows.
    Abroad(u32),
    /// Out of the cloud, by an edge.
    Outside,
}

/// What stands between a port and its next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Hop {
    /// Nothing: both are in one subnet.
    Direct,
    /// The router, which gives the packet back into its own subnet: it takes a hop, and the sender's
    /// MAC stays.
    Back,
    /// The router: it takes a hop and shows its own MAC, so whoever gets the packet knows that it
    /// came from outside the subnet.
    Routed,
}

/// Next hops in other VPCs, by the number that a flow has room for. It grows with the pairs of hosts
/// and VPCs that were ever sent to, which the mappings held here bound.
#[derive(Debug, Default)]
pub(crate) struct Abroad {
    places: Vec<(HostSlot, Vni)>,
    numbers: Map<(HostSlot, Vni), u32>,
}

impl Abroad {
    pub(crate) fn hop(&mut self, host: HostSlot, vni: Vni) -> NextHop {
        let number = *self.numbers.entry((host, vni)).or_insert_with(|| {
            self.places.push((host, vni));
            self.places.len() as u32 - 1
        });
        NextHop::Abroad(number)
    }

    #[inline]
    pub(crate) fn place(&self, number: u32) -> Option<(HostSlot, Vni)> {
        self.places.get(number as usize).copied()
    }
}

/// An interface, cut to what fits the entry; 0 where nobody holds the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder(u32);

impl Holder {
    pub(crate) fn of(interface: Option<InterfaceId>) -> Self {
        Self(interface.map_or(0, |id| (id.bits() ^ id.bits() >> 32) as u32))
    }
}

/// What is so or not about a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// The port began it.
    pub(crate) const BEGUN_HERE: u8 = 1;
    /// The other side was heard.
    pub(crate) const REPLIED: u8 = 1 << 1;
    /// It is a conversation: no longer the first to make room.
    pub(crate) const SETTLED: u8 = 1 << 2;
    /// Its packets are judged by the rules of the day.
    pub(crate) const UNTRACKED: u8 = 1 << 3;
    /// It was untracked, and its rule is gone.
    pub(crate) const BLOCKED: u8 = 1 << 4;
    /// On the wire it has another key: the table knows which.
    pub(crate) const TRANSLATED: u8 = 1 << 5;
    /// Its target sees a load balancer in its client's place.
    pub(crate) const HIDDEN: u8 = 1 << 6;
    /// The entry is free.
    pub(crate) const FREE: u8 = 1 << 7;

    pub(crate) const fn new(bits: u8) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    #[inline]
    pub(crate) const fn set(&mut self, bit: u8, on: bool) {
        if on {
            self.0 |= bit;
        } else {
            self.0 &= !bit;
        }
    }
}

/// What a packet did to how far its connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    /// Nothing.
    Same,
    /// It is further.
    Further,
    /// It is a conversation now.
    Settled,
}

/// A connection.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(crate) struct Flow {
    // The first line: what every packet is checked against.
    pub(crate) key: FlowKey,
    pub(super) seen: Tick,
    /// The VPC's generation under which packets out of the port were judged.
    pub(crate) egress_generation: u32,
    /// The same for packets to the port.
    pub(crate) ingress_generation: u32,
    /// What the kind of `way` says: a port, a host's slot, a place abroad.
    next: u32,
    way: PackedWay,
    pub(crate) flags: Flags,
    pub(crate) tcp: TcpState,
    pub(super) class: Class,
    // The second: what it does.
    pub(crate) egress: Tally,
    pub(crate) ingress: Tally,
    pub(crate) rule: RuleId,
    /// The host that its packets come from; [`NOWHERE`] before the first.
    origin: u32,
    pub(super) created: Tick,
    /// The MAC of the next interface.
    pub(crate) next_mac: Mac,
    /// The inner source MAC that was judged with the origin.
    origin_mac: Mac,
    /// Who holds the remote address: an address may pass to another interface, and the old one's
    /// connections with it must not.
    pub(crate) peer: Holder,
}

const _: () = assert!(size_of::<Flow>() == 128, "two cache lines");

/// The kind of next hop in the low bits, the [`Hop`] above, and whether the client is to be hidden: one
/// byte for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PackedWay(u8);

impl PackedWay {
    const UNKNOWN: u8 = 0;
    const LOCAL: u8 = 1;
    const TUNNEL: u8 = 2;
    const ABROAD: u8 = 3;
    const OUTSIDE: u8 = 4;
    const HOP_SHIFT: u32 = 4;
    const HIDING: u8 = 1 << 7;

    const fn new(kind: u8, hop: Hop) -> Self {
        Self(kind | (hop as u8) << Self::HOP_SHIFT)
    }

    const fn hiding(self, hides: bool) -> Self {
        Self(self.0 | if hides { Self::HIDING } else { 0 })
    }

    #[inline]
    const fn kind(self) -> u8 {
        self.0 & ((1 << Self::HOP_SHIFT) - 1)
    }

    #[inline]
    const fn hop(self) -> Hop {
        match (self.0 & !Self::HIDING) >> Self::HOP_SHIFT {
            0 => Hop::Direct,
            1 => Hop::Back,
            _ => Hop::Routed,
        }
    }
}

/// No host has this slot: slots count from zero and a host takes hundreds of bytes.
const NOWHERE: u32 = u32::MAX;

/// What a new flow starts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) key: FlowKey,
    pub(crate) direction: Direction,
    pub(crate) rule: RuleId,
    pub(crate) untracked: bool,
    pub(crate) peer: Holder,
    /// The flags of its first segment, if it is TCP.
    pub(crate) tcp_flags: Option<u8>,
}

impl Flow {
    pub(crate) fn open(now: Now, opening: &Opening) -> Self {
        let mut flags = Flags::new(0);
        flags.set(Flags::BEGUN_HERE, opening.direction == Direction::Egress);
        flags.set(Flags::UNTRACKED, opening.untracked);
        let tcp = opening.tcp_flags.map_or(TcpState::None, TcpState::first);
        let mut flow = Self {
            key: opening.key,
            seen: Tick::of(now),
            egress_generation: 0,
            ingress_generation: 0,
            flags,
            tcp,
            class: Class::Other,
            next: 0,
            way: PackedWay::new(PackedWay::UNKNOWN, Hop::Direct),
            next_mac: Mac::ROUTER,
            origin: NOWHERE,
            origin_mac: Mac::ROUTER,
            rule: opening.rule,
            peer: opening.peer,
            created: Tick::of(now),
            egress: Tally::default(),
            ingress: Tally::default(),
        };
        flow.classify();
        flow
    }

    /// Begins anew in place, after another SYN that policy allowed; its counters go on.
    pub(crate) fn reopen(&mut self, now: Now, opening: &Opening) {
        let fresh = Self::open(now, opening);
        // Where it stands among the unsettled is the table's to change; the way stays as resolved.
        let mut flags = fresh.flags;
        for kept in [Flags::SETTLED, Flags::TRANSLATED, Flags::HIDDEN] {
            flags.set(kept, self.flags.has(kept));
        }
        let untracked = flags.has(Flags::UNTRACKED) && !flags.has(Flags::TRANSLATED);
        flags.set(Flags::UNTRACKED, untracked);
        self.flags = flags;
        self.tcp = fresh.tcp;
        self.rule = fresh.rule;
        self.peer = fresh.peer;
        self.classify();
    }

    #[inline]
    pub(crate) fn next(&self) -> NextHop {
        match self.way.kind() {
            PackedWay::LOCAL => NextHop::Local(PortIndex(self.next)),
            PackedWay::TUNNEL => NextHop::Tunnel(HostSlot(self.next)),
            PackedWay::ABROAD => NextHop::Abroad(self.next),
            PackedWay::OUTSIDE => NextHop::Outside,
            _ => NextHop::Unknown,
        }
    }

    #[inline]
    pub(crate) fn hop(&self) -> Hop {
        self.way.hop()
    }

    /// Whether the target's host is told to show the target the load balancer in the client's place.
    #[inline]
    pub(crate) fn hides_client(&self) -> bool {
        self.way.0 & PackedWay::HIDING != 0
    }

    pub(crate) fn set_next(&mut self, next: NextHop, mac: Mac, hop: Hop, hides_client: bool) {
        let (kind, number) = match next {
            NextHop::Unknown => (PackedWay::UNKNOWN, 0),
            NextHop::Local(port) => (PackedWay::LOCAL, port.0),
            NextHop::Tunnel(host) => (PackedWay::TUNNEL, host.0),
            NextHop::Abroad(number) => (PackedWay::ABROAD, number),
            NextHop::Outside => (PackedWay::OUTSIDE, 0),
        };
        (self.way, self.next) = (PackedWay::new(kind, hop).hiding(hides_client), number);
        self.next_mac = mac;
    }

    /// Where its packets come from: the host, with the inner source MAC.
    #[inline]
    pub(crate) fn origin(&self) -> Option<(HostSlot, Mac)> {
        (self.origin != NOWHERE).then_some((HostSlot(self.origin), self.origin_mac))
    }

    pub(crate) fn set_origin(&mut self, host: HostSlot, mac: Mac) {
        (self.origin, self.origin_mac) = (host.0, mac);
    }

    pub(crate) fn began(&self) -> Direction {
        if self.flags.has(Flags::BEGUN_HERE) {
            Direction::Egress
        } else {
            Direction::Ingress
        }
    }

    /// A packet of it passed: how far that got it.
    #[inline]
    pub(crate) fn pass(
        &mut self,
        now: Now,
        direction: Direction,
        bytes: usize,
        tcp_flags: Option<u8>,
    ) -> Step {
        self.seen = Tick::of(now);
        let tally = match direction {
            Direction::Egress => &mut self.egress,
            Direction::Ingress => &mut self.ingress,
        };
        tally.add(bytes);
        let from_initiator = direction == self.began();
        let before = (self.flags, self.tcp);
        if !from_initiator {
            self.flags.set(Flags::REPLIED, true);
        }
        if let Some(flags) = tcp_flags {
            let local = direction == Direction::Egress;
            self.tcp = self.tcp.after(flags, local, from_initiator);
        }
        if before != (self.flags, self.tcp) {
            return self.settle();
        }
        Step::Same
    }

    /// Packets of it passed elsewhere, the last one then.
    pub(crate) fn credit(&mut self, direction: Direction, (packets, bytes): (u64, u64), seen: Now) {
        let tally = match direction {
            Direction::Egress => &mut self.egress,
            Direction::Ingress => &mut self.ingress,
        };
        tally.packets += packets;
        tally.bytes += bytes;
        let seen = Tick::of(seen);
        if seen.since(self.seen) < 1 << 31 {
            self.seen = seen;
        }
    }

    /// When its last packet passed, to a millisecond.
    pub(crate) fn seen(&self) -> Now {
        self.seen.begin()
    }

    /// Whether it isn't over.
    pub(crate) fn is_under_way(&self) -> bool {
        self.tcp != TcpState::Closed
    }

    fn settle(&mut self) -> Step {
        let conversation = self.flags.has(Flags::REPLIED) && !self.tcp.is_opening();
        let newly = conversation && !self.flags.has(Flags::SETTLED);
        self.flags.set(
            Flags::SETTLED,
            conversation || self.flags.has(Flags::SETTLED),
        );
        self.classify();
        if newly { Step::Settled } else { Step::Further }
    }

    fn classify(&mut self) {
        let replied = self.flags.has(Flags::REPLIED);
        self.class = match self.tcp {
            TcpState::None if self.key.protocol() != UDP => Class::Other,
            TcpState::None if replied => Class::UdpStream,
            TcpState::None => Class::UdpOneWay,
            state => state.class(replied),
        };
    }

    /// Its rule is gone, and it was never tracked: it stays, to refuse its packets, until both
    /// sides gave up. Without it the answers would begin a connection that lets it in again.
    pub(crate) fn block(&mut self, now: Now) {
        self.seen = Tick::of(now);
        self.flags.set(Flags::BLOCKED, true);
        self.class = match self.tcp {
            TcpState::None => Class::UdpOneWay,
            _ => Class::TcpHandshake,
        };
    }

    /// A rule lets it pass, perhaps another than before.
    pub(crate) fn allow(&mut self, rule: RuleId, untracked: bool) {
        self.rule = rule;
        self.flags.set(Flags::BLOCKED, false);
        self.flags.set(Flags::UNTRACKED, untracked);
        self.classify();
    }

    /// Whether a segment asks for a connection other than this one: it is judged as the first of
    /// a new one. A repeated SYN of the same handshake doesn't.
    #[inline]
    pub(crate) fn is_reopened_by(&self, direction: Direction, tcp_flags: Option<u8>) -> bool {
        let same_handshake = self.tcp.is_opening() && self.began() == direction;
        tcp_flags.is_some_and(is_opening) && (!same_handshake || self.flags.has(Flags::BLOCKED))
    }

    #[inline]
    pub(crate) fn generation(&self, direction: Direction) -> u32 {
        match direction {
            Direction::Egress => self.egress_generation,
            Direction::Ingress => self.ingress_generation,
        }
    }
}

const UDP: u8 = weft_packet::headers::protocol::UDP;
