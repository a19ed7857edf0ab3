//! A packet of a known connection costs no allocation, in either half.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
// A global allocator can't be written without it; it only counts and passes on.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use weft_engine::{
    Encap, Frame, PortIndex, Sink, Verdict,
    testing::{Eni, Family, Net, Seg, everything, tcp_port},
};
use weft_model::Peer;
use weft_packet::{offload::Offload, vxlan};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain cell of this
// thread that needs no allocation to be made.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are the ones that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A flow hit makes no frame.
struct Nothing;

impl Sink for Nothing {
    fn to_port(&mut self, _: PortIndex, _: &[u8]) {
        panic!("made a frame");
    }
    fn to_local(&mut self, _: PortIndex, _: &[u8]) {
        panic!("made a frame");
    }
    fn to_tunnel(&mut self, _: Encap, _: &[u8]) {
        panic!("made a frame");
    }
}

/// A connection from host 0 to the given host, and one segment of it.
fn connected(family: Family, host: usize) -> (Net, Eni, Eni, Vec<u8>) {
    let mut net = Net::new(2);
    let tenant = net.tenant(1);
    let clients = net.group(tenant, 1, vec![], everything());
    let peers = ["10.0.0.0/16", "fd00:0:0:100::/56"].map(|p| Peer::Cidr(p.parse().unwrap()));
    let servers = net.group(tenant, 2, tcp_port(80, peers), vec![]);
    let client = net.attach(tenant, 0, (1, 10), &[clients]);
    let server = net.attach(tenant, host, (2, 20), &[servers]);
    let (there, back) = (
        net.way(&client, &server, family),
        net.way(&server, &client, family),
    );
    for (from, frame) in [
        (&client, there.tcp((4000, 80), Seg::SYN, b"")),
        (&server, back.tcp((80, 4000), Seg::SYN_ACK, b"")),
        (&client, there.tcp((4000, 80), Seg::ACK, b"")),
    ] {
        assert!(!net.send(from, frame).delivered.is_empty());
    }
    let segment = there.tcp((4000, 80), Seg::ACK, &[1; 1000]);
    (net, client, server, segment)
}

const PACKETS: usize = 1000;

/// Allocations over a thousand runs of `packet`.
fn count(mut packet: impl FnMut()) -> u64 {
    let before = ALLOCATIONS.get();
    for _ in 0..PACKETS {
        packet();
    }
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(
        count(|| drop(std::hint::black_box(Box::new(1)))),
        PACKETS as u64
    );
}

#[test]
fn no_allocation_out_of_a_port_on_a_flow_hit() {
    for (family, host) in [
        (Family::V4, 1),
        (Family::V6, 1),
        (Family::V4, 0),
        (Family::V6, 0),
    ] {
        let (mut net, client, _, segment) = connected(family, host);
        let port = net.port_of(&client);
        let (engine, now) = net.engine_mut(0);
        let mut bytes = segment.clone();
        let counted = count(|| {
            bytes.copy_from_slice(&segment);
            let frame = Frame {
                bytes: &mut bytes,
                offload: Offload::NONE,
            };
            let verdict = engine.from_port(now, port, frame, &mut Nothing);
            let sent = matches!(verdict, Verdict::Encapsulate(_) | Verdict::Local(_));
            assert!(sent, "{verdict:?}");
        });
        assert_eq!(counted, 0, "{family:?} to host {host}");
    }
}

#[test]
fn no_allocation_into_a_port_on_a_flow_hit() {
    for family in Family::BOTH {
        let (mut net, client, server, segment) = connected(family, 1);
        let wire = net.send(&client, segment).wire.remove(0);
        let (port, source) = (net.port_of(&server), net.vtep(0));
        let (engine, now) = net.engine_mut(1);
        let mut bytes = wire.payload.clone();
        let tunnel = count(|| {
            bytes.copy_from_slice(&wire.payload);
            let verdict = engine.from_tunnel(now, source, &mut bytes, Offload::NONE, &mut Nothing);
            assert_eq!(verdict, Verdict::Deliver(port));
        });
        let local = count(|| {
            bytes.copy_from_slice(&wire.payload);
            let bytes = &mut bytes[vxlan::HEADER..];
            let frame = Frame {
                bytes,
                offload: Offload::NONE,
            };
            let verdict = engine.to_port(now, port, frame, &mut Nothing);
            assert_eq!(verdict, Verdict::Deliver(port));
        });
        assert_eq!((tunnel, local), (0, 0), "{family:?}");
    }
}
