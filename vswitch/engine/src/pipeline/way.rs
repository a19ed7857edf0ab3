//! The way out of a port: which route, which interface, which host; and the sending itself.

use std::net::IpAddr;

use weft_model::{Mac, Mtu, RouteInTransit, RouteTarget, Vni};
use weft_packet::{build::IcmpError, checksum, fragment::fragment, headers::L4, rewrite};

use super::{Core, Packet, balance::balancer_at, hidden, malformed, nat, outside, translate};
use crate::{
    config::{Direction, HostSlot, MappingEntry, PortView, VpcConfig, transit::Attached},
    drop::{Drop, DropObject, DropReason},
    flow::{Abroad, Flow, FlowKey, Hop, NextHop},
    frame::Frame,
    mutation::{Mutation, is_awake},
    trace::Step,
    verdict::{Encap, Sink, Verdict},
};

/// Where packets to an address go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) next: NextHop,
    /// The next interface's MAC.
    pub(super) mac: Mac,
    /// What stands between.
    pub(super) hop: Hop,
    /// The target's host is to show the target the load balancer in the client's place.
    pub(super) hides_client: bool,
}

/// What becomes of a connection's packets out of the port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) way: Way,
    /// How they look on the wire, where that is otherwise.
    pub(super) outside: Option<FlowKey>,
    /// Nanoseconds that the connection may be idle, where that isn't as usual.
    pub(super) idle: Option<u64>,
}

impl Way {
    /// By an edge.
    pub(super) const OUTSIDE: Self = Self {
        next: NextHop::Outside,
        mac: Mac::EDGE,
        hop: Hop::Routed,
        hides_client: false,
    };

    #[inline]
    pub(super) fn of(flow: &Flow) -> Self {
        Self {
            next: flow.next(),
            mac: flow.next_mac,
            hop: flow.hop(),
            hides_client: flow.hides_client(),
        }
    }

    /// What a packet may be at the most; the internet carries 1500 bytes.
    #[inline]
    fn mtu(self, packet: &Packet<'_>) -> Mtu {
        let inside = packet.view.port.mtu;
        match self.next {
            NextHop::Outside => inside.min(Mtu::INTERNET),
            _ => inside,
        }
    }

    /// Inside the subnet straight to the address's interface; otherwise by the subnet's table.
    pub(super) fn resolve(
        view: &PortView<'_>,
        (from, to): (IpAddr, IpAddr),
        abroad: &mut Abroad,
    ) -> Result<Self, Drop> {
        if view.subnet().contains(to) {
            view.config.note(|| Step::SameSubnet(view.port.subnet_id));
            return Self::to(view, holder(view, to)?, Hop::Direct);
        }
        let table = view.subnet().route_table;
        let routes = view.vpc.routes.get(&table);
        let route = routes.and_then(|routes| routes.longest(to));
        let Some(route) = route else {
            let object = DropObject::RouteTable(table);
            return Err(Drop::because(DropReason::NoRoute, object));
        };
        view.config.note(|| Step::Route {
            table,
            destination: route.destination,
            target: route.target,
        });
        let dead = || {
            let destination = route.destination;
            Drop::because(
                DropReason::Blackhole,
                DropObject::Route { table, destination },
            )
        };
        let entry = match route.target {
            RouteTarget::Local => holder(view, to)?,
            RouteTarget::Interface(interface) => view.vpc.interface(interface).ok_or_else(dead)?,
            RouteTarget::Peering(id) => {
                let peer = view.config.peer(view.vpc, id).ok_or_else(dead)?;
                let blame = |reason| Drop::because(reason, DropObject::Peering(id));
                let entry = peer.mapping(to);
                let entry = entry.ok_or_else(|| blame(DropReason::PeerNoMapping));
                return Self::across(view, from, (peer, entry), blame, abroad);
            }
            RouteTarget::InternetGateway(_) | RouteTarget::EgressGateway(_) => {
                return Ok(Self::OUTSIDE);
            }
            RouteTarget::TransitGateway(id) => {
                let attached = view.vpc.attachments.get(&id).ok_or_else(dead)?;
                return Self::by_transit(view, (from, to), attached, abroad);
            }
            // The gateway says more.
            RouteTarget::Nat(_) => return Ok(Self::OUTSIDE),
            RouteTarget::Blackhole => return Err(dead()),
        };
        let back = entry.subnet == view.port.subnet_id;
        Self::to(view, entry, if back { Hop::Back } else { Hop::Routed })
    }

    /// By the table of the transit gateway that the VPC's attachment is associated with.
    fn by_transit(
        view: &PortView<'_>,
        (from, to): (IpAddr, IpAddr),
        attached: &Attached,
        abroad: &mut Abroad,
    ) -> Result<Self, Drop> {
        let blame = |id, reason| Drop::because(reason, DropObject::TransitAttachment(id));
        let without = || blame(attached.id, DropReason::TransitNoTable);
        let table = attached.table.ok_or_else(without)?;
        let routes = view.config.transit_routes(table);
        let Some(route) = routes.and_then(|routes| routes.longest(to)) else {
            let object = DropObject::TransitTable(table);
            return Err(Drop::because(DropReason::TransitNoRoute, object));
        };
        let destination = route.destination;
        view.config.note(|| Step::Transit {
            attachment: attached.id,
            table,
            destination,
            to: route.hop.map(|hop| hop.attachment),
        });
        let id = RouteInTransit { table, destination };
        let dead = Drop::because(DropReason::Blackhole, DropObject::TransitRoute(id));
        let hop = route.hop.ok_or(dead)?;
        let blame = |reason| blame(hop.attachment, reason);
        let there = match view.vpc.neighbours.receiver(hop.vpc) {
            // Back to where it comes from: what it may never be, as any VPC with the source's block.
            None if hop.vpc == view.vpc.id => Some(view.vpc),
            slot => slot.and_then(|slot| view.config.vpc(slot)),
        };
        let there = there.ok_or_else(|| blame(DropReason::TransitNoMapping))?;
        let overlaps = there.prefixes().any(|block| block.contains_addr(from));
        if overlaps && !is_awake(Mutation::OverlapAcross) {
            return Err(blame(DropReason::TransitOverlap));
        }
        let entry = there.mapping(to);
        let entry = entry.ok_or_else(|| blame(DropReason::TransitNoMapping));
        Self::across(view, from, (there, entry), blame, abroad)
    }

    /// To an interface of another VPC: nothing behind that is reached, and what isn't the sender's VPC's
    /// own doesn't pass.
    fn across(
        view: &PortView<'_>,
        from: IpAddr,
        (peer, entry): (&VpcConfig, Result<&MappingEntry, Drop>),
        blame: impl Fn(DropReason) -> Drop,
        abroad: &mut Abroad,
    ) -> Result<Self, Drop> {
        if view.mapping(from).is_none() && !is_awake(Mutation::AnySourceAcross) {
            return Err(blame(DropReason::ForeignSource));
        }
        let entry = entry?;
        let way = Self::into(view, peer, entry, Hop::Routed)?;
        let next = match way.next {
            NextHop::Tunnel(host) => abroad.hop(host, peer.vni),
            next => next,
        };
        Ok(Self { next, ..way })
    }

    fn to(view: &PortView<'_>, entry: &MappingEntry, hop: Hop) -> Result<Self, Drop> {
        Self::into(view, view.vpc, entry, hop)
    }

    /// To an interface of this VPC.
    fn into(
        view: &PortView<'_>,
        vpc: &VpcConfig,
        entry: &MappingEntry,
        hop: Hop,
    ) -> Result<Self, Drop> {
        view.config.note(|| Step::Interface {
            interface: entry.interface,
            host: entry.host.clone(),
        });
        let missing = |reason| Drop::because(reason, DropObject::Interface(entry.interface));
        let next = if entry.host_slot == HostSlot::OWN {
            let port = view.config.port_of(entry.interface);
            let port = port.filter(|port| port.vpc == vpc.id);
            NextHop::Local(port.ok_or_else(|| missing(DropReason::NoMapping))?.index)
        } else {
            NextHop::Tunnel(entry.host_slot)
        };
        Ok(Self {
            next,
            mac: entry.mac,
            hop,
            hides_client: false,
        })
    }
}

fn holder<'a>(view: &PortView<'a>, address: IpAddr) -> Result<&'a MappingEntry, Drop> {
    view.mapping(address)
        .ok_or_else(|| Drop::because(DropReason::NoMapping, DropObject::Address(address)))
}

impl Core {
    /// What becomes of packets like this one out of the port; `held` is how their connection already
    /// looks on the wire, which it keeps for life.
    pub(super) fn plan(
        &mut self,
        packet: &Packet<'_>,
        held: Option<FlowKey>,
    ) -> Result<Plan, Drop> {
        if let Some(found) = balancer_at(&packet.view, packet.ip.dst) {
            return self.balance(packet, found, held);
        }
        if let Some(held) = held
            && packet.view.vpc.balancers.front(held.local()).is_some()
            && !is_awake(Mutation::AnswersByOwnRoutes)
        {
            // A balancer's answer leaves as it came in, whatever the target's own routes.
            packet.check_exit(Hop::Routed)?;
            return Ok(Plan {
                way: Way::OUTSIDE,
                outside: Some(held),
                idle: None,
            });
        }
        let ends = (packet.ip.src, packet.ip.dst);
        let way = Way::resolve(&packet.view, ends, &mut self.abroad)?;
        let hairpin = matches!(way.next, NextHop::Local(_));
        if !(hairpin && is_awake(Mutation::NoAclOnHairpin)) {
            packet.check_exit(way.hop)?;
        }
        if way.next == NextHop::Outside {
            if let Some(nat) = nat::leads_to(&packet.view, packet.ip.dst)? {
                return self.plan_nat(packet, way, held, nat);
            }
            if held.is_none() {
                outside::check_sender(packet)?;
            }
        }
        let kept = is_awake(Mutation::NatKept);
        if held.is_some_and(|held| held.local() != packet.ip.src) && !kept {
            // Its route leads elsewhere now, where nobody translates.
            return Err(nat::led_elsewhere(packet));
        }
        Ok(Plan {
            way,
            outside: held,
            idle: None,
        })
    }

    /// Takes a hop, fits the MTU, translates, rewrites the MACs.
    #[inline]
    pub(super) fn send(
        &mut self,
        packet: &Packet<'_>,
        way: Way,
        outside: Option<&FlowKey>,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let ip = packet.ip;
        if way.hop != Hop::Direct && ip.ttl <= 1 {
            self.refuse(packet, frame.bytes, IcmpError::TimeExceeded, sink);
            return Err(DropReason::TtlExceeded.into());
        }
        let limit = way.mtu(packet);
        let fits = largest(packet, &frame) <= usize::from(limit.get());
        if !fits && (ip.dont_fragment || frame.offload.segmentation.is_some()) {
            let mtu = limit.get();
            self.refuse(packet, frame.bytes, IcmpError::TooBig { mtu }, sink);
            return Err(too_big(limit));
        }
        self.admit(packet, Direction::Egress, &frame)?;
        let verdict = self.target(packet, way)?;
        // As the workload sent it: from here on it is another.
        if !packet.view.port.mirrors.is_empty() {
            self.mirror(packet.now, &packet.view, Direction::Egress, &frame, sink);
        }
        match way.hop {
            _ if way.hides_client => {
                rewrite::macs(frame.bytes, way.mac, hidden::mark(packet.ip.dst));
            }
            Hop::Routed => rewrite::macs(frame.bytes, way.mac, Mac::ROUTER),
            Hop::Direct | Hop::Back => rewrite::dst_mac(frame.bytes, way.mac),
        }
        if way.hop != Hop::Direct {
            rewrite::decrement_ttl(frame.bytes, ip);
        }
        let state = frame.offload.checksum;
        match outside {
            Some(key) => {
                translate::apply(frame.bytes, ip, Direction::Egress, key, state);
            }
            None if way.next == NextHop::Outside => {
                outside::to_public(packet.view.port, frame.bytes, ip, state);
            }
            None => {}
        }
        if !fits {
            return self.split(packet, limit, verdict, frame, sink);
        }
        Ok(verdict)
    }

    #[inline]
    fn target(&self, packet: &Packet<'_>, way: Way) -> Result<Verdict, Drop> {
        let missing = |reason| Drop::because(reason, DropObject::Address(packet.ip.dst));
        match way.next {
            NextHop::Local(port) => Ok(Verdict::Local(port)),
            NextHop::Tunnel(host) => tunnel(packet, host, packet.view.vpc.vni),
            NextHop::Abroad(number) => {
                let place = self.abroad.place(number);
                let (host, vni) = place.ok_or_else(|| missing(DropReason::NoMapping))?;
                tunnel(packet, host, vni)
            }
            NextHop::Outside => {
                let entropy = packet.entropy();
                let vtep = packet.view.config.edges().pick(entropy);
                Ok(Verdict::Encapsulate(Encap {
                    vtep: vtep.ok_or(missing(DropReason::NoEdge))?,
                    vni: Vni::OUTSIDE,
                    entropy,
                }))
            }
            // Only a flow that never sent has no next hop, and it is revised before it sends.
            NextHop::Unknown => Err(missing(DropReason::NoMapping)),
        }
    }

    /// Too big, and may be fragmented (RFC 791 section 2.3).
    fn split(
        &mut self,
        packet: &Packet<'_>,
        limit: Mtu,
        verdict: Verdict,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let ip = packet.ip;
        checksum::complete(frame.bytes, ip.end, frame.offload.checksum).map_err(malformed)?;
        let mtu = usize::from(limit.get());
        let emit = |piece: &[u8]| match verdict {
            Verdict::Local(port) => sink.to_local(port, piece),
            Verdict::Encapsulate(encap) => sink.to_tunnel(encap, piece),
            Verdict::Deliver(_) | Verdict::Outside | Verdict::Consumed | Verdict::Drop(_) => {}
        };
        fragment(frame.bytes, ip, mtu, &mut self.scratch, emit).map_err(|_| too_big(limit))?;
        self.counters.fragmented += 1;
        Ok(Verdict::Consumed)
    }
}

fn tunnel(packet: &Packet<'_>, host: HostSlot, vni: Vni) -> Result<Verdict, Drop> {
    let vtep = packet.view.config.tunnels().vtep(host);
    let missing = || Drop::because(DropReason::NoTunnel, DropObject::Address(packet.ip.dst));
    Ok(Verdict::Encapsulate(Encap {
        vtep: vtep.ok_or_else(missing)?,
        vni,
        entropy: packet.entropy(),
    }))
}

fn too_big(limit: Mtu) -> Drop {
    Drop::because(DropReason::TooBig, DropObject::Mtu(limit))
}

/// Bytes of layer 3 of the largest packet that the frame becomes on the wire.
#[inline]
fn largest(packet: &Packet<'_>, frame: &Frame<'_>) -> usize {
    let ip = packet.ip;
    let Some(segmentation) = frame.offload.segmentation else {
        return ip.len();
    };
    let payload = match ip.l4_kind {
        L4::Tcp { data, .. } => data,
        _ => ip.l4 + weft_packet::headers::UDP,
    };
    // A super frame may hold less than one segment.
    ip.len()
        .min(payload - ip.l3 + usize::from(segmentation.size))
}
