//! Public addresses and gateways.

use std::net::Ipv4Addr;

use super::*;
use crate::{
    ElasticAddress, ElasticAddressId, InternetGatewayId, PublicPoolId, RouteTarget,
    ops::route_table,
};

impl World {
    fn pool(&mut self, blocks: &[&str]) -> PublicPoolId {
        let draft = pool_draft(blocks);
        match self.ok(|w, e| public_pool::create(&w.cloud, draft, e)) {
            Some(Resource::PublicPool(pool)) => pool.id,
            other => panic!("{other:?}"),
        }
    }

    fn elastic(&mut self) -> ElasticAddress {
        match self.ok(|w, e| elastic_address::create(&w.cloud, &w.settings, elastic_draft(), e)) {
            Some(Resource::ElasticAddress(elastic)) => elastic,
            other => panic!("{other:?}"),
        }
    }

    fn gateway(&mut self, vpc: VpcId) -> InternetGatewayId {
        let draft = internet_gateway::Draft {
            vpc: Some(vpc),
            label: None,
        };
        match self.ok(|w, e| internet_gateway::create(&w.cloud, &w.settings, draft, e)) {
            Some(Resource::InternetGateway(gateway)) => gateway.id,
            other => panic!("{other:?}"),
        }
    }

    fn put_on(&mut self, id: ElasticAddressId, interface: InterfaceId) -> Answer {
        let update = on(interface, None);
        self.run(|w, _| elastic_address::update(&w.cloud, id, update, None))
    }

    fn pairs(&self, interface: InterfaceId) -> Vec<(String, String)> {
        let pairs = self.cloud.public_pairs(interface).into_iter();
        pairs
            .map(|(private, public)| (private.to_string(), public.to_string()))
            .collect()
    }
}

fn pool_draft(blocks: &[&str]) -> public_pool::Draft {
    public_pool::Draft {
        region: "r1".parse().unwrap(),
        blocks: blocks.iter().map(|block| block.parse().unwrap()).collect(),
        label: None,
    }
}

fn elastic_draft() -> elastic_address::Draft {
    elastic_address::Draft {
        region: "r1".parse().unwrap(),
        pool: None,
        address: None,
        label: None,
    }
}

fn on(interface: InterfaceId, private: Option<&str>) -> elastic_address::Update {
    let private = private.map(|private| private.parse::<Ipv4Addr>().unwrap());
    elastic_address::Update {
        association: Some(Some(elastic_address::Target { interface, private })),
        label: None,
    }
}

/// A VPC with an internet gateway, and an interface in it.
fn online(world: &mut World) -> (VpcId, SubnetId, InterfaceId) {
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(vpc, "10.0.1.0/24");
    world.gateway(vpc);
    let interface = world.interface(interface::Draft::new(subnet));
    (vpc, subnet, interface)
}

#[test]
fn the_lowest_free_address_is_taken_and_a_released_one_again() {
    let mut world = World::new();
    world.pool(&["203.0.113.0/30", "203.0.113.8/32"]);
    let taken: Vec<_> = (0..3).map(|_| world.elastic()).collect();
    let texts: Vec<_> = taken.iter().map(|e| e.address.to_string()).collect();
    assert_eq!(texts, ["203.0.113.1", "203.0.113.2", "203.0.113.8"]);
    let error =
        world.err(|w, e| elastic_address::create(&w.cloud, &w.settings, elastic_draft(), e));
    assert!(matches!(error, OpError::Exhausted { .. }), "{error}");
    world.ok(|w, _| elastic_address::delete(&w.cloud, taken[1].id, None));
    assert_eq!(world.elastic().address, taken[1].address);
}

#[test]
fn pools_never_share_an_address_and_stay_while_one_is_held() {
    let mut world = World::new();
    let pool = world.pool(&["203.0.113.0/24"]);
    let (field, _) =
        world.invalid(|w, e| public_pool::create(&w.cloud, pool_draft(&["203.0.113.128/25"]), e));
    assert_eq!(field, "public_pool.blocks[0]");
    let elastic = world.elastic();
    let error = world.err(|w, _| public_pool::delete(&w.cloud, pool, None));
    assert!(matches!(error, OpError::InUse { .. }), "{error}");
    let smaller = public_pool::Update {
        blocks: Some(vec!["203.0.113.128/25".parse().unwrap()]),
        label: None,
    };
    world.err(|w, _| public_pool::update(&w.cloud, pool, smaller, None));
    world.ok(|w, _| elastic_address::delete(&w.cloud, elastic.id, None));
    world.ok(|w, _| public_pool::delete(&w.cloud, pool, None));
}

#[test]
fn an_address_is_put_on_one_private_address_and_not_released_while_it_is() {
    let mut world = World::new();
    world.pool(&["203.0.113.0/24"]);
    let (_, _, interface) = online(&mut world);
    let (one, two) = (world.elastic(), world.elastic());
    world.put_on(one.id, interface).unwrap();
    let expected = [("10.0.1.4".to_owned(), "203.0.113.1".to_owned())];
    assert_eq!(world.pairs(interface), expected);
    let (field, _) =
        world.invalid(|w, _| elastic_address::update(&w.cloud, two.id, on(interface, None), None));
    assert_eq!(
        field,
        "elastic_address.association.interface.private_address"
    );
    let error = world.err(|w, _| elastic_address::delete(&w.cloud, one.id, None));
    assert!(matches!(error, OpError::InUse { .. }), "{error}");
    world.ok(|w, _| interface::delete(&w.cloud, interface, None));
    assert_eq!(
        world.cloud.elastic_address(one.id).unwrap().association,
        None
    );
    world.ok(|w, _| elastic_address::delete(&w.cloud, one.id, None));
}

#[test]
fn an_address_leaves_with_the_secondary_one_that_it_was_put_on() {
    let mut world = World::new();
    world.pool(&["203.0.113.0/24"]);
    let (_, _, interface) = online(&mut world);
    let list = |list: &[&str]| interface::Update {
        secondary_ipv4: Some(list.iter().map(|a| a.parse().unwrap()).collect()),
        ..interface::Update::default()
    };
    let settings = world.settings.clone();
    world.ok(|w, _| interface::update(&w.cloud, &settings, interface, list(&["10.0.1.9"]), None));
    let elastic = world.elastic();
    world.ok(|w, _| {
        elastic_address::update(&w.cloud, elastic.id, on(interface, Some("10.0.1.9")), None)
    });
    assert_eq!(world.pairs(interface).len(), 1);
    world.ok(|w, _| interface::update(&w.cloud, &settings, interface, list(&[]), None));
    assert_eq!(world.pairs(interface), []);
}

#[test]
fn a_mapping_subnet_gives_a_public_address_that_an_elastic_one_replaces() {
    let mut world = World::new();
    world.pool(&["203.0.113.0/24"]);
    let (_, subnet, _) = online(&mut world);
    let map = subnet::Update {
        map_public_ip: Some(true),
        ..subnet::Update::default()
    };
    world.ok(|w, _| subnet::update(&w.cloud, subnet, map, None));
    let interface = world.interface(interface::Draft::new(subnet));
    assert_eq!(world.pairs(interface)[0].1, "203.0.113.1");
    let elastic = world.elastic();
    assert_eq!(elastic.address.to_string(), "203.0.113.2");
    world.put_on(elastic.id, interface).unwrap();
    assert_eq!(world.pairs(interface)[0].1, "203.0.113.2");
    assert_eq!(world.elastic().address.to_string(), "203.0.113.1");
}

#[test]
fn a_gateway_is_of_one_vpc_and_stays_while_public_addresses_are_mapped() {
    let mut world = World::new();
    world.pool(&["203.0.113.0/24"]);
    let (vpc, _, interface) = online(&mut world);
    let gateway = world.cloud.internet_gateway_of(vpc).unwrap().id;
    let second = internet_gateway::Draft {
        vpc: Some(vpc),
        label: None,
    };
    world.invalid(|w, e| internet_gateway::create(&w.cloud, &w.settings, second, e));
    let elastic = world.elastic();
    world.put_on(elastic.id, interface).unwrap();
    let detach = || internet_gateway::Update {
        vpc: Some(None),
        label: None,
    };
    let error = world.err(|w, _| internet_gateway::update(&w.cloud, gateway, detach(), None));
    assert!(matches!(error, OpError::InUse { .. }), "{error}");
    world.err(|w, _| internet_gateway::delete(&w.cloud, gateway, None));
    world.ok(|w, _| interface::delete(&w.cloud, interface, None));
    world.ok(|w, _| internet_gateway::update(&w.cloud, gateway, detach(), None));
    world.ok(|w, _| internet_gateway::delete(&w.cloud, gateway, None));
}

#[test]
fn without_a_gateway_no_address_is_put_on_anything() {
    let mut world = World::new();
    world.pool(&["203.0.113.0/24"]);
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(vpc, "10.0.1.0/24");
    let interface = world.interface(interface::Draft::new(subnet));
    let elastic = world.elastic();
    let (_, reason) = world
        .invalid(|w, _| elastic_address::update(&w.cloud, elastic.id, on(interface, None), None));
    assert!(reason.contains("no internet gateway"), "{reason}");
}

#[test]
fn routes_lead_to_the_gateways_of_their_own_vpc() {
    let mut world = World::new();
    let (vpc, _, _) = online(&mut world);
    let other = world.vpc("10.1.0.0/16");
    let table = world.cloud.vpc(vpc).unwrap().main_route_table;
    let foreign = world.gateway(other);
    let own = world.cloud.internet_gateway_of(vpc).unwrap().id;
    let draft = egress_gateway::Draft { vpc, label: None };
    let Some(Resource::EgressGateway(egress)) =
        world.ok(|w, e| egress_gateway::create(&w.cloud, draft, e))
    else {
        panic!("a gateway was made");
    };
    let settings = world.settings.clone();
    let mut put = |to: &str, target| {
        let route = (destination(to), target);
        world.run(|w, _| route_table::put_route(&w.cloud, &settings, table, route, None))
    };
    put("0.0.0.0/0", RouteTarget::InternetGateway(foreign)).unwrap_err();
    put("10.0.0.0/16", RouteTarget::InternetGateway(own)).unwrap_err();
    put("0.0.0.0/0", RouteTarget::EgressGateway(egress.id)).unwrap_err();
    put("0.0.0.0/0", RouteTarget::InternetGateway(own)).unwrap();
    put("::/0", RouteTarget::EgressGateway(egress.id)).unwrap();
}
