//! Peered VPCs.

use weft_engine::{
    DropObject, DropReason,
    testing::{Eni, Family, Fate, Net, Seg, Tenant, everything, group_peer, tcp_port},
};
use weft_model::{
    BalancerId, Carried, Health, HealthCheck, IdleTimeout, ListenerId, PeeringId, Probe,
    RouteTarget, TargetGroupId, Weight,
    state::{
        BalancerAddress, BalancerState, Delta, ListenerState, PeeringState, State, StateKey,
        TargetGroupState, TargetState,
    },
};

use crate::paths::{BACK, PORTS};

const PCX: PeeringId = PeeringId::from_bits(1);

/// Two tenants, a client of one and a server of the other, routes both ways.
struct World {
    net: Net,
    family: Family,
    one: Tenant,
    two: Tenant,
    client: Eni,
    server: Eni,
}

/// Within a host and across, over both families.
fn worlds() -> impl Iterator<Item = World> {
    let each = |host| Family::BOTH.map(|family| World::new(host, family));
    [0, 1].into_iter().flat_map(each)
}

fn peered(net: &mut Net, id: PeeringId, (one, two): (Tenant, Tenant)) {
    net.everywhere(&Delta::Upsert(State::Peering(PeeringState {
        id,
        requester: one.vpc,
        accepter: two.vpc,
    })));
}

/// Routes from a tenant to the blocks of others, by these peerings.
fn lead(net: &mut Net, from: Tenant, to: &[(Tenant, PeeringId)]) {
    let blocks: Vec<_> = (to.iter())
        .flat_map(|(to, id)| to.blocks().map(|block| (block, RouteTarget::Peering(*id))))
        .collect();
    let routes: Vec<_> = blocks.iter().map(|(block, to)| (&**block, *to)).collect();
    net.routes(from, &routes);
}

impl World {
    fn new(host: usize, family: Family) -> Self {
        let mut net = Net::new(2);
        let (one, two) = (net.tenant_in(1, 0), net.tenant_in(2, 5));
        peered(&mut net, PCX, (one, two));
        lead(&mut net, one, &[(two, PCX)]);
        lead(&mut net, two, &[(one, PCX)]);
        let clients = net.group(one, 1, vec![], everything());
        let servers = net.group(two, 1, everything(), vec![]);
        let client = net.attach(one, 0, (1, 10), &[clients]);
        let server = net.attach(two, host, (1, 20), &[servers]);
        Self {
            net,
            family,
            one,
            two,
            client,
            server,
        }
    }

    fn ask(&mut self, flags: Seg) -> Fate {
        let way = self.net.way(&self.client, &self.server, self.family);
        let client = self.client.clone();
        self.net.send(&client, way.tcp(PORTS, flags, b""))
    }

    fn answer(&mut self, flags: Seg) -> Fate {
        let way = self.net.way(&self.server, &self.client, self.family);
        let server = self.server.clone();
        self.net.send(&server, way.tcp(BACK, flags, b""))
    }
}

#[test]
fn a_connection_crosses_and_its_answers_come_back() {
    for mut world in worlds() {
        assert!(world.ask(Seg::SYN).reached(&world.server));
        assert!(world.answer(Seg::SYN_ACK).reached(&world.client));
        assert!(world.ask(Seg::ACK).reached(&world.server));
    }
}

#[test]
fn on_the_wire_it_is_the_destination_s_network() {
    let mut world = World::new(1, Family::V4);
    assert_eq!(world.ask(Seg::SYN).wire[0].vni, world.two.vni);
    let answer = world.answer(Seg::SYN_ACK);
    assert_eq!(answer.wire[0].vni, world.one.vni);
}

#[test]
fn the_router_takes_one_hop() {
    for mut world in worlds() {
        let mut way = world.net.way(&world.client, &world.server, world.family);
        let client = world.client.clone();
        way.ttl = 1;
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert_eq!(fate.drops[0].reason, DropReason::TtlExceeded);
        way.ttl = 2;
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert!(fate.reached(&world.server));
    }
}

#[test]
fn without_a_route_on_either_side_nothing_passes() {
    for mut world in worlds() {
        world.net.routes(world.two, &[]);
        assert!(world.ask(Seg::SYN).reached(&world.server));
        let fate = world.answer(Seg::SYN_ACK);
        assert_eq!(fate.dropped(), DropReason::NoRoute);
        let table = DropObject::RouteTable(world.two.table());
        assert_eq!(fate.drops[0].object, Some(table));
        world.net.routes(world.one, &[]);
        assert_eq!(world.ask(Seg::ACK).dropped(), DropReason::NoRoute);
    }
}

#[test]
fn the_end_of_a_peering_ends_its_connections() {
    for mut world in worlds() {
        assert!(world.ask(Seg::SYN).reached(&world.server));
        assert!(world.answer(Seg::SYN_ACK).reached(&world.client));
        world.net.everywhere(&Delta::Remove(StateKey::Peering(PCX)));
        assert_eq!(world.ask(Seg::ACK).dropped(), DropReason::Blackhole);
        // Nobody is behind the address any more, so the connection is over, and no rule lets one begin.
        assert_eq!(world.answer(Seg::ACK).dropped(), DropReason::GroupEgress);
    }
}

#[test]
fn a_host_takes_nothing_from_a_vpc_that_is_not_peered() {
    for family in Family::BOTH {
        let mut world = World::new(1, family);
        // The receiver's host has heard of the end already, the sender's has not.
        world.net.on(1, &Delta::Remove(StateKey::Peering(PCX)));
        assert_eq!(world.ask(Seg::SYN).dropped(), DropReason::SourceElsewhere);
    }
}

#[test]
fn peerings_are_not_transitive() {
    for mut world in worlds() {
        let three = world.net.tenant_in(3, 9);
        let other = PeeringId::from_bits(2);
        peered(&mut world.net, other, (world.two, three));
        let groups = world.net.group(three, 1, everything(), everything());
        let far = world.net.attach(three, 1, (1, 30), &[groups]);
        lead(&mut world.net, world.one, &[(world.two, PCX), (three, PCX)]);
        lead(
            &mut world.net,
            world.two,
            &[(world.one, PCX), (three, other)],
        );
        lead(
            &mut world.net,
            three,
            &[(world.two, other), (world.one, other)],
        );
        let client = world.client.clone();
        let way = world.net.way(&client, &far, world.family);
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert_eq!(fate.dropped(), DropReason::PeerNoMapping);
        assert_eq!(fate.drops[0].object, Some(DropObject::Peering(PCX)));
    }
}

#[test]
fn what_a_forwarder_sends_on_for_others_does_not_cross() {
    for mut world in worlds() {
        world.client.source_dest_check = false;
        let client = world.client.clone();
        world.net.update(&client);
        let mut way = world.net.way(&client, &world.server, world.family);
        way.src = match world.family {
            Family::V4 => "198.51.100.7".parse().unwrap(),
            Family::V6 => "2001:db8::7".parse().unwrap(),
        };
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert_eq!(fate.dropped(), DropReason::ForeignSource);
        assert_eq!(fate.drops[0].object, Some(DropObject::Peering(PCX)));
    }
}

#[test]
fn of_two_peered_vpcs_with_the_same_addresses_the_route_says_which_is_meant() {
    for mut world in worlds() {
        let (other, second) = (world.net.tenant_in(3, 0), PeeringId::from_bits(2));
        peered(&mut world.net, second, (other, world.two));
        lead(&mut world.net, other, &[(world.two, second)]);
        let groups = world.net.group(other, 1, vec![], everything());
        world.net.attach(other, 0, (1, 10), &[groups]);
        let rules = tcp_port(80, [group_peer(world.one.group(1))]);
        world.net.group(world.two, 1, rules, vec![]);
        for (to, id) in [(other, second), (world.one, PCX), (other, second)] {
            lead(&mut world.net, world.two, &[(to, id)]);
            let fate = world.ask(Seg::SYN);
            assert_eq!(fate.reached(&world.server), id == PCX);
        }
    }
}

#[test]
fn a_rule_may_name_a_group_of_the_peered_vpc_and_is_stale_after() {
    for mut world in worlds() {
        let members = world.one.group(1);
        let rules = tcp_port(80, [group_peer(members)]);
        world.net.group(world.two, 1, rules, vec![]);
        let other = world.net.group(world.one, 7, vec![], everything());
        let stranger = world.net.attach(world.one, 0, (1, 11), &[other]);
        let way = world.net.way(&stranger, &world.server, world.family);
        let fate = world.net.send(&stranger, way.tcp(PORTS, Seg::SYN, b""));
        assert_eq!(fate.dropped(), DropReason::GroupIngress);
        assert!(world.ask(Seg::SYN).reached(&world.server));
        assert!(world.answer(Seg::SYN_ACK).reached(&world.client));
    }
}

#[test]
fn a_connection_dies_with_the_interface_on_the_other_side() {
    for mut world in worlds() {
        assert!(world.ask(Seg::SYN).reached(&world.server));
        assert!(world.answer(Seg::SYN_ACK).reached(&world.client));
        let server = world.server.clone();
        world.net.detach(&server);
        assert_eq!(world.ask(Seg::ACK).dropped(), DropReason::PeerNoMapping);
    }
}

#[test]
fn too_large_a_packet_is_answered_on_the_sender_s_side() {
    for mut world in worlds() {
        assert!(world.ask(Seg::SYN).reached(&world.server));
        assert!(world.answer(Seg::SYN_ACK).reached(&world.client));
        let way = world.net.way(&world.client, &world.server, world.family);
        let client = world.client.clone();
        let large = way.tcp(PORTS, Seg::ACK, &[0; 2000]);
        let fate = world.net.send(&client, large);
        assert_eq!(fate.drops[0].reason, DropReason::TooBig);
        assert!(fate.reached(&client), "the router says how large it may be");
    }
}

const BALANCER: u16 = 80;

/// A load balancer of the second tenant before its server; its address.
fn balance(world: &mut World) -> std::net::IpAddr {
    let own = world.server.address(world.family);
    let address = match own {
        std::net::IpAddr::V4(a) => std::net::IpAddr::from((a.to_bits() | 0xf0).to_be_bytes()),
        std::net::IpAddr::V6(a) => std::net::IpAddr::from((a.to_bits() | 0xf0).to_be_bytes()),
    };
    let group = TargetGroupId::from_bits(7);
    let target = TargetState {
        interface: world.server.interface,
        zone: "b".parse().unwrap(),
        addresses: vec![world.server.ipv4().into(), world.server.ipv6().into()],
        port: PORTS.1,
        weight: Weight::ONE,
        draining: false,
        health: Health::Healthy,
    };
    let group_state = TargetGroupState {
        id: group,
        vpc: world.two.vpc,
        health_check: HealthCheck::new(Probe::Tcp),
        preserve_client_address: true,
        targets: vec![target],
    };
    let state = BalancerState {
        id: BalancerId::from_bits(5),
        vpc: world.two.vpc,
        addresses: vec![BalancerAddress {
            subnet: world.two.subnet(1),
            address,
            public: None,
        }],
        cross_zone: false,
        listeners: vec![ListenerState {
            id: ListenerId::from_bits(6),
            protocol: Carried::Tcp,
            port: BALANCER,
            target_group: group,
            idle_timeout: IdleTimeout::DEFAULT,
        }],
    };
    world
        .net
        .everywhere(&Delta::Upsert(State::TargetGroup(group_state)));
    world.net.everywhere(&Delta::Upsert(State::Balancer(state)));
    address
}

#[test]
fn a_peered_vpcs_balancer_is_reached_and_its_answers_come_from_it() {
    for mut world in worlds() {
        let address = balance(&mut world);
        let client = world.client.clone();
        for flags in [Seg::SYN, Seg::ACK] {
            let way = world.net.way_out(&client, address);
            let fate = world
                .net
                .send(&client, way.tcp((PORTS.0, BALANCER), flags, b""));
            assert!(fate.reached(&world.server), "{fate:?}");
            if flags == Seg::SYN {
                let fate = world.answer(Seg::SYN_ACK);
                assert!(fate.reached(&client), "{fate:?}");
                let frame = fate.at(&client)[0];
                let headers = weft_packet::headers::Headers::parse(frame).unwrap();
                let weft_packet::headers::Body::Ip(ip) = headers.body else {
                    panic!("no IP");
                };
                assert_eq!(ip.src, address);
            }
        }
        // Without a peering the way is gone, for connections too.
        let key = StateKey::Peering(PCX);
        world.net.everywhere(&Delta::Remove(key));
        let way = world.net.way_out(&client, address);
        let ports = (PORTS.0, BALANCER);
        let fate = world.net.send(&client, way.tcp(ports, Seg::ACK, b""));
        assert!(fate.delivered.is_empty(), "{fate:?}");
    }
}
