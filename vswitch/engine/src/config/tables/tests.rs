use std::sync::Arc;

use weft_model::{
    InterfaceId, Mac, Peer, PortMatch, Rule, RuleId, SecurityGroupId, SubnetId, Vni, VpcId,
    state::{Delta, GroupState, Mapping, Port, State, StateKey, SubnetState, Tunnel, VpcState},
};

use super::{Tables, TablesOptions};
use crate::config::{ApplyError, Config};

const VPC: VpcId = VpcId::from_bits(1);
const SUBNET: SubnetId = SubnetId::from_bits(1);
const GROUP: SecurityGroupId = SecurityGroupId::from_bits(1);

fn tables() -> Tables {
    Tables::new(TablesOptions {
        host: "h1".parse().unwrap(),
        vtep: "192.0.2.1".parse().unwrap(),
        mtu: 1450.try_into().unwrap(),
    })
}

fn vpc(id: VpcId, vni: u32) -> Delta {
    Delta::Upsert(State::Vpc(VpcState {
        id,
        vni: Vni::try_from(vni).unwrap(),
        ipv4: vec!["10.0.0.0/16".parse().unwrap()],
        ipv6: vec![],
        region: "r1".parse().unwrap(),
        dns: Default::default(),
    }))
}

fn subnet(id: SubnetId, vpc: VpcId) -> Delta {
    Delta::Upsert(State::Subnet(SubnetState {
        id,
        vpc,
        zone: "a".parse().unwrap(),
        ipv4: "10.0.1.0/24".parse().unwrap(),
        ipv6: None,
        route_table: weft_model::RouteTableId::from_bits(1),
        acl: weft_model::NetworkAclId::from_bits(1),
    }))
}

fn group(rules: u64) -> Delta {
    let rule = |id| Rule {
        id: RuleId::from_bits(id),
        traffic: PortMatch::All,
        peer: Peer::Group(GROUP),
        description: None,
    };
    Delta::Upsert(State::Group(GroupState {
        id: GROUP,
        vpc: VPC,
        ingress: (0..rules).map(rule).collect(),
        egress: vec![],
        name: "group".parse().unwrap(),
    }))
}

fn port_state(n: u8) -> Port {
    Port {
        interface: InterfaceId::from_bits(n.into()),
        vpc: VPC,
        subnet: SUBNET,
        mac: Mac::local(n.into()),
        ipv4: [10, 0, 1, n].into(),
        secondary_ipv4: vec![],
        ipv6: vec![],
        groups: vec![GROUP],
        source_dest_check: true,
        public: vec![],
        netns: "w".parse().unwrap(),
        device: "eth0".parse().unwrap(),
        name: None,
        options: Default::default(),
    }
}

fn port(n: u8) -> Delta {
    Delta::Upsert(State::Port(port_state(n)))
}

fn mapping(n: u32, host: &str) -> Delta {
    Delta::Upsert(State::Mapping(Mapping {
        interface: InterfaceId::from_bits(n.into()),
        vpc: VPC,
        subnet: SUBNET,
        host: host.parse().unwrap(),
        mac: Mac::local(n.into()),
        addresses: vec![std::net::Ipv4Addr::from(0x0a00_0000 + n).into()],
        groups: vec![],
        source_dest_check: true,
        dns_label: None,
    }))
}

fn filled(tables: &mut Tables, deltas: impl IntoIterator<Item = Delta>) -> Arc<Config> {
    for delta in deltas {
        tables.apply(delta).unwrap();
    }
    tables.publish()
}

fn generation(config: &Config) -> u32 {
    config.vpcs().find(|v| v.id == VPC).unwrap().generation
}

#[test]
fn a_bad_object_is_refused_by_name_and_the_rest_applies() {
    let mut tables = tables();
    let error = tables.apply(port(1)).unwrap_err();
    let interface = InterfaceId::from_bits(1);
    assert_eq!(
        error,
        ApplyError::PortVpc {
            interface,
            vpc: VPC
        }
    );
    tables.apply(vpc(VPC, 100)).unwrap();
    let error = tables.apply(port(1)).unwrap_err();
    assert_eq!(
        error,
        ApplyError::PortSubnet {
            interface,
            subnet: SUBNET,
            vpc: VPC
        }
    );
    tables.apply(subnet(SUBNET, VPC)).unwrap();
    tables.apply(port(1)).unwrap();
    assert_eq!(tables.publish().ports().count(), 1);
}

#[test]
fn a_port_in_another_vpcs_subnet_is_refused() {
    let mut tables = tables();
    let other = VpcId::from_bits(2);
    filled(
        &mut tables,
        [vpc(VPC, 100), vpc(other, 101), subnet(SUBNET, other)],
    );
    assert!(matches!(
        tables.apply(port(1)),
        Err(ApplyError::PortSubnet { .. })
    ));
}

#[test]
fn a_refused_update_leaves_what_was_there() {
    let mut tables = tables();
    filled(
        &mut tables,
        [vpc(VPC, 100), subnet(SUBNET, VPC), port(1), port(2)],
    );
    let mut twin = port_state(2);
    twin.mac = Mac::local(1);
    let refused = tables.apply(Delta::Upsert(State::Port(twin)));
    assert!(matches!(refused, Err(ApplyError::PortMac { .. })));
    let config = tables.publish();
    let held = config.port_of(InterfaceId::from_bits(2)).unwrap();
    assert_eq!(held.mac, Mac::local(2));
}

#[test]
fn two_vpcs_never_share_a_vni() {
    let mut tables = tables();
    tables.apply(vpc(VPC, 100)).unwrap();
    let refused = tables.apply(vpc(VpcId::from_bits(2), 100));
    assert!(matches!(refused, Err(ApplyError::VniTaken { .. })));
}

#[test]
fn removals_in_any_order_leave_nothing() {
    let keys = [
        StateKey::Vpc(VPC),
        StateKey::Subnet(SUBNET),
        StateKey::Port(InterfaceId::from_bits(1)),
        StateKey::Group(GROUP),
        StateKey::Mapping(InterfaceId::from_bits(1)),
    ];
    for first in 0..keys.len() {
        let mut tables = tables();
        let all = [
            vpc(VPC, 100),
            group(1),
            subnet(SUBNET, VPC),
            mapping(1, "h1"),
            port(1),
        ];
        filled(&mut tables, all);
        for n in 0..keys.len() {
            let key = keys[(first + n) % keys.len()].clone();
            tables.apply(Delta::Remove(key.clone())).unwrap();
            tables.apply(Delta::Remove(key)).unwrap();
        }
        let config = tables.publish();
        assert_eq!((config.ports().count(), config.vpcs().count()), (0, 0));
        assert!(config.endpoints.is_empty() && config.by_interface.is_empty());
    }
}

#[test]
fn a_port_is_withdrawn_with_its_subnet_and_comes_back_with_it() {
    let mut tables = tables();
    let config = filled(&mut tables, [vpc(VPC, 100), subnet(SUBNET, VPC), port(1)]);
    let before = config.ports().next().unwrap().0;
    let config = filled(&mut tables, [Delta::Remove(StateKey::Subnet(SUBNET))]);
    assert_eq!(config.ports().count(), 0);
    let config = filled(&mut tables, [subnet(SUBNET, VPC)]);
    assert_ne!(config.ports().next().unwrap().0, before);
}

#[test]
fn a_slot_is_reused_under_another_handle() {
    let mut tables = tables();
    let config = filled(&mut tables, [vpc(VPC, 100), subnet(SUBNET, VPC), port(1)]);
    let old = config.ports().next().unwrap().0;
    let gone = Delta::Remove(StateKey::Port(InterfaceId::from_bits(1)));
    let config = filled(&mut tables, [gone, port(2)]);
    let new = config.ports().next().unwrap().0;
    assert_eq!(old.slot(), new.slot());
    assert_ne!(old, new);
    assert!(config.port(old).is_none() && config.port(new).is_some());
}

#[test]
fn an_update_keeps_the_ports_handle() {
    let mut tables = tables();
    let config = filled(&mut tables, [vpc(VPC, 100), subnet(SUBNET, VPC), port(1)]);
    let old = config.ports().next().unwrap().0;
    let mut changed = port_state(1);
    changed.groups.clear();
    let config = filled(&mut tables, [Delta::Upsert(State::Port(changed))]);
    assert_eq!(config.ports().next().unwrap().0, old);
}

#[test]
fn ports_with_the_same_groups_share_one_policy_and_get_its_change() {
    let mut tables = tables();
    let all = [
        vpc(VPC, 100),
        subnet(SUBNET, VPC),
        group(1),
        port(1),
        port(2),
    ];
    let config = filled(&mut tables, all);
    let policies = |config: &Config| -> Vec<_> {
        config
            .ports()
            .map(|(_, port)| Arc::clone(&port.policy))
            .collect()
    };
    let before = policies(&config);
    assert!(Arc::ptr_eq(&before[0], &before[1]));
    let after = policies(&filled(&mut tables, [group(2)]));
    assert!(Arc::ptr_eq(&after[0], &after[1]) && !Arc::ptr_eq(&before[0], &after[0]));
}

#[test]
fn one_mapping_more_shares_all_but_its_shard_with_the_version_before() {
    let mut tables = tables();
    let deltas = (1..=2000).map(|n| mapping(n, "h2"));
    let before = filled(&mut tables, std::iter::once(vpc(VPC, 100)).chain(deltas));
    let after = filled(&mut tables, [mapping(3000, "h2")]);
    let shards = |config: &Config| config.vpcs().next().unwrap().mappings.shards();
    let copied = shards(&before)
        .into_iter()
        .zip(shards(&after))
        .filter(|(old, new)| old != new)
        .count();
    assert_eq!(copied, 2, "one by address, one by interface");
    assert_ne!(generation(&before), generation(&after));
}

#[test]
fn what_is_held_already_is_no_change() {
    let mut tables = tables();
    let all = [vpc(VPC, 100), group(1), mapping(1, "h2")];
    let before = filled(&mut tables, all);
    let after = filled(&mut tables, [group(1), mapping(1, "h2")]);
    assert_eq!(generation(&before), generation(&after));
}

#[test]
fn an_address_belongs_to_its_newest_holder() {
    let mut tables = tables();
    let moved = |interface: u64| {
        let Delta::Upsert(State::Mapping(mut m)) = mapping(9, "h2") else {
            unreachable!()
        };
        m.interface = InterfaceId::from_bits(interface);
        Delta::Upsert(State::Mapping(m))
    };
    let old = StateKey::Mapping(InterfaceId::from_bits(1));
    let config = filled(
        &mut tables,
        [vpc(VPC, 100), moved(1), moved(2), Delta::Remove(old)],
    );
    let holder = config
        .vpcs()
        .next()
        .unwrap()
        .mapping([10, 0, 0, 9].into())
        .unwrap();
    assert_eq!(holder.interface, InterfaceId::from_bits(2));
}

#[test]
fn a_host_keeps_its_slot_when_its_vtep_changes() {
    let mut tables = tables();
    let tunnel = |vtep: &str| {
        Delta::Upsert(State::Tunnel(Tunnel {
            host: "h2".parse().unwrap(),
            vtep: vtep.parse().unwrap(),
            zone: "a".parse().unwrap(),
        }))
    };
    let config = filled(
        &mut tables,
        [vpc(VPC, 100), mapping(1, "h2"), tunnel("192.0.2.2")],
    );
    let slot = config.tunnels().host("192.0.2.2".parse().unwrap()).unwrap();
    let config = filled(&mut tables, [tunnel("192.0.2.9")]);
    assert_eq!(
        config.tunnels().vtep(slot),
        Some("192.0.2.9".parse().unwrap())
    );
    assert_eq!(config.tunnels().host("192.0.2.2".parse().unwrap()), None);
}
