use std::sync::Arc;

use weft_engine::Now;
use weft_model::{InterfaceId, Protocol, RouteTableId};

use super::*;

fn group(n: u64) -> SecurityGroupId {
    SecurityGroupId::from_bits(n)
}

fn blamed(reason: DropReason, object: DropObject) -> Drop {
    Drop::because(reason, object)
}

#[test]
fn a_missing_rule_is_told_with_the_groups_that_were_asked() {
    let object = DropObject::Interface(InterfaceId::from_bits(9));
    let drop = blamed(DropReason::GroupIngress, object);
    let (one, two) = (group(1), group(2));
    assert_eq!(
        what(&drop, &[one, two]),
        format!("no ingress rule of {one} or {two} allows it")
    );
    let drop = blamed(DropReason::GroupEgress, object);
    assert!(what(&drop, &[]).contains("no security group"));
}

#[test]
fn whatever_is_to_blame_is_in_the_words() {
    let table = RouteTableId::from_bits(5);
    let destination = "10.7.0.0/16".parse().unwrap();
    let address = DropObject::Address("10.7.1.9".parse().unwrap());
    for (drop, names) in [
        (
            blamed(DropReason::NoRoute, DropObject::RouteTable(table)),
            table.to_string(),
        ),
        (
            blamed(
                DropReason::Blackhole,
                DropObject::Route { table, destination },
            ),
            format!("10.7.0.0/16 of {table}"),
        ),
        (blamed(DropReason::NoMapping, address), "10.7.1.9".into()),
        (blamed(DropReason::NotForPort, address), "10.7.1.9".into()),
        (blamed(DropReason::VtepUnknown, address), "10.7.1.9".into()),
    ] {
        let words = what(&drop, &[]);
        assert!(words.contains(&names), "{words}");
    }
}

#[test]
fn every_reason_has_a_sentence() {
    for &reason in DropReason::ALL {
        let words = what(&reason.into(), &[]);
        assert!(words.len() > 10 && !words.ends_with('.'), "{words:?}");
    }
}

#[test]
fn the_answer_tells_ages_and_ends() {
    let record = DropRecord {
        at: Now::from_secs(1),
        half: Half::Tunnel,
        interface: Some(InterfaceId::from_bits(9)),
        groups: Arc::from([group(1)]),
        ends: Some(Ends {
            protocol: Some(Protocol::TCP),
            src: "10.0.0.1".parse().unwrap(),
            dst: "10.0.0.2".parse().unwrap(),
            ports: Some((4000, 22)),
            icmp: None,
        }),
        drop: DropReason::GroupIngress.into(),
    };
    let answer = answer(&RecentDrops {
        now: Now::from_secs(3),
        drops: vec![record],
        unrecorded: 7,
    });
    let drop = &answer.drops[0];
    assert_eq!((drop.age_milliseconds, answer.unrecorded), (2000, 7));
    assert_eq!(
        (drop.half.as_str(), drop.protocol.as_str()),
        ("tunnel", "tcp")
    );
    assert_eq!((drop.source_port, drop.destination_port), (4000, 22));
    assert_eq!(drop.groups, [group(1).to_string()]);
    assert_eq!((drop.icmp_type, drop.icmp_code), (None, None));
}
