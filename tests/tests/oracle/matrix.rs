//! The policy matrix: the same verdict on every path, between every two places, over both families, for
//! every protocol, whole and in pieces. The cases are all that its dimensions make.

mod world;

use weft_engine::testing::{Seg, frames::Way};
use weft_model::{PortMatch, PortRange, Protocol};

use self::world::World;

/// How a packet gets from the one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// By the other's own address, in one subnet.
    Subnet,
    /// To its own address at its own port.
    Hairpin,
    /// By a route to somebody who forwards.
    Middlebox,
    Peering,
    /// By a transit gateway to another VPC.
    Transit,
    Balancer,
    /// To a balancer of a peered VPC.
    PeeredBalancer,
    /// From the internet to a balancer.
    Front,
    /// By the other's public address.
    Public,
    /// To the internet.
    Outward,
    /// From the internet.
    Inward,
    /// To the internet, by a gateway that lets nobody in.
    EgressOnly,
    /// To the internet, from an address that many share, and the answer back.
    Nat,
    /// From such an address to the other's public one, and the answer back.
    NatToPublic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proto {
    Tcp,
    Udp,
    UdpInPieces,
    Icmp,
    Gre,
}

/// Whose rule is missing, if one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Nothing,
    Egress,
    Ingress,
}

/// One of all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) path: Path,
    pub(crate) cross_host: bool,
    pub(crate) proto: Proto,
    pub(crate) six: bool,
    pub(crate) missing: Missing,
}

const PATHS: [Path; 14] = [
    Path::Subnet,
    Path::Hairpin,
    Path::Middlebox,
    Path::Peering,
    Path::Transit,
    Path::Balancer,
    Path::PeeredBalancer,
    Path::Front,
    Path::Public,
    Path::Outward,
    Path::Inward,
    Path::EgressOnly,
    Path::Nat,
    Path::NatToPublic,
];
const PROTOCOLS: [Proto; 5] = [
    Proto::Tcp,
    Proto::Udp,
    Proto::UdpInPieces,
    Proto::Icmp,
    Proto::Gre,
];
const VERDICTS: [Missing; 3] = [Missing::Nothing, Missing::Egress, Missing::Ingress];
const PORTS: (u16, u16) = (40_000, 80);

impl Path {
    fn has_receiver(self) -> bool {
        !matches!(self, Self::Outward | Self::EgressOnly | Self::Nat)
    }

    /// Crossings of the underlay on the whole way.
    fn crossings(self, cross_host: bool) -> usize {
        match self {
            Self::Outward | Self::EgressOnly | Self::Inward | Self::Front | Self::Nat => 1,
            Self::Public | Self::NatToPublic => 2,
            _ => usize::from(cross_host),
        }
    }
}

impl Proto {
    pub(crate) fn rule(self, six: bool) -> PortMatch {
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

    /// What answers it between these ports; of a ping the second is the identifier.
    fn answers(self, way: &Way, ports: (u16, u16)) -> Vec<Vec<u8>> {
        match self {
            Self::Tcp => vec![way.tcp(ports, Seg::SYN_ACK, b"")],
            Self::UdpInPieces => way.udp_fragments(8, ports, &[1; 2000], 1024),
            Self::Icmp => vec![way.echo_reply(ports.1, b"x")],
            Self::Udp | Self::Gre => vec![way.udp(ports, b"x")],
        }
    }
}

impl Case {
    /// Whether there is such a thing.
    fn is_one(&self) -> bool {
        let ports = matches!(self.proto, Proto::Tcp | Proto::Udp | Proto::UdpInPieces);
        match (self.path, self.missing) {
            // Nobody inside sends, and nobody inside gets it.
            (Path::Inward | Path::Front, Missing::Egress) => false,
            (path, Missing::Ingress) if !path.has_receiver() => false,
            // Without ports, a packet to oneself is its own reply.
            (Path::Hairpin, Missing::Ingress) if self.proto == Proto::Gre => false,
            (Path::Hairpin, _) => !self.cross_host,
            (Path::Balancer | Path::PeeredBalancer | Path::Front, _) => ports,
            (Path::EgressOnly, _) => self.six,
            (Path::Nat | Path::NatToPublic, _) => !self.six && self.proto != Proto::Gre,
            _ => true,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let bools = [false, true];
        PATHS.into_iter().flat_map(move |path| {
            bools.into_iter().flat_map(move |cross_host| {
                PROTOCOLS.into_iter().flat_map(move |proto| {
                    bools.into_iter().flat_map(move |six| {
                        VERDICTS.into_iter().map(move |missing| Self {
                            path,
                            cross_host,
                            proto,
                            six,
                            missing,
                        })
                    })
                })
            })
        })
    }
}

#[test]
fn the_same_policy_holds_on_every_path() {
    let mut cases = 0;
    for case in Case::all().filter(Case::is_one) {
        check(case);
        cases += 1;
    }
    println!("{cases} cases");
    assert!(cases > 300, "the dimensions make {cases} cases");
}

fn check(case: Case) {
    let mut world = World::new(case);
    let way = world.way();
    for (n, frame) in case.proto.frames(&way).into_iter().enumerate() {
        let fate = world.send(frame);
        let codes: Vec<_> = fate.drops.iter().map(|drop| drop.reason.code()).collect();
        let reached: Vec<_> = fate.delivered.iter().map(|(id, _)| *id).collect();
        let refusal = match case.missing {
            Missing::Nothing => None,
            _ if n > 0 => Some("fragment_orphan"),
            Missing::Egress => Some("security_group_egress"),
            Missing::Ingress => Some("security_group_ingress"),
        };
        assert_eq!(codes, Vec::from_iter(refusal), "{case:?}, piece {n}");
        let passes = refusal.is_none();
        let whom = (passes && case.path.has_receiver()).then_some(world.receiver());
        assert_eq!(reached, Vec::from_iter(whom), "{case:?}, piece {n}");
        let leaves = usize::from(passes && !case.path.has_receiver());
        assert_eq!(fate.outside.len(), leaves, "{case:?}, piece {n}");
        let crosses = match case.missing {
            Missing::Egress => 0,
            _ => case.path.crossings(case.cross_host),
        };
        assert_eq!(fate.crossings.len(), crosses, "{case:?}, piece {n}");
        if passes && matches!(case.path, Path::Nat | Path::NatToPublic) {
            world.check_answer(&fate, n);
        }
    }
}
