//! What a port's own switch answers itself: ARP, neighbour discovery, router advertisements, DHCP,
//! and ping of the router.
//!
//! Each service is a function of the frame and the configuration. They come before any policy, so
//! no security group can cut a workload off from its address; and they are known by where the
//! frame enters, a port, never by what a header claims.

mod arp;
mod dhcp4;
mod dhcp6;
mod echo;
pub mod limit;
mod nd;
mod site;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_packet::{
    build,
    headers::{Body, Headers, Ip, L4, protocol},
};

use self::site::{Site, link_local};
use crate::{
    config::PortView,
    drop::{Drop, DropObject, DropReason},
};

/// UDP ports of DHCPv4 and DHCPv6: servers and clients.
const DHCP4: (u16, u16) = (67, 68);
const DHCP6: (u16, u16) = (547, 546);

/// All DHCPv6 servers and relays on the link (RFC 8415 section 7.1).
const ALL_DHCP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// What the services made of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is not for them: the pipeline goes on.
    Pass,
    /// The answer, a whole frame for the same port, stands in the buffer.
    Answered,
    /// It was for them, and there is nothing to say.
    Absorbed,
}

/// Offers a port's frame to the services; `headers` are `frame`'s. An answer replaces what `out`
/// holds, and shows the port nothing but its own packet and its own configuration.
///
/// # Errors
/// When the frame claims to be somebody else, or asks for what nobody here gives.
pub fn answer(
    view: &PortView<'_>,
    headers: &Headers,
    frame: &[u8],
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    let site = Site::from(view);
    match &headers.body {
        Body::Arp(arp) => arp::answer(&site, headers, arp, out),
        Body::Ip(ip) => answer_ip(&site, frame, ip, out),
        Body::Other(_) => Ok(Heard::Pass),
    }
}

fn answer_ip(
    site: &Site<'_>,
    frame: &[u8],
    ip: &Ip,
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    let heard = match ip.l4_kind {
        L4::Icmp { kind, .. } if ip.protocol == protocol::ICMPV6 => {
            nd::answer(site, frame, ip, kind, out)?
        }
        L4::Udp { src, dst } if ip.is_v4() => dhcp4(site, frame, ip, (src, dst), out)?,
        L4::Udp { src, dst } => dhcp6(site, frame, ip, (src, dst), out)?,
        _ => Heard::Pass,
    };
    if heard == Heard::Pass && site.is_router(ip.dst) {
        return echo::answer(site, frame, ip, out);
    }
    Ok(heard)
}

fn dhcp4(
    site: &Site<'_>,
    frame: &[u8],
    ip: &Ip,
    ports: (u16, u16),
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    if ports == DHCP4 {
        return Err(DropReason::RogueDhcp.into());
    }
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (ip.src, ip.dst) else {
        return Ok(Heard::Pass);
    };
    let ours = dst == Ipv4Addr::BROADCAST || dst == site.router4();
    if ports.1 != DHCP4.0 || !ours {
        return Ok(Heard::Pass);
    }
    if src != Ipv4Addr::UNSPECIFIED && !site.owns4(src) {
        let object = DropObject::Address(ip.src);
        return Err(Drop::because(DropReason::SpoofedAddress, object));
    }
    Ok(Heard::Answered)
}

fn dhcp6(
    site: &Site<'_>,
    frame: &[u8],
    ip: &Ip,
    ports: (u16, u16),
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    if ports == DHCP6 {
        return Err(DropReason::RogueDhcp.into());
    }
    let (IpAddr::V6(src), IpAddr::V6(dst)) = (ip.src, ip.dst) else {
        return Ok(Heard::Pass);
    };
    let ours = dst == ALL_DHCP6 || site.is_router(ip.dst);
    if ports.1 != DHCP6.0 || !ours {
        return Ok(Heard::Pass);
    }
    if !site.may_speak6(src) {
        let object = DropObject::Address(ip.src);
        return Err(Drop::because(DropReason::SpoofedAddress, object));
    }
    Ok(Heard::Answered)
}
