//! ICMP errors: those that belong to a connection, and those that the router owes.

use weft_engine::{
    DropReason,
    testing::{Family, Fate, Net, Seg, any4, any6, everything, frames::Way, rule, tcp_port},
};
use weft_model::{InterfaceId, Mac, Peer, PortMatch, Rule};
use weft_packet::{
    checksum,
    headers::{Body, Headers, Ip, L4},
    icmp,
};

use crate::paths::{BACK, CLIENT, PORTS, Path, World};

const ALL: PortMatch = PortMatch::All;

fn from_vpc() -> Vec<Rule> {
    tcp_port(
        80,
        ["10.0.0.0/16", "fd00:0:0:100::/56"].map(|p| Peer::Cidr(p.parse().unwrap())),
    )
}

#[test]
fn icmp_error_of_a_tracked_connection_passes() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(), vec![]);
        world.handshake();
        let about = world.there().tcp(PORTS, Seg::ACK, b"0123456789");
        let frame = world.back().unreachable(&about);
        let server = world.server.clone();
        let fate = world.net.send(&server, frame);
        assert!(fate.reached(&world.client), "{path:?}: {fate:?}");
    }
}

#[test]
fn icmp_error_of_no_connection_needs_a_rule() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(), vec![]);
        world.handshake();
        let server = world.server.clone();
        let elsewhere = world.there().tcp((40_001, 80), Seg::ACK, b"0123456789");
        let backwards = world.back().tcp(BACK, Seg::ACK, b"0123456789");
        let udp = world.there().udp(PORTS, b"0123456789");
        for about in [elsewhere, backwards, udp] {
            let frame = world.back().unreachable(&about);
            let fate = world.net.send(&server, frame);
            assert_eq!(fate.dropped(), DropReason::GroupEgress, "{path:?}");
        }
    }
}

/// The one frame that came back, an ICMP error from the router about `about`.
#[track_caller]
fn error(fate: &Fate, world: &World, about: &[u8]) -> (u8, u8, u32) {
    let [bytes] = fate.at(&world.client)[..] else {
        panic!("{:?}: {fate:?}", world.path);
    };
    let headers = Headers::parse(bytes).unwrap();
    let Body::Ip(ip) = headers.body else {
        panic!("{headers:?}");
    };
    assert_eq!((headers.dst, headers.src), (world.client.mac, Mac::ROUTER));
    assert_eq!(ip.dst, world.client.address(world.path.family));
    assert!(checksum::verify_l3(bytes, &ip).is_ok() && checksum::verify_l4(bytes, &ip));
    quotes(bytes, &ip, about);
    let L4::Icmp { kind, code, .. } = ip.l4_kind else {
        panic!("{ip:?}");
    };
    let value = u32::from_be_bytes(*bytes[ip.l4 + 4..].first_chunk().unwrap());
    (kind, code, value)
}

/// What is quoted is a part of the sender's own packet, and nothing else.
#[track_caller]
fn quotes(bytes: &[u8], ip: &Ip, about: &[u8]) {
    let quote = &bytes[ip.l4 + icmp::HEADER..ip.end];
    assert!(quote.len() >= 28);
    assert!(
        about[14..].starts_with(quote),
        "quotes what the sender didn't send"
    );
}

const TOO_BIG: usize = Net::MTU + 1;

fn segment(way: &Way, l3: usize) -> Vec<u8> {
    let headers = if way.src.is_ipv4() { 40 } else { 60 };
    way.tcp(PORTS, Seg::ACK, &vec![7; l3 - headers])
}

#[test]
fn too_big_reaches_the_sender() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(), vec![]);
        world.handshake();
        let client = world.client.clone();
        let frame = segment(&world.there(), TOO_BIG);
        let fate = world.net.send(&client, frame.clone());
        let expected = match path.family {
            Family::V4 => (3, 4, Net::MTU as u32),
            Family::V6 => (2, 0, Net::MTU as u32),
        };
        assert_eq!(error(&fate, &world, &frame), expected, "{path:?}");
        assert!(fate.wire.is_empty(), "{path:?}");
        let fits = segment(&world.there(), Net::MTU);
        assert!(
            world.net.send(&client, fits).reached(&world.server),
            "{path:?}"
        );
    }
}

#[test]
fn ttl_one_gets_time_exceeded() {
    for path in Path::all().filter(|path| path.cross_subnet) {
        let mut world = World::new(path, from_vpc(), vec![]);
        let client = world.client.clone();
        for ttl in [0, 1] {
            let frame = Way {
                ttl,
                ..world.there()
            }
            .tcp(PORTS, Seg::SYN, b"");
            let fate = world.net.send(&client, frame.clone());
            let (kind, code, _) = error(&fate, &world, &frame);
            let expected = if path.family == Family::V4 {
                (11, 0)
            } else {
                (3, 0)
            };
            assert_eq!((kind, code), expected, "{path:?} {ttl}");
        }
    }
}

#[test]
fn the_router_takes_one_hop_and_a_subnet_takes_none() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(), vec![]);
        let fate = world.ask(Seg::SYN);
        let headers = Headers::parse(fate.at(&world.server)[0]).unwrap();
        let Body::Ip(ip) = headers.body else {
            panic!("{headers:?}");
        };
        assert_eq!(ip.ttl, if path.cross_subnet { 63 } else { 64 }, "{path:?}");
        let from = if path.cross_subnet {
            Mac::ROUTER
        } else {
            world.client.mac
        };
        assert_eq!(
            (headers.dst, headers.src),
            (world.server.mac, from),
            "{path:?}"
        );
    }
}

#[test]
fn errors_are_limited_per_port() {
    let path = Path {
        cross_host: false,
        cross_subnet: true,
        family: Family::V4,
    };
    let mut world = World::new(path, from_vpc(), vec![]);
    let client = world.client.clone();
    let frame = Way {
        ttl: 1,
        ..world.there()
    }
    .tcp(PORTS, Seg::SYN, b"");
    let mut answers = 0;
    for _ in 0..1000 {
        answers += world.net.send(&client, frame.clone()).delivered.len();
    }
    assert!((1..=50).contains(&answers), "{answers}");
    assert!(world.net.engine(0).counters().icmp_errors_suppressed >= 950);
}

#[test]
fn no_error_about_an_error() {
    for path in Path::all().filter(|path| path.cross_subnet) {
        let mut world = World::new(path, from_vpc(), vec![]);
        world.handshake();
        let client = world.client.clone();
        let about = world.back().tcp(BACK, Seg::ACK, b"0123456789");
        let frame = Way {
            ttl: 1,
            ..world.there()
        }
        .unreachable(&about);
        assert_eq!(
            world.net.send(&client, frame).dropped(),
            DropReason::TtlExceeded,
            "{path:?}"
        );
    }
}

#[test]
fn an_error_about_a_reply_belongs_to_who_asked() {
    for path in Path::all() {
        let mut world = World::new(path, vec![rule(ALL, any4()), rule(ALL, any6())], vec![]);
        let (client, server) = (world.client.clone(), world.server.clone());
        let ask = world.there().echo_request(7, b"0123456789");
        assert!(world.net.send(&client, ask).reached(&server), "{path:?}");
        // The client never answered the server: such an answer is part of nothing.
        let stray = world.there().echo_reply(7, b"0123456789");
        let fate = world.net.send(&server, world.back().unreachable(&stray));
        assert_eq!(fate.dropped(), DropReason::GroupEgress, "{path:?}");
        // What the server did answer is.
        let reply = world.back().echo_reply(7, b"0123456789");
        assert!(world.net.send(&server, reply.clone()).reached(&client));
        let fate = world.net.send(&client, world.there().unreachable(&reply));
        assert!(fate.reached(&server), "{path:?}: {fate:?}");
    }
}

#[test]
fn an_error_about_an_untracked_connection_needs_a_rule() {
    for path in Path::all() {
        let mut world = World::new(path, tcp_port(80, [any4(), any6()]), everything());
        let group = world
            .net
            .group(world.tenant, CLIENT, vec![], tcp_port(80, [any4(), any6()]));
        world.client.groups = vec![group];
        world.handshake();
        let about = world.back().tcp(BACK, Seg::ACK, b"0123456789");
        let client = world.client.clone();
        let fate = world.net.send(&client, world.there().unreachable(&about));
        // The client tracks it, so the error leaves; at the server it is on its own.
        assert_eq!(fate.dropped(), DropReason::GroupIngress, "{path:?}");
    }
}

#[test]
fn an_error_about_a_connection_with_an_interface_that_is_gone_needs_a_rule() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(), vec![]);
        world.handshake();
        let (mut heir, server) = (world.server.clone(), world.server.clone());
        world.net.detach(&server);
        heir.interface = InterfaceId::from_bits(999);
        heir.mac = Mac::local(999);
        heir.groups = world.client.groups.clone();
        world.net.update(&heir);
        let about = world.there().tcp(PORTS, Seg::ACK, b"0123456789");
        let way = world.net.way(&heir, &world.client, path.family);
        let fate = world.net.send(&heir, way.unreachable(&about));
        assert_eq!(fate.dropped(), DropReason::GroupIngress, "{path:?}");
    }
}
