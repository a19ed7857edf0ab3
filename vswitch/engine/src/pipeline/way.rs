//! The way out of a port: which route, which interface, which host; and the sending itself.

use std::net::IpAddr;

use weft_model::{Mac, RouteTarget};
use weft_packet::{build::IcmpError, checksum, fragment::fragment, headers::L4, rewrite};

use super::{Core, Packet, malformed};
use crate::{
    config::{HostSlot, MappingEntry, PortView},
    drop::{Drop, DropObject, DropReason},
    flow::{Flags, Flow, NextHop},
    frame::Frame,
    verdict::{Encap, Sink, Verdict},
};

/// Where packets to an address go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) next: NextHop,
    /// The next interface's MAC.
    pub(super) mac: Mac,
    /// Whether the router stands between: it takes a hop and shows its own MAC.
    pub(super) routed: bool,
}

impl Way {
    #[inline]
    pub(super) fn of(flow: &Flow) -> Self {
        Self {
            next: flow.next(),
            mac: flow.next_mac,
            routed: flow.flags.has(Flags::ROUTED),
        }
    }

    /// Inside the subnet straight to the address's interface; otherwise by the subnet's table.
    pub(super) fn resolve(view: &PortView<'_>, to: IpAddr) -> Result<Self, Drop> {
        if view.subnet().contains(to) {
            return Self::to(view, holder(view, to)?, false);
        }
        let table = view.subnet().route_table;
        let routes = view.vpc.routes.get(&table);
        let route = routes.and_then(|routes| routes.longest(to));
        let Some(route) = route else {
            let object = DropObject::RouteTable(table);
            return Err(Drop::because(DropReason::NoRoute, object));
        };
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
            RouteTarget::Blackhole => return Err(dead()),
        };
        Self::to(view, entry, true)
    }

    fn to(view: &PortView<'_>, entry: &MappingEntry, routed: bool) -> Result<Self, Drop> {
        let missing = |reason| Drop::because(reason, DropObject::Interface(entry.interface));
        let next = if entry.host_slot == HostSlot::OWN {
            let port = view.config.port_of(entry.interface);
            let port = port.filter(|port| port.vpc == view.port.vpc);
            NextHop::Local(port.ok_or_else(|| missing(DropReason::NoMapping))?.index)
        } else {
            NextHop::Tunnel(entry.host_slot)
        };
        Ok(Self {
            next,
            mac: entry.mac,
            routed,
        })
    }
}

fn holder<'a>(view: &PortView<'a>, address: IpAddr) -> Result<&'a MappingEntry, Drop> {
    view.mapping(address)
        .ok_or_else(|| Drop::because(DropReason::NoMapping, DropObject::Address(address)))
}

impl Core {
    /// Takes a hop, fits the MTU, rewrites the MACs.
    #[inline]
    pub(super) fn send(
        &mut self,
        packet: &Packet<'_>,
        way: Way,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let Packet { view, ip, .. } = *packet;
        if way.routed && ip.ttl <= 1 {
            self.refuse(packet, frame.bytes, IcmpError::TimeExceeded, sink);
            return Err(DropReason::TtlExceeded.into());
        }
        let mtu = usize::from(view.port.mtu.get());
        let fits = largest(packet, &frame) <= mtu;
        if !fits && (ip.dont_fragment || frame.offload.segmentation.is_some()) {
            let mtu = view.port.mtu.get();
            self.refuse(packet, frame.bytes, IcmpError::TooBig { mtu }, sink);
            return Err(too_big(packet));
        }
        let verdict = self.target(packet, way)?;
        if way.routed {
            rewrite::macs(frame.bytes, way.mac, Mac::ROUTER);
            rewrite::decrement_ttl(frame.bytes, ip);
        } else {
            rewrite::dst_mac(frame.bytes, way.mac);
        }
        if !fits {
            return self.split(packet, verdict, frame, sink);
        }
        Ok(verdict)
    }

    #[inline]
    fn target(&self, packet: &Packet<'_>, way: Way) -> Result<Verdict, Drop> {
        let missing = |reason| Drop::because(reason, DropObject::Address(packet.ip.dst));
        match way.next {
            NextHop::Local(port) => Ok(Verdict::Local(port)),
            NextHop::Tunnel(host) => {
                let vtep = packet.view.config.tunnels().vtep(host);
                Ok(Verdict::Encapsulate(Encap {
                    vtep: vtep.ok_or_else(|| missing(DropReason::NoTunnel))?,
                    vni: packet.view.vpc.vni,
                    entropy: packet.entropy(),
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
        verdict: Verdict,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let ip = packet.ip;
        checksum::complete(frame.bytes, ip.end, frame.offload.checksum).map_err(malformed)?;
        let mtu = usize::from(packet.view.port.mtu.get());
        let emit = |piece: &[u8]| match verdict {
            Verdict::Local(port) => sink.to_local(port, piece),
            Verdict::Encapsulate(encap) => sink.to_tunnel(encap, piece),
            Verdict::Deliver(_) | Verdict::Consumed | Verdict::Drop(_) => {}
        };
        fragment(frame.bytes, ip, mtu, &mut self.scratch, emit).map_err(|_| too_big(packet))?;
        self.counters.fragmented += 1;
        Ok(Verdict::Consumed)
    }
}

fn too_big(packet: &Packet<'_>) -> Drop {
    Drop::because(DropReason::TooBig, DropObject::Mtu(packet.view.port.mtu))
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
