//! The flows of one worker: bounded in all and per port.
//!
//! A port's flood fills the port's own allowance. Within it, the oldest flow that never became a
//! conversation makes room for a new one; conversations stay, and no port can evict another's.

use std::sync::Arc;

use hashbrown::HashTable;
use weft_model::IdleTimeouts;

use super::{
    class::{Tick, Timers},
    entry::{Flags, Flow, Opening, Step},
    exports::Exports,
    key::FlowKey,
    marks::{Marks, Piece},
    translation::Translations,
};
use crate::{
    counters::FlowCounters,
    hash::Map,
    limits::{Limits, Timeouts},
    port::PortIndex,
    time::Now,
};

/// The end of a list.
const NIL: u32 = u32::MAX;

/// In [`Slot::at`]: the slot is of the flow's key on the wire.
const ALIAS: u32 = 1 << 31;

/// Where the entry of a hash is. A translated flow has two: of its own key, and of the one on the
/// wire.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    at: u32,
}

impl Slot {
    const fn own(hash: u32, at: usize) -> Self {
        Self {
            hash,
            at: at as u32,
        }
    }

    const fn alias(hash: u32, at: usize) -> Self {
        Self {
            hash,
            at: at as u32 | ALIAS,
        }
    }

    #[inline]
    const fn is_alias(self) -> bool {
        self.at & ALIAS != 0
    }

    #[inline]
    const fn at(self) -> usize {
        (self.at & !ALIAS) as usize
    }
}

/// An entry's place among its port's unsettled flows, or among the free entries (`next` only).
#[derive(Debug, Clone, Copy)]
struct Link {
    prev: u32,
    next: u32,
}

/// One port's share.
#[derive(Debug, Clone, Copy)]
struct Share {
    port: PortIndex,
    flows: u32,
    /// Unsettled flows, the oldest first.
    head: u32,
    tail: u32,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Table,
    Allowance,
    /// Another flow looks like this on the wire.
    Taken,
}

/// The table.
#[derive(Debug)]
pub(crate) struct FlowTable {
    seed: foldhash::fast::FixedState,
    slots: HashTable<Slot>,
    flows: Vec<Flow>,
    links: Vec<Link>,
    translations: Translations,
    marks: Marks,
    /// Outside keys that flows gave up, for whoever gave them.
    released: Vec<FlowKey>,
    free: u32,
    shares: Vec<Option<Share>>,
    limit: usize,
    /// What a port may have even where the limit is reached.
    floor: u32,
    limit_per_port: u32,
    timers: Timers,
    /// Those of ports that have their own, and what they were made from.
    own_timers: Map<PortIndex, Timers>,
    timeouts: Arc<Map<PortIndex, IdleTimeouts>>,
    /// What is carried on elsewhere of them.
    pub(crate) exports: Exports<FlowKey>,
    /// Where the next sweep goes on.
    hand: usize,
    pub(crate) counters: FlowCounters,
}

/// The table wants all 64 bits: it picks by the low ones and tags by the top seven.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl FlowTable {
    pub(crate) fn new(limits: &Limits, seed: u64) -> Self {
        Self {
            seed: foldhash::fast::FixedState::with_seed(seed),
            slots: HashTable::new(),
            flows: Vec::new(),
            links: Vec::new(),
            translations: Translations::default(),
            marks: Marks::default(),
            released: Vec::new(),
            free: NIL,
            shares: Vec::new(),
            limit: limits.flows.min(ALIAS as usize - 1),
            floor: u32::try_from(limits.flows_floor).unwrap_or(u32::MAX),
            limit_per_port: u32::try_from(limits.flows_per_port).unwrap_or(u32::MAX),
            timers: Timers::new(&limits.timeouts),
            own_timers: Map::default(),
            timeouts: Arc::default(),
            exports: Exports::default(),
            hand: 0,
            counters: FlowCounters::default(),
        }
    }

    #[inline]
    pub(crate) fn hash(&self, key: &FlowKey) -> u32 {
        key.hash(&self.seed)
    }

    /// The live flow with this key. One that has been idle too long is as good as gone.
    #[inline]
    pub(crate) fn find(&self, now: Now, key: &FlowKey, hash: u32) -> Option<usize> {
        let slot = self.slots.find(spread(hash), |slot| {
            slot.hash == hash && !slot.is_alias() && self.flows[slot.at()].key == *key
        })?;
        (!self.is_idle(now, slot.at())).then_some(slot.at())
    }

    /// The live flow that a packet of this key from the wire is of: of a translated flow the key is
    /// the outside one, of others their own.
    #[inline]
    pub(crate) fn meet(&self, now: Now, key: &FlowKey, hash: u32) -> Option<usize> {
        let slot = self.slots.find(spread(hash), |slot| {
            slot.hash == hash && *self.key_of(*slot) == *key
        })?;
        let flow = &self.flows[slot.at()];
        let looks_so = slot.is_alias() == flow.flags.has(Flags::TRANSLATED);
        (looks_so && !self.is_idle(now, slot.at())).then_some(slot.at())
    }

    #[inline]
    fn key_of(&self, slot: Slot) -> &FlowKey {
        let own = &self.flows[slot.at()].key;
        if slot.is_alias() {
            self.translations.get(slot.at()).unwrap_or(own)
        } else {
            own
        }
    }

    /// How the flow looks on the wire, where that is otherwise.
    #[inline]
    pub(crate) fn outside(&self, at: usize) -> Option<&FlowKey> {
        if !self.flows[at].flags.has(Flags::TRANSLATED) {
            return None;
        }
        self.translations.get(at)
    }

    /// Makes the flow look like `outside` on the wire from now on.
    pub(crate) fn bind(&mut self, now: Now, at: usize, outside: FlowKey) -> Result<(), Full> {
        if self.outside(at) == Some(&outside) {
            return Ok(());
        }
        let hash = self.hash(&outside);
        self.vacate(now, &outside, hash)?;
        self.unbind(at);
        self.change(at);
        self.flows[at].flags.set(Flags::TRANSLATED, true);
        // Where something translates, the connection is tracked whatever the rules.
        self.flows[at].flags.set(Flags::UNTRACKED, false);
        self.translations.set(at, outside);
        let slot = Slot::alias(hash, at);
        self.slots
            .insert_unique(spread(hash), slot, |slot| spread(slot.hash));
        Ok(())
    }

    fn unbind(&mut self, at: usize) {
        self.flows[at].flags.set(Flags::TRANSLATED, false);
        if let Some(outside) = self.translations.clear(at) {
            let hash = self.hash(&outside);
            self.forget(Slot::alias(hash, at));
            self.released.push(outside);
        }
    }

    /// One of the outside keys that flows gave up since.
    pub(crate) fn pop_released(&mut self) -> Option<FlowKey> {
        self.released.pop()
    }

    /// Whether a packet of this key from the wire would be nobody's; what is idle goes.
    pub(crate) fn vacate(&mut self, now: Now, key: &FlowKey, hash: u32) -> Result<(), Full> {
        let same = |slot: &Slot| slot.hash == hash && *self.key_of(*slot) == *key;
        let Some(holder) = self.slots.find(spread(hash), same).map(|slot| slot.at()) else {
            return Ok(());
        };
        if !self.is_idle(now, holder) {
            return Err(Full::Taken);
        }
        self.remove(holder);
        Ok(())
    }

    /// Ends the flow that looks like this on the wire, if there is one.
    pub(crate) fn end(&mut self, outside: &FlowKey) {
        let hash = self.hash(outside);
        let same =
            |slot: &Slot| slot.hash == hash && slot.is_alias() && *self.key_of(*slot) == *outside;
        if let Some(at) = self.slots.find(spread(hash), same).map(|slot| slot.at()) {
            self.remove(at);
        }
    }

    fn forget(&mut self, slot: Slot) {
        let same = |other: &Slot| other.at == slot.at;
        if let Ok(entry) = self.slots.find_entry(spread(slot.hash), same) {
            entry.remove();
        }
    }

    #[inline]
    fn is_idle(&self, now: Now, at: usize) -> bool {
        let flow = &self.flows[at];
        let limit = match flow.flags.has(Flags::TRANSLATED) {
            true => self.limit_of_translated(at),
            false => self.timers_of(flow.key.port()).of(flow.class),
        };
        Tick::of(now).since(flow.seen) > limit
    }

    /// Of all ports, unless the port has some of its own.
    #[inline]
    fn timers_of(&self, port: PortIndex) -> &Timers {
        if self.own_timers.is_empty() {
            return &self.timers;
        }
        self.own_timers.get(&port).unwrap_or(&self.timers)
    }

    /// One in full swing may have a limit of its own.
    fn limit_of_translated(&self, at: usize) -> u32 {
        let flow = &self.flows[at];
        let own = self.translations.idle(at);
        own.filter(|_| flow.class.is_in_swing())
            .unwrap_or_else(|| self.timers_of(flow.key.port()).of(flow.class))
    }

    /// Keeps the translated flow this long, in nanoseconds, while it is in full swing.
    pub(crate) fn set_idle(&mut self, at: usize, nanoseconds: u64) {
        self.translations.set_idle(at, Timers::ticks(nanoseconds));
    }

    /// Takes the timeouts of the ports that have some of their own, over those of all.
    pub(crate) fn set_timeouts(&mut self, own: &Arc<Map<PortIndex, IdleTimeouts>>, all: &Timeouts) {
        if Arc::ptr_eq(&self.timeouts, own) {
            return;
        }
        self.timeouts = Arc::clone(own);
        let timers = own
            .iter()
            .map(|(&port, timeouts)| (port, all.with(timeouts)));
        self.own_timers = timers
            .map(|(port, timeouts)| (port, Timers::new(&timeouts)))
            .collect();
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> &Flow {
        &self.flows[at]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: usize) -> &mut Flow {
        &mut self.flows[at]
    }

    /// A packet of the flow passed.
    #[inline]
    pub(crate) fn pass(
        &mut self,
        now: Now,
        at: usize,
        direction: crate::config::Direction,
        bytes: usize,
        tcp_flags: Option<u8>,
    ) {
        let step = self.flows[at].pass(now, direction, bytes, tcp_flags);
        if step != Step::Same {
            self.advance(at, step, direction, tcp_flags);
        }
        self.exports.touch(at, direction);
    }

    /// A packet changed how far the flow got.
    #[inline(never)]
    fn advance(
        &mut self,
        at: usize,
        step: Step,
        direction: crate::config::Direction,
        tcp_flags: Option<u8>,
    ) {
        self.marks.note(at, direction, tcp_flags);
        self.change(at);
        if step == Step::Settled {
            self.unlink(at);
        }
    }

    /// Something about the flow is otherwise than what was compiled of it.
    pub(crate) fn change(&mut self, at: usize) {
        self.exports.change(at, crate::config::Direction::Egress);
        self.exports.change(at, crate::config::Direction::Ingress);
    }

    /// Nanoseconds that the flow may be idle.
    pub(crate) fn limit_of(&self, at: usize) -> u64 {
        u64::from(
            self.timers_of(self.flows[at].key.port())
                .of(self.flows[at].class),
        ) << 20
    }

    /// What passed of the flow elsewhere, if it is still the one with this key.
    pub(crate) fn credit(
        &mut self,
        at: usize,
        (key, direction): (&FlowKey, crate::config::Direction),
        (packets, bytes): (u64, u64),
        seen: Now,
    ) {
        let flow = self.flows.get_mut(at);
        let flow = flow.filter(|flow| flow.key == *key && !flow.flags.has(Flags::FREE));
        if let Some(flow) = flow {
            flow.credit(direction, (packets, bytes), seen);
        }
    }

    /// How many places there are, taken or free.
    pub(crate) fn places(&self) -> usize {
        self.flows.len()
    }

    /// What is new of the flow in a place since this was asked last.
    pub(crate) fn news(&mut self, at: usize) -> Option<Piece> {
        let outside = self.outside(at).copied();
        let flow = self.flows.get(at)?;
        if flow.flags.has(Flags::FREE) {
            return None;
        }
        self.marks.take(at, flow, outside)
    }

    /// What was new of flows that ended, and ports of which some of that is lost.
    pub(crate) fn ended(&mut self) -> (Vec<Piece>, Vec<PortIndex>) {
        self.marks.ended()
    }

    /// Makes room for a flow and puts it there.
    ///
    /// `allowance`: the port's own, where it isn't that of all ports.
    pub(crate) fn insert(
        &mut self,
        now: Now,
        opening: &Opening,
        hash: u32,
        allowance: Option<u32>,
    ) -> Result<usize, Full> {
        let port = opening.key.port();
        let room = self
            .vacate(now, &opening.key, hash)
            .and_then(|()| self.admit(now, port, allowance));
        if let Err(full) = room {
            self.counters.refused += 1;
            return Err(full);
        }
        let at = self.take(Flow::open(now, opening));
        let slot = Slot::own(hash, at);
        self.slots
            .insert_unique(spread(hash), slot, |slot| spread(slot.hash));
        self.link(at);
        self.marks.begin(at, opening.direction, opening.tcp_flags);
        self.share_mut(port).flows += 1;
        self.counters.created += 1;
        self.counters.live += 1;
        Ok(at)
    }

    /// Ends a flow.
    pub(crate) fn remove(&mut self, at: usize) {
        let key = self.flows[at].key;
        let hash = self.hash(&key);
        let outside = self.outside(at).copied();
        self.marks.end(at, &self.flows[at], outside);
        self.exports.end(at, key);
        self.forget(Slot::own(hash, at));
        self.unbind(at);
        self.unlink(at);
        if let Some(share) = self.share_of(key.port()) {
            share.flows -= 1;
        }
        self.flows[at].flags = Flags::new(Flags::FREE);
        self.links[at] = Link {
            prev: NIL,
            next: self.free,
        };
        self.free = at as u32;
        self.counters.live -= 1;
        self.counters.expired += 1;
    }

    /// Ends idle flows and those of ports that are gone, looking at `budget` entries at most.
    pub(crate) fn sweep(&mut self, now: Now, budget: usize, is_live: impl Fn(PortIndex) -> bool) {
        for _ in 0..budget.min(self.flows.len()) {
            self.hand = if self.hand + 1 < self.flows.len() {
                self.hand + 1
            } else {
                0
            };
            let flow = &self.flows[self.hand];
            if flow.flags.has(Flags::FREE) {
                continue;
            }
            let is_live = is_live(flow.key.port());
            if is_live && self.is_idle(now, self.hand) && self.exports.holds(self.hand) {
                // What passed elsewhere tells whether it is; the next round ends it.
                self.exports.end(self.hand, flow.key);
            } else if self.is_idle(now, self.hand) || !is_live {
                self.remove(self.hand);
            }
        }
    }

    /// Every flow of a port that isn't idle, with its index.
    pub(crate) fn of_port(&self, now: Now, port: PortIndex) -> impl Iterator<Item = &Flow> {
        let flows = self.flows.iter().enumerate();
        let live = flows.filter(move |(at, flow)| {
            !flow.flags.has(Flags::FREE) && flow.key.port() == port && !self.is_idle(now, *at)
        });
        live.map(|(_, flow)| flow)
    }

    /// Whether the port may have one more, once its oldest unsettled flow made room if need be.
    fn admit(&mut self, now: Now, port: PortIndex, allowance: Option<u32>) -> Result<(), Full> {
        let allowance = allowance.unwrap_or(self.limit_per_port);
        let share = *self.share_mut(port);
        let full = self.counters.live as usize >= self.limit && share.flows >= self.floor;
        if share.flows < allowance && !full {
            return Ok(());
        }
        // The sweep may not have come by yet; the hand looks at a few more for this one.
        if full {
            self.sweep(now, 16, |_| true);
            if (self.counters.live as usize) < self.limit && share.flows < allowance {
                return Ok(());
            }
        }
        let oldest = self.share_mut(port).head;
        if oldest != NIL {
            self.remove(oldest as usize);
            self.counters.expired -= 1;
            self.counters.evicted += 1;
            return Ok(());
        }
        Err(if full { Full::Table } else { Full::Allowance })
    }

    fn take(&mut self, flow: Flow) -> usize {
        if self.free == NIL {
            self.flows.push(flow);
            self.links.push(Link {
                prev: NIL,
                next: NIL,
            });
            return self.flows.len() - 1;
        }
        let at = self.free as usize;
        self.free = self.links[at].next;
        self.flows[at] = flow;
        at
    }

    /// The port's share, while this is still the port in that slot.
    fn share_of(&mut self, port: PortIndex) -> Option<&mut Share> {
        let share = self.shares.get_mut(port.slot())?.as_mut()?;
        (share.port == port).then_some(share)
    }

    /// The port's share; a new port in the slot starts afresh, and what is left of the old one's
    /// flows goes with the sweep.
    fn share_mut(&mut self, port: PortIndex) -> &mut Share {
        let slot = port.slot();
        if slot >= self.shares.len() {
            self.shares.resize(slot + 1, None);
        }
        let fresh = Share {
            port,
            flows: 0,
            head: NIL,
            tail: NIL,
        };
        let share = self.shares[slot].get_or_insert(fresh);
        if share.port != port {
            *share = fresh;
        }
        share
    }

    /// Appends to the port's unsettled flows.
    fn link(&mut self, at: usize) {
        let share = self.share_mut(self.flows[at].key.port());
        let last = std::mem::replace(&mut share.tail, at as u32);
        if last == NIL {
            share.head = at as u32;
        } else {
            self.links[last as usize].next = at as u32;
        }
        self.links[at] = Link {
            prev: last,
            next: NIL,
        };
    }

    /// Takes it off the port's unsettled flows, if it is among them.
    fn unlink(&mut self, at: usize) {
        let Link { prev, next } = std::mem::replace(
            &mut self.links[at],
            Link {
                prev: NIL,
                next: NIL,
            },
        );
        let port = self.flows[at].key.port();
        let Some(share) = self.share_of(port) else {
            return;
        };
        let (is_head, is_tail) = (share.head == at as u32, share.tail == at as u32);
        if is_head {
            share.head = next;
        }
        if is_tail {
            share.tail = prev;
        }
        if prev != NIL {
            self.links[prev as usize].next = next;
        }
        if next != NIL {
            self.links[next as usize].prev = prev;
        }
    }
}
