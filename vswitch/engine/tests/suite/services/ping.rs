use std::net::{IpAddr, Ipv6Addr};

use weft_engine::{
    DropReason,
    service::Heard,
    testing::{Family, Seg, frames::Way},
};
use weft_model::Mac;
use weft_packet::{
    checksum,
    headers::{Body, Headers, L4},
};

use super::Link;

const ROUTER_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x0857, 0x45ff, 0xfe46, 0x5401);

fn to_router(link: &Link, family: Family) -> Way {
    link.net.way_out(&link.port, link.port.router(family))
}

#[track_caller]
fn check_reply(link: &Link, way: &Way, payload: &[u8]) {
    let mut request = way.echo_request(0x1234, payload);
    request.extend_from_slice(b"padding that is nobody's");
    let answer = link.answer(&request);
    let headers = Headers::parse(&answer).unwrap();
    let Body::Ip(ip) = headers.body else {
        panic!("no IP: {headers:?}");
    };
    assert_eq!((headers.dst, headers.src), (link.port.mac, Mac::ROUTER));
    assert_eq!((ip.src, ip.dst), (way.dst, way.src));
    let kind = if ip.is_v4() { 0 } else { 129 };
    assert_eq!(
        ip.l4_kind,
        L4::Icmp {
            kind,
            code: 0,
            id: 0x1234
        }
    );
    assert_eq!(&answer[ip.l4 + 8..], payload);
    assert!(checksum::verify_l3(&answer, &ip).is_ok() && checksum::verify_l4(&answer, &ip));
}

#[test]
fn the_router_answers_ping() {
    let link = Link::new();
    for payload in [&b""[..], b"x", &[7; 1400]] {
        check_reply(&link, &to_router(&link, Family::V4), payload);
        check_reply(&link, &to_router(&link, Family::V6), payload);
        let mut way = to_router(&link, Family::V6);
        way.dst = ROUTER_LINK_LOCAL.into();
        check_reply(&link, &way, payload);
        way.src = "fe80::abcd".parse().unwrap();
        check_reply(&link, &way, payload);
    }
}

#[test]
fn ping_of_anything_else_is_not_the_routers() {
    let link = Link::new();
    for dst in ["10.0.2.1", "10.0.1.2", "10.0.1.99", "fd00:0:0:102::1"] {
        let way = link.net.way_out(&link.port, dst.parse().unwrap());
        assert_eq!(link.heard(&way.echo_request(1, b"x")), Heard::Pass, "{dst}");
    }
}

#[test]
fn the_router_gives_no_other_service() {
    let link = Link::new();
    for family in Family::BOTH {
        let way = to_router(&link, family);
        for frame in [
            way.tcp((1, 22), Seg::SYN, b""),
            way.udp((1, 53), b"x"),
            way.echo_reply(1, b"x"),
            way.raw(132, &[0; 20]),
        ] {
            assert_eq!(
                link.refused(&frame),
                DropReason::RouterUnserved,
                "{family:?}"
            );
        }
    }
}

#[test]
fn a_ping_with_another_source_is_refused() {
    let link = Link::new();
    for src in ["10.0.1.20", "10.0.1.1", "0.0.0.0", "fd00:0:0:101::14"] {
        let src: IpAddr = src.parse().unwrap();
        let mut way = to_router(
            &link,
            if src.is_ipv4() {
                Family::V4
            } else {
                Family::V6
            },
        );
        way.src = src;
        let reason = link.refused(&way.echo_request(1, b"x"));
        assert_eq!(reason, DropReason::SpoofedAddress, "{src}");
    }
}

#[test]
fn a_ping_with_a_wrong_checksum_does_not_come_back_right() {
    let link = Link::new();
    for family in Family::BOTH {
        let mut frame = to_router(&link, family).echo_request(1, b"hello");
        *frame.last_mut().unwrap() ^= 1;
        assert_eq!(link.refused(&frame), DropReason::RouterUnserved);
    }
}

#[test]
fn a_fragment_of_a_ping_is_not_answered() {
    let link = Link::new();
    let mut frame = to_router(&link, Family::V4).echo_request(1, &[0; 16]);
    frame[20] |= 0x20; // More fragments.
    assert_eq!(link.refused(&frame), DropReason::RouterUnserved);
}
