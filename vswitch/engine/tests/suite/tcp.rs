//! A TCP connection's life, on virtual time.

use weft_engine::{
    DropReason, Now,
    testing::{Seg, tcp_port},
};
use weft_model::{Peer, Rule};

use crate::paths::{PORTS, Path, World};

fn from_vpc() -> Vec<Rule> {
    tcp_port(
        80,
        ["10.0.0.0/16", "fd00:0:0:100::/56"].map(|p| Peer::Cidr(p.parse().unwrap())),
    )
}

fn connected(path: Path) -> World {
    let mut world = World::new(path, from_vpc(), vec![]);
    world.handshake();
    world
}

const DAY: u64 = 86_400 * Now::SECOND;

#[test]
fn an_established_connection_lives_idle_for_five_days() {
    for path in Path::all() {
        let mut world = connected(path);
        world.net.pass(5 * DAY - Now::SECOND);
        assert!(world.answer(Seg::ACK).reached(&world.client), "{path:?}");
        world.net.pass(5 * DAY + Now::SECOND);
        assert_eq!(
            world.answer(Seg::ACK).dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}

#[test]
fn traffic_keeps_a_connection_alive() {
    for path in Path::all() {
        let mut world = connected(path);
        for _ in 0..4 {
            world.net.pass(4 * DAY);
            assert!(world.ask(Seg::ACK).reached(&world.server), "{path:?}");
        }
        assert!(world.answer(Seg::ACK).reached(&world.client), "{path:?}");
    }
}

#[test]
fn a_handshake_that_nobody_finishes_is_forgotten() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(), vec![]);
        assert!(world.ask(Seg::SYN).reached(&world.server), "{path:?}");
        world.net.pass(61 * Now::SECOND);
        assert_eq!(
            world.answer(Seg::SYN_ACK).dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}

#[test]
fn a_reset_ends_the_connection() {
    for path in Path::all() {
        let mut world = connected(path);
        let seg = Seg {
            seq: 1000,
            ..Seg::RST
        };
        assert!(world.ask(seg).reached(&world.server), "{path:?}");
        world.net.pass(11 * Now::SECOND);
        assert_eq!(
            world.answer(Seg::ACK).dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}

#[test]
fn both_fins_end_the_connection_and_the_last_ack_still_passes() {
    for path in Path::all() {
        let mut world = connected(path);
        assert!(world.ask(Seg::FIN).reached(&world.server), "{path:?}");
        assert!(world.answer(Seg::FIN).reached(&world.client), "{path:?}");
        assert!(world.ask(Seg::ACK).reached(&world.server), "{path:?}");
        world.net.pass(121 * Now::SECOND);
        assert_eq!(
            world.answer(Seg::ACK).dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}

#[test]
fn after_one_fin_the_other_side_may_still_send() {
    for path in Path::all() {
        let mut world = connected(path);
        assert!(world.ask(Seg::FIN).reached(&world.server), "{path:?}");
        for _ in 0..3 {
            world.net.pass(60 * Now::SECOND);
            assert!(world.answer(Seg::ACK).reached(&world.client), "{path:?}");
        }
    }
}

#[test]
fn the_same_ports_connect_again_after_an_end() {
    for path in Path::all() {
        let mut world = connected(path);
        assert!(world.ask(Seg::RST).reached(&world.server), "{path:?}");
        let again = Seg {
            seq: 77_000,
            ..Seg::SYN
        };
        assert!(world.ask(again).reached(&world.server), "{path:?}");
        assert!(
            world.answer(Seg::SYN_ACK).reached(&world.client),
            "{path:?}"
        );
        assert!(world.ask(Seg::ACK).reached(&world.server), "{path:?}");
        world.net.pass(DAY);
        assert!(world.answer(Seg::ACK).reached(&world.client), "{path:?}");
    }
}

#[test]
fn a_new_connection_on_old_ports_needs_the_rule_of_today() {
    for path in Path::all() {
        let mut world = connected(path);
        assert!(world.ask(Seg::RST).reached(&world.server), "{path:?}");
        world.set_server_rules(vec![], vec![]);
        let again = Seg {
            seq: 77_000,
            ..Seg::SYN
        };
        assert_eq!(
            world.ask(again).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
    }
}

#[test]
fn the_flow_table_is_empty_after_all_timeouts() {
    for path in Path::all() {
        let mut world = connected(path);
        let live = |world: &World| {
            (0..2)
                .map(|h| world.net.engine(h).counters().flows.live)
                .sum::<u64>()
        };
        assert!(live(&world) > 0, "{path:?}");
        world.net.pass(6 * DAY);
        assert_eq!(live(&world), 0, "{path:?}");
    }
}

#[test]
fn a_syn_from_the_server_on_the_clients_connection_opens_nothing_new() {
    for path in Path::all() {
        let mut world = World::new(path, from_vpc(), vec![]);
        let frame = world.back().tcp((PORTS.1, PORTS.0), Seg::SYN, b"");
        let server = world.server.clone();
        assert_eq!(
            world.net.send(&server, frame).dropped(),
            DropReason::GroupEgress,
            "{path:?}"
        );
    }
}
