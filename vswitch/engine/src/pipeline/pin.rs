//! From the internet to a load balancer: the host that an edge chose picks the target, remembers it,
//! and gives the packet on to the target's host as it came. There it is translated, and from there
//! answers go straight to an edge.
//!
//! An edge keeps no connection, and neither side needs the other to remember: a packet in mid-stream
//! of which nothing is known goes where its hash leads, and whoever is there knows the connection or
//! resets it.

use std::net::IpAddr;

use weft_model::{
    Health, Mac, Protocol, Vni, ZoneName,
    state::{BalancerState, ListenerState, TargetState},
};
use weft_packet::{
    build,
    headers::{Headers, Ip, L4, tcp_flags},
    icmp, rewrite, vxlan,
};

use super::{Core, balance::UDP_IDLE, malformed, origin::check_edge};
use crate::{
    balance::{
        pin::{Pick, Visit, spread},
        pool::{Pool, address},
    },
    config::{
        Config, HostSlot, VpcConfig,
        balancers::{listener, zone_of},
    },
    drop::{Drop, DropObject, DropReason},
    edge,
    flow::is_opening,
    frame::Frame,
    mutation::{Mutation, is_awake},
    time::Now,
    trace::Step,
    verdict::{Encap, Sink, Verdict},
};

/// Whether a tunnel's payload is from an edge, for a load balancer.
#[inline]
pub(super) fn is_visit(payload: &[u8]) -> bool {
    let dst = payload.get(vxlan::HEADER..vxlan::HEADER + 6);
    let dst = dst.and_then(|dst| <[u8; 6]>::try_from(dst).ok());
    dst.is_some_and(|dst| Mac::new(dst).is_pinning()) && vxlan::parse(payload) == Ok(Vni::OUTSIDE)
}

/// The balancer that has the address for the outside.
#[derive(Clone, Copy)]
struct Front<'a> {
    vpc: &'a VpcConfig,
    balancer: &'a BalancerState,
    /// Whose targets it gives, if only a zone's.
    zone: Option<&'a ZoneName>,
}

/// A listener of it, and who serves.
#[derive(Clone, Copy)]
struct Asked<'a> {
    front: Front<'a>,
    listener: &'a ListenerState,
    pool: &'a Pool,
}

impl<'a> Front<'a> {
    fn of(config: &'a Config, address: IpAddr) -> Result<Self, Drop> {
        let mut vpcs = config.vpcs();
        let found = vpcs.find_map(|vpc| Some((vpc, vpc.balancers.front(address)?)));
        let nobody = Drop::because(DropReason::NotPublic, DropObject::Address(address));
        let (vpc, (subnet, balancer)) = found.ok_or(nobody)?;
        let zone = vpc.subnet(subnet).map(|subnet| &subnet.zone);
        Ok(Self {
            vpc,
            balancer,
            zone: zone.and_then(|zone| zone_of(balancer, zone)),
        })
    }

    fn unserved(&self) -> Drop {
        let object = DropObject::Balancer(self.balancer.id);
        Drop::because(DropReason::BalancerUnserved, object)
    }

    fn ask(self, visit: &Visit) -> Result<Asked<'a>, Drop> {
        let listener = listener(self.balancer, Protocol(visit.protocol), visit.front.1);
        let listener = listener.ok_or_else(|| self.unserved())?;
        let pool = self.vpc.balancers.pool(listener.target_group);
        Ok(Asked {
            front: self,
            listener,
            pool: pool.ok_or_else(|| self.unserved())?,
        })
    }
}

impl Asked<'_> {
    fn drop(&self, reason: DropReason) -> Drop {
        Drop::because(reason, DropObject::TargetGroup(self.listener.target_group))
    }

    fn idle(&self, visit: &Visit) -> u64 {
        idle(self.listener, visit.protocol)
    }

    fn target(&self, pick: &Pick) -> Option<&TargetState> {
        let target = self.pool.target(pick.address, pick.port);
        target.filter(|target| target.interface == pick.interface)
    }

    /// Whether a connection can stay with its target.
    fn stays(&self, pick: &Pick) -> Result<(), Drop> {
        let target = self
            .target(pick)
            .ok_or_else(|| self.drop(DropReason::BalancerTargetGone))?;
        let v6 = pick.address.is_ipv6();
        if target.health == Health::Unhealthy && !self.pool.fails_open(v6) {
            return Err(self.drop(DropReason::BalancerTargetUnhealthy));
        }
        Ok(())
    }

    /// Whether a connection that begins may have the target of the one before it.
    fn takes(&self, pick: &Pick) -> bool {
        let draining = self.target(pick).is_some_and(|target| target.draining);
        self.stays(pick).is_ok() && !draining
    }

    fn pick(&self, visit: &Visit) -> Result<Pick, Drop> {
        let v6 = visit.front.0.is_ipv6();
        let target = self.pool.pick(self.front.zone, v6, visit.hash());
        let pick = target.and_then(|target| {
            Some(Pick {
                interface: target.interface,
                address: address(target, v6)?,
                port: target.port,
            })
        });
        pick.ok_or_else(|| self.drop(DropReason::BalancerNoTarget))
    }
}

/// How long a connection of the listener is kept, in nanoseconds.
pub(super) fn idle(listener: &ListenerState, protocol: u8) -> u64 {
    match Protocol(protocol) {
        Protocol::TCP => u64::from(listener.idle_timeout.get()) * Now::SECOND,
        _ => UDP_IDLE,
    }
}

/// What tells the target's address from the others of its interface.
pub(super) fn low_bits(address: IpAddr) -> u16 {
    match address {
        IpAddr::V4(a) => a.to_bits() as u16,
        IpAddr::V6(a) => a.to_bits() as u16,
    }
}

impl Core {
    /// A packet from an edge to a load balancer; `frame` is the inner one.
    pub(super) fn visit(
        &mut self,
        config: &Config,
        now: Now,
        source: IpAddr,
        frame: &mut Frame<'_>,
        sink: &mut impl Sink,
    ) -> Verdict {
        let result = self.lead_on(config, now, source, frame, sink);
        result.unwrap_or_else(|drop| self.dropped(config, None, drop))
    }

    fn lead_on(
        &mut self,
        config: &Config,
        now: Now,
        source: IpAddr,
        frame: &mut Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let headers = Headers::parse(frame.bytes).map_err(malformed)?;
        let ip = edge::packet(&headers, frame)?;
        check_edge(config, source)?;
        let front = Front::of(config, ip.dst)?;
        let picked = self.choose(now, front, ip, frame.bytes);
        if let Err(drop) = &picked
            && drop.reason.is_answered_by_reset()
        {
            self.reset_outside(config, &headers, frame.bytes, sink);
        }
        let pick = picked?;
        config.note(|| Step::Balancer(front.balancer.id));
        let entropy = spread(ip, frame.bytes);
        to_target(config, front.vpc, &pick, entropy, frame)
    }

    fn choose(&mut self, now: Now, front: Front<'_>, ip: &Ip, bytes: &[u8]) -> Result<Pick, Drop> {
        if ip.l4_kind == L4::LaterFragment {
            let first = self.pins.pieces.get(ip);
            return first.ok_or_else(|| DropReason::FragmentOrphan.into());
        }
        if icmp::is_error(ip) {
            let quote = icmp::embedded(bytes, ip).ok();
            let visit = quote.and_then(|quote| Visit::quoted(&quote));
            let visit = visit.filter(|visit| visit.front.0 == ip.dst);
            let visit = visit.ok_or_else(|| front.unserved())?;
            let asked = front.ask(&visit)?;
            let known = self.pins.get(now, &visit).map(|pin| pin.pick);
            return known.map_or_else(|| asked.pick(&visit), Ok);
        }
        let visit = Visit::of(ip).ok_or_else(|| front.unserved())?;
        let pick = self.pinned(now, &front.ask(&visit)?, &visit, ip)?;
        self.pins.pieces.note(ip, pick);
        Ok(pick)
    }

    /// The connection's target: the one that it has, or what its hash says.
    fn pinned(
        &mut self,
        now: Now,
        asked: &Asked<'_>,
        visit: &Visit,
        ip: &Ip,
    ) -> Result<Pick, Drop> {
        let flags = super::tcp_flags(ip);
        let begins = flags.is_none_or(is_opening);
        if let Some(pin) = self.pins.get(now, visit)
            && !is_awake(Mutation::Forgetful)
        {
            let stays = match begins {
                true => asked.takes(&pin.pick),
                false => asked.stays(&pin.pick).map(|()| true)?,
            };
            if stays {
                let ends = tcp_flags::FIN | tcp_flags::RST;
                pin.pass(now, flags.is_some_and(|flags| flags & ends != 0));
                return Ok(pin.pick);
            }
        }
        let pick = asked.pick(visit)?;
        let whose = (asked.front.balancer.id, asked.idle(visit));
        self.pins.put(now, *visit, pick, whose);
        Ok(pick)
    }

    /// Tells somebody in the internet that the connection is no more.
    #[cold]
    pub(super) fn reset_outside(
        &mut self,
        config: &Config,
        headers: &Headers,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) {
        let weft_packet::headers::Body::Ip(ip) = &headers.body else {
            return;
        };
        let entropy = spread(ip, bytes);
        let Some(vtep) = config.edges().pick(entropy) else {
            return;
        };
        if build::tcp_reset(&mut self.scratch, headers) {
            rewrite::macs(&mut self.scratch, Mac::EDGE, Mac::ROUTER);
            let encap = Encap {
                vtep,
                vni: Vni::OUTSIDE,
                entropy,
            };
            sink.to_tunnel(encap, &self.scratch);
        }
    }
}

/// To the target's host, as it came; the source MAC says which target is meant.
fn to_target(
    config: &Config,
    vpc: &VpcConfig,
    pick: &Pick,
    entropy: u32,
    frame: &mut Frame<'_>,
) -> Result<Verdict, Drop> {
    let missing = |reason| Drop::because(reason, DropObject::Interface(pick.interface));
    let entry = vpc.interface(pick.interface);
    let entry = entry.ok_or_else(|| missing(DropReason::NoMapping))?;
    config.note(|| Step::Interface {
        interface: entry.interface,
        host: entry.host.clone(),
    });
    rewrite::macs(
        frame.bytes,
        entry.mac,
        Mac::pinned(low_bits(pick.address), pick.port),
    );
    if entry.host_slot == HostSlot::OWN {
        let port = config.port_of(entry.interface);
        let port = port.ok_or_else(|| missing(DropReason::NoMapping))?;
        return Ok(Verdict::Local(port.index));
    }
    let vtep = config.tunnels().vtep(entry.host_slot);
    Ok(Verdict::Encapsulate(Encap {
        vtep: vtep.ok_or_else(|| missing(DropReason::NoTunnel))?,
        vni: Vni::OUTSIDE,
        entropy,
    }))
}
