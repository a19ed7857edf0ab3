//! Two kernel datapaths, real kernels' TCP and UDP between their workloads.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::Arc,
    time::Duration,
};

use support::{Eni, Host, Namespace, address, cable, tables, with_namespaces};
use weft_datapath::{
    Vtep, WatchFilter,
    kernel::{Kernel, KernelCounters, KernelOptions, Wires, probe},
};
use weft_engine::{Config, Limits};
use weft_model::{PortOptions, port_options::PacketRate};

const PATIENCE: Duration = Duration::from_secs(10);

/// Two hosts with a cable; a workload on each, and one more on the first.
struct Rig {
    hosts: [Host; 2],
    workloads: [Namespace; 3],
    enis: [Eni; 3],
    vteps: [IpAddr; 2],
    underlay: [Namespace; 2],
}

impl Rig {
    fn new(vteps: [&str; 2], prefix: u8, workers: usize) -> Self {
        Self::limited(vteps, prefix, workers, &Limits::default())
    }

    fn limited(vteps: [&str; 2], prefix: u8, workers: usize, limits: &Limits) -> Self {
        let underlay = [Namespace::new(), Namespace::new()];
        let [a, b] = vteps.map(|vtep| format!("{vtep}/{prefix}"));
        cable((&underlay[0], &a), (&underlay[1], &b), 1500);
        let vteps = vteps.map(address);
        let enis = [(0, 1, 10), (1, 2, 11), (0, 2, 12)].map(|(host, subnet, last)| Eni {
            host,
            subnet,
            last,
        });
        let workloads = [Namespace::new(), Namespace::new(), Namespace::new()];
        let mut hosts = [0, 1].map(|n| {
            let tables = tables(n, &vteps, &enis, mtu(vteps[0]));
            Host::start_kernel(&underlay[n], &tables, vteps[n], workers, limits.clone())
        });
        for (eni, workload) in enis.iter().zip(&workloads) {
            hosts[eni.host].plug_kernel(eni, &underlay[eni.host], workload);
        }
        Self {
            hosts,
            workloads,
            enis,
            vteps,
            underlay,
        }
    }

    /// Sends as much from the first workload to another, which must get the same bytes, and as much
    /// comes back.
    fn transfer(&self, to: usize, address: IpAddr, bytes: usize) {
        let listener = self.workloads[to].within(|| TcpListener::bind((address, 0)).unwrap());
        let target = listener.local_addr().unwrap();
        let receiver = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut got = vec![0; bytes];
            stream.read_exact(&mut got).unwrap();
            stream.write_all(&got).unwrap();
            got
        });
        let sent = pattern(bytes);
        let mut stream = self.connect(target).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&sent).unwrap();
        let mut back = vec![0; bytes];
        stream.read_exact(&mut back).unwrap();
        assert!(receiver.join().unwrap() == sent, "the bytes differ");
        assert!(back == sent, "the bytes that came back differ");
    }

    fn connect(&self, target: SocketAddr) -> std::io::Result<TcpStream> {
        let patience = match target.port() {
            9 => Duration::from_millis(300),
            _ => PATIENCE,
        };
        self.workloads[0].within(|| TcpStream::connect_timeout(&target, patience))
    }

    fn counters(&self) -> [KernelCounters; 2] {
        [0, 1].map(|host: usize| self.hosts[host].kernel().counters().unwrap())
    }

    /// Publishes a configuration at the first host.
    fn publish(&self, change: impl FnOnce(&mut weft_engine::config::Tables)) {
        let mut tables = tables(0, &self.vteps, &self.enis, mtu(self.vteps[0]));
        change(&mut tables);
        let config: Arc<Config> = tables.publish();
        let publish = || self.hosts[0].datapath.publish(config).unwrap();
        self.underlay[0].within(publish);
    }
}

fn mtu(vtep: IpAddr) -> u16 {
    if vtep.is_ipv4() { 1450 } else { 1430 }
}

fn pattern(bytes: usize) -> Vec<u8> {
    let words = (0..bytes as u64 / 8 + 1)
        .flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
    words.take(bytes).collect()
}

fn with_kernel(name: &str, test: impl FnOnce()) {
    with_namespaces(name, || match probe() {
        Ok(()) => test(),
        Err(reason) => weft_tests::skip(&reason.to_string()),
    });
}

#[test]
fn a_connection_between_hosts_goes_on_in_the_kernel_over_both_families() {
    let name = "a_connection_between_hosts_goes_on_in_the_kernel_over_both_families";
    with_kernel(name, || {
        let rig = Rig::new(["192.0.2.1", "192.0.2.2"], 24, 2);
        for address in [rig.enis[1].ipv4().into(), rig.enis[1].ipv6().into()] {
            let before = rig.counters();
            rig.transfer(1, address, 8 << 20);
            let after = rig.counters();
            for (before, after) in before.iter().zip(&after) {
                assert!(after.out > before.out + 100, "{before:?} {after:?}");
                assert!(after.into > before.into + 100, "{before:?} {after:?}");
                let upcalls = after.upcalls_out - before.upcalls_out;
                assert!(upcalls < 100, "{before:?} {after:?}");
            }
        }
    });
}

#[test]
fn a_connection_between_hosts_goes_on_over_an_ipv6_underlay() {
    let name = "a_connection_between_hosts_goes_on_over_an_ipv6_underlay";
    with_kernel(name, || {
        let rig = Rig::new(["fd01::1", "fd01::2"], 64, 1);
        rig.transfer(1, rig.enis[1].ipv4().into(), 1 << 20);
        rig.transfer(1, rig.enis[1].ipv6().into(), 1 << 20);
        assert!(rig.counters().iter().all(|host| host.into > 10));
    });
}

#[test]
fn a_connection_on_one_host_goes_on_in_the_kernel() {
    with_kernel("a_connection_on_one_host_goes_on_in_the_kernel", || {
        let rig = Rig::new(["192.0.2.1", "192.0.2.2"], 24, 2);
        for address in [rig.enis[2].ipv4().into(), rig.enis[2].ipv6().into()] {
            let before = rig.counters()[0];
            rig.transfer(2, address, 8 << 20);
            let after = rig.counters()[0];
            assert!(after.out > before.out + 200, "{before:?} {after:?}");
            assert!(after.upcalls_out < before.upcalls_out + 100);
        }
    });
}

#[test]
fn what_policy_refuses_stays_out_of_the_kernel_too() {
    with_kernel("what_policy_refuses_stays_out_of_the_kernel_too", || {
        let rig = Rig::new(["192.0.2.1", "192.0.2.2"], 24, 1);
        let target = SocketAddr::new(rig.enis[1].ipv4().into(), 9);
        let _listener = rig.workloads[1].within(|| TcpListener::bind(target).unwrap());
        assert!(rig.connect(target).is_err());
        rig.transfer(1, rig.enis[1].ipv4().into(), 1 << 20);
    });
}

#[test]
fn a_change_of_the_vpc_sends_a_connection_through_the_engine_and_back() {
    let name = "a_change_of_the_vpc_sends_a_connection_through_the_engine_and_back";
    with_kernel(name, || {
        let rig = Rig::new(["192.0.2.1", "192.0.2.2"], 24, 1);
        let address = rig.enis[1].ipv4();
        let server = rig.workloads[1].within(|| UdpSocket::bind((address, 0)).unwrap());
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let client = rig.workloads[0].within(|| UdpSocket::bind("0.0.0.0:0").unwrap());
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let echo = || {
            let mut room = [0; 64];
            client.send(b"ping").unwrap();
            let (length, from) = server.recv_from(&mut room).unwrap();
            server.send_to(&room[..length], from).unwrap();
            assert_eq!(client.recv(&mut room).unwrap(), 4);
        };
        (0..20).for_each(|_| echo());
        let before = rig.counters()[0];
        (0..20).for_each(|_| echo());
        let after = rig.counters()[0];
        assert_eq!(
            after.upcalls_out, before.upcalls_out,
            "{before:?} {after:?}"
        );
        assert!(after.out >= before.out + 20);
        // The interface of somebody else goes.
        let gone = rig.enis[2].id();
        rig.publish(|tables| {
            use weft_model::state::{Delta, StateKey};
            tables
                .apply(Delta::Remove(StateKey::Mapping(gone)))
                .unwrap();
        });
        echo();
        let looked = rig.counters()[0];
        assert!(
            looked.upcalls_out > after.upcalls_out,
            "{after:?} {looked:?}"
        );
        (0..20).for_each(|_| echo());
        assert!(rig.counters()[0].out > looked.out);
    });
}

#[test]
fn what_passes_in_the_kernel_is_counted_at_the_port_and_at_its_connection() {
    let name = "what_passes_in_the_kernel_is_counted_at_the_port_and_at_its_connection";
    with_kernel(name, || {
        let rig = Rig::new(["192.0.2.1", "192.0.2.2"], 24, 1);
        rig.transfer(1, rig.enis[1].ipv4().into(), 4 << 20);
        let eni = &rig.enis[0];
        let port = rig.hosts[0].config.port_of(eni.id()).unwrap().index;
        support::until(|| {
            let flows = rig.hosts[0].datapath.flows(port, eni.mac(), 10).unwrap();
            let snapshot = rig.hosts[0].datapath.snapshot().unwrap();
            let port = snapshot[0].engine.port(port).unwrap();
            let both = |egress: u64, ingress: u64| egress > 4 << 20 && ingress > 4 << 20;
            both(port.egress.bytes, port.ingress.bytes)
                && flows
                    .iter()
                    .any(|flow| both(flow.egress.bytes, flow.ingress.bytes))
        });
    });
}

#[test]
fn a_direction_that_rests_is_kept_awake_by_the_other() {
    let name = "a_direction_that_rests_is_kept_awake_by_the_other";
    with_kernel(name, || {
        let mut limits = Limits::default();
        limits.timeouts.udp_stream = 2_000_000_000;
        let rig = Rig::limited(["192.0.2.1", "192.0.2.2"], 24, 1, &limits);
        let server = rig.workloads[1].within(|| UdpSocket::bind((rig.enis[1].ipv4(), 0)).unwrap());
        let client = rig.workloads[0].within(|| UdpSocket::bind("0.0.0.0:0").unwrap());
        client.connect(server.local_addr().unwrap()).unwrap();
        for socket in [&server, &client] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let mut room = [0; 8];
        let mut ask = || {
            client.send(b"ping").unwrap();
            server.recv_from(&mut room).unwrap().1
        };
        // On a busy machine a round may take longer than the connection lives; then another is tried.
        support::until_within(60, || {
            let answer = |to| {
                server.send_to(b"pong", to).unwrap();
                client.recv(&mut [0; 8]).unwrap();
            };
            for _ in 0..5 {
                answer(ask());
            }
            let began = std::time::Instant::now();
            let mut to = ask();
            while began.elapsed() < Duration::from_secs(3) {
                to = ask();
                std::thread::sleep(Duration::from_millis(20));
            }
            let before = rig.counters()[1];
            answer(to);
            let after = rig.counters()[1];
            after.out > before.out && after.upcalls_out == before.upcalls_out
        });
    });
}

#[test]
fn while_somebody_looks_every_packet_goes_through_the_engine() {
    let name = "while_somebody_looks_every_packet_goes_through_the_engine";
    with_kernel(name, || {
        let rig = Rig::new(["192.0.2.1", "192.0.2.2"], 24, 1);
        let address = rig.enis[1].ipv4().into();
        rig.transfer(1, address, 1 << 20);
        let watch = rig.hosts[0]
            .datapath
            .observe(&WatchFilter::default(), true)
            .unwrap();
        rig.hosts[0].datapath.snapshot().unwrap();
        let before = rig.counters()[0];
        rig.transfer(1, address, 1 << 20);
        let after = rig.counters()[0];
        assert_eq!((after.out, after.into), (before.out, before.into));
        drop(watch);
        support::until(|| {
            rig.transfer(1, address, 1 << 18);
            rig.counters()[0].out > after.out
        });
    });
}

#[test]
fn what_a_workload_sends_goes_nowhere_once_the_datapath_is_gone() {
    let name = "what_a_workload_sends_goes_nowhere_once_the_datapath_is_gone";
    with_kernel(name, || {
        let (here, workload) = (Namespace::new(), Namespace::new());
        here.ip(&format!(
            "link add wv type veth peer name eth0 netns {}",
            workload.thread()
        ));
        here.ip("link add wt type veth peer name wx");
        for (namespace, device, address) in [
            (&here, "wv", "10.7.0.1/24"),
            (&workload, "eth0", "10.7.0.2/24"),
        ] {
            namespace.ip(&format!("addr add {address} dev {device}"));
            namespace.ip(&format!("link set {device} up"));
        }
        let host = here.within(|| UdpSocket::bind("10.7.0.1:0").unwrap());
        host.set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let target = host.local_addr().unwrap();
        let sender = workload.within(|| UdpSocket::bind("10.7.0.2:0").unwrap());
        let arrives = || {
            sender.send_to(b"out", target).unwrap();
            host.recv_from(&mut [0; 8]).is_ok()
        };
        assert!(arrives(), "a veth carries packets");
        let options = KernelOptions {
            vtep: Vtep {
                address: address("10.7.0.1"),
                port: 4789,
            },
            workers: 1,
            flows: 1,
        };
        let wires = Wires {
            veth: "wv",
            tap: "wt",
        };
        for _ in 0..2 {
            here.within(|| {
                let kernel = Kernel::load(&options).unwrap();
                let port = weft_engine::PortIndex(0);
                kernel.attach_port(port, &wires).unwrap();
            });
            assert!(!arrives(), "the host's stack got what a workload sent");
        }
    });
}

#[test]
fn packets_that_a_rate_limits_stay_with_the_engine() {
    with_kernel("packets_that_a_rate_limits_stay_with_the_engine", || {
        let rig = Rig::new(["192.0.2.1", "192.0.2.2"], 24, 1);
        let address = rig.enis[1].ipv4().into();
        rig.transfer(1, address, 1 << 20);
        let mut limited = support::port(&rig.enis[0]);
        let mut options = PortOptions::default();
        options.limits.egress_packets = Some(PacketRate::try_from(1_000_000).unwrap());
        limited.options = options.into();
        rig.publish(|tables| {
            use weft_model::state::{Delta, State};
            tables.apply(Delta::Upsert(State::Port(limited))).unwrap();
        });
        let before = rig.counters()[0];
        rig.transfer(1, address, 1 << 20);
        let after = rig.counters()[0];
        assert_eq!((after.out, after.into), (before.out, before.into));
    });
}
