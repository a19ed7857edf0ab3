//! Security groups.

use super::{super::security_group::RuleDraft, *};
use crate::{IcmpMatch, Peer, PortMatch, PortRange, Protocol, ResourceKey, RuleId};

fn from(traffic: PortMatch, peer: Peer) -> RuleDraft {
    RuleDraft {
        traffic,
        peer,
        description: None,
    }
}

fn web(peer: Peer) -> RuleDraft {
    from(PortMatch::Tcp(PortRange::one(443)), peer)
}

fn cidr(text: &str) -> Peer {
    Peer::Cidr(prefix(text))
}

fn authorize(
    group: SecurityGroupId,
    ingress: Vec<RuleDraft>,
) -> impl FnOnce(&World, &mut dyn super::super::Entropy) -> Answer {
    move |w, e| {
        security_group::authorize(&w.cloud, &w.settings, group, (ingress, Vec::new()), None, e)
    }
}

#[test]
fn a_new_group_lets_nothing_in_and_everything_out() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.group(vpc, "web");
    let group = world.cloud.security_group(id).unwrap();
    assert_eq!(group.ingress, []);
    let out: Vec<(PortMatch, Peer)> = group.egress.iter().map(|r| (r.traffic, r.peer)).collect();
    assert_eq!(
        out,
        [
            (PortMatch::All, cidr("0.0.0.0/0")),
            (PortMatch::All, cidr("::/0"))
        ]
    );
}

#[test]
fn a_groups_name_is_its_own_in_the_vpc() {
    let mut world = World::new();
    let (a, b) = (world.vpc("10.0.0.0/16"), world.vpc("10.0.0.0/16"));
    world.group(a, "web");
    world.group(b, "web");
    for name in ["web", "default", "sg-web", "", "  "] {
        let draft = group_draft(a, name);
        let (field, _) =
            world.invalid(|w, e| security_group::create(&w.cloud, &w.settings, draft, e));
        assert_eq!(field, "security_group.group_name");
    }
}

#[test]
fn a_rule_that_is_there_is_refused_however_it_is_spelt() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.group(vpc, "web");
    let all_tcp = from(PortMatch::Tcp(PortRange::ALL), cidr("10.0.0.0/8"));
    let by_number = from(PortMatch::Protocol(Protocol::TCP), cidr("10.0.0.0/8"));
    world.ok(authorize(id, vec![all_tcp]));
    assert_eq!(
        world.invalid(authorize(id, vec![by_number])).0,
        "ingress[0]"
    );
    let twice = vec![web(cidr("::/0")), web(cidr("::/0"))];
    assert_eq!(world.invalid(authorize(id, twice)).0, "ingress[1]");
    // Another direction is another rule.
    let out = vec![from(PortMatch::Tcp(PortRange::ALL), cidr("10.0.0.0/8"))];
    world.ok(|w, e| {
        security_group::authorize(&w.cloud, &w.settings, id, (Vec::new(), out), None, e)
    });
}

#[test]
fn a_peer_group_is_of_the_same_vpc() {
    let mut world = World::new();
    let (a, b) = (world.vpc("10.0.0.0/16"), world.vpc("10.0.0.0/16"));
    let (id, foreign) = (world.group(a, "web"), world.group(b, "web"));
    for peer in [foreign, SecurityGroupId::from_bits(1)] {
        let rule = web(Peer::Group(peer));
        assert_eq!(
            world.invalid(authorize(id, vec![rule])).0,
            "ingress[0].group"
        );
    }
    world.ok(authorize(id, vec![web(Peer::Group(id))]));
}

#[test]
fn icmp_and_its_prefix_are_of_one_family() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.group(vpc, "web");
    let echo = Some(IcmpMatch {
        kind: 8,
        code: None,
    });
    let wrong4 = from(PortMatch::Icmp(echo), cidr("::/0"));
    let wrong6 = from(PortMatch::Icmpv6(None), cidr("0.0.0.0/0"));
    for rule in [wrong4, wrong6] {
        assert_eq!(
            world.invalid(authorize(id, vec![rule])).0,
            "ingress[0].protocol"
        );
    }
}

#[test]
fn rules_are_revoked_by_id_all_or_none() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.group(vpc, "web");
    world.ok(authorize(
        id,
        vec![web(cidr("10.0.0.0/8")), web(cidr("::/0"))],
    ));
    let rules: Vec<RuleId> = world
        .cloud
        .security_group(id)
        .unwrap()
        .ingress
        .iter()
        .map(|r| r.id)
        .collect();
    let nobody = RuleId::from_bits(1);
    let (field, _) =
        world.invalid(|w, _| security_group::revoke(&w.cloud, id, &[rules[0], nobody], None));
    assert_eq!(field, "rules[1]");
    world.ok(|w, _| security_group::revoke(&w.cloud, id, &rules[..1], None));
    let left: Vec<RuleId> = world
        .cloud
        .security_group(id)
        .unwrap()
        .ingress
        .iter()
        .map(|r| r.id)
        .collect();
    assert_eq!(left, rules[1..]);
}

#[test]
fn rules_are_limited_per_direction_and_family_and_a_group_counts_for_both() {
    let mut world = World::new();
    world.settings.quotas.rules_per_group = 2;
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.group(vpc, "web");
    let v4 = |port| from(PortMatch::Udp(PortRange::one(port)), cidr("10.0.0.0/8"));
    let v6 = |port| from(PortMatch::Udp(PortRange::one(port)), cidr("::/0"));
    world.ok(authorize(id, vec![v4(1), v6(1), v6(2)]));
    let error = world.err(authorize(id, vec![web(Peer::Group(id))]));
    assert!(
        matches!(
            error,
            OpError::Quota {
                what: "IPv6 ingress rules",
                ..
            }
        ),
        "{error}"
    );
    world.ok(authorize(id, vec![v4(2)]));
    let error = world.err(authorize(id, vec![v4(3)]));
    assert!(
        matches!(
            error,
            OpError::Quota {
                what: "IPv4 ingress rules",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_group_stays_while_it_is_worn_or_named() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(vpc, "10.0.1.0/24");
    let (web_group, db) = (world.group(vpc, "web"), world.group(vpc, "db"));
    world.ok(authorize(
        db,
        vec![web(Peer::Group(web_group)), web(Peer::Group(db))],
    ));
    let error = world.err(|w, _| security_group::delete(&w.cloud, web_group, None));
    assert!(matches!(error, OpError::InUse { by: ResourceKey::SecurityGroup(g), .. } if g == db));
    let member = world.interface(interface::Draft {
        groups: vec![db],
        ..interface::Draft::new(subnet)
    });
    let error = world.err(|w, _| security_group::delete(&w.cloud, db, None));
    assert!(matches!(error, OpError::InUse { by: ResourceKey::Interface(i), .. } if i == member));
    world.ok(|w, _| interface::delete(&w.cloud, member, None));
    // Its own rule naming itself doesn't hold it.
    world.ok(|w, _| security_group::delete(&w.cloud, db, None));
    world.ok(|w, _| security_group::delete(&w.cloud, web_group, None));
    let default = world.cloud.vpc(vpc).unwrap().default_group;
    let error = world.err(|w, _| security_group::delete(&w.cloud, default, None));
    assert!(matches!(error, OpError::Protected { .. }));
}
