//! Bounded tables: a flood fills its own allowance.

use weft_engine::{
    DropReason, Limits,
    testing::{Eni, Family, Net, Seg, everything},
};

use crate::paths::{BACK, PORTS, Path, World};

const PER_PORT: usize = 64;

fn small() -> Limits {
    Limits {
        flows: 4 * PER_PORT,
        flows_per_port: PER_PORT,
        ..Limits::default()
    }
}

fn path(family: Family) -> Path {
    Path {
        cross_host: true,
        cross_subnet: false,
        family,
    }
}

/// Many connections from the flooder to the target: SYNs that nobody answers.
fn flood(world: &mut World, flooder: &Eni, target: &Eni, count: u16) -> Vec<DropReason> {
    let way = world.net.way(flooder, target, world.path.family);
    let mut reasons = vec![];
    for port in 0..count {
        let fate = world.net.send(flooder, way.tcp((port, 9), Seg::SYN, b""));
        reasons.extend(fate.drops.iter().map(|drop| drop.reason));
    }
    reasons
}

#[test]
fn flood_from_one_port_fills_only_its_own_allowance() {
    for family in Family::BOTH {
        let mut world = World::on(
            Net::with_limits(3, &small()),
            path(family),
            everything(),
            everything(),
        );
        world.handshake();
        let groups = world.client.groups.clone();
        let open = world.server.groups.clone();
        let flooder = world.net.attach(world.tenant, 0, (1, 66), &groups);
        let victim = world.net.attach(world.tenant, 2, (1, 67), &open);
        flood(&mut world, &flooder, &victim, 1000);
        assert!(world.net.engine(0).counters().flows.live <= 2 * PER_PORT as u64);
        // The connections of its neighbour on the same host live, and new ones open.
        assert!(world.answer(Seg::ACK).reached(&world.client), "{family:?}");
        let frame = world.there().tcp((50_000, 80), Seg::SYN, b"");
        let client = world.client.clone();
        let fate = world.net.send(&client, frame);
        assert!(fate.reached(&world.server), "{family:?}: {fate:?}");
    }
}

#[test]
fn established_connections_outlive_the_same_ports_unanswered_flood() {
    for family in Family::BOTH {
        let mut world = World::on(
            Net::with_limits(3, &small()),
            path(family),
            everything(),
            vec![],
        );
        world.handshake();
        let open = world.server.groups.clone();
        let victim = world.net.attach(world.tenant, 2, (1, 67), &open);
        let client = world.client.clone();
        flood(&mut world, &client, &victim, 1000);
        assert!(world.answer(Seg::ACK).reached(&world.client), "{family:?}");
        assert!(world.ask(Seg::ACK).reached(&world.server), "{family:?}");
    }
}

#[test]
fn a_full_allowance_of_live_connections_refuses_new_ones_and_counts_them() {
    for family in Family::BOTH {
        let mut world = World::on(
            Net::with_limits(2, &small()),
            path(family),
            everything(),
            everything(),
        );
        let (client, server) = (world.client.clone(), world.server.clone());
        let mut refused = 0;
        for port in 0..2 * PER_PORT as u16 {
            let frame = world.there().tcp((port, 80), Seg::SYN, b"");
            let fate = world.net.send(&client, frame);
            if fate.delivered.is_empty() {
                assert_eq!(fate.dropped(), DropReason::FlowAllowanceFull, "{family:?}");
                refused += 1;
                continue;
            }
            for (frame, from) in [
                (world.back().tcp((80, port), Seg::SYN_ACK, b""), &server),
                (world.there().tcp((port, 80), Seg::ACK, b""), &client),
            ] {
                let fate = world.net.send(from, frame);
                assert!(!fate.delivered.is_empty(), "{family:?}: {fate:?}");
            }
        }
        assert!(refused >= PER_PORT, "{refused}");
        assert!(world.net.engine(0).counters().flows.refused >= refused as u64);
        let first = world.back().tcp((80, 0), Seg::ACK, b"");
        assert!(
            world.net.send(&server, first).reached(&client),
            "{family:?}"
        );
    }
}

#[test]
fn drops_are_counted_at_their_port_by_their_reason() {
    for path in Path::all() {
        let mut world = World::new(path, vec![], vec![]);
        let port = world.net.port_of(&world.server);
        for _ in 0..3 {
            world.ask(Seg::SYN);
            world.answer(Seg::SYN);
        }
        let frame = world.back().tcp(BACK, Seg::SYN, b"");
        let server = world.server.clone();
        world.net.send(&server, frame);
        let counters = world.net.engine(server.host).counters().port(port).unwrap();
        assert_eq!(counters.drops.get(DropReason::GroupIngress), 3, "{path:?}");
        assert_eq!(counters.drops.get(DropReason::GroupEgress), 4, "{path:?}");
        assert_eq!(counters.drops.total(), 7, "{path:?}");
    }
}

#[test]
fn what_passes_is_counted_at_both_ports() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        world.handshake();
        let bytes = world.there().tcp(PORTS, Seg::ACK, b"").len() as u64;
        let tally = |world: &World, eni: &Eni| {
            let port = world.net.port_of(eni);
            let counters = world.net.engine(eni.host).counters().port(port).unwrap();
            (counters.egress, counters.ingress)
        };
        let (sent, got) = tally(&world, &world.client);
        assert_eq!(
            (sent.packets, sent.bytes, got.packets, got.bytes),
            (2, 2 * bytes, 1, bytes),
            "{path:?}"
        );
        let (sent, got) = tally(&world, &world.server);
        assert_eq!((sent.packets, got.packets), (1, 2), "{path:?}");
    }
}
