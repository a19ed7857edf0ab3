//! Datagrams in pieces.

use weft_engine::{
    DropReason, Now,
    testing::{Family, Net, everything, frames::Way, rule},
};
use weft_model::{Peer, PortMatch, PortRange, Rule};
use weft_packet::headers::{Body, Headers};

use crate::paths::{PORTS, Path, World};

fn udp_from_vpc() -> Vec<Rule> {
    ["10.0.0.0/16", "fd00:0:0:100::/56"]
        .map(|p| {
            rule(
                PortMatch::Udp(PortRange::one(80)),
                Peer::Cidr(p.parse().unwrap()),
            )
        })
        .into()
}

#[test]
fn fragments_follow_their_first() {
    for path in Path::all() {
        let mut world = World::new(path, udp_from_vpc(), vec![]);
        let client = world.client.clone();
        for frame in world.there().udp_fragments(7, PORTS, &[1; 3000], 1024) {
            let fate = world.net.send(&client, frame);
            assert!(fate.reached(&world.server), "{path:?}: {fate:?}");
        }
    }
}

#[test]
fn fragments_take_the_same_way_through_the_underlay_as_their_first() {
    for path in Path::all() {
        let mut world = World::new(path, udp_from_vpc(), vec![]);
        let client = world.client.clone();
        let mut ways = Vec::new();
        for frame in world.there().udp_fragments(7, PORTS, &[1; 3000], 1024) {
            let fate = world.net.send(&client, frame);
            ways.extend(fate.wire.iter().map(|wire| wire.entropy));
        }
        assert!(
            ways.iter().all(|way| *way == ways[0] && *way != 0),
            "{path:?}: {ways:?}"
        );
    }
}

#[test]
fn fragments_of_a_refused_datagram_are_refused() {
    for path in Path::all() {
        let mut world = World::new(path, udp_from_vpc(), vec![]);
        let client = world.client.clone();
        let frames = world
            .there()
            .udp_fragments(7, (40_000, 81), &[1; 3000], 1024);
        for (n, frame) in frames.into_iter().enumerate() {
            let reason = world.net.send(&client, frame).dropped();
            let expected = if n == 0 {
                DropReason::GroupIngress
            } else {
                DropReason::FragmentOrphan
            };
            assert_eq!(reason, expected, "{path:?} {n}");
        }
    }
}

#[test]
fn a_later_fragment_alone_is_dropped() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        let client = world.client.clone();
        let frames = world.there().udp_fragments(7, PORTS, &[1; 3000], 1024);
        assert!(
            world
                .net
                .send(&client, frames[0].clone())
                .reached(&world.server)
        );
        let other = world.there().udp_fragments(8, PORTS, &[1; 3000], 1024);
        let fate = world.net.send(&client, other[1].clone());
        assert_eq!(fate.dropped(), DropReason::FragmentOrphan, "{path:?}");
    }
}

#[test]
fn a_datagram_with_the_name_of_one_long_over_is_followed() {
    let path = Path::all().find(|path| path.cross_host).unwrap();
    let mut world = World::new(path, everything(), everything());
    let client = world.client.clone();
    // More are over at once than one packet clears away; the second one comes to the twelfth.
    let all: Vec<_> = (0..32)
        .map(|id| world.there().udp_fragments(id, PORTS, &[1; 3000], 1024))
        .collect();
    for frames in &all {
        world.net.send(&client, frames[0].clone());
    }
    world.net.pass_unseen(31 * Now::SECOND);
    for frame in all[11].clone() {
        assert!(world.net.send(&client, frame).reached(&world.server));
    }
}

#[test]
fn a_first_fragment_is_forgotten_after_its_time() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        let client = world.client.clone();
        let frames = world.there().udp_fragments(7, PORTS, &[1; 3000], 1024);
        assert!(
            world
                .net
                .send(&client, frames[0].clone())
                .reached(&world.server)
        );
        world.net.pass(31 * Now::SECOND);
        let fate = world.net.send(&client, frames[1].clone());
        assert_eq!(fate.dropped(), DropReason::FragmentOrphan, "{path:?}");
    }
}

/// The router fragments for IPv4 senders that allow it; the pieces pass the far half as one.
#[test]
fn an_oversize_packet_without_df_arrives_in_pieces() {
    for path in Path::all().filter(|path| path.family == Family::V4) {
        let mut world = World::new(path, udp_from_vpc(), vec![]);
        let client = world.client.clone();
        let payload: Vec<u8> = (0..4000_u32).map(|n| n as u8).collect();
        let whole = Way {
            dont_fragment: false,
            ..world.there()
        }
        .udp(PORTS, &payload);
        let fate = world.net.send(&client, whole.clone());
        assert!(fate.reached(&world.server), "{path:?}: {fate:?}");
        let mut body = vec![];
        for piece in fate.at(&world.server) {
            let Body::Ip(ip) = Headers::parse(piece).unwrap().body else {
                panic!("no IP");
            };
            assert!(ip.len() <= Net::MTU, "{path:?}: {ip:?}");
            assert_eq!(
                usize::from(ip.fragment.unwrap().offset),
                body.len(),
                "{path:?}"
            );
            body.extend_from_slice(&piece[ip.l3 + 20..ip.end]);
        }
        assert_eq!(body, whole[34..], "{path:?}");
    }
}

#[test]
fn a_flood_of_first_fragments_fills_only_its_own_allowance() {
    let path = Path {
        cross_host: false,
        cross_subnet: false,
        family: Family::V4,
    };
    let mut world = World::new(path, everything(), everything());
    let group = world.client.groups.clone();
    let flooder = world.net.attach(world.tenant, 0, (1, 66), &group);
    let way = world.net.way(&flooder, &world.server, Family::V4);
    let mut reasons = vec![];
    for id in 0..3000 {
        let first = way.udp_fragments(id, PORTS, &[1; 2000], 1024).remove(0);
        let fate = world.net.send(&flooder, first);
        reasons.extend(fate.drops.iter().map(|drop| drop.reason));
    }
    assert!(!reasons.is_empty(), "nothing bounds it");
    for reason in reasons {
        assert_eq!(reason, DropReason::FragmentTableFull);
    }
    // Between two others nothing is lost; what the flooder's own target has left is another matter.
    let group = world.server.groups.clone();
    let other = world.net.attach(world.tenant, 0, (1, 67), &group);
    let client = world.client.clone();
    let way = world.net.way(&client, &other, Family::V4);
    for frame in way.udp_fragments(9, PORTS, &[1; 2000], 1024) {
        let fate = world.net.send(&client, frame);
        assert!(fate.reached(&other), "{fate:?}");
    }
}
