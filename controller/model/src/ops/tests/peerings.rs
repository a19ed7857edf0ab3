//! Peerings.

use super::*;
use crate::{
    Peer, PeeringId, PeeringStatus, PortMatch, RouteTarget,
    ops::{peering, route_table, security_group::RuleDraft},
};

impl World {
    fn request(&mut self, requester: VpcId, accepter: VpcId) -> Answer {
        let draft = peering::Draft {
            requester,
            accepter,
            label: None,
        };
        self.run(|w, e| peering::create(&w.cloud, &w.settings, draft, e))
    }

    fn requested(&mut self, requester: VpcId, accepter: VpcId) -> PeeringId {
        let changes = self.request(requester, accepter).unwrap();
        match &changes[0].after {
            Some(Resource::Peering(peering)) => peering.id,
            other => panic!("{other:?}"),
        }
    }

    fn accept(&mut self, id: PeeringId) -> Answer {
        self.run(|w, _| peering::accept(&w.cloud, &w.settings, id, None))
    }

    fn peered(&mut self, one: VpcId, two: VpcId) -> PeeringId {
        let id = self.requested(one, two);
        self.accept(id).unwrap();
        id
    }

    fn status(&self, id: PeeringId) -> PeeringStatus {
        self.cloud.peering(id).unwrap().status
    }
}

#[test]
fn a_request_waits_until_it_is_answered_once() {
    let mut world = World::new();
    let (one, two) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let id = world.requested(one, two);
    assert_eq!(world.status(id), PeeringStatus::PendingAcceptance);
    assert!(world.cloud.active_peering(one, two).is_none());
    world.accept(id).unwrap();
    assert!(world.cloud.active_peering(two, one).is_some());
    assert!(world.accept(id).is_err(), "it has its answer");
    let rejected = world.run(|w, _| peering::reject(&w.cloud, id, None));
    assert!(rejected.is_err(), "it has its answer");
    world.ok(|w, _| peering::delete(&w.cloud, id, None));
    let again = world.requested(two, one);
    world.ok(|w, _| peering::reject(&w.cloud, again, None));
    assert_eq!(world.status(again), PeeringStatus::Rejected);
    world.requested(one, two);
}

#[test]
fn a_vpc_is_not_peered_with_itself_or_twice_or_with_its_own_addresses() {
    let mut world = World::new();
    let (one, two) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let same = world.vpc("10.0.128.0/17");
    let pair = |requester, accepter| peering::Draft {
        requester,
        accepter,
        label: None,
    };
    for (a, b) in [(one, one), (one, same), (same, one)] {
        let draft = pair(a, b);
        let (field, _) = world.invalid(|w, e| peering::create(&w.cloud, &w.settings, draft, e));
        assert_eq!(field, "peering.accepter");
    }
    let id = world.requested(one, two);
    let twin = world.request(two, one).unwrap_err();
    assert_eq!(twin, OpError::AlreadyExists(id.into()));
}

#[test]
fn a_new_block_must_not_overlap_a_peered_vpc_s() {
    let mut world = World::new();
    let (one, two) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    world.requested(one, two);
    let widen = |block: &str| vpc::Update {
        secondary: Some(vec![block.parse().unwrap()]),
        ..vpc::Update::default()
    };
    let update = widen("10.1.128.0/17");
    let (field, reason) =
        world.invalid(|w, _| vpc::update(&w.cloud, &w.settings, one, update, None));
    assert_eq!(field, "vpc.secondary_cidr_blocks[0]");
    assert!(reason.contains("10.1.0.0/16"), "{reason}");
    let update = widen("10.2.0.0/16");
    world.ok(|w, _| vpc::update(&w.cloud, &w.settings, one, update, None));
}

#[test]
fn active_peerings_of_either_side_have_a_quota() {
    let mut world = World::new();
    world.settings.quotas.peerings_per_vpc = 1;
    let vpcs: Vec<_> = (0..3)
        .map(|n| world.vpc(&format!("10.{n}.0.0/16")))
        .collect();
    world.peered(vpcs[0], vpcs[1]);
    let more = world.requested(vpcs[2], vpcs[1]);
    let refused = world.accept(more).unwrap_err();
    assert!(matches!(refused, OpError::Quota { .. }), "{refused}");
}

#[test]
fn requests_that_wait_have_a_quota() {
    let mut world = World::new();
    world.settings.quotas.pending_peerings_per_vpc = 1;
    let vpcs: Vec<_> = (0..3)
        .map(|n| world.vpc(&format!("10.{n}.0.0/16")))
        .collect();
    world.requested(vpcs[0], vpcs[1]);
    let refused = world.request(vpcs[0], vpcs[2]).unwrap_err();
    assert!(matches!(refused, OpError::Quota { .. }), "{refused}");
    world.requested(vpcs[2], vpcs[0]);
}

#[test]
fn a_route_leads_to_a_peering_of_the_table_s_vpc_only() {
    let mut world = World::new();
    let vpcs: Vec<_> = (0..3)
        .map(|n| world.vpc(&format!("10.{n}.0.0/16")))
        .collect();
    let id = world.requested(vpcs[0], vpcs[1]);
    let table = |world: &World, n: usize| world.cloud.vpc(vpcs[n]).unwrap().main_route_table;
    let there = Destination::from(prefix("10.1.0.0/16"));
    let route = (there, RouteTarget::Peering(id));
    let own = table(&world, 0);
    world.ok(|w, _| route_table::put_route(&w.cloud, &w.settings, own, route, None));
    let foreign = table(&world, 2);
    let (field, _) =
        world.invalid(|w, _| route_table::put_route(&w.cloud, &w.settings, foreign, route, None));
    assert_eq!(field, "route.peering");
    world.ok(|w, _| peering::delete(&w.cloud, id, None));
    let left = &world.cloud.route_table(own).unwrap().routes;
    assert!(left.iter().any(|r| r.destination == there), "a blackhole");
}

#[test]
fn rules_may_name_groups_of_a_peered_vpc_and_go_stale_with_them() {
    let mut world = World::new();
    let (one, two) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let (here, there) = (world.group(one, "here"), world.group(two, "there"));
    let rule = || {
        vec![RuleDraft {
            traffic: PortMatch::All,
            peer: Peer::Group(there),
            description: None,
        }]
    };
    let authorize = |w: &World, e: &mut dyn super::super::Entropy| {
        let rules = (rule(), Vec::new());
        security_group::authorize(&w.cloud, &w.settings, here, rules, None, e)
    };
    let (field, _) = world.invalid(authorize);
    assert_eq!(field, "ingress[0].group");
    world.peered(one, two);
    world.ok(authorize);
    assert_eq!(world.cloud.groups_naming_group(there).count(), 1);
    // A rule of somebody else's VPC keeps no group alive.
    world.ok(|w, _| security_group::delete(&w.cloud, there, None));
}

#[test]
fn a_vpc_with_a_peering_stays() {
    let mut world = World::new();
    let (one, two) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let id = world.requested(one, two);
    for vpc in [one, two] {
        let refused = world.err(|w, _| vpc::delete(&w.cloud, vpc, None));
        let (key, by) = (vpc.into(), id.into());
        assert_eq!(refused, OpError::InUse { key, by });
    }
}
