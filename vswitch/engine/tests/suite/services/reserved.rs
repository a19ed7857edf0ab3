//! DNS, metadata and time at the port.

use std::net::IpAddr;

use weft_engine::{
    DropReason, Now, WallClock,
    testing::{
        Eni, Fate, Net, Seg,
        frames::{self, Way},
    },
};
use weft_packet::headers::{Body, Headers, L4};

use super::Link;

const METADATA: &str = "169.254.169.254";

fn to(link: &Link, address: &str) -> Way {
    link.net.way_out(&link.port, address.parse().unwrap())
}

/// A query for the A record of `a.test`, and one for a name of the port's VPC.
fn query(name: &[&str]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

fn own_name(link: &Link) -> Vec<u8> {
    let [a, b, c, d] = link.port.ipv4().octets();
    let label = format!("ip-{a}-{b}-{c}-{d}");
    query(&[&label, "r1", "compute", "internal"])
}

fn payload(frame: &[u8]) -> &[u8] {
    let Ok(Headers {
        body: Body::Ip(ip), ..
    }) = Headers::parse(frame)
    else {
        panic!("no IP");
    };
    match ip.l4_kind {
        L4::Tcp { data, .. } => &frame[data..ip.end],
        _ => &frame[ip.l4 + 8..ip.end],
    }
}

fn only(fate: &Fate, eni: &Eni) -> Vec<u8> {
    assert!(fate.reached(eni), "{fate:?}");
    fate.at(eni)[0].to_vec()
}

#[test]
fn dns_answers_at_each_of_its_addresses_without_any_group() {
    let mut link = Link::new();
    for address in ["10.0.0.2", "169.254.169.253", "fd00:ec2::253"] {
        let frame = to(&link, address).udp((4000, 53), &own_name(&link));
        let port = link.port.clone();
        let fate = link.net.send(&port, frame);
        let answer = only(&fate, &port);
        let message = payload(&answer);
        assert_eq!(&message[..2], &[0x12, 0x34]);
        assert_eq!(message[3] & 0xf, 0, "{address}: no error");
        assert_eq!(message[7], 1, "{address}: one answer");
        assert!(message.ends_with(&port.ipv4().octets()));
    }
}

#[test]
fn what_the_services_do_not_give_is_dropped() {
    let mut link = Link::new();
    let port = link.port.clone();
    let mut dropped = |address: &str, frame: fn(&Way) -> Vec<u8>| {
        let frame = frame(&to(&link, address));
        link.net.send(&port, frame).dropped()
    };
    for (address, frame) in [
        (
            METADATA,
            (|way| way.udp((1, 53), b"x")) as fn(&Way) -> Vec<u8>,
        ),
        ("169.254.169.253", |way| way.echo_request(1, b"x")),
        ("169.254.169.123", |way| way.udp((1, 123), &[0x23; 48])),
        ("169.254.170.2", |way| way.udp((1, 80), b"x")),
        ("fd00:ec2::1", |way| way.udp((1, 53), b"x")),
    ] {
        assert_eq!(
            dropped(address, frame),
            DropReason::RouterUnserved,
            "{address}"
        );
    }
}

#[test]
fn nobody_asks_in_anothers_name() {
    let mut link = Link::new();
    let port = link.port.clone();
    let way = Way {
        src: link.neighbor.ipv4().into(),
        ..to(&link, "169.254.169.253")
    };
    let fate = link.net.send(&port, way.udp((1, 53), &query(&["a"])));
    assert_eq!(fate.dropped(), DropReason::SpoofedAddress);
}

#[test]
fn a_port_may_ask_so_often_and_no_more() {
    let mut link = Link::new();
    let port = link.port.clone();
    let frame = to(&link, "10.0.0.2").udp((4000, 53), &own_name(&link));
    let mut answered = 0;
    for _ in 0..1100 {
        answered += link.net.send(&port, frame.clone()).delivered.len();
    }
    assert_eq!(answered, 1024);
    let fate = link.net.send(&port, frame.clone());
    assert_eq!(fate.dropped(), DropReason::LimitServices);
    link.net.pass(Now::SECOND);
    assert!(link.net.send(&port, frame).reached(&port));
}

#[test]
fn time_is_the_clock_that_the_engine_was_given() {
    let mut link = Link::new();
    let port = link.port.clone();
    let (engine, now) = link.net.engine_mut(0);
    engine.set_clock(WallClock::new(now, 1_577_836_800 * Now::SECOND));
    for address in ["169.254.169.123", "fd00:ec2::123"] {
        let frame = to(&link, address).udp((5000, 123), &[0x23; 48]);
        let answer = only(&link.net.send(&port, frame), &port);
        let packet = payload(&answer);
        let seconds = u32::from_be_bytes(packet[40..44].try_into().unwrap());
        assert_eq!(u64::from(seconds), 1_577_836_800 + 2_208_988_800);
    }
}

/// A TCP client of one request, as a kernel would be.
fn request(net: &mut Net, port: &Eni, way: Way, ports: (u16, u16), text: &[u8]) -> Vec<u8> {
    let seg = |seq, ack_number| Seg {
        seq,
        ack_number,
        ..Seg::ACK
    };
    let syn = Seg {
        seq: 100,
        ..Seg::SYN
    };
    let fate = net.send(port, way.tcp(ports, syn, b""));
    let syn_ack = only(&fate, port);
    let Ok(Headers {
        body: Body::Ip(ip), ..
    }) = Headers::parse(&syn_ack)
    else {
        panic!("no IP");
    };
    let theirs = u32::from_be_bytes(syn_ack[ip.l4 + 4..ip.l4 + 8].try_into().unwrap());
    let mut expected = theirs.wrapping_add(1);
    net.send(port, way.tcp(ports, seg(101, expected), b""));
    let mut fate = net.send(port, way.tcp(ports, seg(101, expected), text));
    let mut heard = Vec::new();
    for _ in 0..50 {
        let before = heard.len();
        for frame in fate.at(port) {
            heard.extend_from_slice(payload(frame));
        }
        if heard.len() == before {
            break;
        }
        expected = theirs.wrapping_add(1 + heard.len() as u32);
        let mine = 101 + text.len() as u32;
        fate = net.send(port, way.tcp(ports, seg(mine, expected), b""));
    }
    heard
}

fn get(link: &mut Link, address: &str, client: u16, text: &str) -> (String, String) {
    let way = to(link, address);
    let port = link.port.clone();
    let heard = request(&mut link.net, &port, way, (client, 80), text.as_bytes());
    let heard = String::from_utf8(heard).unwrap();
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn metadata_wants_a_token_and_tells_what_the_port_is() {
    let mut link = Link::new();
    for (n, address) in [METADATA, "fd00:ec2::254"].into_iter().enumerate() {
        let client = 40_000 + 10 * n as u16;
        let plain = "GET /latest/meta-data/local-ipv4 HTTP/1.1\r\n\r\n";
        let (head, _) = get(&mut link, address, client, plain);
        assert!(head.starts_with("HTTP/1.1 401"), "{head}");
        let put = "PUT /latest/api/token HTTP/1.1\r\n\
                   X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n";
        let (head, token) = get(&mut link, address, client + 1, put);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let mut ask = |client: u16, path: &str| {
            let text = format!("GET {path} HTTP/1.1\r\nX-aws-ec2-metadata-token: {token}\r\n\r\n");
            get(&mut link, address, client, &text).1
        };
        let own = ask(client + 2, "/latest/meta-data/local-ipv4");
        assert_eq!(own, "10.0.1.10");
        let listing = ask(client + 3, "/latest/meta-data/");
        assert!(
            listing.contains("placement/") && listing.contains("mac"),
            "{listing}"
        );
    }
}

#[test]
fn a_port_has_so_many_connections_to_its_services_and_no_more() {
    let mut link = Link::new();
    let port = link.port.clone();
    let way = to(&link, METADATA);
    let mut syn = |client: u16| {
        let frame = way.tcp((client, 80), Seg::SYN, b"");
        link.net.send(&port, frame)
    };
    let answered = (1..=8).filter(|&n| !syn(n).delivered.is_empty()).count();
    assert_eq!(answered, 8);
    assert_eq!(syn(9).dropped(), DropReason::LimitServices);
}

#[test]
fn dns_over_tcp_has_its_length_before_it() {
    let mut link = Link::new();
    let port = link.port.clone();
    let way = to(&link, "10.0.0.2");
    let query = own_name(&link);
    let text = [&(query.len() as u16).to_be_bytes()[..], &query].concat();
    let heard = request(&mut link.net, &port, way, (40_000, 53), &text);
    let length = u16::from_be_bytes([heard[0], heard[1]]);
    assert_eq!(usize::from(length), heard.len() - 2);
    assert!(heard.ends_with(&port.ipv4().octets()));
}

#[test]
fn arp_for_a_service_leads_to_the_router() {
    let link = Link::new();
    for address in ["169.254.169.254", "10.0.0.2"] {
        let IpAddr::V4(target) = address.parse().unwrap() else {
            unreachable!()
        };
        let own = (link.port.mac, link.port.ipv4());
        let nobody = weft_model::Mac::new([0; 6]);
        let frame = frames::arp(1, own, (nobody, target));
        let answer = link.answer(&frame);
        assert_eq!(
            &answer[22..28],
            &weft_model::Mac::ROUTER.octets(),
            "{address}"
        );
    }
}
