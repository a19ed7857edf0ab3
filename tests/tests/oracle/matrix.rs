//! The policy matrix: the same verdict on every path, family and protocol.

use weft_engine::testing::{Seg, frames::Way};
use weft_model::{
    InterfaceId, Peer, PortMatch, PortRange, Protocol,
    ops::{
        interface,
        security_group::{self, RuleDraft},
    },
};

use crate::{
    town::{Size, Town},
    underlay::{Fate, Journey},
};

/// How a packet gets from the one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    SameHost,
    CrossHost,
    /// To its own address at its own port.
    Hairpin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proto {
    Tcp,
    Udp,
    UdpInPieces,
    Icmp,
    Gre,
}

/// Whose rule is missing, if one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Nothing,
    Egress,
    Ingress,
}

const PATHS: [Path; 3] = [Path::SameHost, Path::CrossHost, Path::Hairpin];
const PROTOCOLS: [Proto; 5] = [
    Proto::Tcp,
    Proto::Udp,
    Proto::UdpInPieces,
    Proto::Icmp,
    Proto::Gre,
];
const VERDICTS: [Missing; 3] = [Missing::Nothing, Missing::Egress, Missing::Ingress];
const PORTS: (u16, u16) = (40_000, 80);

impl Proto {
    fn rule(self, six: bool) -> PortMatch {
        match self {
            Self::Tcp => PortMatch::Tcp(PortRange::one(80)),
            Self::Udp | Self::UdpInPieces => PortMatch::Udp(PortRange::one(80)),
            Self::Icmp if six => PortMatch::Icmpv6(None),
            Self::Icmp => PortMatch::Icmp(None),
            Self::Gre => PortMatch::Protocol(Protocol(47)),
        }
    }

    fn frames(self, way: &Way) -> Vec<Vec<u8>> {
        match self {
            Self::Tcp => vec![way.tcp(PORTS, Seg::SYN, b"")],
            Self::Udp => vec![way.udp(PORTS, b"x")],
            Self::UdpInPieces => way.udp_fragments(7, PORTS, &[1; 2000], 1024),
            Self::Icmp => vec![way.echo_request(7, b"x")],
            Self::Gre => vec![way.raw(47, &[0; 8])],
        }
    }
}

/// A sender and a receiver, with the rules of the case and no others.
struct World {
    town: Town,
    ends: (InterfaceId, InterfaceId),
}

impl World {
    fn new(path: Path, (proto, six): (Proto, bool), missing: Missing) -> Self {
        let size = Size {
            hosts: 2,
            vpcs: 1,
            interfaces: 0,
            peered: false,
            outside: false,
            balancers: false,
        };
        let mut world = Self {
            town: Town::new(3, size),
            ends: (InterfaceId::from_bits(0), InterfaceId::from_bits(0)),
        };
        let sender = world.interface(0);
        world.ends = match path {
            Path::SameHost => (sender, world.interface(0)),
            Path::CrossHost => (sender, world.interface(1)),
            Path::Hairpin => (sender, sender),
        };
        let rule = RuleDraft {
            traffic: proto.rule(six),
            peer: Peer::Cidr(
                if six { "fd00::/16" } else { "10.0.0.0/8" }
                    .parse()
                    .unwrap(),
            ),
            description: None,
        };
        let ingress = (missing != Missing::Ingress).then(|| rule.clone());
        let egress = (missing != Missing::Egress).then_some(rule);
        world.allow(ingress.into_iter().collect(), egress.into_iter().collect());
        world.town.sync();
        world
    }

    fn interface(&mut self, host: usize) -> InterfaceId {
        let town = &mut self.town;
        let subnet = town.subnets[0];
        let mut place = town.place(&mut crate::random::Random::new(1), subnet);
        place.host = town.hosts[host].name.clone();
        let draft = interface::Draft {
            attachment: Some(place),
            ..interface::Draft::new(town.subnets[0])
        };
        let run = town.run(|w, e| interface::create(&w.controller.cloud, &w.settings, draft, e));
        run.unwrap();
        *town.interfaces.last().unwrap()
    }

    /// The default group, which both are in, with these rules instead of its own.
    fn allow(&mut self, ingress: Vec<RuleDraft>, egress: Vec<RuleDraft>) {
        let id = self.town.groups[0];
        let group = self.town.controller.cloud.security_group(id).unwrap();
        let old: Vec<_> = group
            .ingress
            .iter()
            .chain(&group.egress)
            .map(|r| r.id)
            .collect();
        let run = self
            .town
            .run(|w, _| security_group::revoke(&w.controller.cloud, id, &old, None));
        run.unwrap();
        let rules = (ingress, egress);
        let run = self.town.run(|w, e| {
            security_group::authorize(&w.controller.cloud, &w.settings, id, rules, None, e)
        });
        run.unwrap();
    }

    fn way(&self, six: bool) -> Way {
        let find = |id| self.town.controller.cloud.interface(id).unwrap();
        let (from, to) = (find(self.ends.0), find(self.ends.1));
        let address = |i: &weft_model::Interface| i.addresses().find(|a| a.is_ipv6() == six);
        Way {
            src_mac: from.mac,
            dst_mac: to.mac,
            src: address(from).unwrap(),
            dst: address(to).unwrap(),
            ttl: 64,
            dont_fragment: false,
        }
    }

    fn send(&mut self, frame: Vec<u8>) -> Fate {
        let (from, now) = (self.ends.0, self.town.now);
        let host = self.town.host_of(from).unwrap();
        Journey::send(&mut self.town.hosts, now, (host, from), frame)
    }
}

#[test]
fn the_same_policy_holds_on_every_path() {
    let mut cases = 0;
    for path in PATHS {
        for proto in PROTOCOLS {
            for six in [false, true] {
                for missing in VERDICTS {
                    // Without ports, a packet to oneself is its own reply.
                    let own = (path, proto, missing);
                    if own == (Path::Hairpin, Proto::Gre, Missing::Ingress) {
                        continue;
                    }
                    check(path, (proto, six), missing);
                    cases += 1;
                }
            }
        }
    }
    println!("{cases} cases");
}

fn check(path: Path, (proto, six): (Proto, bool), missing: Missing) {
    let mut world = World::new(path, (proto, six), missing);
    let way = world.way(six);
    for (n, frame) in proto.frames(&way).into_iter().enumerate() {
        let fate = world.send(frame);
        let codes: Vec<_> = fate.drops.iter().map(|drop| drop.reason.code()).collect();
        let reached: Vec<_> = fate.delivered.iter().map(|(id, _)| *id).collect();
        let case = format!("{path:?} {proto:?} IPv6 {six} without {missing:?}, piece {n}");
        let refusal = match missing {
            Missing::Nothing => None,
            _ if n > 0 => Some("fragment_orphan"),
            Missing::Egress => Some("security_group_egress"),
            Missing::Ingress => Some("security_group_ingress"),
        };
        assert_eq!(codes, Vec::from_iter(refusal), "{case}");
        let whom = refusal.is_none().then_some(world.ends.1);
        assert_eq!(reached, Vec::from_iter(whom), "{case}");
        let crosses = usize::from(path == Path::CrossHost && missing != Missing::Egress);
        assert_eq!(fate.crossings.len(), crosses, "{case}");
    }
}
