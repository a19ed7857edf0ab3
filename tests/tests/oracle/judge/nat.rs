//! NAT gateways: who shares an address, and by which port.

use std::net::IpAddr;

use weft_model::{Cloud, HostName, Interface, InterfaceId, LeaseKey, NatGateway, RouteTarget, Vni};
use weft_packet::headers::{Ip, L4};

use super::{
    Case, Crossing, Judge, Judged, Next, Outcome, Refusal, Way,
    bytes::{Expected, ip_of},
    connection::{Connection, Ends, Kind, Mask, Name, asks},
    fronts::front_at,
    known::quoted,
    outside::check_outsider,
    policy::{Direction, Traffic, check_acl, is_gateway, table_route},
    translate,
};

/// Seconds that a connection may be idle.
const IDLE: u64 = 350;

/// In a mask: the port that somebody has, and that nobody saw yet.
const UNSEEN: u16 = 0;

/// What tells a datagram in pieces from others on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Datagram {
    ends: (IpAddr, IpAddr, u8),
    id: u32,
}

fn datagram(ip: &Ip) -> Option<Datagram> {
    Some(Datagram {
        ends: (ip.src, ip.dst, ip.protocol),
        id: ip.fragment?.id,
    })
}

/// What is known of datagrams in pieces, by their first ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pieces {
    /// An edge's engine, and the port.
    at_edges: Vec<((IpAddr, usize), Datagram, u16)>,
    /// A host's engine, and who gets it.
    at_hosts: Vec<((HostName, usize), Datagram, InterfaceId)>,
}

/// Whether it begins what shows a port.
fn is_translatable(ip: &Ip) -> bool {
    match ip.l4_kind {
        L4::Tcp { .. } | L4::Udp { .. } => true,
        L4::Icmp { kind, .. } => kind == 8,
        L4::Other | L4::LaterFragment => false,
    }
}

fn gateways(cloud: &Cloud) -> impl Iterator<Item = &NatGateway> {
    cloud.nat_gateways()
}

fn gateway_at(cloud: &Cloud, address: IpAddr) -> Option<&NatGateway> {
    gateways(cloud).find(|nat| IpAddr::V4(nat.public) == address)
}

/// The host that the port is leased to.
fn lessee(cloud: &Cloud, nat: &NatGateway, port: u16) -> Option<HostName> {
    let key = LeaseKey::of_port(nat.public, port)?;
    cloud.port_lease(&key)?.host.clone()
}

/// The host that the interface is plugged in at.
fn host_of(interface: &Interface) -> Option<&HostName> {
    interface.attachment.as_ref().map(|place| &place.host)
}

/// The route table of the gateway's subnet must lead on to an internet gateway.
fn check_exit(cloud: &Cloud, nat: &NatGateway, to: IpAddr) -> Result<(), Refusal> {
    if to == IpAddr::V4(nat.public) {
        return Err(Refusal::because("nat_hairpin", nat.id));
    }
    let subnet = cloud.subnet(nat.subnet).unwrap();
    let (table, found) = table_route(cloud, subnet, to);
    let internet = |target| {
        matches!(target, RouteTarget::InternetGateway(_)) && is_gateway(cloud, nat.vpc, target)
    };
    match found.is_some_and(|(_, route)| internet(route.target)) {
        true => Ok(()),
        false => Err(Refusal::because("nat_no_exit", table)),
    }
}

/// The ACL of the gateway's subnet, where the interface is in another: what comes in, and what goes
/// out again.
fn check_acls(
    case: &Case<'_>,
    nat: &NatGateway,
    (before, after): (&Ip, &Ip),
) -> Result<(), Refusal> {
    if nat.subnet == case.at.subnet {
        return Ok(());
    }
    let subnet = case.cloud.subnet(nat.subnet).unwrap();
    let sides = [
        (Direction::In, before.src, before),
        (Direction::Out, after.dst, after),
    ];
    sides.into_iter().try_for_each(|(direction, peer, ip)| {
        check_acl(case.cloud, subnet, direction, peer, Traffic::of(ip))
    })
}

/// The same end of the other side: one public port serves one of these.
fn same_far_end(one: &Name, other: &Name) -> bool {
    let kinds = match (one.kind, other.kind) {
        (Kind::Ports { remote: a, .. }, Kind::Ports { remote: b, .. }) => a == b,
        (Kind::Query { request: a, .. }, Kind::Query { request: b, .. }) => a == b,
        (one, other) => one == other,
    };
    (one.protocol, one.remote) == (other.protocol, other.remote) && kinds
}

impl Connection {
    /// How it looks on the wire, if a gateway gave it that look.
    pub(super) fn natted(&self) -> Option<Mask> {
        let other = self.mask.filter(|mask| mask.local.0 != self.name.local);
        other.filter(|_| !self.picked)
    }
}

/// Out of an interface.
impl Judge {
    /// The way on from a gateway, where one stands in the way.
    pub(super) fn through_nat(
        &mut self,
        case: &Case<'_>,
        judged: &Judged,
        way: Way,
    ) -> Result<Way, Refusal> {
        let masked = way.mask.map(|(_, mask)| mask.local.0);
        if masked.is_some_and(|local| front_at(case.cloud, local).is_some()) {
            return Ok(way);
        }
        let elsewhere = || Refusal::because("nat_idle", case.ip.dst);
        // A piece, or an error about a connection, has no choice.
        let bound = way.mask.filter(|(name, mask)| mask.local.0 != name.local);
        let held = match judged {
            Judged::Part(name) => self.find(name).and_then(|connection| connection.natted()),
            Judged::Alone => bound.map(|(_, mask)| mask),
        };
        let Next::Nat(nat) = &way.to else {
            return held.map_or(Ok(way), |_| Err(elsewhere()));
        };
        check_exit(case.cloud, nat, case.ip.dst)?;
        let held = held.filter(|mask| mask.local.0 == IpAddr::V4(nat.public));
        if bound.is_some() && held.is_none() {
            return Err(elsewhere());
        }
        if case.ip.l4_kind != L4::LaterFragment {
            check_acls(case, nat, (case.ip, case.ip))?;
        }
        let name = match (bound, judged) {
            (Some((name, _)), _) => name,
            (None, Judged::Part(name)) => *name,
            (None, Judged::Alone) => return Err(Refusal::because("nat_untranslatable", nat.id)),
        };
        let mask = Mask {
            local: (nat.public.into(), self.port(case, &name, nat, held)?),
            remote: name.ends().remote,
        };
        if let Some(connection) = self.find(&name).filter(|_| bound.is_some()) {
            connection.mask = Some(mask);
        }
        let mask = (name, mask);
        Ok(Way {
            to: Next::Internet,
            routed: true,
            mask: Some(mask),
            idle: Some(IDLE),
        })
    }

    /// The connection's port: the one that it has, or else the one that it was seen to be given, if
    /// it may be.
    fn port(
        &self,
        case: &Case<'_>,
        name: &Name,
        nat: &NatGateway,
        held: Option<Mask>,
    ) -> Result<u16, Refusal> {
        let refuse = |code| Err(Refusal::because(code, nat.id));
        match held {
            Some(mask) if mask.local.1 != UNSEEN => return Ok(mask.local.1),
            Some(_) => {}
            None if !is_translatable(case.ip) => return refuse("nat_untranslatable"),
            None if case.flags().is_some_and(|flags| !asks(flags)) => return refuse("nat_idle"),
            None => {}
        }
        let (free, promised) = self.free_ports(case.cloud, case.at, name, nat);
        if held.is_none() && free.len() <= promised {
            return refuse("nat_exhausted");
        }
        let seen = self.seen.as_ref().and_then(|(_, frame)| {
            let (_, ip) = ip_of(frame).ok()?;
            let from = ip.src == IpAddr::V4(nat.public) && ip.l4_kind != L4::LaterFragment;
            shown(frame, &ip, Direction::Out).filter(|_| from)
        });
        match seen {
            Some(port) if !free.contains(&port) => Err(Refusal::because("nat_port_taken", port)),
            Some(port) => Ok(port),
            None => Ok(UNSEEN),
        }
    }

    /// The ports that the interface's worker may give a connection, and how many of them are given
    /// to others already, nobody saw which.
    fn free_ports(
        &self,
        cloud: &Cloud,
        at: &Interface,
        name: &Name,
        nat: &NatGateway,
    ) -> (Vec<u16>, usize) {
        let worker = self.worker(at.mac.octets()[5]);
        let host = host_of(at);
        let leased = cloud.leases_of_nat(nat.id);
        let leased = leased.filter(|lease| lease.host.as_ref() == host);
        let ports = leased.flat_map(|lease| lease.key.ports().first()..=lease.key.ports().last());
        let mut free: Vec<u16> = ports
            .filter(|port| self.worker(port.to_be_bytes()[1]) == worker)
            .collect();
        let mut promised = 0;
        for other in self.connections.iter().filter(|c| c.name != *name) {
            let Some(mask) = other.natted().filter(|mask| {
                mask.local.0 == IpAddr::V4(nat.public) && same_far_end(&other.name, name)
            }) else {
                continue;
            };
            free.retain(|port| *port != mask.local.1);
            let beside = cloud.interface(other.name.interface).is_some_and(|other| {
                host_of(other) == host && self.worker(other.mac.octets()[5]) == worker
            });
            promised += usize::from(mask.local.1 == UNSEEN && beside);
        }
        (free, promised)
    }

    fn worker(&self, byte: u8) -> usize {
        usize::from(byte) % self.workers.max(1)
    }
}

/// At an edge.
impl Judge {
    /// Whether the host translates to the port that the packet comes from; a later piece shows none,
    /// so that any of the address will do.
    pub(super) fn is_behind_nat(cloud: &Cloud, host: &HostName, frame: &[u8]) -> bool {
        let (_, ip) = ip_of(frame).unwrap();
        let Some(nat) = gateway_at(cloud, ip.src) else {
            return false;
        };
        if ip.l4_kind == L4::LaterFragment {
            let mut leases = cloud.leases_of_nat(nat.id);
            return leases.any(|lease| lease.host.as_ref() == Some(host));
        }
        let port = shown(frame, &ip, Direction::Out);
        port.and_then(|port| lessee(cloud, nat, port)).as_ref() == Some(host)
    }

    /// The host and the port that a packet to a gateway's address is for.
    pub(super) fn nat_holder(
        &mut self,
        cloud: &Cloud,
        edge: (IpAddr, usize),
        frame: &[u8],
    ) -> Option<(HostName, u16)> {
        let (_, ip) = ip_of(frame).unwrap();
        let nat = gateway_at(cloud, ip.dst)?;
        let known = datagram(&ip);
        let port = match ip.l4_kind {
            L4::LaterFragment => {
                let mut pieces = self.pieces.at_edges.iter();
                pieces
                    .find(|(at, piece, _)| *at == edge && Some(*piece) == known)?
                    .2
            }
            _ => shown(frame, &ip, Direction::In)?,
        };
        let host = lessee(cloud, nat, port)?;
        if let Some(known) = known.filter(|_| ip.l4_kind != L4::LaterFragment) {
            let pieces = &mut self.pieces.at_edges;
            pieces.retain(|(at, piece, _)| (*at, *piece) != (edge, known));
            pieces.push((edge, known, port));
        }
        Some((host, port))
    }

    /// From an edge to the host that translates to the port.
    pub(super) fn inward_to_nat(
        &mut self,
        cloud: &Cloud,
        now: u64,
        ((host, port), edges): ((HostName, u16), Vec<IpAddr>),
        frame: Vec<u8>,
        outcome: &mut Outcome,
    ) {
        let known = self.edges(cloud);
        let stranger = edges.iter().find(|edge| !known.contains(edge)).copied();
        outcome.crossings.push(Crossing {
            from: edges,
            to: vec![cloud.host(&host).unwrap().vtep],
            vni: Vni::OUTSIDE,
        });
        if let Some(edge) = stranger {
            let refusal = Refusal::because("edge_unknown", edge);
            return outcome.drops.push(refusal);
        }
        match self.arrival_at_nat(cloud, now, (host, port), frame) {
            Ok((to, frame)) => outcome.delivered.push((to, Expected::Frame(frame))),
            Err(refusal) => outcome.drops.push(refusal),
        }
    }
}

/// Into an interface.
impl Judge {
    fn arrival_at_nat(
        &mut self,
        cloud: &Cloud,
        now: u64,
        (host, port): (HostName, u16),
        mut frame: Vec<u8>,
    ) -> Result<(InterfaceId, Vec<u8>), Refusal> {
        self.forget(now);
        let (_, wire) = ip_of(&frame).unwrap();
        let unknown = || Refusal::because("nat_no_connection", wire.dst);
        let engine = (host.clone(), self.worker(port.to_be_bytes()[1]));
        let later = wire.l4_kind == L4::LaterFragment;
        let found = match later {
            true => self.piece_owner(&engine, &wire),
            false => self.owner(cloud, &host, &frame),
        };
        let to = found
            .and_then(|id| cloud.interface(id))
            .ok_or_else(unknown)?;
        check_outsider(cloud, to, wire.src)?;
        frame[..6].copy_from_slice(&to.mac.octets());
        frame[6..12].copy_from_slice(&weft_model::Mac::ROUTER.octets());
        let masked = self.behind_mask(cloud, to, &frame);
        let inside = match &masked {
            Some((name, mask)) => translate::take_off(&frame, name, mask),
            None => frame,
        };
        let (_, ip) = ip_of(&inside).unwrap();
        let case = Case {
            cloud,
            now,
            at: to,
            direction: Direction::In,
            frame: &inside,
            ip: &ip,
            wire: &wire,
            masked: true,
            outside: false,
        };
        if !later {
            self.check_nat_entry(&case, masked.is_some(), &engine)?;
        }
        self.enter(&case)?;
        Ok((to.id, inside))
    }

    /// Only what belongs to a connection comes in.
    fn check_nat_entry(
        &mut self,
        case: &Case<'_>,
        masked: bool,
        engine: &(HostName, usize),
    ) -> Result<(), Refusal> {
        let with = case.with();
        if let Some(name) = case.name() {
            // The other end's address is another's now.
            self.connections
                .retain(|c| c.name != name || c.with == with);
        }
        let known = case.name().is_none_or(|name| self.find(&name).is_some());
        if !masked || !known || case.flags().is_some_and(asks) {
            return Err(Refusal::because("nat_no_connection", case.wire.dst));
        }
        if let Some(piece) = datagram(case.wire) {
            let pieces = &mut self.pieces.at_hosts;
            pieces.retain(|(at, known, _)| (at, *known) != (engine, piece));
            pieces.push((engine.clone(), piece, case.at.id));
        }
        let nat = gateway_at(case.cloud, case.wire.dst);
        nat.map_or(Ok(()), |nat| check_acls(case, nat, (case.wire, case.ip)))
    }

    fn piece_owner(&self, engine: &(HostName, usize), wire: &Ip) -> Option<InterfaceId> {
        let piece = datagram(wire)?;
        let mut pieces = self.pieces.at_hosts.iter();
        let found = pieces.find(|(at, known, _)| at == engine && *known == piece);
        found.map(|(.., interface)| *interface)
    }

    /// The interface whose connection a packet for a port of the host is of, or about.
    fn owner(&mut self, cloud: &Cloud, host: &HostName, frame: &[u8]) -> Option<InterfaceId> {
        let (_, ip) = ip_of(frame).ok()?;
        let looks = looks(frame, &ip)?;
        let wears = |c: &&mut Connection| c.natted().is_some() && c.wears(&looks(c));
        if let Some(found) = self.connections.iter_mut().find(wears) {
            return Some(found.name.interface);
        }
        self.unseen_owner(cloud, host, &looks)
    }

    /// A connection that may have that port, if nobody saw which it has: then perhaps it does.
    fn unseen_owner(
        &mut self,
        cloud: &Cloud,
        host: &HostName,
        looks: &dyn Fn(&Connection) -> Name,
    ) -> Option<InterfaceId> {
        let may = |c: &&mut Connection| {
            let looks = looks(c);
            let here = cloud.interface(c.name.interface).and_then(host_of) == Some(host);
            let unseen = c
                .natted()
                .is_some_and(|mask| mask.local.1 == UNSEEN && mask.local.0 == looks.ends().local.0);
            here && unseen && same_far_end(&c.name, &looks)
        };
        let found = self.connections.iter_mut().find(may)?;
        if self.choices.of(2) == 0 {
            return None;
        }
        let port = looks(found).ends().local.1;
        if let Some(mask) = &mut found.mask {
            mask.local.1 = port;
        }
        Some(found.name.interface)
    }
}

/// The name that a packet from the wire, or what an error from there quotes, would have at the
/// interface of a connection.
fn looks(frame: &[u8], ip: &Ip) -> Option<impl Fn(&Connection) -> Name + use<>> {
    let (ends, way) = match quoted(frame, ip) {
        Some(ends) => (ends, Direction::Out),
        None => (Ends::of(ip)?, Direction::In),
    };
    ends.name(InterfaceId::from_bits(0), way)?;
    Some(move |c: &Connection| ends.name(c.name.interface, way).unwrap())
}

/// The port at the public end of a packet, or of what an error quotes.
fn shown(frame: &[u8], ip: &Ip, direction: Direction) -> Option<u16> {
    let name = match quoted(frame, ip) {
        Some(ends) => ends.name(InterfaceId::from_bits(0), direction.other()),
        None => Ends::of(ip)?.name(InterfaceId::from_bits(0), direction),
    };
    name.map(|name| name.ends().local.1)
}

/// Whose gateway's look each connection of the interface has.
impl Judge {
    /// How the interface's connection between those ends looks to the internet.
    pub(crate) fn natted(
        &self,
        interface: InterfaceId,
        protocol: u8,
        (local, remote): ((IpAddr, u16), (IpAddr, u16)),
    ) -> Option<(IpAddr, u16)> {
        let found = self.connections.iter().find(|c| {
            let ends = c.name.ends();
            let far = ends.remote == remote || protocol == 1 && ends.remote.0 == remote.0;
            (c.name.interface, c.name.protocol, ends.local) == (interface, protocol, local) && far
        });
        let mask = found?.natted()?;
        (mask.local.1 != UNSEEN).then_some(mask.local)
    }

    /// The cloud changed: a connection ends with its port, or its gateway.
    pub(super) fn leave_ports(&mut self, cloud: &Cloud) {
        self.connections.retain(|c| {
            let Some(mask) = c.natted() else {
                return true;
            };
            let Some(nat) = gateway_at(cloud, mask.local.0) else {
                return false;
            };
            let interface = cloud.interface(c.name.interface);
            let host = interface.and_then(host_of);
            mask.local.1 == UNSEEN || lessee(cloud, nat, mask.local.1).as_ref() == host
        });
        let plugged = |id: InterfaceId| cloud.interface(id).and_then(host_of).cloned();
        let pieces = &mut self.pieces.at_hosts;
        pieces.retain(|((host, _), _, id)| plugged(*id).as_ref() == Some(host));
    }
}
