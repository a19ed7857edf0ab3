use std::{collections::HashMap, net::IpAddr};

use proptest::prelude::*;
use weft_model::RuleId;
use weft_packet::headers::{Ip, L4, protocol, tcp_flags};

use super::{Abroad, FlowKey, FlowTable, Full, Holder, NextHop, Opening};
use crate::{
    config::Direction::{self, Egress, Ingress},
    limits::Limits,
    port::PortIndex,
    time::Now,
};

fn packet(protocol: u8, src: &str, dst: &str, l4_kind: L4) -> Ip {
    Ip {
        src: src.parse().unwrap(),
        dst: dst.parse().unwrap(),
        protocol,
        ttl: 64,
        l3: 14,
        l4: 34,
        end: 100,
        fragment: None,
        dont_fragment: true,
        l4_kind,
    }
}

fn udp(src: (&str, u16), dst: (&str, u16)) -> Ip {
    let ports = L4::Udp {
        src: src.1,
        dst: dst.1,
    };
    packet(protocol::UDP, src.0, dst.0, ports)
}

fn icmp(src: &str, dst: &str, kind: u8, id: u16) -> Ip {
    let l4 = L4::Icmp { kind, code: 0, id };
    packet(protocol::ICMP, src, dst, l4)
}

const PORT: PortIndex = PortIndex(3);

fn opening(port: PortIndex, number: u16, tcp: Option<u8>) -> Opening {
    let mut ip = udp(("10.0.0.1", number), ("10.0.0.2", 53));
    if tcp.is_some() {
        ip.protocol = protocol::TCP;
    }
    Opening {
        key: FlowKey::of(port, Egress, &ip).unwrap(),
        direction: Egress,
        rule: RuleId::from_bits(7),
        untracked: false,
        peer: Holder::of(None),
        tcp_flags: tcp,
    }
}

struct Fixture {
    table: FlowTable,
    now: Now,
}

impl Fixture {
    fn new(flows: usize, flows_per_port: usize) -> Self {
        Self::with(Limits {
            flows,
            flows_floor: 0,
            flows_per_port,
            ..Limits::default()
        })
    }

    fn with(limits: Limits) -> Self {
        Self {
            table: FlowTable::new(&limits, 1),
            now: Now::from_secs(100),
        }
    }

    fn insert(&mut self, opening: &Opening) -> Result<usize, Full> {
        let hash = self.table.hash(&opening.key);
        self.table.insert(self.now, opening, hash, None)
    }

    fn has(&self, opening: &Opening) -> bool {
        let hash = self.table.hash(&opening.key);
        self.table.find(self.now, &opening.key, hash).is_some()
    }

    fn pass(&mut self, opening: &Opening, direction: Direction, flags: Option<u8>) {
        let hash = self.table.hash(&opening.key);
        let at = self.table.find(self.now, &opening.key, hash).unwrap();
        self.table.pass(self.now, at, direction, 100, flags);
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.now = self.now.plus(seconds * Now::SECOND);
        self
    }
}

#[test]
fn a_reply_has_the_key_of_its_request() {
    let there = udp(("10.0.0.1", 1000), ("10.0.0.2", 53));
    let back = udp(("10.0.0.2", 53), ("10.0.0.1", 1000));
    assert_eq!(
        FlowKey::of(PORT, Egress, &there),
        FlowKey::of(PORT, Ingress, &back)
    );
    assert_ne!(
        FlowKey::of(PORT, Egress, &there),
        FlowKey::of(PORT, Ingress, &there)
    );
}

#[test]
fn an_echo_of_the_other_side_is_another_connection() {
    let request = FlowKey::of(PORT, Egress, &icmp("10.0.0.1", "10.0.0.2", 8, 9));
    let reply = FlowKey::of(PORT, Ingress, &icmp("10.0.0.2", "10.0.0.1", 0, 9));
    let theirs = FlowKey::of(PORT, Ingress, &icmp("10.0.0.2", "10.0.0.1", 8, 9));
    let timestamp = FlowKey::of(PORT, Egress, &icmp("10.0.0.1", "10.0.0.2", 13, 9));
    assert!(request.is_some());
    assert_eq!(request, reply);
    assert_ne!(request, theirs);
    assert_ne!(request, timestamp);
}

#[test]
fn ipv4_never_shares_a_key_with_the_ipv6_address_of_the_same_bits() {
    let v4 = udp(("10.0.0.1", 1), ("10.0.0.2", 2));
    let v6 = udp(("a00:1::", 1), ("a00:2::", 2));
    assert_ne!(
        FlowKey::of(PORT, Egress, &v4),
        FlowKey::of(PORT, Egress, &v6)
    );
    let key = FlowKey::of(PORT, Egress, &v6).unwrap();
    assert_eq!((key.local(), key.remote()), (v6.src, v6.dst));
}

#[test]
fn udp_that_is_never_answered_ends_after_30_seconds_and_answered_after_180() {
    let mut f = Fixture::new(10, 10);
    let (alone, answered) = (opening(PORT, 1, None), opening(PORT, 2, None));
    f.insert(&alone).unwrap();
    f.insert(&answered).unwrap();
    f.pass(&answered, Ingress, None);
    f.after(29);
    assert!(f.has(&alone) && f.has(&answered));
    f.after(2);
    assert!(!f.has(&alone) && f.has(&answered));
    f.after(150);
    assert!(!f.has(&answered));
}

#[test]
fn established_tcp_is_kept_for_432000_seconds_and_a_closed_one_is_not() {
    let mut f = Fixture::new(10, 10);
    let tcp = opening(PORT, 1, Some(tcp_flags::SYN));
    f.insert(&tcp).unwrap();
    f.pass(&tcp, Ingress, Some(tcp_flags::SYN | tcp_flags::ACK));
    f.pass(&tcp, Egress, Some(tcp_flags::ACK));
    f.after(431_990);
    assert!(f.has(&tcp));
    f.pass(&tcp, Ingress, Some(tcp_flags::RST));
    f.after(11);
    assert!(!f.has(&tcp));
}

#[test]
fn a_syn_that_is_never_answered_does_not_stay() {
    let mut f = Fixture::new(10, 10);
    let tcp = opening(PORT, 1, Some(tcp_flags::SYN));
    f.insert(&tcp).unwrap();
    f.after(61);
    assert!(!f.has(&tcp));
}

#[test]
fn a_full_share_makes_room_with_its_oldest_unanswered_flow() {
    let mut f = Fixture::new(100, 3);
    let flows: Vec<_> = (0..4).map(|n| opening(PORT, n, None)).collect();
    for flow in &flows[..3] {
        f.insert(flow).unwrap();
    }
    f.pass(&flows[0], Ingress, None);
    f.insert(&flows[3]).unwrap();
    let left: Vec<_> = flows.iter().map(|flow| f.has(flow)).collect();
    assert_eq!(left, [true, false, true, true]);
    assert_eq!(f.table.counters.evicted, 1);
}

#[test]
fn a_share_full_of_conversations_refuses_and_another_port_has_its_own() {
    let mut f = Fixture::new(100, 2);
    for n in 0..2 {
        f.insert(&opening(PORT, n, None)).unwrap();
        f.pass(&opening(PORT, n, None), Ingress, None);
    }
    assert_eq!(f.insert(&opening(PORT, 9, None)), Err(Full::Allowance));
    assert_eq!(f.table.counters.refused, 1);
    assert!(f.insert(&opening(PortIndex(4), 9, None)).is_ok());
}

#[test]
fn a_full_table_still_has_each_ports_floor() {
    let mut f = Fixture::with(Limits {
        flows: 3,
        flows_floor: 2,
        ..Limits::default()
    });
    for n in 0..3 {
        f.insert(&opening(PORT, n, None)).unwrap();
        f.pass(&opening(PORT, n, None), Ingress, None);
    }
    let late = |n| opening(PortIndex(4), n, None);
    for n in 0..2 {
        f.insert(&late(n)).unwrap();
        f.pass(&late(n), Ingress, None);
    }
    assert_eq!(f.insert(&late(2)), Err(Full::Table), "the floor is a bound");
    assert_eq!(f.insert(&opening(PORT, 9, None)), Err(Full::Table));
    assert!((0..3).all(|n| f.has(&opening(PORT, n, None))));
}

#[test]
fn a_full_table_takes_nothing_from_another_port() {
    let mut f = Fixture::new(3, 3);
    for n in 0..3 {
        f.insert(&opening(PORT, n, None)).unwrap();
    }
    let other = opening(PortIndex(4), 0, None);
    assert_eq!(f.insert(&other), Err(Full::Table));
    assert!((0..3).all(|n| f.has(&opening(PORT, n, None))));
    f.after(31);
    assert!(f.insert(&other).is_ok(), "what is idle makes room");
}

#[test]
fn the_sweep_takes_the_idle_and_those_of_ports_that_are_gone() {
    let mut f = Fixture::new(100, 100);
    for n in 0..10 {
        f.insert(&opening(PORT, n, None)).unwrap();
        f.insert(&opening(PortIndex(4), n, None)).unwrap();
    }
    f.table.sweep(f.now, 1000, |port| port == PORT);
    assert_eq!(f.table.counters.live, 10);
    f.after(31);
    f.table.sweep(f.now, 4, |_| true);
    assert_eq!(f.table.of_port(f.now, PORT).count(), 0);
    assert!(f.table.counters.live >= 6, "the budget bounds the work");
    f.table.sweep(f.now, 1000, |_| true);
    assert_eq!(f.table.counters.live, 0);
}

#[test]
fn a_new_port_in_the_slot_does_not_inherit_the_old_ones_share() {
    let mut f = Fixture::new(100, 2);
    let (old, new) = (PortIndex::new(5, 0), PortIndex::new(5, 1));
    for n in 0..2 {
        f.insert(&opening(old, n, None)).unwrap();
    }
    for n in 0..2 {
        f.insert(&opening(new, n, None)).unwrap();
    }
    assert_eq!(f.table.counters.evicted, 0);
    f.table.sweep(f.now, 100, |port| port == new);
    assert_eq!(f.table.of_port(f.now, new).count(), 2);
    assert_eq!(f.table.counters.live, 2);
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u32, u16),
    Answer(u32, u16),
    Wait(u64),
    Sweep(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u32..3, 0u16..12).prop_map(|(port, n)| Step::Insert(port, n)),
        4 => (0u32..3, 0u16..12).prop_map(|(port, n)| Step::Answer(port, n)),
        1 => (1u64..60).prop_map(Step::Wait),
        1 => (0usize..20).prop_map(Step::Sweep),
    ]
}

proptest! {
    /// Whatever happens: the bounds hold, the counts are true, and a live conversation is never
    /// lost.
    #[test]
    fn bounds_hold_and_conversations_stay(steps in prop::collection::vec(step(), 1..200)) {
        let mut f = Fixture::new(16, 8);
        // Conversations by key, and when they were last heard.
        let mut talking: HashMap<(u32, u16), Now> = HashMap::new();
        for step in steps {
            match step {
                Step::Insert(port, n) => {
                    let opening = opening(PortIndex(port), n, None);
                    if !f.has(&opening) {
                        talking.remove(&(port, n));
                        let _ = f.insert(&opening);
                    }
                }
                Step::Answer(port, n) => {
                    let opening = opening(PortIndex(port), n, None);
                    if f.has(&opening) {
                        f.pass(&opening, Ingress, None);
                        talking.insert((port, n), f.now);
                    }
                }
                Step::Wait(seconds) => { f.after(seconds); }
                Step::Sweep(budget) => f.table.sweep(f.now, budget, |_| true),
            }
            let now = f.now;
            talking.retain(|_, heard| now.since(*heard) < 179 * Now::SECOND);
            for &(port, n) in talking.keys() {
                prop_assert!(f.has(&opening(PortIndex(port), n, None)));
            }
            let per_port: Vec<_> =
                (0..3).map(|port| f.table.of_port(now, PortIndex(port)).count()).collect();
            prop_assert!(per_port.iter().all(|&count| count <= 8));
            prop_assert!(f.table.counters.live <= 16);
            prop_assert!(per_port.iter().sum::<usize>() <= f.table.counters.live as usize);
        }
    }

    #[test]
    fn keys_differ_where_packets_do(a in 0u8..4, b in 0u8..4, ports in (0u16..3, 0u16..3)) {
        let addresses = |n: u8| format!("10.0.0.{n}");
        let ip = udp((&addresses(a), ports.0), (&addresses(b), ports.1));
        let base = FlowKey::of(PORT, Egress, &ip).unwrap();
        prop_assert_eq!(base.local(), addresses(a).parse::<IpAddr>().unwrap());
        prop_assert_eq!(base.ports(), ports);
        let swapped = udp((&addresses(b), ports.1), (&addresses(a), ports.0));
        let same = (a, ports.0) == (b, ports.1);
        prop_assert_eq!(FlowKey::of(PORT, Egress, &swapped).unwrap() == base, same);
        prop_assert_ne!(FlowKey::of(PortIndex(4), Egress, &ip).unwrap(), base);
    }
}

/// A flow from port 1 and how it looks on the wire: from port 40001 of another address.
fn translated(f: &mut Fixture, number: u16) -> (usize, FlowKey) {
    let own = opening(PORT, number, None);
    let at = f.insert(&own).unwrap();
    let outside = own
        .key
        .with_local(("203.0.113.1".parse().unwrap(), 40000 + number));
    f.table.bind(f.now, at, outside).unwrap();
    (at, outside)
}

#[test]
fn a_translated_flow_is_met_by_its_outside_key_only() {
    let mut f = Fixture::new(10, 10);
    let (at, outside) = translated(&mut f, 1);
    let own = f.table.get(at).key;
    let (own_hash, outside_hash) = (f.table.hash(&own), f.table.hash(&outside));
    assert_eq!(f.table.meet(f.now, &outside, outside_hash), Some(at));
    assert_eq!(f.table.meet(f.now, &own, own_hash), None);
    assert_eq!(f.table.find(f.now, &own, own_hash), Some(at));
    assert_eq!(f.table.find(f.now, &outside, outside_hash), None);
}

#[test]
fn two_flows_never_look_the_same_on_the_wire() {
    let mut f = Fixture::new(10, 10);
    let (_, outside) = translated(&mut f, 1);
    let other = f.insert(&opening(PORT, 2, None)).unwrap();
    assert_eq!(f.table.bind(f.now, other, outside), Err(Full::Taken));
    assert_eq!(f.table.outside(other), None);
    let same = Opening {
        key: outside,
        ..opening(PORT, 3, None)
    };
    assert_eq!(f.insert(&same), Err(Full::Taken));
}

#[test]
fn an_outside_key_is_free_again_when_its_flow_ended() {
    let mut f = Fixture::new(10, 10);
    let (at, outside) = translated(&mut f, 1);
    f.table.remove(at);
    let hash = f.table.hash(&outside);
    assert_eq!(f.table.meet(f.now, &outside, hash), None);
    let heir = f.insert(&opening(PORT, 2, None)).unwrap();
    assert_eq!(f.table.outside(heir), None);
    f.table.bind(f.now, heir, outside).unwrap();
    assert_eq!(f.table.meet(f.now, &outside, hash), Some(heir));
}

#[test]
fn an_outside_key_of_an_idle_flow_is_free() {
    let mut f = Fixture::new(10, 10);
    let (_, outside) = translated(&mut f, 1);
    f.after(31);
    let heir = f.insert(&opening(PORT, 2, None)).unwrap();
    assert_eq!(f.table.bind(f.now, heir, outside), Ok(()));
}

#[test]
fn a_flow_that_is_bound_anew_leaves_its_old_outside_key() {
    let mut f = Fixture::new(10, 10);
    let (at, old) = translated(&mut f, 1);
    let new = old.with_remote(("198.51.100.7".parse().unwrap(), 443));
    f.table.bind(f.now, at, new).unwrap();
    assert_eq!(f.table.meet(f.now, &old, f.table.hash(&old)), None);
    assert_eq!(f.table.meet(f.now, &new, f.table.hash(&new)), Some(at));
}

#[test]
fn a_place_abroad_keeps_its_number() {
    let mut abroad = Abroad::default();
    let vni = weft_model::Vni::try_from(7).unwrap();
    let host = crate::config::HostSlot(3);
    let hop = abroad.hop(host, vni);
    assert_ne!(abroad.hop(crate::config::HostSlot(4), vni), hop);
    assert_eq!(abroad.hop(host, vni), hop);
    let NextHop::Abroad(number) = hop else {
        panic!("{hop:?}");
    };
    assert_eq!(abroad.place(number), Some((host, vni)));
}
