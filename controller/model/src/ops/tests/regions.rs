//! What regions are born with, and tags.

use super::*;
use crate::{
    TagKey, TagValue, Tags,
    ops::{default_vpc, tags},
};

fn born() -> World {
    let mut world = World::new();
    world.settings.default_vpcs = true;
    let name = "r2".parse().unwrap();
    let draft = region::Draft { name, label: None };
    world.ok(|w, e| region::born(&w.cloud, &w.settings, draft, e));
    for zone in ["r2a", "r2b"] {
        let draft = zone::Draft {
            name: zone.parse().unwrap(),
            region: "r2".parse().unwrap(),
            label: None,
        };
        world.ok(|w, e| zone::born(&w.cloud, &w.settings, draft, e));
    }
    world
}

#[test]
fn a_region_is_born_with_a_default_vpc_and_its_zones_with_subnets_in_it() {
    let world = born();
    let region = "r2".parse().unwrap();
    let vpc = default_vpc::of(&world.cloud, &region).unwrap();
    assert_eq!(vpc.primary.to_string(), "172.31.0.0/16");
    let subnets = world.cloud.subnets_in_vpc(vpc.id);
    let mut blocks: Vec<_> = subnets
        .map(|s| (s.zone.to_string(), s.ipv4.to_string()))
        .collect();
    blocks.sort();
    let expected = [("r2a", "172.31.0.0/20"), ("r2b", "172.31.16.0/20")];
    assert_eq!(blocks, expected.map(|(z, b)| (z.to_owned(), b.to_owned())));
    let gateway = world.cloud.internet_gateway_of(vpc.id).unwrap();
    assert_eq!(gateway.region.as_ref(), Some(&region));
    let table = world.cloud.route_table(vpc.main_route_table).unwrap();
    assert_eq!(table.routes.len(), 2);
    // It has one, and those of before have none.
    let mut world = born();
    let again = world.err(|w, e| default_vpc::create(&w.cloud, &w.settings, &region, e));
    assert!(matches!(again, OpError::AlreadyExists(_)), "{again}");
    assert!(default_vpc::of(&world.cloud, &"r1".parse().unwrap()).is_none());
}

#[test]
fn a_default_subnet_that_went_comes_back_in_the_lowest_free_block() {
    let mut world = born();
    let region = "r2".parse().unwrap();
    let vpc = default_vpc::of(&world.cloud, &region).unwrap().id;
    let zone = world.cloud.zone(&"r2a".parse().unwrap()).unwrap().clone();
    let first = world
        .cloud
        .subnets_in_vpc(vpc)
        .find(|s| s.zone == zone.name)
        .unwrap()
        .id;
    world.err(|w, e| default_vpc::create_subnet(&w.cloud, &zone, e));
    world.ok(|w, _| subnet::delete(&w.cloud, first, None));
    world.ok(|w, e| default_vpc::create_subnet(&w.cloud, &zone, e));
    let again = world
        .cloud
        .subnets_in_vpc(vpc)
        .find(|s| s.zone == zone.name)
        .unwrap();
    assert_eq!(again.ipv4.to_string(), "172.31.0.0/20");
}

fn tag(key: &str, value: &str) -> (TagKey, TagValue) {
    (key.parse().unwrap(), value.parse().unwrap())
}

#[test]
fn tags_are_put_on_any_resource_and_the_tag_name_is_its_name() {
    let mut world = born();
    let region = "r2".parse().unwrap();
    let vpc = default_vpc::of(&world.cloud, &region).unwrap().id;
    let keys = [vpc.into()];
    let put = Tags::from([tag("Name", "front"), tag("team", "net")]);
    world.ok(|w, _| tags::put(&w.cloud, &w.settings, &keys, &put));
    let meta = &world.cloud.vpc(vpc).unwrap().meta;
    assert_eq!(meta.name.as_ref().unwrap().as_str(), "front");
    let all: Vec<_> = meta.all_tags().collect();
    assert_eq!(all, [("Name", "front"), ("team", "net")]);
    let other = [
        (tag("team", "").0, Some(tag("x", "web").1)),
        (tag("Name", "").0, None),
    ];
    world.ok(|w, _| tags::remove(&w.cloud, &keys, &other));
    let meta = &world.cloud.vpc(vpc).unwrap().meta;
    assert_eq!(meta.all_tags().collect::<Vec<_>>(), [("team", "net")]);
    world.settings.quotas.tags_per_resource = 1;
    let many = Tags::from([tag("a", "b")]);
    let refused = world.err(|w, _| tags::put(&w.cloud, &w.settings, &keys, &many));
    assert!(matches!(refused, OpError::Quota { .. }), "{refused}");
    for bad in ["", "aws:x", "AWS:x", &"k".repeat(129), "a\n"] {
        assert!(bad.parse::<TagKey>().is_err(), "{bad:?}");
    }
}
