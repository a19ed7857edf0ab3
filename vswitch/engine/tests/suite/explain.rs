//! Explanations: the pipeline's own account of a packet.

use std::collections::BTreeMap;

use weft_engine::{
    explain::{Ending, Hop, Outcome, Question, Transport, Walk, run},
    testing::{Eni, Net, any4, any6, everything, rule, tcp_port},
};
use weft_model::{Mac, PortMatch, RouteTarget};
use weft_packet::build::Addresses;

use crate::paths::{Path, World};

fn walk(net: &Net, from: &Eni, to: &Eni, path: Path, transport: Transport) -> (Vec<Hop>, Ending) {
    let hosts: BTreeMap<_, _> = (0..2).map(|n| (net.host_name(n), n)).collect();
    let question = Question {
        host: net.host_name(from.host),
        interface: Some(from.interface),
        macs: (from.mac, from.next_hop(to)),
        addresses: Addresses::new(from.address(path.family), to.address(path.family)).unwrap(),
        transport,
    };
    let vteps = hosts.iter().map(|(name, n)| (name.clone(), net.vtep(*n)));
    let mut walk = Walk::new(&question, vteps).unwrap();
    while let Ok((host, before, input)) = walk.ask() {
        let output = run(&net.config(hosts[host]), before, input);
        walk.answer(output);
    }
    let ending = walk.ask().unwrap_err().clone();
    (walk.hops().to_vec(), ending)
}

fn kinds(hop: &Hop) -> Vec<&str> {
    hop.output
        .steps
        .iter()
        .map(|line| line.kind.as_str())
        .collect()
}

#[test]
fn a_packet_that_passes_names_each_rule_and_its_reply_the_connection() {
    for path in Path::all() {
        let world = World::new(path, tcp_port(80, [any4(), any6()]), vec![]);
        let (client, server) = (&world.client, &world.server);
        let (hops, ending) = walk(&world.net, client, server, path, Transport::Tcp(80));
        assert_eq!(ending, Ending::Reached, "{path:?}: {hops:#?}");
        // Only a packet that crosses a boundary meets the ACLs of both subnets.
        let (way, acl) = match path.cross_subnet {
            true => ("route", &["network-acl"][..]),
            false => ("subnet", &[][..]),
        };
        let out = |first| [&[first, way, "interface"][..], acl].concat();
        assert_eq!(kinds(&hops[0]), out("security-group"), "{path:?}");
        let judged = [acl, &["security-group"][..]].concat();
        assert_eq!(kinds(&hops[1]), judged, "{path:?}");
        // The server's groups let nothing out: what passes is the connection.
        assert_eq!(kinds(&hops[2]), out("connection"), "{path:?}");
        let known = [&["connection"][..], acl].concat();
        assert_eq!(kinds(&hops[3]), known, "{path:?}");
        let back: Vec<bool> = hops.iter().map(|hop| hop.back).collect();
        assert_eq!(back, [false, false, true, true], "{path:?}");
    }
}

#[test]
fn a_refusal_names_its_reason_and_the_walk_ends_there() {
    for path in Path::all() {
        let world = World::new(path, tcp_port(80, [any4(), any6()]), vec![]);
        let (client, server) = (&world.client, &world.server);
        for (transport, expected) in [
            (Transport::Tcp(81), "security_group_ingress"),
            (Transport::Udp(80), "security_group_ingress"),
            (Transport::Echo, "security_group_ingress"),
        ] {
            let (hops, ending) = walk(&world.net, client, server, path, transport);
            assert_eq!(ending, Ending::Stopped, "{path:?}");
            assert_eq!(hops.len(), 2, "{path:?}");
            let Outcome::Dropped { reason, object, .. } = &hops[1].output.outcome else {
                panic!("{path:?}: {hops:?}");
            };
            assert_eq!(reason, expected);
            assert_eq!(*object, server.interface.to_string());
        }
    }
}

#[test]
fn an_echo_is_answered_and_the_answer_followed() {
    for path in Path::all() {
        let icmp = |peer, match_| rule(match_, peer);
        let rules = vec![
            icmp(any4(), PortMatch::Icmp(None)),
            icmp(any6(), PortMatch::Icmpv6(None)),
        ];
        let world = World::new(path, rules, vec![]);
        let (hops, ending) = walk(
            &world.net,
            &world.client,
            &world.server,
            path,
            Transport::Echo,
        );
        assert_eq!(ending, Ending::Reached, "{path:?}: {hops:#?}");
    }
}

#[test]
fn a_way_through_a_middlebox_goes_on_behind_it() {
    for path in Path::all().filter(|path| path.cross_subnet) {
        let mut world = World::new(path, everything(), everything());
        let all = world.net.group(world.tenant, 9, everything(), everything());
        let mut middlebox = world.net.attach(world.tenant, 1, (1, 77), &[all]);
        middlebox.source_dest_check = false;
        world.net.update(&middlebox);
        let to = RouteTarget::Interface(middlebox.interface);
        let there = [("10.0.2.20/32", to), ("fd00:0:0:102::14/128", to)];
        world.net.routes(world.tenant, &there);
        let (client, server) = (world.client.clone(), world.server.clone());
        let (hops, _) = walk(&world.net, &client, &server, path, Transport::Udp(9));
        let forwarded = hops
            .iter()
            .position(|hop| matches!(hop.output.outcome, Outcome::Forwarder { .. }));
        let after = &hops[forwarded.expect("it comes by the middlebox") + 1];
        assert!(after.leaves && !after.back, "{path:?}");
    }
}

#[test]
fn the_router_answers_for_itself() {
    for path in Path::all() {
        let world = World::new(path, vec![], vec![]);
        let client = &world.client;
        let question = Question {
            host: world.net.host_name(0),
            interface: Some(client.interface),
            macs: (client.mac, Mac::ROUTER),
            addresses: Addresses::new(client.address(path.family), client.router(path.family))
                .unwrap(),
            transport: Transport::Echo,
        };
        let vteps = [(world.net.host_name(0), world.net.vtep(0))];
        let mut walk = Walk::new(&question, vteps).unwrap();
        let (_, before, input) = walk.ask().unwrap();
        let output = run(&world.net.config(0), before, input);
        walk.answer(output);
        assert_eq!(walk.ask().unwrap_err(), &Ending::Answered, "{path:?}");
    }
}

#[test]
fn explaining_leaves_no_flow_behind() {
    let path = Path::all().next().unwrap();
    let world = World::new(path, everything(), everything());
    let (client, server) = (&world.client, &world.server);
    walk(&world.net, client, server, path, Transport::Tcp(80));
    assert_eq!(world.net.engine(0).counters().flows.created, 0);
}
