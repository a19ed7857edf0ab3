//! Load balancers that face the internet: hosts 0 to 2 have targets, hosts 3 and 4 are edges.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use weft_engine::{
    DropReason, Now,
    testing::{Eni, Family, Fate, Net, Seg, Tenant, any4, everything, frames::Way, tcp_port},
};
use weft_model::{
    BalancerId, Carried, Health, HealthCheck, IdleTimeout, InternetGatewayId, ListenerId, Mac,
    Probe, RouteTableId, RouteTarget, TargetGroupId, Vni, Weight,
    state::{
        BalancerAddress, BalancerState, Delta, Edge, Front, FrontHost, ListenerState, RouteState,
        RouteTableState, Served, State, SubnetState, TargetGroupState, TargetState,
    },
};
use weft_packet::{
    headers::{Body, Headers, L4, tcp_flags},
    icmp, vxlan,
};

const EDGES: [usize; 2] = [3, 4];
const PUBLIC4: &str = "203.0.113.9";
const PRIVATE4: &str = "10.0.1.200";
const ADDRESS6: &str = "fd00:0:0:101::c8";
const GROUP: TargetGroupId = TargetGroupId::from_bits(7);
const LISTENED: u16 = 80;
const SERVED: u16 = 8080;

/// One target on the first host, two on the second, one on the third, and four more to come.
struct World {
    net: Net,
    tenant: Tenant,
    targets: Vec<Eni>,
    health: Vec<Health>,
    draining: Vec<bool>,
    registered: usize,
    lost: BTreeSet<usize>,
    /// Whether targets see their clients.
    preserve: bool,
}

impl World {
    fn new() -> Self {
        let mut net = Net::new(5);
        let tenant = net.tenant(1);
        let internet = RouteTarget::InternetGateway(InternetGatewayId::from_bits(1));
        net.routes(tenant, &[("0.0.0.0/0", internet), ("::/0", internet)]);
        let all = net.group(tenant, 1, everything(), everything());
        let places = [0, 1, 1, 2, 0, 1, 2, 2].into_iter().enumerate();
        let targets = places.map(|(n, host)| {
            let subnet = u8::try_from(n % 2 + 1).unwrap();
            net.attach(
                tenant,
                host,
                (subnet, u8::try_from(20 + n).unwrap()),
                &[all],
            )
        });
        let targets: Vec<Eni> = targets.collect();
        for edge in EDGES {
            let (host, vtep) = (net.host_name(edge), net.vtep(edge));
            net.everywhere(&Delta::Upsert(State::Edge(Edge { host, vtep })));
            for prefix in ["203.0.113.0/24", "fd00:0:0:100::/56"] {
                let prefix = prefix.parse().unwrap();
                net.on(edge, &Delta::Upsert(State::Served(Served { prefix })));
            }
        }
        let mut world = Self {
            net,
            tenant,
            health: vec![Health::Healthy; targets.len()],
            draining: vec![false; targets.len()],
            registered: 4,
            targets,
            lost: BTreeSet::new(),
            preserve: true,
        };
        world.publish();
        world.listen();
        world
    }

    fn publish(&mut self) {
        let each = self.targets.iter().enumerate().take(self.registered);
        let targets = each.map(|(i, target)| TargetState {
            interface: target.interface,
            zone: "a".parse().unwrap(),
            addresses: vec![target.ipv4().into(), target.ipv6().into()],
            port: SERVED,
            weight: Weight::ONE,
            draining: self.draining[i],
            health: self.health[i],
        });
        let state = TargetGroupState {
            id: GROUP,
            vpc: self.tenant.vpc,
            health_check: HealthCheck::new(Probe::Tcp),
            preserve_client_address: self.preserve,
            targets: targets.collect(),
        };
        self.net
            .everywhere(&Delta::Upsert(State::TargetGroup(state)));
        self.tell_edges();
    }

    /// What is in the second subnet has no way out of the VPC.
    fn close_off_the_second_subnet(&mut self) {
        let table = RouteTableId::from_bits(99);
        let locals = self.tenant.blocks().map(|block| RouteState {
            destination: block.parse().unwrap(),
            target: RouteTarget::Local,
        });
        let state = RouteTableState {
            id: table,
            vpc: self.tenant.vpc,
            routes: locals.to_vec(),
        };
        self.net
            .everywhere(&Delta::Upsert(State::RouteTable(state)));
        let subnet = SubnetState {
            route_table: table,
            ..self.net.subnet_state(self.tenant, 2)
        };
        self.net.everywhere(&Delta::Upsert(State::Subnet(subnet)));
    }

    fn tell_edges(&mut self) {
        let hosts = (0..3).map(|n| FrontHost {
            host: self.net.host_name(n),
            vtep: self.net.vtep(n),
            lost: self.lost.contains(&n),
        });
        let hosts: Vec<FrontHost> = hosts.collect();
        for family in Family::BOTH {
            let front = Front {
                address: public(family),
                hosts: hosts.clone(),
            };
            for edge in EDGES {
                let state = State::Front(front.clone());
                self.net.on(edge, &Delta::Upsert(state));
            }
        }
    }

    fn listen(&mut self) {
        let addresses = [(PRIVATE4, PUBLIC4), (ADDRESS6, ADDRESS6)];
        let addresses = addresses.map(|(address, public)| BalancerAddress {
            subnet: self.tenant.subnet(1),
            address: address.parse().unwrap(),
            public: Some(public.parse().unwrap()),
        });
        let state = BalancerState {
            id: BalancerId::from_bits(5),
            vpc: self.tenant.vpc,
            addresses: addresses.to_vec(),
            cross_zone: false,
            listeners: vec![ListenerState {
                id: ListenerId::from_bits(6),
                protocol: Carried::TcpUdp,
                port: LISTENED,
                target_group: GROUP,
                idle_timeout: IdleTimeout::DEFAULT,
            }],
        };
        self.net.everywhere(&Delta::Upsert(State::Balancer(state)));
    }

    /// A frame as the kernel of an edge gives it to the device.
    fn way(family: Family) -> Way {
        Way {
            src_mac: Mac::EDGE,
            dst_mac: Mac::EDGE,
            src: client(family),
            dst: public(family),
            ttl: 60,
            dont_fragment: true,
        }
    }

    fn tcp(&mut self, edge: usize, family: Family, port: u16, seg: Seg) -> Fate {
        let frame = Self::way(family).tcp((port, LISTENED), seg, b"");
        self.net.from_outside(edge, frame)
    }

    /// The target that got the frame.
    #[track_caller]
    fn target(&self, fate: &Fate) -> usize {
        let found = self.targets.iter().position(|target| fate.reached(target));
        found.unwrap_or_else(|| panic!("no target: {fate:?}"))
    }

    /// What the target answers, as it leaves the cloud.
    fn answer(&mut self, from: usize, family: Family, port: u16, seg: Seg) -> Fate {
        let target = self.targets[from].clone();
        let way = self.net.way_out(&target, client(family));
        self.net.send(&target, way.tcp((SERVED, port), seg, b""))
    }

    /// A whole handshake, by an edge after the other; who it was with.
    fn connect(&mut self, family: Family, port: u16) -> usize {
        let fate = self.tcp(EDGES[0], family, port, Seg::SYN);
        let target = self.target(&fate);
        let fate = self.answer(target, family, port, Seg::SYN_ACK);
        assert_eq!(fate.outside.len(), 1, "{fate:?}");
        let fate = self.tcp(EDGES[1], family, port, Seg::ACK);
        assert_eq!(self.target(&fate), target);
        target
    }

    fn connect_many(&mut self, ports: std::ops::Range<u16>) -> BTreeMap<u16, usize> {
        ports
            .map(|port| (port, self.connect(Family::V4, port)))
            .collect()
    }
}

fn client(family: Family) -> IpAddr {
    match family {
        Family::V4 => "198.51.100.7".parse().unwrap(),
        Family::V6 => "2001:db8:7::7".parse().unwrap(),
    }
}

fn public(family: Family) -> IpAddr {
    match family {
        Family::V4 => PUBLIC4.parse().unwrap(),
        Family::V6 => ADDRESS6.parse().unwrap(),
    }
}

fn ends(frame: &[u8]) -> ((IpAddr, u16), (IpAddr, u16), u8) {
    let headers = Headers::parse(frame).unwrap();
    let Body::Ip(ip) = headers.body else {
        panic!("no IP");
    };
    assert!(weft_packet::checksum::verify_l3(frame, &ip).is_ok());
    assert!(weft_packet::checksum::verify_l4(frame, &ip));
    match ip.l4_kind {
        L4::Tcp {
            src, dst, flags, ..
        } => ((ip.src, src), (ip.dst, dst), flags),
        L4::Udp { src, dst } => ((ip.src, src), (ip.dst, dst), 0),
        _ => panic!("no ports"),
    }
}

/// Whether the client was told that its connection is no more.
#[track_caller]
fn is_reset(fate: &Fate, reason: DropReason) {
    assert_eq!(fate.dropped(), reason);
    let [reset] = fate.outside.as_slice() else {
        panic!("no reset: {fate:?}");
    };
    let (src, dst, flags) = ends(reset);
    assert_eq!(src, (public(Family::V4), LISTENED));
    assert_eq!(dst.0, client(Family::V4));
    assert_ne!(flags & tcp_flags::RST, 0);
}

#[test]
fn a_target_sees_the_internets_client_and_that_sees_the_balancer() {
    for family in Family::BOTH {
        let mut world = World::new();
        for port in 5000..5016 {
            let fate = world.tcp(EDGES[0], family, port, Seg::SYN);
            let target = world.target(&fate);
            let own = world.targets[target].clone();
            let (src, dst, _) = ends(fate.at(&own)[0]);
            assert_eq!(src, (client(family), port));
            assert_eq!(dst, (own.address(family), SERVED));
            assert!(fate.wire.iter().all(|wire| wire.vni == Vni::OUTSIDE));
            let fate = world.answer(target, family, port, Seg::SYN_ACK);
            let (src, dst, _) = ends(&fate.outside[0]);
            assert_eq!(src, (public(family), LISTENED));
            assert_eq!(dst, (client(family), port));
        }
    }
}

#[test]
fn connections_from_the_internet_stay_with_their_targets_whichever_edge_brings_them() {
    let mut world = World::new();
    let before = world.connect_many(5000..5100);
    let used: BTreeSet<usize> = before.values().copied().collect();
    assert_eq!(used.len(), 4, "{before:?}");
    world.registered = 8;
    world.publish();
    for (n, (&port, &target)) in before.iter().enumerate() {
        let fate = world.tcp(EDGES[n % 2], Family::V4, port, Seg::ACK);
        assert_eq!(world.target(&fate), target);
    }
    let after = world.connect_many(6000..6100);
    assert!(after.values().any(|&target| target >= 4), "{after:?}");
}

#[test]
fn a_lost_host_that_picked_takes_no_connection_along_while_the_targets_are_the_same() {
    let mut world = World::new();
    let before = world.connect_many(5000..5200);
    world.lost.insert(0);
    world.tell_edges();
    for (&port, &target) in &before {
        let fate = world.tcp(EDGES[0], Family::V4, port, Seg::ACK);
        assert_eq!(world.target(&fate), target);
    }
    world.lost.clear();
    world.tell_edges();
    for (&port, &target) in &before {
        let fate = world.tcp(EDGES[1], Family::V4, port, Seg::ACK);
        assert_eq!(world.target(&fate), target);
    }
}

#[test]
fn only_connections_that_both_changes_concern_are_reset() {
    let mut world = World::new();
    let before = world.connect_many(5000..5400);
    world.registered = 5;
    world.publish();
    world.lost.insert(0);
    world.tell_edges();
    let mut reset = 0;
    for (&port, &target) in &before {
        let fate = world.tcp(EDGES[0], Family::V4, port, Seg::ACK);
        if fate.delivered.is_empty() {
            is_reset(&fate, DropReason::BalancerNoConnection);
            reset += 1;
        } else {
            assert_eq!(world.target(&fate), target);
        }
    }
    // A third was picked there, of which a fifth has another target by now.
    println!("{reset} of {} reset", before.len());
    assert!(reset * 100 < before.len() * 15, "{reset}");
}

#[test]
fn a_segment_from_the_internet_of_no_connection_is_reset() {
    let mut world = World::new();
    for port in 5000..5010 {
        let fate = world.tcp(EDGES[0], Family::V4, port, Seg::ACK);
        is_reset(&fate, DropReason::BalancerNoConnection);
    }
}

#[test]
fn an_idle_connection_from_the_internet_is_reset_after_its_timeout() {
    let mut world = World::new();
    let target = world.connect(Family::V4, 5000);
    world.net.pass(340 * Now::SECOND);
    let fate = world.tcp(EDGES[0], Family::V4, 5000, Seg::ACK);
    assert_eq!(world.target(&fate), target);
    world.net.pass(352 * Now::SECOND);
    let fate = world.tcp(EDGES[0], Family::V4, 5000, Seg::ACK);
    is_reset(&fate, DropReason::BalancerNoConnection);
}

#[test]
fn connections_from_the_internet_are_reset_when_their_target_is_unhealthy_unless_all_are() {
    let mut world = World::new();
    let before = world.connect_many(5000..5050);
    world.health[0] = Health::Unhealthy;
    world.publish();
    for (&port, &target) in &before {
        let fate = world.tcp(EDGES[0], Family::V4, port, Seg::ACK);
        match target {
            0 => is_reset(&fate, DropReason::BalancerTargetUnhealthy),
            _ => assert_eq!(world.target(&fate), target),
        }
    }
    world.health = vec![Health::Unhealthy; 8];
    world.publish();
    let used: BTreeSet<usize> = world.connect_many(6000..6050).into_values().collect();
    assert_eq!(used.len(), 4);
}

#[test]
fn a_draining_target_keeps_what_the_internet_began_and_gets_no_more() {
    let mut world = World::new();
    let before = world.connect_many(5000..5050);
    world.draining[1] = true;
    world.publish();
    for (&port, &target) in &before {
        let fate = world.tcp(EDGES[1], Family::V4, port, Seg::ACK);
        assert_eq!(world.target(&fate), target);
    }
    let used: BTreeSet<usize> = world.connect_many(6000..6050).into_values().collect();
    assert!(!used.contains(&1), "{used:?}");
    // Nor does a SYN on an old connection's ports bring it one.
    for &port in before.keys() {
        let fate = world.tcp(EDGES[0], Family::V4, port, Seg::SYN);
        assert_ne!(world.target(&fate), 1);
    }
}

#[test]
fn groups_judge_the_client_of_the_internet() {
    let mut world = World::new();
    let tenant = world.tenant;
    world
        .net
        .group(tenant, 1, tcp_port(80, [any4()]), everything());
    let fate = world.tcp(EDGES[0], Family::V4, 5000, Seg::SYN);
    assert_eq!(
        fate.dropped(),
        DropReason::GroupIngress,
        "the target's port"
    );
    world
        .net
        .group(tenant, 1, tcp_port(SERVED, [any4()]), everything());
    let fate = world.tcp(EDGES[0], Family::V4, 5000, Seg::SYN);
    world.target(&fate);
}

#[test]
fn what_no_listener_takes_from_the_internet_is_dropped() {
    let mut world = World::new();
    let way = World::way(Family::V4);
    let pings = way.echo_request(7, b"ping");
    for frame in [way.tcp((5000, 81), Seg::SYN, b""), pings] {
        let fate = world.net.from_outside(EDGES[0], frame);
        assert_eq!(fate.dropped(), DropReason::BalancerUnserved);
    }
}

#[test]
fn a_datagram_in_pieces_reaches_one_target_whole() {
    let mut world = World::new();
    for (id, port) in (0u16..20).zip(5000..) {
        let way = Way {
            dont_fragment: false,
            ..World::way(Family::V4)
        };
        let mut targets = BTreeSet::new();
        for piece in way.udp_fragments(id, (port, LISTENED), &[7; 3000], 1200) {
            let fate = world.net.from_outside(EDGES[usize::from(id) % 2], piece);
            targets.insert(world.target(&fate));
        }
        assert_eq!(targets.len(), 1);
    }
}

#[test]
fn an_error_from_the_internet_about_an_answer_reaches_the_target_and_speaks_of_it() {
    let mut world = World::new();
    for port in 5000..5010 {
        let target = world.connect(Family::V4, port);
        let fate = world.answer(target, Family::V4, port, Seg::ACK);
        let about = fate.outside[0].clone();
        let way = Way {
            src: "192.0.2.77".parse().unwrap(),
            ..World::way(Family::V4)
        };
        let fate = world.net.from_outside(EDGES[1], way.unreachable(&about));
        assert_eq!(world.target(&fate), target);
        let own = world.targets[target].clone();
        let frame = fate.at(&own)[0];
        let Body::Ip(ip) = Headers::parse(frame).unwrap().body else {
            panic!("no IP");
        };
        let quote = icmp::embedded(frame, &ip).unwrap();
        assert_eq!((quote.src, quote.ports.0), (own.ipv4().into(), SERVED));
        assert_eq!((quote.dst, quote.ports.1), (client(Family::V4), port));
    }
}

#[test]
fn a_target_that_never_answered_says_its_error_whatever_its_own_routes() {
    for family in Family::BOTH {
        let mut world = World::new();
        world.close_off_the_second_subnet();
        for port in 5000..5020 {
            let asked = World::way(family).udp((port, LISTENED), b"x");
            let fate = world.net.from_outside(EDGES[0], asked);
            let target = world.targets[world.target(&fate)].clone();
            let about = fate.at(&target)[0].to_vec();
            let way = world.net.way_out(&target, client(family));
            let fate = world.net.send(&target, way.unreachable(&about));
            let [error] = fate.outside.as_slice() else {
                panic!("it went nowhere: {fate:?}");
            };
            let Body::Ip(ip) = Headers::parse(error).unwrap().body else {
                panic!("no IP");
            };
            let quote = icmp::embedded(error, &ip).unwrap();
            assert_eq!((ip.src, ip.dst), (public(family), client(family)));
            assert_eq!((quote.dst, quote.ports.1), (public(family), LISTENED));
        }
    }
}

#[test]
fn only_edges_ask_hosts_to_pick_and_only_those_give_on() {
    let mut world = World::new();
    let frame = |dst, src| {
        let way = Way {
            src_mac: src,
            dst_mac: dst,
            ..World::way(Family::V4)
        };
        let frame = way.tcp((5000, LISTENED), Seg::SYN, b"");
        [&vxlan::emit(Vni::OUTSIDE)[..], &frame].concat()
    };
    let ask = frame(Mac::pinning(0x0100), Mac::ROUTER);
    let other = world.net.vtep(1);
    let fate = world.net.inject(0, other, ask);
    assert_eq!(fate.dropped(), DropReason::EdgeUnknown);
    let own = world.targets[0].clone();
    let low = own.ipv4().to_bits() as u16;
    let given = frame(own.mac, Mac::pinned(low, SERVED));
    let edge = world.net.vtep(EDGES[0]);
    for (source, reason) in [
        ("198.18.0.1".parse().unwrap(), DropReason::VtepUnknown),
        (edge, DropReason::EdgeUnknown),
    ] {
        let fate = world.net.inject(0, source, given.clone());
        assert_eq!(fate.dropped(), reason);
    }
    let fate = world.net.inject(0, other, given);
    assert!(fate.reached(&own), "{fate:?}");
}

#[test]
fn nobody_speaks_as_the_balancer_but_its_targets_hosts() {
    let mut world = World::new();
    world.connect(Family::V4, 5000);
    let way = Way {
        src_mac: Mac::ROUTER,
        dst_mac: Mac::EDGE,
        ..World::way(Family::V4).back()
    };
    let frame = way.tcp((LISTENED, 5000), Seg::RST, b"");
    let payload = [&vxlan::emit(Vni::OUTSIDE)[..], &frame].concat();
    let other_edge = world.net.vtep(EDGES[1]);
    let fate = world.net.inject(EDGES[0], other_edge, payload);
    assert_eq!(fate.dropped(), DropReason::SourceElsewhere);
}

#[test]
fn a_target_that_may_not_see_the_internets_client_sees_the_balancer_and_answers_it() {
    for family in Family::BOTH {
        let mut world = World::new();
        world.preserve = false;
        world.publish();
        for port in 5000..5016 {
            let fate = world.tcp(EDGES[0], family, port, Seg::SYN);
            let target = world.target(&fate);
            let own = world.targets[target].clone();
            let (src, dst, _) = ends(fate.at(&own)[0]);
            let inside: IpAddr = match family {
                Family::V4 => PRIVATE4.parse().unwrap(),
                Family::V6 => ADDRESS6.parse().unwrap(),
            };
            assert_eq!(src.0, inside);
            assert_eq!(dst, (own.address(family), SERVED));
            let answer = world.net.way_out(&own, src.0);
            let answer = answer.tcp((SERVED, src.1), Seg::SYN_ACK, b"");
            let fate = world.net.send(&own, answer);
            let (from, to, _) = ends(&fate.outside[0]);
            assert_eq!(from, (public(family), LISTENED));
            assert_eq!(to, (client(family), port));
            let fate = world.tcp(EDGES[1], family, port, Seg::ACK);
            assert_eq!(ends(fate.at(&own)[0]).0, src, "it keeps its port");
        }
    }
}
