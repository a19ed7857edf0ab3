//! Writes the seed corpora, a few small files per target: `cargo run --example seed` in `fuzz/`.
//! They are made from the house's own builders, so they stay right as those change.
#![allow(clippy::print_stdout)]

use std::{fs, io, net::IpAddr, path::Path};

use weft_packet::{
    Mac, Vni,
    build::{self, Addresses, Envelope, IcmpError},
    checksum,
    headers::{Arp, Body, Headers, Ip},
    offload::{Offload, SegmentKind, Segmentation},
    vxlan,
};

const A: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac::new([2, 0, 0, 0, 0, 2]);

fn envelope(v4: bool) -> Envelope {
    let addresses = match v4 {
        true => Addresses::V4 {
            src: [10, 0, 0, 4].into(),
            dst: [10, 0, 1, 5].into(),
        },
        false => Addresses::V6 {
            src: [0xfd00, 0, 0, 0, 0, 0, 0, 4].into(),
            dst: [0xfd00, 0, 0, 1, 0, 0, 0, 5].into(),
        },
    };
    Envelope {
        dst_mac: B,
        src_mac: A,
        addresses,
        ttl: 64,
    }
}

fn udp(v4: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    build::udp(&mut out, &envelope(v4), 5353, 53, payload).expect("a few bytes fit");
    out
}

fn ip(frame: &[u8]) -> (Headers, Ip) {
    let headers = Headers::parse(frame).expect("the frame was just built");
    match headers.body {
        Body::Ip(ip) => (headers, ip),
        _ => unreachable!("the frame was just built as IP"),
    }
}

/// A datagram made TCP: the header is the first 20 bytes of its payload.
fn tcp(v4: bool, seq: u32, data: usize) -> Vec<u8> {
    let mut frame = udp(v4, &vec![7; 12 + data]);
    frame[if v4 { 23 } else { 20 }] = 6;
    let at = if v4 { 34 } else { 54 };
    frame[at + 4..at + 8].copy_from_slice(&seq.to_be_bytes());
    frame[at + 12..at + 20].copy_from_slice(&[0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    let (_, ip) = ip(&frame);
    checksum::fill_l3(&mut frame, &ip);
    checksum::fill_l4(&mut frame, &ip);
    frame
}

fn echo(v4: bool) -> Vec<u8> {
    let mut frame = udp(v4, b"ping");
    let (protocol, at, kind) = if v4 { (1, 23, 8) } else { (58, 20, 128) };
    frame[at] = protocol;
    let l4 = if v4 { 34 } else { 54 };
    frame[l4..l4 + 8].copy_from_slice(&[kind, 0, 0, 0, 0, 9, 0, 1]);
    let (_, ip) = ip(&frame);
    checksum::fill_l3(&mut frame, &ip);
    checksum::fill_l4(&mut frame, &ip);
    frame
}

fn arp() -> Vec<u8> {
    let asked = Arp {
        operation: Arp::REQUEST,
        sender_mac: A,
        sender_ip: [10, 0, 0, 4].into(),
        target_mac: B,
        target_ip: [10, 0, 0, 1].into(),
    };
    let mut out = Vec::new();
    build::arp_reply(&mut out, &asked, Mac::ROUTER);
    out
}

fn advertisement() -> Vec<u8> {
    let target = [0xfd00, 0, 0, 0, 0, 0, 0, 4].into();
    let it = build::Advertisement {
        target,
        mac: A,
        router: false,
        solicited: true,
    };
    let mut out = Vec::new();
    build::neighbor_advertisement(&mut out, B, target, it);
    out
}

fn error(v4: bool) -> Vec<u8> {
    let frame = tcp(v4, 1, 9);
    let (headers, about) = ip(&frame);
    let from: IpAddr = about.dst;
    let mut out = Vec::new();
    let too_big = IcmpError::TooBig { mtu: 1450 };
    assert!(build::icmp_error(
        &mut out,
        &frame,
        &headers,
        Mac::ROUTER,
        from,
        too_big
    ));
    out
}

fn inside(frame: &[u8]) -> Vec<u8> {
    let vni = Vni::try_from(4242).expect("4242 is a VNI");
    [&vxlan::emit(vni)[..], frame].concat()
}

fn virtio(v4: bool, size: Option<u16>) -> Vec<u8> {
    let mut frame = tcp(v4, 1, 300);
    let (_, ip) = ip(&frame);
    let checksum = checksum::open(&mut frame, &ip).expect("TCP has a checksum");
    let kind = if v4 {
        SegmentKind::Tcp4
    } else {
        SegmentKind::Tcp6
    };
    let segmentation = size.map(|size| Segmentation { kind, size });
    let header = Offload {
        checksum,
        segmentation,
    }
    .to_virtio(54);
    [&header[..10], &frame].concat()
}

fn gro(v4: bool) -> Vec<u8> {
    let segments: Vec<_> = (0..3).map(|i| inside(&tcp(v4, 1 + i * 40, 40))).collect();
    let stride = u16::try_from(segments[0].len()).expect("a small segment");
    [&stride.to_le_bytes()[..], &segments.concat()].concat()
}

fn frames() -> Vec<Vec<u8>> {
    let mut all = vec![arp(), advertisement()];
    for v4 in [true, false] {
        all.extend([tcp(v4, 1, 9), udp(v4, b"query"), echo(v4), error(v4)]);
    }
    all
}

fn main() -> io::Result<()> {
    let both = [true, false];
    let corpora = [
        ("headers", frames()),
        ("embedded", both.map(error).to_vec()),
        ("vxlan", frames().iter().map(|f| inside(f)).collect()),
        (
            "virtio",
            both.iter()
                .flat_map(|v4| [virtio(*v4, None), virtio(*v4, Some(100))])
                .collect(),
        ),
        ("gro", both.map(gro).to_vec()),
    ];
    for (target, seeds) in corpora {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target);
        fs::create_dir_all(&folder)?;
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{index:02}")), seed)?;
        }
        println!("{target}: {} seeds", seeds.len());
    }
    Ok(())
}
