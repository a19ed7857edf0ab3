//! Route tables.

use weft_engine::{
    DropObject, DropReason,
    testing::{Seg, everything},
};
use weft_model::RouteTarget;

use crate::paths::{PORTS, Path, World};

fn open(path: Path) -> World {
    World::new(path, everything(), everything())
}

#[test]
fn an_address_outside_every_route_is_named() {
    for path in Path::all() {
        let mut world = open(path);
        let client = world.client.clone();
        let dst = if client.address(path.family).is_ipv4() {
            "8.8.8.8"
        } else {
            "2001:db8::1"
        };
        let frame = world
            .net
            .way_out(&client, dst.parse().unwrap())
            .tcp(PORTS, Seg::SYN, b"");
        let fate = world.net.send(&client, frame);
        assert_eq!(fate.dropped(), DropReason::NoRoute, "{path:?}");
        let table = DropObject::RouteTable(world.tenant.table());
        assert_eq!(fate.drops[0].object, Some(table), "{path:?}");
    }
}

#[test]
fn blackhole_route_drops_and_names_itself() {
    for path in Path::all() {
        let mut world = open(path);
        let blackhole = [
            ("8.8.0.0/16", RouteTarget::Blackhole),
            ("2001:db8::/32", RouteTarget::Blackhole),
        ];
        world.net.routes(world.tenant, &blackhole);
        let client = world.client.clone();
        let v4 = client.address(path.family).is_ipv4();
        let (dst, n) = if v4 {
            ("8.8.8.8", 0)
        } else {
            ("2001:db8::1", 1)
        };
        let frame = world
            .net
            .way_out(&client, dst.parse().unwrap())
            .tcp(PORTS, Seg::SYN, b"");
        let fate = world.net.send(&client, frame);
        assert_eq!(fate.dropped(), DropReason::Blackhole, "{path:?}");
        let object = DropObject::Route {
            table: world.tenant.table(),
            destination: blackhole[n].0.parse().unwrap(),
        };
        assert_eq!(fate.drops[0].object, Some(object), "{path:?}");
    }
}

#[test]
fn a_blackhole_does_not_fall_through_to_a_shorter_prefix() {
    for path in Path::all() {
        let mut world = open(path);
        let client = world.client.clone();
        let to = RouteTarget::Interface(world.server.interface);
        world.net.routes(
            world.tenant,
            &[
                ("8.0.0.0/8", to),
                ("8.8.0.0/16", RouteTarget::Blackhole),
                ("2001::/16", to),
                ("2001:db8::/32", RouteTarget::Blackhole),
            ],
        );
        let v4 = client.address(path.family).is_ipv4();
        let dst = if v4 { "8.8.8.8" } else { "2001:db8::1" };
        let frame = world
            .net
            .way_out(&client, dst.parse().unwrap())
            .tcp(PORTS, Seg::SYN, b"");
        assert_eq!(
            world.net.send(&client, frame).dropped(),
            DropReason::Blackhole,
            "{path:?}"
        );
    }
}

#[test]
fn an_established_connection_follows_a_change_of_routes() {
    for path in Path::all().filter(|path| path.cross_subnet) {
        let mut world = open(path);
        world.handshake();
        let (v4, v6) = ("10.0.2.0/24", "fd00:0:0:102::/64");
        world.net.routes(
            world.tenant,
            &[(v4, RouteTarget::Blackhole), (v6, RouteTarget::Blackhole)],
        );
        assert_eq!(
            world.ask(Seg::ACK).dropped(),
            DropReason::Blackhole,
            "{path:?}"
        );
        world.net.routes(world.tenant, &[]);
        assert!(world.ask(Seg::ACK).reached(&world.server), "{path:?}");
    }
}

#[test]
fn traffic_within_a_subnet_bypasses_route_tables() {
    for path in Path::all().filter(|path| !path.cross_subnet) {
        let mut world = open(path);
        let (v4, v6) = ("10.0.1.0/24", "fd00:0:0:101::/64");
        world.net.routes(
            world.tenant,
            &[(v4, RouteTarget::Blackhole), (v6, RouteTarget::Blackhole)],
        );
        world.handshake();
    }
}

#[test]
fn a_route_to_a_middlebox_leads_there_if_it_forwards() {
    for path in Path::all() {
        let mut world = open(path);
        let (client, mut server) = (world.client.clone(), world.server.clone());
        let to = RouteTarget::Interface(server.interface);
        world
            .net
            .routes(world.tenant, &[("8.8.0.0/16", to), ("2001:db8::/32", to)]);
        let v4 = client.address(path.family).is_ipv4();
        let dst = if v4 { "8.8.8.8" } else { "2001:db8::1" };
        let frame = world
            .net
            .way_out(&client, dst.parse().unwrap())
            .tcp(PORTS, Seg::SYN, b"");
        assert_eq!(
            world.net.send(&client, frame.clone()).dropped(),
            DropReason::NotForPort,
            "{path:?}"
        );
        server.source_dest_check = false;
        world.net.update(&server);
        let fate = world.net.send(&client, frame);
        assert!(fate.reached(&server), "{path:?}: {fate:?}");
    }
}
