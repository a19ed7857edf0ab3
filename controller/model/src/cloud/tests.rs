//! Looking things up, and transactions that move values from one resource to another.

use std::net::Ipv4Addr;

use ipnet::Ipv6Net;

use super::*;
use crate::Meta;

fn region(name: &str) -> Region {
    Region {
        name: name.parse().unwrap(),
        meta: Meta::default(),
    }
}

fn interface(bits: u64, ipv4: &str) -> Interface {
    Interface {
        id: InterfaceId::from_bits(bits),
        vpc: VpcId::from_bits(1),
        subnet: SubnetId::from_bits(1),
        mac: Mac::local(bits),
        ipv4: ipv4.parse().unwrap(),
        secondary_ipv4: Vec::new(),
        public_ipv4: None,
        ipv6: Vec::new(),
        groups: vec![SecurityGroupId::from_bits(9)],
        source_dest_check: true,
        attachment: None,
        options: Default::default(),
        meta: Meta::default(),
    }
}

fn subnet() -> Subnet {
    Subnet {
        id: SubnetId::from_bits(1),
        vpc: VpcId::from_bits(1),
        zone: "z1".parse().unwrap(),
        ipv4: "10.0.0.0/16".parse().unwrap(),
        ipv6: None,
        route_table: None,
        map_public_ip: false,
        acl: None,
        meta: Meta::default(),
    }
}

#[test]
fn a_listing_goes_on_after_a_key_even_if_that_is_gone() {
    let names = ["a", "c", "d"];
    let cloud = Cloud::from_resources(names.map(|name| region(name).into()));
    let after = |name: &str| -> Vec<String> {
        let key = ResourceKey::Region(name.parse().unwrap());
        let rest = cloud.list(Kind::Region, Some(&key));
        rest.map(|resource| resource.key().to_string()).collect()
    };
    assert_eq!(after("a"), ["c", "d"]);
    assert_eq!(after("b"), ["c", "d"]);
    assert_eq!(after("d"), Vec::<String>::new());
    assert_eq!(cloud.list(Kind::Region, None).count(), 3);
    assert_eq!(cloud.count(Kind::Region), 3);
    assert_eq!(cloud.count(Kind::Zone), 0);
}

#[test]
fn an_address_moves_within_a_transaction_in_either_order() {
    let (a, b) = (interface(1, "10.0.0.4"), interface(2, "10.0.0.5"));
    let (a_after, b_after) = (interface(1, "10.0.0.6"), interface(2, "10.0.0.4"));
    let expected = Cloud::from_resources([a_after.clone().into(), b_after.clone().into()]);
    let give = Change::update(a.clone(), a_after);
    let take = Change::update(b.clone(), b_after);
    for changes in [[give.clone(), take.clone()], [take, give]] {
        let mut cloud = Cloud::from_resources([a.clone().into(), b.clone().into()]);
        cloud.apply(&changes);
        let holder = cloud.interface_by_address(a.vpc, "10.0.0.4".parse().unwrap());
        assert_eq!(holder.map(|i| i.id), Some(b.id));
        assert_eq!(cloud, expected);
    }
}

#[test]
fn free_addresses_are_found_past_any_number_of_taken_ones() {
    let taken = (4..40_000u32).map(|n| {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + n).to_string();
        Resource::from(interface(u64::from(n), &address))
    });
    let cloud = Cloud::from_resources(taken);
    let subnet = subnet();
    let next = Ipv4Addr::from_bits(0x0a00_0000 + 40_000);
    assert_eq!(cloud.free_address4(&subnet, None), Some(next));
    assert_eq!(cloud.available_addresses(&subnet), 65_536 - 5 - 39_996);
    let last = "10.0.255.254".parse().unwrap();
    assert_eq!(cloud.free_address4(&subnet, Some(last)), Some(last));
    let broadcast = "10.0.255.255".parse().unwrap();
    assert_eq!(cloud.free_address4(&subnet, Some(broadcast)), None);
}

#[test]
fn a_pool_smaller_than_a_56_has_nothing_to_give() {
    let cloud = Cloud::new();
    let pool = |text: &str| text.parse::<Ipv6Net>().unwrap();
    assert_eq!(cloud.free_vpc_block6(pool("fd00::/57")), None);
    let block = cloud.free_vpc_block6(pool("fd00::/56")).unwrap();
    assert_eq!(block.to_string(), "fd00::/56");
}

#[test]
fn indexes_forget_what_is_deleted() {
    let mut cloud = Cloud::new();
    let member = interface(1, "10.0.0.4");
    cloud.apply(&[Change::create(member.clone())]);
    let group = SecurityGroupId::from_bits(9);
    assert_eq!(cloud.interfaces_in_group(group).count(), 1);
    assert_eq!(
        cloud.interface_by_mac(member.mac).map(|i| i.id),
        Some(member.id)
    );
    cloud.apply(&[Change::delete(member)]);
    assert_eq!(cloud, Cloud::new());
}
