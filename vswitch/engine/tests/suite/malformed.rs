//! What a tenant or a wire can send that no honest stack would.

use weft_engine::{
    DropReason,
    testing::{
        Eni, Family, Fate, Net, Seg,
        frames::{Way, arp},
        rule, tcp_port,
    },
};
use weft_model::{Mac, Peer, PortMatch, PortRange, Rule};
use weft_packet::{
    checksum,
    headers::{Body, Headers, L4},
    icmp,
};

use crate::paths::{PORTS, Path, World};

/// What the other tenant's packets are full of.
const SECRET: u8 = 0xee;

/// TCP, UDP and fragments of port 80 only.
fn port_80() -> Vec<Rule> {
    let peers = ["10.0.0.0/16", "fd00:0:0:100::/56"].map(|p| Peer::Cidr(p.parse().unwrap()));
    let udp = peers.map(|peer| rule(PortMatch::Udp(PortRange::one(80)), peer));
    tcp_port(80, peers).into_iter().chain(udp).collect()
}

/// A world in which another tenant has just filled every buffer with its secret.
fn world(path: Path) -> (World, Eni) {
    let mut world = World::new(path, port_80(), vec![]);
    let other = world.net.tenant(2);
    let stranger = world.net.attach(other, world.client.host, (1, 66), &[]);
    (world, stranger)
}

fn fill_buffers(world: &mut World, stranger: &Eni) {
    let router = stranger.router(world.path.family);
    let way = world.net.way_out(stranger, router);
    let fate = world
        .net
        .send(stranger, way.echo_request(1, &[SECRET; 1200]));
    assert!(fate.reached(stranger), "{fate:?}");
}

/// Frames of every protocol, as an honest client sends them.
fn samples(world: &World) -> Vec<Vec<u8>> {
    let way = world.there();
    let to_router = world
        .net
        .way_out(&world.client, world.client.router(world.path.family));
    let mut frames = vec![
        way.tcp(PORTS, Seg::SYN, b""),
        way.tcp(PORTS, Seg::ACK, &[1; 64]),
        way.udp(PORTS, &[1; 64]),
        way.echo_request(3, &[1; 64]),
        to_router.echo_request(3, &[1; 64]),
        way.unreachable(&world.back().tcp((80, 40_000), Seg::ACK, &[1; 64])),
        Way { ttl: 1, ..way }.tcp(PORTS, Seg::ACK, &[1; 64]),
        way.tcp(PORTS, Seg::ACK, &[1; 3000]),
        Way {
            dont_fragment: false,
            ..way
        }
        .udp(PORTS, &[1; 3000]),
        way.raw(132, &[1; 64]),
    ];
    frames.extend(way.udp_fragments(5, PORTS, &[1; 256], 128));
    match world.path.family {
        Family::V4 => {
            let own = (world.client.mac, world.client.ipv4());
            frames.push(arp(1, own, (Mac::new([0; 6]), "10.0.1.1".parse().unwrap())));
            frames.push(
                Way {
                    src: "0.0.0.0".parse().unwrap(),
                    dst: "255.255.255.255".parse().unwrap(),
                    dst_mac: Mac::BROADCAST,
                    ..way
                }
                .udp((68, 67), &[1; 300]),
            );
        }
        Family::V6 => {
            let target = [
                &world.server.ipv6().octets()[..],
                &[1, 1],
                &world.client.mac.octets(),
            ]
            .concat();
            frames.push(Way { ttl: 255, ..way }.icmp6_raw(135, 0, [0; 4], &target));
            frames.push(Way { ttl: 255, ..way }.icmp6_raw(133, 0, [0; 4], &target[16..]));
            frames.push(
                Way {
                    dst: "ff02::1:2".parse().unwrap(),
                    ..way
                }
                .udp((546, 547), &[1, 1, 2, 3, 0, 1, 0, 4, 1, 1, 1, 1]),
            );
            frames.push(extended(&way));
        }
    }
    frames
}

/// UDP behind hop-by-hop options and destination options.
fn extended(way: &Way) -> Vec<u8> {
    let plain = way.udp(PORTS, &[1; 64]);
    let hop_by_hop = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination = [17, 0, 1, 4, 0, 0, 0, 0];
    let mut frame = [&plain[..54], &hop_by_hop, &destination, &plain[54..]].concat();
    let length = u16::try_from(frame.len() - 54).unwrap();
    frame[18..20].copy_from_slice(&length.to_be_bytes());
    frame[20] = 0;
    frame
}

/// Where the frame has length fields: offset and bytes; a nibble has none.
fn length_fields(frame: &[u8]) -> Vec<(usize, usize)> {
    let Body::Ip(ip) = Headers::parse(frame).unwrap().body else {
        return vec![(18, 1), (19, 1)]; // ARP's address lengths.
    };
    let mut fields = if ip.is_v4() {
        vec![(14, 0), (16, 2)]
    } else {
        vec![(18, 2)]
    };
    fields.extend(
        (ip.l3 + 40..ip.l4)
            .step_by(8)
            .filter(|_| !ip.is_v4())
            .map(|at| (at + 1, 1)),
    );
    match ip.l4_kind {
        L4::Tcp { .. } => fields.push((ip.l4 + 12, 0)),
        L4::Udp { .. } => fields.extend([(ip.l4 + 4, 2), (ip.l4 + 8 + 6, 2)]),
        L4::Icmp { kind: 133, .. } => fields.push((ip.l4 + 9, 1)),
        L4::Icmp { kind: 135, .. } => fields.push((ip.l4 + 25, 1)),
        // The header that an error quotes.
        L4::Icmp { kind: 1 | 3, .. } => {
            fields.extend([(ip.l4 + 8, 0), (ip.l4 + 10, 2), (ip.l4 + 12, 2)]);
        }
        _ => {}
    }
    fields
}

/// The frame with 0, 1, n-1, n, n+1 and the largest value in each of its length fields, and with
/// its bytes cut or grown.
fn variants(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![];
    for (at, width) in length_fields(frame) {
        all.extend(
            values(frame, at, width)
                .into_iter()
                .flat_map(|changed| [resum(&changed), changed]),
        );
    }
    let n = frame.len();
    all.extend(
        (0..n.min(80))
            .chain([n - 1])
            .map(|length| frame[..length].to_vec()),
    );
    all.extend([1, 8, 60].map(|more| [frame, &vec![2; more][..]].concat()));
    all
}

fn values(frame: &[u8], at: usize, width: usize) -> Vec<Vec<u8>> {
    let n = match width {
        0 => u16::from(frame[at]),
        1 => u16::from(frame[at]),
        _ => u16::from_be_bytes([frame[at], frame[at + 1]]),
    };
    let high = n & 0xf0;
    let candidates: Vec<u16> = match width {
        0 if at == 14 || frame[at] >> 4 == 4 => (0..16).map(|low| high | low).collect(),
        0 => (0..16).map(|nibble| nibble << 4).collect(),
        1 => vec![0, 1, n.wrapping_sub(1) & 0xff, n, (n + 1) & 0xff, 0xff],
        _ => vec![0, 1, n.wrapping_sub(1), n, n.wrapping_add(1), u16::MAX],
    };
    let write = |value: u16| {
        let mut changed = frame.to_vec();
        match width {
            0 | 1 => changed[at] = value as u8,
            _ => changed[at..at + 2].copy_from_slice(&value.to_be_bytes()),
        }
        changed
    };
    candidates.into_iter().map(write).collect()
}

/// With the checksums that go with the lie, where it still parses.
fn resum(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if let Ok(Headers {
        body: Body::Ip(ip), ..
    }) = Headers::parse(&frame)
    {
        checksum::fill_l3(&mut frame, &ip);
        checksum::fill_l4(&mut frame, &ip);
    }
    frame
}

/// Either nothing came of it and that was counted, or what came of it is what policy allows and
/// holds none of the other tenant's bytes.
#[track_caller]
fn check(world: &World, fate: &Fate, counted: u64) {
    assert_eq!(fate.drops.len() as u64, counted, "uncounted: {fate:?}");
    for (interface, frame) in &fate.delivered {
        assert!(
            !frame.windows(4).any(|w| w == [SECRET; 4]),
            "leaked: {frame:x?}"
        );
        let headers = Headers::parse(frame).unwrap();
        if *interface == world.client.interface {
            assert!(headers.dst.is_group() || headers.dst == world.client.mac);
            continue;
        }
        assert_eq!(*interface, world.server.interface);
        let Body::Ip(ip) = headers.body else {
            panic!("not IP at the server: {headers:?}");
        };
        let allowed = match ip.l4_kind {
            L4::Tcp { dst, .. } | L4::Udp { dst, .. } => dst == 80,
            L4::LaterFragment => true,
            // An error about the connections that the samples opened.
            _ => icmp::is_error(&ip),
        };
        assert!(allowed, "{ip:?}");
    }
}

fn drops(world: &World) -> u64 {
    (0..2)
        .map(|host| world.net.engine(host).counters().drops.total())
        .sum()
}

#[test]
fn every_length_field_of_every_protocol_from_a_port() {
    for path in Path::all() {
        let (mut world, stranger) = world(path);
        let client = world.client.clone();
        for sample in samples(&world) {
            for frame in variants(&sample) {
                fill_buffers(&mut world, &stranger);
                let before = drops(&world);
                let fate = world.net.send(&client, frame);
                check(&world, &fate, drops(&world) - before);
            }
        }
    }
}

#[test]
fn every_length_field_of_every_protocol_from_the_tunnel() {
    for path in Path::all().filter(|path| path.cross_host) {
        let (mut world, stranger) = world(path);
        let source = world.net.vtep(0);
        let header = weft_packet::vxlan::emit(world.tenant.vni);
        for mut sample in samples(&world) {
            sample[..6].copy_from_slice(&world.server.mac.octets());
            for frame in variants(&sample) {
                fill_buffers(&mut world, &stranger);
                let before = drops(&world);
                let fate = world.net.inject(1, source, [&header[..], &frame].concat());
                assert!(fate.wire.is_empty(), "answered a tunnel: {fate:?}");
                check(&world, &fate, drops(&world) - before);
            }
        }
    }
}

#[test]
fn padding_is_no_part_of_the_packet() {
    for path in Path::all() {
        let (mut world, _) = world(path);
        let client = world.client.clone();
        let frame = [&world.there().udp(PORTS, b"x")[..], &[9; 40]].concat();
        assert!(
            world.net.send(&client, frame).reached(&world.server),
            "{path:?}"
        );
    }
}

#[test]
fn vlan_tags_are_dropped_at_the_port_and_at_the_tunnel() {
    for path in Path::all() {
        let (mut world, _) = world(path);
        let (client, source) = (world.client.clone(), world.net.vtep(0));
        for tag in [[0x81, 0, 0, 5], [0x88, 0xa8, 0, 5], [0x81, 0, 0, 0]] {
            let mut frame = world.there().udp(PORTS, b"x");
            frame.splice(12..12, tag);
            let fate = world.net.send(&client, frame.clone());
            assert_eq!(fate.dropped(), DropReason::Vlan, "{path:?}");
            if !path.cross_host {
                continue;
            }
            frame[..6].copy_from_slice(&world.server.mac.octets());
            let header = weft_packet::vxlan::emit(world.tenant.vni);
            let fate = world.net.inject(1, source, [&header[..], &frame].concat());
            assert_eq!(fate.dropped(), DropReason::Vlan, "{path:?}");
        }
    }
}

#[test]
fn a_frame_too_short_for_ethernet_is_dropped_at_the_port() {
    for path in Path::all() {
        let (mut world, _) = world(path);
        let client = world.client.clone();
        for length in 0..14 {
            let fate = world.net.send(&client, vec![0; length]);
            assert_eq!(fate.dropped(), DropReason::FrameTooShort, "{path:?}");
        }
    }
}

/// A VXLAN packet that the second host would deliver.
fn captured(path: Path) -> (World, Vec<u8>) {
    let (mut world, _) = world(path);
    let fate = world.ask(Seg::SYN);
    let payload = fate.wire[0].payload.clone();
    (world, payload)
}

fn across() -> impl Iterator<Item = Path> {
    Path::all().filter(|path| path.cross_host)
}

#[test]
fn a_vxlan_header_that_is_none_is_dropped() {
    for path in across() {
        let (mut world, payload) = captured(path);
        let source = world.net.vtep(0);
        let mut no_flag = payload.clone();
        no_flag[0] = 0xf7;
        let mut no_network = payload.clone();
        no_network[4..7].fill(0);
        for bytes in [
            no_flag,
            no_network,
            vec![],
            payload[..7].to_vec(),
            payload[..8].to_vec(),
        ] {
            let fate = world.net.inject(1, source, bytes);
            assert_eq!(fate.dropped(), DropReason::VxlanMalformed, "{path:?}");
        }
    }
}

#[test]
fn a_reserved_bit_of_vxlan_drops() {
    for path in across() {
        let (mut world, payload) = captured(path);
        let source = world.net.vtep(0);
        for (byte, bit) in [
            (0, 0x80),
            (0, 0x01),
            (1, 0x80),
            (3, 0x01),
            (7, 0x01),
            (7, 0x80),
        ] {
            let mut bytes = payload.clone();
            bytes[byte] |= bit;
            let fate = world.net.inject(1, source, bytes);
            assert_eq!(
                fate.dropped(),
                DropReason::VxlanMalformed,
                "{path:?} {byte} {bit}"
            );
        }
    }
}

#[test]
fn an_inner_frame_cut_anywhere_is_dropped() {
    for path in across() {
        let (mut world, payload) = captured(path);
        let source = world.net.vtep(0);
        for length in 0..payload.len() {
            let fate = world.net.inject(1, source, payload[..length].to_vec());
            assert!(
                fate.delivered.is_empty() && fate.drops.len() == 1,
                "{path:?} {length}: {fate:?}"
            );
        }
    }
}

#[test]
fn vxlan_in_vxlan_is_a_datagram_like_any_other() {
    for path in across() {
        let (mut world, payload) = captured(path);
        let source = world.net.vtep(0);
        let inner = Way {
            dst_mac: world.server.mac,
            ..world.there()
        }
        .udp((4789, 4789), &payload);
        let fate = world
            .net
            .inject(1, source, [&payload[..8], &inner].concat());
        assert_eq!(fate.dropped(), DropReason::GroupIngress, "{path:?}");
    }
}

#[test]
fn arp_and_neighbor_discovery_out_of_the_tunnel_are_dropped() {
    for path in across() {
        let (mut world, payload) = captured(path);
        let source = world.net.vtep(0);
        for mut frame in samples(&world) {
            let headers = Headers::parse(&frame).unwrap();
            let is_link = match headers.body {
                Body::Ip(ip) => matches!(
                    ip.l4_kind,
                    L4::Icmp {
                        kind: 133..=137,
                        ..
                    }
                ),
                _ => true,
            };
            frame[..6].copy_from_slice(&world.server.mac.octets());
            let fate = world
                .net
                .inject(1, source, [&payload[..8], &frame].concat());
            assert!(!is_link || fate.delivered.is_empty(), "{path:?}: {fate:?}");
        }
    }
}

#[test]
fn a_super_frame_that_lies_about_itself_is_dropped() {
    use weft_packet::offload::{Checksum, Offload, SegmentKind, Segmentation};
    for path in Path::all() {
        let (mut world, _) = world(path);
        let client = world.client.clone();
        let tcp = world.there().tcp(PORTS, Seg::ACK, &[1; 3000]);
        let l4 = if path.family == Family::V4 { 34 } else { 54 };
        let right = if path.family == Family::V4 {
            SegmentKind::Tcp4
        } else {
            SegmentKind::Tcp6
        };
        let wrong = if path.family == Family::V4 {
            SegmentKind::Tcp6
        } else {
            SegmentKind::Tcp4
        };
        let partial = |start, offset| Checksum::Partial { start, offset };
        let segmented = |checksum, kind| Offload {
            checksum,
            segmentation: Some(Segmentation { kind, size: 1000 }),
        };
        for offload in [
            segmented(partial(l4, 16), wrong),
            segmented(partial(l4, 16), SegmentKind::Udp),
            segmented(partial(l4, 6), right),
            segmented(partial(l4 + 1, 16), right),
            segmented(partial(u16::MAX, u16::MAX), right),
            Offload {
                checksum: partial(0, 0),
                segmentation: None,
            },
        ] {
            let fate = world.net.send_offloaded(&client, tcp.clone(), offload);
            assert_eq!(
                fate.dropped(),
                DropReason::Malformed,
                "{path:?} {offload:?}"
            );
        }
        let honest = segmented(partial(l4, 16), right);
        let fate = world.net.send_offloaded(&client, tcp, honest);
        assert!(fate.reached(&world.server), "{path:?}: {fate:?}");
    }
}

#[test]
fn a_frame_that_is_not_ip_goes_nowhere() {
    for path in Path::all() {
        let (mut world, _) = world(path);
        let client = world.client.clone();
        for ethertype in [0x0000_u16, 0x0026, 0x88cc, 0x8847, 0x6558, 0xffff] {
            let mut frame = world.there().udp(PORTS, b"x");
            frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
            let fate = world.net.send(&client, frame);
            assert_eq!(
                fate.dropped(),
                DropReason::EthertypeUnknown,
                "{path:?} {ethertype:x}"
            );
        }
    }
}

#[test]
fn the_mtu_of_the_tests_is_the_underlays_less_the_tunnel() {
    assert_eq!(Net::MTU, 1500 - 50);
}
