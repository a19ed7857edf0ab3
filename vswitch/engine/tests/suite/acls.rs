//! Network ACLs: stateless, at a subnet's boundary, in both halves.

use weft_engine::{
    DropObject, DropReason, Now,
    testing::{Family, Fate, Seg, acl_entry, everything, pass_all, tcp_port},
};
use weft_model::{
    AclAction, AclEntry, Mac, Peer, PortMatch, PortRange, Prefix, RouteTarget,
    state::{Delta, StateKey},
};

use crate::paths::{BACK, PORTS, Path, SERVER, World};

fn world(path: Path) -> World {
    World::new(path, everything(), everything())
}

fn crossing() -> impl Iterator<Item = Path> {
    Path::all().filter(|path| path.cross_subnet)
}

/// An entry per family.
fn both(number: u16, action: AclAction, traffic: PortMatch) -> Vec<AclEntry> {
    let entry = |prefix: Prefix| acl_entry(number, action, traffic, prefix);
    Prefix::everywhere().map(entry).into()
}

fn deny(number: u16, traffic: PortMatch) -> Vec<AclEntry> {
    let first = both(number, AclAction::Deny, traffic);
    let rest = pass_all();
    first.into_iter().chain(rest).collect()
}

fn tcp(port: u16) -> PortMatch {
    PortMatch::Tcp(PortRange::one(port))
}

fn udp(port: u16) -> PortMatch {
    PortMatch::Udp(PortRange::one(port))
}

/// The server stands in subnet 2 wherever the path crosses, the client always in 1.
#[track_caller]
fn denied(
    path: Path,
    world: &World,
    subnet: u8,
    fate: &Fate,
    reason: DropReason,
    entry: Option<u16>,
) {
    assert_eq!(fate.dropped(), reason, "{path:?}");
    let object = DropObject::AclEntry {
        acl: world.tenant.acl(subnet),
        entry: entry.map(|number| number.try_into().unwrap()),
    };
    assert_eq!(fate.drops[0].object, Some(object), "{path:?}");
}

#[test]
fn an_empty_acl_denies_what_crosses_and_is_not_asked_within_the_subnet() {
    for path in Path::all() {
        let mut world = world(path);
        world.net.acl(world.tenant, 2, vec![], pass_all());
        world.net.acl(world.tenant, 1, vec![], vec![]);
        let fate = world.ask(Seg::SYN);
        if path.cross_subnet {
            denied(path, &world, 1, &fate, DropReason::AclEgress, None);
            world.net.acl(world.tenant, 1, vec![], pass_all());
            let fate = world.ask(Seg::SYN);
            denied(path, &world, 2, &fate, DropReason::AclIngress, None);
        } else {
            assert!(fate.reached(&world.server), "{path:?}: {fate:?}");
        }
    }
}

#[test]
fn the_lowest_number_decides_and_is_named() {
    for path in crossing() {
        let mut world = world(path);
        let open = both(90, AclAction::Allow, tcp(80));
        let entries = [both(95, AclAction::Deny, tcp(80)), pass_all()].concat();
        world.net.acl(world.tenant, 2, entries.clone(), pass_all());
        let fate = world.ask(Seg::SYN);
        denied(path, &world, 2, &fate, DropReason::AclIngress, Some(95));
        world
            .net
            .acl(world.tenant, 2, [open, entries].concat(), pass_all());
        assert!(world.ask(Seg::SYN).reached(&world.server), "{path:?}");
    }
}

/// What a security group would let back by itself needs an entry of its own here.
#[test]
fn replies_need_an_entry_of_their_own() {
    for path in crossing() {
        let mut world = world(path);
        let only_http = both(10, AclAction::Allow, tcp(80));
        world
            .net
            .acl(world.tenant, 2, only_http, deny(20, tcp(PORTS.0)));
        assert!(world.ask(Seg::SYN).reached(&world.server), "{path:?}");
        let fate = world.answer(Seg::SYN_ACK);
        denied(path, &world, 2, &fate, DropReason::AclEgress, Some(20));
        // The other port of the same reply is nothing to the entry.
        world
            .net
            .acl(world.tenant, 2, pass_all(), deny(20, tcp(80)));
        assert!(
            world.answer(Seg::SYN_ACK).reached(&world.client),
            "{path:?}"
        );
        world
            .net
            .acl(world.tenant, 1, deny(30, tcp(PORTS.0)), pass_all());
        let fate = world.answer(Seg::SYN_ACK);
        denied(path, &world, 1, &fate, DropReason::AclIngress, Some(30));
    }
}

/// No connection survives the entry that let it pass; and none is ended by one that goes again.
#[test]
fn an_established_connection_obeys_the_acl_of_the_day() {
    for path in crossing() {
        // The server may not begin anything: only its connection lets it answer.
        let mut world = World::new(path, everything(), vec![]);
        world.handshake();
        for _ in 0..2 {
            world
                .net
                .acl(world.tenant, 2, deny(5, tcp(80)), deny(7, tcp(PORTS.0)));
            let fate = world.ask(Seg::ACK);
            denied(path, &world, 2, &fate, DropReason::AclIngress, Some(5));
            let fate = world.answer(Seg::ACK);
            denied(path, &world, 2, &fate, DropReason::AclEgress, Some(7));
            world.net.acl(world.tenant, 2, pass_all(), pass_all());
            assert!(world.answer(Seg::ACK).reached(&world.client), "{path:?}");
            assert!(world.ask(Seg::ACK).reached(&world.server), "{path:?}");
        }
    }
}

#[test]
fn a_syn_that_the_acl_refuses_leaves_the_connection_as_it_was() {
    for path in crossing() {
        let own = |port| {
            let peers = ["10.0.0.0/16", "fd00:0:0:100::/56"];
            tcp_port(port, peers.map(|peer| Peer::Cidr(peer.parse().unwrap())))
        };
        let mut world = World::new(path, own(80), own(PORTS.0));
        world.handshake();
        let deny = deny(7, tcp(PORTS.0));
        world.net.acl(world.tenant, 2, pass_all(), deny);
        let fate = world.answer(Seg::SYN);
        denied(path, &world, 2, &fate, DropReason::AclEgress, Some(7));
        world.net.acl(world.tenant, 2, pass_all(), pass_all());
        world.net.group(world.tenant, SERVER, vec![], vec![]);
        // Longer than a handshake may take, and nothing to an established connection.
        world.net.pass(100 * Now::SECOND);
        assert!(world.ask(Seg::ACK).reached(&world.server), "{path:?}");
    }
}

#[test]
fn a_flow_that_passes_opens_nothing_for_its_neighbours() {
    for path in crossing() {
        let mut world = world(path);
        world.net.acl(
            world.tenant,
            2,
            both(1, AclAction::Allow, udp(80)),
            pass_all(),
        );
        assert!(world.ask_udp(b"x").reached(&world.server), "{path:?}");
        assert!(world.ask_udp(b"x").reached(&world.server), "{path:?}");
        let client = world.client.clone();
        let other = world.there().udp((PORTS.0, 81), b"x");
        let fate = world.net.send(&client, other);
        denied(path, &world, 2, &fate, DropReason::AclIngress, None);
        let tcp = world.there().tcp(PORTS, Seg::SYN, b"");
        let fate = world.net.send(&client, tcp);
        denied(path, &world, 2, &fate, DropReason::AclIngress, None);
    }
}

#[test]
fn a_ping_and_its_answer_are_two_types() {
    for path in crossing() {
        let mut world = world(path);
        let kind = |kind| Some(weft_model::IcmpMatch { kind, code: None });
        let (asks, answers) = match path.family {
            Family::V4 => (PortMatch::Icmp(kind(8)), PortMatch::Icmp(kind(0))),
            Family::V6 => (PortMatch::Icmpv6(kind(128)), PortMatch::Icmpv6(kind(129))),
        };
        let (client, server) = (world.client.clone(), world.server.clone());
        let (ask, answer) = (
            world.there().echo_request(7, b"x"),
            world.back().echo_reply(7, b"x"),
        );
        world
            .net
            .acl(world.tenant, 2, deny(9, answers), deny(9, asks));
        let fate = world.net.send(&client, ask.clone());
        assert!(fate.reached(&server), "{path:?}: {fate:?}");
        let fate = world.net.send(&server, answer.clone());
        assert!(fate.reached(&client), "{path:?}: {fate:?}");
        world.net.acl(world.tenant, 2, pass_all(), deny(9, answers));
        let fate = world.net.send(&server, answer);
        denied(path, &world, 2, &fate, DropReason::AclEgress, Some(9));
        world.net.acl(world.tenant, 2, deny(9, asks), pass_all());
        let fate = world.net.send(&client, ask);
        denied(path, &world, 2, &fate, DropReason::AclIngress, Some(9));
    }
}

/// An error about a connection needs no rule of a group, and needs an entry here.
#[test]
fn icmp_errors_are_judged_as_any_packet() {
    for path in crossing() {
        let mut world = World::new(path, everything(), vec![]);
        let (client, server) = (world.client.clone(), world.server.clone());
        let about = world.there().udp(PORTS, b"x");
        assert!(world.net.send(&client, about.clone()).reached(&server));
        let error = world.back().unreachable(&about);
        let fate = world.net.send(&server, error.clone());
        assert!(fate.reached(&client), "{path:?}: {fate:?}");
        let icmp = match path.family {
            Family::V4 => PortMatch::Icmp(None),
            Family::V6 => PortMatch::Icmpv6(None),
        };
        world.net.acl(world.tenant, 1, deny(3, icmp), pass_all());
        let fate = world.net.send(&server, error.clone());
        denied(path, &world, 1, &fate, DropReason::AclIngress, Some(3));
        world.net.acl(world.tenant, 2, pass_all(), deny(4, icmp));
        let fate = world.net.send(&server, error);
        denied(path, &world, 2, &fate, DropReason::AclEgress, Some(4));
    }
}

#[test]
fn later_fragments_follow_their_first() {
    for path in crossing() {
        let mut world = world(path);
        let client = world.client.clone();
        let to_80 = both(1, AclAction::Allow, udp(80));
        world.net.acl(world.tenant, 1, pass_all(), to_80.clone());
        world.net.acl(world.tenant, 2, to_80, pass_all());
        for frame in world.there().udp_fragments(7, PORTS, &[1; 3000], 1024) {
            let fate = world.net.send(&client, frame);
            assert!(fate.reached(&world.server), "{path:?}: {fate:?}");
        }
        let refused = world
            .there()
            .udp_fragments(8, (PORTS.0, 81), &[1; 3000], 1024);
        for (n, frame) in refused.into_iter().enumerate() {
            let fate = world.net.send(&client, frame);
            match n {
                0 => denied(path, &world, 1, &fate, DropReason::AclEgress, None),
                _ => assert_eq!(fate.dropped(), DropReason::FragmentOrphan, "{path:?}"),
            }
        }
    }
}

#[test]
fn an_acl_that_is_not_here_allows_nothing() {
    for path in crossing() {
        let mut world = world(path);
        let gone = Delta::Remove(StateKey::Acl(world.tenant.acl(1)));
        world.net.everywhere(&gone);
        let fate = world.ask(Seg::SYN);
        denied(path, &world, 1, &fate, DropReason::AclEgress, None);
    }
}

/// Both ends see the same connection by two ways: past the boundary, and from next door.
#[test]
fn a_way_around_the_boundary_is_not_taken_for_one_across_it() {
    for path in crossing().filter(|path| !path.cross_host) {
        let mut world = world(path);
        let (client, server) = (world.client.clone(), world.server.clone());
        let groups = server.groups.clone();
        let mut middlebox = world.net.attach(world.tenant, 0, (2, 30), &groups);
        middlebox.source_dest_check = false;
        world.net.update(&middlebox);
        // Next door: the middlebox hands the packet on within the server's subnet.
        let near = weft_engine::testing::frames::Way {
            src_mac: middlebox.mac,
            dst_mac: server.mac,
            ..world.there()
        };
        world.net.acl(world.tenant, 2, deny(6, tcp(80)), pass_all());
        let fate = world.net.send(&middlebox, near.tcp(PORTS, Seg::SYN, b""));
        assert!(fate.reached(&server), "{path:?}: {fate:?}");
        let across = world.there().tcp(PORTS, Seg::SYN, b"");
        let fate = world.net.send(&client, across);
        denied(path, &world, 2, &fate, DropReason::AclIngress, Some(6));
    }
}

/// A middlebox of the own subnet is reached without leaving it, whatever the address.
#[test]
fn a_route_back_into_the_subnet_crosses_no_boundary() {
    for path in Path::all().filter(|path| !path.cross_subnet) {
        let mut world = world(path);
        let (client, mut server) = (world.client.clone(), world.server.clone());
        server.source_dest_check = false;
        world.net.update(&server);
        let to = RouteTarget::Interface(server.interface);
        world
            .net
            .routes(world.tenant, &[("8.8.0.0/16", to), ("2001:db8::/32", to)]);
        world.net.acl(world.tenant, 1, vec![], vec![]);
        let dst = match path.family {
            Family::V4 => "8.8.8.8",
            Family::V6 => "2001:db8::1",
        };
        let way = world.net.way_out(&client, dst.parse().unwrap());
        assert_eq!(way.dst_mac, Mac::ROUTER);
        let fate = world.net.send(&client, way.tcp(BACK, Seg::SYN, b""));
        assert!(fate.reached(&server), "{path:?}: {fate:?}");
    }
}
