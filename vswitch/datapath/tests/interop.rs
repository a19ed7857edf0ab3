//! RFC 7348 on the wire: one side is the datapath, the other the Linux `vxlan` device.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use support::{Eni, Host, Namespace, VNI, address, cable, tables, with_namespaces};
use weft_engine::DropReason;

const PATIENCE: Duration = Duration::from_secs(10);
const BYTES: usize = 4 << 20;

/// A host with a workload, and a kernel that plays another host and its workload in one.
struct Mixed {
    host: Host,
    workload: Namespace,
    kernel: Namespace,
    enis: [Eni; 2],
    _underlay: Namespace,
}

impl Mixed {
    fn new(vteps: [&str; 2], prefix: u8) -> Self {
        let (underlay, kernel) = (Namespace::new(), Namespace::new());
        let [a, b] = vteps.map(|vtep| format!("{vtep}/{prefix}"));
        cable((&underlay, &a), (&kernel, &b), 1600);
        let enis = [0, 1].map(|host| Eni {
            host,
            subnet: 1,
            last: 10 + host as u8,
        });
        let vxlan = format!(
            "link add eth0 address {} mtu 1450 type vxlan id {VNI} local {} remote {} dstport 4789 \
             nolearning",
            enis[1].mac(),
            vteps[1],
            vteps[0]
        );
        kernel.ip(&vxlan);
        kernel.ip(&format!("addr add {}/24 dev eth0", enis[1].ipv4()));
        kernel.ip(&format!("addr add {}/64 dev eth0 nodad", enis[1].ipv6()));
        kernel.ip("link set eth0 up");
        // Over a veth the kernel would leave inner checksums to a NIC that isn't there.
        kernel.complete_checksums("eth0");
        for address in [IpAddr::V4(enis[0].ipv4()), IpAddr::V6(enis[0].ipv6())] {
            let mac = enis[0].mac();
            kernel.ip(&format!(
                "neigh add {address} lladdr {mac} dev eth0 nud permanent"
            ));
        }
        let vteps = vteps.map(address);
        let tables = tables(0, &vteps, &enis, 1450);
        let mut host = Host::start(&underlay, &tables, vteps[0], 2);
        let workload = Namespace::new();
        host.plug(&enis[0], &workload);
        Self {
            host,
            workload,
            kernel,
            enis,
            _underlay: underlay,
        }
    }

    fn drops(&self, reason: DropReason) -> u64 {
        let workers = self.host.datapath.snapshot().unwrap();
        workers
            .iter()
            .map(|worker| worker.engine.drops.get(reason))
            .sum()
    }
}

/// Bytes from one namespace to an address in the other.
fn transfer(from: &Namespace, to: &Namespace, address: IpAddr) {
    let listener = to.within(|| TcpListener::bind((address, 0)).unwrap());
    let target = listener.local_addr().unwrap();
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        got
    });
    let sent: Vec<u8> = (0..BYTES).map(|n| (n % 251) as u8).collect();
    let mut stream = from.within(|| TcpStream::connect_timeout(&target, PATIENCE).unwrap());
    stream.write_all(&sent).unwrap();
    drop(stream);
    assert!(receiver.join().unwrap() == sent, "the bytes differ");
}

fn both_ways(name: &str, vteps: [&'static str; 2], prefix: u8) {
    with_namespaces(name, || {
        let mixed = Mixed::new(vteps, prefix);
        let [ours, theirs] = &mixed.enis;
        transfer(&mixed.workload, &mixed.kernel, theirs.ipv4().into());
        transfer(&mixed.kernel, &mixed.workload, ours.ipv4().into());
        transfer(&mixed.workload, &mixed.kernel, theirs.ipv6().into());
        transfer(&mixed.kernel, &mixed.workload, ours.ipv6().into());
    });
}

#[test]
fn the_kernels_vxlan_device_and_the_datapath_understand_each_other_over_ipv4() {
    let name = "the_kernels_vxlan_device_and_the_datapath_understand_each_other_over_ipv4";
    both_ways(name, ["192.0.2.1", "192.0.2.2"], 24);
}

#[test]
fn the_kernels_vxlan_device_and_the_datapath_understand_each_other_over_ipv6() {
    let name = "the_kernels_vxlan_device_and_the_datapath_understand_each_other_over_ipv6";
    both_ways(name, ["fd01::1", "fd01::2"], 64);
}

#[test]
fn malformed_and_foreign_tunnel_packets_are_counted_and_go_nowhere() {
    let name = "malformed_and_foreign_tunnel_packets_are_counted_and_go_nowhere";
    with_namespaces(name, || {
        let mixed = Mixed::new(["192.0.2.1", "192.0.2.2"], 24);
        mixed.kernel.ip("addr add 192.0.2.66/24 dev u0");
        let bind = |source: &str| {
            let source = (address(source), 0);
            mixed.kernel.within(|| UdpSocket::bind(source).unwrap())
        };
        let (peer, stranger) = (bind("192.0.2.2"), bind("192.0.2.66"));
        let vtep = (address("192.0.2.1"), 4789);
        let vni = VNI.to_be_bytes();
        let packet = |flags: u8, vni: [u8; 4]| {
            let mut bytes = vec![flags, 0, 0, 0, vni[1], vni[2], vni[3], 0];
            bytes.extend(mixed.enis[0].mac().octets());
            bytes.extend(mixed.enis[1].mac().octets());
            // IPv4, 20 bytes, protocol 253 (for experiments).
            bytes.extend([8, 0, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0, 0]);
            bytes.extend(mixed.enis[1].ipv4().octets());
            bytes.extend(mixed.enis[0].ipv4().octets());
            bytes
        };
        peer.send_to(&[], vtep).unwrap();
        peer.send_to(&[8, 0, 0], vtep).unwrap();
        peer.send_to(&packet(0, vni), vtep).unwrap();
        peer.send_to(&packet(8, [0, 0, 0, 77]), vtep).unwrap();
        stranger.send_to(&packet(8, vni), vtep).unwrap();
        let started = std::time::Instant::now();
        let wanted = [
            (DropReason::VxlanMalformed, 2),
            (DropReason::VniUnknown, 1),
            (DropReason::VtepUnknown, 1),
        ];
        while !wanted
            .iter()
            .all(|&(reason, count)| mixed.drops(reason) >= count)
        {
            let workers = mixed.host.datapath.snapshot().unwrap();
            assert!(started.elapsed() < PATIENCE, "{workers:?}");
            std::thread::yield_now();
        }
        // What is sound still passes.
        transfer(&mixed.kernel, &mixed.workload, mixed.enis[0].ipv4().into());
    });
}
