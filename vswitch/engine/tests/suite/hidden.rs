//! Targets that see the load balancer in their clients' place.

use std::{collections::BTreeSet, net::IpAddr};

use weft_engine::{
    DropReason,
    testing::{Eni, Family, Fate, Seg, everything, tcp_port},
};
use weft_model::{AclAction, Peer, PortMatch};
use weft_packet::headers::L4;

use crate::balancing::{LISTENED, SERVED, World, balancer, ends, is_reset};

fn world() -> World {
    let mut world = World::new();
    world.preserve = false;
    world.publish();
    world
}

/// The target that got the frame, and from whom it seems to be.
#[track_caller]
fn seen(world: &World, fate: &Fate) -> (usize, (IpAddr, u16)) {
    let target = world.target(fate);
    let (from, _, kind) = ends(fate.at(&world.targets[target])[0]);
    let L4::Tcp { src, .. } = kind else {
        panic!("{kind:?}");
    };
    (target, (from, src))
}

/// What the target sends to whom it saw.
fn answer(world: &mut World, from: usize, to: (IpAddr, u16), seg: Seg) -> Fate {
    let target = world.targets[from].clone();
    let way = world.net.way_out(&target, to.0);
    world.net.send(&target, way.tcp((SERVED, to.1), seg, b""))
}

#[test]
fn a_target_that_may_not_see_its_client_sees_the_balancer_and_answers_it() {
    for family in Family::BOTH {
        let mut world = world();
        for port in 1000..1020 {
            let fate = world.tcp(family, port, Seg::SYN);
            let (target, from) = seen(&world, &fate);
            assert_eq!(from.0, balancer(family));
            assert!(from.1 >= 1024, "{}", from.1);
            let fate = answer(&mut world, target, from, Seg::SYN_ACK);
            let (src, dst, kind) = ends(fate.at(&world.client)[0]);
            assert_eq!((src, dst), (balancer(family), world.client.address(family)));
            let to_client = matches!(kind, L4::Tcp { src: LISTENED, dst, .. } if dst == port);
            assert!(to_client, "{kind:?}");
            let fate = world.tcp(family, port, Seg::ACK);
            assert_eq!(seen(&world, &fate), (target, from), "it keeps its port");
        }
    }
}

#[test]
fn each_connection_has_a_port_of_its_own_at_its_target_while_one_is_free() {
    let mut world = world();
    world.targets.truncate(1);
    world.publish();
    let mut ports = BTreeSet::new();
    let mut refused = 0;
    for port in 1..=u16::MAX {
        let fate = world.tcp(Family::V4, port, Seg::SYN);
        if fate.drops.is_empty() {
            assert!(ports.insert(seen(&world, &fate).1.1), "a port twice");
        } else {
            assert_eq!(fate.dropped(), DropReason::BalancerExhausted);
            refused += 1;
        }
    }
    assert!(ports.len() >= 55_000, "{} ports", ports.len());
    assert!(refused >= 1_023, "there are 64,512 ports: {refused}");
}

#[test]
fn a_target_reaches_itself_where_it_does_not_see_its_client() {
    let mut world = world();
    world.targets.truncate(1);
    world.publish();
    world.client = world.targets[0].clone();
    let fate = world.tcp(Family::V4, 1000, Seg::SYN);
    let (target, from) = seen(&world, &fate);
    assert_eq!(from.0, balancer(Family::V4));
    let fate = answer(&mut world, target, from, Seg::SYN_ACK);
    let (src, _, kind) = ends(fate.at(&world.client)[0]);
    assert_eq!(src, balancer(Family::V4));
    assert!(matches!(kind, L4::Tcp { dst: 1000, .. }), "{kind:?}");
}

#[test]
fn the_targets_groups_judge_the_balancer_and_not_the_client() {
    let mut world = world();
    let address = |address: IpAddr| Peer::Cidr(format!("{address}/32").parse().unwrap());
    let client: IpAddr = world.client.ipv4().into();
    for (peer, passes) in [(client, false), (balancer(Family::V4), true)] {
        let ingress = tcp_port(SERVED, [address(peer)]);
        world.net.group(world.tenant, 1, ingress, everything());
        let fate = world.tcp(Family::V4, 2000, Seg::SYN);
        match passes {
            true => drop(seen(&world, &fate)),
            false => assert_eq!(fate.dropped(), DropReason::GroupIngress),
        }
    }
}

#[test]
fn the_targets_acl_judges_the_balancer_where_it_comes_from_another_subnet() {
    let mut world = world();
    // The last target alone is in another subnet than the balancer.
    let last = world.targets.pop().unwrap();
    world.targets = vec![last];
    world.publish();
    let entry = |number, action, prefix: String| {
        let prefix = prefix.parse().unwrap();
        weft_engine::testing::acl_entry(number, action, PortMatch::All, prefix)
    };
    let from = format!("{}/32", balancer(Family::V4));
    let denied = vec![
        entry(1, AclAction::Deny, from),
        entry(2, AclAction::Allow, "0.0.0.0/0".to_owned()),
    ];
    let all = weft_engine::testing::pass_all();
    world.net.acl(world.tenant, 2, denied, all.clone());
    let fate = world.tcp(Family::V4, 2000, Seg::SYN);
    assert_eq!(fate.dropped(), DropReason::AclIngress);
    world.net.acl(world.tenant, 2, all.clone(), all);
    let fate = world.tcp(Family::V4, 2000, Seg::SYN);
    seen(&world, &fate);
}

#[test]
fn a_connection_straight_to_the_target_and_a_hidden_one_take_turns() {
    let mut world = world();
    world.targets.truncate(1);
    world.publish();
    let target = world.targets[0].clone();
    let straight = |world: &mut World, seg: Seg| {
        let way = world.net.way(&world.client, &target, Family::V4);
        let client: Eni = world.client.clone();
        world.net.send(&client, way.tcp((1000, SERVED), seg, b""))
    };
    let forget = |world: &mut World| {
        // The client's own half alone: its target's doesn't hear of it.
        let client = world.client.clone();
        world.net.detach(&client);
        world.net.update(&client);
    };
    for _ in 0..2 {
        let fate = world.tcp(Family::V4, 1000, Seg::SYN);
        assert_eq!(seen(&world, &fate).1.0, balancer(Family::V4));
        forget(&mut world);
        let fate = straight(&mut world, Seg::ACK);
        assert_eq!(fate.dropped(), DropReason::TranslationTaken);
        forget(&mut world);
        let fate = straight(&mut world, Seg::SYN);
        assert_eq!(seen(&world, &fate).1.0, IpAddr::from(world.client.ipv4()));
        let fate = world.answer(0, Family::V4, 1000, Seg::SYN_ACK);
        assert!(fate.reached(&world.client), "{fate:?}");
        forget(&mut world);
    }
}

#[test]
fn a_connection_that_the_targets_host_has_forgotten_is_reset() {
    let mut world = world();
    // The last one is on another host than the client.
    world.targets = vec![world.targets.pop().unwrap()];
    world.publish();
    let fate = world.tcp(Family::V4, 1000, Seg::SYN);
    let (target, from) = seen(&world, &fate);
    answer(&mut world, target, from, Seg::SYN_ACK);
    let eni = world.targets[target].clone();
    world.net.detach(&eni);
    world.net.update(&eni);
    world.publish();
    let fate = world.tcp(Family::V4, 1000, Seg::ACK);
    is_reset(&world, &fate, DropReason::BalancerNoConnection);
}

#[test]
fn an_error_about_a_hidden_connection_speaks_of_what_each_end_knows() {
    let mut world = world();
    let fate = world.tcp(Family::V4, 1000, Seg::SYN);
    let (target, from) = seen(&world, &fate);
    let fate = answer(&mut world, target, from, Seg::SYN_ACK);
    let about = fate.at(&world.client)[0].to_vec();
    let client = world.client.clone();
    let way = world.net.way_out(&client, balancer(Family::V4));
    let fate = world.net.send(&client, way.unreachable(&about));
    let target = world.targets[target].clone();
    let frame = fate.at(&target)[0];
    let (src, dst, _) = ends(frame);
    assert_eq!((src, dst), (balancer(Family::V4), target.ipv4().into()));
    let headers = weft_packet::headers::Headers::parse(frame).unwrap();
    let weft_packet::headers::Body::Ip(ip) = headers.body else {
        panic!("no IP");
    };
    let quote = weft_packet::icmp::embedded(frame, &ip).unwrap();
    assert_eq!((quote.src, quote.dst), (target.ipv4().into(), from.0));
    assert_eq!(quote.ports, (SERVED, from.1));
}

#[test]
fn connections_that_are_there_stay_as_they_are_when_the_group_changes() {
    let mut world = world();
    let fate = world.tcp(Family::V4, 1000, Seg::SYN);
    let (target, from) = seen(&world, &fate);
    answer(&mut world, target, from, Seg::SYN_ACK);
    world.preserve = true;
    world.publish();
    let fate = world.tcp(Family::V4, 1000, Seg::ACK);
    assert_eq!(seen(&world, &fate), (target, from));
    let fate = answer(&mut world, target, from, Seg::ACK);
    assert!(fate.reached(&world.client), "{fate:?}");
    let fate = world.tcp(Family::V4, 1001, Seg::SYN);
    assert_eq!(seen(&world, &fate).1.0, IpAddr::from(world.client.ipv4()));
}

#[test]
fn a_target_that_begins_anew_towards_a_client_that_it_sees_is_nobody_hidden() {
    let mut world = World::new();
    let fate = world.tcp(Family::V4, 1000, Seg::SYN);
    let target = world.target(&fate);
    let client = world.client.ipv4().into();
    for seg in [Seg::SYN, Seg::ACK] {
        let fate = answer(&mut world, target, (client, 1000), seg);
        assert!(fate.reached(&world.client), "{fate:?}");
    }
}

#[test]
fn a_target_that_begins_anew_still_answers_its_hidden_client() {
    let mut world = world();
    let fate = world.tcp(Family::V4, 1000, Seg::SYN);
    let (target, from) = seen(&world, &fate);
    for seg in [Seg::SYN, Seg::ACK] {
        let fate = answer(&mut world, target, from, seg);
        assert!(fate.reached(&world.client), "{fate:?}");
    }
}
