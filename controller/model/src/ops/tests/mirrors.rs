//! Mirror filters and sessions.

use super::*;
use crate::{
    InterfaceId, MirrorAction, MirrorFilterId, MirrorRule, MirrorTarget, PortRange, Protocol,
    ops::mirror::{self, Draft, FilterDraft},
};

fn rule(number: u32, protocol: Option<Protocol>, port: Option<u16>) -> MirrorRule {
    MirrorRule {
        number: number.try_into().unwrap(),
        action: MirrorAction::Accept,
        protocol,
        source: "0.0.0.0/0".parse().unwrap(),
        destination: "0.0.0.0/0".parse().unwrap(),
        source_ports: PortRange::ALL,
        destination_ports: port.map_or(PortRange::ALL, PortRange::one),
    }
}

fn draft(source: InterfaceId, target: MirrorTarget, filter: MirrorFilterId, number: u32) -> Draft {
    Draft {
        source,
        target,
        filter,
        number: number.try_into().unwrap(),
        packet_length: None,
        vni: None,
        label: None,
    }
}

impl World {
    fn filter(&mut self, ingress: Vec<MirrorRule>) -> Result<MirrorFilterId, OpError> {
        let draft = FilterDraft {
            region: "r1".parse().unwrap(),
            ingress,
            egress: Vec::new(),
            label: None,
        };
        let made = self.run(|w, e| mirror::create_filter(&w.cloud, &w.settings, draft, e))?;
        match made.into_iter().find_map(|change| change.after) {
            Some(Resource::MirrorFilter(filter)) => Ok(filter.id),
            other => panic!("{other:?}"),
        }
    }

    /// Two interfaces of a VPC.
    fn pair(&mut self, cidr: &str, subnet: &str) -> [InterfaceId; 2] {
        let vpc = self.vpc(cidr);
        let subnet = self.subnet(vpc, subnet);
        [(); 2].map(|()| self.interface(interface::Draft::new(subnet)))
    }

    fn mirror(&mut self, draft: Draft) -> Answer {
        self.run(|w, e| mirror::create(&w.cloud, &w.settings, draft, e))
    }
}

#[test]
fn a_rule_has_a_number_of_its_own_one_family_and_ports_of_what_has_them() {
    let mut world = World::new();
    let tcp = Some(Protocol::TCP);
    assert!(
        world
            .filter(vec![rule(2, tcp, Some(80)), rule(1, None, None)])
            .is_ok()
    );
    let filter = world.cloud.mirror_filters().next().unwrap();
    let numbers: Vec<u32> = filter.ingress.iter().map(|r| r.number.into()).collect();
    assert_eq!(numbers, [1, 2], "in their order");
    let mixed = MirrorRule {
        destination: "::/0".parse().unwrap(),
        ..rule(1, None, None)
    };
    for (rules, field) in [
        (vec![rule(1, tcp, None), rule(1, None, None)], "[1].number"),
        (
            vec![rule(1, Some(Protocol::ICMP), Some(80))],
            "[0].protocol",
        ),
        (vec![rule(1, None, Some(80))], "[0].protocol"),
        (vec![mixed], "[0].destination_cidr"),
    ] {
        let error = world.filter(rules).unwrap_err().to_string();
        assert!(
            error.contains(&format!("mirror_filter.ingress{field}")),
            "{error}"
        );
    }
    let many = (1..=11).map(|n| rule(n, None, None)).collect();
    assert!(matches!(
        world.filter(many),
        Err(OpError::Quota { limit: 10, .. })
    ));
}

#[test]
fn a_source_has_three_sessions_with_numbers_of_their_own() {
    let mut world = World::new();
    let [source, target] = world.pair("10.0.0.0/16", "10.0.1.0/24");
    let to = MirrorTarget::Interface(target);
    let filter = world.filter(Vec::new()).unwrap();
    for n in 1..=3 {
        world.mirror(draft(source, to, filter, n)).unwrap();
    }
    let again = world.mirror(draft(source, to, filter, 3)).unwrap_err();
    assert!(
        again.to_string().contains("mirror_session.number"),
        "{again}"
    );
    let fourth = world.mirror(draft(source, to, filter, 4)).unwrap_err();
    assert!(
        matches!(fourth, OpError::Quota { limit: 3, .. }),
        "{fourth}"
    );
    // The target's own ones are counted apart.
    world
        .mirror(draft(target, MirrorTarget::File, filter, 1))
        .unwrap();
}

#[test]
fn source_target_and_filter_belong_together() {
    let mut world = World::new();
    let [source, _] = world.pair("10.0.0.0/16", "10.0.1.0/24");
    let [foreign, _] = world.pair("10.1.0.0/16", "10.1.1.0/24");
    let filter = world.filter(Vec::new()).unwrap();
    let nobody = InterfaceId::from_bits(99);
    for (source, target, filter, field) in [
        (nobody, MirrorTarget::File, filter, "source"),
        (source, MirrorTarget::Interface(source), filter, "target"),
        (source, MirrorTarget::Interface(nobody), filter, "target"),
        (source, MirrorTarget::Interface(foreign), filter, "target"),
        (
            source,
            MirrorTarget::File,
            MirrorFilterId::from_bits(9),
            "filter",
        ),
    ] {
        let error = world.mirror(draft(source, target, filter, 1)).unwrap_err();
        let field = format!("mirror_session.{field}");
        assert!(error.to_string().contains(&field), "{error}");
    }
}

#[test]
fn sessions_go_with_their_interfaces_and_keep_their_filter() {
    let mut world = World::new();
    let [source, target] = world.pair("10.0.0.0/16", "10.0.1.0/24");
    let filter = world.filter(Vec::new()).unwrap();
    world
        .mirror(draft(source, MirrorTarget::Interface(target), filter, 1))
        .unwrap();
    world
        .mirror(draft(target, MirrorTarget::File, filter, 1))
        .unwrap();
    let used = world.err(|w, _| mirror::delete_filter(&w.cloud, filter, None));
    assert!(matches!(used, OpError::InUse { .. }), "{used}");
    world
        .run(|w, _| interface::delete(&w.cloud, target, None))
        .unwrap();
    assert_eq!(world.cloud.mirror_sessions().count(), 0);
    world
        .run(|w, _| mirror::delete_filter(&w.cloud, filter, None))
        .unwrap();
}
