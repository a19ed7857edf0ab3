//! Who can't be reached, and who can't be played.

use std::net::{IpAddr, Ipv4Addr};

use weft_engine::{
    DropReason, Now,
    testing::{Family, Fate, Net, Seg, everything, frames::Way},
};
use weft_model::{
    Mac, Vni,
    state::{Delta, State, StateKey, Tunnel},
};
use weft_packet::vxlan;

use crate::paths::{BACK, PORTS, Path, World};

fn open(path: Path) -> World {
    World::new(path, everything(), everything())
}

#[test]
fn overlapping_tenants_never_meet() {
    for path in Path::all() {
        let mut world = open(path);
        let other = world.net.tenant(2);
        let group = world.net.group(other, 1, everything(), everything());
        // The same addresses, on the other host.
        let host = 1 - world.server.host;
        let twin = world.net.attach(
            other,
            host,
            (world.server.subnet, world.server.last),
            &[group],
        );
        let stranger = world.net.attach(other, 0, (1, 77), &[group]);
        world.handshake();
        let frame = world
            .net
            .way(&stranger, &twin, path.family)
            .tcp(PORTS, Seg::SYN, b"");
        assert!(world.net.send(&stranger, frame).reached(&twin), "{path:?}");
        // The address that only the first tenant has.
        let frame = world
            .net
            .way(&stranger, &world.client, path.family)
            .tcp(PORTS, Seg::SYN, b"");
        assert_eq!(
            world.net.send(&stranger, frame).dropped(),
            DropReason::NoMapping,
            "{path:?}"
        );
    }
}

#[test]
fn another_tenants_mac_leads_nowhere() {
    for path in Path::all() {
        let mut world = open(path);
        let other = world.net.tenant(2);
        let group = world.net.group(other, 1, everything(), everything());
        let stranger = world
            .net
            .attach(other, world.client.host, (1, 77), &[group]);
        let mut way = world.there();
        way.dst_mac = stranger.mac;
        let client = world.client.clone();
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert!(fate.at(&stranger).is_empty(), "{path:?}: {fate:?}");
    }
}

#[test]
fn spoofed_source_is_dropped_at_the_port() {
    for path in Path::all() {
        let mut world = open(path);
        let client = world.client.clone();
        let sources: [IpAddr; 4] = match path.family {
            Family::V4 => ["10.0.1.11", "10.0.1.1", "127.0.0.1", "8.8.8.8"],
            Family::V6 => ["fd00:0:0:101::b", "fd00:0:0:101::1", "::1", "fe80::1"],
        }
        .map(|text| text.parse().unwrap());
        for src in sources {
            let way = Way {
                src,
                ..world.there()
            };
            for frame in [
                way.tcp(PORTS, Seg::SYN, b""),
                way.udp(PORTS, b"x"),
                way.echo_request(1, b"x"),
                way.raw(132, b"x"),
            ] {
                let fate = world.net.send(&client, frame);
                assert_eq!(fate.dropped(), DropReason::SpoofedAddress, "{path:?} {src}");
                assert!(fate.wire.is_empty());
            }
        }
    }
}

#[test]
fn a_spoofed_source_passes_no_sooner_for_an_established_flow() {
    for path in Path::all() {
        let mut world = open(path);
        world.handshake();
        let client = world.client.clone();
        let way = Way {
            src: world.server.address(path.family),
            dst: world.client.address(path.family),
            ..world.there()
        };
        let fate = world.net.send(&client, way.tcp(BACK, Seg::ACK, b""));
        assert!(
            !fate.drops.is_empty() && fate.delivered.is_empty(),
            "{path:?}: {fate:?}"
        );
    }
}

#[test]
fn spoofed_mac_is_dropped_at_the_port() {
    for path in Path::all() {
        let mut world = open(path);
        let client = world.client.clone();
        for src_mac in [
            world.server.mac,
            Mac::ROUTER,
            Mac::BROADCAST,
            Mac::new([0; 6]),
        ] {
            let way = Way {
                src_mac,
                ..world.there()
            };
            let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
            assert_eq!(fate.dropped(), DropReason::SpoofedMac, "{path:?} {src_mac}");
        }
    }
}

#[test]
fn a_forwarder_may_send_from_any_address_but_the_routers() {
    for path in Path::all().filter(|path| path.family == Family::V4) {
        let mut world = open(path);
        world.client.source_dest_check = false;
        let client = world.client.clone();
        world.net.update(&client);
        let way = Way {
            src: Ipv4Addr::new(172, 16, 0, 9).into(),
            ..world.there()
        };
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert!(fate.reached(&world.server), "{path:?}: {fate:?}");
        let way = Way {
            src: Ipv4Addr::new(10, 0, 1, 1).into(),
            ..world.there()
        };
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert_eq!(fate.dropped(), DropReason::SpoofedAddress, "{path:?}");
    }
}

#[test]
fn multicast_and_broadcast_are_not_forwarded() {
    for path in Path::all() {
        let mut world = open(path);
        let client = world.client.clone();
        let many: &[(&str, Mac)] = match path.family {
            Family::V4 => &[
                ("224.0.0.251", Mac::new([1, 0, 0x5e, 0, 0, 0xfb])),
                ("255.255.255.255", Mac::BROADCAST),
                ("10.0.1.255", Mac::BROADCAST),
                ("0.0.0.0", Mac::ROUTER),
            ],
            Family::V6 => &[
                ("ff02::fb", Mac::new([0x33, 0x33, 0, 0, 0, 0xfb])),
                ("ff05::2", Mac::ROUTER),
                ("::", Mac::ROUTER),
            ],
        };
        for (dst, dst_mac) in many {
            let way = Way {
                dst: dst.parse().unwrap(),
                dst_mac: *dst_mac,
                ..world.there()
            };
            let fate = world.net.send(&client, way.udp((5353, 5353), b"x"));
            assert_eq!(fate.dropped(), DropReason::Multicast, "{path:?} {dst}");
        }
        let way = Way {
            dst_mac: Mac::BROADCAST,
            ..world.there()
        };
        let fate = world.net.send(&client, way.udp((5353, 5353), b"x"));
        assert_eq!(
            fate.dropped(),
            DropReason::Multicast,
            "{path:?} to all MACs"
        );
    }
}

/// A world across hosts, and the wire form of the client's first segment.
fn captured(path: Path) -> (World, Vec<u8>) {
    let mut world = open(path);
    let fate = world.ask(Seg::SYN);
    assert!(fate.reached(&world.server), "{path:?}: {fate:?}");
    let payload = fate.wire[0].payload.clone();
    (world, payload)
}

fn across() -> impl Iterator<Item = Path> {
    Path::all().filter(|path| path.cross_host)
}

#[track_caller]
fn refused(fate: &Fate, reason: DropReason, path: Path) {
    assert_eq!(fate.dropped(), reason, "{path:?}");
}

#[test]
fn unknown_vtep_is_dropped() {
    for path in across() {
        let (mut world, payload) = captured(path);
        let strangers: [IpAddr; 3] =
            ["192.0.2.77", "10.0.1.10", "2001:db8::1"].map(|t| t.parse().unwrap());
        for source in strangers {
            let fate = world.net.inject(1, source, payload.clone());
            refused(&fate, DropReason::VtepUnknown, path);
        }
        let gone = StateKey::Tunnel(world.net.host_name(0));
        let source = world.net.vtep(0);
        world.net.on(1, &Delta::Remove(gone));
        let fate = world.net.inject(1, source, payload);
        refused(&fate, DropReason::VtepUnknown, path);
    }
}

#[test]
fn unknown_vni_is_dropped() {
    for path in across() {
        let (mut world, mut payload) = captured(path);
        let vni = Vni::try_from(9999).unwrap();
        payload[..8].copy_from_slice(&vxlan::emit(vni));
        let source = world.net.vtep(0);
        let fate = world.net.inject(1, source, payload);
        refused(&fate, DropReason::VniUnknown, path);
    }
}

#[test]
fn vni_not_of_that_host_is_dropped() {
    for path in across() {
        let (mut world, mut payload) = captured(path);
        // A tenant of host 1 alone, with the same addresses as the first.
        let other = world.net.tenant(2);
        let group = world.net.group(other, 1, everything(), everything());
        let (client, server) = (world.client.clone(), world.server.clone());
        world
            .net
            .attach(other, 1, (client.subnet, client.last), &[group]);
        let twin = world
            .net
            .attach(other, 1, (server.subnet, server.last), &[group]);
        payload[8..14].copy_from_slice(&twin.mac.octets());
        payload[..8].copy_from_slice(&vxlan::emit(other.vni));
        let source = world.net.vtep(0);
        let fate = world.net.inject(1, source, payload);
        refused(&fate, DropReason::SourceElsewhere, path);
    }
}

#[test]
fn inner_mac_or_address_not_behind_that_host_is_dropped() {
    for path in across() {
        let (mut world, payload) = captured(path);
        let net = &mut world.net;
        let third = net.attach(world.tenant, 1, (1, 99), &world.server.groups.clone());
        let source = net.vtep(0);
        // The address of an interface on host 1 itself.
        let way = Way {
            src_mac: third.mac,
            dst_mac: world.server.mac,
            ..net.way(&third, &world.server, path.family)
        };
        let inner = way.tcp(PORTS, Seg::SYN, b"");
        let fate = net.inject(1, source, [&payload[..8], &inner].concat());
        refused(&fate, DropReason::SourceElsewhere, path);
        // Nobody's address.
        let way = Way {
            src: if path.family == Family::V4 {
                "10.0.1.200"
            } else {
                "fd00:0:0:101::c8"
            }
            .parse()
            .unwrap(),
            ..way
        };
        let inner = way.tcp(PORTS, Seg::SYN, b"");
        let fate = net.inject(1, source, [&payload[..8], &inner].concat());
        refused(&fate, DropReason::SourceElsewhere, path);
        // The right address behind a wrong MAC.
        let mut wrong = payload.clone();
        wrong[8 + 6..8 + 12].copy_from_slice(&third.mac.octets());
        let way = Way {
            src_mac: third.mac,
            dst_mac: world.server.mac,
            ..net.way(&world.client, &world.server, path.family)
        };
        let inner = way.tcp((40_001, 80), Seg::SYN, b"");
        let fate = net.inject(1, source, [&payload[..8], &inner].concat());
        refused(&fate, DropReason::InnerMac, path);
    }
}

#[test]
fn an_inner_destination_that_is_no_local_port_is_dropped() {
    for path in across() {
        let (mut world, payload) = captured(path);
        let source = world.net.vtep(0);
        for mac in [
            world.client.mac,
            Mac::BROADCAST,
            Mac::ROUTER,
            Mac::new([0x33, 0x33, 0, 0, 0, 1]),
        ] {
            let mut wrong = payload.clone();
            wrong[8..14].copy_from_slice(&mac.octets());
            let fate = world.net.inject(1, source, wrong);
            refused(&fate, DropReason::DestinationElsewhere, path);
        }
        // The right MAC, with an address that isn't that port's.
        let way = Way {
            dst: if path.family == Family::V4 {
                "10.0.2.200"
            } else {
                "fd00:0:0:102::c8"
            }
            .parse()
            .unwrap(),
            dst_mac: world.server.mac,
            ..world.there()
        };
        let inner = way.tcp(PORTS, Seg::SYN, b"");
        let fate = world
            .net
            .inject(1, source, [&payload[..8], &inner].concat());
        refused(&fate, DropReason::NotForPort, path);
    }
}

#[test]
fn established_flow_ignores_a_packet_from_another_vtep() {
    for path in across() {
        let mut world = World::on(Net::new(3), path, everything(), everything());
        world.handshake();
        let payload = world.ask(Seg::ACK).wire[0].payload.clone();
        let source = world.net.vtep(2);
        let fate = world.net.inject(1, source, payload.clone());
        refused(&fate, DropReason::SourceElsewhere, path);
        let source = world.net.vtep(0);
        assert!(
            world.net.inject(1, source, payload).reached(&world.server),
            "{path:?}"
        );
    }
}

#[test]
fn a_flow_follows_its_interface_to_another_host() {
    for path in across() {
        let mut world = World::on(Net::new(3), path, everything(), everything());
        world.handshake();
        let old = world.server.clone();
        world.net.detach(&old);
        world.server.host = 2;
        let moved = world.server.clone();
        world.net.update(&moved);
        let fate = world.ask(Seg::ACK);
        assert!(fate.reached(&moved), "{path:?}: {fate:?}");
        assert_eq!(fate.wire[0].to, world.net.vtep(2), "{path:?}");
    }
}

#[test]
fn a_flow_follows_its_hosts_new_vtep() {
    for path in across() {
        let mut world = open(path);
        world.handshake();
        let vtep: IpAddr = "192.0.2.200".parse().unwrap();
        let tunnel = Tunnel {
            host: world.net.host_name(1),
            vtep,
            zone: "b".parse().unwrap(),
        };
        world.net.on(0, &Delta::Upsert(State::Tunnel(tunnel)));
        assert_eq!(world.ask(Seg::ACK).wire[0].to, vtep, "{path:?}");
    }
}

#[test]
fn a_port_that_is_gone_sends_and_gets_nothing() {
    for path in Path::all() {
        let mut world = open(path);
        world.handshake();
        let (client, server) = (world.client.clone(), world.server.clone());
        let port = world.net.port_of(&client);
        world.net.detach(&server);
        assert_eq!(
            world.ask(Seg::ACK).dropped(),
            DropReason::NoMapping,
            "{path:?}"
        );
        world.net.detach(&client);
        let mut bytes = world.there().tcp(PORTS, Seg::ACK, b"");
        let (engine, now) = world.net.engine_mut(client.host);
        let frame = weft_engine::Frame {
            bytes: &mut bytes,
            offload: Default::default(),
        };
        let verdict = engine.from_port(now, port, frame, &mut crate::groups::Nothing);
        let weft_engine::Verdict::Drop(drop) = verdict else {
            panic!("{path:?}: {verdict:?}");
        };
        assert_eq!(drop.reason, DropReason::PortUnknown, "{path:?}");
    }
}

#[test]
fn a_new_port_in_an_old_slot_inherits_no_connection() {
    for path in Path::all() {
        let mut world = World::new(path, vec![], everything());
        let frame = world.back().tcp(BACK, Seg::SYN, b"");
        let server = world.server.clone();
        // The client's group takes nothing in, so only the server's half has a flow.
        let _ = world.net.send(&server, frame);
        world.net.detach(&server);
        world.net.pass(Now::SECOND);
        let again = world.net.attach(
            world.tenant,
            server.host,
            (server.subnet, server.last),
            &server.groups,
        );
        let frame = world
            .net
            .way(&world.client, &again, path.family)
            .tcp(PORTS, Seg::SYN_ACK, b"");
        let client = world.client.clone();
        assert_eq!(
            world.net.send(&client, frame).dropped(),
            DropReason::GroupIngress,
            "{path:?}"
        );
    }
}

#[test]
fn tenants_dressed_as_infrastructure_are_judged_as_any_other() {
    for path in Path::all() {
        let mut world = World::new(path, vec![], vec![]);
        let client = world.client.clone();
        let way = world.there();
        let inner = way.tcp(PORTS, Seg::SYN, b"");
        let in_vxlan = [&vxlan::emit(world.tenant.vni)[..], &inner].concat();
        for frame in [
            way.udp((53, 40_000), b"a DNS answer"),
            way.udp((123, 123), b"time"),
            way.udp((40_000, 4789), &in_vxlan),
            way.udp((4789, 4789), &in_vxlan),
            way.tcp((80, 40_000), Seg::SYN_ACK, b""),
        ] {
            assert_eq!(
                world.net.send(&client, frame).dropped(),
                DropReason::GroupIngress,
                "{path:?}"
            );
        }
        let vtep = world.net.vtep(world.server.host);
        if path.family == Family::V4 {
            let frame = world
                .net
                .way_out(&client, vtep)
                .udp((40_000, 4789), &in_vxlan);
            assert_eq!(
                world.net.send(&client, frame).dropped(),
                DropReason::NoRoute,
                "{path:?}"
            );
        }
    }
}
