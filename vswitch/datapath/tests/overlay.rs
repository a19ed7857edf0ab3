//! Two datapaths, real kernels' TCP between their workloads.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use support::{Eni, Host, Namespace, address, cable, tables, until, with_namespaces};

const PATIENCE: Duration = Duration::from_secs(10);

/// Two hosts with a cable, and a workload on each.
struct Pair {
    hosts: [Host; 2],
    workloads: [Namespace; 2],
    enis: [Eni; 2],
    _underlay: [Namespace; 2],
}

impl Pair {
    fn new(vteps: [&str; 2], prefix: u8, subnets: [u8; 2], workers: usize) -> Self {
        let underlay = [Namespace::new(), Namespace::new()];
        let [a, b] = vteps.map(|vtep| format!("{vtep}/{prefix}"));
        cable((&underlay[0], &a), (&underlay[1], &b), 1500);
        let vteps = vteps.map(address);
        let mtu = if vteps[0].is_ipv4() { 1450 } else { 1430 };
        let enis = [0, 1].map(|host| Eni {
            host,
            subnet: subnets[host],
            last: 10 + host as u8,
        });
        let workloads = [Namespace::new(), Namespace::new()];
        let hosts = [0, 1].map(|n| {
            let tables = tables(n, &vteps, &enis, mtu);
            let mut host = Host::start(&underlay[n], &tables, vteps[n], workers);
            host.plug(&enis[n], &workloads[n]);
            host
        });
        Self {
            hosts,
            workloads,
            enis,
            _underlay: underlay,
        }
    }

    /// Sends this much from the first workload to the second, which must get the same bytes.
    fn transfer(&self, to: IpAddr, bytes: usize) {
        let listener = self.workloads[1].within(|| TcpListener::bind((to, 0)).unwrap());
        let target = listener.local_addr().unwrap();
        let receiver = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut got = Vec::with_capacity(bytes);
            stream.read_to_end(&mut got).unwrap();
            got
        });
        let sent = pattern(bytes);
        let mut stream = self.connect(target).unwrap();
        stream.write_all(&sent).unwrap();
        drop(stream);
        assert!(receiver.join().unwrap() == sent, "the bytes differ");
    }

    fn connect(&self, target: SocketAddr) -> std::io::Result<TcpStream> {
        let patience = if target.port() == 9 {
            Duration::from_millis(300)
        } else {
            PATIENCE
        };
        self.workloads[0].within(|| TcpStream::connect_timeout(&target, patience))
    }
}

fn pattern(bytes: usize) -> Vec<u8> {
    let words = (0..bytes as u64 / 8 + 1)
        .flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
    words.take(bytes).collect()
}

#[test]
fn tcp_crosses_two_hosts_over_both_families_whole() {
    with_namespaces("tcp_crosses_two_hosts_over_both_families_whole", || {
        let pair = Pair::new(["192.0.2.1", "192.0.2.2"], 24, [1, 2], 2);
        pair.transfer(pair.enis[1].ipv4().into(), 8 << 20);
        pair.transfer(pair.enis[1].ipv6().into(), 8 << 20);
        let sender = pair.hosts[0].datapath.snapshot().unwrap();
        let sent: u64 = sender.iter().map(|worker| worker.sent.packets).sum();
        let sends: u64 = sender.iter().map(|worker| worker.sent.sends).sum();
        let bytes: u64 = sender.iter().map(|worker| worker.sent.bytes).sum();
        assert!(bytes > 16 << 20 && sent >= bytes / 1500, "{sender:?}");
        assert!(
            sends * 4 < sent,
            "segments were not sent together: {sends} for {sent}"
        );
        // All that was sent arrives, if some of it later than this.
        until(|| {
            let receiver = pair.hosts[1].datapath.snapshot().unwrap();
            receiver
                .iter()
                .map(|worker| worker.worker.received)
                .sum::<u64>()
                >= sent
        });
    });
}

#[test]
fn tcp_crosses_an_ipv6_underlay() {
    with_namespaces("tcp_crosses_an_ipv6_underlay", || {
        let pair = Pair::new(["fd01::1", "fd01::2"], 64, [1, 1], 1);
        pair.transfer(pair.enis[1].ipv4().into(), 1 << 20);
        pair.transfer(pair.enis[1].ipv6().into(), 1 << 20);
    });
}

#[test]
fn a_port_that_no_rule_opens_stays_closed_and_the_drop_is_counted_and_shown() {
    with_namespaces(
        "a_port_that_no_rule_opens_stays_closed_and_the_drop_is_counted_and_shown",
        || {
            let pair = Pair::new(["192.0.2.1", "192.0.2.2"], 24, [1, 2], 2);
            let target = SocketAddr::new(pair.enis[1].ipv4().into(), 9);
            let _listener = pair.workloads[1].within(|| TcpListener::bind(target).unwrap());
            assert!(pair.connect(target).is_err());
            let workers = pair.hosts[1].datapath.snapshot().unwrap();
            let dropped = |worker: &weft_datapath::WorkerSnapshot| {
                worker
                    .engine
                    .drops
                    .get(weft_engine::DropReason::GroupIngress)
            };
            let dropped = workers.iter().map(dropped).sum::<u64>();
            assert!(dropped > 0, "{workers:?}");
            let interface = Some(pair.enis[1].id());
            let recent = pair.hosts[1].datapath.recent_drops(interface, 10).unwrap();
            let closed: Vec<_> = recent
                .drops
                .iter()
                .filter(|record| record.drop.reason == weft_engine::DropReason::GroupIngress)
                .collect();
            assert!(!closed.is_empty(), "{recent:?}");
            for record in closed {
                assert_eq!(record.groups[..], [support::group()], "{record:?}");
                let ends = record.ends.unwrap();
                assert_eq!((ends.dst, ends.ports.unwrap().1), (target.ip(), 9));
            }
        },
    );
}
