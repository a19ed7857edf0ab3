//! Security groups.

use weft_engine::{
    DropReason, Now,
    testing::{Family, Net, Seg, any4, any6, everything, group_peer, rule, tcp_port},
};
use weft_model::{IcmpMatch, Peer, PortMatch, PortRange, Rule};

use crate::paths::{BACK, CLIENT, PORTS, Path, SERVER, World};

/// From inside the VPC, so never from everywhere: what such a rule lets in is tracked.
fn from_vpc(port: u16) -> Vec<Rule> {
    tcp_port(
        port,
        ["10.0.0.0/16", "fd00:0:0:100::/56"].map(|p| Peer::Cidr(p.parse().unwrap())),
    )
}

#[test]
fn a_rule_lets_its_traffic_in_and_the_replies_out() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(80), vec![]);
        world.handshake();
    }
}

#[test]
fn empty_group_allows_nothing() {
    for path in Path::all() {
        let mut world = World::new(path, vec![], vec![]);
        assert_eq!(
            world.ask(Seg::SYN).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
        assert_eq!(
            world.answer(Seg::SYN).dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
        world.server.groups.clear();
        let server = world.server.clone();
        world.net.update(&server);
        assert_eq!(
            world.ask(Seg::SYN).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
        assert_eq!(
            world.answer(Seg::SYN).dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}

#[test]
fn only_the_port_and_the_protocol_of_the_rule_pass() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(80), vec![]);
        let way = world.there();
        for frame in [
            way.tcp((40_000, 81), Seg::SYN, b""),
            way.tcp((40_000, 79), Seg::SYN, b""),
            way.tcp((80, 40_000), Seg::SYN, b""),
            way.udp(PORTS, b"x"),
            way.echo_request(1, b"x"),
            way.raw(132, &[0; 16]),
        ] {
            let client = world.client.clone();
            assert_eq!(
                world.net.send(&client, frame).dropped(),
                DropReason::GroupIngress
            );
        }
    }
}

#[test]
fn a_rule_of_the_other_family_says_nothing() {
    for path in Path::all() {
        let other = match path.family {
            Family::V4 => any6(),
            Family::V6 => any4(),
        };
        let mut world = World::new(path, vec![rule(PortMatch::All, other)], everything());
        assert_eq!(
            world.ask(Seg::SYN).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
    }
}

#[test]
fn a_later_rule_or_group_adds_to_the_union() {
    for path in Path::all() {
        let mut world = World::new(path, vec![], vec![]);
        let more = world.net.group(world.tenant, 3, from_vpc(80), vec![]);
        world.server.groups.push(more);
        let server = world.server.clone();
        world.net.update(&server);
        world.handshake();
    }
}

#[test]
fn an_icmp_rule_matches_type_and_code() {
    for path in Path::all() {
        let echo = IcmpMatch {
            kind: if path.family == Family::V4 { 8 } else { 128 },
            code: Some(0),
        };
        let traffic = match path.family {
            Family::V4 => PortMatch::Icmp(Some(echo)),
            Family::V6 => PortMatch::Icmpv6(Some(echo)),
        };
        let peer = if path.family == Family::V4 {
            any4()
        } else {
            any6()
        };
        let mut world = World::new(path, vec![rule(traffic, peer)], vec![]);
        let (there, back) = (world.there(), world.back());
        let (client, server) = (world.client.clone(), world.server.clone());
        assert!(
            world
                .net
                .send(&client, there.echo_request(7, b"hello"))
                .reached(&server)
        );
        assert!(
            world
                .net
                .send(&server, back.echo_reply(7, b"hello"))
                .reached(&client)
        );
        let stray = world.net.send(&server, back.echo_reply(8, b"hello"));
        assert_eq!(stray.dropped(), DropReason::GroupEgress, "{path:?}");
        let not_a_request = world.net.send(&client, there.echo_reply(9, b"hello"));
        assert_eq!(
            not_a_request.dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
    }
}

#[test]
fn reply_passes_after_the_rule_is_removed() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(80), vec![]);
        world.handshake();
        world.set_server_rules(vec![], vec![]);
        assert!(world.answer(Seg::ACK).reached(&world.client), "{path:?}");
        assert!(world.ask(Seg::ACK).reached(&world.server), "{path:?}");
        let other = world.there().tcp((40_001, 80), Seg::SYN, b"");
        let client = world.client.clone();
        assert_eq!(
            world.net.send(&client, other).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
    }
}

#[test]
fn the_clients_connection_survives_the_removal_of_its_egress_rule() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(80), vec![]);
        world.handshake();
        world.set_client_rules(vec![], vec![]);
        assert!(world.ask(Seg::ACK).reached(&world.server), "{path:?}");
        assert!(world.answer(Seg::ACK).reached(&world.client), "{path:?}");
        let other = world.there().tcp((40_001, 80), Seg::SYN, b"");
        let client = world.client.clone();
        assert_eq!(
            world.net.send(&client, other).dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}

#[test]
fn untracked_connection_stops_at_once_when_its_rule_goes() {
    for path in Path::all() {
        let open = tcp_port(80, [any4(), any6()]);
        let mut world = World::new(path, open, everything());
        world.handshake();
        world.set_server_rules(vec![], everything());
        assert_eq!(
            world.ask(Seg::ACK).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
    }
}

#[test]
fn open_to_everywhere_is_tracked_while_the_way_back_is_not_open_to_everywhere() {
    for path in Path::all() {
        let open = tcp_port(80, [any4(), any6()]);
        let mut world = World::new(path, open, from_vpc(1));
        world.handshake();
        world.set_server_rules(vec![], vec![]);
        assert!(world.ask(Seg::ACK).reached(&world.server), "{path:?}");
        assert!(world.answer(Seg::ACK).reached(&world.client), "{path:?}");
    }
}

#[test]
fn icmp_is_tracked_even_when_all_is_open() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        let (there, back) = (world.there(), world.back());
        let (client, server) = (world.client.clone(), world.server.clone());
        assert!(
            world
                .net
                .send(&client, there.echo_request(7, b"hello"))
                .reached(&server)
        );
        world.set_server_rules(vec![], vec![]);
        assert!(
            world
                .net
                .send(&server, back.echo_reply(7, b"hello"))
                .reached(&client),
            "{path:?}"
        );
    }
}

#[test]
fn group_reference_follows_membership() {
    for path in Path::all() {
        let mut world = World::new(path, vec![], vec![]);
        let members = world.net.group(world.tenant, 3, vec![], everything());
        world.set_server_rules(tcp_port(80, [group_peer(members)]), vec![]);
        assert_eq!(
            world.ask(Seg::SYN).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
        world.client.groups.push(members);
        let client = world.client.clone();
        world.net.update(&client);
        world.handshake();
        world.client.groups.pop();
        let client = world.client.clone();
        world.net.update(&client);
        let other = world.there().tcp((40_001, 80), Seg::SYN, b"");
        assert_eq!(
            world.net.send(&client, other).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
        assert!(
            world.ask(Seg::ACK).reached(&world.server),
            "tracked: {path:?}"
        );
    }
}

#[test]
fn a_group_that_refers_to_itself_is_no_peer_of_others() {
    for path in Path::all() {
        let mut world = World::new(path, vec![], vec![]);
        let own = world.tenant.group(SERVER);
        world.set_server_rules(tcp_port(80, [group_peer(own)]), everything());
        assert_eq!(
            world.ask(Seg::SYN).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
        let peer = world
            .net
            .attach(world.tenant, world.client.host, (1, 30), &[own]);
        let frame = world
            .net
            .way(&peer, &world.server, path.family)
            .tcp(PORTS, Seg::SYN, b"");
        assert!(
            world.net.send(&peer, frame).reached(&world.server),
            "{path:?}"
        );
    }
}

#[test]
fn egress_rules_hold_at_the_sender() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        let other = rule(PortMatch::Udp(PortRange::one(53)), any4());
        world.set_client_rules(vec![], vec![other]);
        assert_eq!(
            world.ask(Seg::SYN).dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}

#[test]
fn an_idle_udp_conversation_needs_its_rule_again() {
    for path in Path::all() {
        let rules: Vec<Rule> = ["10.0.0.0/16", "fd00:0:0:100::/56"]
            .map(|p| {
                rule(
                    PortMatch::Udp(PortRange::one(80)),
                    Peer::Cidr(p.parse().unwrap()),
                )
            })
            .into();
        let mut world = World::new(path, rules, vec![]);
        assert!(world.ask_udp(b"a").reached(&world.server), "{path:?}");
        assert!(world.answer_udp(b"b").reached(&world.client), "{path:?}");
        world.net.pass(179 * Now::SECOND);
        assert!(world.answer_udp(b"c").reached(&world.client), "{path:?}");
        world.net.pass(181 * Now::SECOND);
        assert_eq!(
            world.answer_udp(b"d").dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}

#[test]
fn an_unanswered_udp_flow_is_kept_for_half_a_minute() {
    for path in Path::all() {
        let rules: Vec<Rule> = ["10.0.0.0/16", "fd00:0:0:100::/56"]
            .map(|p| {
                rule(
                    PortMatch::Udp(PortRange::one(80)),
                    Peer::Cidr(p.parse().unwrap()),
                )
            })
            .into();
        let mut world = World::new(path, rules, vec![]);
        assert!(world.ask_udp(b"a").reached(&world.server), "{path:?}");
        world.net.pass(31 * Now::SECOND);
        assert_eq!(
            world.answer_udp(b"b").dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}

#[test]
fn policy_that_opens_a_flow_from_one_side_opens_no_other_port() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(80), vec![]);
        world.handshake();
        let back = world.back();
        let server = world.server.clone();
        for ports in [(81, 40_000), (80, 40_001)] {
            let fate = world.net.send(&server, back.tcp(ports, Seg::ACK, b""));
            assert_eq!(fate.dropped(), DropReason::GroupEgress, "{path:?}");
        }
        let udp = world.net.send(&server, back.udp(BACK, b"x"));
        assert_eq!(udp.dropped(), DropReason::GroupEgress, "{path:?}");
    }
}

#[test]
fn before_any_configuration_nothing_passes() {
    let mut net = Net::new(1);
    let tenant = net.tenant(1);
    let open = net.group(tenant, CLIENT, everything(), everything());
    let a = net.attach(tenant, 0, (1, 10), &[open]);
    let b = net.attach(tenant, 0, (1, 20), &[open]);
    let frame = net.way(&a, &b, Family::V4).tcp(PORTS, Seg::SYN, b"");
    let port = net.port_of(&a);
    let mut engine = weft_engine::Engine::new(weft_engine::Limits::default(), 1);
    let mut bytes = frame;
    let frame = weft_engine::Frame {
        bytes: &mut bytes,
        offload: Default::default(),
    };
    let verdict = engine.from_port(net.now(), port, frame, &mut Nothing);
    assert!(
        matches!(verdict, weft_engine::Verdict::Drop(_)),
        "{verdict:?}"
    );
}

/// A sink that nothing may reach.
pub(crate) struct Nothing;

impl weft_engine::Sink for Nothing {
    fn to_port(&mut self, _: weft_engine::PortIndex, _: &[u8]) {
        panic!("made a frame");
    }
    fn to_local(&mut self, _: weft_engine::PortIndex, _: &[u8]) {
        panic!("made a frame");
    }
    fn to_tunnel(&mut self, _: weft_engine::Encap, _: &[u8]) {
        panic!("made a frame");
    }
}
