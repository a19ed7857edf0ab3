use std::net::IpAddr;

use proptest::prelude::*;
use weft_model::{
    IcmpMatch, Peer, PortMatch, PortRange, Protocol, Rule, RuleId, SecurityGroupId, VpcId,
    state::GroupState,
};

use super::{Direction, Policy, Traffic};

fn group(ingress: Vec<Rule>, egress: Vec<Rule>) -> GroupState {
    GroupState {
        id: SecurityGroupId::from_bits(1),
        vpc: VpcId::from_bits(1),
        ingress,
        egress,
        name: "group".parse().unwrap(),
    }
}

fn rule(id: u64, traffic: PortMatch, peer: &str) -> Rule {
    Rule {
        id: RuleId::from_bits(id),
        traffic,
        peer: Peer::Cidr(peer.parse().unwrap()),
        description: None,
    }
}

fn policy(groups: &[GroupState]) -> Policy {
    Policy::compile(groups.iter())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn tcp(first: u16, last: u16) -> PortMatch {
    PortMatch::Tcp(PortRange::new(first, last).unwrap())
}

fn rule_matches(rule: &Rule, peer: IpAddr, groups: &[SecurityGroupId], traffic: Traffic) -> bool {
    let peer_matches = match rule.peer {
        Peer::Cidr(prefix) => prefix.contains_addr(peer),
        Peer::Group(group) => groups.contains(&group),
        Peer::List(_) => false,
    };
    let icmp = |matches: Option<IcmpMatch>, kind, code| {
        matches.is_none_or(|m| m.kind == kind && m.code.is_none_or(|c| c == code))
    };
    let traffic_matches = match (rule.traffic, traffic) {
        (PortMatch::All, _) => true,
        (PortMatch::Tcp(range), Traffic::Tcp(port))
        | (PortMatch::Udp(range), Traffic::Udp(port)) => range.contains(port),
        (PortMatch::Icmp(m), Traffic::Icmp(kind, code))
        | (PortMatch::Icmpv6(m), Traffic::Icmpv6(kind, code)) => icmp(m, kind, code),
        (PortMatch::Protocol(protocol), traffic) => protocol == traffic.protocol(),
        _ => false,
    };
    peer_matches && traffic_matches
}

fn any_traffic() -> impl Strategy<Value = Traffic> {
    prop_oneof![
        (0u16..40).prop_map(Traffic::Tcp),
        Just(Traffic::Tcp(u16::MAX)),
        (0u16..40).prop_map(Traffic::Udp),
        (0u8..4, 0u8..3).prop_map(|(kind, code)| Traffic::Icmp(kind, code)),
        (0u8..4, 0u8..3).prop_map(|(kind, code)| Traffic::Icmpv6(kind, code)),
        prop_oneof![Just(47), Just(132)].prop_map(Traffic::Other),
    ]
}

fn any_range() -> impl Strategy<Value = PortRange> {
    prop_oneof![
        Just(PortRange::ALL),
        (0u16..40, 0u16..40).prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).unwrap()),
    ]
}

fn any_icmp() -> impl Strategy<Value = Option<IcmpMatch>> {
    prop::option::of(
        (0u8..4, prop::option::of(0u8..3)).prop_map(|(kind, code)| IcmpMatch { kind, code }),
    )
}

fn any_match() -> impl Strategy<Value = PortMatch> {
    prop_oneof![
        1 => Just(PortMatch::All),
        6 => any_range().prop_map(PortMatch::Tcp),
        6 => any_range().prop_map(PortMatch::Udp),
        2 => any_icmp().prop_map(PortMatch::Icmp),
        2 => any_icmp().prop_map(PortMatch::Icmpv6),
        2 => prop_oneof![Just(6), Just(17), Just(1), Just(58), Just(47)]
            .prop_map(|n| PortMatch::Protocol(Protocol(n))),
    ]
}

fn any_peer() -> impl Strategy<Value = Peer> {
    prop_oneof![
        (0u64..4).prop_map(|bits| Peer::Group(SecurityGroupId::from_bits(bits))),
        (0u8..4, 0u8..=32)
            .prop_map(|(host, len)| Peer::Cidr(format!("10.0.0.{host}/{len}").parse().unwrap())),
        (0u8..4, 120u8..=128)
            .prop_map(|(host, len)| Peer::Cidr(format!("fd00::{host}/{len}").parse().unwrap())),
    ]
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec((any_match(), any_peer()), 0..12).prop_map(|rules| {
        let rules = rules.into_iter().enumerate();
        rules
            .map(|(id, (traffic, peer))| Rule {
                id: RuleId::from_bits(id as u64),
                traffic,
                peer,
                description: None,
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_index_allows_exactly_what_a_scan_allows(
        rules in any_rules(),
        host in 0u8..4,
        v6: bool,
        peer_groups in prop::collection::vec(0u64..4, 0..3),
        traffic in any_traffic(),
    ) {
        let peer = if v6 { ip(&format!("fd00::{host}")) } else { ip(&format!("10.0.0.{host}")) };
        let groups: Vec<_> = peer_groups.into_iter().map(SecurityGroupId::from_bits).collect();
        let compiled = policy(&[group(rules.clone(), vec![])]);
        let found = compiled.allows(Direction::Ingress, peer, &groups, traffic);
        let scan = rules.iter().any(|rule| rule_matches(rule, peer, &groups, traffic));
        prop_assert_eq!(found.is_some(), scan);
        if let Some(id) = found {
            let named = rules.iter().find(|rule| rule.id == id).unwrap();
            prop_assert!(rule_matches(named, peer, &groups, traffic), "the rule named allows it");
        }
        prop_assert_eq!(compiled.allows(Direction::Egress, peer, &groups, traffic), None);
    }
}

#[test]
fn an_empty_group_allows_nothing() {
    let compiled = policy(&[group(vec![], vec![])]);
    for direction in [Direction::Ingress, Direction::Egress] {
        let groups = [SecurityGroupId::from_bits(1)];
        assert_eq!(
            compiled.allows(direction, ip("10.0.0.1"), &groups, Traffic::Tcp(80)),
            None
        );
    }
}

#[test]
fn a_port_without_groups_allows_nothing() {
    let compiled = policy(&[]);
    let found = compiled.allows(Direction::Egress, ip("10.0.0.1"), &[], Traffic::Udp(53));
    assert_eq!(found, None);
}

#[test]
fn ranges_that_only_touch_are_not_one_port_wider() {
    let rules = vec![
        rule(1, tcp(10, 19), "0.0.0.0/0"),
        rule(2, tcp(21, 30), "0.0.0.0/0"),
    ];
    let compiled = policy(&[group(rules, vec![])]);
    let allows = |port| {
        compiled
            .allows(Direction::Ingress, ip("192.0.2.1"), &[], Traffic::Tcp(port))
            .is_some()
    };
    assert_eq!(
        [9, 10, 19, 20, 21, 30, 31].map(allows),
        [false, true, true, false, true, true, false]
    );
}

#[test]
fn untracked_needs_everywhere_both_ways_and_every_port_back() {
    let all_out = vec![rule(9, PortMatch::All, "0.0.0.0/0")];
    let web = vec![rule(1, tcp(80, 80), "0.0.0.0/0")];
    let peer = ip("192.0.2.1");
    let open = policy(&[group(web.clone(), all_out.clone())]);
    assert!(open.untracked(Direction::Ingress, peer, Traffic::Tcp(80)));
    assert!(
        !open.untracked(Direction::Egress, peer, Traffic::Tcp(80)),
        "the way back is port 80 only"
    );
    assert!(
        !open.untracked(Direction::Ingress, peer, Traffic::Icmp(8, 0)),
        "ICMP is always tracked"
    );
    assert!(
        !open.untracked(Direction::Ingress, ip("fd00::1"), Traffic::Tcp(80)),
        "IPv4's rules"
    );

    let narrow = policy(&[group(vec![rule(1, tcp(80, 80), "192.0.2.0/24")], all_out)]);
    assert!(!narrow.untracked(Direction::Ingress, peer, Traffic::Tcp(80)));

    let most = vec![rule(2, tcp(1, 65535), "0.0.0.0/0")];
    let nearly = policy(&[group(web, most)]);
    assert!(
        !nearly.untracked(Direction::Ingress, peer, Traffic::Tcp(80)),
        "port 0 is missing"
    );
}
