//! Load balancers: who gets a connection, how long it stays, and how health is found out.

use std::{collections::BTreeMap, net::IpAddr};

use weft_engine::{
    DropReason, Now,
    balance::Finding,
    testing::{Eni, Family, Fate, Net, Seg, Tenant, everything, frames::arp},
};
use weft_model::{
    BalancerId, Carried, Health, HealthCheck, IdleTimeout, ListenerId, Mac, Probe, TargetGroupId,
    Weight,
    state::{
        BalancerAddress, BalancerState, Delta, ListenerState, State, StateKey, TargetGroupState,
        TargetState,
    },
};
use weft_packet::headers::{Body, Headers, L4, tcp_flags};

const ADDRESS4: &str = "10.0.1.200";
const ADDRESS6: &str = "fd00:0:0:101::c8";
const GROUP: TargetGroupId = TargetGroupId::from_bits(7);
pub(crate) const LISTENED: u16 = 80;
pub(crate) const SERVED: u16 = 8080;

/// A client on the first host and three targets, one on its host and two on another.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) tenant: Tenant,
    pub(crate) client: Eni,
    pub(crate) targets: Vec<Eni>,
    health: Vec<Health>,
    draining: Vec<bool>,
    pub(crate) probe: Probe,
    /// Whether targets see their clients.
    pub(crate) preserve: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut net = Net::new(2);
        let tenant = net.tenant(1);
        let all = net.group(tenant, 1, everything(), everything());
        let client = net.attach(tenant, 0, (1, 10), &[all]);
        let places = [(0, (1, 20)), (1, (1, 21)), (1, (2, 22))];
        let targets = places.map(|(host, at)| net.attach(tenant, host, at, &[all]));
        let mut world = Self {
            net,
            tenant,
            client,
            targets: targets.to_vec(),
            health: vec![Health::Healthy; 3],
            draining: vec![false; 3],
            probe: Probe::Tcp,
            preserve: true,
        };
        world.publish();
        world.listen(Carried::TcpUdp);
        world
    }

    pub(crate) fn publish(&mut self) {
        let each = self.targets.iter().enumerate();
        let targets = each.map(|(i, target)| TargetState {
            interface: target.interface,
            zone: "a".parse().unwrap(),
            addresses: vec![target.ipv4().into(), target.ipv6().into()],
            port: SERVED,
            weight: Weight::ONE,
            draining: self.draining[i],
            health: self.health[i],
        });
        let state = TargetGroupState {
            id: GROUP,
            vpc: self.tenant.vpc,
            health_check: HealthCheck::new(self.probe),
            preserve_client_address: self.preserve,
            targets: targets.collect(),
        };
        self.net
            .everywhere(&Delta::Upsert(State::TargetGroup(state)));
    }

    fn listen(&mut self, protocol: Carried) {
        let addresses = [ADDRESS4, ADDRESS6].map(|address| BalancerAddress {
            subnet: self.tenant.subnet(1),
            address: address.parse().unwrap(),
            public: None,
        });
        let state = BalancerState {
            id: BalancerId::from_bits(5),
            vpc: self.tenant.vpc,
            addresses: addresses.to_vec(),
            cross_zone: false,
            listeners: vec![ListenerState {
                id: ListenerId::from_bits(6),
                protocol,
                port: LISTENED,
                target_group: GROUP,
                idle_timeout: IdleTimeout::DEFAULT,
            }],
        };
        self.net.everywhere(&Delta::Upsert(State::Balancer(state)));
    }

    pub(crate) fn tcp(&mut self, family: Family, port: u16, seg: Seg) -> Fate {
        let way = self.net.way_out(&self.client, balancer(family));
        let frame = way.tcp((port, LISTENED), seg, b"");
        self.net.send(&self.client.clone(), frame)
    }

    fn udp(&mut self, port: u16) -> Fate {
        let way = self.net.way_out(&self.client, balancer(Family::V4));
        let frame = way.udp((port, LISTENED), b"who");
        self.net.send(&self.client.clone(), frame)
    }

    /// The target that got the frame.
    pub(crate) fn target(&self, fate: &Fate) -> usize {
        let reached = |target: &Eni| fate.reached(target);
        let found = self.targets.iter().position(reached);
        found.unwrap_or_else(|| panic!("no target: {fate:?}"))
    }

    pub(crate) fn answer(&mut self, from: usize, family: Family, port: u16, seg: Seg) -> Fate {
        let target = self.targets[from].clone();
        let way = self.net.way(&target, &self.client, family);
        self.net.send(&target, way.tcp((SERVED, port), seg, b""))
    }

    /// A whole handshake; who it was with.
    fn connect(&mut self, family: Family, port: u16) -> usize {
        let fate = self.tcp(family, port, Seg::SYN);
        let target = self.target(&fate);
        let fate = self.answer(target, family, port, Seg::SYN_ACK);
        assert!(fate.reached(&self.client), "{fate:?}");
        let fate = self.tcp(family, port, Seg::ACK);
        assert_eq!(self.target(&fate), target);
        target
    }
}

pub(crate) fn balancer(family: Family) -> IpAddr {
    match family {
        Family::V4 => ADDRESS4.parse().unwrap(),
        Family::V6 => ADDRESS6.parse().unwrap(),
    }
}

pub(crate) fn ends(frame: &[u8]) -> (IpAddr, IpAddr, L4) {
    let Body::Ip(ip) = Headers::parse(frame).unwrap().body else {
        panic!("no IP");
    };
    assert!(weft_packet::checksum::verify_l3(frame, &ip).is_ok());
    assert!(weft_packet::checksum::verify_l4(frame, &ip));
    (ip.src, ip.dst, ip.l4_kind)
}

/// The client got exactly a reset, from the balancer.
#[track_caller]
pub(crate) fn is_reset(world: &World, fate: &Fate, reason: DropReason) {
    let reasons: Vec<DropReason> = fate.drops.iter().map(|drop| drop.reason).collect();
    assert_eq!(reasons, [reason]);
    let (src, dst, kind) = ends(fate.at(&world.client)[0]);
    assert_eq!(
        (src, dst),
        (balancer(Family::V4), world.client.ipv4().into())
    );
    let L4::Tcp { flags, src, .. } = kind else {
        panic!("{kind:?}");
    };
    assert_eq!((flags & tcp_flags::RST, src), (tcp_flags::RST, LISTENED));
}

#[test]
fn a_target_sees_the_client_and_the_client_sees_the_balancer() {
    for family in Family::BOTH {
        let mut world = World::new();
        for port in 1000..1020 {
            let fate = world.tcp(family, port, Seg::SYN);
            let target = world.target(&fate);
            let (src, dst, kind) = ends(fate.at(&world.targets[target])[0]);
            assert_eq!(src, world.client.address(family));
            assert_eq!(dst, world.targets[target].address(family));
            assert!(matches!(kind, L4::Tcp { dst: SERVED, .. }), "{kind:?}");
            let fate = world.answer(target, family, port, Seg::SYN_ACK);
            let (src, dst, kind) = ends(fate.at(&world.client)[0]);
            assert_eq!((src, dst), (balancer(family), world.client.address(family)));
            assert!(matches!(kind, L4::Tcp { src: LISTENED, .. }), "{kind:?}");
        }
    }
}

#[test]
fn a_target_that_begins_anew_is_the_balancer_to_its_client_however_often() {
    for family in Family::BOTH {
        let mut world = World::new();
        let fate = world.tcp(family, 1000, Seg::SYN);
        let target = world.target(&fate);
        for _ in 0..3 {
            let fate = world.answer(target, family, 1000, Seg::SYN);
            let (src, ..) = ends(fate.at(&world.client)[0]);
            assert_eq!(src, balancer(family));
        }
    }
}

#[test]
fn connections_spread_over_the_targets_and_stay_with_theirs() {
    let mut world = World::new();
    let before: Vec<usize> = (1000..1300)
        .map(|port| world.connect(Family::V4, port))
        .collect();
    let mut counts = BTreeMap::new();
    for target in &before {
        *counts.entry(*target).or_insert(0) += 1;
    }
    assert!(
        counts.len() == 3 && counts.values().all(|n| *n > 60),
        "{counts:?}"
    );
    let all = world.targets[0].groups.clone();
    let fourth = world.net.attach(world.tenant, 0, (2, 23), &all);
    world.targets.push(fourth);
    world.health.push(Health::Healthy);
    world.draining.push(false);
    world.publish();
    for (port, target) in (1000..1300).zip(&before) {
        let fate = world.tcp(Family::V4, port, Seg::ACK);
        assert_eq!(world.target(&fate), *target, "no connection moves");
    }
}

#[test]
fn udp_is_kept_for_two_minutes() {
    let mut world = World::new();
    for port in 1000..1020 {
        let fate = world.udp(port);
        let target = world.target(&fate);
        world.net.pass(119 * Now::SECOND);
        let fate = world.udp(port);
        assert_eq!(world.target(&fate), target);
    }
}

#[test]
fn an_idle_connection_is_reset_after_its_timeout() {
    let mut world = World::new();
    world.connect(Family::V4, 1000);
    world.net.pass(349 * Now::SECOND);
    let fate = world.tcp(Family::V4, 1000, Seg::ACK);
    world.target(&fate);
    world.net.pass(351 * Now::SECOND);
    let fate = world.tcp(Family::V4, 1000, Seg::ACK);
    is_reset(&world, &fate, DropReason::BalancerNoConnection);
}

#[test]
fn a_segment_of_no_connection_is_reset() {
    let mut world = World::new();
    let fate = world.tcp(Family::V4, 1000, Seg::ACK);
    is_reset(&world, &fate, DropReason::BalancerNoConnection);
}

#[test]
fn the_connections_of_a_target_that_turns_unhealthy_are_reset() {
    let mut world = World::new();
    let target = world.connect(Family::V4, 1000);
    world.health[target] = Health::Unhealthy;
    world.publish();
    let fate = world.tcp(Family::V4, 1000, Seg::ACK);
    is_reset(&world, &fate, DropReason::BalancerTargetUnhealthy);
    for port in 2000..2050 {
        assert_ne!(world.connect(Family::V4, port), target);
    }
}

#[test]
fn where_all_are_unhealthy_connections_go_on_and_new_ones_come() {
    let mut world = World::new();
    let target = world.connect(Family::V4, 1000);
    world.health = vec![Health::Unhealthy; 3];
    world.publish();
    let fate = world.tcp(Family::V4, 1000, Seg::ACK);
    assert_eq!(world.target(&fate), target);
    world.connect(Family::V4, 2000);
}

#[test]
fn a_draining_target_keeps_its_connections_and_gets_none() {
    let mut world = World::new();
    let target = world.connect(Family::V4, 1000);
    world.draining[target] = true;
    world.publish();
    let fate = world.tcp(Family::V4, 1000, Seg::ACK);
    assert_eq!(world.target(&fate), target);
    for port in 2000..2050 {
        assert_ne!(world.connect(Family::V4, port), target);
    }
    world.targets.remove(target);
    world.health.remove(target);
    world.draining.remove(target);
    world.publish();
    let fate = world.tcp(Family::V4, 1000, Seg::ACK);
    is_reset(&world, &fate, DropReason::BalancerTargetGone);
}

#[test]
fn nobody_serves_before_the_first_check_has_passed() {
    let mut world = World::new();
    let key = StateKey::TargetGroup(GROUP);
    world.net.everywhere(&Delta::Remove(key));
    world.health = vec![Health::Unknown; 3];
    world.publish();
    let fate = world.tcp(Family::V4, 1000, Seg::SYN);
    assert_eq!(fate.dropped(), DropReason::BalancerNoTarget);
}

#[test]
fn what_no_listener_takes_is_dropped() {
    let mut world = World::new();
    let client = world.client.clone();
    let way = world.net.way_out(&client, balancer(Family::V4));
    for frame in [
        way.tcp((1000, 81), Seg::SYN, b""),
        way.udp((1000, 81), b""),
        way.echo_request(1, b""),
    ] {
        let fate = world.net.send(&client, frame);
        assert_eq!(fate.dropped(), DropReason::BalancerUnserved);
    }
    world.listen(Carried::Tcp);
    assert_eq!(world.udp(1000).dropped(), DropReason::BalancerUnserved);
}

#[test]
fn a_target_never_reaches_itself_through_its_balancer() {
    let mut world = World::new();
    world.client = world.targets[0].clone();
    let fates: Vec<Fate> = (1000..1050)
        .map(|port| world.tcp(Family::V4, port, Seg::SYN))
        .collect();
    assert!(fates.iter().all(|fate| !fate.reached(&world.client)));
    let reasons = fates.iter().flat_map(|fate| &fate.drops);
    assert!(reasons.clone().count() > 5);
    for drop in reasons {
        assert_eq!(drop.reason, DropReason::BalancerHairpin);
    }
}

#[test]
fn the_ports_switch_answers_arp_for_the_balancer() {
    let mut world = World::new();
    let client = world.client.clone();
    let IpAddr::V4(wanted) = balancer(Family::V4) else {
        panic!("IPv4");
    };
    let asked = arp(1, (client.mac, client.ipv4()), (Mac::new([0; 6]), wanted));
    let fate = world.net.send(&client, asked);
    let Body::Arp(reply) = Headers::parse(fate.at(&client)[0]).unwrap().body else {
        panic!("no ARP");
    };
    assert_eq!((reply.sender_ip, reply.sender_mac), (wanted, Mac::ROUTER));
}

/// What the target's check asks it, the target having been silent so far.
pub(crate) fn asked(world: &mut World, target: usize) -> Vec<u8> {
    let fate = world.net.check_targets();
    fate.at(&world.targets[target])[0].to_vec()
}

pub(crate) fn reply(asked: &[u8], flags: Seg, payload: &[u8]) -> Vec<u8> {
    let headers = Headers::parse(asked).unwrap();
    let (src, dst, kind) = ends(asked);
    let L4::Tcp {
        src: from,
        dst: at,
        seq,
        data,
        ..
    } = kind
    else {
        panic!("{kind:?}");
    };
    let control = u32::from(flags.syn);
    let way = weft_engine::testing::frames::Way {
        src_mac: headers.dst,
        dst_mac: headers.src,
        src: dst,
        dst: src,
        ttl: 64,
        dont_fragment: true,
    };
    let seg = Seg {
        seq: if flags.syn { 500 } else { 501 },
        ack_number: seq.wrapping_add((asked.len() - data) as u32 + control),
        ..flags
    };
    way.tcp((at, from), seg, payload)
}

#[test]
fn a_target_that_accepts_is_healthy_at_once_and_one_that_refuses_after_two() {
    let mut world = World::new();
    let syn = asked(&mut world, 0);
    let (src, ..) = ends(&syn);
    assert_eq!(src, world.client.router(Family::V4), "the router asks");
    let target = world.targets[0].clone();
    let fate = world.net.send(&target, reply(&syn, Seg::SYN_ACK, b""));
    let (.., kind) = ends(fate.at(&target)[0]);
    let L4::Tcp { flags, .. } = kind else {
        panic!("{kind:?}");
    };
    assert_eq!(flags, tcp_flags::RST, "and asks no more");
    let key = (GROUP, IpAddr::from(target.ipv4()), SERVED);
    let healthy = Finding {
        target: key,
        verdict: Some(Ok(())),
    };
    assert_eq!(world.net.findings(0), [healthy]);
    for expected in [0, 1] {
        world.net.pass(30 * Now::SECOND);
        let syn = asked(&mut world, 0);
        world.net.send(&target, reply(&syn, Seg::RST, b""));
        let findings = world.net.findings(0);
        assert_eq!(findings.len(), expected, "{findings:?}");
        assert!(
            findings
                .iter()
                .all(|f| f.verdict.as_ref().is_some_and(Result::is_err))
        );
    }
}

#[test]
fn a_target_that_says_nothing_is_unhealthy_when_its_time_is_over_twice() {
    let mut world = World::new();
    let mut found = Vec::new();
    for _ in 0..45 {
        world.net.check_targets();
        world.net.pass(Now::SECOND);
        found.extend(world.net.findings(1));
    }
    let unhealthy = |f: &&Finding| f.verdict == Some(Err("no answer in time".to_owned()));
    assert_eq!(found.iter().filter(unhealthy).count(), 2, "{found:?}");
}

#[test]
fn http_is_judged_by_its_status() {
    for (answer, healthy) in [
        (&b"HTTP/1.1 204 No Content\r\n"[..], Some(true)),
        (b"HTTP/1.1 503 Busy\r\n", None),
        (b"SSH-2.0", None),
    ] {
        let mut world = World::new();
        world.probe = Probe::Http;
        world.publish();
        let target = world.targets[0].clone();
        let syn = asked(&mut world, 0);
        let fate = world.net.send(&target, reply(&syn, Seg::SYN_ACK, b""));
        let request = fate.at(&target)[0].to_vec();
        let text = String::from_utf8_lossy(&request).into_owned();
        assert!(
            text.contains("GET / HTTP/1.1\r\nHost: 10.0.1.20\r\n"),
            "{text}"
        );
        world.net.send(&target, reply(&request, Seg::FIN, answer));
        let findings = world.net.findings(0);
        let found = findings.first().map(|f| f.verdict == Some(Ok(())));
        assert_eq!(found, healthy, "{findings:?}");
    }
}

#[test]
fn nobody_can_answer_for_a_target() {
    let mut world = World::new();
    let syn = asked(&mut world, 0);
    let client = world.client.clone();
    let mut forged = reply(&syn, Seg::SYN_ACK, b"");
    forged[6..12].copy_from_slice(&client.mac.octets());
    let fate = world.net.send(&client, forged);
    assert_eq!(fate.drops.len(), 1, "{fate:?}");
    assert!(world.net.findings(0).is_empty());
}
