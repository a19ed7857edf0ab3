//! At the target of a load balancer's connection from the internet: another host picked it, and here
//! it begins, looks like the balancer to the internet, and ends.

use std::net::IpAddr;

use weft_model::{
    Protocol,
    state::{BalancerState, ListenerState},
};
use weft_packet::headers::L4;

use super::{
    Core, Packet,
    ingress::{Entrance, check_receiver},
    is_for_many,
    judge::refused,
    origin::{check_origin, known},
    outside,
    pin::{idle, low_bits},
    translate,
};
use crate::{
    config::{Direction, HostSlot, balancers::listener},
    drop::{Drop, DropObject, DropReason},
    flow::{Flags, FlowKey, is_opening},
    frame::Frame,
    port::PortIndex,
};

const IN: Direction = Direction::Ingress;

/// Which of the port's targets was picked: the low bits of its address, and its port.
pub(super) type Chosen = (u16, u16);

/// What a packet asks of the balancer.
struct Asked<'a> {
    balancer: &'a BalancerState,
    listener: &'a ListenerState,
}

impl<'a> Asked<'a> {
    fn of(packet: &Packet<'a>) -> Result<Self, Drop> {
        let to = packet.wire.dst;
        let front = packet.view.vpc.balancers.front(to);
        let nobody = Drop::because(DropReason::NotPublic, DropObject::Address(to));
        let (_, balancer) = front.ok_or(nobody)?;
        let unserved = DropObject::Balancer(balancer.id);
        let unserved = Drop::because(DropReason::BalancerUnserved, unserved);
        let (L4::Tcp { dst, .. } | L4::Udp { dst, .. }) = packet.wire.l4_kind else {
            return Err(unserved);
        };
        let protocol = Protocol(packet.wire.protocol);
        let listener = listener(balancer, protocol, dst).ok_or(unserved)?;
        Ok(Self { balancer, listener })
    }

    /// The address that the target is to see in the client's place.
    fn hides_behind(&self, packet: &Packet<'_>) -> Option<IpAddr> {
        let pool = packet.view.vpc.balancers.pool(self.listener.target_group);
        let hides = pool.is_some_and(|pool| !pool.state().preserve_client_address);
        let to = packet.wire.dst;
        let mut addresses = self.balancer.addresses.iter();
        let at = addresses.find(|at| at.public == Some(to) || at.address == to)?;
        hides.then_some(at.address)
    }

    fn drop(&self, reason: DropReason) -> Drop {
        Drop::because(reason, DropObject::TargetGroup(self.listener.target_group))
    }

    /// Where the chosen target serves.
    fn target(&self, packet: &Packet<'_>, (low, port): Chosen) -> Result<(IpAddr, u16), Drop> {
        let view = &packet.view;
        let pool = view.vpc.balancers.pool(self.listener.target_group);
        let targets = pool.into_iter().flat_map(|pool| &pool.state().targets);
        let own = targets.filter(|t| t.interface == view.port.interface && t.port == port);
        let mut addresses = own.flat_map(|target| target.addresses.iter().copied());
        let v6 = packet.wire.dst.is_ipv6();
        let found = addresses.find(|a| a.is_ipv6() == v6 && low_bits(*a) == low);
        let found = found.filter(|address| view.port.owns(*address));
        found
            .map(|address| (address, port))
            .ok_or_else(|| self.drop(DropReason::BalancerTargetGone))
    }
}

/// Whether the flow is of another target than the chosen one.
pub(super) fn is_of_another(own: &FlowKey, (low, port): Chosen) -> bool {
    (low_bits(own.local()), own.ports().0) != (low, port)
}

/// Whether whoever is outside may come in by the balancer's subnet.
pub(super) fn check_way_back(packet: &Packet<'_>) -> Result<(), Drop> {
    let vpc = packet.view.vpc;
    let front = vpc.balancers.front(packet.wire.dst);
    let subnet = front.and_then(|(subnet, _)| vpc.subnet(subnet));
    let nobody = Drop::because(DropReason::NotPublic, DropObject::Address(packet.wire.dst));
    outside::check_route_back(vpc, subnet.ok_or(nobody)?.route_table, packet.wire.src)
}

/// A host that picks stands among the targets' hosts, and what it gives on comes from outside.
pub(super) fn check_picker(packet: &Packet<'_>, source: Option<IpAddr>) -> Result<HostSlot, Drop> {
    let vpc = packet.view.vpc;
    if let Some(vtep) = source {
        let host = known(packet.view.config, vtep)?;
        let mut targets = vpc.balancers.pools().flat_map(|pool| &pool.state().targets);
        let is_there = targets.any(|target| {
            let entry = vpc.interface(target.interface);
            entry.is_some_and(|entry| entry.host_slot == host)
        });
        if !is_there {
            let object = DropObject::Address(vtep);
            return Err(Drop::because(DropReason::EdgeUnknown, object));
        }
    }
    let from = packet.wire.src;
    if vpc.prefixes().any(|p| p.contains_addr(from)) || is_for_many(from) {
        let object = DropObject::Address(from);
        return Err(Drop::because(DropReason::SourceElsewhere, object));
    }
    Ok(HostSlot::OUTSIDE)
}

impl Core {
    /// The first packet here of a connection that was picked for this port.
    pub(super) fn begin_pinned(
        &mut self,
        packet: &Packet<'_>,
        chosen: Chosen,
        entrance: Entrance,
        frame: &mut Frame<'_>,
    ) -> Result<PortIndex, Drop> {
        if packet.ip.l4_kind == L4::LaterFragment {
            return self.enter(packet, None, entrance, frame);
        }
        let asked = Asked::of(packet)?;
        let key = packet.key.ok_or(DropReason::FragmentOrphan)?;
        if packet.tcp_flags().is_some_and(|flags| !is_opening(flags)) {
            return Err(asked.drop(DropReason::BalancerNoConnection));
        }
        check_way_back(packet)?;
        let host = check_origin(packet, entrance)?;
        let mut own = key.with_local(asked.target(packet, chosen)?);
        let behind = asked.hides_behind(packet);
        if let Some(address) = behind {
            let hidden = self.hide(packet, own, (address, asked.balancer));
            own = hidden.ok_or_else(|| asked.drop(DropReason::BalancerExhausted))?;
        }
        let hash = self.flows.hash(&own);
        if self.flows.vacate(packet.now, &own, hash).is_err() {
            // The client speaks to the target from this port already, by another way.
            return Err(asked.drop(DropReason::TranslationTaken));
        }
        let length = frame.bytes.len();
        let ip = translate::apply(frame.bytes, packet.ip, IN, &own, frame.offload.checksum);
        let inside = Packet {
            ip: &ip,
            hidden: behind.is_some(),
            key: Some(&own),
            hash,
            ..*packet
        };
        let opened = self.open_pinned(&inside, key, (&asked, host), length);
        self.settle_fragment(&inside, IN, opened)?;
        self.admit(&inside, IN, frame)?;
        self.counters.flows = self.flows.counters;
        Ok(packet.port())
    }

    fn open_pinned(
        &mut self,
        packet: &Packet<'_>,
        outside: &FlowKey,
        (asked, host): (&Asked<'_>, HostSlot),
        length: usize,
    ) -> Result<(), Drop> {
        check_receiver(&packet.view, packet.headers, packet.ip)?;
        packet.check_entry()?;
        let rule = packet.allowed(IN)?;
        let at = self.open(packet, IN, rule)?;
        if let Err(full) = self.flows.bind(packet.now, at, *outside) {
            self.flows.remove(at);
            return Err(refused(packet, full));
        }
        let idle = idle(asked.listener, packet.wire.protocol);
        self.flows.set_idle(at, idle);
        let flow = self.flows.get_mut(at);
        flow.flags.set(Flags::HIDDEN, packet.hidden);
        self.accept(packet, at, host, length);
        Ok(())
    }
}
