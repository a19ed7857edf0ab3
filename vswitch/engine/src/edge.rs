//! An edge: between the tunnel and the internet. It keeps no connection, so any edge can take any
//! packet, and none loses a connection with it.
//!
//! Outward, packets come with public sources, and the kernel routes them from there. Inward, what the
//! internet sends to a public address goes to the host that has it.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use weft_model::{Mac, Vni};
use weft_packet::{
    headers::{Body, Headers, Ip},
    rewrite, vxlan,
};

use crate::{
    config::{Config, Direction, PublicEntry},
    drop::{Drop, DropObject, DropReason},
    flow::FlowKey,
    frame::Frame,
    pipeline::{Core, is_for_many, malformed, unknown},
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
        &self,
        config: &Config,
        source: IpAddr,
        frame: &mut Frame<'_>,
    ) -> Result<Verdict, Drop> {
        let headers = Headers::parse(frame.bytes).map_err(malformed)?;
        let ip = packet(&headers, frame)?;
        let outside = config.outside();
        let at = |reason, address| Drop::because(reason, DropObject::Address(address));
        let owner = outside.holder(ip.src);
        if owner.is_none_or(|owner| owner.vtep != source) {
            return Err(at(DropReason::SourceElsewhere, ip.src));
        }
        // From one public address to another: straight there.
        if let Some(holder) = outside.holder(ip.dst) {
            rewrite::decrement_ttl(frame.bytes, ip).ok_or(DropReason::TtlExceeded)?;
            return Ok(self.to_holder(*holder, ip, frame));
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

    fn lead_in(&self, config: &Config, frame: &mut Frame<'_>) -> Result<Verdict, Drop> {
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
        let holder = outside.holder(ip.dst);
        let holder = holder.ok_or(at(DropReason::NotPublic, ip.dst))?;
        Ok(self.to_holder(*holder, ip, frame))
    }

    fn to_holder(&self, holder: PublicEntry, ip: &Ip, frame: &mut Frame<'_>) -> Verdict {
        rewrite::macs(frame.bytes, holder.mac, Mac::ROUTER);
        let key = FlowKey::of(NO_PORT, Direction::Ingress, ip);
        Verdict::Encapsulate(Encap {
            vtep: holder.vtep,
            vni: Vni::OUTSIDE,
            entropy: self.hash(key.as_ref()),
        })
    }
}

fn packet<'a>(headers: &'a Headers, frame: &Frame<'_>) -> Result<&'a Ip, Drop> {
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
