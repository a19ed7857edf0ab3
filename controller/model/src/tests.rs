//! The vocabulary: what is written can be read back, and nothing else can.

use std::{fmt, str::FromStr};

use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Block4, DeviceName, HostName, InterfaceId, Label, Mac, Mtu, NetnsName, PortRange, Prefix,
    Protocol, SubnetBlock6, SubnetId, Vni, VpcBlock6, VpcId,
};

/// Through text and through JSON and back.
fn roundtrips<T>(value: &T)
where
    T: FromStr<Err: fmt::Debug>
        + fmt::Display
        + fmt::Debug
        + PartialEq
        + Serialize
        + DeserializeOwned,
{
    assert_eq!(&value.to_string().parse::<T>().unwrap(), value);
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value);
}

proptest! {
    #[test]
    fn ids_roundtrip(bits in any::<u64>()) {
        roundtrips(&VpcId::from_bits(bits));
        roundtrips(&InterfaceId::from_bits(bits));
        prop_assert_eq!(VpcId::from_bits(bits).bits(), bits);
    }

    #[test]
    fn ids_sort_as_their_texts_do(a in any::<u64>(), b in any::<u64>()) {
        let (a, b) = (SubnetId::from_bits(a), SubnetId::from_bits(b));
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }

    #[test]
    fn macs_roundtrip_and_local_ones_are_never_group_nor_router(bits in any::<u64>()) {
        let mac = Mac::local(bits);
        roundtrips(&mac);
        prop_assert!(!mac.is_group());
        prop_assert_eq!(mac.octets()[0] & 2, 2);
        prop_assert_ne!(mac, Mac::ROUTER);
    }

    #[test]
    fn blocks_are_canonical_whatever_host_bits_were_given(bits in any::<u32>(), length in 0u8..=32) {
        let text = format!("{}/{length}", std::net::Ipv4Addr::from_bits(bits));
        let block = text.parse::<Block4>();
        prop_assert_eq!(block.is_ok(), (16..=28).contains(&length));
        if let Ok(block) = block {
            roundtrips(&block);
            prop_assert!(block.contains_addr(std::net::Ipv4Addr::from_bits(bits)));
            prop_assert_eq!(block.net().network(), block.net().addr());
        }
    }

    #[test]
    fn blocks_overlap_if_and_only_if_they_share_an_address(
        a in 0u32..64, a_length in 24u8..=28, b in 0u32..64, b_length in 24u8..=28,
    ) {
        let block = |n: u32, length: u8| -> Block4 {
            let at = std::net::Ipv4Addr::from_bits(0x0a00_0000 | (n << 4));
            format!("{at}/{length}").parse().unwrap()
        };
        let (a, b) = (block(a, a_length), block(b, b_length));
        let share = a.net().hosts().chain([a.net().network(), a.net().broadcast()]).any(|at| b.contains_addr(at));
        prop_assert_eq!(a.overlaps(b), share);
        prop_assert_eq!(b.overlaps(a), share);
    }

    #[test]
    fn port_ranges_roundtrip_and_are_never_empty(first in any::<u16>(), last in any::<u16>()) {
        match PortRange::new(first, last) {
            Ok(range) => {
                prop_assert_eq!(range.to_string().parse(), Ok(range));
                prop_assert!(range.contains(first) && range.contains(last));
            }
            Err(_) => prop_assert!(first > last),
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,80}") {
        // What matters is that each returns.
        let parsed = [
            text.parse::<VpcId>().is_ok(), text.parse::<Mac>().is_ok(), text.parse::<Prefix>().is_ok(),
            text.parse::<HostName>().is_ok(), text.parse::<PortRange>().is_ok(), text.parse::<Protocol>().is_ok(),
            text.parse::<DeviceName>().is_ok(), text.parse::<NetnsName>().is_ok(),
        ];
        prop_assert!(!(parsed[0] && parsed[1]), "no text is both an id and a MAC");
    }
}

#[test]
fn ids_of_another_form_are_refused_with_the_right_one() {
    let good = "vpc-0123456789abcdef0";
    assert!(good.parse::<VpcId>().is_ok());
    let long = format!("{good}0");
    let bad = [
        "",
        "vpc-",
        "vpc-123",
        "eni-0123456789abcdef0",
        "vpc-1123456789abcdef0",
        "vpc-0123456789ABCDEF0",
        "vpc-+123456789abcdef0",
        "vpc_0123456789abcdef0",
        " vpc-0123456789abcdef0",
        &long,
    ];
    for text in bad {
        let error = text.parse::<VpcId>().unwrap_err();
        assert!(
            error.to_string().contains("write `vpc-` and 17"),
            "{text}: {error}"
        );
    }
}

#[test]
fn what_a_person_typed_is_quoted_short_and_printable() {
    let error = format!("\u{1b}[31m{}", "x".repeat(500))
        .parse::<VpcId>()
        .unwrap_err();
    assert!(
        error.text.len() < 90 && !error.text.chars().any(char::is_control),
        "{error}"
    );
}

#[test]
fn names_keep_to_their_alphabet() {
    for good in ["a", "h1", "eu-west-1", &"x".repeat(63)] {
        assert!(good.parse::<HostName>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "-a",
        "a-",
        "A",
        "a.b",
        "a b",
        "é",
        "a\n",
        &"x".repeat(64),
    ] {
        assert!(bad.parse::<HostName>().is_err(), "{bad}");
    }
    for bad in ["", ".", "..", "a/b", "../x", "a\0b", "a b"] {
        assert!(bad.parse::<NetnsName>().is_err(), "{bad}");
        assert!(bad.parse::<DeviceName>().is_err(), "{bad}");
    }
    assert!("sixteen-letters-".parse::<DeviceName>().is_err());
    assert!("fifteen-letters".parse::<DeviceName>().is_ok());
    for bad in ["a\u{7}", "\u{9b}", "\n", &"x".repeat(257)] {
        assert!(bad.parse::<Label>().is_err(), "{bad:?}");
    }
    assert!("Größe: 10 %".parse::<Label>().is_ok());
}

#[test]
fn numbers_keep_to_their_ranges() {
    for (value, good) in [
        (0, false),
        (1, true),
        (Vni::MAX, true),
        (Vni::MAX + 1, false),
    ] {
        assert_eq!(Vni::try_from(value).is_ok(), good, "{value}");
    }
    for (value, good) in [(1279, false), (1280, true), (65535, true), (65536, false)] {
        assert_eq!(Mtu::try_from(value).is_ok(), good, "{value}");
    }
    assert_eq!(Mtu::INTERNET.inside_vxlan(false).map(Mtu::get), Some(1450));
    assert_eq!(Mtu::INTERNET.inside_vxlan(true).map(Mtu::get), Some(1430));
    assert_eq!(Mtu::try_from(1329).unwrap().inside_vxlan(false), None);
    for bad in ["", "2-1", "65536", "-", "1-", "a", "+1", "1-+2"] {
        assert!(bad.parse::<PortRange>().is_err(), "{bad}");
    }
    for bad in [
        "",
        "02:00:00:00:00",
        "02:00:00:00:00:00:00",
        "2:0:0:0:0:0",
        "02:00:00:00:00:0g",
        "+2:00:00:00:00:00",
    ] {
        assert!(bad.parse::<Mac>().is_err(), "{bad}");
    }
}

#[test]
fn ipv6_blocks_have_one_length_each() {
    assert!("fd00::/56".parse::<VpcBlock6>().is_ok());
    assert!("fd00::/64".parse::<VpcBlock6>().is_err());
    assert!("fd00::/64".parse::<SubnetBlock6>().is_ok());
    assert!("fd00::/56".parse::<SubnetBlock6>().is_err());
    let block: VpcBlock6 = "fd00::/56".parse().unwrap();
    let subnets: Vec<SubnetBlock6> = block.subnets().collect();
    assert_eq!(subnets.len(), 256);
    assert!(subnets.iter().all(|&subnet| block.contains_subnet(subnet)));
    assert_eq!(subnets[255].to_string(), "fd00:0:0:ff::/64");
}

#[test]
fn protocols_read_by_name_or_number() {
    assert_eq!("tcp".parse(), Ok(Protocol::TCP));
    assert_eq!("6".parse(), Ok(Protocol::TCP));
    assert_eq!("47".parse(), Ok(Protocol(47)));
    assert!("+6".parse::<Protocol>().is_err());
    assert!("256".parse::<Protocol>().is_err());
    assert!("TCP".parse::<Protocol>().is_err());
}
