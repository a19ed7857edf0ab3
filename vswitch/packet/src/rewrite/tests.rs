use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::samples;

#[test]
fn a_hop_less_leaves_a_header_checksum_that_holds() {
    for ttl in 2..=255 {
        let mut frame = samples::tcp(true, b"x", false);
        frame[22] = ttl;
        let ip = samples::ip(&frame);
        checksum::fill_l3(&mut frame, &ip);
        assert_eq!(decrement_ttl(&mut frame, &ip), Some(ttl - 1));
        let after = samples::ip(&frame);
        assert_eq!(after.ttl, ttl - 1);
        assert!(checksum::verify_l3(&frame, &after).is_ok());
    }
}

#[test]
fn the_last_hop_is_not_taken_and_the_frame_stays() {
    for v4 in [true, false] {
        for ttl in [0, 1] {
            let mut frame = samples::udp(v4, b"");
            frame[if v4 { 22 } else { 21 }] = ttl;
            let before = frame.clone();
            let ip = samples::ip(&frame);
            assert_eq!(decrement_ttl(&mut frame, &ip), None);
            assert_eq!(frame, before);
        }
    }
}

#[test]
fn new_addresses_and_ports_keep_every_checksum_whole() {
    for (v4, make) in [true, false].into_iter().flat_map(|v| {
        [
            samples::tcp(v, b"abc", false),
            samples::udp(v, b"abc"),
            samples::echo(v, b"abc"),
        ]
        .map(|f| (v, f))
    }) {
        let mut frame = make;
        let ip = samples::ip(&frame);
        let new = match v4 {
            true => IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
            false => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6)),
        };
        for end in [End::Source, End::Destination] {
            address(&mut frame, &ip, end, new, Checksum::Complete);
            port(&mut frame, &ip, end, 4242, Checksum::Complete);
        }
        let after = samples::ip(&frame);
        assert_eq!((after.src, after.dst), (new, new));
        assert!(checksum::verify_l3(&frame, &after).is_ok() && checksum::verify_l4(&frame, &after));
    }
}

#[test]
fn a_partial_checksum_stays_partial_and_completes_rightly() {
    for v4 in [true, false] {
        let mut frame = samples::tcp(v4, b"abc", false);
        let ip = samples::ip(&frame);
        let state = checksum::open(&mut frame, &ip).unwrap();
        let new = if v4 { "203.0.113.9" } else { "2001:db8::9" }
            .parse()
            .unwrap();
        address(&mut frame, &ip, End::Destination, new, state);
        port(&mut frame, &ip, End::Destination, 8443, state);
        checksum::complete(&mut frame, ip.end, state).unwrap();
        let after = samples::ip(&frame);
        assert_eq!((after.dst, after.ports().1), (new, 8443));
        assert!(checksum::verify_l4(&frame, &after));
    }
}

#[test]
fn an_echo_is_found_by_its_new_identifier() {
    for v4 in [true, false] {
        let mut frame = samples::echo(v4, b"abc");
        let ip = samples::ip(&frame);
        identifier(&mut frame, &ip, 4242);
        let after = samples::ip(&frame);
        assert_eq!(after.ports().0, 4242);
        assert!(checksum::verify_l4(&frame, &after));
    }
}

#[test]
fn a_quoted_packet_is_rewritten_with_every_checksum_around_it() {
    for v4 in [true, false] {
        for make in [
            samples::tcp(v4, b"abcdefgh", false),
            samples::udp(v4, b"abc"),
            samples::echo(v4, b"abc"),
        ] {
            let whole = samples::parse(&make);
            let mut error = Vec::new();
            let from = samples::ip(&make).dst;
            let kind = crate::build::IcmpError::TooBig { mtu: 1300 };
            assert!(crate::build::icmp_error(
                &mut error,
                &make,
                &whole,
                Mac::ROUTER,
                from,
                kind
            ));
            let ip = samples::ip(&error);
            let quote = crate::icmp::embedded(&error, &ip).unwrap();
            let new = if v4 { "203.0.113.9" } else { "2001:db8::9" }
                .parse()
                .unwrap();
            quoted(&mut error, &ip, &quote, End::Source, (new, 4242));
            let after = crate::icmp::embedded(&error, &ip).unwrap();
            assert_eq!((after.src, after.ports.0), (new, 4242));
            assert_eq!(after.dst, quote.dst);
            assert!(checksum::verify_l4(&error, &ip));
            // What is quoted is the whole packet here, so it can be checked like one.
            let mut inner = make[..14].to_vec();
            inner.extend_from_slice(&error[quote.l3..ip.end]);
            let inner_ip = samples::ip(&inner);
            assert!(checksum::verify_l3(&inner, &inner_ip).is_ok());
            assert!(checksum::verify_l4(&inner, &inner_ip));
        }
    }
}

#[test]
fn a_quoted_udp_checksum_never_becomes_none() {
    let new = ("203.0.113.9".parse().unwrap(), 4242);
    // Among all words one makes every sum.
    for word in 0..=u16::MAX {
        let sent = samples::udp(true, &word.to_be_bytes());
        let (whole, to) = (samples::parse(&sent), samples::ip(&sent).dst);
        let mut error = Vec::new();
        let kind = crate::build::IcmpError::PortUnreachable;
        crate::build::icmp_error(&mut error, &sent, &whole, Mac::ROUTER, to, kind);
        let ip = samples::ip(&error);
        let quote = crate::icmp::embedded(&error, &ip).unwrap();
        quoted(&mut error, &ip, &quote, End::Source, new);
        assert_ne!(error[quote.l4 + 6..quote.l4 + 8], [0, 0], "{word}");
        assert!(checksum::verify_l4(&error, &ip));
    }
}

#[test]
fn an_address_of_the_other_family_changes_nothing() {
    let frame = samples::tcp(true, b"", false);
    let ip = samples::ip(&frame);
    let mut changed = frame.clone();
    address(
        &mut changed,
        &ip,
        End::Source,
        "fd00::1".parse().unwrap(),
        Checksum::Complete,
    );
    assert_eq!(changed, frame);
}

#[test]
fn macs_are_written_in_wire_order() {
    let mut frame = samples::arp_request();
    macs(&mut frame, Mac::ROUTER, Mac::BROADCAST);
    let headers = samples::parse(&frame);
    assert_eq!((headers.dst, headers.src), (Mac::ROUTER, Mac::BROADCAST));
}
