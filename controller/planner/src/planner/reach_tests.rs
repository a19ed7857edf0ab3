//! What peerings bring to hosts and take away, in a cloud of 200 hosts and 40 VPCs: counted.

use std::collections::{BTreeMap, BTreeSet};

use weft_model::{
    Change, HostName, Resource, RouteOrigin, RouteTarget,
    cloud::Cloud,
    state::{State, StateKey, StateKind},
};

use crate::{
    Planner,
    plan::{Edit, Plan},
    testing::*,
};

const HOSTS: usize = 200;
const VPCS: u64 = 40;
const PER_VPC: u64 = 10;

struct World {
    cloud: Cloud,
    planner: Planner<State>,
}

/// Interface `i` of VPC `v` is on host `10v + i`, modulo the hosts: VPCs 1 to 19 share no host.
impl World {
    fn new() -> Self {
        let mut resources: Vec<Resource> = (0..HOSTS).map(|n| host(n).into()).collect();
        for v in 1..=VPCS {
            resources.extend(whole_vpc(v));
            resources.extend((0..PER_VPC).map(|i| resource(v, i)));
        }
        let cloud = Cloud::from_resources(resources);
        let planner = Planner::new(&cloud, seal);
        Self { cloud, planner }
    }

    fn apply(&mut self, change: Change) -> Plan<State> {
        let changes = [change];
        self.cloud.apply(&changes);
        self.planner.apply(&changes)
    }

    fn put(&mut self, resource: impl Into<Resource>) -> Plan<State> {
        let change = put(&self.cloud, resource);
        self.apply(change)
    }

    fn check(&self, v: u64) {
        for host in hosts_of(v) {
            let items = self.planner.desired(&host);
            let held: BTreeMap<_, _> = items
                .iter()
                .map(|item| (item.key.clone(), item.body.clone()))
                .collect();
            assert_eq!(held, naive_desired(&self.cloud, &host), "{host}");
        }
    }
}

fn resource(v: u64, i: u64) -> Resource {
    let on = usize::try_from(10 * v + i).unwrap() % HOSTS;
    interface(v * 100 + i, v, Some(on), &[0]).into()
}

fn hosts_of(v: u64) -> BTreeSet<HostName> {
    let n = |i| usize::try_from(10 * v + i).unwrap() % HOSTS;
    (0..PER_VPC).map(|i| host_name(n(i))).collect()
}

fn told(plan: &Plan<State>) -> BTreeSet<HostName> {
    plan.hosts().cloned().collect()
}

/// How many of each kind the host is told, upserts and removals apart.
fn counts(plan: &Plan<State>, host: &HostName) -> BTreeMap<(StateKind, bool), usize> {
    let mut counts = BTreeMap::new();
    for (key, edit) in plan.edits(host).into_iter().flatten() {
        let upsert = matches!(edit, Edit::Upsert(_));
        *counts.entry((key.kind(), upsert)).or_default() += 1;
    }
    counts
}

#[test]
fn an_accepted_peering_brings_each_side_the_outline_of_the_other_and_no_more() {
    let mut world = World::new();
    let plan = world.put(peering(1, (3, 7), false));
    assert_eq!(told(&plan), BTreeSet::new(), "nobody hears of a request");
    let plan = world.put(peering(1, (3, 7), true));
    let both: BTreeSet<_> = hosts_of(3).union(&hosts_of(7)).cloned().collect();
    assert_eq!(told(&plan), both);
    for host in &both {
        let expected = BTreeMap::from([
            ((StateKind::Tunnel, true), 10),
            ((StateKind::Vpc, true), 1),
            ((StateKind::Peering, true), 1),
            ((StateKind::Mapping, true), 10),
        ]);
        assert_eq!(counts(&plan, host), expected, "{host}");
    }
    world.check(3);
    world.check(7);
    let gone = take(&world.cloud, &pcx(1).into());
    let plan = world.apply(gone);
    assert_eq!(told(&plan), both);
    for host in &both {
        let expected = BTreeMap::from([
            ((StateKind::Tunnel, false), 10),
            ((StateKind::Vpc, false), 1),
            ((StateKind::Peering, false), 1),
            ((StateKind::Mapping, false), 10),
        ]);
        assert_eq!(counts(&plan, host), expected, "{host}");
    }
    world.check(3);
    world.check(7);
}

#[test]
fn an_interface_is_one_mapping_for_each_host_of_a_peered_vpc_and_nothing_for_their_peers() {
    let mut world = World::new();
    world.put(peering(1, (3, 7), true));
    world.put(peering(2, (7, 11), true));
    // Another port of VPC 3 on a host that has one.
    let plan = world.put(interface(399, 3, Some(30), &[0]));
    let both: BTreeSet<_> = hosts_of(3).union(&hosts_of(7)).cloned().collect();
    assert_eq!(told(&plan), both, "peerings are not transitive");
    let edits: usize = plan.into_iter().map(|(_, edits)| edits.len()).sum();
    assert_eq!(edits, both.len() + 1, "a mapping each, and the port once");
    for v in [3, 7, 11] {
        world.check(v);
    }
}

#[test]
fn a_change_inside_a_vpc_that_peers_cannot_see_does_not_reach_them() {
    let mut world = World::new();
    world.put(peering(1, (3, 7), true));
    for change in [
        Resource::from(group(3, 0, "other rules")),
        subnet(3, 5, None).into(),
        table(3, main_table(3), &[]).into(),
    ] {
        let plan = world.put(change);
        let strangers: Vec<_> = plan.hosts().filter(|h| hosts_of(7).contains(h)).collect();
        assert_eq!(strangers, Vec::<&HostName>::new());
    }
}

#[test]
fn a_route_to_a_peering_is_a_blackhole_until_it_is_active() {
    let mut world = World::new();
    world.put(peering(1, (3, 7), false));
    let to = RouteTarget::Peering(pcx(1));
    let route = route("10.7.0.0/16", to, RouteOrigin::Static);
    world.put(table(3, main_table(3), &[route]));
    let target = |world: &World| {
        let items = world.planner.desired(&host_name(30));
        let is = |key: &StateKey| *key == StateKey::RouteTable(main_table(3));
        let item = items.iter().find(|item| is(&item.key)).unwrap();
        let State::RouteTable(table) = &item.body else {
            panic!("a table's key holds a table");
        };
        table.routes[1].target
    };
    assert_eq!(target(&world), RouteTarget::Blackhole);
    world.put(peering(1, (3, 7), true));
    assert_eq!(target(&world), to);
    let gone = take(&world.cloud, &pcx(1).into());
    world.apply(gone);
    assert_eq!(target(&world), RouteTarget::Blackhole);
}

#[test]
fn a_host_with_ports_on_both_sides_keeps_the_peering_until_the_last_of_them_goes() {
    let mut world = World::new();
    world.put(peering(1, (3, 7), true));
    world.put(interface(799, 7, Some(30), &[0]));
    world.check(3);
    let gone = take(&world.cloud, &eni(300).into());
    let plan = world.apply(gone);
    let edits = plan.edits(&host_name(30)).unwrap();
    assert!(!edits.contains_key(&StateKey::Peering(pcx(1))));
    assert!(
        !edits.contains_key(&StateKey::Vpc(vpc_id(3))),
        "it is still reached"
    );
    world.check(3);
    world.check(7);
}
