//! A drop names the object to blame.

use weft_engine::{
    DropObject, DropReason,
    testing::{Fate, Seg, everything},
};
use weft_model::{
    Mac, RouteTarget,
    state::{Delta, StateKey},
};

use crate::paths::{PORTS, Path, World};

#[track_caller]
fn blames(path: Path, fate: &Fate, reason: DropReason, object: DropObject) {
    let [drop] = fate.drops.as_slice() else {
        panic!("{path:?}: not one drop: {fate:?}");
    };
    assert_eq!(
        (drop.reason, drop.object),
        (reason, Some(object)),
        "{path:?}"
    );
}

#[test]
fn groups_that_say_no_are_named_by_their_interface() {
    for path in Path::all() {
        let mut world = World::new(path, vec![], vec![]);
        let object = DropObject::Interface(world.server.interface);
        let fate = world.ask(Seg::SYN);
        blames(path, &fate, DropReason::GroupIngress, object);
        let fate = world.answer(Seg::SYN);
        blames(path, &fate, DropReason::GroupEgress, object);
    }
}

#[test]
fn an_address_that_nobody_holds_is_named() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        let server = world.server.clone();
        world.net.detach(&server);
        let fate = world.ask(Seg::SYN);
        let object = DropObject::Address(server.address(path.family));
        blames(path, &fate, DropReason::NoMapping, object);
    }
}

#[test]
fn an_address_whose_host_has_no_tunnel_is_named() {
    for path in Path::all().filter(|path| path.cross_host) {
        let mut world = World::new(path, everything(), everything());
        let host = world.net.host_name(world.server.host);
        let gone = Delta::Remove(StateKey::Tunnel(host));
        world.net.on(world.client.host, &gone);
        let fate = world.ask(Seg::SYN);
        let object = DropObject::Address(world.server.address(path.family));
        blames(path, &fate, DropReason::NoTunnel, object);
    }
}

#[test]
fn an_address_that_the_receiver_does_not_forward_is_named() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        let to = RouteTarget::Interface(world.server.interface);
        let more = [("8.0.0.0/8", to), ("2001:db8::/32", to)];
        world.net.routes(world.tenant, &more);
        let client = world.client.clone();
        let outside = match client.address(path.family).is_ipv4() {
            true => "8.8.8.8",
            false => "2001:db8::1",
        };
        let outside = outside.parse().unwrap();
        let frame = world
            .net
            .way_out(&client, outside)
            .tcp(PORTS, Seg::SYN, b"");
        let fate = world.net.send(&client, frame);
        let object = DropObject::Address(outside);
        blames(path, &fate, DropReason::NotForPort, object);
    }
}

#[test]
fn what_was_spoofed_is_named() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        let client = world.client.clone();
        let mut way = world.there();
        way.src = world.server.address(path.family);
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        let object = DropObject::Address(way.src);
        blames(path, &fate, DropReason::SpoofedAddress, object);
        let mut way = world.there();
        way.src_mac = Mac::local(0xbad);
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        let object = DropObject::Mac(way.src_mac);
        blames(path, &fate, DropReason::SpoofedMac, object);
    }
}

#[test]
fn the_mtu_that_a_packet_exceeds_is_named() {
    for path in Path::all() {
        let mut world = World::new(path, everything(), everything());
        let fate = world.ask_udp(&[0; 1500]);
        let mtu = DropObject::Mtu(world.net.config(0).mtu());
        blames(path, &fate, DropReason::TooBig, mtu);
    }
}
