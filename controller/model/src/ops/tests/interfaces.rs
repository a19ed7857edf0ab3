//! Network interfaces.

use std::net::IpAddr;

use super::*;
use crate::Mac;

fn with_subnet(cidr: &str) -> (World, VpcId, SubnetId) {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(vpc, cidr);
    (world, vpc, subnet)
}

impl World {
    fn refused(&mut self, draft: interface::Draft) -> String {
        self.invalid(|w, e| interface::create(&w.cloud, &w.settings, draft, e))
            .0
    }

    fn updated(&mut self, id: InterfaceId, update: interface::Update) -> Answer {
        self.run(|w, _| interface::update(&w.cloud, &w.settings, id, update, None))
    }

    fn addresses(&self, id: InterfaceId) -> Vec<String> {
        let addresses = self.cloud.interface(id).unwrap().addresses();
        addresses.map(|address| address.to_string()).collect()
    }
}

#[test]
fn the_lowest_free_addresses_are_given_and_reused() {
    let (mut world, _, subnet) = with_subnet("10.0.1.0/24");
    let ids = [0; 3].map(|_| world.interface(interface::Draft::new(subnet)));
    assert_eq!(world.addresses(ids[0]), ["10.0.1.4", "fd57:6566:7400::4"]);
    assert_eq!(world.addresses(ids[2]), ["10.0.1.6", "fd57:6566:7400::6"]);
    world.ok(|w, _| interface::delete(&w.cloud, ids[1], None));
    let again = world.interface(interface::Draft::new(subnet));
    assert_eq!(world.addresses(again), ["10.0.1.5", "fd57:6566:7400::5"]);
}

#[test]
fn the_lowest_free_address_is_not_one_asked_for_as_secondary() {
    let (mut world, _, subnet) = with_subnet("10.0.1.0/24");
    let secondary_ipv4 = vec!["10.0.1.5".parse().unwrap(), "10.0.1.4".parse().unwrap()];
    let id = world.interface(interface::Draft {
        secondary_ipv4,
        ..interface::Draft::new(subnet)
    });
    assert_eq!(
        world.addresses(id)[..3],
        ["10.0.1.6", "10.0.1.5", "10.0.1.4"]
    );
}

#[test]
fn reserved_foreign_and_taken_addresses_are_refused() {
    let (mut world, _, subnet) = with_subnet("10.0.1.0/24");
    world.interface(interface::Draft::new(subnet));
    let reserved = ["10.0.1.0", "10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.255"];
    for address in reserved.into_iter().chain(["10.0.2.9", "10.0.1.4"]) {
        let ipv4 = Some(address.parse().unwrap());
        let draft = interface::Draft {
            ipv4,
            ..interface::Draft::new(subnet)
        };
        assert_eq!(world.refused(draft), "interface.ipv4", "{address}");
        let secondary_ipv4 = vec![address.parse().unwrap()];
        let draft = interface::Draft {
            secondary_ipv4,
            ..interface::Draft::new(subnet)
        };
        assert_eq!(
            world.refused(draft),
            "interface.secondary_ipv4[0]",
            "{address}"
        );
    }
    for address in [
        "fd57:6566:7400::3",
        "fd57:6566:7400:0:ffff:ffff:ffff:ffff",
        "fd00::9",
        "fd57:6566:7400::4",
    ] {
        let ipv6 = vec![address.parse().unwrap()];
        let draft = interface::Draft {
            ipv6,
            ..interface::Draft::new(subnet)
        };
        assert_eq!(world.refused(draft), "interface.ipv6[0]", "{address}");
    }
}

#[test]
fn a_full_subnet_says_so() {
    let (mut world, _, subnet) = with_subnet("10.0.1.0/28");
    for left in (0..11).rev() {
        world.interface(interface::Draft::new(subnet));
        let subnet = world.cloud.subnet(subnet).unwrap();
        assert_eq!(world.cloud.available_addresses(subnet), left);
    }
    let draft = interface::Draft::new(subnet);
    let error = world.err(|w, e| interface::create(&w.cloud, &w.settings, draft, e));
    let expected = format!("no IPv4 address is free in subnet {subnet} (10.0.1.0/28)");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn ipv6_is_given_where_the_subnet_has_it_unless_declined() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let draft = subnet::Draft {
        assign_ipv6: false,
        ..subnet_draft(vpc, "10.0.1.0/24")
    };
    let Some(Resource::Subnet(v4)) =
        world.ok(|w, e| subnet::create(&w.cloud, &w.settings, draft, e))
    else {
        panic!("a subnet was made");
    };
    let plain = world.interface(interface::Draft::new(v4.id));
    assert_eq!(world.addresses(plain), ["10.0.1.4"]);
    let wanting = interface::Draft {
        assign_ipv6: Some(true),
        ..interface::Draft::new(v4.id)
    };
    assert_eq!(world.refused(wanting), "assign_ipv6");
    let both = world.subnet(vpc, "10.0.2.0/24");
    let declining = interface::Draft {
        assign_ipv6: Some(false),
        ..interface::Draft::new(both)
    };
    let id = world.interface(declining);
    assert_eq!(world.addresses(id), ["10.0.2.4"]);
}

#[test]
fn groups_are_of_the_vpc_few_and_the_default_one_if_none() {
    let (mut world, vpc, subnet) = with_subnet("10.0.1.0/24");
    let id = world.interface(interface::Draft::new(subnet));
    let default = world.cloud.vpc(vpc).unwrap().default_group;
    assert_eq!(world.cloud.interface(id).unwrap().groups, [default]);
    let other = world.vpc("10.0.0.0/16");
    let foreign = world.cloud.vpc(other).unwrap().default_group;
    for groups in [
        vec![default, foreign],
        vec![default, default],
        vec![default, SecurityGroupId::from_bits(1)],
    ] {
        let draft = interface::Draft {
            groups,
            ..interface::Draft::new(subnet)
        };
        assert_eq!(world.refused(draft), "interface.groups[1]");
    }
    let groups = (0..6).map(|n| world.group(vpc, &format!("g{n}"))).collect();
    let draft = interface::Draft {
        groups,
        ..interface::Draft::new(subnet)
    };
    let error = world.err(|w, e| interface::create(&w.cloud, &w.settings, draft, e));
    assert!(matches!(
        error,
        OpError::Quota {
            what: "security groups",
            limit: 5,
            ..
        }
    ));
}

#[test]
fn an_interface_is_plugged_in_where_its_subnet_is_and_nobody_else() {
    let (mut world, _, subnet) = with_subnet("10.0.1.0/24");
    let at = |host, netns| interface::Draft {
        attachment: Some(attachment(host, netns)),
        ..interface::Draft::new(subnet)
    };
    assert_eq!(world.refused(at("h3", "w1")), "interface.attachment.host");
    assert_eq!(
        world.refused(at("nowhere", "w1")),
        "interface.attachment.host"
    );
    let first = world.interface(at("h1", "w1"));
    assert_eq!(world.refused(at("h1", "w1")), "interface.attachment.device");
    world.interface(at("h1", "w2"));
    world.interface(at("h2", "w1"));
    let moved = interface::Update {
        attachment: Some(Some(attachment("h2", "w9"))),
        ..interface::Update::default()
    };
    world.updated(first, moved).unwrap();
    assert_eq!(
        world
            .cloud
            .interfaces_on_host(&"h1".parse().unwrap())
            .count(),
        1
    );
    let unplugged = interface::Update {
        attachment: Some(None),
        ..interface::Update::default()
    };
    world.updated(first, unplugged).unwrap();
    world.interface(at("h2", "w9"));
}

#[test]
fn an_update_keeps_what_it_does_not_name() {
    let (mut world, vpc, subnet) = with_subnet("10.0.1.0/24");
    let id = world.interface(interface::Draft {
        attachment: Some(attachment("h1", "w1")),
        ..interface::Draft::new(subnet)
    });
    let before = world.cloud.interface(id).unwrap().clone();
    let group = world.group(vpc, "web");
    let update = interface::Update {
        groups: Some(vec![group]),
        source_dest_check: Some(false),
        ..interface::Update::default()
    };
    world.updated(id, update).unwrap();
    let after = world.cloud.interface(id).unwrap();
    assert_eq!(
        (after.groups.as_slice(), after.source_dest_check),
        (&[group][..], false)
    );
    assert_eq!(
        (after.ipv4, &after.ipv6, after.mac),
        (before.ipv4, &before.ipv6, before.mac)
    );
    assert_eq!(
        (&after.attachment, after.meta.created),
        (&before.attachment, before.meta.created)
    );
}

#[test]
fn addresses_come_and_go_by_update() {
    let (mut world, vpc, subnet) = with_subnet("10.0.1.0/24");
    let id = world.interface(interface::Draft::new(subnet));
    let set = |list: &[&str]| interface::Update {
        secondary_ipv4: Some(list.iter().map(|a| a.parse().unwrap()).collect()),
        ..interface::Update::default()
    };
    world.updated(id, set(&["10.0.1.9", "10.0.1.8"])).unwrap();
    world.updated(id, set(&["10.0.1.8"])).unwrap();
    let holder = |w: &World, a: &str| {
        let address: IpAddr = a.parse().unwrap();
        w.cloud.interface_by_address(vpc, address).map(|i| i.id)
    };
    assert_eq!(holder(&world, "10.0.1.8"), Some(id));
    assert_eq!(holder(&world, "10.0.1.9"), None);
    assert!(matches!(
        world.updated(id, set(&["10.0.1.4"])),
        Err(OpError::Invalid(_))
    ));
}

#[test]
fn macs_differ_even_where_ids_agree_in_their_last_forty_bits() {
    let (mut world, _, subnet) = with_subnet("10.0.1.0/24");
    let mut bits = [0x01_0000_0007_u64, 0x9901_0000_0007, 0x02_0000_0008].into_iter();
    let mut entropy = || bits.next().unwrap();
    let make = |world: &mut World, entropy: &mut dyn super::super::Entropy| {
        let draft = interface::Draft::new(subnet);
        let changes = interface::create(&world.cloud, &world.settings, draft, entropy).unwrap();
        world.cloud.apply(&changes);
        match &changes[0].after {
            Some(Resource::Interface(interface)) => interface.mac,
            other => panic!("{other:?}"),
        }
    };
    let first = make(&mut world, &mut entropy);
    let second = make(&mut world, &mut entropy);
    assert_eq!(first, Mac::local(0x01_0000_0007));
    assert_eq!(second, Mac::local(0x02_0000_0008));
}

#[test]
fn entropy_that_repeats_itself_fails_instead_of_hanging() {
    let (mut world, _, subnet) = with_subnet("10.0.1.0/24");
    let make = |w: &World, _: &mut dyn super::super::Entropy| {
        interface::create(
            &w.cloud,
            &w.settings,
            interface::Draft::new(subnet),
            &mut || 7,
        )
    };
    world.ok(make);
    assert!(matches!(
        world.err(make),
        OpError::Exhausted { what: "id", .. }
    ));
}

#[test]
fn interfaces_of_a_region_are_limited() {
    let (mut world, _, subnet) = with_subnet("10.0.1.0/24");
    world.settings.quotas.interfaces_per_region = 1;
    world.interface(interface::Draft::new(subnet));
    let draft = interface::Draft::new(subnet);
    let error = world.err(|w, e| interface::create(&w.cloud, &w.settings, draft, e));
    assert!(matches!(
        error,
        OpError::Quota {
            what: "network interfaces",
            limit: 1,
            ..
        }
    ));
}

#[test]
fn addresses_are_assigned_by_name_and_by_number_and_taken_away() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(vpc, "10.0.1.0/28");
    let id = world.interface(interface::Draft::new(subnet));
    let assignment = interface::Assignment {
        addresses: vec!["10.0.1.5".parse().unwrap()],
        ipv4_count: 2,
        ipv6_count: 1,
    };
    world.ok(|w, _| interface::assign(&w.cloud, &w.settings, id, &assignment, None));
    let has = |world: &World| -> Vec<String> {
        let interface = world.cloud.interface(id).unwrap();
        let secondary = interface.secondary_ipv4.iter();
        secondary.map(ToString::to_string).collect()
    };
    assert_eq!(has(&world), ["10.0.1.5", "10.0.1.6", "10.0.1.7"]);
    assert_eq!(world.cloud.interface(id).unwrap().ipv6.len(), 2);
    let again = interface::Assignment {
        ipv4_count: 0,
        ipv6_count: 0,
        ..assignment
    };
    let (field, _) =
        world.invalid(|w, _| interface::assign(&w.cloud, &w.settings, id, &again, None));
    assert_eq!(field, "addresses[0]");
    let gone = ["10.0.1.6".parse().unwrap()];
    world.ok(|w, _| interface::unassign(&w.cloud, &w.settings, id, &gone, None));
    assert_eq!(has(&world), ["10.0.1.5", "10.0.1.7"]);
    for wrong in ["10.0.1.6", "10.0.1.4"] {
        let wrong = [wrong.parse().unwrap()];
        let (field, _) =
            world.invalid(|w, _| interface::unassign(&w.cloud, &w.settings, id, &wrong, None));
        assert_eq!(field, "addresses[0]");
    }
    let too_many = interface::Assignment {
        ipv4_count: 40,
        ..interface::Assignment::default()
    };
    let error = world.err(|w, _| interface::assign(&w.cloud, &w.settings, id, &too_many, None));
    assert!(matches!(error, OpError::Exhausted { .. }), "{error}");
}
