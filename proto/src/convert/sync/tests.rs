use weft_model::{
    AccountId, AclAction, AclEntry, BalancerId, Carried, DnsForward, FlowLogId, Health,
    HealthCheck, IcmpMatch, IdleTimeout, IdleTimeouts, InterfaceId, ListenerId, LogFormat,
    LogInterval, LogScope, LogTraffic, MetadataOptions, MirrorAction, MirrorFilterId, MirrorRule,
    MirrorSessionId, MirrorTarget, NatGatewayId, NetworkAclId, Peer, PeeringId, PortMatch,
    PortOptions, PortRange, PrivateZoneId, Probe, Protocol, RateLimits, RecordData, RecordKind,
    RecordSet, RouteInTransit, RouteTableId, RouteTarget, Rule, RuleId, SecurityGroupId, SubnetId,
    TargetGroupId, TransitAttachmentId, TransitGatewayId, TransitHop, TransitTableId, Ttl, Vni,
    VpcDns, VpcId, VpcInTransit, Weight, ZoneInVpc,
    state::{
        AclState, BalancerAddress, BalancerState, DnsZoneState, Edge, FlowLogState, Front,
        FrontHost, GroupState, ListenerState, Mapping, MirrorState, PeeringState, Port, Public,
        RouteState, RouteTableState, Served, SubnetState, TargetGroupState, TargetState, Tunnel,
        VpcState,
    },
    state::{LeaseState, NatState, TransitAttachmentState, TransitRouteState, TransitTargetState},
};

use super::*;

const VPC: VpcId = VpcId::from_bits(1);
const SUBNET: SubnetId = SubnetId::from_bits(2);
const TABLE: RouteTableId = RouteTableId::from_bits(3);
const GROUP: SecurityGroupId = SecurityGroupId::from_bits(4);
const ACL: NetworkAclId = NetworkAclId::from_bits(6);
const TARGETS: TargetGroupId = TargetGroupId::from_bits(6);
const ENI: InterfaceId = InterfaceId::from_bits(5);

fn group() -> GroupState {
    let rule = |id, traffic, peer| Rule {
        id: RuleId::from_bits(id),
        traffic,
        peer,
        description: None,
    };
    GroupState {
        id: GROUP,
        vpc: VPC,
        ingress: vec![
            rule(1, PortMatch::All, Peer::Group(GROUP)),
            rule(
                2,
                PortMatch::Icmp(Some(IcmpMatch {
                    kind: 8,
                    code: None,
                })),
                Peer::Cidr("10.0.0.0/8".parse().unwrap()),
            ),
        ],
        egress: vec![rule(
            3,
            PortMatch::Tcp(PortRange::one(443)),
            Peer::Cidr("::/0".parse().unwrap()),
        )],
        name: "web servers".parse().unwrap(),
    }
}

fn acl() -> AclState {
    let entry = |number: u16, action, traffic, prefix: &str| AclEntry {
        number: number.try_into().unwrap(),
        action,
        traffic,
        prefix: prefix.parse().unwrap(),
    };
    let ports = PortMatch::Tcp(PortRange::new(1024, 65535).unwrap());
    AclState {
        id: ACL,
        vpc: VPC,
        ingress: vec![
            entry(100, AclAction::Deny, PortMatch::All, "10.0.0.0/8"),
            entry(32766, AclAction::Allow, PortMatch::Icmpv6(None), "::/0"),
        ],
        egress: vec![entry(1, AclAction::Allow, ports, "0.0.0.0/0")],
    }
}

fn port() -> Port {
    Port {
        interface: ENI,
        vpc: VPC,
        subnet: SUBNET,
        mac: Mac::local(5),
        ipv4: "10.0.0.4".parse().unwrap(),
        secondary_ipv4: vec!["10.0.0.5".parse().unwrap()],
        public: vec![("10.0.0.4".parse().unwrap(), "203.0.113.1".parse().unwrap())],
        ipv6: vec!["fd00::4".parse().unwrap()],
        groups: vec![GROUP],
        source_dest_check: true,
        netns: "web-1".parse().unwrap(),
        device: "eth0".parse().unwrap(),
        name: Some("web 1".parse().unwrap()),
        options: Box::new(options()),
    }
}

fn options() -> PortOptions {
    PortOptions {
        limits: RateLimits {
            egress_bits: Some(1_000_000.try_into().unwrap()),
            connections: Some(50.try_into().unwrap()),
            ..RateLimits::default()
        },
        timeouts: IdleTimeouts {
            tcp_established: Some(3600.try_into().unwrap()),
            ..IdleTimeouts::default()
        },
        user_data: b"#!/bin/sh".to_vec().try_into().unwrap(),
        metadata: MetadataOptions {
            tokens_required: false,
            ..MetadataOptions::default()
        },
    }
}

fn zone() -> DnsZoneState {
    DnsZoneState {
        id: ZoneInVpc {
            zone: PrivateZoneId::from_bits(6),
            vpc: VPC,
        },
        domain: "corp.internal".parse().unwrap(),
        records: vec![RecordSet {
            name: "_pg._tcp.corp.internal".parse().unwrap(),
            kind: RecordKind::Srv,
            ttl: Ttl::DEFAULT,
            values: vec![RecordData::parse(RecordKind::Srv, "0 1 5432 db.corp.internal").unwrap()],
        }],
    }
}

fn mapping() -> Mapping {
    Mapping {
        interface: ENI,
        vpc: VPC,
        subnet: SUBNET,
        host: "h1".parse().unwrap(),
        mac: Mac::local(5),
        addresses: vec!["10.0.0.4".parse().unwrap(), "fd00::4".parse().unwrap()],
        groups: vec![GROUP],
        source_dest_check: false,
        dns_label: Some("web-1".parse().unwrap()),
    }
}

fn targets() -> TargetGroupState {
    TargetGroupState {
        id: TARGETS,
        vpc: VPC,
        health_check: HealthCheck::new(Probe::Http),
        preserve_client_address: false,
        targets: vec![TargetState {
            interface: ENI,
            zone: "a".parse().unwrap(),
            addresses: vec!["10.0.0.4".parse().unwrap(), "fd00::4".parse().unwrap()],
            port: 8080,
            weight: Weight::ONE,
            draining: true,
            health: Health::Unhealthy,
        }],
    }
}

fn balancer() -> BalancerState {
    BalancerState {
        id: BalancerId::from_bits(6),
        vpc: VPC,
        addresses: vec![BalancerAddress {
            subnet: SUBNET,
            address: "10.0.0.9".parse().unwrap(),
            public: Some("203.0.113.9".parse().unwrap()),
        }],
        cross_zone: true,
        listeners: vec![ListenerState {
            id: ListenerId::from_bits(7),
            protocol: Carried::TcpUdp,
            port: 80,
            target_group: TARGETS,
            idle_timeout: IdleTimeout::DEFAULT,
        }],
    }
}

#[test]
fn a_finding_comes_back_as_it_went() {
    let key = (TARGETS, "fd00::4".parse().unwrap(), 8080);
    for reason in [None, Some("it refused the connection")] {
        let read = read_health(&write_health(key, reason)).unwrap();
        assert_eq!(read, (key, reason.map(str::to_owned)));
    }
}

fn mirror() -> MirrorState {
    MirrorState {
        id: MirrorSessionId::from_bits(10),
        vpc: VPC,
        source: InterfaceId::from_bits(3),
        target: MirrorTarget::File,
        filter: MirrorFilterId::from_bits(11),
        ingress: vec![MirrorRule {
            number: 5.try_into().unwrap(),
            action: MirrorAction::Reject,
            protocol: Some(Protocol::TCP),
            source: "10.0.0.0/8".parse().unwrap(),
            destination: "0.0.0.0/0".parse().unwrap(),
            source_ports: PortRange::ALL,
            destination_ports: PortRange::one(22),
        }],
        egress: vec![],
        number: 7.try_into().unwrap(),
        packet_length: Some(64.try_into().unwrap()),
        vni: Vni::try_from(4711).unwrap(),
    }
}

fn flow_log() -> FlowLogState {
    FlowLogState {
        id: FlowLogId::from_bits(9),
        vpc: VPC,
        region: "r".parse().unwrap(),
        account: AccountId::default(),
        scope: LogScope::Interface(ENI),
        traffic: LogTraffic::Reject,
        interval: LogInterval::Minute,
        format: LogFormat::default(),
    }
}

fn table() -> RouteTableState {
    let route = |destination: &str, target| RouteState {
        destination: destination.parse().unwrap(),
        target,
    };
    RouteTableState {
        id: TABLE,
        vpc: VPC,
        routes: vec![
            route("10.0.0.0/16", RouteTarget::Local),
            route("0.0.0.0/0", RouteTarget::Interface(ENI)),
            route("192.0.2.0/24", RouteTarget::Blackhole),
        ],
    }
}

fn vpc() -> VpcState {
    VpcState {
        id: VPC,
        vni: Vni::try_from(77).unwrap(),
        ipv4: vec!["10.0.0.0/16".parse().unwrap()],
        ipv6: vec!["fd00::/56".parse().unwrap()],
        region: "r1".parse().unwrap(),
        dns: VpcDns {
            support: true,
            hostnames: false,
            forwards: vec![DnsForward {
                domain: Some("corp.example".parse().unwrap()),
                servers: vec!["192.0.2.53".parse().unwrap()],
            }],
        },
    }
}

fn transit() -> [State; 3] {
    [
        State::TransitTarget(TransitTargetState {
            id: VpcInTransit {
                table: TransitTableId::from_bits(2),
                vpc: VPC,
            },
        }),
        State::TransitRoute(TransitRouteState {
            id: RouteInTransit {
                table: TransitTableId::from_bits(2),
                destination: "fd00::/56".parse().unwrap(),
            },
            hop: Some(TransitHop {
                attachment: TransitAttachmentId::from_bits(3),
                vpc: VPC,
            }),
        }),
        State::TransitAttachment(TransitAttachmentState {
            id: TransitAttachmentId::from_bits(3),
            gateway: TransitGatewayId::from_bits(4),
            vpc: VPC,
            table: None,
        }),
    ]
}

fn one_of_each() -> Vec<State> {
    let mut states = vec![
        State::Tunnel(Tunnel {
            host: "h2".parse().unwrap(),
            vtep: "192.0.2.2".parse().unwrap(),
            zone: "a".parse().unwrap(),
        }),
        State::Vpc(vpc()),
        State::Peering(PeeringState {
            id: PeeringId::from_bits(6),
            requester: VPC,
            accepter: VpcId::from_bits(7),
        }),
        State::Mapping(mapping()),
        State::Group(group()),
        State::Acl(acl()),
        State::Subnet(SubnetState {
            id: SUBNET,
            vpc: VPC,
            zone: "a".parse().unwrap(),
            ipv4: "10.0.0.0/24".parse().unwrap(),
            ipv6: None,
            route_table: TABLE,
            acl: ACL,
        }),
        State::DnsZone(zone()),
        State::Port(port()),
        State::Nat(NatState {
            id: NatGatewayId::from_bits(3),
            vpc: VPC,
            subnet: SUBNET,
            public: "203.0.113.5".parse().unwrap(),
            private: "10.0.0.9".parse().unwrap(),
        }),
        State::Lease(LeaseState {
            key: "203.0.113.5:1280".parse().unwrap(),
            host: "h2".parse().unwrap(),
            vtep: "192.0.2.2".parse().unwrap(),
        }),
        State::RouteTable(table()),
        State::FlowLog(flow_log()),
        State::Mirror(mirror()),
        State::TargetGroup(targets()),
        State::Balancer(balancer()),
        State::Edge(Edge {
            host: "h9".parse().unwrap(),
            vtep: "192.0.2.9".parse().unwrap(),
        }),
        State::Front(Front {
            address: "203.0.113.9".parse().unwrap(),
            hosts: vec![FrontHost {
                host: "h1".parse().unwrap(),
                vtep: "192.0.2.1".parse().unwrap(),
                lost: true,
            }],
        }),
        State::Public(Public {
            address: "203.0.113.7".parse().unwrap(),
            host: "h1".parse().unwrap(),
            vtep: "192.0.2.1".parse().unwrap(),
            mac: Mac::local(7),
        }),
        State::Served(Served {
            prefix: "203.0.113.0/24".parse().unwrap(),
        }),
    ];
    states.extend(transit());
    states
}

#[test]
fn every_kind_comes_back_as_it_went() {
    let states = one_of_each();
    assert_eq!(states.len(), StateKind::ALL.len());
    for state in states {
        let sent = wire::Resource::from(&state);
        let received = wire::Resource::decode(&sent.encode_to_vec()[..]).unwrap();
        assert_eq!(State::try_from(&received), Ok(state.clone()));
        assert_eq!(key_as_written(&sent), wire::Key::from(&state.key()));
        assert_eq!(StateKey::try_from(&key_as_written(&sent)), Ok(state.key()));
    }
}

#[test]
fn versions_are_the_same_on_every_build() {
    let versions: Vec<_> = one_of_each()
        .iter()
        .map(|state| wire::Resource::from(state).version)
        .collect();
    let state = &one_of_each()[0];
    // FNV-1a's own published test vector, then one of ours: were either to change, every host
    // would be sent everything again.
    assert_eq!(digest(b"foobar"), 0x8594_4171_f739_67e8);
    assert_eq!(wire::Resource::from(state).version, TUNNEL_VERSION);
    let distinct: std::collections::BTreeSet<_> = versions.iter().collect();
    assert_eq!(distinct.len(), versions.len());
}

/// Worked out by hand from the message's bytes: `12 0d 0a 02 'h' '2' 12 04 c0 00 02 02
/// 52 01 'a'`.
const TUNNEL_VERSION: u64 = 0x12fc_cad4_664d_7abc;

#[test]
fn any_change_of_a_body_changes_its_version() {
    let version = |state: &State| wire::Resource::from(state).version;
    let before = version(&State::Mapping(mapping()));
    let mut moved = mapping();
    moved.host = "h2".parse().unwrap();
    let mut regrouped = mapping();
    regrouped.groups.clear();
    assert_ne!(version(&State::Mapping(moved)), before);
    assert_ne!(version(&State::Mapping(regrouped)), before);
}

#[test]
fn one_bad_resource_is_refused_by_name_and_the_rest_is_read() {
    let mut update = wire::Update {
        resources: one_of_each().iter().map(Into::into).collect(),
        removed: vec![wire::Key::from(&StateKey::Port(ENI))],
        ..Default::default()
    };
    let is_mapping = |state: &State| matches!(state, State::Mapping(_));
    let at = one_of_each().iter().position(is_mapping).unwrap();
    let Some(wire::resource::Body::Mapping(body)) = &mut update.resources[at].body else {
        panic!("it is the mapping");
    };
    body.mac = vec![1, 2];
    body.addresses[1].pop();
    let received = read_update(&update);
    assert_eq!(received.deltas.len(), one_of_each().len());
    let last = received.deltas.last();
    assert_eq!(last, Some(&(Delta::Remove(StateKey::Port(ENI)), 0)));
    let [nack] = &received.refused[..] else {
        panic!("one refusal: {:?}", received.refused);
    };
    assert_eq!(nack.key, Some(wire::Key::from(&StateKey::Mapping(ENI))));
    assert_eq!(nack.version, update.resources[at].version);
    assert!(nack.reason.contains("mac: is 2 bytes"), "{}", nack.reason);
    assert!(
        nack.reason.contains("addresses[1]: is 15 bytes"),
        "{}",
        nack.reason
    );
}

#[test]
fn a_removal_that_names_nothing_is_refused() {
    let update = wire::Update {
        removed: vec![
            wire::Key {
                kind: "nonsense".to_owned(),
                name: "x".to_owned(),
            },
            wire::Key {
                kind: "vpc".to_owned(),
                name: "x".to_owned(),
            },
        ],
        resources: vec![wire::Resource::default()],
        ..Default::default()
    };
    let received = read_update(&update);
    assert!(received.deltas.is_empty());
    let reasons: Vec<_> = received.refused.iter().map(|n| n.reason.as_str()).collect();
    assert!(reasons[0].contains("body: is required"), "{reasons:?}");
    assert!(
        reasons[1].contains("kind: is not one of tunnel, edge"),
        "{reasons:?}"
    );
    assert!(
        reasons[2].contains("name: is not the name of a vpc"),
        "{reasons:?}"
    );
}
