//! To a load balancer's address: the client's own egress half picks the target and stays with it.

use std::net::IpAddr;

use weft_model::{
    Health, Protocol, RouteTarget,
    state::{BalancerState, ListenerState, TargetState},
};
use weft_packet::{build, headers::L4};

use super::{
    Core, Packet,
    way::{Plan, Way},
};
use crate::{
    balance::{
        maglev::mix,
        pool::{Pool, address},
    },
    config::{
        PortView, VpcConfig,
        balancers::{listener, zone_of},
    },
    drop::{Drop, DropObject, DropReason},
    flow::{FlowKey, is_opening},
    mutation::{Mutation, is_awake},
    time::Now,
    trace::Step,
    verdict::Sink,
};

/// Targets that are tried where the client already speaks to the first ones from the same port.
const ATTEMPTS: u64 = 8;

/// How long a connection of UDP is kept, in nanoseconds.
pub(super) const UDP_IDLE: u64 = 120 * Now::SECOND;

/// A client's connection, as its first packet shows it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    pool: &'a Pool,
    listener: &'a ListenerState,
    balancer: &'a BalancerState,
}

impl Asked<'_> {
    fn idle(&self, protocol: Protocol) -> u64 {
        match protocol {
            Protocol::TCP => u64::from(self.listener.idle_timeout.get()) * Now::SECOND,
            _ => UDP_IDLE,
        }
    }

    fn hides_client(&self) -> bool {
        !self.pool.state().preserve_client_address
    }

    fn drop(&self, reason: DropReason) -> Drop {
        Drop::because(reason, DropObject::TargetGroup(self.listener.target_group))
    }
}

/// The balancer at the address, and its VPC: the port's own, or the one that a peering leads to.
pub(super) fn balancer_at<'a>(
    view: &PortView<'a>,
    address: IpAddr,
) -> Option<(&'a VpcConfig, &'a BalancerState)> {
    if let Some(balancer) = view.vpc.balancers.at(address) {
        return Some((view.vpc, balancer));
    }
    let routes = view.vpc.routes.get(&view.port.subnet.route_table)?;
    let RouteTarget::Peering(id) = routes.longest(address)?.target else {
        return None;
    };
    let home = view.config.peer(view.vpc, id)?;
    Some((home, home.balancers.at(address)?))
}

impl Core {
    /// What becomes of a packet to the balancer.
    pub(super) fn balance(
        &mut self,
        packet: &Packet<'_>,
        (home, balancer): (&VpcConfig, &BalancerState),
        held: Option<FlowKey>,
    ) -> Result<Plan, Drop> {
        let unserved = || {
            let object = DropObject::Balancer(balancer.id);
            Drop::because(DropReason::BalancerUnserved, object)
        };
        let protocol = Protocol(packet.ip.protocol);
        let (Some(key), L4::Tcp { dst, .. } | L4::Udp { dst, .. }) =
            (packet.key, packet.ip.l4_kind)
        else {
            return Err(unserved());
        };
        let listener = listener(balancer, protocol, dst).ok_or_else(unserved)?;
        let pool = home.balancers.pool(listener.target_group);
        let asked = Asked {
            pool: pool.ok_or_else(unserved)?,
            listener,
            balancer,
        };
        let flags = packet.tcp_flags();
        let begins = flags.is_none_or(is_opening);
        let stays = match held {
            // A SYN begins a new connection, which may have another target.
            Some(_) if is_awake(Mutation::Unpinned) => None,
            Some(outside) if flags.is_none() || !begins => stay(&asked, packet, &outside),
            _ => None,
        };
        let outside = match stays {
            Some(Ok(())) => held.unwrap_or(*key),
            Some(Err(drop)) if flags.is_some() => return Err(drop),
            _ if !begins && !is_awake(Mutation::Unpinned) => {
                return Err(asked.drop(DropReason::BalancerNoConnection));
            }
            _ => self.pick(&asked, packet, key, held)?,
        };
        packet.view.config.note(|| Step::Balancer(balancer.id));
        let ends = (packet.ip.src, outside.remote());
        let mut way = Way::resolve(&packet.view, ends, &mut self.abroad)?;
        way.hides_client = asked.hides_client();
        let mut ip = *packet.ip;
        ip.dst = outside.remote();
        if let L4::Tcp { dst, .. } | L4::Udp { dst, .. } = &mut ip.l4_kind {
            *dst = outside.ports().1;
        }
        Packet { ip: &ip, ..*packet }.check_exit(way.hop)?;
        Ok(Plan {
            way,
            outside: Some(outside),
            idle: Some(asked.idle(protocol)),
        })
    }

    /// A target for a new connection: by a hash that the client can't steer, of its ends and, in
    /// TCP, its first sequence number.
    fn pick(
        &mut self,
        asked: &Asked<'_>,
        packet: &Packet<'_>,
        key: &FlowKey,
        held: Option<FlowKey>,
    ) -> Result<FlowKey, Drop> {
        let sequence = match packet.ip.l4_kind {
            L4::Tcp { seq, .. } => seq,
            _ => 0,
        };
        let seed = u64::from(packet.hash) << 32 | u64::from(sequence);
        let v6 = packet.ip.dst.is_ipv6();
        let zone = zone_of(asked.balancer, &packet.view.subnet().zone);
        for attempt in 0..ATTEMPTS {
            let target = asked.pool.pick(zone, v6, mix(mix(seed) ^ attempt));
            let target = target.and_then(|target| Some((address(target, v6)?, target.port)));
            let target = target.ok_or_else(|| asked.drop(DropReason::BalancerNoTarget))?;
            if packet.view.port.owns(target.0) && !asked.hides_client() {
                // It would answer itself, and not by here.
                return Err(asked.drop(DropReason::BalancerHairpin));
            }
            let outside = key.with_remote(target);
            let hash = self.flows.hash(&outside);
            if held == Some(outside) || self.flows.vacate(packet.now, &outside, hash).is_ok() {
                return Ok(outside);
            }
        }
        Err(asked.drop(DropReason::TranslationTaken))
    }

    /// Tells the sender that its connection is no more.
    #[cold]
    pub(super) fn reset(&mut self, packet: &Packet<'_>, sink: &mut impl Sink) {
        if build::tcp_reset(&mut self.scratch, packet.headers) {
            sink.to_port(packet.port(), &self.scratch);
        }
    }
}

/// Whether a connection can stay with its target: while that is registered, and healthy unless
/// nobody is.
fn stay(asked: &Asked<'_>, packet: &Packet<'_>, outside: &FlowKey) -> Option<Result<(), Drop>> {
    let serves = |address: IpAddr, port: u16| asked.pool.target(address, port);
    let target = serves(outside.remote(), outside.ports().1);
    let lost = |target: &TargetState| {
        let open = asked.pool.fails_open(packet.ip.dst.is_ipv6());
        target.health == Health::Unhealthy && !open && !is_awake(Mutation::UnhealthyStays)
    };
    Some(match target {
        None => Err(asked.drop(DropReason::BalancerTargetGone)),
        Some(target) if lost(target) => Err(asked.drop(DropReason::BalancerTargetUnhealthy)),
        Some(_) => Ok(()),
    })
}
