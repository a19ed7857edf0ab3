//! Load balancers that face the internet.

use super::*;
use crate::{
    Balancer, Carried, HealthCheck, Probe, Scheme, TargetType,
    cloud::PublicHolder,
    ops::{
        balancer::{self, Draft, PlacementDraft},
        target_group,
    },
};

fn draft(subnets: &[SubnetId], scheme: Scheme) -> Draft {
    let placements = subnets.iter().map(|&subnet| PlacementDraft {
        subnet,
        ipv4: None,
        ipv6: None,
    });
    Draft {
        scheme,
        placements: placements.collect(),
        cross_zone: false,
        label: None,
    }
}

/// A VPC with a subnet in each of two zones.
fn two_zones(world: &mut World) -> (VpcId, [SubnetId; 2]) {
    let vpc = world.vpc("10.0.0.0/16");
    let one = world.subnet(vpc, "10.0.1.0/24");
    let two = subnet::Draft {
        zone: "z2".parse().unwrap(),
        ..subnet_draft(vpc, "10.0.2.0/24")
    };
    match world.ok(|w, e| subnet::create(&w.cloud, &w.settings, two, e)) {
        Some(Resource::Subnet(two)) => (vpc, [one, two.id]),
        other => panic!("{other:?}"),
    }
}

fn pool(world: &mut World, block: &str) {
    let draft = public_pool::Draft {
        region: "r1".parse().unwrap(),
        blocks: vec![block.parse().unwrap()],
        label: None,
    };
    world.ok(|w, e| public_pool::create(&w.cloud, draft, e));
}

fn gateway(world: &mut World, vpc: VpcId) -> crate::InternetGateway {
    let draft = internet_gateway::Draft {
        vpc: Some(vpc),
        label: None,
    };
    match world.ok(|w, e| internet_gateway::create(&w.cloud, &w.settings, draft, e)) {
        Some(Resource::InternetGateway(gateway)) => gateway,
        other => panic!("{other:?}"),
    }
}

fn facing(world: &mut World, subnets: &[SubnetId]) -> Balancer {
    let draft = draft(subnets, Scheme::InternetFacing);
    match world.ok(|w, e| balancer::create(&w.cloud, &w.settings, draft, e)) {
        Some(Resource::Balancer(balancer)) => balancer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_balancer_that_faces_the_internet_takes_a_public_address_for_each_subnet() {
    let mut world = World::new();
    let (vpc, subnets) = two_zones(&mut world);
    pool(&mut world, "203.0.113.0/24");
    gateway(&mut world, vpc);
    let balancer = facing(&mut world, &subnets);
    let publics = balancer.placements.iter().filter_map(|p| p.public_ipv4);
    let publics: Vec<_> = publics.collect();
    assert_eq!(publics.len(), 2);
    assert_ne!(publics[0], publics[1]);
    for public in publics {
        let holder = world.cloud.public_holder(public);
        assert_eq!(holder, Some(PublicHolder::Balancer(balancer.id)));
    }
    world.ok(|w, _| balancer::delete(&w.cloud, balancer.id, None));
    let again = facing(&mut world, &subnets);
    assert_eq!(again.placements, balancer.placements, "they were released");
}

#[test]
fn an_internal_balancer_takes_no_public_address() {
    let mut world = World::new();
    let (_, subnets) = two_zones(&mut world);
    let draft = draft(&subnets, Scheme::Internal);
    match world.ok(|w, e| balancer::create(&w.cloud, &w.settings, draft, e)) {
        Some(Resource::Balancer(balancer)) => {
            assert!(balancer.placements.iter().all(|p| p.public_ipv4.is_none()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn facing_the_internet_needs_a_gateway_and_it_stays_while_it_is_needed() {
    let mut world = World::new();
    let (vpc, subnets) = two_zones(&mut world);
    pool(&mut world, "203.0.113.0/24");
    let create = |world: &mut World| {
        let draft = draft(&subnets, Scheme::InternetFacing);
        world.run(|w, e| balancer::create(&w.cloud, &w.settings, draft, e))
    };
    match create(&mut world) {
        Err(OpError::Invalid(violations)) => {
            assert_eq!(violations[0].field, "load_balancer.scheme");
        }
        other => panic!("{other:?}"),
    }
    let gateway = gateway(&mut world, vpc);
    let balancer = facing(&mut world, &subnets);
    let leave = internet_gateway::Update {
        vpc: Some(None),
        label: None,
    };
    let refused = world.err(|w, _| internet_gateway::update(&w.cloud, gateway.id, leave, None));
    match refused {
        OpError::InUse { by, .. } => assert_eq!(by, balancer.id.into()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_the_pools_have_too_few_addresses_none_is_taken() {
    let mut world = World::new();
    let (vpc, subnets) = two_zones(&mut world);
    pool(&mut world, "203.0.113.1/32");
    gateway(&mut world, vpc);
    let draft = draft(&subnets, Scheme::InternetFacing);
    let refused = world.err(|w, e| balancer::create(&w.cloud, &w.settings, draft, e));
    assert!(matches!(refused, OpError::Exhausted { .. }), "{refused:?}");
}

#[test]
fn only_groups_of_tcp_may_hide_their_clients() {
    let mut world = World::new();
    let (vpc, _) = two_zones(&mut world);
    for (protocol, fits) in [
        (Carried::Tcp, true),
        (Carried::Udp, false),
        (Carried::TcpUdp, false),
    ] {
        let draft = target_group::Draft {
            vpc,
            protocol,
            port: 80,
            target_type: TargetType::Ip,
            health_check: HealthCheck {
                port: Some(80),
                ..HealthCheck::new(Probe::Tcp)
            },
            deregistration_delay: 300,
            preserve_client_address: false,
            label: None,
        };
        let made = world.run(|w, e| target_group::create(&w.cloud, &w.settings, draft, e));
        assert_eq!(made.is_ok(), fits, "{protocol}: {made:?}");
    }
}
