//! What holds after any commands in any order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Kind, ResourceKey};

/// A command by small numbers: whom it is about is picked among those there.
#[derive(Debug, Clone)]
enum Step {
    Vpc,
    Subnet {
        vpc: usize,
        net: u8,
        length: u8,
    },
    Interface {
        subnet: usize,
        ipv4: Option<u8>,
        secondary: Vec<u8>,
        host: Option<u8>,
    },
    Readdress {
        interface: usize,
        secondary: Vec<u8>,
    },
    Group {
        vpc: usize,
        name: u8,
    },
    Delete {
        kind: usize,
        nth: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let few = || prop::collection::vec(0u8..20, 0..3);
    prop_oneof![
        1 => Just(Step::Vpc),
        3 => (0usize..4, any::<u8>(), 16u8..=28).prop_map(|(vpc, net, length)| Step::Subnet { vpc, net, length }),
        8 => (0usize..8, prop::option::of(0u8..20), few(), prop::option::of(0u8..4))
            .prop_map(|(subnet, ipv4, secondary, host)| Step::Interface { subnet, ipv4, secondary, host }),
        2 => (0usize..20, few()).prop_map(|(interface, secondary)| Step::Readdress { interface, secondary }),
        2 => (0usize..4, 0u8..4).prop_map(|(vpc, name)| Step::Group { vpc, name }),
        5 => (0usize..Kind::ALL.len(), 0usize..20).prop_map(|(kind, nth)| Step::Delete { kind, nth }),
    ]
}

fn nth<T>(mut items: impl Iterator<Item = T>, n: usize) -> Option<T> {
    items.nth(n)
}

impl World {
    /// Takes the step if there is whom it is about; that a command refuses is fine.
    fn take(&mut self, step: &Step) -> Option<Answer> {
        Some(match step {
            Step::Vpc => {
                self.run(|w, e| vpc::create(&w.cloud, &w.settings, vpc_draft("10.0.0.0/16"), e))
            }
            Step::Subnet { vpc, net, length } => {
                let vpc = nth(self.cloud.vpcs(), *vpc)?.id;
                let draft = subnet_draft(vpc, &format!("10.0.{net}.0/{length}"));
                self.run(|w, e| subnet::create(&w.cloud, &w.settings, draft, e))
            }
            Step::Interface {
                subnet,
                ipv4,
                secondary,
                host,
            } => {
                let subnet = nth(self.cloud.subnets(), *subnet)?;
                let at = |n: &u8| {
                    std::net::Ipv4Addr::from_bits(
                        subnet.ipv4.net().network().to_bits() + u32::from(*n),
                    )
                };
                let draft = interface::Draft {
                    ipv4: ipv4.as_ref().map(at),
                    secondary_ipv4: secondary.iter().map(at).collect(),
                    attachment: host
                        .map(|h| attachment(&format!("h{h}"), &format!("w{}", secondary.len()))),
                    ..interface::Draft::new(subnet.id)
                };
                self.run(|w, e| interface::create(&w.cloud, &w.settings, draft, e))
            }
            Step::Readdress {
                interface,
                secondary,
            } => {
                let interface = nth(self.cloud.interfaces(), *interface)?;
                let network = self
                    .cloud
                    .subnet(interface.subnet)?
                    .ipv4
                    .net()
                    .network()
                    .to_bits();
                let secondary = secondary
                    .iter()
                    .map(|n| std::net::Ipv4Addr::from_bits(network + u32::from(*n)));
                let update = interface::Update {
                    secondary_ipv4: Some(secondary.collect()),
                    ..Default::default()
                };
                let id = interface.id;
                self.run(|w, _| interface::update(&w.cloud, &w.settings, id, update, None))
            }
            Step::Group { vpc, name } => {
                let vpc = nth(self.cloud.vpcs(), *vpc)?.id;
                let draft = group_draft(vpc, &format!("g{name}"));
                self.run(|w, e| security_group::create(&w.cloud, &w.settings, draft, e))
            }
            Step::Delete { kind, nth } => {
                let key = self.cloud.list(Kind::ALL[*kind], None).nth(*nth)?.key();
                self.run(|w, _| delete(&w.cloud, key))
            }
        })
    }
}

fn delete(cloud: &Cloud, key: ResourceKey) -> Answer {
    match key {
        ResourceKey::Region(name) => region::delete(cloud, &name, None),
        ResourceKey::Zone(name) => zone::delete(cloud, &name, None),
        ResourceKey::Host(name) => host::delete(cloud, &name, None),
        ResourceKey::Vpc(id) => vpc::delete(cloud, id, None),
        ResourceKey::RouteTable(id) => super::super::route_table::delete(cloud, id, None),
        ResourceKey::SecurityGroup(id) => security_group::delete(cloud, id, None),
        ResourceKey::PrefixList(id) => super::super::prefix_list::delete(cloud, id, None),
        ResourceKey::NetworkAcl(id) => super::super::network_acl::delete(cloud, id, None),
        ResourceKey::Subnet(id) => subnet::delete(cloud, id, None),
        ResourceKey::Interface(id) => interface::delete(cloud, id, None),
        ResourceKey::Peering(id) => super::super::peering::delete(cloud, id, None),
        ResourceKey::TransitGateway(id) => super::super::transit_gateway::delete(cloud, id, None),
        ResourceKey::TransitTable(id) => super::super::transit_table::delete(cloud, id, None),
        ResourceKey::TransitAttachment(id) => {
            super::super::transit_attachment::delete(cloud, id, None)
        }
        ResourceKey::PublicPool(id) => public_pool::delete(cloud, id, None),
        ResourceKey::ElasticAddress(id) => elastic_address::delete(cloud, id, None),
        ResourceKey::InternetGateway(id) => internet_gateway::delete(cloud, id, None),
        ResourceKey::EgressGateway(id) => egress_gateway::delete(cloud, id, None),
        ResourceKey::NatGateway(id) => super::super::nat_gateway::delete(cloud, id, None),
        // Nobody deletes one by name.
        ResourceKey::PortLease(_) => Err(OpError::NotFound(key)),
        ResourceKey::FlowLog(id) => super::super::flow_log::delete(cloud, id, None),
        ResourceKey::MirrorFilter(id) => super::super::mirror::delete_filter(cloud, id, None),
        ResourceKey::MirrorSession(id) => super::super::mirror::delete(cloud, id, None),
        ResourceKey::PrivateZone(id) => super::super::private_zone::delete(cloud, id, None),
        ResourceKey::TargetGroup(id) => super::super::target_group::delete(cloud, id, None),
        ResourceKey::Balancer(id) => super::super::balancer::delete(cloud, id, None),
        ResourceKey::Listener(id) => super::super::listener::delete(cloud, id, None),
    }
}

fn no_address_twice(cloud: &Cloud) {
    let mut seen = BTreeSet::new();
    let mut macs = BTreeSet::new();
    for interface in cloud.interfaces() {
        for address in interface.addresses() {
            assert!(
                seen.insert((interface.vpc, address)),
                "{address} is held twice"
            );
        }
        assert!(
            macs.insert(interface.mac),
            "{} is held twice",
            interface.mac
        );
    }
}

fn no_subnets_overlap(cloud: &Cloud) {
    let subnets: Vec<_> = cloud.subnets().collect();
    for (i, a) in subnets.iter().enumerate() {
        for b in subnets[..i].iter().filter(|b| b.vpc == a.vpc) {
            assert!(!a.ipv4.overlaps(b.ipv4), "{} and {}", a.ipv4, b.ipv4);
            assert!(a.ipv6.is_none() || a.ipv6 != b.ipv6, "{:?} twice", a.ipv6);
        }
    }
}

/// Whatever a resource names exists.
fn nothing_dangles(cloud: &Cloud) {
    for vpc in cloud.vpcs() {
        assert!(cloud.region(&vpc.region).is_some());
        assert!(cloud.route_table(vpc.main_route_table).is_some());
        assert!(cloud.security_group(vpc.default_group).is_some());
        assert!(cloud.network_acl(vpc.default_acl).is_some());
    }
    for subnet in cloud.subnets() {
        assert!(cloud.vpc(subnet.vpc).is_some() && cloud.zone(&subnet.zone).is_some());
    }
    for interface in cloud.interfaces() {
        assert!(cloud.subnet(interface.subnet).is_some());
        assert!(
            interface
                .groups
                .iter()
                .all(|&group| cloud.security_group(group).is_some())
        );
        let host = interface
            .attachment
            .as_ref()
            .map(|place| cloud.host(&place.host));
        assert!(host.is_none_or(|host| host.is_some()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn invariants_hold_after_any_commands(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in &steps {
            let before = world.cloud.clone();
            let Some(Ok(changes)) = world.take(step) else {
                prop_assert_eq!(&world.cloud, &before);
                continue;
            };
            let mut undone = world.cloud.clone();
            let inverse: Vec<Change> = changes.iter().map(Change::inverse).collect();
            undone.apply(&inverse);
            prop_assert_eq!(&undone, &before, "a change and its inverse leave nothing");
        }
        no_address_twice(&world.cloud);
        no_subnets_overlap(&world.cloud);
        nothing_dangles(&world.cloud);
        let rebuilt = Cloud::from_resources(world.cloud.resources());
        prop_assert_eq!(&rebuilt, &world.cloud, "indexes follow from the resources alone");
    }

    #[test]
    fn what_is_released_is_given_again(taken in 1usize..11, freed in 0usize..11) {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        let subnet = world.subnet(vpc, "10.0.1.0/28");
        let ids: Vec<InterfaceId> = (0..taken).map(|_| world.interface(interface::Draft::new(subnet))).collect();
        let id = ids[freed % taken];
        let had = world.cloud.interface(id).unwrap().clone();
        world.ok(|w, _| interface::delete(&w.cloud, id, None));
        let again = world.interface(interface::Draft::new(subnet));
        let again = world.cloud.interface(again).unwrap();
        prop_assert_eq!((again.ipv4, &again.ipv6), (had.ipv4, &had.ipv6));
    }
}
