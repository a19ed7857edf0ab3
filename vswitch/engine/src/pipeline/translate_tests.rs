//! A translated connection through both halves: the client speaks to port 53, and on the wire it is
//! port 5353.

use weft_packet::headers::{Body, Headers};

use crate::{
    DropReason,
    config::Direction,
    flow::FlowKey,
    testing::{Eni, Family, Fate, Net, everything},
};

const CLIENT: u16 = 4000;
const ASKED: u16 = 53;
const REAL: u16 = 5353;

struct World {
    net: Net,
    client: Eni,
    server: Eni,
    family: Family,
}

impl World {
    fn new(family: Family, server_host: usize) -> Self {
        let mut net = Net::new(2);
        let tenant = net.tenant(1);
        let all = net.group(tenant, 1, everything(), everything());
        let client = net.attach(tenant, 0, (1, 10), &[all]);
        let server = net.attach(tenant, server_host, (2, 20), &[all]);
        let mut world = Self {
            net,
            client,
            server,
            family,
        };
        world.ask(b"first");
        world.bind();
        world
    }

    fn ask(&mut self, payload: &[u8]) -> Fate {
        let way = self.net.way(&self.client, &self.server, self.family);
        self.net
            .send(&self.client, way.udp((CLIENT, ASKED), payload))
    }

    fn answer(&mut self, from: u16, payload: &[u8]) -> Fate {
        let way = self.net.way(&self.server, &self.client, self.family);
        self.net
            .send(&self.server, way.udp((from, CLIENT), payload))
    }

    /// The client's flow goes to the other port from now on.
    fn bind(&mut self) {
        let way = self.net.way(&self.client, &self.server, self.family);
        let frame = way.udp((CLIENT, ASKED), b"");
        let port = self.net.port_of(&self.client);
        let Body::Ip(ip) = Headers::parse(&frame).unwrap().body else {
            panic!("no IP");
        };
        let key = FlowKey::of(port, Direction::Egress, &ip).unwrap();
        let (engine, now) = self.net.engine_mut(0);
        let flows = &mut engine.core.flows;
        let at = flows.find(now, &key, flows.hash(&key)).unwrap();
        let outside = key.with_remote((key.remote(), REAL));
        flows.bind(now, at, outside).unwrap();
    }
}

fn ports(frame: &[u8]) -> (u16, u16) {
    let Body::Ip(ip) = Headers::parse(frame).unwrap().body else {
        panic!("no IP");
    };
    assert!(weft_packet::checksum::verify_l3(frame, &ip).is_ok());
    assert!(weft_packet::checksum::verify_l4(frame, &ip));
    ip.ports()
}

fn everywhere(test: impl Fn(World)) {
    for family in Family::BOTH {
        for host in [0, 1] {
            test(World::new(family, host));
        }
    }
}

#[test]
fn what_leaves_is_translated_and_what_answers_is_translated_back() {
    everywhere(|mut world| {
        let fate = world.ask(b"question");
        assert!(fate.reached(&world.server), "{fate:?}");
        assert_eq!(ports(fate.at(&world.server)[0]), (CLIENT, REAL));
        for _ in 0..2 {
            let fate = world.answer(REAL, b"answer");
            assert!(fate.reached(&world.client), "{fate:?}");
            assert_eq!(ports(fate.at(&world.client)[0]), (ASKED, CLIENT));
        }
    });
}

#[test]
fn nobody_enters_a_translated_connection_by_its_own_key() {
    everywhere(|mut world| {
        let fate = world.answer(ASKED, b"answer");
        assert_eq!(fate.dropped(), DropReason::TranslationTaken);
    });
}

#[test]
fn an_error_about_what_was_translated_quotes_what_was_sent() {
    everywhere(|mut world| {
        let fate = world.ask(b"question");
        let got = fate.at(&world.server)[0].to_vec();
        let way = world.net.way(&world.server, &world.client, world.family);
        let fate = world.net.send(&world.server, way.unreachable(&got));
        assert!(fate.reached(&world.client), "{fate:?}");
        let frame = fate.at(&world.client)[0];
        let Body::Ip(ip) = Headers::parse(frame).unwrap().body else {
            panic!("no IP");
        };
        let quote = weft_packet::icmp::embedded(frame, &ip).unwrap();
        assert_eq!(quote.ports, (CLIENT, ASKED));
        assert!(weft_packet::checksum::verify_l4(frame, &ip));
    });
}

#[test]
fn an_error_by_the_client_quotes_what_the_server_sent() {
    everywhere(|mut world| {
        let fate = world.answer(REAL, b"answer");
        let got = fate.at(&world.client)[0].to_vec();
        let way = world.net.way(&world.client, &world.server, world.family);
        let fate = world.net.send(&world.client, way.unreachable(&got));
        assert!(fate.reached(&world.server), "{fate:?}");
        let frame = fate.at(&world.server)[0];
        let Body::Ip(ip) = Headers::parse(frame).unwrap().body else {
            panic!("no IP");
        };
        let quote = weft_packet::icmp::embedded(frame, &ip).unwrap();
        assert_eq!(quote.ports, (REAL, CLIENT));
    });
}

#[test]
fn fragments_of_a_translated_packet_all_arrive() {
    everywhere(|mut world| {
        let way = world.net.way(&world.client, &world.server, world.family);
        let pieces = way.udp_fragments(9, (CLIENT, ASKED), &[7; 3000], 1200);
        assert!(pieces.len() > 2);
        for (n, piece) in pieces.into_iter().enumerate() {
            let fate = world.net.send(&world.client, piece);
            assert!(fate.reached(&world.server), "{n}: {fate:?}");
        }
        let back = world.net.way(&world.server, &world.client, world.family);
        let pieces = back.udp_fragments(9, (REAL, CLIENT), &[7; 3000], 1200);
        for (n, piece) in pieces.into_iter().enumerate() {
            let fate = world.net.send(&world.server, piece);
            assert!(fate.reached(&world.client), "{n}: {fate:?}");
        }
    });
}

#[test]
fn a_packet_back_into_its_subnet_keeps_its_senders_mac() {
    let mut net = Net::new(2);
    let tenant = net.tenant(1);
    let all = net.group(tenant, 1, everything(), everything());
    let sender = net.attach(tenant, 0, (1, 10), &[all]);
    let mut middlebox = net.attach(tenant, 1, (1, 11), &[all]);
    middlebox.source_dest_check = false;
    net.update(&middlebox);
    let to = weft_model::RouteTarget::Interface(middlebox.interface);
    net.routes(tenant, &[("10.0.2.0/24", to)]);
    let way = net.way_out(&sender, "10.0.2.77".parse().unwrap());
    let fate = net.send(&sender, way.udp((1, 2), b""));
    assert!(fate.reached(&middlebox), "{fate:?}");
    let headers = Headers::parse(fate.at(&middlebox)[0]).unwrap();
    assert_eq!(headers.src, sender.mac);
    let Body::Ip(ip) = headers.body else {
        panic!("no IP");
    };
    assert_eq!(ip.ttl, 63);
}
