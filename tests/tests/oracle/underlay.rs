//! Hosts with engines, and the underlay between them: what one engine gives is carried to the next
//! until nothing moves.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use weft_engine::{
    Config, Drop, Encap, Engine, Frame, Limits, Now, PortIndex, Sink, Verdict,
    config::{Tables, TablesOptions, owner},
};
use weft_model::{
    HostName, InterfaceId, Mac, Mtu, Vni,
    state::{Delta, StateKey},
};
use weft_packet::{headers::Headers, offload::Offload, vxlan};

/// Bytes of layer 3 that fit in the tunnel.
pub(crate) const MTU: usize = 1450;

/// Frames that one frame may lead to.
const MOST: usize = 512;

/// A host: its tables, and as many engines as it has workers.
pub(crate) struct Host {
    pub(crate) name: HostName,
    pub(crate) vtep: IpAddr,
    tables: Tables,
    engines: Vec<Engine>,
    /// What it holds, with the versions.
    pub(crate) held: BTreeMap<StateKey, u64>,
}

impl Host {
    pub(crate) fn new(name: HostName, vtep: IpAddr, workers: usize, seed: u64) -> Self {
        let options = TablesOptions {
            host: name.clone(),
            vtep,
            mtu: Mtu::try_from(MTU as u32).unwrap(),
        };
        let limits = Limits {
            // How often the router explains itself is not what is judged here.
            icmp_errors_per_second: 1_000_000_000,
            icmp_error_burst: 1_000_000_000,
            ..Limits::default()
        };
        let engine = |n| {
            let mut engine = Engine::new(limits.clone(), seed ^ n as u64);
            engine.set_share(n, workers);
            engine
        };
        Self {
            name,
            vtep,
            tables: Tables::new(options),
            engines: (0..workers).map(engine).collect(),
            held: BTreeMap::new(),
        }
    }

    /// Takes changes; the keys of those that it refused.
    pub(crate) fn apply(&mut self, deltas: Vec<(Delta, u64)>) -> Vec<(StateKey, String)> {
        let mut refused = Vec::new();
        for (delta, version) in deltas {
            let key = delta.key();
            let removal = matches!(delta, Delta::Remove(_));
            match self.tables.apply(delta) {
                Err(error) => refused.push((key, error.to_string())),
                Ok(()) if removal => {
                    self.held.remove(&key);
                }
                Ok(()) => {
                    self.held.insert(key, version);
                }
            }
        }
        let config = self.tables.publish();
        for engine in &mut self.engines {
            engine.set_config(config.clone());
        }
        refused
    }

    pub(crate) fn tick(&mut self, now: Now, budget: usize) {
        for engine in &mut self.engines {
            engine.tick(now, budget);
        }
    }

    /// The egress half, at a port that it has.
    pub(crate) fn leave(
        &mut self,
        now: Now,
        interface: InterfaceId,
        bytes: &mut [u8],
        made: &mut Made,
    ) -> Verdict {
        let config = self.tables.publish();
        let port = config.port_of(interface).expect("a port sends");
        let worker = self.worker(port.mac);
        let offload = Offload::NONE;
        let frame = Frame { bytes, offload };
        self.engines[worker].from_port(now, port.index, frame, made)
    }

    /// The ingress half of a frame from another port of it.
    pub(crate) fn arrive(
        &mut self,
        now: Now,
        port: PortIndex,
        bytes: &mut [u8],
        made: &mut Made,
    ) -> Verdict {
        // An engine without the port says so.
        let config = self.tables.publish();
        let worker = config.port(port).map_or(0, |port| self.worker(port.mac));
        let offload = Offload::NONE;
        let frame = Frame { bytes, offload };
        self.engines[worker].to_port(now, port, frame, made)
    }

    /// The ingress half of a packet from the underlay.
    pub(crate) fn emerge(
        &mut self,
        now: Now,
        source: IpAddr,
        payload: &mut [u8],
        made: &mut Made,
    ) -> Verdict {
        let inner = Headers::parse(&payload[vxlan::HEADER..]).unwrap();
        let worker = self.worker(inner.dst);
        self.engines[worker].from_tunnel(now, source, payload, Offload::NONE, made)
    }

    /// A frame from the internet, at an edge.
    pub(crate) fn enter(&mut self, bytes: &mut [u8]) -> Verdict {
        let offload = Offload::NONE;
        self.engines[0].from_outside(&mut Frame { bytes, offload })
    }

    fn worker(&self, mac: Mac) -> usize {
        owner(mac, self.engines.len())
    }

    pub(crate) fn config(&self) -> &Config {
        self.tables.config()
    }

    pub(crate) fn interface(&self, port: PortIndex) -> (InterfaceId, Mac) {
        let config = self.tables.config();
        let port = config.port(port).unwrap();
        (port.interface, port.mac)
    }
}

/// A packet that crossed the underlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crossing {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) vni: Vni,
    pub(crate) frame: Vec<u8>,
}

/// What became of a frame.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    pub(crate) delivered: Vec<(InterfaceId, Vec<u8>)>,
    pub(crate) drops: Vec<Drop>,
    pub(crate) crossings: Vec<Crossing>,
    /// What went to the internet.
    pub(crate) outside: Vec<Vec<u8>>,
}

enum Step {
    FromInternet(usize, Vec<u8>),
    FromPort(usize, InterfaceId, Vec<u8>),
    ToPort(usize, PortIndex, Vec<u8>),
    FromTunnel(usize, IpAddr, Vec<u8>),
}

/// Takes what an engine makes.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) to_port: Vec<(PortIndex, Vec<u8>)>,
    pub(crate) to_local: Vec<(PortIndex, Vec<u8>)>,
    pub(crate) to_tunnel: Vec<(Encap, Vec<u8>)>,
}

impl Made {
    pub(crate) fn is_empty(&self) -> bool {
        self.to_port.is_empty() && self.to_local.is_empty() && self.to_tunnel.is_empty()
    }
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

/// One frame's way through the hosts.
pub(crate) struct Journey<'a> {
    hosts: &'a mut [Host],
    now: Now,
    queue: VecDeque<Step>,
    fate: Fate,
}

impl<'a> Journey<'a> {
    /// The workload behind the interface sends a frame; the host must have its port.
    pub(crate) fn send(
        hosts: &'a mut [Host],
        now: Now,
        (host, interface): (usize, InterfaceId),
        frame: Vec<u8>,
    ) -> Fate {
        Self::begin(hosts, now, Step::FromPort(host, interface, frame))
    }

    /// Somebody in the internet sends a frame, and this edge gets it.
    pub(crate) fn enter(hosts: &'a mut [Host], now: Now, edge: usize, frame: Vec<u8>) -> Fate {
        Self::begin(hosts, now, Step::FromInternet(edge, frame))
    }

    fn begin(hosts: &'a mut [Host], now: Now, step: Step) -> Fate {
        let mut journey = Self {
            hosts,
            now,
            queue: VecDeque::from([step]),
            fate: Fate::default(),
        };
        for _ in 0..MOST {
            match journey.queue.pop_front() {
                Some(step) => journey.step(step),
                None => return journey.fate,
            }
        }
        panic!("one frame led to more than {MOST}: {:?}", journey.fate);
    }

    fn step(&mut self, step: Step) {
        let (now, mut made) = (self.now, Made::default());
        let (at, frame, verdict) = match step {
            Step::FromInternet(at, mut bytes) => {
                let verdict = self.hosts[at].enter(&mut bytes);
                (at, bytes, verdict)
            }
            Step::FromPort(at, interface, mut bytes) => {
                let host = &mut self.hosts[at];
                let verdict = host.leave(now, interface, &mut bytes, &mut made);
                (at, bytes, verdict)
            }
            Step::ToPort(at, port, mut bytes) => {
                let verdict = self.hosts[at].arrive(now, port, &mut bytes, &mut made);
                (at, bytes, verdict)
            }
            Step::FromTunnel(at, source, mut payload) => {
                let verdict = self.hosts[at].emerge(now, source, &mut payload, &mut made);
                (at, payload.split_off(vxlan::HEADER), verdict)
            }
        };
        self.take(at, made);
        self.settle(at, frame, verdict);
    }

    fn take(&mut self, at: usize, made: Made) {
        for (port, frame) in made.to_port {
            let (interface, _) = self.hosts[at].interface(port);
            self.fate.delivered.push((interface, frame));
        }
        for (port, frame) in made.to_local {
            self.queue.push_back(Step::ToPort(at, port, frame));
        }
        for (encap, frame) in made.to_tunnel {
            self.carry(at, encap, &frame);
        }
    }

    fn settle(&mut self, at: usize, frame: Vec<u8>, verdict: Verdict) {
        match verdict {
            Verdict::Deliver(port) => {
                let (interface, _) = self.hosts[at].interface(port);
                self.fate.delivered.push((interface, frame));
            }
            Verdict::Local(port) => self.queue.push_back(Step::ToPort(at, port, frame)),
            Verdict::Encapsulate(encap) => self.carry(at, encap, &frame),
            Verdict::Outside => self.fate.outside.push(frame),
            Verdict::Consumed => {}
            Verdict::Drop(drop) => self.fate.drops.push(drop),
        }
    }

    fn carry(&mut self, at: usize, encap: Encap, frame: &[u8]) {
        let from = self.hosts[at].vtep;
        self.fate.crossings.push(Crossing {
            from,
            to: encap.vtep,
            vni: encap.vni,
            frame: frame.to_vec(),
        });
        let payload = [&vxlan::emit(encap.vni)[..], frame].concat();
        if let Some(to) = self.hosts.iter().position(|host| host.vtep == encap.vtep) {
            self.queue.push_back(Step::FromTunnel(to, from, payload));
        }
    }
}
