//! Between workloads and the internet: hosts 0 and 1 have workloads, hosts 2 and 3 are edges.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use weft_model::{
    EgressGatewayId, InternetGatewayId, Mac, RouteTarget, Vni,
    state::{Delta, Edge, Public, Served, State, StateKey},
};
use weft_packet::{
    headers::{Body, Headers, Ip},
    vxlan,
};

use crate::{
    DropReason, Limits,
    testing::{Eni, Family, Fate, Net, Seg, Tenant, everything, frames::Way},
};

const EDGES: [usize; 2] = [2, 3];
const PUBLIC: [Ipv4Addr; 2] = [Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2)];

struct World {
    net: Net,
    tenant: Tenant,
    /// On hosts 0 and 1, each with a public address; the third has none.
    enis: [Eni; 3],
}

fn internet() -> RouteTarget {
    RouteTarget::InternetGateway(InternetGatewayId::from_bits(1))
}

impl World {
    fn new() -> Self {
        Self::over(Net::new(4))
    }

    fn over(mut net: Net) -> Self {
        let tenant = net.tenant(1);
        net.routes(tenant, &[("0.0.0.0/0", internet()), ("::/0", internet())]);
        let all = net.group(tenant, 1, everything(), everything());
        let mut enis = [
            net.attach(tenant, 0, (1, 10), &[all]),
            net.attach(tenant, 1, (2, 20), &[all]),
            net.attach(tenant, 0, (1, 30), &[all]),
        ];
        for edge in EDGES {
            let (host, vtep) = (net.host_name(edge), net.vtep(edge));
            net.everywhere(&Delta::Upsert(State::Edge(Edge { host, vtep })));
            for prefix in ["203.0.113.0/24", "fd00:0:0:100::/56"] {
                let prefix = prefix.parse().unwrap();
                net.on(edge, &Delta::Upsert(State::Served(Served { prefix })));
            }
        }
        for (eni, public) in enis.iter_mut().zip(PUBLIC) {
            eni.public = vec![(eni.ipv4(), public)];
            net.update(eni);
            publish(&mut net, eni, public.into());
        }
        for eni in &enis {
            publish(&mut net, eni, eni.ipv6().into());
        }
        Self { net, tenant, enis }
    }

    fn server(family: Family) -> IpAddr {
        match family {
            Family::V4 => "198.51.100.7".parse().unwrap(),
            Family::V6 => "2001:db8:7::7".parse().unwrap(),
        }
    }

    /// The address by which the internet knows the first or the second interface.
    fn known(&self, n: usize, family: Family) -> IpAddr {
        match family {
            Family::V4 => PUBLIC[n].into(),
            Family::V6 => self.enis[n].ipv6().into(),
        }
    }

    /// A frame as the kernel of an edge gives it to the device.
    fn of_internet(&self, n: usize, family: Family) -> Way {
        Way {
            src_mac: Mac::EDGE,
            dst_mac: Mac::EDGE,
            src: Self::server(family),
            dst: self.known(n, family),
            ttl: 60,
            dont_fragment: true,
        }
    }

    fn ask(&mut self, n: usize, family: Family) -> Fate {
        let way = self.net.way_out(&self.enis[n], Self::server(family));
        self.net
            .send(&self.enis[n], way.udp((4000, 53), b"question"))
    }
}

fn publish(net: &mut Net, eni: &Eni, address: IpAddr) {
    let public = Public {
        address,
        host: net.host_name(eni.host),
        vtep: net.vtep(eni.host),
        mac: eni.mac,
    };
    for edge in EDGES {
        net.on(edge, &Delta::Upsert(State::Public(public.clone())));
    }
}

fn ip(frame: &[u8]) -> Ip {
    let Body::Ip(ip) = Headers::parse(frame).unwrap().body else {
        panic!("no IP");
    };
    assert!(weft_packet::checksum::verify_l3(frame, &ip).is_ok());
    assert!(weft_packet::checksum::verify_l4(frame, &ip));
    ip
}

#[test]
fn a_packet_leaves_by_its_public_address_and_the_answer_comes_back_by_any_edge() {
    for family in Family::BOTH {
        let mut world = World::new();
        let fate = world.ask(0, family);
        let [out] = fate.outside.as_slice() else {
            panic!("{fate:?}");
        };
        let seen = ip(out);
        assert_eq!(seen.src, world.known(0, family));
        assert_eq!((seen.dst, seen.ttl), (World::server(family), 63));
        assert!(fate.wire.iter().all(|wire| wire.vni == Vni::OUTSIDE));
        for edge in EDGES {
            let back = world.of_internet(0, family);
            let fate = world
                .net
                .from_outside(edge, back.udp((53, 4000), b"answer"));
            assert!(fate.reached(&world.enis[0]), "{fate:?}");
            let got = ip(fate.at(&world.enis[0])[0]);
            assert_eq!(got.dst, world.enis[0].address(family));
        }
    }
}

#[test]
fn the_internet_may_begin_where_groups_let_it() {
    for family in Family::BOTH {
        let mut world = World::new();
        let way = world.of_internet(1, family);
        let fate = world.net.from_outside(2, way.tcp((999, 80), Seg::SYN, b""));
        assert!(fate.reached(&world.enis[1]), "{fate:?}");
        let none = world.net.group(world.tenant, 1, vec![], everything());
        assert_eq!(none, world.tenant.group(1));
        let fate = world.net.from_outside(3, way.tcp((998, 80), Seg::SYN, b""));
        assert_eq!(fate.dropped(), DropReason::GroupIngress);
    }
}

#[test]
fn without_a_public_address_nothing_leaves_and_nothing_comes() {
    let mut world = World::new();
    let fate = world.ask(2, Family::V4);
    assert_eq!(fate.dropped(), DropReason::NoPublicAddress);
    assert!(fate.wire.is_empty());
    let way = Way {
        dst: "203.0.113.77".parse().unwrap(),
        ..world.of_internet(0, Family::V4)
    };
    let fate = world.net.from_outside(2, way.udp((1, 2), b""));
    assert_eq!(fate.dropped(), DropReason::NotPublic);
}

#[test]
fn an_address_that_is_taken_off_stops_at_once() {
    let mut world = World::new();
    assert_eq!(world.ask(0, Family::V4).outside.len(), 1);
    world.enis[0].public.clear();
    let eni = world.enis[0].clone();
    world.net.update(&eni);
    assert_eq!(
        world.ask(0, Family::V4).dropped(),
        DropReason::NoPublicAddress
    );
    let back = world.of_internet(0, Family::V4);
    let fate = world.net.from_outside(2, back.udp((53, 4000), b"answer"));
    assert_eq!(fate.dropped(), DropReason::NotPublic);
}

#[test]
fn one_public_address_reaches_another_through_an_edge() {
    for family in Family::BOTH {
        let mut world = World::new();
        // Of another VPC in truth; here the routes make no difference for IPv4.
        if family == Family::V6 {
            continue;
        }
        let way = world.net.way_out(&world.enis[0], PUBLIC[1].into());
        let fate = world.net.send(&world.enis[0], way.udp((7, 8), b"hello"));
        assert!(fate.reached(&world.enis[1]), "{fate:?}");
        let got = ip(fate.at(&world.enis[1])[0]);
        assert_eq!(got.src, IpAddr::V4(PUBLIC[0]));
        assert_eq!(got.dst, world.enis[1].address(family));
        assert!(fate.outside.is_empty());
    }
}

#[test]
fn an_egress_only_gateway_lets_replies_in_and_nothing_else() {
    let mut world = World::new();
    let egress = RouteTarget::EgressGateway(EgressGatewayId::from_bits(1));
    world.net.routes(world.tenant, &[("::/0", egress)]);
    let back = world.of_internet(0, Family::V6);
    let fate = world.net.from_outside(2, back.udp((53, 4000), b"unasked"));
    assert_eq!(fate.dropped(), DropReason::EgressOnly);
    assert_eq!(world.ask(0, Family::V6).outside.len(), 1);
    let fate = world.net.from_outside(2, back.udp((53, 4000), b"answer"));
    assert!(fate.reached(&world.enis[0]), "{fate:?}");
}

#[test]
fn errors_about_what_left_come_back_about_what_was_sent() {
    for family in Family::BOTH {
        let mut world = World::new();
        let sent = world.ask(0, family).outside.remove(0);
        let mut back = world.of_internet(0, family);
        // A router on the way.
        back.src = match family {
            Family::V4 => "192.0.2.200".parse().unwrap(),
            Family::V6 => "2001:db8:ffff::1".parse().unwrap(),
        };
        let fate = world.net.from_outside(3, back.unreachable(&sent));
        assert!(fate.reached(&world.enis[0]), "{fate:?}");
        let frame = fate.at(&world.enis[0])[0];
        let got = ip(frame);
        assert_eq!(got.src, back.src);
        let quote = weft_packet::icmp::embedded(frame, &got).unwrap();
        assert_eq!(quote.src, world.enis[0].address(family));
        assert_eq!(quote.ports, (4000, 53));
    }
}

#[test]
fn an_error_by_the_workload_speaks_of_its_public_address() {
    let mut world = World::new();
    let way = world.of_internet(0, Family::V4);
    let fate = world.net.from_outside(2, way.udp((53, 9), b"hello"));
    let got = fate.at(&world.enis[0])[0].to_vec();
    let way = world.net.way_out(&world.enis[0], World::server(Family::V4));
    let fate = world.net.send(&world.enis[0], way.unreachable(&got));
    let [out] = fate.outside.as_slice() else {
        panic!("{fate:?}");
    };
    let seen = ip(out);
    assert_eq!(seen.src, IpAddr::V4(PUBLIC[0]));
    let quote = weft_packet::icmp::embedded(out, &seen).unwrap();
    assert_eq!(quote.dst, IpAddr::V4(PUBLIC[0]));
}

#[test]
fn fragments_pass_both_ways() {
    let mut world = World::new();
    let out = world.net.way_out(&world.enis[0], World::server(Family::V4));
    for piece in out.udp_fragments(9, (4000, 53), &[7; 3000], 1200) {
        let fate = world.net.send(&world.enis[0], piece);
        assert_eq!(fate.outside.len(), 1, "{fate:?}");
    }
    let back = world.of_internet(0, Family::V4);
    let mut ways = BTreeSet::new();
    for piece in back.udp_fragments(9, (53, 4000), &[7; 3000], 1200) {
        let fate = world.net.from_outside(2, piece);
        assert!(fate.reached(&world.enis[0]), "{fate:?}");
        ways.extend(fate.wire.iter().map(|wire| wire.entropy));
    }
    assert_eq!(ways.len(), 1, "none overtakes the first one");
}

#[test]
fn the_internet_carries_1500_bytes_however_large_the_inside_is() {
    let mut world = World::over(Net::with_mtu(4, &Limits::default(), 8950));
    for family in Family::BOTH {
        let headers = if family == Family::V4 { 28 } else { 48 };
        let way = world.net.way_out(&world.enis[0], World::server(family));
        for (size, leaves) in [(1500, true), (1501, false)] {
            let frame = way.udp((4000, 53), &vec![7; size - headers]);
            let fate = world.net.send(&world.enis[0], frame);
            assert_eq!(fate.outside.len(), usize::from(leaves), "{family:?} {size}");
            if !leaves {
                assert_eq!(fate.drops[0].reason, DropReason::TooBig);
                let told = ip(fate.at(&world.enis[0])[0]);
                assert!(weft_packet::icmp::is_error(&told), "{told:?}");
            }
        }
        // Inside, all of it passes.
        let frame = world.net.way(&world.enis[0], &world.enis[1], family);
        let fate = world
            .net
            .send(&world.enis[0], frame.udp((4000, 53), &[7; 8000]));
        assert!(fate.reached(&world.enis[1]), "{fate:?}");
    }
}

#[test]
fn a_lost_edge_is_used_no_longer_and_without_any_nothing_leaves() {
    let mut world = World::new();
    for edge in EDGES {
        let host = world.net.host_name(edge);
        let vtep = world.net.vtep(edge);
        world.net.everywhere(&Delta::Remove(StateKey::Edge(host)));
        let fate = world.ask(0, Family::V4);
        assert!(fate.wire.iter().all(|wire| wire.to != vtep));
        let back = world.of_internet(0, Family::V4);
        let fate = world.net.from_outside(edge, back.udp((53, 4000), b"late"));
        assert_eq!(fate.dropped(), DropReason::EdgeUnknown);
    }
    assert_eq!(world.ask(0, Family::V4).dropped(), DropReason::NoEdge);
}

#[test]
fn only_edges_bring_packets_from_outside_and_none_from_inside() {
    let mut world = World::new();
    let way = Way {
        src_mac: Mac::ROUTER,
        dst_mac: world.enis[0].mac,
        ..world.of_internet(0, Family::V4)
    };
    let payload = |way: Way| [&vxlan::emit(Vni::OUTSIDE)[..], &way.udp((1, 2), b"x")].concat();
    let fate = world.net.inject(0, world.net.vtep(1), payload(way));
    assert_eq!(fate.dropped(), DropReason::EdgeUnknown);
    let inside = Way {
        src: world.enis[1].ipv4().into(),
        ..way
    };
    let fate = world.net.inject(0, world.net.vtep(2), payload(inside));
    assert_eq!(fate.dropped(), DropReason::SourceElsewhere);
}

#[test]
fn an_edge_takes_from_a_host_only_what_is_on_it() {
    let mut world = World::new();
    let way = Way {
        src_mac: Mac::ROUTER,
        dst_mac: Mac::EDGE,
        ..world.of_internet(0, Family::V4).back()
    };
    let payload = |way: Way| [&vxlan::emit(Vni::OUTSIDE)[..], &way.udp((1, 2), b"x")].concat();
    let fate = world.net.inject(2, world.net.vtep(0), payload(way));
    assert_eq!(fate.outside.len(), 1, "{fate:?}");
    let fate = world.net.inject(2, world.net.vtep(1), payload(way));
    assert_eq!(fate.dropped(), DropReason::SourceElsewhere);
    // A host that is no edge lets nothing out.
    let fate = world.net.inject(1, world.net.vtep(0), payload(way));
    assert_eq!(fate.dropped(), DropReason::SourceElsewhere);
}
