//! Frames for tests, made by another library so that a mistake here isn't made twice.

use etherparse::PacketBuilder;
use proptest::prelude::*;

use crate::headers::{Body, Headers, Ip};

pub(crate) const DST: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const SRC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const V4: ([u8; 4], [u8; 4]) = ([10, 0, 0, 4], [10, 0, 1, 5]);
pub(crate) const V6: ([u8; 16], [u8; 16]) = (
    [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4],
    [0xfd, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5],
);

pub(crate) fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// A TCP segment (ACK, PSH and FIN as asked) with a timestamp option.
pub(crate) fn tcp(v4: bool, payload: &[u8], fin: bool) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2(SRC, DST);
    let ip = match v4 {
        true => ethernet.ipv4(V4.0, V4.1, 64),
        false => ethernet.ipv6(V6.0, V6.1, 64),
    };
    let mut tcp = ip.tcp(40000, 443, 0xffff_f000, 5000).ack(77).psh();
    if fin {
        tcp = tcp.fin();
    }
    let tcp = tcp
        .options(&[
            etherparse::TcpOptionElement::Noop,
            etherparse::TcpOptionElement::Noop,
            etherparse::TcpOptionElement::Timestamp(1, 2),
        ])
        .unwrap();
    let mut out = Vec::new();
    tcp.write(&mut out, payload).unwrap();
    out
}

pub(crate) fn udp(v4: bool, payload: &[u8]) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2(SRC, DST);
    let ip = match v4 {
        true => ethernet.ipv4(V4.0, V4.1, 64),
        false => ethernet.ipv6(V6.0, V6.1, 64),
    };
    let mut out = Vec::new();
    ip.udp(5353, 53).write(&mut out, payload).unwrap();
    out
}

pub(crate) fn echo(v4: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let ethernet = PacketBuilder::ethernet2(SRC, DST);
    match v4 {
        true => ethernet
            .ipv4(V4.0, V4.1, 64)
            .icmpv4_echo_request(9, 1)
            .write(&mut out, payload),
        false => ethernet
            .ipv6(V6.0, V6.1, 64)
            .icmpv6_echo_request(9, 1)
            .write(&mut out, payload),
    }
    .unwrap();
    out
}

/// A request for `10.0.0.1` from the sample's source.
pub(crate) fn arp_request() -> Vec<u8> {
    let mut out = [[0xff; 6], SRC].concat();
    out.extend_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    out.extend_from_slice(&SRC);
    out.extend_from_slice(&V4.0);
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
    out
}

/// One frame of each kind that parses.
pub(crate) fn all() -> Vec<Vec<u8>> {
    let body = payload(40);
    let mut all = vec![arp_request()];
    for v4 in [true, false] {
        all.extend([tcp(v4, &body, false), udp(v4, &body), echo(v4, &body)]);
    }
    all
}

/// A good frame with some bytes changed and an end cut off or added.
pub(crate) fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let frames = prop::sample::select(all());
    let edits = prop::collection::vec((12usize..80, any::<u8>()), 0..4);
    (frames, edits, any::<prop::sample::Index>(), 0u8..8).prop_map(
        |(mut frame, edits, cut, how)| {
            for (at, value) in edits {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = value;
                }
            }
            match how {
                0 => frame.truncate(cut.index(frame.len())),
                1 => frame.resize(frame.len() + 9, 0),
                _ => {}
            }
            frame
        },
    )
}

pub(crate) fn parse(frame: &[u8]) -> Headers {
    Headers::parse(frame).unwrap()
}

pub(crate) fn ip(frame: &[u8]) -> Ip {
    match parse(frame).body {
        Body::Ip(ip) => ip,
        other => panic!("no IP packet: {other:?}"),
    }
}
