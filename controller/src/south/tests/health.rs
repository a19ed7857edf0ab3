//! Targets of hosts that fall silent; time is what the test says it is.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use weft_model::{
    Balancer, BalancerId, Carried, HealthCheck, Listener, ListenerId, Placement, Probe, Target,
    TargetGroup, TargetGroupId, TargetName, TargetType, Weight,
};
use weft_proto::{convert::sync::write_health, sync::v1 as wire};

use super::{
    Fake, World,
    fake::Held,
    world::{SUBNET, VPC, eni, interface, name},
};

const GROUP: TargetGroupId = TargetGroupId::from_bits(1);
const BALANCER: BalancerId = BalancerId::from_bits(1);

/// What the fastest checks take.
const CHECKS: Duration = Duration::from_secs(12);
const BEAT: Duration = Duration::from_secs(2);

/// A target on h1, which is healthy.
async fn world() -> World {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    world.put(Balancer {
        id: BALANCER,
        vpc: VPC,
        placements: vec![Placement {
            subnet: SUBNET,
            ipv4: "10.0.0.200".parse().unwrap(),
            ipv6: None,
            public_ipv4: None,
        }],
        scheme: Default::default(),
        cross_zone: false,
        meta: Default::default(),
    });
    world.put(TargetGroup {
        id: GROUP,
        vpc: VPC,
        protocol: Carried::Tcp,
        port: 80,
        target_type: TargetType::Interface,
        health_check: HealthCheck {
            interval: 5,
            timeout: 2,
            ..HealthCheck::new(Probe::Tcp)
        },
        deregistration_delay: 300,
        preserve_client_address: true,
        targets: vec![Target {
            name: TargetName::Interface(eni(1)),
            port: 80,
            weight: Weight::ONE,
            draining: false,
        }],
        meta: Default::default(),
    });
    world.put(Listener {
        id: ListenerId::from_bits(1),
        balancer: BALANCER,
        protocol: Carried::Tcp,
        port: 80,
        target_group: GROUP,
        idle_timeout: Default::default(),
        meta: Default::default(),
    });
    say_healthy(&world);
    assert_eq!(health(&world), "healthy");
    world
}

fn say_healthy(world: &World) {
    let address = interface(1, None).ipv4.into();
    let targets = vec![write_health((GROUP, address, 80), None)];
    let report = wire::HealthReport { targets };
    world.hub.report_health(&name(1), &report);
}

fn health(world: &World) -> &'static str {
    world.hub.target_health(GROUP)[0].health
}

#[tokio::test]
async fn the_targets_of_a_host_are_out_when_it_was_silent_for_as_long_as_their_checks_take() {
    let world = world().await;
    let heard = world.hub.session(&name(1)).unwrap().heard();
    let next = world.hub.look(heard + CHECKS - Duration::from_millis(1));
    assert_eq!(health(&world), "healthy");
    assert!(next <= heard + CHECKS, "nothing is looked at too late");
    world.hub.look(heard + CHECKS);
    assert_eq!(health(&world), "unhealthy");
}

#[tokio::test]
async fn a_host_that_speaks_keeps_its_targets_and_is_seldom_looked_at() {
    let world = world().await;
    let session = world.hub.session(&name(1)).unwrap();
    let start = session.heard();
    let (mut next, mut looks) = (world.hub.look(start), 0);
    let end = start + Duration::from_secs(600);
    let mut now = start;
    while now < end {
        now += BEAT;
        session.hear(now);
        while next <= now {
            looks += 1;
            next = world.hub.look(next.max(now));
        }
        assert_eq!(health(&world), "healthy");
    }
    // Three hosts, the one that speaks every time its words are some ten seconds old.
    assert!(looks <= 600 / 10 * 3, "{looks}");
}

#[tokio::test]
async fn a_host_that_was_silent_for_too_long_says_all_again() {
    let world = world().await;
    let mut h1 = Fake::connect(world.address, "h1", 1, Held::new())
        .await
        .unwrap();
    world.hub.look(Instant::now() + CHECKS);
    assert_eq!(health(&world), "unhealthy");
    assert_eq!(h1.end().await, Code::DeadlineExceeded);
    say_healthy(&world);
    assert_eq!(health(&world), "healthy");
}
