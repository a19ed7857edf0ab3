use std::collections::BTreeSet;

use weft_model::{
    Balancer, BalancerId, Carried, Cloud, Health, HealthCheck, Listener, ListenerId, Placement,
    Probe, Resource, TargetType, Weight,
    state::{State, StateKind},
};

use super::*;
use crate::{plan::Edit, testing::*};

const HOSTS: usize = 4;

fn group_of(n: u64, interval: u16, targets: &[u64]) -> TargetGroup {
    let targets = targets.iter().map(|&n| Target {
        name: TargetName::Interface(eni(n)),
        port: 80,
        weight: Weight::ONE,
        draining: false,
    });
    TargetGroup {
        id: TargetGroupId::from_bits(n),
        vpc: vpc_id(1),
        protocol: Carried::Tcp,
        port: 80,
        target_type: TargetType::Interface,
        health_check: HealthCheck {
            interval,
            timeout: 2,
            ..HealthCheck::new(Probe::Tcp)
        },
        deregistration_delay: 300,
        preserve_client_address: true,
        targets: targets.collect(),
        meta: Default::default(),
    }
}

fn listener(n: u64) -> Listener {
    Listener {
        id: ListenerId::from_bits(n),
        balancer: BalancerId::from_bits(1),
        protocol: Carried::Tcp,
        port: 80 + u16::try_from(n).unwrap(),
        target_group: TargetGroupId::from_bits(n),
        idle_timeout: Default::default(),
        meta: Default::default(),
    }
}

/// Interface n on host n, and listeners to these groups.
fn planner(groups: Vec<TargetGroup>) -> Planner<State> {
    let mut resources = whole_vpc(1);
    resources.extend((0..HOSTS).map(|n| Resource::from(host(n))));
    resources.extend((0..HOSTS).map(|n| interface(n as u64, 1, Some(n), &[]).into()));
    let balancer = Balancer {
        id: BalancerId::from_bits(1),
        vpc: vpc_id(1),
        placements: vec![Placement {
            subnet: subnet_id(1, 0),
            ipv4: "10.0.0.200".parse().unwrap(),
            ipv6: None,
            public_ipv4: None,
        }],
        scheme: Default::default(),
        cross_zone: false,
        meta: Default::default(),
    };
    resources.push(balancer.into());
    resources.extend(groups.iter().map(|group| listener(group.id.bits()).into()));
    resources.extend(groups.into_iter().map(Resource::from));
    Planner::new(&Cloud::from_resources(resources), seal)
}

fn key(group: u64, interface: u32) -> TargetKey {
    let address = std::net::Ipv4Addr::from_bits(0x0a00_0004 + interface);
    (TargetGroupId::from_bits(group), address.into(), 80)
}

fn all_healthy(planner: &mut Planner<State>, groups: &[u64]) {
    for &group in groups {
        for n in 0..HOSTS {
            let finding = (key(group, u32::try_from(n).unwrap()), None);
            drop(planner.report(&host_name(n), [finding]));
        }
    }
}

fn health(plan: &Plan<State>, host: usize) -> Vec<Health> {
    let edits = plan.edits(&host_name(host)).into_iter().flatten();
    let targets = edits.flat_map(|(_, edit)| match edit {
        Edit::Upsert(item) => match &item.body {
            State::TargetGroup(group) => group.targets.clone(),
            _ => vec![],
        },
        Edit::Remove => vec![],
    });
    targets.map(|target| target.health).collect()
}

#[test]
fn the_targets_of_a_silent_host_are_out_when_their_checks_would_have_failed() {
    let mut planner = planner(vec![group_of(1, 5, &[0, 1])]);
    all_healthy(&mut planner, &[1]);
    let check_time = Duration::from_secs(2 * 5 + 2);
    let early = check_time - Duration::from_nanos(1);
    let (plan, next) = planner.silent(&host_name(1), early);
    assert_eq!(next, Some(check_time));
    assert_eq!(plan.hosts().count(), 0);
    let (plan, next) = planner.silent(&host_name(1), check_time);
    assert_eq!(next, None);
    for host in 0..HOSTS {
        assert_eq!(health(&plan, host), [Health::Healthy, Health::Unhealthy]);
    }
    let (plan, _) = planner.silent(&host_name(1), check_time * 2);
    assert_eq!(plan.hosts().count(), 0, "that is no news");
}

#[test]
fn each_group_has_its_own_time() {
    let mut planner = planner(vec![group_of(1, 30, &[1]), group_of(2, 5, &[1])]);
    all_healthy(&mut planner, &[1, 2]);
    let (plan, next) = planner.silent(&host_name(1), Duration::from_secs(12));
    assert_eq!(health(&plan, 0), [Health::Unhealthy]);
    assert_eq!(next, Some(Duration::from_secs(62)));
    assert_eq!(
        planner.target_health(TargetGroupId::from_bits(1))[0].health,
        "healthy"
    );
}

#[test]
fn a_host_that_is_back_says_how_its_targets_are() {
    let mut planner = planner(vec![group_of(1, 5, &[0, 1])]);
    all_healthy(&mut planner, &[1]);
    drop(planner.silent(&host_name(1), Duration::from_secs(60)));
    let plan = planner.report(&host_name(1), [(key(1, 1), None)]);
    assert_eq!(health(&plan, 0), [Health::Healthy, Health::Healthy]);
}

#[test]
fn a_host_speaks_of_its_own_targets_only() {
    let mut planner = planner(vec![group_of(1, 5, &[0, 1])]);
    all_healthy(&mut planner, &[1]);
    let lie = Some("it is not there".to_owned());
    for key in [key(1, 1), key(1, 2), key(2, 0)] {
        let plan = planner.report(&host_name(0), [(key, lie.clone())]);
        assert_eq!(plan.hosts().count(), 0, "{key:?}");
    }
    let reports = planner.target_health(TargetGroupId::from_bits(1));
    let healthy: BTreeSet<_> = reports.iter().map(|report| report.health).collect();
    assert_eq!(healthy, ["healthy"].into());
}

#[test]
fn hosts_of_a_peered_vpc_hold_its_balancers_until_the_peering_ends() {
    let mut planner = planner(vec![group_of(1, 5, &[0, 1])]);
    let foreign = host_name(HOSTS);
    let mut changes: Vec<Resource> = whole_vpc(2);
    changes.push(host(HOSTS).into());
    changes.push(interface(50, 2, Some(HOSTS), &[]).into());
    let cloud = Cloud::from_resources([]);
    for resource in changes {
        drop(planner.apply(&[put(&cloud, resource)]));
    }
    let held = |planner: &Planner<State>| {
        let items = planner.desired(&foreign);
        let kinds = items.iter().map(|item| item.key.kind());
        let balancing =
            kinds.filter(|kind| matches!(kind, StateKind::Balancer | StateKind::TargetGroup));
        balancing.count()
    };
    assert_eq!(held(&planner), 0);
    drop(planner.apply(&[put(&cloud, peering(1, (1, 2), true))]));
    assert_eq!(held(&planner), 2);
    let plan = planner.report(&host_name(0), [(key(1, 0), None)]);
    assert_eq!(health(&plan, HOSTS), [Health::Healthy, Health::Unknown]);
    drop(planner.apply(&[put(&cloud, peering(1, (1, 2), false))]));
    assert_eq!(held(&planner), 0);
}
