//! Rules and routes survive the wire; what is wrong with one is named by its path.

use proptest::prelude::*;
use weft_model::{
    EgressGatewayId, InterfaceId, InternetGatewayId, Label, NatGatewayId, PeeringId, Prefix,
    RuleId, SecurityGroupId, TransitGatewayId,
};

use super::*;

fn port_range() -> impl Strategy<Value = PortRange> {
    (any::<u16>(), any::<u16>())
        .prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).expect("ordered"))
}

fn icmp() -> impl Strategy<Value = Option<IcmpMatch>> {
    proptest::option::of(
        (any::<u8>(), any::<Option<u8>>()).prop_map(|(kind, code)| IcmpMatch { kind, code }),
    )
}

fn traffic() -> impl Strategy<Value = PortMatch> {
    let other = any::<u8>()
        .prop_filter("has its own shape", |p| ![1, 6, 17, 58].contains(p))
        .prop_map(|p| PortMatch::Protocol(Protocol(p)));
    prop_oneof![
        Just(PortMatch::All),
        port_range().prop_map(PortMatch::Tcp),
        port_range().prop_map(PortMatch::Udp),
        icmp().prop_map(PortMatch::Icmp),
        icmp().prop_map(PortMatch::Icmpv6),
        other,
    ]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let v4 =
        (any::<u32>(), 0..=32u8).prop_map(|(a, l)| format!("{}/{l}", std::net::Ipv4Addr::from(a)));
    let v6 = (any::<u128>(), 0..=128u8)
        .prop_map(|(a, l)| format!("{}/{l}", std::net::Ipv6Addr::from(a)));
    prop_oneof![v4, v6].prop_map(|text| text.parse().expect("a prefix"))
}

fn rule() -> impl Strategy<Value = Rule> {
    let peer = prop_oneof![
        prefix().prop_map(Peer::Cidr),
        any::<u64>().prop_map(|bits| Peer::Group(SecurityGroupId::from_bits(bits))),
    ];
    let description = proptest::option::of(
        "[a-zé ]{1,40}".prop_map(|text| text.parse::<Label>().expect("a label")),
    );
    (any::<u64>(), traffic(), peer, description).prop_map(|(id, traffic, peer, description)| Rule {
        id: RuleId::from_bits(id),
        traffic,
        peer,
        description,
    })
}

fn target() -> impl Strategy<Value = RouteTarget> {
    prop_oneof![
        Just(RouteTarget::Local),
        Just(RouteTarget::Blackhole),
        any::<u64>().prop_map(|bits| RouteTarget::Interface(InterfaceId::from_bits(bits))),
        any::<u64>()
            .prop_map(|bits| RouteTarget::InternetGateway(InternetGatewayId::from_bits(bits))),
        any::<u64>().prop_map(|bits| RouteTarget::Peering(PeeringId::from_bits(bits))),
        any::<u64>().prop_map(|bits| RouteTarget::EgressGateway(EgressGatewayId::from_bits(bits))),
        any::<u64>()
            .prop_map(|bits| RouteTarget::TransitGateway(TransitGatewayId::from_bits(bits))),
        any::<u64>().prop_map(|bits| RouteTarget::Nat(NatGatewayId::from_bits(bits))),
    ]
}

proptest! {
    #[test]
    fn a_rule_survives_the_wire(rule in rule()) {
        prop_assert_eq!(Rule::try_from(&wire::Rule::from(&rule)), Ok(rule));
    }

    #[test]
    fn a_route_survives_the_wire(destination in prefix(), target in target()) {
        let route = RouteState { destination, target };
        prop_assert_eq!(RouteState::try_from(&wire::Route::from(&route)), Ok(route));
    }

    #[test]
    fn an_etag_gives_its_revision_back(revision: u64) {
        prop_assert_eq!(etag_revision(&etag(Revision(revision))), Some(Revision(revision)));
    }

    #[test]
    fn no_text_makes_an_etag_panic(text: String) {
        let _ = etag_revision(&text);
    }
}

fn https() -> wire::Rule {
    wire::Rule {
        protocol: "tcp".into(),
        ports: Some(wire::PortRange {
            first: 443,
            last: 443,
        }),
        peer: Some(wire::rule::Peer::Cidr("10.0.0.0/8".into())),
        ..Default::default()
    }
}

fn faults(rule: &wire::Rule) -> Vec<String> {
    let read = Fields::read(|fields| {
        fields.each("ingress", 10, std::slice::from_ref(rule), read_rule_draft)
    });
    let Err(Invalid(violations)) = read else {
        return Vec::new();
    };
    violations.into_iter().map(|v| v.field).collect()
}

#[test]
fn a_rule_needs_no_id_in_a_request() {
    assert_eq!(faults(&https()), Vec::<String>::new());
}

#[test]
fn ports_of_icmp_are_refused_by_path() {
    let rule = wire::Rule {
        protocol: "icmp".into(),
        ..https()
    };
    assert_eq!(faults(&rule), ["ingress[0].ports"]);
}

#[test]
fn every_fault_of_a_rule_is_named_at_once() {
    let rule = wire::Rule {
        ports: Some(wire::PortRange {
            first: 70_000,
            last: 70_001,
        }),
        peer: Some(wire::rule::Peer::Group("sg-nope".into())),
        description: "a\u{7}bell".into(),
        ..https()
    };
    let expected = ["ports.first", "ports.last", "group", "description"];
    assert_eq!(
        faults(&rule),
        expected.map(|field| format!("ingress[0].{field}"))
    );
}

#[test]
fn a_protocol_by_number_is_the_named_one() {
    let rule = wire::Rule {
        protocol: "6".into(),
        ..https()
    };
    let draft = Fields::read(|fields| read_rule_draft(fields, &rule)).expect("valid");
    assert_eq!(draft.traffic, PortMatch::Tcp(PortRange::one(443)));
}

#[test]
fn a_rule_without_a_peer_is_refused_rather_than_open() {
    let rule = wire::Rule {
        peer: None,
        ..https()
    };
    assert_eq!(faults(&rule), ["ingress[0].peer"]);
}

#[test]
fn a_route_of_an_unknown_origin_is_refused() {
    let route = wire::Route {
        destination: "10.0.0.0/8".into(),
        target: Some(wire::route::Target::Blackhole(true)),
        origin: 99,
        ..Default::default()
    };
    let Err(Invalid(violations)) = RouteState::try_from(&route) else {
        panic!("accepted");
    };
    assert_eq!(violations[0].field, "origin");
}

#[test]
fn etags_that_nobody_made_are_none() {
    for text in ["", "r", "7", "r07", "r+7", "r-1", "r18446744073709551616"] {
        assert_eq!(etag_revision(text), None, "{text}");
    }
}
