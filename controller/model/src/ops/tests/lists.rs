//! Prefix lists, and the rules and routes that name them.

use super::*;
use crate::{
    Family, Peer, PortMatch, PortRange, PrefixListEntry, PrefixListId, RouteTableId, RouteTarget,
    ops::{
        prefix_list::{self, Draft, Update},
        route_table,
    },
};

fn entries(prefixes: &[&str]) -> Vec<PrefixListEntry> {
    let entry = |text: &&str| PrefixListEntry {
        prefix: prefix(text),
        description: None,
    };
    prefixes.iter().map(entry).collect()
}

fn draft(max_entries: u32, prefixes: &[&str]) -> Draft {
    Draft {
        region: "r1".parse().unwrap(),
        family: Family::Ipv4,
        max_entries,
        entries: entries(prefixes),
        label: None,
    }
}

fn listing(prefixes: &[&str]) -> Update {
    Update {
        entries: Some(entries(prefixes)),
        ..Default::default()
    }
}

fn growing(max_entries: u32) -> Update {
    Update {
        max_entries: Some(max_entries),
        ..Default::default()
    }
}

impl World {
    fn list(&mut self, draft: Draft) -> PrefixListId {
        match self.ok(|w, e| prefix_list::create(&w.cloud, &w.settings, draft, e)) {
            Some(Resource::PrefixList(list)) => list.id,
            other => panic!("{other:?}"),
        }
    }

    fn admit(&mut self, group: SecurityGroupId, list: PrefixListId) -> Answer {
        let rule = security_group::RuleDraft {
            traffic: PortMatch::Tcp(PortRange::one(443)),
            peer: Peer::List(list),
            description: None,
        };
        let rules = (vec![rule], vec![]);
        self.run(|w, e| security_group::authorize(&w.cloud, &w.settings, group, rules, None, e))
    }

    fn relist(&mut self, list: PrefixListId, update: Update) -> Answer {
        self.run(|w, _| prefix_list::update(&w.cloud, &w.settings, list, update, None))
    }

    fn route(&mut self, table: RouteTableId, list: PrefixListId) -> Answer {
        let route = (list_destination(list), RouteTarget::Blackhole);
        self.run(|w, _| route_table::put_route(&w.cloud, &w.settings, table, route, None))
    }
}

fn list_destination(list: PrefixListId) -> Destination {
    destination(&list.to_string())
}

#[test]
fn a_list_holds_each_prefix_of_its_family_once_and_no_more_than_it_may() {
    let mut world = World::new();
    let mut refused = |draft| {
        let create = |w: &World, e: &mut dyn super::super::Entropy| {
            prefix_list::create(&w.cloud, &w.settings, draft, e)
        };
        world.invalid(create).0
    };
    let second = "prefix_list.entries[1].prefix";
    assert_eq!(refused(draft(5, &["10.0.0.0/8", "fd00::/8"])), second);
    assert_eq!(refused(draft(5, &["10.0.0.0/8", "10.1.0.0/8"])), second);
    let three = ["10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24"];
    assert_eq!(refused(draft(2, &three)), "prefix_list.entries");
    let nowhere = Draft {
        region: "r7".parse().unwrap(),
        ..draft(2, &[])
    };
    assert_eq!(refused(nowhere), "prefix_list.region");
    let list = world.list(draft(0, &three));
    assert_eq!(world.cloud.prefix_list(list).unwrap().max_entries, 3);
}

#[test]
fn a_list_that_is_named_stays() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let table = world.cloud.vpc(vpc).unwrap().main_route_table;
    let group = world.group(vpc, "web");
    let list = world.list(draft(2, &["192.0.2.0/24"]));
    world.admit(group, list).unwrap();
    world.route(table, list).unwrap();
    let in_use = |world: &mut World| {
        let error = world.err(|w, _| prefix_list::delete(&w.cloud, list, None));
        assert!(matches!(error, OpError::InUse { .. }), "{error}");
    };
    in_use(&mut world);
    world.ok(|w, _| security_group::delete(&w.cloud, group, None));
    in_use(&mut world);
    let gone = list_destination(list);
    world.ok(|w, _| route_table::delete_route(&w.cloud, table, gone, None));
    world.ok(|w, _| prefix_list::delete(&w.cloud, list, None));
}

#[test]
fn a_list_counts_for_as_many_rules_and_routes_as_it_may_have_entries() {
    let mut world = World::new();
    world.settings.quotas.routes_per_table = 100;
    let vpc = world.vpc("10.0.0.0/16");
    let table = world.cloud.vpc(vpc).unwrap().main_route_table;
    let group = world.group(vpc, "web");
    let large = world.list(draft(61, &["192.0.2.0/24"]));
    let error = world.admit(group, large).unwrap_err();
    assert!(matches!(error, OpError::Quota { limit: 60, .. }), "{error}");
    world.route(table, large).unwrap();
    let small = world.list(draft(40, &["198.51.100.0/24"]));
    let error = world.route(table, small).unwrap_err();
    assert!(
        matches!(error, OpError::Quota { limit: 100, .. }),
        "{error}"
    );
    world.admit(group, small).unwrap();
    // Growing is refused where a user of the list has no room for it.
    let error = world.relist(small, growing(61)).unwrap_err();
    assert!(matches!(error, OpError::Quota { limit: 60, .. }), "{error}");
    let error = world.relist(large, growing(101)).unwrap_err();
    assert!(
        matches!(error, OpError::Quota { limit: 100, .. }),
        "{error}"
    );
    world.relist(small, growing(60)).unwrap();
}

#[test]
fn a_route_for_a_list_is_one_for_each_of_its_prefixes() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let table = world.cloud.vpc(vpc).unwrap().main_route_table;
    for inside in ["10.0.0.0/16", "10.0.9.0/24", "169.254.169.0/24"] {
        let list = world.list(draft(2, &["192.0.2.0/24", inside]));
        let route = (list_destination(list), RouteTarget::Blackhole);
        let (field, reason) =
            world.invalid(|w, _| route_table::put_route(&w.cloud, &w.settings, table, route, None));
        assert_eq!(field, "route.prefix_list");
        assert!(reason.contains(inside), "{reason}");
    }
    let list = world.list(draft(2, &["192.0.2.0/24"]));
    world.route(table, list).unwrap();
    let update = listing(&["192.0.2.0/24", "10.0.9.0/24"]);
    let (field, _) =
        world.invalid(|w, _| prefix_list::update(&w.cloud, &w.settings, list, update, None));
    assert_eq!(field, "prefix_list.entries");
    // Nor may the VPC grow over what the list has.
    world.relist(list, listing(&["10.1.2.0/24"])).unwrap();
    let update = vpc::Update {
        secondary: Some(vec!["10.1.0.0/16".parse().unwrap()]),
        ..Default::default()
    };
    let (field, _) = world.invalid(|w, _| vpc::update(&w.cloud, &w.settings, vpc, update, None));
    assert_eq!(field, "vpc.secondary_cidr_blocks[0]");
}

#[test]
fn a_list_of_another_region_or_family_is_refused() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let group = world.group(vpc, "web");
    let far = world.list(Draft {
        region: "r9".parse().unwrap(),
        ..draft(2, &[])
    });
    let error = world.admit(group, far).unwrap_err();
    assert!(error.to_string().contains("region r9"), "{error}");
    let list = world.list(draft(2, &[]));
    let rule = security_group::RuleDraft {
        traffic: PortMatch::Icmpv6(None),
        peer: Peer::List(list),
        description: None,
    };
    let rules = (vec![rule], vec![]);
    let (field, _) = world
        .invalid(|w, e| security_group::authorize(&w.cloud, &w.settings, group, rules, None, e));
    assert_eq!(field, "ingress[0].protocol");
}
