//! Hosts and the underlay between them.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use weft_model::{
    HostName, InterfaceId, Mtu, Vni,
    state::{Delta, State, Tunnel},
};
use weft_packet::{offload::Offload, vxlan};

use super::{
    frames::{Family, Way},
    tenant::Eni,
};
use crate::{
    Config, Drop, DropReason, Encap, Engine, Frame, Limits, Now, PortIndex, Sink, Verdict,
    balance::Finding,
    config::{Tables, TablesOptions},
};

/// Frames that one frame may lead to: pieces of a fragmented packet, answers.
const MAX_STEPS: usize = 256;

/// One host.
#[derive(Debug)]
struct Host {
    name: HostName,
    vtep: IpAddr,
    tables: Tables,
    engine: Engine,
}

/// A packet that crossed the underlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    pub from: IpAddr,
    pub to: IpAddr,
    pub vni: Vni,
    /// What the datapath chooses the outer source port by.
    pub entropy: u32,
    /// The UDP payload as the sender made it.
    pub payload: Vec<u8>,
}

/// What became of one frame, and of what it led to.
#[derive(Debug, Default)]
pub struct Fate {
    /// Interfaces that got a frame, in order.
    pub delivered: Vec<(InterfaceId, Vec<u8>)>,
    /// Drops, in order.
    pub drops: Vec<Drop>,
    /// What crossed the underlay.
    pub wire: Vec<Wire>,
    /// What edges gave to the internet.
    pub outside: Vec<Vec<u8>>,
}

impl Fate {
    /// The frames that the interface got.
    pub fn at(&self, eni: &Eni) -> Vec<&[u8]> {
        let own = self.delivered.iter().filter(|(i, _)| *i == eni.interface);
        own.map(|(_, frame)| frame.as_slice()).collect()
    }

    /// Whether the interface, and nobody else, got a frame, which its kernel takes.
    pub fn reached(&self, eni: &Eni) -> bool {
        let own = self.at(eni);
        let takes = |frame: &&[u8]| frame.starts_with(&eni.mac.octets()) || frame[0] & 1 == 1;
        !own.is_empty() && own.len() == self.delivered.len() && own.iter().all(takes)
    }

    /// The only drop's reason.
    #[track_caller]
    pub fn dropped(&self) -> DropReason {
        assert!(self.delivered.is_empty(), "delivered: {self:?}");
        match self.drops.as_slice() {
            [drop] => drop.reason,
            _ => panic!("not one drop: {self:?}"),
        }
    }
}

/// What is still to be carried.
#[derive(Debug)]
enum Step {
    FromPort(usize, PortIndex, Vec<u8>, Offload),
    ToPort(usize, PortIndex, Vec<u8>, Offload),
    FromTunnel(usize, IpAddr, Vec<u8>, Offload),
    FromOutside(usize, Vec<u8>),
}

/// The hosts, and the time.
#[derive(Debug)]
pub struct Net {
    hosts: Vec<Host>,
    now: Now,
}

impl Net {
    /// MTU inside the tunnel: an Ethernet underlay's less VXLAN over IPv4.
    pub const MTU: usize = 1450;

    /// Hosts that know each other's VTEPs, 192.0.2.1 and up.
    pub fn new(hosts: usize) -> Self {
        Self::with_limits(hosts, &Limits::default())
    }

    pub fn with_limits(hosts: usize, limits: &Limits) -> Self {
        Self::with_mtu(hosts, limits, Self::MTU)
    }

    /// Over an underlay that has so many bytes for the inside.
    pub fn with_mtu(hosts: usize, limits: &Limits, mtu: usize) -> Self {
        let mut net = Self {
            hosts: (0..hosts).map(|n| Host::new(n, limits, mtu)).collect(),
            now: Now::from_secs(1000),
        };
        for n in 0..hosts {
            net.everywhere(&Delta::Upsert(State::Tunnel(Tunnel {
                host: net.hosts[n].name.clone(),
                vtep: net.hosts[n].vtep,
                zone: if n == 0 { "a" } else { "b" }.parse().unwrap(),
            })));
        }
        net
    }

    pub fn host_name(&self, host: usize) -> HostName {
        self.hosts[host].name.clone()
    }

    pub fn vtep(&self, host: usize) -> IpAddr {
        self.hosts[host].vtep
    }

    pub fn engine(&self, host: usize) -> &Engine {
        &self.hosts[host].engine
    }

    /// The engine with the time, for who wants to call it by hand.
    pub fn engine_mut(&mut self, host: usize) -> (&mut Engine, Now) {
        (&mut self.hosts[host].engine, self.now)
    }

    pub fn now(&self) -> Now {
        self.now
    }

    /// Time goes by, and every engine expires what is due.
    pub fn pass(&mut self, nanoseconds: u64) {
        self.now = self.now.plus(nanoseconds);
        for host in &mut self.hosts {
            host.engine.tick(self.now, usize::MAX);
            host.engine.attend(self.now, &mut Made::default());
        }
    }

    /// Time goes by, and no engine has looked yet at what is over.
    pub fn pass_unseen(&mut self, nanoseconds: u64) {
        self.now = self.now.plus(nanoseconds);
    }

    /// Every engine goes on with its health checks, and what they send is delivered.
    pub fn check_targets(&mut self) -> Fate {
        let (mut queue, mut fate) = (VecDeque::new(), Fate::default());
        for host in 0..self.hosts.len() {
            let mut made = Made::default();
            let now = self.now;
            let engine = &mut self.hosts[host].engine;
            engine.check_targets(now, |_| true, &mut made);
            self.made(host, made, &mut queue, &mut fate);
        }
        fate
    }

    /// What the host's checks have found since the last time.
    pub fn findings(&mut self, host: usize) -> Vec<Finding> {
        self.hosts[host].engine.take_findings()
    }

    /// A change on every host that it can be applied to.
    pub fn everywhere(&mut self, delta: &Delta) {
        for host in 0..self.hosts.len() {
            self.on(host, delta);
        }
    }

    /// A change on one host.
    pub fn on(&mut self, host: usize, delta: &Delta) {
        self.apply(host, [delta.clone()]);
    }

    /// Changes on one host, published at once.
    pub fn apply(&mut self, host: usize, deltas: impl IntoIterator<Item = Delta>) {
        let host = &mut self.hosts[host];
        for delta in deltas {
            host.tables.apply(delta).unwrap();
        }
        host.engine.set_config(host.tables.publish());
    }

    /// What the host's engine works by.
    pub fn config(&self, host: usize) -> Arc<Config> {
        Arc::new(self.hosts[host].tables.config().clone())
    }

    pub fn port_of(&self, eni: &Eni) -> PortIndex {
        let config = self.hosts[eni.host].tables.config();
        config.port_of(eni.interface).unwrap().index
    }

    /// From one interface to another, with the MACs that a workload would use.
    pub fn way(&self, from: &Eni, to: &Eni, family: Family) -> Way {
        Way {
            src_mac: from.mac,
            dst_mac: from.next_hop(to),
            src: from.address(family),
            dst: to.address(family),
            ttl: 64,
            dont_fragment: true,
        }
    }

    /// From an interface to any address, through the router.
    pub fn way_out(&self, from: &Eni, to: IpAddr) -> Way {
        let family = if to.is_ipv4() { Family::V4 } else { Family::V6 };
        Way {
            src_mac: from.mac,
            dst_mac: weft_model::Mac::ROUTER,
            src: from.address(family),
            dst: to,
            ttl: 64,
            dont_fragment: true,
        }
    }

    /// The workload behind the interface sends a frame.
    pub fn send(&mut self, from: &Eni, frame: Vec<u8>) -> Fate {
        self.send_offloaded(from, frame, Offload::NONE)
    }

    pub fn send_offloaded(&mut self, from: &Eni, frame: Vec<u8>, offload: Offload) -> Fate {
        let port = self.port_of(from);
        self.run(Step::FromPort(from.host, port, frame, offload))
    }

    /// The underlay brings the host a UDP payload.
    pub fn inject(&mut self, host: usize, source: IpAddr, payload: Vec<u8>) -> Fate {
        self.run(Step::FromTunnel(host, source, payload, Offload::NONE))
    }

    /// The internet brings the edge a frame.
    pub fn from_outside(&mut self, edge: usize, frame: Vec<u8>) -> Fate {
        self.run(Step::FromOutside(edge, frame))
    }

    fn run(&mut self, first: Step) -> Fate {
        let mut fate = Fate::default();
        let mut queue = VecDeque::from([first]);
        for _ in 0..MAX_STEPS {
            let Some(step) = queue.pop_front() else {
                return fate;
            };
            self.step(step, &mut queue, &mut fate);
        }
        panic!("one frame led to more than {MAX_STEPS}: {fate:?}");
    }

    fn step(&mut self, step: Step, queue: &mut VecDeque<Step>, fate: &mut Fate) {
        let now = self.now;
        let mut made = Made::default();
        let (host, frame, offload, verdict) = match step {
            Step::FromPort(host, port, mut bytes, offload) => {
                let frame = Frame {
                    bytes: &mut bytes,
                    offload,
                };
                let verdict = self.hosts[host]
                    .engine
                    .from_port(now, port, frame, &mut made);
                (host, bytes, offload, verdict)
            }
            Step::ToPort(host, port, mut bytes, offload) => {
                let frame = Frame {
                    bytes: &mut bytes,
                    offload,
                };
                let verdict = self.hosts[host].engine.to_port(now, port, frame, &mut made);
                (host, bytes, offload, verdict)
            }
            Step::FromOutside(host, mut bytes) => {
                let offload = Offload::NONE;
                let mut frame = Frame {
                    bytes: &mut bytes,
                    offload,
                };
                let verdict = self.hosts[host].engine.from_outside(&mut frame);
                (host, bytes, offload, verdict)
            }
            Step::FromTunnel(host, source, mut payload, offload) => {
                let engine = &mut self.hosts[host].engine;
                let verdict = engine.from_tunnel(now, source, &mut payload, offload, &mut made);
                let inner = payload.split_off(vxlan::HEADER.min(payload.len()));
                (host, inner, offload, verdict)
            }
        };
        self.made(host, made, queue, fate);
        match verdict {
            Verdict::Outside => fate.outside.push(frame),
            Verdict::Deliver(port) => fate.delivered.push((self.interface(host, port), frame)),
            Verdict::Local(port) => queue.push_back(Step::ToPort(host, port, frame, offload)),
            Verdict::Encapsulate(encap) => self.carry(host, encap, &frame, offload, queue, fate),
            Verdict::Consumed => {}
            Verdict::Drop(drop) => fate.drops.push(drop),
        }
    }

    fn made(&mut self, host: usize, made: Made, queue: &mut VecDeque<Step>, fate: &mut Fate) {
        for (port, frame) in made.to_port {
            fate.delivered.push((self.interface(host, port), frame));
        }
        for (port, frame) in made.to_local {
            queue.push_back(Step::ToPort(host, port, frame, Offload::NONE));
        }
        for (encap, frame) in made.to_tunnel {
            self.carry(host, encap, &frame, Offload::NONE, queue, fate);
        }
    }

    fn carry(
        &self,
        from: usize,
        encap: Encap,
        frame: &[u8],
        offload: Offload,
        queue: &mut VecDeque<Step>,
        fate: &mut Fate,
    ) {
        let payload = [&vxlan::emit(encap.vni)[..], frame].concat();
        let source = self.hosts[from].vtep;
        if let Some(to) = self.hosts.iter().position(|host| host.vtep == encap.vtep) {
            queue.push_back(Step::FromTunnel(to, source, payload.clone(), offload));
        }
        fate.wire.push(Wire {
            from: source,
            to: encap.vtep,
            vni: encap.vni,
            entropy: encap.entropy,
            payload,
        });
    }

    fn interface(&self, host: usize, port: PortIndex) -> InterfaceId {
        let config = self.hosts[host].tables.config();
        config.port(port).unwrap().interface
    }
}

impl Host {
    fn new(n: usize, limits: &Limits, mtu: usize) -> Self {
        let name: HostName = format!("h{n}").parse().unwrap();
        let vtep = IpAddr::V4(Ipv4Addr::new(192, 0, 2, n as u8 + 1));
        let options = TablesOptions {
            host: name.clone(),
            vtep,
            mtu: Mtu::try_from(mtu as u32).unwrap(),
        };
        Self {
            name,
            vtep,
            tables: Tables::new(options),
            engine: Engine::new(limits.clone(), n as u64 + 1),
        }
    }
}

/// What an engine made of one frame.
#[derive(Debug, Default)]
struct Made {
    to_port: Vec<(PortIndex, Vec<u8>)>,
    to_local: Vec<(PortIndex, Vec<u8>)>,
    to_tunnel: Vec<(Encap, Vec<u8>)>,
}

impl Sink for Made {
    fn to_port(&mut self, port: PortIndex, frame: &[u8]) {
        self.to_port.push((port, frame.to_vec()));
    }

    fn to_local(&mut self, port: PortIndex, frame: &[u8]) {
        self.to_local.push((port, frame.to_vec()));
    }

    fn to_tunnel(&mut self, encap: Encap, frame: &[u8]) {
        self.to_tunnel.push((encap, frame.to_vec()));
    }
}
