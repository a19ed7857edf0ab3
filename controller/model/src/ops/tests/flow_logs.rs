//! Flow logs.

use super::*;
use crate::{LogFormat, LogInterval, LogScope, LogTraffic, ops::flow_log};

fn draft(scope: LogScope) -> flow_log::Draft {
    flow_log::Draft {
        scope,
        traffic: LogTraffic::All,
        interval: LogInterval::Minute,
        format: LogFormat::default(),
        label: None,
    }
}

fn make(world: &mut World, scope: LogScope) {
    world.ok(|w, e| flow_log::create(&w.cloud, &w.settings, draft(scope), e));
}

#[test]
fn a_flow_log_is_about_something_that_exists() {
    let mut world = World::new();
    let scope = LogScope::Vpc(VpcId::from_bits(99));
    let (field, reason) =
        world.invalid(|w, e| flow_log::create(&w.cloud, &w.settings, draft(scope), e));
    assert_eq!(field, "flow_log.resource");
    assert!(reason.contains("doesn't exist"), "{reason}");
}

#[test]
fn a_resource_has_as_many_flow_logs_as_its_quota() {
    let mut world = World::new();
    let vpc = LogScope::Vpc(world.vpc("10.0.0.0/16"));
    make(&mut world, vpc);
    make(&mut world, vpc);
    let error = world.err(|w, e| flow_log::create(&w.cloud, &w.settings, draft(vpc), e));
    assert!(matches!(error, OpError::Quota { limit: 2, .. }), "{error}");
}

#[test]
fn flow_logs_go_with_what_they_are_about() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(vpc, "10.0.1.0/24");
    make(&mut world, LogScope::Vpc(vpc));
    make(&mut world, LogScope::Subnet(subnet));
    world
        .run(|w, _| subnet::delete(&w.cloud, subnet, None))
        .unwrap();
    assert_eq!(world.cloud.flow_logs_in_vpc(vpc).count(), 1);
    world.run(|w, _| vpc::delete(&w.cloud, vpc, None)).unwrap();
    assert_eq!(world.cloud.flow_logs().count(), 0);
}
