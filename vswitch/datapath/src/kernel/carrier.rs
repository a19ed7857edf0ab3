//! A worker's part: what its engine compiled goes into the kernel's tables, and what passed there is
//! told to the engine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Instant,
};

use aya::maps::{HashMap as BpfHash, MapData, MapError};
use weft_engine::{
    Engine, Now,
    compiled::{CompiledHalf, CompiledNext, CompiledOrigin, CompiledWay, HalfChange, HalfId},
};

use super::{
    Kernel, KernelError,
    layout::{Flow, HALF_IN, HALF_OUT, HOP, Key4, Key6, ROUTED, TO_LOCAL, TO_TUNNEL, TO_WORKLOAD},
};

/// Outer source ports (RFC 7348 section 5): the dynamic range.
const FIRST_SOURCE_PORT: u16 = 49_152;

/// A half's key in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    V4(Key4),
    V6(Key6),
}

/// A half that the kernel holds, and how much of what passed there the engine knows.
struct Held {
    id: HalfId,
    key: Key,
    packets: u64,
    bytes: u64,
}

/// The tables of flows.
pub(super) struct Tables {
    pub(super) flows4: BpfHash<MapData, Key4, Flow>,
    pub(super) flows6: BpfHash<MapData, Key6, Flow>,
}

impl Tables {
    fn insert(&mut self, key: &Key, flow: &Flow) -> Result<(), MapError> {
        match key {
            Key::V4(key) => self.flows4.insert(key, flow, 0),
            Key::V6(key) => self.flows6.insert(key, flow, 0),
        }
    }

    fn get(&self, key: &Key) -> Result<Flow, MapError> {
        match key {
            Key::V4(key) => self.flows4.get(key, 0),
            Key::V6(key) => self.flows6.get(key, 0),
        }
    }

    fn remove(&mut self, key: &Key) {
        // Gone already is as good.
        let _ = match key {
            Key::V4(key) => self.flows4.remove(key),
            Key::V6(key) => self.flows6.remove(key),
        };
    }
}

/// What a worker gives to the kernel, and has back from it.
pub struct Carrier {
    kernel: Arc<Kernel>,
    worker: usize,
    tables: Tables,
    /// By [`HalfId::number`].
    held: Vec<Option<Held>>,
    changes: Vec<HalfChange>,
    hand: usize,
    watched: bool,
    /// The kernel's clock when the worker's began.
    began: u64,
    /// Halves that the kernel holds now.
    pub(crate) live: u64,
    /// Halves that it had no room for.
    pub(crate) refused: u64,
}

impl Carrier {
    /// Of this worker, whose clock began then.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn new(kernel: Arc<Kernel>, worker: usize, started: Instant) -> Result<Self, KernelError> {
        Ok(Self {
            tables: kernel.tables()?,
            kernel,
            worker,
            held: Vec::new(),
            changes: Vec::new(),
            hand: 0,
            watched: false,
            began: monotonic().saturating_sub(started.elapsed().as_nanos() as u64),
            live: 0,
            refused: 0,
        })
    }

    /// Whether somebody looks at the worker's traffic: then all of it comes here.
    pub(crate) fn watch(&mut self, watched: bool) {
        if self.watched != watched {
            self.watched = watched;
            self.kernel.watch(self.worker, watched);
        }
    }

    /// Brings the kernel's tables to what the engine says.
    #[inline]
    pub fn follow(&mut self, engine: &mut Engine) {
        let mut changes = std::mem::take(&mut self.changes);
        engine.take_compiled(&mut changes);
        for change in changes.drain(..) {
            self.change(engine, &change);
        }
        self.changes = changes;
    }

    /// Tells the engine what passed of some halves, at most `budget`; goes on where it left off.
    pub fn collect(&mut self, engine: &mut Engine, budget: usize) {
        for _ in 0..budget.min(self.held.len()) {
            self.hand = if self.hand + 1 < self.held.len() {
                self.hand + 1
            } else {
                0
            };
            if !self.credit(engine, self.hand) {
                self.keep_awake(self.hand);
            }
        }
    }

    /// A connection isn't idle while one of its directions is used: the other half hears of it, or it
    /// would give its next packet up.
    fn keep_awake(&mut self, number: usize) {
        let held = |number: usize| self.held.get(number)?.as_ref();
        let (Some(half), Some(other)) = (held(number), held(number ^ 1)) else {
            return;
        };
        let (key, other) = (half.key, other.key);
        let (Ok(flow), Ok(other)) = (self.tables.get(&key), self.tables.get(&other)) else {
            return;
        };
        if other.seen.saturating_sub(flow.seen) > flow.limit / 4 {
            // What passes just now goes uncounted; nothing did for a long time.
            let seen = other.seen;
            let _ = self.tables.insert(&key, &Flow { seen, ..flow });
        }
    }

    fn change(&mut self, engine: &mut Engine, change: &HalfChange) {
        let number = change.id.number();
        if number >= self.held.len() {
            self.held.resize_with(number + 1, || None);
        }
        let compiled = change.half.as_ref();
        let next = compiled.and_then(|half| self.compile(half));
        self.credit(engine, number);
        let before = self.held[number].take();
        if let Some(before) = &before {
            self.live -= 1;
            if next.as_ref().is_none_or(|(key, _)| *key != before.key) {
                self.tables.remove(&before.key);
            }
        }
        let Some((key, flow)) = next else {
            if compiled.is_some() {
                engine.refuse_compiled(&change.id);
            }
            return;
        };
        if self.tables.insert(&key, &flow).is_err() {
            self.refused += 1;
            engine.refuse_compiled(&change.id);
            return;
        }
        self.live += 1;
        self.held[number] = Some(Held {
            id: change.id,
            key,
            packets: 0,
            bytes: 0,
        });
    }

    /// Whether anything passed of the half.
    fn credit(&mut self, engine: &mut Engine, number: usize) -> bool {
        let Some(held) = &mut self.held[number] else {
            return false;
        };
        let Ok(flow) = self.tables.get(&held.key) else {
            return false;
        };
        // Another port's half may have taken the place of this one, and counts anew.
        let packets = flow.packets.saturating_sub(held.packets);
        let bytes = flow.bytes.saturating_sub(held.bytes);
        (held.packets, held.bytes) = (flow.packets, flow.bytes);
        if packets > 0 {
            let seen = Now(flow.seen.saturating_sub(self.began));
            engine.credit(&held.id, (packets, bytes), seen);
        }
        packets > 0
    }

    /// The half as the kernel's tables have it; `None` where a device or a host isn't known there.
    fn compile(&self, half: &CompiledHalf) -> Option<(Key, Flow)> {
        let device = self.kernel.device_of(half.port)?;
        let mut flow = Flow {
            // Now: the half is fresh, and what the engine saw last may lie long before the first.
            seen: monotonic(),
            limit: half.limit,
            generation: half.generation,
            port: half.port.slot() as u32,
            mtu: half.mtu,
            own: half.mac.octets(),
            ..Flow::default()
        };
        let (scope, kind) = match half.way {
            CompiledWay::Out {
                next,
                mac,
                hop,
                routed,
            } => {
                flow.other = mac.octets();
                flow.flags = (u8::from(hop) * HOP) | (u8::from(routed) * ROUTED);
                match next {
                    CompiledNext::Local(port) => {
                        flow.verdict = TO_LOCAL;
                        flow.target = self.kernel.device_of(port)?;
                    }
                    CompiledNext::Tunnel { host, vni, entropy } => {
                        flow.verdict = TO_TUNNEL;
                        flow.target = host.index();
                        flow.vni = (vni.get() << 8).to_be_bytes();
                        flow.entropy = source_port(entropy).to_be_bytes();
                    }
                }
                (device, HALF_OUT)
            }
            CompiledWay::In { from, mac } => {
                flow.verdict = TO_WORKLOAD;
                flow.target = device;
                flow.other = mac.octets();
                match from {
                    CompiledOrigin::Local => (device, HALF_IN),
                    CompiledOrigin::Tunnel { host, vni } => {
                        flow.origin = host.index();
                        (vni.get(), HALF_IN)
                    }
                }
            }
        };
        Some((key(half, scope, kind)?, flow))
    }
}

fn key(half: &CompiledHalf, scope: u32, kind: u32) -> Option<Key> {
    let kind = kind | u32::from(half.protocol);
    let ports = [half.source.1, half.destination.1].map(u16::to_be_bytes);
    match (half.source.0, half.destination.0) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Key::V4(Key4 {
            scope,
            source: Ipv4Addr::octets(&source),
            destination: Ipv4Addr::octets(&destination),
            ports,
            kind,
        })),
        (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Key::V6(Key6 {
            scope,
            source: Ipv6Addr::octets(&source),
            destination: Ipv6Addr::octets(&destination),
            ports,
            kind,
        })),
        _ => None,
    }
}

/// The same for all packets of a connection.
fn source_port(entropy: u32) -> u16 {
    // The low bits of a multiplicative hash are its weakest.
    FIRST_SOURCE_PORT | (entropy.wrapping_mul(0x9e37_79b1) >> 18) as u16
}

/// The clock that programs read, in nanoseconds.
fn monotonic() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    now.map_or(0, |now| {
        now.tv_sec() as u64 * Now::SECOND + now.tv_nsec() as u64
    })
}
