//! Through a NAT gateway: hosts 0 and 1 have workloads, host 2 is an edge.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
};

use weft_engine::{
    DropObject, DropReason, Limits, Now,
    testing::{Eni, Family, Fate, Net, Seg, Tenant, everything, frames::Way, pass_all},
};
use weft_model::{
    InternetGatewayId, LeaseKey, Mac, NatGatewayId, RouteTableId, RouteTarget,
    state::{
        Delta, Edge, LeaseState, NatState, RouteState, RouteTableState, Served, State, StateKey,
        SubnetState,
    },
};
use weft_packet::{
    headers::{Body, Headers, Ip, L4, tcp_flags::RST},
    vxlan,
};

const EDGE: usize = 2;
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const SERVER: &str = "198.51.100.7";
const NAT: NatGatewayId = NatGatewayId::from_bits(7);

struct World {
    net: Net,
    tenant: Tenant,
    /// On hosts 0 and 1.
    enis: [Eni; 2],
}

fn lease(net: &mut Net, key: LeaseKey, holder: usize) {
    let state = LeaseState {
        key,
        host: net.host_name(holder),
        vtep: net.vtep(holder),
    };
    for host in [holder, EDGE] {
        net.on(host, &Delta::Upsert(State::Lease(state.clone())));
    }
}

impl World {
    fn new(blocks: u8) -> Self {
        Self::with_limits(blocks, &Limits::default())
    }

    /// Each host holds so many blocks.
    fn with_limits(blocks: u8, limits: &Limits) -> Self {
        let mut net = Net::with_limits(3, limits);
        let tenant = net.tenant(1);
        net.routes(tenant, &[("0.0.0.0/0", RouteTarget::Nat(NAT))]);
        let mut world = Self {
            enis: [(0, 10), (1, 20)].map(|(host, last)| {
                let all = net.group(tenant, 1, everything(), everything());
                net.attach(tenant, host, (1, last), &[all])
            }),
            net,
            tenant,
        };
        world.public_subnet();
        for (n, key) in LeaseKey::all(PUBLIC)
            .take(2 * usize::from(blocks))
            .enumerate()
        {
            lease(&mut world.net, key, n % 2);
        }
        world
    }

    /// Subnet 2 leads to the internet and has the gateway.
    fn public_subnet(&mut self) {
        let tenant = self.tenant;
        let table = RouteTableId::from_bits(99);
        let route = |destination: &str, target| RouteState {
            destination: destination.parse().unwrap(),
            target,
        };
        let internet = RouteTarget::InternetGateway(InternetGatewayId::from_bits(1));
        let net = &mut self.net;
        net.everywhere(&Delta::Upsert(State::RouteTable(RouteTableState {
            id: table,
            vpc: tenant.vpc,
            routes: vec![
                route("10.0.0.0/16", RouteTarget::Local),
                route("0.0.0.0/0", internet),
            ],
        })));
        let subnet = net.subnet_state(tenant, 2);
        net.everywhere(&Delta::Upsert(State::Subnet(SubnetState {
            route_table: table,
            ..subnet
        })));
        net.everywhere(&Delta::Upsert(State::Nat(NatState {
            id: NAT,
            vpc: tenant.vpc,
            subnet: tenant.subnet(2),
            public: PUBLIC,
            private: Ipv4Addr::new(10, 0, 2, 4),
        })));
        let (host, vtep) = (net.host_name(EDGE), net.vtep(EDGE));
        net.everywhere(&Delta::Upsert(State::Edge(Edge { host, vtep })));
        let prefix = "203.0.113.0/24".parse().unwrap();
        net.on(EDGE, &Delta::Upsert(State::Served(Served { prefix })));
    }

    fn way(&self, n: usize) -> Way {
        self.net.way_out(&self.enis[n], SERVER.parse().unwrap())
    }

    /// As the edge's kernel gives it.
    fn back(&self) -> Way {
        Way {
            src_mac: Mac::EDGE,
            dst_mac: Mac::EDGE,
            src: SERVER.parse().unwrap(),
            dst: PUBLIC.into(),
            ttl: 60,
            dont_fragment: true,
        }
    }

    fn tcp(&mut self, n: usize, ports: (u16, u16), seg: Seg) -> Fate {
        let frame = self.way(n).tcp(ports, seg, b"");
        self.net.send(&self.enis[n], frame)
    }

    fn udp(&mut self, n: usize, ports: (u16, u16)) -> Fate {
        let frame = self.way(n).udp(ports, b"question");
        self.net.send(&self.enis[n], frame)
    }

    fn of_server(&mut self, frame: Vec<u8>) -> Fate {
        self.net.from_outside(EDGE, frame)
    }
}

/// The packet that left, as the internet sees it.
#[track_caller]
fn left(fate: &Fate) -> Ip {
    let [out] = fate.outside.as_slice() else {
        panic!("{fate:?}");
    };
    ip(out)
}

#[track_caller]
fn ip(frame: &[u8]) -> Ip {
    let Body::Ip(ip) = Headers::parse(frame).unwrap().body else {
        panic!("no IP");
    };
    assert!(weft_packet::checksum::verify_l3(frame, &ip).is_ok());
    assert!(weft_packet::checksum::verify_l4(frame, &ip));
    ip
}

#[test]
fn connections_of_every_host_share_the_address_and_find_their_way_back() {
    let mut world = World::new(1);
    for n in [0, 1] {
        let seen = left(&world.tcp(n, (4000, 80), Seg::SYN));
        assert_eq!(seen.src, IpAddr::V4(PUBLIC));
        assert_eq!(seen.ttl, 63);
        let port = seen.ports().0;
        let answer = world.back().tcp((80, port), Seg::SYN_ACK, b"");
        let fate = world.of_server(answer);
        assert!(fate.reached(&world.enis[n]), "{fate:?}");
        let got = ip(fate.at(&world.enis[n])[0]);
        assert_eq!(got.dst, IpAddr::V4(world.enis[n].ipv4()));
        assert_eq!(got.ports(), (80, 4000));
        let seen = left(&world.tcp(n, (4000, 80), Seg::ACK));
        assert_eq!(seen.ports().0, port, "a connection keeps its port");
    }
}

#[test]
fn a_port_serves_one_connection_per_destination_and_many_destinations() {
    let mut world = World::new(1);
    let mut ports = HashSet::new();
    for port in 0..256 {
        let seen = left(&world.udp(0, (10_000 + port, 53)));
        assert!(ports.insert(seen.ports().0));
    }
    for port in 0..256 {
        let seen = left(&world.udp(0, (10_000 + port, 54)));
        assert!(!ports.insert(seen.ports().0), "used again for another port");
    }
}

#[test]
fn the_55001st_connection_to_a_destination_is_refused_and_counted() {
    let limits = Limits {
        flows_per_port: 1 << 17,
        ..Limits::default()
    };
    let mut world = World::with_limits(108, &limits);
    let mut live = HashSet::new();
    let mut refused = 0;
    for n in 0..60_000_u32 {
        // 30,000 of each host: one of them runs out before the other.
        let host = (n % 2) as usize;
        let fate = world.udp(host, ((n / 2) as u16 + 1000, 53));
        if fate.outside.is_empty() {
            assert_eq!(fate.dropped(), DropReason::NatExhausted);
            assert_eq!(fate.drops[0].object, Some(DropObject::Nat(NAT)));
            refused += 1;
        } else {
            assert!(live.insert(left(&fate).ports().0), "no port twice");
        }
    }
    assert_eq!((live.len(), refused), (55_000, 5_000));
    let counted: u64 = (0..2)
        .map(|host| {
            let drops = &world.net.engine(host).counters().drops;
            drops.get(DropReason::NatExhausted)
        })
        .sum();
    assert_eq!(counted, 5_000);
    // Another destination has all of them again, and time gives this one's back.
    assert_eq!(world.udp(0, (1000, 54)).outside.len(), 1);
    world.net.pass(349 * Now::SECOND);
    assert_eq!(
        world.udp(0, (999, 53)).dropped(),
        DropReason::NatExhausted,
        "not before their time"
    );
    world.net.pass(2 * Now::SECOND);
    assert_eq!(world.udp(0, (999, 53)).outside.len(), 1);
}

#[test]
fn what_nobody_asked_for_does_not_come_in() {
    let mut world = World::new(1);
    left(&world.udp(0, (4000, 53)));
    for port in [1024, 1025, 56_023] {
        let frame = world.back().udp((9999, port), b"unasked");
        let drop = world.of_server(frame).dropped();
        let known = [DropReason::NatNoConnection, DropReason::NotPublic];
        assert!(known.contains(&drop), "{drop:?}");
    }
}

#[test]
fn a_ping_is_translated_by_its_identifier() {
    let mut world = World::new(1);
    for n in [0, 1] {
        let frame = world.way(n).echo_request(77, b"ping");
        let seen = left(&world.net.send(&world.enis[n], frame));
        let L4::Icmp { id, .. } = seen.l4_kind else {
            panic!("{seen:?}");
        };
        let fate = world.of_server(world.back().echo_reply(id, b"ping"));
        assert!(fate.reached(&world.enis[n]), "{fate:?}");
        let got = ip(fate.at(&world.enis[n])[0]);
        assert!(matches!(got.l4_kind, L4::Icmp { id: 77, .. }), "{got:?}");
    }
}

#[test]
fn errors_from_the_internet_come_back_about_what_was_sent() {
    let mut world = World::new(1);
    let fate = world.udp(1, (4000, 53));
    let router = Way {
        src: "192.0.2.200".parse().unwrap(),
        ..world.back()
    };
    let fate = world.of_server(router.unreachable(&fate.outside[0]));
    assert!(fate.reached(&world.enis[1]), "{fate:?}");
    let frame = fate.at(&world.enis[1])[0];
    let got = ip(frame);
    assert_eq!(got.src, router.src);
    let quote = weft_packet::icmp::embedded(frame, &got).unwrap();
    assert_eq!(quote.src, IpAddr::V4(world.enis[1].ipv4()));
    assert_eq!(quote.ports, (4000, 53));
}

#[test]
fn fragments_pass_both_ways() {
    let mut world = World::new(1);
    let mut port = 0;
    for piece in world.way(0).udp_fragments(9, (4000, 53), &[7; 3000], 1200) {
        let fate = world.net.send(&world.enis[0], piece);
        let [out] = fate.outside.as_slice() else {
            panic!("{fate:?}");
        };
        let Body::Ip(seen) = Headers::parse(out).unwrap().body else {
            panic!("no IP");
        };
        assert_eq!(seen.src, IpAddr::V4(PUBLIC));
        if seen.l4_kind != L4::LaterFragment {
            port = seen.ports().0;
        }
    }
    for piece in world.back().udp_fragments(9, (53, port), &[7; 3000], 1200) {
        let fate = world.of_server(piece);
        assert!(fate.reached(&world.enis[0]), "{fate:?}");
    }
}

#[test]
fn an_idle_connection_is_forgotten_after_350_s_and_its_sender_is_told() {
    let mut world = World::new(1);
    let port = left(&world.tcp(0, (4000, 80), Seg::SYN)).ports().0;
    let answer = world.back().tcp((80, port), Seg::SYN_ACK, b"");
    world.of_server(answer);
    left(&world.tcp(0, (4000, 80), Seg::ACK));
    world.net.pass(349 * Now::SECOND);
    left(&world.tcp(0, (4000, 80), Seg::ACK));
    world.net.pass(352 * Now::SECOND);
    let fate = world.tcp(0, (4000, 80), Seg::ACK);
    assert_eq!(fate.drops[0].reason, DropReason::NatIdle);
    let told = ip(fate.at(&world.enis[0])[0]);
    assert!(matches!(told.l4_kind, L4::Tcp { flags, .. } if flags & 4 != 0));
    assert_eq!(told.src, SERVER.parse::<IpAddr>().unwrap());
}

#[test]
fn nobody_reaches_the_gateways_own_address_from_inside() {
    let mut world = World::new(1);
    let way = world.net.way_out(&world.enis[0], PUBLIC.into());
    let fate = world.net.send(&world.enis[0], way.udp((1, 2), b""));
    assert_eq!(fate.dropped(), DropReason::NatHairpin);
}

#[test]
fn a_gateway_whose_subnet_leads_nowhere_names_the_table() {
    let mut world = World::new(1);
    let subnet = world.net.subnet_state(world.tenant, 2);
    world.net.everywhere(&Delta::Upsert(State::Subnet(subnet)));
    let fate = world.udp(0, (4000, 53));
    assert_eq!(fate.dropped(), DropReason::NatNoExit);
    let table = DropObject::RouteTable(world.tenant.table());
    assert_eq!(fate.drops[0].object, Some(table));
}

#[test]
fn a_gateway_that_is_gone_ends_its_connections() {
    let mut world = World::new(1);
    let port = left(&world.udp(0, (4000, 53))).ports().0;
    world.net.everywhere(&Delta::Remove(StateKey::Nat(NAT)));
    for key in LeaseKey::all(PUBLIC) {
        world.net.everywhere(&Delta::Remove(StateKey::Lease(key)));
    }
    assert_eq!(world.udp(0, (4000, 53)).dropped(), DropReason::Blackhole);
    let fate = world.of_server(world.back().udp((53, port), b"late"));
    assert_eq!(fate.dropped(), DropReason::NotPublic);
}

#[test]
fn a_connection_whose_route_leads_elsewhere_ends_and_its_sender_is_told() {
    let mut world = World::new(1);
    let port = left(&world.tcp(0, (4000, 80), Seg::SYN)).ports().0;
    let answer = world.back().tcp((80, port), Seg::SYN_ACK, b"");
    assert!(world.of_server(answer).reached(&world.enis[0]));
    world.enis[0].public = vec![(world.enis[0].ipv4(), Ipv4Addr::new(203, 0, 113, 77))];
    world.net.update(&world.enis[0]);
    let internet = RouteTarget::InternetGateway(InternetGatewayId::from_bits(1));
    world.net.routes(world.tenant, &[("0.0.0.0/0", internet)]);
    let fate = world.tcp(0, (4000, 80), Seg::ACK);
    assert_eq!(fate.drops[0].reason, DropReason::NatIdle, "{fate:?}");
    let reset = ip(fate.at(&world.enis[0])[0]);
    assert!(matches!(reset.l4_kind, L4::Tcp { flags, .. } if flags & RST != 0));
    // A new one has the interface's own address.
    let fate = world.tcp(0, (4000, 80), Seg::SYN);
    let seen = ip(&fate.wire[0].payload[vxlan::HEADER..]);
    assert_eq!(seen.src, IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)));
}

#[test]
fn other_protocols_do_not_pass() {
    let mut world = World::new(1);
    let frame = world.way(0).raw(47, b"gre");
    let fate = world.net.send(&world.enis[0], frame);
    assert_eq!(fate.dropped(), DropReason::NatUntranslatable);
    assert_eq!(Family::V4, Family::BOTH[0]);
}

#[test]
fn a_ping_without_an_identifier_is_given_one() {
    let mut world = World::new(1);
    let frame = world.way(0).echo_request(0, b"ping");
    let seen = left(&world.net.send(&world.enis[0], frame));
    let id = seen.ports().0;
    let fate = world.of_server(world.back().echo_reply(id, b"ping"));
    assert!(fate.reached(&world.enis[0]), "{fate:?}");
    let got = ip(fate.at(&world.enis[0])[0]);
    assert!(matches!(got.l4_kind, L4::Icmp { id: 0, .. }), "{got:?}");
}

/// A UDP connection through the gateway, whose port this is.
fn asked(world: &mut World) -> u16 {
    let port = left(&world.udp(0, (4000, 53))).ports().0;
    let answer = world.back().udp((53, port), b"answer");
    assert!(world.of_server(answer).reached(&world.enis[0]));
    port
}

/// Everything leaves by the middlebox on the other host from now on.
fn lead_to_middlebox(world: &mut World) {
    world.enis[1].source_dest_check = false;
    let middlebox = world.enis[1].clone();
    world.net.update(&middlebox);
    let target = RouteTarget::Interface(middlebox.interface);
    world.net.routes(world.tenant, &[("0.0.0.0/0", target)]);
}

#[test]
fn what_belongs_to_a_translated_connection_goes_nowhere_else_than_by_its_gateway() {
    let mut world = World::new(1);
    let pieces = world.way(0).udp_fragments(9, (4000, 53), &[7; 3000], 1200);
    left_of(&world.net.send(&world.enis[0], pieces[0].clone()));
    let port = asked(&mut world);
    lead_to_middlebox(&mut world);
    let fate = world.net.send(&world.enis[0], pieces[1].clone());
    assert_eq!(
        fate.dropped(),
        DropReason::NatIdle,
        "a later piece: {fate:?}"
    );
    let got = Way {
        src: SERVER.parse().unwrap(),
        dst: world.enis[0].ipv4().into(),
        ..world.way(0).back()
    };
    let error = world.way(0).unreachable(&got.udp((53, 4000), b"answer"));
    let fate = world.net.send(&world.enis[0], error);
    assert_eq!(fate.dropped(), DropReason::NatIdle, "an error: {fate:?}");
    // Answers still come until the connection itself hears of it.
    let fate = world.of_server(world.back().udp((53, port), b"more"));
    assert!(fate.reached(&world.enis[0]), "{fate:?}");
}

#[track_caller]
fn left_of(fate: &Fate) {
    assert_eq!(fate.outside.len(), 1, "{fate:?}");
}

#[test]
fn a_connection_ends_with_its_port_and_its_successor_is_not_refused() {
    let mut world = World::new(1);
    let port = left(&world.udp(0, (4000, 53))).ports().0;
    let leases: Vec<_> = LeaseKey::all(PUBLIC).take(2).collect();
    for key in &leases {
        world.net.everywhere(&Delta::Remove(StateKey::Lease(*key)));
    }
    for (n, key) in leases.into_iter().enumerate() {
        lease(&mut world.net, key, n);
    }
    let seen = left(&world.udp(0, (5000, 53)));
    assert_eq!(seen.ports().0, port, "it looks as the first one did");
    left(&world.udp(0, (4000, 53)));
}

#[test]
fn the_acl_of_the_gateways_subnet_ends_no_connection_and_holds_for_answers_whatever_the_route() {
    let mut world = World::new(1);
    let port = asked(&mut world);
    world.net.acl(world.tenant, 2, vec![], vec![]);
    assert_eq!(world.udp(0, (4000, 53)).dropped(), DropReason::AclIngress);
    lead_to_middlebox(&mut world);
    let fate = world.of_server(world.back().udp((53, port), b"more"));
    assert_eq!(fate.dropped(), DropReason::AclIngress, "{fate:?}");
    world
        .net
        .routes(world.tenant, &[("0.0.0.0/0", RouteTarget::Nat(NAT))]);
    world.net.acl(world.tenant, 2, pass_all(), pass_all());
    let seen = left(&world.udp(0, (4000, 53)));
    assert_eq!(seen.ports().0, port, "it goes on as it was");
}

#[test]
fn what_no_flow_is_made_of_takes_no_port() {
    let mut world = World::new(1);
    // An untracked connection from the internet to the interface's own public address.
    let public = Ipv4Addr::new(203, 0, 113, 77);
    world.enis[0].public = vec![(world.enis[0].ipv4(), public)];
    let eni = world.enis[0].clone();
    world.net.update(&eni);
    let internet = RouteTarget::InternetGateway(InternetGatewayId::from_bits(1));
    world.net.routes(world.tenant, &[("0.0.0.0/0", internet)]);
    let (vtep, mac) = (world.net.vtep(0), eni.mac);
    world.net.on(
        EDGE,
        &Delta::Upsert(State::Public(weft_model::state::Public {
            address: public.into(),
            host: world.net.host_name(0),
            vtep,
            mac,
        })),
    );
    let asks = Way {
        dst: public.into(),
        ..world.back()
    };
    let fate = world.of_server(asks.udp((53, 4000), b"hello"));
    assert!(fate.reached(&world.enis[0]), "{fate:?}");
    // Its rule goes, and the way out is through the gateway now.
    world.net.group(world.tenant, 1, vec![], everything());
    world
        .net
        .routes(world.tenant, &[("0.0.0.0/0", RouteTarget::Nat(NAT))]);
    let fate = world.udp(0, (4000, 53));
    assert_eq!(fate.dropped(), DropReason::NatUntranslatable, "{fate:?}");
    let first = LeaseKey::new(PUBLIC, 0).unwrap().ports().first();
    let seen = left(&world.udp(0, (5000, 53)));
    assert_eq!(seen.ports().0, first, "nothing has taken a port");
}
