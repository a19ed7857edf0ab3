//! VPCs and subnets.

use super::*;
use crate::{Peer, PortMatch, ResourceKey, RouteOrigin, RouteTarget};

fn secondary(blocks: &[&str]) -> vpc::Update {
    vpc::Update {
        secondary: Some(blocks.iter().map(|block| block.parse().unwrap()).collect()),
        ..vpc::Update::default()
    }
}

#[test]
fn a_vpc_comes_with_local_routes_and_a_default_group() {
    let mut world = World::new();
    let id = world.vpc("10.0.0.0/16");
    let vpc = world.cloud.vpc(id).unwrap();
    let table = world.cloud.route_table(vpc.main_route_table).unwrap();
    let local = |r: &crate::Route| r.target == RouteTarget::Local && r.origin == RouteOrigin::Table;
    assert!(table.routes.iter().all(local));
    let destinations: Vec<String> = table
        .routes
        .iter()
        .map(|r| r.destination.to_string())
        .collect();
    assert_eq!(destinations, ["10.0.0.0/16", "fd57:6566:7400::/56"]);
    let group = world.cloud.security_group(vpc.default_group).unwrap();
    assert_eq!(group.group_name.as_str(), "default");
    let [ingress] = group.ingress.as_slice() else {
        panic!("one ingress rule");
    };
    assert_eq!(
        (ingress.traffic, ingress.peer),
        (PortMatch::All, Peer::Group(group.id))
    );
    let everywhere: Vec<Peer> = group.egress.iter().map(|rule| rule.peer).collect();
    assert_eq!(
        everywhere,
        [Peer::Cidr(prefix("0.0.0.0/0")), Peer::Cidr(prefix("::/0"))]
    );
}

#[test]
fn the_lowest_free_vni_and_56_are_given_and_reused() {
    let mut world = World::new();
    let ids = ["10.0.0.0/16", "10.0.0.0/16", "10.0.0.0/16"].map(|cidr| world.vpc(cidr));
    let given = |w: &World, id| {
        let vpc = w.cloud.vpc(id).unwrap();
        (vpc.vni.get(), vpc.ipv6[0].to_string())
    };
    assert_eq!(
        given(&world, ids[1]),
        (2, "fd57:6566:7400:100::/56".to_owned())
    );
    world
        .run(|w, _| vpc::delete(&w.cloud, ids[1], None))
        .unwrap();
    let again = world.vpc("10.7.0.0/16");
    assert_eq!(
        given(&world, again),
        (2, "fd57:6566:7400:100::/56".to_owned())
    );
    let next = world.vpc("10.7.0.0/16");
    assert_eq!(
        given(&world, next),
        (4, "fd57:6566:7400:300::/56".to_owned())
    );
}

#[test]
fn a_pool_that_is_used_up_or_missing_says_so() {
    let mut world = World::new();
    world.settings.ipv6_pool = Some("fd00:1::/55".parse().unwrap());
    world.vpc("10.0.0.0/16");
    world.vpc("10.0.0.0/16");
    let error = world.err(|w, e| vpc::create(&w.cloud, &w.settings, vpc_draft("10.0.0.0/16"), e));
    assert_eq!(
        error.to_string(),
        "no IPv6 /56 is free in the pool fd00:1::/55"
    );
    world.settings.ipv6_pool = None;
    let draft = vpc_draft("10.0.0.0/16");
    let (field, _) = world.invalid(|w, e| vpc::create(&w.cloud, &w.settings, draft, e));
    assert_eq!(field, "assign_ipv6");
}

#[test]
fn blocks_of_a_vpc_are_for_hosts_and_apart() {
    let mut world = World::new();
    for cidr in [
        "127.0.0.0/16",
        "169.254.0.0/16",
        "224.0.0.0/16",
        "240.0.0.0/16",
        "0.0.0.0/16",
    ] {
        let draft = vpc_draft(cidr);
        let (field, _) = world.invalid(|w, e| vpc::create(&w.cloud, &w.settings, draft, e));
        assert_eq!(field, "vpc.cidr_block");
    }
    for block in ["fd00:ec2::/56", "fe80::/56", "ff02::/56", "::/56"] {
        let draft = vpc::Draft {
            ipv6: vec![block.parse().unwrap()],
            ..vpc_draft("10.0.0.0/16")
        };
        let (field, _) = world.invalid(|w, e| vpc::create(&w.cloud, &w.settings, draft, e));
        assert_eq!(field, "vpc.ipv6_cidr_blocks[0]");
    }
    let overlapping = vpc::Draft {
        secondary: vec!["10.0.4.0/24".parse().unwrap()],
        ..vpc_draft("10.0.0.0/16")
    };
    let (field, _) = world.invalid(|w, e| vpc::create(&w.cloud, &w.settings, overlapping, e));
    assert_eq!(field, "vpc.secondary_cidr_blocks[0]");
}

#[test]
fn vpcs_and_their_cidrs_are_limited() {
    let mut world = World::new();
    let id = world.vpc("10.0.0.0/16");
    let five = secondary(&[
        "10.1.0.0/16",
        "10.2.0.0/16",
        "10.3.0.0/16",
        "10.4.0.0/16",
        "10.5.0.0/16",
    ]);
    let error = world.err(|w, _| vpc::update(&w.cloud, &w.settings, id, five, None));
    assert!(
        matches!(
            error,
            OpError::Quota {
                what: "IPv4 CIDRs",
                limit: 5,
                ..
            }
        ),
        "{error}"
    );
    for _ in 0..4 {
        world.vpc("10.0.0.0/16");
    }
    let error = world.err(|w, e| vpc::create(&w.cloud, &w.settings, vpc_draft("10.0.0.0/16"), e));
    assert_eq!(
        error.to_string(),
        "region r1 may have at most 5 VPCs; raise the quota or delete one"
    );
}

#[test]
fn every_table_follows_the_blocks_of_its_vpc() {
    let mut world = World::new();
    let id = world.vpc("10.0.0.0/16");
    let draft = super::super::route_table::Draft {
        vpc: id,
        routes: Vec::new(),
        label: None,
    };
    world.ok(|w, e| super::super::route_table::create(&w.cloud, &w.settings, draft, e));
    let count = |w: &World| -> Vec<usize> {
        w.cloud
            .route_tables_in_vpc(id)
            .map(|table| table.routes.len())
            .collect()
    };
    assert_eq!(count(&world), [2, 2]);
    world.ok(|w, _| vpc::update(&w.cloud, &w.settings, id, secondary(&["10.1.0.0/16"]), None));
    assert_eq!(count(&world), [3, 3]);
    let subnet = world.subnet(id, "10.1.2.0/24");
    let error = world.err(|w, _| vpc::update(&w.cloud, &w.settings, id, secondary(&[]), None));
    assert!(matches!(error, OpError::InUse { by: ResourceKey::Subnet(s), .. } if s == subnet));
    world.ok(|w, _| subnet::delete(&w.cloud, subnet, None));
    world.ok(|w, _| vpc::update(&w.cloud, &w.settings, id, secondary(&[]), None));
    assert_eq!(count(&world), [2, 2]);
}

#[test]
fn a_new_cidr_must_not_cover_an_existing_route() {
    let mut world = World::new();
    let id = world.vpc("10.0.0.0/16");
    let table = world.cloud.vpc(id).unwrap().main_route_table;
    let route = (prefix("10.1.2.0/24").into(), RouteTarget::Blackhole);
    world
        .ok(|w, _| super::super::route_table::put_route(&w.cloud, &w.settings, table, route, None));
    for covering in ["10.1.2.0/24", "10.1.0.0/16"] {
        let update = secondary(&[covering]);
        let (field, reason) =
            world.invalid(|w, _| vpc::update(&w.cloud, &w.settings, id, update, None));
        assert_eq!(field, "vpc.secondary_cidr_blocks[0]");
        assert!(reason.contains("10.1.2.0/24"), "{reason}");
    }
    // Inside the route's destination is fine: the new local route is the more specific one.
    world.ok(|w, _| vpc::update(&w.cloud, &w.settings, id, secondary(&["10.1.2.0/28"]), None));
}

#[test]
fn a_vpc_stays_until_it_is_empty_and_then_leaves_nothing() {
    let mut world = World::new();
    let before = world.cloud.clone();
    let id = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(id, "10.0.1.0/24");
    let group = world.group(id, "web");
    let by = |error: OpError| match error {
        OpError::InUse { by, .. } => by,
        other => panic!("{other}"),
    };
    assert_eq!(
        by(world.err(|w, _| vpc::delete(&w.cloud, id, None))),
        subnet.into()
    );
    world.ok(|w, _| subnet::delete(&w.cloud, subnet, None));
    assert_eq!(
        by(world.err(|w, _| vpc::delete(&w.cloud, id, None))),
        group.into()
    );
    world.ok(|w, _| security_group::delete(&w.cloud, group, None));
    world.ok(|w, _| vpc::delete(&w.cloud, id, None));
    assert_eq!(world.cloud, before);
}

#[test]
fn a_subnet_lies_in_its_vpc_apart_from_others_in_a_zone_of_the_region() {
    let mut world = World::new();
    let id = world.vpc("10.0.0.0/16");
    world.subnet(id, "10.0.1.0/24");
    for cidr in ["10.1.0.0/24", "10.0.1.128/25", "10.0.0.0/16"] {
        let draft = subnet_draft(id, cidr);
        let (field, _) = world.invalid(|w, e| subnet::create(&w.cloud, &w.settings, draft, e));
        assert_eq!(field, "subnet.cidr_block");
    }
    for zone in ["z9", "nowhere"] {
        let draft = subnet::Draft {
            zone: zone.parse().unwrap(),
            ..subnet_draft(id, "10.0.2.0/24")
        };
        let (field, _) = world.invalid(|w, e| subnet::create(&w.cloud, &w.settings, draft, e));
        assert_eq!(field, "subnet.zone");
    }
    for block in ["fd57:6566:7400::/64", "fd57:6566:7401::/64"] {
        let draft = subnet::Draft {
            ipv6: Some(block.parse().unwrap()),
            ..subnet_draft(id, "10.0.2.0/24")
        };
        let (field, _) = world.invalid(|w, e| subnet::create(&w.cloud, &w.settings, draft, e));
        assert_eq!(field, "subnet.ipv6_cidr_block");
    }
}

#[test]
fn the_lowest_free_64_is_given() {
    let mut world = World::new();
    let id = world.vpc("10.0.0.0/16");
    let first = world.subnet(id, "10.0.1.0/24");
    let second = world.subnet(id, "10.0.2.0/24");
    let block = |w: &World, id| w.cloud.subnet(id).unwrap().ipv6.unwrap().to_string();
    assert_eq!(block(&world, second), "fd57:6566:7400:1::/64");
    world.ok(|w, _| subnet::delete(&w.cloud, first, None));
    let third = world.subnet(id, "10.0.3.0/24");
    assert_eq!(block(&world, third), "fd57:6566:7400::/64");
}

#[test]
fn a_subnet_takes_a_table_of_its_own_vpc_only() {
    let mut world = World::new();
    let (a, b) = (world.vpc("10.0.0.0/16"), world.vpc("10.0.0.0/16"));
    let id = world.subnet(a, "10.0.1.0/24");
    let foreign = world.cloud.vpc(b).unwrap().main_route_table;
    let associate = |table| subnet::Update {
        route_table: Some(Some(table)),
        map_public_ip: None,
        ..subnet::Update::default()
    };
    let (field, _) = world.invalid(|w, _| subnet::update(&w.cloud, id, associate(foreign), None));
    assert_eq!(field, "subnet.route_table");
}

#[test]
fn a_subnet_stays_while_it_has_interfaces() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.subnet(vpc, "10.0.1.0/24");
    let interface = world.interface(interface::Draft::new(id));
    let error = world.err(|w, _| subnet::delete(&w.cloud, id, None));
    assert!(
        matches!(error, OpError::InUse { by: ResourceKey::Interface(i), .. } if i == interface)
    );
    let without6 = subnet::Update {
        ipv6: Some(None),
        ..subnet::Update::default()
    };
    let error = world.err(|w, _| subnet::update(&w.cloud, id, without6, None));
    assert!(matches!(error, OpError::InUse { .. }));
}

#[test]
fn a_block_is_associated_with_its_local_routes_and_taken_away() {
    let mut world = World::new();
    let id = world.vpc("10.0.0.0/16");
    let table = world.cloud.vpc(id).unwrap().main_route_table;
    let routes = |world: &World| world.cloud.route_table(table).unwrap().routes.len();
    let block = vpc::Block::Ipv4("10.1.0.0/16".parse().unwrap());
    world.ok(|w, _| vpc::associate(&w.cloud, &w.settings, id, block, None));
    world.ok(|w, _| vpc::associate(&w.cloud, &w.settings, id, vpc::Block::AnyIpv6, None));
    assert_eq!(routes(&world), 4);
    let (field, _) = world.invalid(|w, _| vpc::associate(&w.cloud, &w.settings, id, block, None));
    assert_eq!(field, "vpc.secondary_cidr_blocks[1]");
    for wrong in ["10.0.0.0/16", "10.2.0.0/16"] {
        let wrong = prefix(wrong);
        let (field, _) =
            world.invalid(|w, _| vpc::disassociate(&w.cloud, &w.settings, id, wrong, None));
        assert_eq!(field, "cidr_block");
    }
    let gone = prefix("10.1.0.0/16");
    world.ok(|w, _| vpc::disassociate(&w.cloud, &w.settings, id, gone, None));
    assert_eq!(routes(&world), 3);
}

#[test]
fn another_table_of_the_vpc_becomes_the_main_one() {
    use super::super::route_table;
    let mut world = World::new();
    let (id, other) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let old = world.cloud.vpc(id).unwrap().main_route_table;
    let foreign = world.cloud.vpc(other).unwrap().main_route_table;
    let draft = route_table::Draft {
        vpc: id,
        routes: vec![],
        label: None,
    };
    let Some(Resource::RouteTable(new)) =
        world.ok(|w, e| route_table::create(&w.cloud, &w.settings, draft, e))
    else {
        panic!("a table was made");
    };
    let main = |table| vpc::Update {
        main_route_table: Some(table),
        ..Default::default()
    };
    let (field, _) =
        world.invalid(|w, _| vpc::update(&w.cloud, &w.settings, id, main(foreign), None));
    assert_eq!(field, "vpc.main_route_table");
    world.ok(|w, _| vpc::update(&w.cloud, &w.settings, id, main(new.id), None));
    let error = world.err(|w, _| route_table::delete(&w.cloud, new.id, None));
    assert!(matches!(error, OpError::Protected { .. }), "{error}");
    world.ok(|w, _| route_table::delete(&w.cloud, old, None));
}
