//! The kernel's programs and the engine, packet by packet: what the programs carry on themselves must
//! come out as the engine would have it, to the byte.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::{net::IpAddr, sync::Arc, time::Instant};

use support::{Eni, Namespace, address, tables, with_namespaces};
use weft_datapath::{
    Vtep,
    kernel::{Carrier, Fault, Kernel, KernelOptions, Program, Ran, Wires, probe},
};
use weft_engine::{Encap, Engine, Frame, Limits, Now, PortIndex, Sink, Verdict};
use weft_model::Mac;
use weft_packet::{offload::Offload as Offloads, vxlan};

/// Packets of each run; `WEFT_DIFFERENTIAL_PACKETS` asks for more.
const PACKETS: usize = 30_000;
const ETHERNET: usize = 14;
const OUTER: usize = ETHERNET + 20 + 8 + 8;

struct Nowhere;

impl Sink for Nowhere {
    fn to_port(&mut self, _: PortIndex, _: &[u8]) {}
    fn to_local(&mut self, _: PortIndex, _: &[u8]) {}
    fn to_tunnel(&mut self, _: Encap, _: &[u8]) {}
}

/// Random numbers of a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }
}

/// One host: its engine, and the programs beside it.
struct Side {
    vtep: IpAddr,
    engine: Engine,
    kernel: Arc<Kernel>,
    carrier: Carrier,
}

struct Rig {
    sides: [Side; 2],
    enis: [Eni; 3],
    ports: [PortIndex; 3],
    started: Instant,
    _workload: Namespace,
}

/// A connection between two of the interfaces, as its client's packets show it.
#[derive(Clone, Copy)]
struct Connection {
    client: usize,
    server: usize,
    tcp: bool,
    v6: bool,
    ports: (u16, u16),
}

/// What a packet of it is like.
#[derive(Debug, Clone, Copy)]
struct Shape {
    reply: bool,
    flags: u8,
    ttl: u8,
    payload: usize,
    other_port: bool,
    source: Option<Mac>,
    options: bool,
    fragment: bool,
}

impl Shape {
    const fn plain(reply: bool, flags: u8) -> Self {
        Self {
            reply,
            flags,
            ttl: 64,
            payload: 10,
            other_port: false,
            source: None,
            options: false,
            fragment: false,
        }
    }

    fn random(dice: &mut Dice) -> Self {
        let rare = |dice: &mut Dice| dice.one_in(25);
        Self {
            reply: dice.one_in(2),
            flags: match rare(dice) {
                true => dice.roll(64) as u8,
                false => 0x10 | (dice.roll(2) as u8) << 3,
            },
            ttl: match rare(dice) {
                true => dice.roll(3) as u8,
                false => 2 + dice.roll(254) as u8,
            },
            payload: match rare(dice) {
                true => 1380 + dice.roll(100),
                false => dice.roll(300),
            },
            other_port: rare(dice),
            source: rare(dice).then(|| Mac::local(77)),
            options: rare(dice),
            fragment: rare(dice),
        }
    }
}

impl Rig {
    /// In the namespace that the thread is in.
    fn new(namespace: &Namespace, fault: Fault) -> Self {
        let workload = Namespace::new();
        let vteps = ["192.0.2.1", "192.0.2.2"].map(address);
        let enis = [(0, 1, 10), (1, 2, 11), (0, 2, 12)].map(|(host, subnet, last)| Eni {
            host,
            subnet,
            last,
        });
        namespace.ip("link add u0 type veth peer name u1");
        namespace.ip("addr add 192.0.2.1/24 dev u0");
        namespace.ip("addr add 192.0.2.2/24 dev u1");
        namespace.ip("link set u0 up");
        namespace.ip("link set u1 up");
        for eni in &enis {
            let last = eni.last;
            let peer = workload.thread();
            namespace.ip(&format!(
                "link add wv{last} type veth peer name w{last} netns {peer}"
            ));
            namespace.ip(&format!("link add wt{last} type veth peer name x{last}"));
        }
        let started = Instant::now();
        let mut sides = [0, 1].map(|n| {
            let tables = tables(n, &vteps, &enis, 1450);
            let config = Arc::new(tables.config().clone());
            let mut engine = Engine::new(Limits::default(), 1);
            engine.set_config(Arc::clone(&config));
            engine.begin_compiling();
            let kernel = load(vteps[n], fault);
            for eni in enis.iter().filter(|eni| eni.host == n) {
                let port = config.port_of(eni.id()).unwrap().index;
                let (veth, tap) = (format!("wv{}", eni.last), format!("wt{}", eni.last));
                let wires = Wires {
                    veth: &veth,
                    tap: &tap,
                };
                kernel.attach_port(port, &wires).unwrap();
            }
            kernel.configure(&config).unwrap();
            let carrier = Carrier::new(Arc::clone(&kernel), 0, started).unwrap();
            Side {
                vtep: vteps[n],
                engine,
                kernel,
                carrier,
            }
        });
        // The programs send only where the underlay's routes are known.
        support::until(|| sides.iter().all(|side| side.kernel.knows_ways()));
        let ports = enis.map(|eni| {
            let tables = tables(eni.host, &vteps, &enis, 1450);
            tables.config().port_of(eni.id()).unwrap().index
        });
        for side in &mut sides {
            side.carrier.follow(&mut side.engine);
        }
        Self {
            sides,
            enis,
            ports,
            started,
            _workload: workload,
        }
    }

    fn now(&self) -> Now {
        Now(self.started.elapsed().as_nanos() as u64)
    }

    /// A packet of the connection as its sender's workload sends it.
    fn frame(&self, connection: Connection, shape: Shape) -> Vec<u8> {
        let (mut from, mut to) = (connection.client, connection.server);
        let (mut source, mut destination) = connection.ports;
        if shape.reply {
            (from, to) = (to, from);
            (source, destination) = (destination, source);
        }
        if shape.other_port {
            destination ^= 1;
        }
        let (from, to) = (&self.enis[from], &self.enis[to]);
        let next = match from.subnet == to.subnet {
            true => to.mac(),
            false => Mac::ROUTER,
        };
        let l4 = l4(connection.tcp, (source, destination), shape);
        let mut frame = next.octets().to_vec();
        frame.extend(shape.source.unwrap_or(from.mac()).octets());
        if connection.v6 {
            ipv6(&mut frame, (from, to), connection.tcp, shape, &l4);
        } else {
            ipv4(&mut frame, (from, to), connection.tcp, shape, &l4);
        }
        frame
    }

    /// Lets the engines, and the programs where they can, have the packet; what the programs did must
    /// be what the engines did. Whether the programs carried it on out of its port and into the other.
    fn pass(&mut self, connection: Connection, shape: Shape) -> Result<(bool, bool), String> {
        let sender = match shape.reply {
            true => connection.server,
            false => connection.client,
        };
        let now = self.now();
        let frame = self.frame(connection, shape);
        let eni = self.enis[sender];
        let here = &mut self.sides[eni.host];
        let veth = format!("wv{}", eni.last);
        let ran = here.run(Program::FromPort, &frame, &veth);
        let mut bytes = frame.clone();
        let packet = Frame {
            bytes: &mut bytes,
            offload: Offloads::NONE,
        };
        let verdict = here
            .engine
            .from_port(now, self.ports[sender], packet, &mut Nowhere);
        let verdict = match verdict {
            Verdict::Local(port) => {
                let packet = Frame {
                    bytes: &mut bytes,
                    offload: Offloads::NONE,
                };
                here.engine.to_port(now, port, packet, &mut Nowhere)
            }
            other => other,
        };
        here.carrier.follow(&mut here.engine);
        let out = ran.carried(&frame);
        if out {
            check_out(here.vtep, &verdict, &bytes, &ran)?;
        }
        if out && connection.tcp && shape.flags & 0x07 != 0 {
            return Err(format!("the engine never saw {shape:?}"));
        }
        let Verdict::Encapsulate(encap) = verdict else {
            return Ok((out, false));
        };
        let from = here.vtep;
        let into = self.arrive(from, encap, &bytes)?;
        Ok((out, into))
    }

    /// The same at the other host.
    fn arrive(&mut self, from: IpAddr, encap: Encap, inner: &[u8]) -> Result<bool, String> {
        let now = self.now();
        let there = &mut self.sides[1 - usize::from(from == self.sides[1].vtep)];
        let frame = outer(from, there.vtep, encap, inner);
        let ran = there.run(Program::FromUnderlay, &frame, "u1");
        let mut payload = frame[OUTER - 8..].to_vec();
        let verdict =
            there
                .engine
                .from_tunnel(now, from, &mut payload, Offloads::NONE, &mut Nowhere);
        there.carrier.follow(&mut there.engine);
        if !ran.carried(&frame) {
            return Ok(false);
        }
        match verdict {
            Verdict::Deliver(_) if ran.bytes == payload[vxlan::HEADER..] => Ok(true),
            other => Err(format!(
                "the programs delivered {:x?}, the engine says {other:?} of {payload:x?}",
                ran.bytes
            )),
        }
    }
}

impl Side {
    fn run(&self, program: Program, frame: &[u8], device: &str) -> Ran {
        self.kernel.run(program, frame, device).unwrap()
    }
}

fn load(vtep: IpAddr, fault: Fault) -> Arc<Kernel> {
    let options = KernelOptions {
        vtep: Vtep {
            address: vtep,
            port: 4789,
        },
        workers: 1,
        flows: 1 << 12,
    };
    Arc::new(Kernel::load_with(&options, fault).unwrap())
}

/// What left the port is what the engine says.
fn check_out(vtep: IpAddr, verdict: &Verdict, bytes: &[u8], ran: &Ran) -> Result<(), String> {
    match verdict {
        Verdict::Deliver(_) if ran.bytes == bytes => Ok(()),
        Verdict::Encapsulate(encap) => {
            let wanted = outer(vtep, encap.vtep, *encap, bytes);
            let mut got = ran.bytes.clone();
            // Ethernet's header is the neighbour's business, and the source port free.
            got[..12].copy_from_slice(&wanted[..12]);
            got[34..36].copy_from_slice(&wanted[34..36]);
            match got == wanted {
                true => Ok(()),
                false => Err(format!(
                    "the programs sent {got:x?}, the engine {wanted:x?}"
                )),
            }
        }
        other => Err(format!(
            "the programs sent {:x?}, the engine says {other:?} of {bytes:x?}",
            ran.bytes
        )),
    }
}

fn l4(tcp: bool, (source, destination): (u16, u16), shape: Shape) -> Vec<u8> {
    let mut l4 = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    let payload = vec![0x5a; shape.payload];
    if tcp {
        l4.extend([
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            2,
            0x50,
            shape.flags,
            1,
            0,
            0xab,
            0xcd,
            0,
            0,
        ]);
    } else {
        l4.extend((8 + shape.payload as u16).to_be_bytes());
        l4.extend([0xab, 0xcd]);
    }
    l4.extend(payload);
    l4
}

fn protocol(tcp: bool) -> u8 {
    if tcp { 6 } else { 17 }
}

fn ipv4(frame: &mut Vec<u8>, (from, to): (&Eni, &Eni), tcp: bool, shape: Shape, l4: &[u8]) {
    frame.extend([8, 0]);
    let options: &[u8] = if shape.options { &[1, 1, 1, 1] } else { &[] };
    let at = frame.len();
    let words = 5 + options.len() as u8 / 4;
    frame.extend([0x40 | words, 0]);
    frame.extend((20 + options.len() as u16 + l4.len() as u16).to_be_bytes());
    let more = if shape.fragment { 0x20 } else { 0 };
    frame.extend([0, 7, more, 0, shape.ttl, protocol(tcp), 0, 0]);
    frame.extend(from.ipv4().octets());
    frame.extend(to.ipv4().octets());
    frame.extend(options);
    let sum = weft_packet::checksum::Sum::of(&frame[at..]).checksum();
    frame[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(l4);
}

fn ipv6(frame: &mut Vec<u8>, (from, to): (&Eni, &Eni), tcp: bool, shape: Shape, l4: &[u8]) {
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    let options: &[u8] = match shape.options {
        true => &[protocol(tcp), 0, 1, 4, 0, 0, 0, 0],
        false => &[],
    };
    let next = if shape.options { 60 } else { protocol(tcp) };
    frame.extend((options.len() as u16 + l4.len() as u16).to_be_bytes());
    frame.extend([next, shape.ttl]);
    frame.extend(from.ipv6().octets());
    frame.extend(to.ipv6().octets());
    frame.extend(options);
    frame.extend(l4);
}

/// The packet in the tunnel, as the programs write it.
fn outer(from: IpAddr, to: IpAddr, encap: Encap, inner: &[u8]) -> Vec<u8> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) else {
        panic!("an IPv4 underlay");
    };
    let mut frame = [[2; 6], [4; 6]].concat();
    frame.extend([8, 0]);
    let length = 20 + 16 + inner.len() as u16;
    frame.extend([0x45, 0]);
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    frame.extend(from.octets());
    frame.extend(to.octets());
    let sum = weft_packet::checksum::Sum::of(&frame[ETHERNET..]).checksum();
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend([0xc0, 0, 0x12, 0xb5]);
    frame.extend((length - 20).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(vxlan::emit(encap.vni));
    frame.extend(inner);
    frame
}

/// Begins connections of all kinds and lets random packets of them pass: how many the programs carried
/// on out of ports and into them, or the first difference.
fn differ(fault: Fault, packets: usize) -> Result<(usize, usize), String> {
    let namespace = Namespace::new();
    namespace.within(|| differ_in(&namespace, fault, packets))
}

fn differ_in(
    namespace: &Namespace,
    fault: Fault,
    packets: usize,
) -> Result<(usize, usize), String> {
    let mut rig = Rig::new(namespace, fault);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let connections: Vec<Connection> = (0..48)
        .map(|n| Connection {
            client: n % 2 * 2,
            server: if n % 3 == 0 { 2 - n % 2 * 2 } else { 1 },
            tcp: n % 4 < 2,
            v6: n % 8 < 4,
            ports: (30_000 + 2 * n as u16, 80),
        })
        .filter(|connection| connection.client != connection.server)
        .collect();
    for &connection in &connections {
        for (reply, flags) in [(false, 2), (true, 0x12), (false, 0x10), (true, 0x10)] {
            rig.pass(connection, Shape::plain(reply, flags))?;
        }
    }
    let mut carried = (0, 0);
    for _ in 0..packets {
        let connection = connections[dice.roll(connections.len())];
        let shape = Shape::random(&mut dice);
        let (out, into) = rig.pass(connection, shape)?;
        carried.0 += usize::from(out);
        carried.1 += usize::from(into);
        if shape.flags & 0x07 != 0 && connection.tcp {
            // It may be over: begin anew.
            for (reply, flags) in [(false, 2), (true, 0x12), (false, 0x10), (true, 0x10)] {
                rig.pass(connection, Shape::plain(reply, flags))?;
            }
        }
    }
    Ok(carried)
}

fn with_kernel(name: &str, test: impl FnOnce()) {
    with_namespaces(name, || match probe() {
        Ok(()) => test(),
        Err(reason) => weft_tests::skip(&reason.to_string()),
    });
}

#[test]
fn the_programs_do_to_a_packet_what_the_engine_does() {
    with_kernel("the_programs_do_to_a_packet_what_the_engine_does", || {
        let asked = std::env::var("WEFT_DIFFERENTIAL_PACKETS").ok();
        let packets = asked.map_or(PACKETS, |text| text.parse().unwrap());
        let (out, into) = differ(Fault::None, packets).unwrap();
        assert!(
            out > packets / 2,
            "only {out} of {packets} left by the programs"
        );
        assert!(
            into > packets / 4,
            "only {into} of {packets} arrived by them"
        );
    });
}

#[test]
fn every_fault_that_is_put_into_the_programs_is_found() {
    with_kernel("every_fault_that_is_put_into_the_programs_is_found", || {
        for fault in Fault::ALL {
            let found = differ(fault, PACKETS);
            assert!(found.is_err(), "{fault:?} was not found: {found:?}");
        }
    });
}
