//! Route tables.

use super::{super::route_table, *};
use crate::{ResourceKey, RouteTableId, RouteTarget};

/// A VPC with a subnet, a middlebox in it, and its main table.
fn with_middlebox() -> (World, VpcId, SubnetId, RouteTarget, RouteTableId) {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(vpc, "10.0.1.0/24");
    let middlebox = RouteTarget::Interface(world.interface(interface::Draft::new(subnet)));
    let table = world.cloud.vpc(vpc).unwrap().main_route_table;
    (world, vpc, subnet, middlebox, table)
}

impl World {
    fn put(&mut self, table: RouteTableId, destination: &str, target: RouteTarget) -> Answer {
        let route = (prefix(destination).into(), target);
        self.run(|w, _| route_table::put_route(&w.cloud, &w.settings, table, route, None))
    }

    fn refused_route(
        &mut self,
        table: RouteTableId,
        destination: &str,
        target: RouteTarget,
    ) -> String {
        let route = (prefix(destination).into(), target);
        let put = |w: &Self, _: &mut dyn super::super::Entropy| {
            route_table::put_route(&w.cloud, &w.settings, table, route, None)
        };
        self.invalid(put).0
    }

    fn target(&self, table: RouteTableId, destination: &str) -> Option<RouteTarget> {
        let table = self.cloud.route_table(table).unwrap();
        let mut routes = table.routes.iter();
        routes
            .find(|r| r.destination == prefix(destination).into())
            .map(|r| r.target)
    }
}

#[test]
fn a_route_is_added_replaced_and_deleted() {
    let (mut world, _, _, middlebox, table) = with_middlebox();
    world.put(table, "0.0.0.0/0", middlebox).unwrap();
    assert_eq!(world.target(table, "0.0.0.0/0"), Some(middlebox));
    world
        .put(table, "0.0.0.0/0", RouteTarget::Blackhole)
        .unwrap();
    assert_eq!(
        world.target(table, "0.0.0.0/0"),
        Some(RouteTarget::Blackhole)
    );
    let everywhere = destination("0.0.0.0/0");
    world.ok(|w, _| route_table::delete_route(&w.cloud, table, everywhere, None));
    assert_eq!(world.target(table, "0.0.0.0/0"), None);
    let (field, _) =
        world.invalid(|w, _| route_table::delete_route(&w.cloud, table, everywhere, None));
    assert_eq!(field, "destination");
}

#[test]
fn more_specific_than_local_is_a_whole_subnet_and_an_interface() {
    let (mut world, _, _, middlebox, table) = with_middlebox();
    world.put(table, "10.0.1.0/24", middlebox).unwrap();
    world.put(table, "fd57:6566:7400::/64", middlebox).unwrap();
    for destination in [
        "10.0.1.0/25",
        "10.0.2.0/24",
        "10.0.1.7/32",
        "fd57:6566:7400:1::/64",
    ] {
        assert_eq!(
            world.refused_route(table, destination, middlebox),
            "route.destination"
        );
    }
    let hole = RouteTarget::Blackhole;
    assert_eq!(
        world.refused_route(table, "10.0.1.0/24", hole),
        "route.destination"
    );
}

#[test]
fn a_subnet_stays_while_a_route_is_for_it() {
    let (mut world, vpc, _, middlebox, table) = with_middlebox();
    let other = world.subnet(vpc, "10.0.2.0/24");
    world.put(table, "10.0.2.0/24", middlebox).unwrap();
    let error = world.err(|w, _| subnet::delete(&w.cloud, other, None));
    assert!(matches!(
        error,
        OpError::InUse {
            by: ResourceKey::RouteTable(_),
            ..
        }
    ));
}

#[test]
fn local_can_be_redirected_and_put_back_but_not_deleted() {
    let (mut world, _, _, middlebox, table) = with_middlebox();
    world.put(table, "10.0.0.0/16", middlebox).unwrap();
    assert_eq!(world.target(table, "10.0.0.0/16"), Some(middlebox));
    world.put(table, "10.0.0.0/16", RouteTarget::Local).unwrap();
    let block = destination("10.0.0.0/16");
    let (_, reason) = world.invalid(|w, _| route_table::delete_route(&w.cloud, table, block, None));
    assert!(reason.contains("can't be deleted"), "{reason}");
    assert_eq!(
        world.refused_route(table, "10.0.0.0/16", RouteTarget::Blackhole),
        "route.destination"
    );
    assert_eq!(
        world.refused_route(table, "10.9.0.0/16", RouteTarget::Local),
        "route.destination"
    );
}

#[test]
fn the_services_prefixes_are_nobodys_to_route() {
    let (mut world, _, _, middlebox, table) = with_middlebox();
    for inside in [
        "169.254.168.0/22",
        "169.254.171.255/32",
        "fd00:ec2::/32",
        "fd00:ec2::253/128",
    ] {
        assert_eq!(
            world.refused_route(table, inside, middlebox),
            "route.destination"
        );
    }
    for outside in [
        "169.254.172.0/22",
        "169.254.0.0/16",
        "fd00:ec3::/32",
        "fd00::/16",
    ] {
        world.put(table, outside, middlebox).unwrap();
    }
}

#[test]
fn a_target_is_an_interface_of_the_same_vpc() {
    let (mut world, _, _, _, table) = with_middlebox();
    let nobody = RouteTarget::Interface(InterfaceId::from_bits(1));
    assert_eq!(
        world.refused_route(table, "0.0.0.0/0", nobody),
        "route.interface"
    );
    let other = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(other, "10.0.1.0/24");
    let foreign = RouteTarget::Interface(world.interface(interface::Draft::new(subnet)));
    assert_eq!(
        world.refused_route(table, "0.0.0.0/0", foreign),
        "route.interface"
    );
}

#[test]
fn a_table_in_use_and_the_main_one_stay() {
    let (mut world, vpc, subnet, middlebox, main) = with_middlebox();
    let error = world.err(|w, _| route_table::delete(&w.cloud, main, None));
    assert!(matches!(error, OpError::Protected { .. }));
    let routes = vec![(destination("0.0.0.0/0"), middlebox)];
    let draft = route_table::Draft {
        vpc,
        routes,
        label: None,
    };
    let Some(Resource::RouteTable(own)) =
        world.ok(|w, e| route_table::create(&w.cloud, &w.settings, draft, e))
    else {
        panic!("a table was made");
    };
    assert_eq!(own.routes.len(), 3);
    let associate = |table| subnet::Update {
        route_table: Some(table),
        ..subnet::Update::default()
    };
    world.ok(|w, _| subnet::update(&w.cloud, subnet, associate(Some(own.id)), None));
    let error = world.err(|w, _| route_table::delete(&w.cloud, own.id, None));
    assert!(matches!(error, OpError::InUse { by: ResourceKey::Subnet(s), .. } if s == subnet));
    world.ok(|w, _| subnet::update(&w.cloud, subnet, associate(None), None));
    world.ok(|w, _| route_table::delete(&w.cloud, own.id, None));
}

#[test]
fn routes_of_a_table_are_limited_local_ones_aside() {
    let (mut world, _, _, middlebox, table) = with_middlebox();
    world.settings.quotas.routes_per_table = 1;
    world.put(table, "0.0.0.0/0", middlebox).unwrap();
    world
        .put(table, "0.0.0.0/0", RouteTarget::Blackhole)
        .unwrap();
    let error = world.put(table, "::/0", middlebox).unwrap_err();
    assert!(matches!(error, OpError::Quota { limit: 1, .. }));
}

#[test]
fn wrong_routes_of_a_new_table_are_named_by_place() {
    let (mut world, vpc, _, middlebox, _) = with_middlebox();
    let good = (destination("0.0.0.0/0"), middlebox);
    let routes = vec![good, (destination("10.0.9.0/24"), middlebox)];
    let draft = route_table::Draft {
        vpc,
        routes,
        label: None,
    };
    let (field, _) = world.invalid(|w, e| route_table::create(&w.cloud, &w.settings, draft, e));
    assert_eq!(field, "route_table.routes[1].destination");
    let draft = route_table::Draft {
        vpc,
        routes: vec![good, good],
        label: None,
    };
    let (field, _) = world.invalid(|w, e| route_table::create(&w.cloud, &w.settings, draft, e));
    assert_eq!(field, "route_table.routes[1].destination");
}
