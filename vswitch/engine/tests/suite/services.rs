//! What a port's own switch answers.

mod arp;
mod dhcp4;
mod dhcp6;
mod nd;
mod ping;
mod reserved;

use weft_engine::{
    Drop, DropReason,
    service::{self, Heard},
    testing::{Eni, Net, frames},
};
use weft_model::Mac;
use weft_packet::headers::Headers;

/// A port with a neighbour in its subnet, one in another, and one in another tenant's same subnet.
struct Link {
    net: Net,
    port: Eni,
    neighbor: Eni,
    far: Eni,
}

impl Link {
    fn new() -> Self {
        let mut net = Net::new(2);
        let tenant = net.tenant(1);
        let port = net.attach(tenant, 0, (1, 10), &[]);
        let neighbor = net.attach(tenant, 1, (1, 20), &[]);
        let far = net.attach(tenant, 1, (2, 30), &[]);
        let other = net.tenant(2);
        net.attach(other, 0, (1, 40), &[]);
        Self {
            net,
            port,
            neighbor,
            far,
        }
    }

    /// What the services make of a frame from the port, and their answer.
    fn say(&self, frame: &[u8]) -> Result<(Heard, Vec<u8>), Drop> {
        let config = self.net.config(0);
        let view = config.view(self.net.port_of(&self.port)).unwrap();
        let headers = Headers::parse(frame).unwrap();
        let mut out = vec![0xaa; 100];
        let heard = service::answer(&view, &headers, frame, &mut out)?;
        Ok((heard, out))
    }

    #[track_caller]
    fn answer(&self, frame: &[u8]) -> Vec<u8> {
        let (heard, out) = self.say(frame).unwrap();
        assert_eq!(heard, Heard::Answered);
        out
    }

    #[track_caller]
    fn heard(&self, frame: &[u8]) -> Heard {
        self.say(frame).unwrap().0
    }

    #[track_caller]
    fn refused(&self, frame: &[u8]) -> DropReason {
        self.say(frame).unwrap_err().reason
    }
}

/// The port has no group at all, so that policy allows it nothing.
#[test]
fn no_policy_cuts_a_workload_off_from_its_own_switch() {
    let mut link = Link::new();
    let port = link.port.clone();
    let router = "10.0.1.1".parse().unwrap();
    let discover = dhcp4::discover(&link);
    let solicit = dhcp6::solicit(&link);
    let ping = link.net.way_out(&port, router);
    for frame in [
        frames::arp(
            1,
            (port.mac, port.ipv4()),
            (Mac::new([0; 6]), "10.0.1.1".parse().unwrap()),
        ),
        nd::router_solicitation(&link),
        discover,
        solicit,
        ping.echo_request(1, b"x"),
    ] {
        let fate = link.net.send(&port, frame);
        assert!(fate.reached(&port), "{fate:?}");
    }
    assert_eq!(link.net.engine(0).counters().answered, 5);
    let rogue = ping.udp((67, 68), b"x");
    assert_eq!(link.net.send(&port, rogue).dropped(), DropReason::RogueDhcp);
}
