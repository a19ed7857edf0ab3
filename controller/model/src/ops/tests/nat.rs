//! NAT gateways and the leases of their ports.

use std::collections::BTreeSet;

use super::*;
use crate::{
    ElasticAddressId, HostName, LeaseKey, NatGateway, RouteTarget,
    ops::{lease, nat_gateway, route_table},
};

/// A VPC with an internet gateway and a subnet per zone of the first region, and a pool.
struct Town {
    world: World,
    vpc: VpcId,
    subnet: SubnetId,
}

impl Town {
    fn new() -> Self {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        let subnet = world.subnet(vpc, "10.0.1.0/24");
        let pool = public_pool::Draft {
            region: "r1".parse().unwrap(),
            blocks: vec!["203.0.113.0/24".parse().unwrap()],
            label: None,
        };
        world.ok(|w, e| public_pool::create(&w.cloud, pool, e));
        let gateway = internet_gateway::Draft {
            vpc: Some(vpc),
            label: None,
        };
        world.ok(|w, e| internet_gateway::create(&w.cloud, &w.settings, gateway, e));
        Self { world, vpc, subnet }
    }

    fn elastic(&mut self) -> ElasticAddressId {
        let draft = elastic_address::Draft {
            region: "r1".parse().unwrap(),
            pool: None,
            address: None,
            label: None,
        };
        let made = |w: &World, e: &mut dyn super::super::Entropy| {
            elastic_address::create(&w.cloud, &w.settings, draft, e)
        };
        match self.world.ok(made) {
            Some(Resource::ElasticAddress(elastic)) => elastic.id,
            other => panic!("{other:?}"),
        }
    }

    fn nat(&mut self) -> NatGateway {
        let draft = nat_gateway::Draft {
            subnet: self.subnet,
            elastic: self.elastic(),
            label: None,
        };
        let nat = self
            .world
            .ok(|w, e| nat_gateway::create(&w.cloud, &w.settings, draft, e));
        self.follow();
        match nat {
            Some(Resource::NatGateway(nat)) => nat,
            other => panic!("{other:?}"),
        }
    }

    /// The leases that the latest change leads to; all resources are taken for new.
    fn follow(&mut self) {
        let resources: Vec<_> = self.world.cloud.resources().collect();
        let changes: Vec<_> = resources.into_iter().map(Change::create).collect();
        let leases = lease::follow(&self.world.cloud, &changes);
        self.world.cloud.apply(&leases);
    }

    fn route(&mut self, nat: &NatGateway) {
        let table = self.world.cloud.vpc(self.vpc).unwrap().main_route_table;
        let route = (
            Destination::Prefix("0.0.0.0/0".parse().unwrap()),
            RouteTarget::Nat(nat.id),
        );
        self.world
            .ok(|w, _| route_table::put_route(&w.cloud, &w.settings, table, route, None));
        self.follow();
    }

    fn plug(&mut self, host: &str) -> InterfaceId {
        let count = self.world.cloud.interfaces().count();
        let attachment = Attachment {
            host: host.parse().unwrap(),
            netns: format!("w{count}").parse().unwrap(),
            device: "eth0".parse().unwrap(),
        };
        let draft = interface::Draft {
            attachment: Some(attachment),
            ..interface::Draft::new(self.subnet)
        };
        let interface = self.world.interface(draft);
        self.follow();
        interface
    }

    fn held(&self, host: &str) -> Vec<LeaseKey> {
        let host: HostName = host.parse().unwrap();
        let leases = self.world.cloud.leases_on_host(&host);
        leases.map(|lease| lease.key).collect()
    }

    fn grant(&mut self, nat: &NatGateway, host: &str, wanted: usize) -> usize {
        let host = host.parse().unwrap();
        let changes = lease::grant(&self.world.cloud, nat.id, &host, wanted).unwrap();
        self.world.cloud.apply(&changes);
        changes.len()
    }
}

#[test]
fn a_gateway_takes_its_address_and_gives_it_back() {
    let mut town = Town::new();
    let nat = town.nat();
    assert_eq!(nat.private.to_string(), "10.0.1.4");
    let interface = town.plug("h1");
    let interface = town.world.cloud.interface(interface).unwrap();
    assert_eq!(interface.ipv4.to_string(), "10.0.1.5", "the next free one");
    let off = elastic_address::Update {
        association: Some(None),
        label: None,
    };
    let error = town
        .world
        .err(|w, _| elastic_address::update(&w.cloud, nat.elastic, off, None));
    assert!(matches!(error, OpError::InUse { .. }), "{error}");
    town.world
        .ok(|w, _| nat_gateway::delete(&w.cloud, nat.id, None));
    let cloud = &town.world.cloud;
    assert_eq!(
        cloud.elastic_address(nat.elastic).unwrap().association,
        None
    );
    assert_eq!(cloud.port_leases().count(), 0);
}

#[test]
fn what_a_gateway_stands_on_stays_while_it_does() {
    let mut town = Town::new();
    let nat = town.nat();
    let error = town
        .world
        .err(|w, _| subnet::delete(&w.cloud, nat.subnet, None));
    assert!(matches!(error, OpError::InUse { .. }), "{error}");
    let gateway = town.world.cloud.internet_gateway_of(town.vpc).unwrap().id;
    let off = internet_gateway::Update {
        vpc: Some(None),
        label: None,
    };
    let error = town
        .world
        .err(|w, _| internet_gateway::update(&w.cloud, gateway, off, None));
    assert!(matches!(error, OpError::InUse { .. }), "{error}");
}

#[test]
fn an_address_that_is_put_on_something_is_refused_by_name() {
    let mut town = Town::new();
    let nat = town.nat();
    let draft = nat_gateway::Draft {
        subnet: town.subnet,
        elastic: nat.elastic,
        label: None,
    };
    let (field, reason) = town
        .world
        .invalid(|w, e| nat_gateway::create(&w.cloud, &w.settings, draft, e));
    assert_eq!(field, "nat_gateway.elastic_address");
    assert!(reason.contains(&nat.id.to_string()), "{reason}");
}

#[test]
fn a_host_has_its_first_block_before_it_asks_once_a_route_leads_there() {
    let mut town = Town::new();
    let nat = town.nat();
    town.plug("h1");
    assert_eq!(town.held("h1"), [], "nothing leads to the gateway");
    town.route(&nat);
    assert_eq!(town.held("h1").len(), 1);
    town.plug("h2");
    town.plug("h2");
    assert_eq!(town.held("h2").len(), 1);
    assert_ne!(town.held("h1"), town.held("h2"));
}

#[test]
fn all_blocks_together_are_55000_ports_and_none_is_given_twice() {
    let mut town = Town::new();
    let nat = town.nat();
    town.plug("h1");
    town.plug("h2");
    while town.grant(&nat, "h1", 3) + town.grant(&nat, "h2", 50) > 0 {}
    let keys: Vec<_> = [town.held("h1"), town.held("h2")].concat();
    let distinct: BTreeSet<_> = keys.iter().copied().collect();
    assert_eq!(distinct.len(), keys.len());
    let ports = keys.iter().map(|key| key.ports());
    let ports: u32 = ports.map(|p| u32::from(p.last() - p.first()) + 1).sum();
    assert_eq!(ports, 55_000);
}

#[test]
fn a_returned_block_rests_before_anybody_gets_it_again() {
    let mut town = Town::new();
    let nat = town.nat();
    town.plug("h1");
    town.plug("h2");
    town.grant(&nat, "h1", 2);
    let held = town.held("h1");
    let host = "h2".parse().unwrap();
    assert_eq!(lease::give_back(&town.world.cloud, &host, &held), []);
    let host = "h1".parse().unwrap();
    let changes = lease::give_back(&town.world.cloud, &host, &held);
    town.world.cloud.apply(&changes);
    assert_eq!(town.held("h1"), []);
    town.grant(&nat, "h2", 1);
    assert!(!held.contains(&town.held("h2")[0]));
    let changes = lease::free_rested(&town.world.cloud, &held);
    town.world.cloud.apply(&changes);
    town.grant(&nat, "h2", 2);
    assert!(held.iter().all(|key| town.held("h2").contains(key)));
}

#[test]
fn a_host_that_leaves_the_vpc_gives_its_blocks_up() {
    let mut town = Town::new();
    let nat = town.nat();
    town.route(&nat);
    let interface = town.plug("h1");
    town.grant(&nat, "h1", 4);
    let changes = interface::delete(&town.world.cloud, interface, None).unwrap();
    town.world.cloud.apply(&changes);
    let leases = lease::follow(&town.world.cloud, &changes);
    town.world.cloud.apply(&leases);
    assert_eq!(town.held("h1"), []);
    assert_eq!(town.world.cloud.leases_of_nat(nat.id).count(), 5);
    let host = "h1".parse().unwrap();
    assert!(lease::grant(&town.world.cloud, nat.id, &host, 1).is_err());
}
