//! Traffic mirroring, over every path.

use weft_engine::{
    Now,
    testing::{Eni, Family, Fate, Net, Seg, any4, everything, rule},
    watch::{LogData, LogRecord},
};
use weft_model::{
    AccountId, FlowLogId, LogFormat, LogInterval, LogScope, LogTraffic, MirrorAction,
    MirrorFilterId, MirrorRule, MirrorSessionId, MirrorTarget, PortMatch, PortRange, Protocol,
    state::{Delta, FlowLogState, MirrorState, State, StateKey},
};
use weft_packet::vxlan;

use crate::paths::{PORTS, Path, World};

/// Ethernet, IPv4, UDP and VXLAN before the copy.
const BEFORE: usize = 14 + 20 + 8 + 8;

fn accept(number: u32, action: MirrorAction, protocol: Option<Protocol>, v4: bool) -> MirrorRule {
    let everywhere = if v4 { "0.0.0.0/0" } else { "::/0" };
    MirrorRule {
        number: number.try_into().unwrap(),
        action,
        protocol,
        source: everywhere.parse().unwrap(),
        destination: everywhere.parse().unwrap(),
        source_ports: PortRange::ALL,
        destination_ports: PortRange::ALL,
    }
}

fn all() -> Vec<MirrorRule> {
    vec![
        accept(10, MirrorAction::Accept, None, true),
        accept(20, MirrorAction::Accept, None, false),
    ]
}

fn session(source: &Eni, target: MirrorTarget, number: u32) -> MirrorState {
    MirrorState {
        id: MirrorSessionId::from_bits(u64::from(number)),
        vpc: source.tenant.vpc,
        source: source.interface,
        target,
        filter: MirrorFilterId::from_bits(1),
        ingress: all(),
        egress: all(),
        number: number.try_into().unwrap(),
        packet_length: None,
        vni: (7000 + number).try_into().unwrap(),
    }
}

fn set(net: &mut Net, session: &MirrorState) {
    net.everywhere(&Delta::Upsert(State::Mirror(session.clone())));
}

/// The world of most tests with somebody who gets copies, on the server's host and in its subnet.
fn watched(path: Path) -> (World, Eni) {
    let mut world = World::new(path, everything(), everything());
    let tap = PortMatch::Udp(PortRange::one(4789));
    let group = world
        .net
        .group(world.tenant, 9, vec![rule(tap, any4())], vec![]);
    let place = (world.server.subnet, 99);
    let monitor = world
        .net
        .attach(world.tenant, world.server.host, place, &[group]);
    (world, monitor)
}

/// The frames inside the copies that the monitor got, with their VNIs.
fn copies(fate: &Fate, monitor: &Eni) -> Vec<(u32, Vec<u8>)> {
    let read = |frame: &&[u8]| {
        let vni = vxlan::parse(&frame[BEFORE - 8..]).unwrap();
        (vni.get(), frame[BEFORE..].to_vec())
    };
    fate.at(monitor).iter().map(read).collect()
}

#[test]
fn both_directions_are_copied_on_every_path_as_the_workload_knows_them() {
    for path in Path::all() {
        let (mut world, monitor) = watched(path);
        let to = MirrorTarget::Interface(monitor.interface);
        set(&mut world.net, &session(&world.client, to, 1));
        for _ in 0..2 {
            let sent = world.there().tcp(PORTS, Seg::SYN, b"hello");
            let fate = world.net.send(&world.client, sent.clone());
            assert_eq!(fate.at(&world.server).len(), 1, "{path:?}");
            assert_eq!(copies(&fate, &monitor), [(7001, sent)], "{path:?}");
        }
        let fate = world.answer(Seg::SYN_ACK);
        let delivered = fate.at(&world.client)[0].to_vec();
        assert_eq!(copies(&fate, &monitor), [(7001, delivered)], "{path:?}");
        let id = MirrorSessionId::from_bits(1);
        world.net.everywhere(&Delta::Remove(StateKey::Mirror(id)));
        assert!(
            copies(&world.ask(Seg::ACK), &monitor).is_empty(),
            "{path:?}"
        );
    }
}

#[test]
fn what_policy_refuses_is_not_copied() {
    for path in Path::all() {
        let (mut world, monitor) = watched(path);
        let to = MirrorTarget::Interface(monitor.interface);
        set(&mut world.net, &session(&world.server, to, 1));
        world.set_server_rules(vec![], vec![]);
        assert!(
            copies(&world.ask(Seg::SYN), &monitor).is_empty(),
            "{path:?}"
        );
        assert!(
            copies(&world.answer(Seg::SYN), &monitor).is_empty(),
            "{path:?}"
        );
    }
}

#[test]
fn the_lowest_rule_decides_and_the_first_session_that_accepts_copies() {
    for path in Path::all() {
        let (mut world, monitor) = watched(path);
        let v4 = path.family == Family::V4;
        let to = MirrorTarget::Interface(monitor.interface);
        let mut first = session(&world.client, to, 1);
        first.egress = vec![
            accept(1, MirrorAction::Reject, Some(Protocol::TCP), v4),
            accept(2, MirrorAction::Accept, None, v4),
        ];
        set(&mut world.net, &first);
        assert!(
            copies(&world.ask(Seg::SYN), &monitor).is_empty(),
            "{path:?}"
        );
        assert_eq!(copies(&world.ask_udp(b"x"), &monitor)[0].0, 7001);
        set(&mut world.net, &session(&world.client, to, 2));
        assert_eq!(
            copies(&world.ask(Seg::SYN), &monitor)[0].0,
            7002,
            "{path:?}"
        );
        let udp = copies(&world.ask_udp(b"x"), &monitor);
        assert_eq!(udp.len(), 1, "by one session alone: {path:?}");
        assert_eq!(udp[0].0, 7001);
    }
}

#[test]
fn ports_and_addresses_of_a_rule_are_those_of_the_packet() {
    let path = Path::all().next().unwrap();
    let (mut world, monitor) = watched(path);
    let to = MirrorTarget::Interface(monitor.interface);
    for (source, destination, from, port, copied) in [
        ("10.0.1.10/32", "10.0.0.0/16", PORTS.0, PORTS.1, true),
        ("10.0.1.11/32", "10.0.0.0/16", PORTS.0, PORTS.1, false),
        ("10.0.1.10/32", "10.0.0.0/16", PORTS.0, 81, false),
        ("10.0.1.10/32", "10.0.0.0/16", 1, PORTS.1, false),
        ("10.0.1.10/32", "192.0.2.0/24", PORTS.0, PORTS.1, false),
    ] {
        let mut one = session(&world.client, to, 1);
        one.egress = vec![MirrorRule {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            source_ports: PortRange::one(from),
            destination_ports: PortRange::one(port),
            ..accept(5, MirrorAction::Accept, Some(Protocol::TCP), true)
        }];
        set(&mut world.net, &one);
        let seen = copies(&world.ask(Seg::SYN), &monitor);
        assert_eq!(seen.len(), usize::from(copied), "{source} {destination}");
    }
}

#[test]
fn a_copy_is_cut_to_its_length_and_to_the_mtu() {
    for path in Path::all() {
        let (mut world, monitor) = watched(path);
        let to = MirrorTarget::Interface(monitor.interface);
        let mut short = session(&world.client, to, 1);
        let headers = if path.family == Family::V4 { 20 } else { 40 };
        let full = vec![7; Net::MTU - headers - 8];
        set(&mut world.net, &short);
        let fate = world.ask_udp(&full);
        assert_eq!(fate.at(&world.server).len(), 1);
        let [(_, copy)] = copies(&fate, &monitor).try_into().unwrap();
        assert_eq!(copy.len(), Net::MTU + 14 - 50, "{path:?}");
        short.packet_length = Some(60.try_into().unwrap());
        set(&mut world.net, &short);
        let [(_, copy)] = copies(&world.ask_udp(&full), &monitor).try_into().unwrap();
        assert_eq!(copy.len(), 60, "{path:?}");
    }
}

#[test]
fn the_targets_groups_judge_copies_and_no_copy_is_copied() {
    for path in Path::all() {
        let (mut world, monitor) = watched(path);
        let there = MirrorTarget::Interface(monitor.interface);
        let back = MirrorTarget::Interface(world.client.interface);
        set(&mut world.net, &session(&world.client, there, 1));
        set(&mut world.net, &session(&monitor, back, 2));
        world.net.group(world.tenant, 9, vec![], vec![]);
        let fate = world.ask(Seg::SYN);
        assert!(fate.at(&monitor).is_empty(), "{path:?}");
        assert_eq!(fate.at(&world.server).len(), 1, "the packet itself passes");
        let tap = PortMatch::Udp(PortRange::one(4789));
        world
            .net
            .group(world.tenant, 9, vec![rule(tap, any4())], vec![]);
        let fate = world.ask(Seg::SYN);
        assert_eq!(copies(&fate, &monitor).len(), 1, "{path:?}");
        assert!(fate.at(&world.client).is_empty(), "{path:?}");
    }
}

#[test]
fn copies_are_bounded_and_never_the_packet() {
    let path = Path::all().next().unwrap();
    let (mut world, monitor) = watched(path);
    let to = MirrorTarget::Interface(monitor.interface);
    set(&mut world.net, &session(&world.client, to, 1));
    let (mut copied, mut passed) = (0, 0);
    for _ in 0..17_000 {
        let fate = world.ask_udp(b"x");
        copied += copies(&fate, &monitor).len();
        passed += fate.at(&world.server).len();
    }
    assert_eq!((copied, passed), (16_384, 17_000));
    let counters = world.net.engine(world.client.host).counters();
    assert_eq!((counters.mirrored, counters.mirror_limited), (16_384, 616));
}

#[test]
fn a_workload_cannot_pass_for_a_copy() {
    for path in Path::all() {
        let (mut world, monitor) = watched(path);
        world.net.group(world.tenant, 9, vec![], vec![]);
        let mut way = world.net.way(&world.client, &monitor, Family::V4);
        way.src_mac = weft_model::Mac::MIRROR;
        let frame = way.udp((49_152, 4789), b"looks like a copy");
        let fate = world.net.send(&world.client, frame);
        assert_eq!(fate.dropped(), weft_engine::DropReason::SpoofedMac);
    }
}

#[test]
fn copies_are_in_no_flow_log_and_no_meter() {
    for path in Path::all() {
        let (mut world, monitor) = watched(path);
        let to = MirrorTarget::Interface(monitor.interface);
        set(&mut world.net, &session(&world.client, to, 1));
        world
            .net
            .everywhere(&Delta::Upsert(State::FlowLog(FlowLogState {
                id: FlowLogId::from_bits(1),
                vpc: world.tenant.vpc,
                region: "r1".parse().unwrap(),
                account: AccountId::default(),
                scope: LogScope::Interface(monitor.interface),
                traffic: LogTraffic::All,
                interval: LogInterval::Minute,
                format: LogFormat::default(),
            })));
        world.net.pass(Now::SECOND);
        assert_eq!(copies(&world.ask(Seg::SYN), &monitor).len(), 1);
        world.net.group(world.tenant, 9, vec![], vec![]);
        world.net.pass(60 * Now::SECOND);
        assert!(
            copies(&world.ask(Seg::SYN), &monitor).is_empty(),
            "{path:?}"
        );
        let (engine, now) = world.net.engine_mut(monitor.host);
        let (records, _) = engine.take_records(now, true);
        let traffic = |r: &LogRecord| matches!(r.data, LogData::Traffic(_));
        assert!(!records.iter().any(traffic), "{path:?}: {records:#?}");
        let meters = engine.take_meters();
        assert!(!meters.contains_key(&monitor.interface), "{path:?}");
    }
}
