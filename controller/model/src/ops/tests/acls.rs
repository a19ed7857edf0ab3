//! Network ACLs and the subnets that they stand before.

use super::*;
use crate::{
    AclAction, AclEntry, AclNumber, Family, NetworkAclId, PortMatch, PortRange,
    acl::Direction::{Egress, Ingress},
    ops::network_acl::{self, Draft},
};

fn number(n: u16) -> AclNumber {
    n.try_into().unwrap()
}

fn entry(n: u16, action: AclAction, traffic: PortMatch, cidr: &str) -> AclEntry {
    AclEntry {
        number: number(n),
        action,
        traffic,
        prefix: prefix(cidr),
    }
}

fn ssh(n: u16, cidr: &str) -> AclEntry {
    entry(
        n,
        AclAction::Allow,
        PortMatch::Tcp(PortRange::one(22)),
        cidr,
    )
}

fn draft(vpc: VpcId) -> Draft {
    Draft {
        vpc,
        ingress: vec![],
        egress: vec![],
        label: None,
    }
}

impl World {
    fn acl(&mut self, vpc: VpcId) -> NetworkAclId {
        match self.ok(|w, e| network_acl::create(&w.cloud, &w.settings, draft(vpc), e)) {
            Some(Resource::NetworkAcl(acl)) => acl.id,
            other => panic!("{other:?}"),
        }
    }

    fn put_entry(&mut self, acl: NetworkAclId, entry: AclEntry) -> Answer {
        let entry = (Ingress, entry);
        self.run(|w, _| network_acl::put_entry(&w.cloud, &w.settings, acl, entry, None))
    }

    fn associate(&mut self, subnet: SubnetId, acl: Option<NetworkAclId>) -> Answer {
        let update = subnet::Update {
            acl: Some(acl),
            ..Default::default()
        };
        self.run(|w, _| subnet::update(&w.cloud, subnet, update, None))
    }
}

#[test]
fn a_vpc_comes_with_an_acl_that_lets_everything_pass() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.cloud.vpc(vpc).unwrap().default_acl;
    let acl = world.cloud.network_acl(id).unwrap();
    for entries in [&acl.ingress, &acl.egress] {
        let all: Vec<String> = entries.iter().map(|e| e.prefix.to_string()).collect();
        assert_eq!(all, ["0.0.0.0/0", "::/0"]);
        for entry in entries {
            assert_eq!((entry.number.get(), entry.action), (100, AclAction::Allow));
            assert_eq!(entry.traffic, PortMatch::All);
        }
    }
    let error = world.err(|w, _| network_acl::delete(&w.cloud, id, None));
    assert!(matches!(error, OpError::Protected { .. }), "{error}");
    world.ok(|w, _| vpc::delete(&w.cloud, vpc, None));
    assert!(
        world.cloud.network_acl(id).is_none(),
        "it goes with its VPC"
    );
}

#[test]
fn entries_stand_in_the_order_of_their_numbers_and_are_replaced_by_number() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let acl = world.acl(vpc);
    for (n, cidr) in [(200, "10.0.0.0/8"), (100, "::/0"), (100, "0.0.0.0/0")] {
        world.put_entry(acl, ssh(n, cidr)).unwrap();
    }
    let places = |world: &World| -> Vec<(u16, String)> {
        let entries = &world.cloud.network_acl(acl).unwrap().ingress;
        let place = |e: &AclEntry| (e.number.get(), e.prefix.to_string());
        entries.iter().map(place).collect()
    };
    let expected = [(100, "0.0.0.0/0"), (200, "10.0.0.0/8"), (100, "::/0")];
    assert_eq!(places(&world), expected.map(|(n, p)| (n, p.to_owned())));
    world.put_entry(acl, ssh(100, "192.0.2.0/24")).unwrap();
    assert_eq!(places(&world)[0], (100, "192.0.2.0/24".to_owned()));
    assert_eq!(places(&world).len(), 3, "the other family's stays");
    let remove = (Ingress, Family::Ipv4, number(100));
    world.ok(|w, _| network_acl::delete_entry(&w.cloud, acl, remove, None));
    let (field, _) = world.invalid(|w, _| network_acl::delete_entry(&w.cloud, acl, remove, None));
    assert_eq!(field, "number");
    let none = (Egress, Family::Ipv6, number(100));
    let (_, reason) = world.invalid(|w, _| network_acl::delete_entry(&w.cloud, acl, none, None));
    assert!(reason.contains("ipv6 egress entry 100"), "{reason}");
}

#[test]
fn an_entry_of_the_wrong_family_and_a_number_twice_are_named() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let ping = entry(1, AclAction::Deny, PortMatch::Icmp(None), "::/0");
    let wrong = Draft {
        egress: vec![ssh(1, "0.0.0.0/0"), ping],
        ..draft(vpc)
    };
    let (field, _) = world.invalid(|w, e| network_acl::create(&w.cloud, &w.settings, wrong, e));
    assert_eq!(field, "network_acl.egress[1].protocol");
    let twice = Draft {
        ingress: vec![ssh(7, "0.0.0.0/0"), ssh(7, "10.0.0.0/8")],
        ..draft(vpc)
    };
    let (field, _) = world.invalid(|w, e| network_acl::create(&w.cloud, &w.settings, twice, e));
    assert_eq!(field, "network_acl.ingress[1].number");
    for text in ["0", "32767", "-1", "+1", "x", ""] {
        assert!(text.parse::<AclNumber>().is_err(), "{text}");
    }
}

#[test]
fn twenty_entries_per_direction_and_family_are_all() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let acl = world.acl(vpc);
    for n in 1..=20 {
        world.put_entry(acl, ssh(n, "0.0.0.0/0")).unwrap();
        world.put_entry(acl, ssh(n, "::/0")).unwrap();
    }
    world.put_entry(acl, ssh(20, "10.0.0.0/8")).unwrap();
    let error = world.put_entry(acl, ssh(21, "0.0.0.0/0")).unwrap_err();
    assert!(matches!(error, OpError::Quota { limit: 20, .. }), "{error}");
}

#[test]
fn a_subnet_is_associated_with_one_acl_of_its_vpc_which_then_stays() {
    let mut world = World::new();
    let (vpc, other) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let subnet = world.subnet(vpc, "10.0.1.0/24");
    let (acl, foreign) = (world.acl(vpc), world.acl(other));
    world.associate(subnet, Some(acl)).unwrap();
    assert_eq!(world.cloud.subnet(subnet).unwrap().acl, Some(acl));
    let error = world.err(|w, _| network_acl::delete(&w.cloud, acl, None));
    assert!(matches!(error, OpError::InUse { .. }), "{error}");
    for wrong in [foreign, NetworkAclId::from_bits(99)] {
        let update = subnet::Update {
            acl: Some(Some(wrong)),
            ..Default::default()
        };
        let (field, _) = world.invalid(|w, _| subnet::update(&w.cloud, subnet, update, None));
        assert_eq!(field, "subnet.network_acl");
    }
    world.associate(subnet, None).unwrap();
    world.ok(|w, _| network_acl::delete(&w.cloud, acl, None));
    let error = world.err(|w, _| vpc::delete(&w.cloud, other, None));
    assert!(
        matches!(error, OpError::InUse { .. }),
        "its own ACL: {error}"
    );
}
