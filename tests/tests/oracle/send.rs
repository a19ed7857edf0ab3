//! The packets of a story.

mod fronts;

use std::net::IpAddr;

use weft_engine::testing::{Seg, frames::Way};
use weft_model::{Cloud, HostName, Interface, InterfaceId, Mac};

use self::fronts::{asks_inside, front};
use crate::{
    judge::{outside::public_of, policy::held},
    random::Random,
    theme::Theme,
    town::{OUTSIDE4, PORTS, Town, outside6},
};

/// Two ends, and a protocol between them: stories come back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// Which of their addresses.
    pub(crate) nth: usize,
    pub(crate) six: bool,
    pub(crate) ports: (u16, u16),
    pub(crate) via: Via,
}

/// Whom the one end takes the other for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// The interface, by its own address.
    Itself,
    /// The interface, by its public address.
    Public,
    /// Somebody in the internet, whoever `b` is.
    Internet,
    /// A balancer and a listener of it; `b` is whoever serves.
    Balancer(usize),
    /// The same from outside: somebody in the internet asks, or the one end by its public address.
    Front(usize),
}

/// Where a frame begins its way.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    Port(InterfaceId),
    /// This edge gets it from the internet.
    Internet(HostName),
}

/// One packet: of a session, in one of its directions, with what is odd about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Send {
    pub(crate) session: Session,
    /// From `b` to `a`.
    pub(crate) back: bool,
    pub(crate) what: What,
    pub(crate) odd: Odd,
    pub(crate) ttl: u8,
    pub(crate) dont_fragment: bool,
    pub(crate) size: usize,
    /// Which edge gets what comes from the internet.
    pub(crate) edge: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Tcp(u8),
    Udp,
    /// A piece of a datagram: which, of three.
    Piece(u16, usize),
    Echo(bool),
    Timestamp(bool),
    Raw(u8),
    /// "Port unreachable" about a packet the other way.
    Unreachable(About),
}

/// What an error quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Tcp,
    Udp,
    Echo(bool),
    Timestamp(bool),
    Raw(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    Nothing,
    /// From another interface's address: what forwarders do, and impostors.
    Foreign(usize),
    /// A router on the way speaks about it.
    FromRouter,
    FromOutside,
    ToOutside,
    ToRouter,
    ToNobody,
    ToBroadcast,
    ToMulticast,
    /// To this MAC, whatever the address.
    ToMac(Mac),
    FromMac,
}

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const FIN: u8 = 0x01;
const ACK: u8 = 0x10;

impl Session {
    pub(crate) fn random(random: &mut Random, interfaces: usize, theme: Theme) -> Self {
        let a = random.below(interfaces);
        Self {
            a,
            // Interfaces of one VPC are made one after the other.
            b: match random.percent(60) {
                true => (a + random.below(3)) % interfaces,
                false => random.below(interfaces),
            },
            nth: if random.percent(80) {
                0
            } else {
                random.below(3)
            },
            six: random.percent(theme.sixes()),
            ports: (*random.pick(&[1024, 40_000]), *random.pick(&PORTS)),
            via: theme.via(random),
        }
    }
}

impl Send {
    pub(crate) fn random(random: &mut Random, sessions: &[Session]) -> Self {
        let session = *random.pick(sessions);
        let served = matches!(session.via, Via::Balancer(_) | Via::Front(_)) && random.percent(60);
        Self {
            session,
            back: random.percent(45),
            what: match served {
                true => *random.pick(&SERVED),
                false => what(random),
            },
            odd: odd(random),
            ttl: if random.percent(4) {
                random.below(3) as u8
            } else {
                64
            },
            dont_fragment: random.percent(50),
            size: match random.below(20) {
                0 => 1500,
                1 => 4000,
                2 => 1408,
                _ => random.below(64),
            },
            edge: random.below(4),
        }
    }
}

/// What most of a balancer's clients send.
const SERVED: [What; 6] = [
    What::Tcp(SYN),
    What::Tcp(SYN),
    What::Tcp(ACK),
    What::Tcp(ACK),
    What::Tcp(SYN | ACK),
    What::Udp,
];

fn what(random: &mut Random) -> What {
    match random.below(20) {
        0..=8 => What::Tcp(*random.pick(&[
            SYN,
            SYN,
            SYN,
            SYN | ACK,
            SYN | ACK,
            ACK,
            ACK,
            ACK,
            ACK,
            FIN | ACK,
            RST,
            RST | ACK,
        ])),
        9..=11 => What::Udp,
        12 | 13 => What::Piece(random.below(2) as u16, random.below(3)),
        14 | 15 => What::Echo(random.percent(60)),
        16 => What::Timestamp(random.percent(60)),
        17 => What::Raw(*random.pick(&[47, 50, 1, 58])),
        _ => What::Unreachable(match random.below(6) {
            0 => About::Udp,
            1 => About::Echo(random.percent(60)),
            2 => About::Timestamp(random.percent(60)),
            3 => About::Raw(47),
            _ => About::Tcp,
        }),
    }
}

fn odd(random: &mut Random) -> Odd {
    if random.percent(75) {
        return Odd::Nothing;
    }
    match random.below(16) {
        14 | 15 => Odd::FromRouter,
        0..=2 => Odd::Foreign(random.below(8)),
        3 | 4 => Odd::FromOutside,
        5..=8 => Odd::ToOutside,
        9 => Odd::ToRouter,
        10 => Odd::ToNobody,
        11 => *random.pick(&[Odd::ToBroadcast, Odd::ToMulticast]),
        12 => Odd::ToMac(*random.pick(&[Mac::BROADCAST, Mac::ROUTER, Mac::local(7)])),
        _ => Odd::FromMac,
    }
}

fn segment(flags: u8) -> Seg {
    Seg {
        syn: flags & SYN != 0,
        ack: flags & ACK != 0,
        fin: flags & FIN != 0,
        rst: flags & RST != 0,
        seq: 1000,
        ack_number: 1000,
    }
}

fn address(interface: &Interface, six: bool, nth: usize) -> Option<IpAddr> {
    let own: Vec<_> = interface
        .addresses()
        .filter(|a| a.is_ipv6() == six)
        .collect();
    (!own.is_empty()).then(|| own[nth % own.len()])
}

fn nth(town: &Town, n: usize) -> Option<&Interface> {
    let id = town.interfaces[n % town.interfaces.len()];
    town.controller.cloud.interface(id)
}

/// An address of a balancer for the interface, and the port of one of its listeners.
fn balancer(town: &Town, from: &Interface, six: bool, nth: usize) -> Option<(IpAddr, Option<u16>)> {
    let (n, listener) = (nth % 4, nth / 4);
    let cloud = &town.controller.cloud;
    let peers = cloud.peerings_of_vpc(from.vpc).filter(|p| p.is_active());
    let vpcs = peers.filter_map(|peering| peering.other(from.vpc));
    let vpcs = [from.vpc].into_iter().chain(vpcs);
    let balancers: Vec<_> = vpcs.flat_map(|vpc| cloud.balancers_in_vpc(vpc)).collect();
    let balancer = balancers.get(n % balancers.len().max(1))?;
    let mut addresses = balancer.addresses().filter(|a| a.is_ipv6() == six);
    let listeners: Vec<_> = cloud.listeners_of(balancer.id).collect();
    let port = listeners.get(listener % listeners.len().max(1));
    Some((addresses.next()?, port.map(|listener| listener.port)))
}

/// The address by which the internet knows the interface.
fn public(cloud: &Cloud, interface: &Interface, six: bool, nth: usize) -> Option<IpAddr> {
    let own = address(interface, six, nth)?;
    match own {
        IpAddr::V4(_) => public_of(cloud, interface, own).map(IpAddr::V4),
        IpAddr::V6(_) => Some(own),
    }
}

impl Send {
    /// Who sends, and the frame, if the sender is there to send it.
    pub(crate) fn frame(&self, town: &Town) -> Option<(Origin, Vec<u8>)> {
        if self.session.via == Via::Internet && self.back {
            return self.internet_frame(town);
        }
        match self.session.via {
            Via::Balancer(_) if self.back => return self.served_frame(town),
            Via::Front(n) if self.back => return self.fronted_frame(town, n),
            Via::Front(n) if !asks_inside(n) => return self.asking_frame(town, n),
            _ => {}
        }
        let (session, cloud) = (self.session, &town.controller.cloud);
        let (from, to) = self.ends(town)?;
        from.attachment.as_ref()?;
        let six = session.six;
        let own = address(from, six, session.nth)?;
        let src = match self.odd {
            Odd::Foreign(n) => address(nth(town, n)?, six, 0)?,
            Odd::FromOutside => outside(six),
            Odd::FromRouter => router(six),
            _ => own,
        };
        let mut ports = match self.back {
            false => session.ports,
            true => (session.ports.1, session.ports.0),
        };
        let mut id = session.ports.0;
        let subnet = cloud.subnet(from.subnet)?;
        let network = match six {
            true => IpAddr::V6(subnet.ipv6?.net().network()),
            false => IpAddr::V4(subnet.ipv4.net().network()),
        };
        let dst = match self.odd {
            Odd::ToOutside => outside(six),
            Odd::ToRouter => offset(network, 1),
            Odd::ToNobody => offset(network, 99),
            Odd::ToBroadcast => offset(network, 255),
            Odd::ToMulticast if six => "ff02::99".parse().unwrap(),
            Odd::ToMulticast => "224.0.0.99".parse().unwrap(),
            _ => self.other_end(town, (from, to), (&mut ports.1, &mut id))?,
        };
        let way = Way {
            src_mac: if self.odd == Odd::FromMac {
                Mac::local(99)
            } else {
                from.mac
            },
            dst_mac: match self.odd {
                Odd::ToMac(mac) => mac,
                Odd::Nothing if from.subnet == to.subnet => to.mac,
                _ => Mac::ROUTER,
            },
            src,
            dst,
            ttl: self.ttl,
            dont_fragment: self.dont_fragment,
        };
        let by_router = self.odd == Odd::FromRouter;
        let seen = if by_router { own } else { src };
        let frame = self.build(&way, seen, (ports, id));
        Some((Origin::Port(from.id), frame))
    }

    /// Whom the sender takes the other end for, and its port, or the identifier of an echo.
    fn other_end(
        &self,
        town: &Town,
        (from, to): (&Interface, &Interface),
        (port, id): (&mut u16, &mut u16),
    ) -> Option<IpAddr> {
        let (session, cloud) = (self.session, &town.controller.cloud);
        let (six, which) = (session.six, session.nth);
        Some(match session.via {
            Via::Internet => outside(six),
            Via::Itself => address(to, six, which)?,
            Via::Public => {
                let here = public(cloud, from, six, which).filter(|_| self.back);
                let Some((address, given)) = here.and_then(|here| self.natted(town, here)) else {
                    return public(cloud, to, six, which);
                };
                (*port, *id) = (given, given);
                address
            }
            Via::Front(n) => {
                let (address, listening) = front(town, six, n)?;
                *port = listening.filter(|_| self.size != 13).unwrap_or(*port);
                address
            }
            Via::Balancer(n) => {
                let (address, listening) = balancer(town, from, six, n)?;
                *port = listening.filter(|_| self.size != 13).unwrap_or(*port);
                address
            }
        })
    }

    /// What the one end's connection with that address has from a gateway: an address and a port.
    fn natted(&self, town: &Town, with: IpAddr) -> Option<(IpAddr, u16)> {
        let session = self.session;
        let a = nth(town, session.a)?;
        let own = address(a, session.six, session.nth)?;
        let protocol = match self.what {
            What::Tcp(_) | What::Unreachable(About::Tcp) => 6,
            What::Udp | What::Piece(..) | What::Unreachable(About::Udp) => 17,
            What::Echo(_) | What::Unreachable(About::Echo(_)) => 1,
            _ => return None,
        };
        let ends = ((own, session.ports.0), (with, session.ports.1));
        town.judge.natted(a.id, protocol, ends)
    }

    /// What whoever serves the one end's connection to a balancer sends back.
    fn served_frame(&self, town: &Town) -> Option<(Origin, Vec<u8>)> {
        let (session, cloud) = (self.session, &town.controller.cloud);
        let to = nth(town, session.a)?;
        let protocol = match self.what {
            What::Udp | What::Piece(..) | What::Unreachable(About::Udp) => 17,
            _ => 6,
        };
        let own = address(to, session.six, session.nth)?;
        let served = town.judge.served(to.id, protocol, (own, session.ports.0));
        let (server, port) = served?;
        let from = held(cloud, to.vpc, server)?;
        let src = match self.odd {
            Odd::Foreign(n) => address(nth(town, n)?, session.six, 0)?,
            Odd::FromRouter => router(session.six),
            _ => server,
        };
        let way = Way {
            src_mac: from.mac,
            dst_mac: Mac::ROUTER,
            src,
            dst: own,
            ttl: self.ttl,
            dont_fragment: self.dont_fragment,
        };
        let by_router = self.odd == Odd::FromRouter;
        let seen = if by_router { server } else { src };
        let frame = self.build(&way, seen, ((port, session.ports.0), session.ports.0));
        Some((Origin::Port(from.id), frame))
    }

    fn ends<'a>(&self, town: &'a Town) -> Option<(&'a Interface, &'a Interface)> {
        let (a, b) = (self.session.a, self.session.b);
        match self.back {
            false => Some((nth(town, a)?, nth(town, b)?)),
            true => Some((nth(town, b)?, nth(town, a)?)),
        }
    }

    /// What somebody in the internet sends to the one end, by the address that is known there.
    fn internet_frame(&self, town: &Town) -> Option<(Origin, Vec<u8>)> {
        let (session, cloud) = (self.session, &town.controller.cloud);
        let six = session.six;
        let (dst, port) = match (self.natted(town, outside(six)), self.guess(town)) {
            (_, Some(guess)) => guess,
            (Some(known), None) => known,
            (None, None) => {
                let to = public(cloud, nth(town, session.a)?, six, session.nth)?;
                (to, session.ports.0)
            }
        };
        self.at_edge(town, dst, ((session.ports.1, port), port))
    }

    /// From the internet to an edge.
    fn at_edge(
        &self,
        town: &Town,
        dst: IpAddr,
        ports: ((u16, u16), u16),
    ) -> Option<(Origin, Vec<u8>)> {
        let (six, cloud) = (self.session.six, &town.controller.cloud);
        let edges: Vec<_> = cloud.hosts().filter(|h| h.uplink.is_some()).collect();
        let edge = edges.get(self.edge % edges.len().max(1))?;
        let src = match self.odd {
            Odd::Foreign(n) => address(nth(town, n)?, six, 0)?,
            Odd::FromRouter => router(six),
            _ => outside(six),
        };
        let way = Way {
            src_mac: Mac::local(99),
            dst_mac: Mac::EDGE,
            src,
            dst,
            ttl: self.ttl,
            dont_fragment: self.dont_fragment,
        };
        let by_router = self.odd == Odd::FromRouter;
        let seen = if by_router { outside(six) } else { src };
        let frame = self.build(&way, seen, ports);
        Some((Origin::Internet(edge.name.clone()), frame))
    }

    /// Some port of a gateway, whoever has it.
    fn guess(&self, town: &Town) -> Option<(IpAddr, u16)> {
        let stray = matches!(self.odd, Odd::ToNobody | Odd::ToRouter);
        let mut gateways = town.controller.cloud.nat_gateways();
        let gateway = gateways.next().filter(|_| stray && !self.session.six)?;
        let port = [0, 80, 1023, 1024, 1025, 1280, 56_023, 56_024][self.size % 8];
        Some((gateway.public.into(), port))
    }

    /// `seen`: who the other end takes the sender for; an error quotes a packet to them. `id`: that
    /// of an echo.
    fn build(&self, way: &Way, seen: IpAddr, (ports, id): ((u16, u16), u16)) -> Vec<u8> {
        let payload = vec![0x5a; self.size];
        match self.what {
            What::Tcp(flags) => way.tcp(ports, segment(flags), &payload),
            What::Udp => way.udp(ports, &payload),
            What::Piece(id, n) => way.udp_fragments(id, ports, &[7; 2000], 800).swap_remove(n),
            What::Echo(request) => echo(way, id, request, &payload),
            What::Timestamp(request) => timestamp(way, request),
            What::Raw(number) => way.raw(number, &[0; 24]),
            What::Unreachable(about) => {
                let back = Way { src: seen, ..*way }.back();
                way.unreachable(&about.packet(&back, (ports.1, ports.0), id))
            }
        }
    }
}

impl About {
    fn packet(self, back: &Way, ports: (u16, u16), id: u16) -> Vec<u8> {
        match self {
            Self::Tcp => back.tcp(ports, Seg::ACK, &[0; 16]),
            Self::Udp => back.udp(ports, &[0; 16]),
            Self::Echo(request) => echo(back, id, request, &[0; 16]),
            Self::Timestamp(request) => timestamp(back, request),
            Self::Raw(number) => back.raw(number, &[0; 24]),
        }
    }
}

fn echo(way: &Way, id: u16, request: bool, payload: &[u8]) -> Vec<u8> {
    match request {
        true => way.echo_request(id, payload),
        false => way.echo_reply(id, payload),
    }
}

/// RFC 792's timestamp, or in IPv6, which has none, an echo with an identifier of 0.
fn timestamp(way: &Way, request: bool) -> Vec<u8> {
    let message = etherparse::icmpv4::TimestampMessage {
        id: 9,
        seq: 1,
        originate_timestamp: 0,
        receive_timestamp: 0,
        transmit_timestamp: 0,
    };
    match (way.src.is_ipv4(), request) {
        (true, true) => way.icmp4(etherparse::Icmpv4Type::TimestampRequest(message), &[]),
        (true, false) => way.icmp4(etherparse::Icmpv4Type::TimestampReply(message), &[]),
        (false, request) => echo(way, 0, request, &[]),
    }
}

fn outside(six: bool) -> IpAddr {
    if six { outside6() } else { OUTSIDE4 }
}

/// Somebody in the internet who only passes packets on.
fn router(six: bool) -> IpAddr {
    match six {
        true => "2001:db8:5::fe".parse().unwrap(),
        false => "198.51.100.254".parse().unwrap(),
    }
}

fn offset(network: IpAddr, n: u8) -> IpAddr {
    match network {
        IpAddr::V4(a) => IpAddr::from((a.to_bits() + u32::from(n)).to_be_bytes()),
        IpAddr::V6(a) => IpAddr::from((a.to_bits() + u128::from(n)).to_be_bytes()),
    }
}
