//! Mirror sessions and the filters that they follow.

use weft_model::{
    MirrorAction, MirrorFilter, MirrorFilterId, MirrorRule, MirrorSession, MirrorSessionId,
    MirrorTarget, PortRange,
};

use super::*;

const SESSION: MirrorSessionId = MirrorSessionId::from_bits(1);
const FILTER: MirrorFilterId = MirrorFilterId::from_bits(2);

fn filter(rules: u32) -> MirrorFilter {
    let rule = |number: u32| MirrorRule {
        number: number.try_into().unwrap(),
        action: MirrorAction::Accept,
        protocol: None,
        source: "0.0.0.0/0".parse().unwrap(),
        destination: "0.0.0.0/0".parse().unwrap(),
        source_ports: PortRange::ALL,
        destination_ports: PortRange::ALL,
    };
    MirrorFilter {
        id: FILTER,
        region: "r1".parse().unwrap(),
        ingress: (1..=rules).map(rule).collect(),
        egress: Vec::new(),
        meta: Default::default(),
    }
}

fn session() -> MirrorSession {
    MirrorSession {
        id: SESSION,
        vpc: vpc_id(1),
        source: eni(1),
        target: MirrorTarget::File,
        filter: FILTER,
        number: 1.try_into().unwrap(),
        packet_length: None,
        vni: 7.try_into().unwrap(),
        meta: Default::default(),
    }
}

/// How many ingress rules the host holds of the session.
fn held(world: &World, host: usize) -> Option<usize> {
    let state = world
        .replicas
        .get(&host_name(host))?
        .get(&StateKey::Mirror(SESSION))?;
    match state {
        State::Mirror(mirror) => Some(mirror.ingress.len()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hosts_of_the_vpc_hold_a_session_with_the_rules_of_the_day() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    world.put(interface(2, 2, Some(1), &[0]));
    world.put(filter(1));
    world.put(session());
    assert_eq!((held(&world, 0), held(&world, 1)), (Some(1), None));
    world.put(filter(3));
    assert_eq!(held(&world, 0), Some(3));
    world.put(interface(3, 1, Some(1), &[0]));
    assert_eq!(held(&world, 1), Some(3), "it came with the VPC");
    let gone = take(&world.cloud, &ResourceKey::MirrorSession(SESSION));
    world.apply(&[gone]);
    assert_eq!((held(&world, 0), held(&world, 1)), (None, None));
}
