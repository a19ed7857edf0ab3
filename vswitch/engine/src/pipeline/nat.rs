//! Through a NAT gateway: which way leads there and on from it, and whose connection is whose.

use std::{net::IpAddr, sync::Arc};

use weft_model::RouteTarget;
use weft_packet::{
    headers::{Ip, L4},
    icmp,
};

use super::{
    Core, Packet,
    acl::check_subnet,
    ingress::Met,
    way::{Plan, Way},
};
use crate::{
    config::{Config, Direction, NatConfig, PortView, nat::Leases},
    drop::{Drop, DropObject, DropReason},
    flow::{FlowKey, NextHop, is_echo, is_opening, is_query_reply},
    port::PortIndex,
    time::Now,
    trace::Step,
};

/// Entries that are looked at when all ports of a destination are in use: the sweep may not have
/// come by those that are over.
const SWEEP: usize = 256;

/// How long a conversation may be idle, in nanoseconds.
const IDLE: u64 = 350 * Now::SECOND;

/// No port: a key that is yet to be given one.
const NO_PORT: PortIndex = PortIndex(u32::MAX);

/// The NAT gateway that the port's route for the address leads to, once it is sure that the
/// gateway's own leads on.
pub(super) fn leads_to<'a>(view: &PortView<'a>, to: IpAddr) -> Result<Option<&'a NatConfig>, Drop> {
    let route = |table| {
        let routes = view.vpc.routes.get(&table);
        routes.and_then(|routes| routes.longest(to))
    };
    let table = view.subnet().route_table;
    let Some(RouteTarget::Nat(id)) = route(table).map(|route| route.target) else {
        return Ok(None);
    };
    let gone = Drop::because(DropReason::Blackhole, DropObject::Nat(id));
    let nat = view.vpc.nats.get(&id).ok_or(gone)?;
    if to == IpAddr::V4(nat.public) {
        return Err(Drop::because(DropReason::NatHairpin, DropObject::Nat(id)));
    }
    let subnet = nat.subnet;
    view.config.note(|| Step::Nat { nat: id, subnet });
    let table = view.vpc.subnet(subnet).ok_or(gone)?.route_table;
    let exit = route(table).filter(|exit| matches!(exit.target, RouteTarget::InternetGateway(_)));
    let object = DropObject::RouteTable(table);
    let exit = exit.ok_or(Drop::because(DropReason::NatNoExit, object))?;
    view.config.note(|| Step::Route {
        table,
        destination: exit.destination,
        target: exit.target,
    });
    Ok(Some(nat))
}

/// What was translated has no way out any more.
pub(super) fn led_elsewhere(packet: &Packet<'_>) -> Drop {
    let object = DropObject::Address(packet.ip.dst);
    Drop::because(DropReason::NatIdle, object)
}

impl Packet<'_> {
    /// The VPC's gateway with this public address.
    fn nat_at(&self, public: IpAddr) -> Option<&NatConfig> {
        let mut nats = self.view.vpc.nats.values();
        let nat = nats.find(|nat| IpAddr::V4(nat.public) == public);
        nat.map(|nat| &**nat)
    }

    /// The gateway is in a subnet of its own: its ACL sees the packet come in and go out.
    pub(super) fn check_nat_subnet(&self, nat: &NatConfig) -> Result<(), Drop> {
        if nat.subnet == self.view.port.subnet_id {
            return Ok(());
        }
        let (subnet, ip) = (nat.subnet, self.ip);
        check_subnet(self, Direction::Ingress, (subnet, ip.src), ip)?;
        check_subnet(self, Direction::Egress, (subnet, ip.dst), ip)
    }

    /// The same for an error about a connection that looks so on the wire, if it is a gateway's.
    pub(super) fn check_nat_of(&self, outside: &FlowKey) -> Result<(), Drop> {
        let nat = self.nat_at(outside.local());
        nat.map_or(Ok(()), |nat| self.check_nat_subnet(nat))
    }
}

impl Core {
    /// What becomes of a connection's packets through the gateway.
    pub(super) fn plan_nat(
        &mut self,
        packet: &Packet<'_>,
        way: Way,
        held: Option<FlowKey>,
        nat: &NatConfig,
    ) -> Result<Plan, Drop> {
        packet.check_nat_subnet(nat)?;
        let refused = |reason| Drop::because(reason, DropObject::Nat(nat.id));
        let held =
            held.filter(|held| held.local() == IpAddr::V4(nat.public) && self.nat.holds(held));
        if held.is_some() {
            return Ok(Plan {
                way,
                outside: held,
                idle: Some(IDLE),
            });
        }
        let key = packet.key.filter(|_| is_translatable(packet.ip));
        let key = key.ok_or(refused(DropReason::NatUntranslatable))?;
        if packet.tcp_flags().is_some_and(|flags| !is_opening(flags)) {
            return Err(refused(DropReason::NatIdle));
        }
        let outside = self.allocate(packet, key, nat);
        match outside {
            Some(_) => Ok(Plan {
                way,
                outside,
                idle: Some(IDLE),
            }),
            None => Err(refused(DropReason::NatExhausted)),
        }
    }

    fn allocate(&mut self, packet: &Packet<'_>, key: &FlowKey, nat: &NatConfig) -> Option<FlowKey> {
        self.collect_ports();
        let outside = self.nat.allocate(key, nat);
        if outside.is_some() {
            return outside;
        }
        self.flows.sweep(packet.now, SWEEP, |_| true);
        self.collect_ports();
        self.nat.allocate(key, nat)
    }

    /// Takes newer leases: a connection ends with its port.
    pub(crate) fn take_leases(&mut self, leases: &Arc<Leases>) {
        for outside in self.nat.update(leases) {
            self.flows.end(&outside);
        }
        self.collect_ports();
    }

    /// Ports whose connections ended are free.
    pub(super) fn collect_ports(&mut self) {
        while let Some(outside) = self.flows.pop_released() {
            self.nat.release(&outside);
        }
    }

    /// A way was planned that no flow goes.
    pub(super) fn give_up(&mut self, plan: &Plan) {
        if let Some(outside) = &plan.outside {
            self.nat.release(outside);
        }
    }

    /// A translated connection, which isn't a balancer's, still goes by its gateway; `ends`: what it
    /// is and how it looks on the wire.
    pub(super) fn check_nat_way(
        &self,
        packet: &Packet<'_>,
        way: Way,
        (own, outside): (&FlowKey, &FlowKey),
    ) -> Result<(), Drop> {
        let fronted = packet.view.vpc.balancers.front(outside.local()).is_some();
        if own.local() == outside.local() || fronted {
            return Ok(());
        }
        let nat = match way.next {
            NextHop::Outside => leads_to(&packet.view, outside.remote())?,
            _ => None,
        };
        let leads = |nat: &NatConfig| IpAddr::V4(nat.public) == outside.local();
        match nat.is_some_and(leads) && self.nat.holds(outside) {
            true => Ok(()),
            false => Err(led_elsewhere(packet)),
        }
    }

    /// A packet from the internet is part of a connection, or about one, and the ACL of the gateway's
    /// subnet sees it come in and go on. The other pieces of a datagram are for the same port.
    pub(super) fn check_nat_entry(
        &mut self,
        packet: &Packet<'_>,
        met: Option<Met>,
    ) -> Result<(), Drop> {
        let opening = packet.tcp_flags().is_some_and(is_opening);
        let known = match met {
            None => false,
            Some(Met::About(_)) => true,
            Some(Met::Flow(at)) => {
                self.flows.get(at).peer == packet.peer_holder(Direction::Ingress)
            }
        };
        if let Some(Met::Flow(at)) = met.filter(|_| !known) {
            // The other end's address is somebody else's now.
            self.flows.remove(at);
        }
        if !known || opening {
            let object = DropObject::Address(packet.wire.dst);
            return Err(Drop::because(DropReason::NatNoConnection, object));
        }
        self.nat.pieces.note(packet.wire, packet.port());
        let Some(nat) = packet.nat_at(packet.wire.dst) else {
            return Ok(());
        };
        if nat.subnet == packet.view.port.subnet_id {
            return Ok(());
        }
        // It comes in for the gateway's port, and goes on for the workload's.
        check_subnet(
            packet,
            Direction::Ingress,
            (nat.subnet, packet.wire.src),
            packet.wire,
        )?;
        check_subnet(
            packet,
            Direction::Egress,
            (nat.subnet, packet.ip.dst),
            packet.ip,
        )
    }

    /// The port that a packet from an edge to a NAT's address is for; `None` where it is for no
    /// such address.
    pub(super) fn behind_nat<'a>(
        &self,
        config: &'a Config,
        bytes: &[u8],
        ip: &Ip,
    ) -> Option<Result<PortView<'a>, Drop>> {
        let IpAddr::V4(public) = ip.dst else {
            return None;
        };
        config.leases.of(public)?;
        let object = DropObject::Address(ip.dst);
        let unknown = Drop::because(DropReason::NatNoConnection, object);
        let port = match ip.l4_kind {
            L4::LaterFragment => self.nat.pieces.get(ip),
            _ => outside_key(bytes, ip).and_then(|key| self.nat.owner(&key)),
        };
        let view = port.and_then(|port| config.view(port));
        Some(view.ok_or(unknown))
    }
}

/// Whether such a packet can begin something that shows a port: TCP, UDP, and of ICMP's queries those
/// with an identifier.
fn is_translatable(ip: &Ip) -> bool {
    match ip.l4_kind {
        L4::Tcp { .. } | L4::Udp { .. } => true,
        L4::Icmp { kind, .. } => is_echo(kind, ip.is_v4()) && !is_query_reply(kind, ip.is_v4()),
        L4::Other | L4::LaterFragment => false,
    }
}

/// The key by which the wire knows the connection that a packet from outside is of, or about.
fn outside_key(bytes: &[u8], ip: &Ip) -> Option<FlowKey> {
    if icmp::is_error(ip) {
        let quote = icmp::embedded(bytes, ip).ok()?;
        return FlowKey::quoted(NO_PORT, Direction::Ingress, &quote)
            .filter(|_| quote.src == ip.dst);
    }
    FlowKey::of(NO_PORT, Direction::Ingress, ip)
}

/// The public port that a packet bears at its local end, as an edge sees it: the source's of what
/// goes out, the destination's of what comes in, of an error what it quotes.
pub(crate) fn public_port(bytes: &[u8], ip: &Ip, direction: Direction) -> Option<u16> {
    let key = match (icmp::is_error(ip), direction) {
        (true, _) => FlowKey::quoted(NO_PORT, direction, &icmp::embedded(bytes, ip).ok()?),
        (false, _) => FlowKey::of(NO_PORT, direction, ip),
    };
    key.map(|key| key.ports().0)
}
