//! What transit gateways bring to hosts and take away: counted, and against the slow answer.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use weft_model::{
    Change, HostName, Resource, ResourceKey, Revision, RouteOrigin, RouteTarget,
    cloud::Cloud,
    state::{State, StateKey, StateKind},
};

use crate::{
    Planner,
    plan::{Edit, Plan},
    testing::*,
};

/// A planner, and what each host holds by all that it was told.
struct World {
    cloud: Cloud,
    planner: Planner<State>,
    replicas: BTreeMap<HostName, BTreeMap<StateKey, State>>,
}

impl World {
    /// Interface `v` is of VPC `v`, on host `v`.
    fn new(vpcs: u64) -> Self {
        let mut resources: Vec<Resource> = vec![transit_gateway(1).into()];
        for v in 0..=vpcs {
            resources.push(host(usize::try_from(v).unwrap()).into());
        }
        for v in 1..=vpcs {
            resources.extend(whole_vpc(v));
            let mut vpc = vpc(v);
            vpc.primary = format!("10.{v}.0.0/16").parse().unwrap();
            resources.push(vpc.into());
        }
        let cloud = Cloud::from_resources(resources);
        let planner = Planner::new(&cloud, seal);
        let mut world = Self {
            cloud,
            planner,
            replicas: BTreeMap::new(),
        };
        for v in 1..=vpcs {
            world.put(interface(v, v, Some(usize::try_from(v).unwrap()), &[0]));
        }
        world
    }

    fn apply(&mut self, changes: &[Change]) -> Plan<State> {
        self.cloud.apply(changes);
        let plan = self.planner.apply(changes);
        for host in plan.hosts() {
            let replica = self.replicas.entry(host.clone()).or_default();
            for (key, edit) in plan.edits(host).into_iter().flatten() {
                match edit {
                    Edit::Upsert(item) => replica.insert(key.clone(), item.body.clone()),
                    Edit::Remove => replica.remove(key),
                };
            }
        }
        plan
    }

    fn put(&mut self, resource: impl Into<Resource>) -> Plan<State> {
        let change = put(&self.cloud, resource);
        self.apply(&[change])
    }

    fn take(&mut self, key: impl Into<ResourceKey>) -> Plan<State> {
        let change = take(&self.cloud, &key.into());
        self.apply(&[change])
    }

    fn check(&self) {
        for host in self.cloud.hosts() {
            let expected = naive_desired(&self.cloud, &host.name);
            let replica = self.replicas.get(&host.name).cloned().unwrap_or_default();
            assert_eq!(replica, expected, "what {} was told", host.name);
            let items = self.planner.desired(&host.name);
            let items = items
                .iter()
                .map(|item| (item.key.clone(), item.body.clone()));
            assert_eq!(items.collect::<BTreeMap<_, _>>(), expected, "{}", host.name);
        }
        let fresh = Planner::new(&self.cloud, seal);
        for host in self.cloud.hosts() {
            let keys = |planner: &Planner<State>| -> Vec<_> {
                let items = planner.desired(&host.name).into_iter();
                items.map(|item| (item.key.clone(), item.version)).collect()
            };
            assert_eq!(keys(&fresh), keys(&self.planner));
        }
    }
}

fn told(plan: &Plan<State>) -> BTreeSet<HostName> {
    plan.hosts().cloned().collect()
}

fn hosts(numbers: &[usize]) -> BTreeSet<HostName> {
    numbers.iter().copied().map(host_name).collect()
}

fn kinds(plan: &Plan<State>, host: usize) -> BTreeMap<StateKind, usize> {
    let mut kinds = BTreeMap::new();
    for key in plan.edits(&host_name(host)).into_iter().flatten() {
        *kinds.entry(key.0.kind()).or_default() += 1;
    }
    kinds
}

fn route8() -> weft_model::Prefix {
    "10.0.0.0/8".parse().unwrap()
}

/// VPC 1 is everybody's: table 1 is of the others and leads to it alone, table 2 is its own and leads to
/// the others.
fn shared(vpcs: u64) -> World {
    let mut world = World::new(vpcs);
    world.put(transit_table(1, &[]));
    world.put(transit_table(2, &[]));
    world.put(transit_attachment(1, Some(2), &[1]));
    for v in 2..=vpcs {
        world.put(transit_attachment(v, Some(1), &[2]));
    }
    world
}

#[test]
fn spokes_hear_of_the_shared_vpc_and_not_of_each_other() {
    let world = shared(4);
    world.check();
    let vpcs = |n| -> BTreeSet<_> {
        let replica = world.replicas[&host_name(n)].keys();
        replica
            .filter(|key| key.kind() == StateKind::Vpc)
            .cloned()
            .collect()
    };
    let of =
        |all: &[u64]| -> BTreeSet<_> { all.iter().map(|v| StateKey::Vpc(vpc_id(*v))).collect() };
    assert_eq!(vpcs(1), of(&[1, 2, 3, 4]));
    assert_eq!(vpcs(2), of(&[1, 2]));
    assert_eq!(vpcs(3), of(&[1, 3]));
}

#[test]
fn a_vpc_s_new_block_is_one_route_for_each_host_that_is_routed_by_the_table() {
    let mut world = shared(30);
    let mut changed = world.cloud.vpc(vpc_id(1)).unwrap().clone();
    changed.secondary = vec!["10.200.0.0/16".parse().unwrap()];
    let plan = world.put(changed);
    for spoke in 2..=30 {
        let expected = BTreeMap::from([(StateKind::Vpc, 1), (StateKind::TransitRoute, 1)]);
        assert_eq!(kinds(&plan, spoke), expected);
    }
    let mut changed = world.cloud.vpc(vpc_id(7)).unwrap().clone();
    changed.secondary = vec!["10.201.0.0/16".parse().unwrap()];
    let plan = world.put(changed);
    assert_eq!(told(&plan), hosts(&[1, 7]), "no other spoke hears of it");
    world.check();
}

#[test]
fn one_more_spoke_costs_the_shared_vpc_and_itself() {
    let mut world = shared(30);
    world.take(attachment_id(9));
    world.check();
    let plan = world.put(transit_attachment(9, Some(1), &[2]));
    assert_eq!(told(&plan), hosts(&[1, 9]));
    let expected = BTreeMap::from([
        (StateKind::Tunnel, 1),
        (StateKind::Vpc, 1),
        (StateKind::Mapping, 1),
        (StateKind::TransitTarget, 1),
        (StateKind::TransitRoute, 1),
        (StateKind::TransitAttachment, 1),
    ]);
    assert_eq!(kinds(&plan, 1), expected);
    world.check();
}

#[test]
fn a_route_to_a_gateway_is_a_blackhole_while_the_vpc_is_not_attached() {
    let mut world = shared(3);
    let to = RouteTarget::TransitGateway(tgw(1));
    let route = route("10.0.0.0/8", to, RouteOrigin::Static);
    world.put(table(2, main_table(2), &[route]));
    world.put(table(3, main_table(3), &[route]));
    let target = |world: &World, v: u64| {
        let host = host_name(usize::try_from(v).unwrap());
        let key = StateKey::RouteTable(main_table(v));
        let State::RouteTable(table) = &world.replicas[&host][&key] else {
            panic!("a table's key holds a table");
        };
        let led = |route: &&weft_model::state::RouteState| route.destination == route8();
        table.routes.iter().find(led).unwrap().target
    };
    assert_eq!(target(&world, 2), to);
    let plan = world.take(attachment_id(2));
    assert_eq!(target(&world, 2), RouteTarget::Blackhole);
    assert_eq!(target(&world, 3), to);
    assert!(
        !told(&plan).contains(&host_name(3)),
        "its tables are as they were"
    );
    world.put(transit_attachment(2, None, &[]));
    assert_eq!(target(&world, 2), to);
    world.check();
}

#[derive(Debug, Clone)]
enum Step {
    Plug {
        n: u64,
        on: Option<usize>,
    },
    Peer {
        n: u64,
        active: Option<bool>,
    },
    Attach {
        v: u64,
        at: Option<At>,
    },
    Table {
        n: u64,
        routes: Option<BTreeMap<u8, Option<u64>>>,
    },
    Block {
        v: u64,
        more: bool,
    },
    Routes {
        v: u64,
        there: bool,
    },
}

/// The table that routes an attachment, and those that it propagates into.
type At = (Option<u64>, Vec<u64>);

fn step() -> impl Strategy<Value = Step> {
    let number = || 1..4_u64;
    let at = (
        prop::option::weighted(0.8, number()),
        prop::collection::vec(number(), 0..3),
    );
    let routes = prop::collection::btree_map(0..5_u8, prop::option::of(number()), 0..4);
    let some = 0.8;
    prop_oneof![
        4 => (0..8_u64, prop::option::weighted(some, 0..4_usize)).prop_map(|(n, on)| Step::Plug { n, on }),
        1 => (1..3_u64, any::<Option<bool>>()).prop_map(|(n, active)| Step::Peer { n, active }),
        6 => (number(), prop::option::weighted(some, at)).prop_map(|(v, at)| Step::Attach { v, at }),
        4 => (number(), prop::option::weighted(some, routes))
            .prop_map(|(n, routes)| Step::Table { n, routes }),
        2 => (number(), any::<bool>()).prop_map(|(v, more)| Step::Block { v, more }),
        1 => (number(), any::<bool>()).prop_map(|(v, there)| Step::Routes { v, there }),
    ]
}

fn change(cloud: &Cloud, step: &Step) -> Change {
    match step {
        Step::Plug { n, on } => put(cloud, interface(1000 + n, 1 + n % 3, *on, &[0])),
        Step::Peer { n, active: None } => take(cloud, &pcx(*n).into()),
        Step::Peer {
            n,
            active: Some(active),
        } => put(cloud, peering(*n, (*n, n + 1), *active)),
        Step::Attach { v, at: None } => take(cloud, &attachment_id(*v).into()),
        Step::Attach {
            v,
            at: Some((table, into)),
        } => {
            let mut attachment = transit_attachment(*v, *table, into);
            // The oldest isn't the first by id.
            attachment.meta.created = Revision(10 - *v);
            put(cloud, attachment)
        }
        Step::Table { n, routes: None } => take(cloud, &transit_table_id(*n).into()),
        Step::Table {
            n,
            routes: Some(routes),
        } => {
            let named = routes.iter().map(|(n, to)| (format!("10.{n}.0.0/16"), *to));
            let named: Vec<_> = named.collect();
            let routes: Vec<_> = named.iter().map(|(n, to)| (n.as_str(), *to)).collect();
            put(cloud, transit_table(*n, &routes))
        }
        Step::Block { v, more } => {
            let mut vpc = vpc(*v);
            let blocks = ["10.1.0.0/16", "10.2.0.0/16"].map(|block| block.parse().unwrap());
            vpc.secondary = blocks.into_iter().filter(|_| *more).collect();
            put(cloud, vpc)
        }
        Step::Routes { v, there } => {
            let to = RouteTarget::TransitGateway(tgw(1));
            let route = route("10.0.0.0/8", to, RouteOrigin::Static);
            let routes: Vec<_> = there.then_some(route).into_iter().collect();
            put(cloud, table(*v, main_table(*v), &routes))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever happens to gateways, in whatever order, each host ends with what it must hold.
    #[test]
    fn edits_around_transit_gateways_and_a_fresh_start_lead_to_the_same(
        transactions in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..40)
    ) {
        let mut world = World::new(3);
        for transaction in &transactions {
            let mut changes: BTreeMap<_, Change> = BTreeMap::new();
            for step in transaction {
                let change = change(&world.cloud, step);
                if let Some(key) = change.key() {
                    changes.insert(key, change);
                }
            }
            let changes: Vec<_> = changes.into_values().collect();
            world.apply(&changes);
            world.check();
        }
    }
}
