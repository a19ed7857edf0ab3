use weft_engine::{
    DropObject, DropReason,
    config::{Tables, TablesOptions},
};
use weft_model::{Mac, Mtu};
use weft_packet::build::{self, Addresses, Envelope};

use super::*;

fn config() -> Arc<Config> {
    let options = TablesOptions {
        host: "h1".parse().unwrap(),
        vtep: "192.0.2.1".parse().unwrap(),
        mtu: Mtu::try_from(1450).unwrap(),
    };
    Tables::new(options).publish()
}

fn record(at: Now, interface: u64) -> DropRecord {
    DropRecord {
        at,
        half: Half::Egress,
        interface: Some(InterfaceId::from_bits(interface)),
        groups: Arc::default(),
        ends: None,
        drop: DropReason::Multicast.into(),
    }
}

fn datagram() -> Vec<u8> {
    let (src, dst) = ("10.0.1.10".parse().unwrap(), "10.0.2.20".parse().unwrap());
    let envelope = Envelope {
        dst_mac: Mac::ROUTER,
        src_mac: Mac::local(1),
        addresses: Addresses::new(src, dst).unwrap(),
        ttl: 64,
    };
    let mut frame = Vec::new();
    build::udp(&mut frame, &envelope, 4000, 53, b"what?").unwrap();
    frame
}

#[test]
fn the_ring_holds_the_latest_and_no_more() {
    let mut drops = Drops::new();
    let room = drops.records.capacity();
    for n in 0..KEPT as u64 + 10 {
        drops.keep(record(Now(n), 1));
        let newest = &drops.recent(Now(n), None, 1).drops;
        assert_eq!(newest[0].at, Now(n));
    }
    let all = drops.recent(Now(0), None, usize::MAX).drops;
    let ages: Vec<u64> = all.iter().map(|record| record.at.0).collect();
    let expected: Vec<u64> = (10..KEPT as u64 + 10).rev().collect();
    assert_eq!(ages, expected);
    assert_eq!(drops.records.capacity(), room, "the ring grew");
}

#[test]
fn one_interface_is_picked_before_the_limit_counts() {
    let mut drops = Drops::new();
    for n in 0..10 {
        drops.keep(record(Now(n), n % 2));
    }
    let odd = Some(InterfaceId::from_bits(1));
    let picked = drops.recent(Now(10), odd, 3).drops;
    let at: Vec<u64> = picked.iter().map(|record| record.at.0).collect();
    assert_eq!(at, [9, 7, 5]);
}

#[test]
fn a_flood_is_sampled_and_every_drop_is_counted() {
    let mut drops = Drops::new();
    let flood = 100 * SAMPLE;
    let recorded = (0..flood).filter(|_| drops.admits(Now(1))).count() as u64;
    assert_eq!(recorded, WHOLE + 100);
    assert_eq!(recorded + drops.unrecorded, flood);
    assert!(drops.admits(Now(1 + SPAN)), "calm again");
    let told = drops.recent(Now(2 * SPAN), None, 1);
    assert_eq!(told.unrecorded, flood - recorded);
}

#[test]
fn a_record_says_who_sent_what_to_whom_wherever_it_was_dropped() {
    let config = config();
    let drop = Drop::because(DropReason::NoRoute, DropObject::Mac(Mac::ROUTER));
    let inner = datagram();
    let vni = weft_model::Vni::try_from(7).unwrap();
    let payload = [&vxlan::emit(vni)[..], &inner].concat();
    let port = PortIndex(0);
    for (place, bytes, half) in [
        (Place::Egress(port), &inner, Half::Egress),
        (Place::Ingress(port), &inner, Half::Ingress),
        (Place::Tunnel, &payload, Half::Tunnel),
    ] {
        let mut drops = Drops::new();
        drops.note(Now(5), &config, place, bytes, drop);
        let told = drops.recent(Now(9), None, 10);
        assert_eq!(told.drops[0].half, half);
        assert_eq!(told.drops[0].drop, drop);
        let ends = told.drops[0].ends.unwrap();
        assert_eq!(ends.protocol, Some(Protocol::UDP));
        assert_eq!(ends.src.to_string(), "10.0.1.10");
        assert_eq!(ends.dst.to_string(), "10.0.2.20");
        assert_eq!(ends.ports, Some((4000, 53)));
    }
}

#[test]
fn nonsense_is_recorded_without_ends() {
    let config = config();
    let frame = datagram();
    for length in [0, 7, 13, 20, 33] {
        for place in [Place::Egress(PortIndex(0)), Place::Tunnel] {
            let mut drops = Drops::new();
            let drop = DropReason::FrameTooShort.into();
            drops.note(Now(5), &config, place, &frame[..length], drop);
            let told = drops.recent(Now(5), None, 10).drops;
            assert_eq!(told[0].ends, None, "{place:?} {length}");
        }
    }
}

#[test]
fn answers_of_workers_are_merged_by_time() {
    let answer = |times: [u64; 2]| RecentDrops {
        now: Now(times[0]),
        drops: times.map(|at| record(Now(at), 1)).into(),
        unrecorded: 2,
    };
    let merged = RecentDrops::merge([answer([8, 3]), answer([9, 2])], 3);
    let at: Vec<u64> = merged.drops.iter().map(|record| record.at.0).collect();
    assert_eq!(at, [9, 8, 3]);
    assert_eq!((merged.now, merged.unrecorded), (Now(9), 4));
}
