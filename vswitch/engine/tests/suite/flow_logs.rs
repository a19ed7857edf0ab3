//! Flow logs and meters, on virtual time.

use weft_engine::{
    Now,
    testing::{Seg, everything},
    watch::{LogData, LogRecord, Reach},
};
use weft_model::{
    AccountId, FlowLogId, LogFormat, LogInterval, LogScope, LogTraffic,
    state::{Delta, FlowLogState, State},
};

use crate::paths::{PORTS, Path, World};

/// Bytes of IP of a segment without payload, in either family.
const SEGMENT: [u64; 2] = [40, 60];

fn log(world: &World, traffic: LogTraffic, interval: LogInterval, format: &str) -> Delta {
    Delta::Upsert(State::FlowLog(FlowLogState {
        id: FlowLogId::from_bits(1),
        vpc: world.tenant.vpc,
        region: "r1".parse().unwrap(),
        account: AccountId::default(),
        scope: LogScope::Vpc(world.tenant.vpc),
        traffic,
        interval,
        format: if format.is_empty() {
            LogFormat::default()
        } else {
            format.parse().unwrap()
        },
    }))
}

fn logged(path: Path, traffic: LogTraffic) -> World {
    let mut world = World::new(path, everything(), everything());
    let log = log(&world, traffic, LogInterval::Minute, "");
    world.net.everywhere(&log);
    // The first walk: from here on windows are known to begin.
    world.net.pass(Now::SECOND);
    world
}

/// The records of the client's interface.
fn records(world: &mut World) -> Vec<LogRecord> {
    let (host, client) = (world.client.host, world.client.interface);
    let (engine, now) = world.net.engine_mut(host);
    let (records, lost) = engine.take_records(now, false);
    assert_eq!(lost, 0);
    let of_client = |record: &LogRecord| record.port.interface == client;
    records.into_iter().filter(of_client).collect()
}

fn minute_passes(world: &mut World) {
    for _ in 0..7 {
        world.net.pass(10 * Now::SECOND);
    }
}

#[test]
fn a_window_has_a_record_per_direction_with_what_really_passed() {
    for path in Path::all() {
        let mut world = logged(path, LogTraffic::All);
        world.ask(Seg::SYN);
        world.answer(Seg::SYN_ACK);
        for _ in 0..3 {
            world.ask(Seg::ACK);
        }
        minute_passes(&mut world);
        let records = records(&mut world);
        let [out, back] = records.as_slice() else {
            panic!("{path:?}: {records:#?}");
        };
        let (LogData::Traffic(out), LogData::Traffic(back)) = (&out.data, &back.data) else {
            panic!("{path:?}: {records:#?}");
        };
        let (out, back) = if out.egress { (out, back) } else { (back, out) };
        let bytes = SEGMENT[usize::from(out.src.is_ipv6())];
        assert_eq!((out.packets, out.bytes), (4, 4 * bytes), "{path:?}");
        assert_eq!((back.packets, back.bytes), (1, bytes), "{path:?}");
        assert_eq!((out.ports, back.ports), (PORTS, (PORTS.1, PORTS.0)));
        assert_eq!((out.tcp_flags, back.tcp_flags), (2, 18), "{path:?}");
        assert_eq!((out.src, out.dst), (back.dst, back.src));
        assert_eq!(out.path, Some(1));
    }
}

#[test]
fn the_next_window_has_only_what_is_new() {
    let path = Path::all().next().unwrap();
    let mut world = logged(path, LogTraffic::All);
    world.handshake();
    minute_passes(&mut world);
    assert!(!records(&mut world).is_empty());
    world.ask(Seg::ACK);
    minute_passes(&mut world);
    let records = records(&mut world);
    let [
        LogRecord {
            data: LogData::Traffic(only),
            ..
        },
    ] = records.as_slice()
    else {
        panic!("{records:#?}");
    };
    assert_eq!((only.packets, only.tcp_flags), (1, 0));
}

#[test]
fn a_window_without_traffic_says_so() {
    let mut world = logged(Path::all().next().unwrap(), LogTraffic::All);
    minute_passes(&mut world);
    let records = records(&mut world);
    let [nothing] = records.as_slice() else {
        panic!("{records:#?}");
    };
    assert_eq!(nothing.data, LogData::Nothing);
    let line = nothing.line(0);
    assert!(line.ends_with(" - NODATA"), "{line}");
    assert_eq!(line.split(' ').count(), 14, "{line}");
}

#[test]
fn a_rejected_packet_is_logged_where_it_was_dropped_with_its_reason() {
    for path in Path::all() {
        let mut world = World::new(path, vec![], vec![]);
        let format = "${interface-id} ${action} ${packets} ${flow-direction} ${reject-reason}";
        let log = log(&world, LogTraffic::Reject, LogInterval::Minute, format);
        world.net.everywhere(&log);
        world.net.pass(Now::SECOND);
        world.ask(Seg::SYN);
        world.ask(Seg::SYN);
        let host = world.server.host;
        let (engine, now) = world.net.engine_mut(host);
        let (records, _) = engine.take_records(now, true);
        let lines: Vec<String> = records.iter().map(|record| record.line(0)).collect();
        let wanted = format!(
            "{} REJECT 2 ingress security_group_ingress",
            world.server.interface
        );
        assert!(lines.contains(&wanted), "{path:?}: {lines:#?}");
    }
}

#[test]
fn a_log_of_rejects_shows_no_accepts() {
    let mut world = logged(Path::all().next().unwrap(), LogTraffic::Reject);
    world.handshake();
    minute_passes(&mut world);
    let records = records(&mut world);
    assert!(
        records.iter().all(|record| record.data == LogData::Nothing),
        "{records:#?}"
    );
}

#[test]
fn pings_of_the_router_are_not_logged() {
    for path in Path::all() {
        let mut world = logged(path, LogTraffic::All);
        let client = world.client.clone();
        let router = client.router(path.family);
        let way = world.net.way_out(&client, router);
        world.net.send(&client, way.echo_request(7, b"ping"));
        // Served by nobody there: dropped, and still the router's.
        world.net.send(&client, way.tcp((4000, 80), Seg::SYN, b""));
        minute_passes(&mut world);
        let records = records(&mut world);
        assert!(
            records.iter().all(|r| r.data == LogData::Nothing),
            "{path:?}: {records:#?}"
        );
    }
}

#[test]
fn a_flood_of_rejects_is_bounded_and_the_gap_is_told() {
    let path = Path::all().next().unwrap();
    let mut world = World::new(path, vec![], vec![]);
    let log = log(&world, LogTraffic::All, LogInterval::TenMinutes, "");
    world.net.everywhere(&log);
    world.net.pass(Now::SECOND);
    let (client, server) = (world.client.clone(), world.server.clone());
    let way = world.net.way(&client, &server, path.family);
    for port in 1..=5_000 {
        world.net.send(&client, way.tcp((port, 80), Seg::SYN, b""));
    }
    let (engine, now) = world.net.engine_mut(server.host);
    let (records, _) = engine.take_records(now, true);
    let of_server: Vec<_> = records
        .iter()
        .filter(|record| record.port.interface == server.interface)
        .collect();
    assert!(of_server.len() <= 4_097, "{}", of_server.len());
    assert!(
        of_server
            .iter()
            .any(|record| record.data == LogData::Skipped)
    );
}

#[test]
fn a_meter_tells_zones_apart_and_counts_connections() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        world.handshake();
        world.net.pass(10 * Now::SECOND);
        let (host, client) = (world.client.host, world.client.interface);
        let (engine, _) = world.net.engine_mut(host);
        let meter = engine.take_meters()[&client];
        let reach = if path.cross_host {
            Reach::AcrossZones
        } else {
            Reach::Zone
        };
        let used = meter.of(reach);
        assert_eq!(
            (used.egress.packets, used.ingress.packets),
            (2, 1),
            "{path:?}"
        );
        assert_eq!(used.connections, 1, "{path:?}");
        let total: u64 = Reach::ALL.iter().map(|&r| meter.of(r).connections).sum();
        assert_eq!(total, 1, "{path:?}");
    }
}

#[test]
fn what_a_flow_carried_before_it_ended_is_not_lost() {
    let path = Path::all().next().unwrap();
    let mut world = logged(path, LogTraffic::All);
    world.handshake();
    world.ask(Seg::RST);
    minute_passes(&mut world);
    let packets: u64 = records(&mut world)
        .iter()
        .filter_map(|record| match &record.data {
            LogData::Traffic(traffic) if traffic.egress => Some(traffic.packets),
            _ => None,
        })
        .sum();
    assert_eq!(packets, 3);
}
