mod mirrors;
mod routes;

use std::collections::BTreeMap;

use proptest::prelude::*;
use weft_model::{
    Association, ElasticAddress, ElasticAddressId, InternetGateway, InternetGatewayId,
    PublicPoolId, RouteOrigin,
};

use super::*;
use crate::{plan::Edit, testing::*};

/// A cloud, its planner, and a replica of every host fed with nothing but edits.
struct World {
    cloud: Cloud,
    planner: Planner<State>,
    replicas: BTreeMap<HostName, BTreeMap<StateKey, State>>,
}

impl World {
    fn new(resources: Vec<Resource>) -> Self {
        let cloud = Cloud::from_resources(resources);
        let planner = Planner::new(&cloud, seal);
        let hosts: Vec<_> = cloud.hosts().map(|host| host.name.clone()).collect();
        let replicas = hosts.into_iter().map(|host| {
            let items = planner.desired(&host);
            let held = items
                .iter()
                .map(|item| (item.key.clone(), item.body.clone()));
            (host, held.collect())
        });
        let replicas = replicas.collect();
        Self {
            cloud,
            planner,
            replicas,
        }
    }

    fn apply(&mut self, changes: &[Change]) -> Plan<State> {
        self.cloud.apply(changes);
        let plan = self.planner.apply(changes);
        for host in plan.hosts() {
            let replica = self.replicas.entry(host.clone()).or_default();
            for (key, edit) in plan.edits(host).unwrap() {
                match edit {
                    Edit::Upsert(item) => {
                        assert_eq!(item.key, *key);
                        replica.insert(key.clone(), item.body.clone());
                    }
                    Edit::Remove => {
                        replica.remove(key);
                    }
                }
            }
        }
        plan
    }

    fn put(&mut self, resource: impl Into<Resource>) -> Plan<State> {
        let change = put(&self.cloud, resource);
        self.apply(&[change])
    }

    fn check(&self) {
        let fresh = Planner::new(&self.cloud, seal);
        for n in 0..HOSTS {
            let host = host_name(n);
            let expected = naive_desired(&self.cloud, &host);
            let held = self.replicas.get(&host).cloned().unwrap_or_default();
            assert_eq!(held, expected, "replica of {host}");
            let items = self.planner.desired(&host);
            let desired = items
                .iter()
                .map(|item| (item.key.clone(), item.body.clone()));
            assert_eq!(
                desired.collect::<BTreeMap<_, _>>(),
                expected,
                "desired of {host}"
            );
            assert_eq!(items, fresh.desired(&host), "versions of {host}");
        }
        let busy: Vec<_> = self.planner.busy_hosts().cloned().collect();
        let mut expected: Vec<_> = (0..HOSTS).map(host_name).collect();
        expected.retain(|host| !naive_desired(&self.cloud, host).is_empty());
        assert_eq!(busy, expected);
    }
}

const HOSTS: usize = 5;

fn two_vpcs() -> Vec<Resource> {
    let hosts = (0..HOSTS).map(|n| host(n).into());
    hosts.chain(whole_vpc(1)).chain(whole_vpc(2)).collect()
}

fn three_vpcs() -> Vec<Resource> {
    two_vpcs().into_iter().chain(whole_vpc(3)).collect()
}

fn keys(plan: &Plan<State>, n: usize) -> Vec<StateKey> {
    let edits = plan.edits(&host_name(n));
    edits
        .map(|edits| edits.keys().cloned().collect())
        .unwrap_or_default()
}

fn names(plan: &Plan<State>) -> Vec<HostName> {
    plan.hosts().cloned().collect()
}

#[test]
fn the_first_port_brings_the_vpc_and_the_last_takes_it_away() {
    let mut world = World::new(two_vpcs());
    let plan = world.put(interface(1, 1, Some(0), &[0]));
    assert_eq!(names(&plan), [host_name(0)]);
    let kinds: Vec<_> = keys(&plan, 0).iter().map(StateKey::kind).collect();
    let expected = "vpc, mapping, security-group, network-acl, subnet, port, route-table";
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.text()).collect();
    assert_eq!(kinds.join(", "), expected);
    let plan = world.put(interface(1, 1, None, &[0]));
    assert_eq!(names(&plan), [host_name(0)]);
    assert_eq!(world.replicas[&host_name(0)], BTreeMap::new());
    world.check();
}

#[test]
fn a_second_port_on_the_host_brings_only_its_own() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    let plan = world.put(interface(2, 1, Some(0), &[0]));
    assert_eq!(names(&plan), [host_name(0)]);
    assert_eq!(
        keys(&plan, 0),
        [StateKey::Mapping(eni(2)), StateKey::Port(eni(2))]
    );
    world.check();
}

#[test]
fn a_change_of_an_interface_s_groups_reaches_every_host_of_its_vpc() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    world.put(interface(2, 1, Some(1), &[0]));
    world.put(interface(3, 2, Some(2), &[0]));
    let plan = world.put(interface(1, 1, Some(0), &[1]));
    assert_eq!(names(&plan), [host_name(0), host_name(1)]);
    // The group itself is told only where ports are in it.
    assert_eq!(keys(&plan, 1), [StateKey::Mapping(eni(1))]);
    assert_eq!(
        keys(&plan, 0),
        [
            StateKey::Mapping(eni(1)),
            StateKey::Group(group_id(1, 0)),
            StateKey::Group(group_id(1, 1)),
            StateKey::Port(eni(1)),
        ]
    );
    world.check();
}

#[test]
fn a_change_of_a_group_s_rules_reaches_only_hosts_with_ports_in_it() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    world.put(interface(2, 1, Some(1), &[1]));
    let plan = world.put(group(1, 1, "second"));
    assert_eq!(names(&plan), [host_name(1)]);
    assert_eq!(keys(&plan, 1), [StateKey::Group(group_id(1, 1))]);
    world.check();
}

#[test]
fn a_change_that_hosts_cannot_see_reaches_none() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    let mut renamed = vpc(1);
    renamed.meta.name = Some("new name".parse().unwrap());
    assert_eq!(names(&world.put(renamed)), []);
    let mut reordered = interface(2, 1, Some(0), &[0, 1]);
    world.put(reordered.clone());
    reordered.groups.reverse();
    assert_eq!(names(&world.put(reordered)), []);
    world.check();
}

#[test]
fn a_subnet_without_a_table_uses_the_main_one_and_follows_its_change() {
    let mut world = World::new(two_vpcs());
    let own = RouteTableId::from_bits(77);
    world.put(table(1, own, &[]));
    world.put(subnet(1, 1, Some(own)));
    world.put(interface(1, 1, Some(0), &[0]));
    let mut changed = vpc(1);
    changed.main_route_table = own;
    let plan = world.put(changed);
    assert_eq!(keys(&plan, 0), [StateKey::Subnet(subnet_id(1, 0))]);
    world.check();
}

#[test]
fn a_port_moved_between_hosts_leaves_one_and_comes_to_the_other_at_once() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    world.put(interface(2, 1, Some(1), &[0]));
    let plan = world.put(interface(2, 1, Some(0), &[0]));
    // The host that had the other port of the VPC keeps all but the tunnel that it had.
    assert_eq!(
        keys(&plan, 0),
        [
            StateKey::Tunnel(host_name(1)),
            StateKey::Mapping(eni(2)),
            StateKey::Port(eni(2))
        ]
    );
    assert_eq!(world.replicas[&host_name(1)], BTreeMap::new());
    world.check();
}

#[test]
fn a_port_moved_within_its_host_changes_only_the_port() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    world.put(interface(2, 1, Some(1), &[0]));
    let mut moved = interface(1, 1, Some(0), &[0]);
    moved.attachment.as_mut().unwrap().netns = "other".parse().unwrap();
    let plan = world.put(moved);
    assert_eq!(names(&plan), [host_name(0)]);
    assert_eq!(keys(&plan, 0), [StateKey::Port(eni(1))]);
    world.check();
}

#[test]
fn a_host_s_new_vtep_reaches_the_hosts_that_share_a_vpc_with_it() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    world.put(interface(2, 1, Some(1), &[0]));
    world.put(interface(3, 2, Some(2), &[0]));
    let mut moved = host(0);
    moved.vtep = "192.0.2.99".parse().unwrap();
    let plan = world.put(moved);
    assert_eq!(names(&plan), [host_name(1)]);
    assert_eq!(keys(&plan, 1), [StateKey::Tunnel(host_name(0))]);
    world.check();
}

/// A step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Plug {
        n: u64,
        on: Option<usize>,
        groups: Vec<u64>,
    },
    Drop {
        n: u64,
    },
    Rules {
        v: u64,
        g: u64,
        text: u8,
    },
    Routes {
        v: u64,
        own: bool,
        to: Vec<u64>,
        propagated: bool,
    },
    Subnet {
        v: u64,
        s: u64,
        own: bool,
    },
    DropSubnet {
        v: u64,
        s: u64,
    },
    Main {
        v: u64,
        own: bool,
    },
    Vtep {
        n: usize,
        low: u8,
        edge: bool,
    },
    Elastic {
        e: u64,
        on: Option<u64>,
    },
    Gateway {
        v: u64,
        attached: bool,
    },
    List {
        n: u64,
        hosts: Vec<u8>,
    },
    DropList {
        n: u64,
    },
    Listed {
        v: u64,
        n: u64,
    },
    Acl {
        v: u64,
        own: bool,
        length: u8,
    },
    Bound {
        v: u64,
        own: bool,
    },
    DefaultAcl {
        v: u64,
        own: bool,
    },
    Peer {
        n: u64,
        status: Option<bool>,
    },
}

/// Peering 1 is of VPCs 1 and 2, 2 of 2 and 3, 3 of 3 and 1, and 4 of 1 and 2 again.
fn sides(n: u64) -> (u64, u64) {
    [(1, 2), (1, 2), (2, 3), (3, 1)][usize::try_from(n % 4).unwrap()]
}

/// Interfaces 0 to 9, by turns in VPCs 1, 2 and 3.
const fn home(n: u64) -> u64 {
    1 + n % 3
}

fn own_acl(v: u64) -> NetworkAclId {
    NetworkAclId::from_bits(1000 + v)
}

fn own_table(v: u64) -> RouteTableId {
    RouteTableId::from_bits(1000 + v)
}

fn step() -> impl Strategy<Value = Step> {
    let on = proptest::option::weighted(0.8, 0..HOSTS);
    let groups = proptest::collection::vec(0..2_u64, 0..3);
    prop_oneof![
        6 => (0..10_u64, on, groups).prop_map(|(n, on, groups)| Step::Plug { n, on, groups }),
        2 => (0..10_u64).prop_map(|n| Step::Drop { n }),
        1 => (1..4_u64, 0..2_u64, any::<u8>()).prop_map(|(v, g, text)| Step::Rules { v, g, text }),
        2 => (1..4_u64, any::<bool>(), proptest::collection::vec(0..10_u64, 0..3), any::<bool>())
            .prop_map(|(v, own, to, propagated)| Step::Routes { v, own, to, propagated }),
        1 => (1..4_u64, 1..4_u64, any::<bool>()).prop_map(|(v, s, own)| Step::Subnet { v, s, own }),
        1 => (1..4_u64, 1..4_u64).prop_map(|(v, s)| Step::DropSubnet { v, s }),
        1 => (1..4_u64, any::<bool>()).prop_map(|(v, own)| Step::Main { v, own }),
        3 => (1..5_u64, any::<Option<bool>>()).prop_map(|(n, status)| Step::Peer { n, status }),
        1 => (0..HOSTS, any::<u8>(), any::<bool>())
            .prop_map(|(n, low, edge)| Step::Vtep { n, low, edge }),
        2 => (0..3_u64, proptest::option::of(0..10_u64)).prop_map(|(e, on)| Step::Elastic { e, on }),
        1 => (1..3_u64, any::<bool>()).prop_map(|(v, attached)| Step::Gateway { v, attached }),
        2 => (0..2_u64, proptest::collection::vec(0..4_u8, 0..3))
            .prop_map(|(n, hosts)| Step::List { n, hosts }),
        1 => (0..2_u64).prop_map(|n| Step::DropList { n }),
        2 => (1..3_u64, 0..2_u64).prop_map(|(v, n)| Step::Listed { v, n }),
        1 => (1..3_u64, any::<bool>(), 0..4_u8)
            .prop_map(|(v, own, length)| Step::Acl { v, own, length }),
        1 => (1..3_u64, any::<bool>()).prop_map(|(v, own)| Step::Bound { v, own }),
        1 => (1..3_u64, any::<bool>()).prop_map(|(v, own)| Step::DefaultAcl { v, own }),
    ]
}

/// What a route leads to.
fn target(n: u64) -> RouteTarget {
    match n {
        0..5 => RouteTarget::Interface(eni(n)),
        n => RouteTarget::Peering(pcx(n - 5)),
    }
}

/// An elastic address on nothing or on an interface's primary address.
fn elastic(e: u64, on: Option<u64>) -> ElasticAddress {
    let low = |n: u64| u32::try_from(n).unwrap();
    ElasticAddress {
        id: ElasticAddressId::from_bits(e),
        pool: PublicPoolId::from_bits(1),
        address: std::net::Ipv4Addr::from_bits(0xcb00_7101 + low(e)),
        association: on.map(|n| Association::Interface {
            interface: eni(n),
            private: std::net::Ipv4Addr::from_bits(0x0a00_0004 + low(n)),
        }),
        meta: Default::default(),
    }
}

/// Static routes to these targets, the first propagated instead if need be.
fn routes(to: &[u64], propagated: bool) -> Vec<weft_model::Route> {
    let origin = |i| match (i, propagated) {
        (0, true) => RouteOrigin::Propagated,
        _ => RouteOrigin::Static,
    };
    let routes = to.iter().enumerate().map(|(i, &n)| {
        // One for a list, once in a while: its prefixes are apart from these.
        let destination = match n {
            9 => list_id(0).to_string(),
            _ => format!("192.0.2.{}/32", i / 2),
        };
        route(&destination, target(n), origin(i))
    });
    routes.collect()
}

fn change(cloud: &Cloud, step: &Step) -> Change {
    let acl_of = |v, own| if own { own_acl(v) } else { default_acl(v) };
    let table_of = |v, own| if own { own_table(v) } else { main_table(v) };
    match step {
        Step::Plug { n, on, groups } => put(cloud, interface(*n, home(*n), *on, groups)),
        Step::Drop { n } => take(cloud, &eni(*n).into()),
        Step::Rules { v, g, text } => put(cloud, group(*v, *g, &text.to_string())),
        Step::Routes {
            v,
            own,
            to,
            propagated,
        } => {
            let routes = routes(to, *propagated);
            put(cloud, table(*v, table_of(*v, *own), &routes))
        }
        Step::Subnet { v, s, own } => put(cloud, subnet(*v, *s, own.then(|| own_table(*v)))),
        Step::DropSubnet { v, s } => take(cloud, &subnet_id(*v, *s).into()),
        Step::Main { v, own } => {
            let mut vpc = vpc(*v);
            vpc.main_route_table = table_of(*v, *own);
            put(cloud, vpc)
        }
        Step::List { n, hosts } => put(cloud, list(*n, hosts)),
        Step::DropList { n } => take(cloud, &list_id(*n).into()),
        Step::Listed { v, n } => {
            let mut group = group(*v, 1, "listed");
            let mut listed = group.ingress[0].clone();
            listed.peer = weft_model::Peer::List(list_id(*n));
            group.ingress.push(listed);
            put(cloud, group)
        }
        Step::Acl { v, own, length } => put(cloud, acl(*v, acl_of(*v, *own), *length)),
        Step::Bound { v, own } => {
            let mut subnet = subnet(*v, 0, None);
            subnet.acl = own.then(|| acl_of(*v, true));
            put(cloud, subnet)
        }
        Step::DefaultAcl { v, own } => {
            let mut vpc = vpc(*v);
            vpc.default_acl = acl_of(*v, *own);
            put(cloud, vpc)
        }
        Step::Peer { n, status: None } => take(cloud, &pcx(*n).into()),
        Step::Peer {
            n,
            status: Some(active),
        } => put(cloud, peering(*n, sides(*n), *active)),
        Step::Elastic { e, on } => put(cloud, elastic(*e, *on)),
        Step::Gateway { v, attached } => put(
            cloud,
            InternetGateway {
                id: InternetGatewayId::from_bits(*v),
                region: None,
                vpc: attached.then(|| vpc_id(*v)),
                meta: Default::default(),
            },
        ),
        Step::Vtep { n, low, edge } => {
            let mut host = host(*n);
            host.uplink = edge.then(|| "up0".parse().unwrap());
            host.vtep = std::net::Ipv4Addr::new(192, 0, u8::try_from(*n).unwrap(), *low).into();
            put(cloud, host)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens, edit by edit, each host ends with what it would get from scratch.
    #[test]
    fn edits_and_a_fresh_start_lead_to_the_same(
        transactions in proptest::collection::vec(proptest::collection::vec(step(), 1..4), 1..40)
    ) {
        let mut world = World::new(three_vpcs());
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

    /// The order of a transaction's changes doesn't matter: a VPC may come after its parts.
    #[test]
    fn a_transaction_may_name_its_parts_in_any_order(
        order in Just(whole_vpc(3)).prop_shuffle()
    ) {
        let mut world = World::new(two_vpcs());
        let changes: Vec<_> = order.into_iter().map(|r| put(&world.cloud, r)).collect();
        world.apply(&changes);
        world.put(interface(11, 3, Some(0), &[0]));
        world.check();
        let gone: Vec<_> = whole_vpc(3)
            .iter()
            .map(Resource::key)
            .chain([eni(11).into()])
            .map(|key| take(&world.cloud, &key))
            .collect();
        world.apply(&gone);
        world.check();
        prop_assert_eq!(&world.replicas[&host_name(0)], &BTreeMap::new());
        prop_assert!(!world.planner.vpcs.contains_key(&vpc_id(3)));
    }
}

/// What a port can't be without: its VPC, its subnet, its mapping and its groups.
fn check_references(replica: &BTreeMap<StateKey, State>) -> Result<(), TestCaseError> {
    for state in replica.values() {
        let State::Port(port) = state else {
            continue;
        };
        let needs = [
            StateKey::Vpc(port.vpc),
            StateKey::Subnet(port.subnet),
            StateKey::Mapping(port.interface),
        ];
        let groups = port.groups.iter().copied().map(StateKey::Group);
        for key in needs.into_iter().chain(groups) {
            prop_assert!(
                replica.contains_key(&key),
                "{} lacks {key:?}",
                port.interface
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Applied one by one, in the order that the queue sends them, whatever was coalesced.
    #[test]
    fn a_host_never_has_a_port_without_what_it_needs(
        steps in proptest::collection::vec((step(), any::<bool>()), 1..60)
    ) {
        let mut world = World::new(three_vpcs());
        let mut queue = crate::HostQueue::new(None);
        queue.connect(&crate::queue::Hello::default(), &[], Default::default());
        let mut replica = BTreeMap::new();
        for (revision, (step, drain)) in (1..).zip(&steps) {
            let change = change(&world.cloud, step);
            let plan = world.apply(&[change]);
            let edits = plan.edits(&host_name(0)).cloned().unwrap_or_default();
            queue.enqueue(weft_model::Revision(revision), edits);
            while let Some(update) = drain.then(|| queue.next_update()).flatten() {
                for item in &update.upserts {
                    replica.insert(item.key.clone(), item.body.clone());
                    check_references(&replica)?;
                }
                for key in &update.removals {
                    replica.remove(key);
                    check_references(&replica)?;
                }
                queue.ack(update.nonce, []).unwrap();
            }
        }
    }
}
