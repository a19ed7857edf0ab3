//! An edge: between the tunnel and the internet. It keeps no connection, so any edge can take any
//! packet, and none loses a connection with it.
//!
//! Outward, packets come with public sources, and the kernel routes them from there. Inward, what the
//! internet sends to a public address goes to the host that has it.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use weft_model::{LeaseKey, Mac, Vni};
use weft_packet::{
    headers::{Body, Headers, Ip, L4},
    rewrite, vxlan,
};

use crate::{
    balance::pin::spread,
    config::{Config, Direction, Front, PublicEntry, nat::Holder},
    drop::{Drop, DropObject, DropReason},
    flow::FlowKey,
    frame::Frame,
    mutation::{Mutation, is_awake},
    nat,
    pipeline::{Core, is_for_many, malformed, public_port, unknown},
    port::PortIndex,
    verdict::{Encap, Verdict},
};

/// No port: an edge's packets are of none.
const NO_PORT: PortIndex = PortIndex(u32::MAX);

/// Whether a tunnel's payload is for this host as an edge.
#[inline]
pub(crate) fn is_outward(payload: &[u8]) -> bool {
    let dst = payload.get(vxlan::HEADER..vxlan::HEADER + 6);
    dst == Some(&Mac::EDGE.octets()) && vxlan::parse(payload) == Ok(Vni::OUTSIDE)
}

impl Core {
    /// A packet from a host to the internet; `frame` is the inner one.
    pub(crate) fn outward(
        &mut self,
        config: &Config,
        source: IpAddr,
        frame: &mut Frame<'_>,
    ) -> Verdict {
        let result = self.lead_out(config, source, frame);
        result.unwrap_or_else(|drop| self.dropped(config, None, drop))
    }

    fn lead_out(
        &mut self,
        config: &Config,
        source: IpAddr,
        frame: &mut Frame<'_>,
    ) -> Result<Verdict, Drop> {
        let headers = Headers::parse(frame.bytes).map_err(malformed)?;
        let ip = packet(&headers, frame)?;
        let outside = config.outside();
        let at = |reason, address| Drop::because(reason, DropObject::Address(address));
        if !is_behind(config, source, frame.bytes, ip) {
            return Err(at(DropReason::SourceElsewhere, ip.src));
        }
        if let Some(front) = outside.front(ip.dst) {
            rewrite::decrement_ttl(frame.bytes, ip).ok_or(DropReason::TtlExceeded)?;
            return to_front(front, ip, frame);
        }
        // From one public address to another: straight there.
        if let Some(holder) = self.holder(config, frame.bytes, ip) {
            rewrite::decrement_ttl(frame.bytes, ip).ok_or(DropReason::TtlExceeded)?;
            return Ok(self.to_holder(holder, ip, frame));
        }
        if is_for_many(ip.dst) || is_nowhere(ip.dst) || outside.denies(ip.dst) {
            return Err(at(DropReason::OutsideDenied, ip.dst));
        }
        if outside.serves(ip.dst) {
            return Err(at(DropReason::NotPublic, ip.dst));
        }
        Ok(Verdict::Outside)
    }

    /// A packet from the internet.
    pub(crate) fn inward(&mut self, config: &Config, frame: &mut Frame<'_>) -> Verdict {
        let result = self.lead_in(config, frame);
        result.unwrap_or_else(|drop| self.dropped(config, None, drop))
    }

    fn lead_in(&mut self, config: &Config, frame: &mut Frame<'_>) -> Result<Verdict, Drop> {
        let headers = Headers::parse(frame.bytes).map_err(malformed)?;
        let ip = packet(&headers, frame)?;
        // The kernel's own chatter on the device.
        if is_for_many(ip.dst) {
            return Ok(Verdict::Consumed);
        }
        let outside = config.outside();
        let at = |reason, address| Drop::because(reason, DropObject::Address(address));
        // Public addresses are behind the tunnel, never on the internet's side.
        if outside.serves(ip.src) {
            return Err(at(DropReason::SourceElsewhere, ip.src));
        }
        if let Some(front) = outside.front(ip.dst) {
            return to_front(front, ip, frame);
        }
        let holder = self.holder(config, frame.bytes, ip);
        let holder = holder.ok_or(at(DropReason::NotPublic, ip.dst))?;
        Ok(self.to_holder(holder, ip, frame))
    }

    /// Who has the address that the packet is for; of a NAT's, who translates to the port.
    fn holder(&mut self, config: &Config, bytes: &[u8], ip: &Ip) -> Option<PublicEntry> {
        if let Some(holder) = config.outside().holder(ip.dst) {
            return Some(*holder);
        }
        let IpAddr::V4(public) = ip.dst else {
            return None;
        };
        config.leases.of(public)?;
        let port = match ip.l4_kind {
            L4::LaterFragment => self.nat_pieces.get(ip)?,
            _ => public_port(bytes, ip, Direction::Ingress)?,
        };
        let holder = config.leases.holder(LeaseKey::of_port(public, port)?)?;
        self.nat_pieces.note(ip, port);
        Some(PublicEntry {
            vtep: holder.vtep(config),
            mac: nat::mac(port),
        })
    }

    fn to_holder(&self, holder: PublicEntry, ip: &Ip, frame: &mut Frame<'_>) -> Verdict {
        rewrite::macs(frame.bytes, holder.mac, Mac::ROUTER);
        // Pieces of a datagram stay in order: the host knows the later ones by the first.
        let whole = match ip.fragment {
            Some(_) => Ip {
                l4_kind: L4::Other,
                ..*ip
            },
            None => *ip,
        };
        let key = FlowKey::of(NO_PORT, Direction::Ingress, &whole);
        Verdict::Encapsulate(Encap {
            vtep: holder.vtep,
            vni: Vni::OUTSIDE,
            entropy: self.hash(key.as_ref()),
        })
    }
}

/// To the host that picks targets for the connection: by its hash alone, so that every edge, and the
/// same edge tomorrow, asks the same.
fn to_front(front: &Front, ip: &Ip, frame: &mut Frame<'_>) -> Result<Verdict, Drop> {
    let hash = spread(ip, frame.bytes);
    let nobody = Drop::because(DropReason::BalancerNoTarget, DropObject::Address(ip.dst));
    let other = match is_awake(Mutation::EdgesDisagree) {
        true => u32::try_from(ip.len() << 8).unwrap_or(0),
        false => 0,
    };
    let vtep = front.pick(hash ^ other).ok_or(nobody)?;
    rewrite::macs(frame.bytes, Mac::pinning(hash), Mac::ROUTER);
    Ok(Verdict::Encapsulate(Encap {
        vtep,
        vni: Vni::OUTSIDE,
        entropy: hash,
    }))
}

/// Whether the packet's source is behind the host: it has the address, or translates to the port. A
/// later fragment shows no port; then any port of the address will do.
fn is_behind(config: &Config, vtep: IpAddr, bytes: &[u8], ip: &Ip) -> bool {
    if let Some(holder) = config.outside().holder(ip.src) {
        return holder.vtep == vtep;
    }
    if let Some(front) = config.outside().front(ip.src) {
        return front.has(vtep);
    }
    let IpAddr::V4(public) = ip.src else {
        return false;
    };
    let holds = |holder: &Holder| holder.vtep(config) == vtep;
    if ip.l4_kind == L4::LaterFragment {
        let leases = config.leases.of(public);
        return leases.is_some_and(|leases| leases.holders().any(holds));
    }
    let port = public_port(bytes, ip, Direction::Egress);
    let key = port.and_then(|port| LeaseKey::of_port(public, port));
    let holder = key.and_then(|key| config.leases.holder(key));
    holder.is_some_and(holds)
}

pub(crate) fn packet<'a>(headers: &'a Headers, frame: &Frame<'_>) -> Result<&'a Ip, Drop> {
    match &headers.body {
        Body::Ip(ip) => frame.offload.check(ip).map_err(malformed).map(|()| ip),
        Body::Arp(_) => Err(unknown(weft_packet::headers::ethertype::ARP)),
        Body::Other(ethertype) => Err(unknown(*ethertype)),
    }
}

/// Addresses that mean something on one link or host only.
fn is_nowhere(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_loopback() || a.is_link_local(),
        IpAddr::V6(a) => a.is_loopback() || a.is_unicast_link_local(),
    }
}
