//! Whatever comes and goes, a port is one connection's per destination.

use std::{
    collections::{BTreeSet, HashSet},
    net::{IpAddr, Ipv4Addr},
};

use proptest::{collection::vec, prelude::*, sample::Index};
use weft_model::{LeaseKey, NatGatewayId, SubnetId};
use weft_packet::headers::{Body, Headers};

use super::*;
use crate::{
    config::{BlockUse, Direction, nat::Holder},
    testing::frames::Way,
};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

fn gateway() -> NatConfig {
    NatConfig {
        id: NatGatewayId::from_bits(1),
        subnet: SubnetId::from_bits(1),
        public: PUBLIC,
        private: Ipv4Addr::new(10, 0, 2, 4),
        demand: Arc::default(),
    }
}

/// A UDP connection of the port with this local end, to one of a few destinations.
fn key(local: u16, destination: u16) -> FlowKey {
    let way = Way {
        src_mac: Mac::local(1),
        dst_mac: Mac::ROUTER,
        src: Ipv4Addr::new(10, 0, 1, 10).into(),
        dst: Ipv4Addr::new(198, 51, 100, 7).into(),
        ttl: 64,
        dont_fragment: true,
    };
    let frame = way.udp((local, destination), b"");
    let Body::Ip(ip) = Headers::parse(&frame).unwrap().body else {
        panic!("no IP");
    };
    FlowKey::of(PortIndex(3), Direction::Egress, &ip).unwrap()
}

#[test]
fn what_is_only_asked_takes_no_port() {
    let key = LeaseKey::new(PUBLIC, 3).unwrap();
    let mut leases = Leases::default();
    leases.set(key, Some(Holder::Own(Arc::default())));
    let usage = |leases: &Leases| match leases.holder(key) {
        Some(Holder::Own(usage)) => Arc::clone(usage),
        other => panic!("{other:?}"),
    };
    usage(&leases).begin();
    let asked = leases.detached();
    assert_eq!(usage(&asked).connections(), 0);
    usage(&asked).begin();
    usage(&asked).begin();
    assert_eq!(usage(&leases).connections(), 1);
}

/// Workers of one host, and the blocks that it holds.
struct Workers {
    leases: Leases,
    held: BTreeSet<u8>,
    nats: Vec<Nat>,
}

impl Workers {
    fn new(workers: usize) -> Self {
        let nats = (0..workers).map(|worker| {
            let mut nat = Nat::new(worker as u64);
            nat.set_share(Share { worker, workers });
            nat
        });
        Self {
            leases: Leases::default(),
            held: BTreeSet::new(),
            nats: nats.collect(),
        }
    }

    fn set(&mut self, block: u8, held: bool) {
        let key = LeaseKey::new(PUBLIC, block).unwrap();
        let own = Holder::Own(Arc::new(BlockUse::default()));
        let changes = held != self.held.contains(&block);
        if changes {
            self.leases.set(key, held.then_some(own));
            match held {
                true => self.held.insert(block),
                false => self.held.remove(&block),
            };
        }
        let leases = Arc::new(self.leases.clone());
        self.nats.iter_mut().for_each(|nat| {
            nat.update(&leases);
        });
    }
}

#[test]
fn every_port_of_a_block_is_exactly_one_workers() {
    for workers in [1, 2, 3, 8] {
        let mut all = Workers::new(workers);
        all.set(3, true);
        let mut ports = BTreeSet::new();
        for (n, nat) in all.nats.iter_mut().enumerate() {
            let mut local = 0;
            while let Some(outside) = nat.allocate(&key(local, 53), &gateway()) {
                let (port, _) = outside.ports();
                assert_eq!(usize::from(mac(port).octets()[5]) % workers, n);
                assert!(ports.insert(port));
                local += 1;
            }
        }
        assert_eq!(ports.len(), 256, "{workers} workers");
    }
}

#[test]
fn the_port_that_is_free_the_longest_is_used_again_first() {
    let mut all = Workers::new(1);
    all.set(0, true);
    let nat = &mut all.nats[0];
    let keys: Vec<_> = (0..256)
        .map(|local| nat.allocate(&key(local, 53), &gateway()).unwrap())
        .collect();
    assert_eq!(nat.allocate(&key(999, 53), &gateway()), None);
    for place in [7, 200, 3] {
        nat.release(&keys[place]);
    }
    for place in [7, 200, 3] {
        let again = nat.allocate(&key(1000, 53), &gateway()).unwrap();
        assert_eq!(again.ports().0, keys[place].ports().0);
    }
    assert_eq!(nat.allocate(&key(1001, 53), &gateway()), None);
}

#[test]
fn a_closed_block_gets_no_new_connection_and_counts_the_old_ones() {
    let mut all = Workers::new(1);
    all.set(0, true);
    all.set(1, true);
    let usage = |all: &Workers, block| match all.leases.holder(LeaseKey::new(PUBLIC, block)?) {
        Some(Holder::Own(usage)) => Some(Arc::clone(usage)),
        _ => None,
    };
    let first = usage(&all, 0).unwrap();
    let held = all.nats[0].allocate(&key(1, 53), &gateway()).unwrap();
    assert_eq!(first.connections(), 1);
    first.close(true);
    let next = all.nats[0].allocate(&key(2, 53), &gateway()).unwrap();
    assert!(next.ports().0 >= 1280, "of the other block");
    all.nats[0].release(&held);
    assert_eq!(first.connections(), 0);
}

#[test]
fn a_worker_that_runs_low_says_so() {
    let mut all = Workers::new(1);
    let gateway = gateway();
    assert_eq!(all.nats[0].allocate(&key(1, 53), &gateway), None);
    assert!(gateway.demand.take(), "it has no port at all");
    all.set(0, true);
    for local in 0..128 {
        all.nats[0].allocate(&key(local, 53), &gateway).unwrap();
        assert!(!gateway.demand.take());
    }
    all.nats[0].allocate(&key(128, 53), &gateway).unwrap();
    assert!(gateway.demand.take(), "less than half is left");
}

/// What happens to a worker's ports.
#[derive(Debug, Clone)]
enum Step {
    Begin(u16),
    End(Index),
    Lease(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_u16).prop_map(Step::Begin),
        4 => any::<Index>().prop_map(Step::End),
        1 => (0..4_u8, any::<bool>()).prop_map(|(block, held)| Step::Lease(block, held)),
    ]
}

proptest! {
    #[test]
    fn no_two_live_connections_look_the_same(steps in vec(step(), 1..600)) {
        let mut all = Workers::new(2);
        let mut live: Vec<(usize, FlowKey)> = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Begin(destination) => {
                    let own = key(n as u16, destination);
                    let made = all.nats[n % 2].allocate(&own, &gateway());
                    live.extend(made.map(|outside| (n % 2, outside)));
                }
                Step::End(place) if !live.is_empty() => {
                    let (worker, outside) = live.swap_remove(place.index(live.len()));
                    all.nats[worker].release(&outside);
                }
                Step::End(_) => {}
                Step::Lease(block, held) => {
                    all.set(block, held);
                    let block_of = |outside: &FlowKey| {
                        LeaseKey::of_port(PUBLIC, outside.ports().0).map(LeaseKey::block)
                    };
                    live.retain(|(_, outside)| all.held.contains(&block_of(outside).unwrap()));
                }
            }
            let distinct: HashSet<_> = live.iter().map(|(_, outside)| *outside).collect();
            prop_assert_eq!(distinct.len(), live.len());
            for (worker, outside) in &live {
                prop_assert!(all.nats[*worker].holds(outside));
                prop_assert_eq!(outside.local(), IpAddr::V4(PUBLIC));
            }
            let owners: usize = all.nats.iter().map(|nat| nat.owners.len()).sum();
            prop_assert_eq!(owners, live.len());
        }
    }
}
