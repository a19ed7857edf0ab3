//! Any frame: headers, neighbour discovery, rewrites and every answer that it may provoke.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft_packet::{
    Mac, build, checksum, fragment,
    headers::{Body, Headers, Ip, L4},
    nd, rewrite,
};

fuzz_target!(|frame: &[u8]| {
    let Ok(headers) = Headers::parse(frame) else {
        return;
    };
    let mut out = Vec::new();
    match headers.body {
        Body::Arp(arp) => build::arp_reply(&mut out, &arp, Mac::ROUTER),
        Body::Ip(ip) => packet(frame, &headers, &ip, &mut out),
        Body::Other(_) => {}
    }
});

fn packet(frame: &[u8], headers: &Headers, ip: &Ip, out: &mut Vec<u8>) {
    assert!(ip.l3 < ip.l4 && ip.l4 <= ip.end && ip.end <= frame.len());
    if let L4::Tcp { data, .. } = ip.l4_kind {
        assert!(ip.l4 < data && data <= ip.end);
    }
    let _ = nd::parse(frame, ip);
    let _ = checksum::verify_l3(frame, ip);
    let _ = checksum::verify_l4(frame, ip);
    answers(frame, headers, ip, out);
    for mtu in [576, 1280] {
        let _ = fragment::fragment(frame, ip, mtu, out, |piece| {
            assert!(piece.len() <= frame.len());
            Headers::parse(piece).expect("a piece is a packet");
        });
    }
    changes(&mut frame.to_vec(), ip);
}

/// What is answered is itself whole.
fn answers(frame: &[u8], headers: &Headers, ip: &Ip, out: &mut Vec<u8>) {
    if build::tcp_reset(out, headers) {
        whole(out);
    }
    if build::echo_reply(out, frame, headers, ip) {
        whole(out);
    }
    let error = build::IcmpError::TooBig { mtu: 1450 };
    if build::icmp_error(out, frame, headers, Mac::ROUTER, ip.dst, error) {
        whole(out);
    }
}

fn whole(frame: &[u8]) {
    let headers = Headers::parse(frame).expect("an answer is a packet");
    let Body::Ip(ip) = headers.body else {
        panic!("an answer is IP")
    };
    assert!(ip.end == frame.len() && checksum::verify_l4(frame, &ip));
    assert_eq!(checksum::verify_l3(frame, &ip), Ok(()));
}

/// A packet whose checksums held still has them after a hop and a translation.
fn changes(frame: &mut [u8], ip: &Ip) {
    let held = checksum::verify_l3(frame, ip).is_ok() && checksum::verify_l4(frame, ip);
    rewrite::decrement_ttl(frame, ip);
    let state = Default::default();
    rewrite::address(frame, ip, rewrite::End::Source, ip.dst, state);
    rewrite::port(frame, ip, rewrite::End::Destination, 4242, state);
    let after = match Headers::parse(frame) {
        Ok(Headers {
            body: Body::Ip(after),
            ..
        }) => after,
        other => panic!("a rewritten packet is a packet: {other:?}"),
    };
    if held {
        assert_eq!(checksum::verify_l3(frame, &after), Ok(()));
        assert!(checksum::verify_l4(frame, &after));
    }
}
