//! What a port's own switch answers itself: ARP, neighbour discovery, router advertisements, DHCP,
//! ping of the router; and DNS, metadata and time, which keep something between packets.
//!
//! Each service is a function of the frame and the configuration. They come before any policy, so
//! no security group can cut a workload off from its address; and they are known by where the
//! frame enters, a port, never by what a header claims.

mod arp;
mod dhcp4;
mod dhcp6;
pub mod dns;
mod echo;
pub(crate) mod endpoint;
pub mod limit;
pub(crate) mod metadata;
mod nd;
pub(crate) mod reserved;
mod site;
pub(crate) mod time_server;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_model::Mac;
use weft_packet::{
    build::{self, Addresses, Envelope},
    headers::{Body, Headers, Ip, L4, UDP, protocol},
};

pub(crate) use self::site::Site;
pub use self::time_server::WallClock;
use crate::{
    config::{PortView, SubnetConfig},
    drop::{Drop, DropObject, DropReason},
};

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
        Body::Ip(ip) => answer_ip(&site, headers, frame, ip, out),
        Body::Other(_) => Ok(Heard::Pass),
    }
}

fn answer_ip(
    site: &Site<'_>,
    headers: &Headers,
    frame: &[u8],
    ip: &Ip,
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    let heard = match ip.l4_kind {
        L4::Icmp { kind, .. } if ip.protocol == protocol::ICMPV6 => {
            nd::answer(site, headers, frame, ip, kind, out)?
        }
        L4::Udp { src, dst } if ip.fragment.is_none() => dhcp(site, frame, ip, (src, dst), out)?,
        _ => Heard::Pass,
    };
    if heard == Heard::Pass && site.is_router(ip.dst) {
        return echo::answer(site, headers, frame, ip, out);
    }
    Ok(heard)
}

/// A datagram from one port to another, if it is DHCP for the router or from a server.
fn dhcp(
    site: &Site<'_>,
    frame: &[u8],
    ip: &Ip,
    ports: (u16, u16),
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    let payload = payload(frame, ip);
    match (ip.src, ip.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => match ports {
            (dhcp4::SERVER_PORT, dhcp4::CLIENT_PORT) => Err(DropReason::RogueDhcp.into()),
            (_, dhcp4::SERVER_PORT) if dst == Ipv4Addr::BROADCAST || dst == site.router4() => {
                dhcp4(site, payload, src, out)
            }
            _ => Ok(Heard::Pass),
        },
        (IpAddr::V6(src), IpAddr::V6(dst)) => match ports {
            (dhcp6::SERVER_PORT, dhcp6::CLIENT_PORT) => Err(DropReason::RogueDhcp.into()),
            (_, dhcp6::SERVER_PORT) if dst == dhcp6::ALL_SERVERS || site.is_router(ip.dst) => {
                dhcp6(site, payload, src, out)
            }
            _ => Ok(Heard::Pass),
        },
        _ => Ok(Heard::Pass),
    }
}

/// What UDP's own length says is its payload; the parser saw to it that the length fits.
pub(crate) fn payload<'a>(frame: &'a [u8], ip: &Ip) -> &'a [u8] {
    let datagram = frame.get(ip.l4..ip.end).unwrap_or_default();
    let length = match datagram {
        [_, _, _, _, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    datagram.get(UDP..length).unwrap_or_default()
}

fn dhcp4(site: &Site<'_>, payload: &[u8], src: Ipv4Addr, out: &mut Vec<u8>) -> Result<Heard, Drop> {
    if src != Ipv4Addr::UNSPECIFIED && !site.owns4(src) {
        let object = DropObject::Address(src.into());
        return Err(Drop::because(DropReason::SpoofedAddress, object));
    }
    let Some(answer) = dhcp4::answer(site, payload)? else {
        return Ok(Heard::Absorbed);
    };
    let broadcast = answer.to == Ipv4Addr::BROADCAST;
    let envelope = Envelope {
        dst_mac: if broadcast {
            Mac::BROADCAST
        } else {
            site.port.mac
        },
        src_mac: Mac::ROUTER,
        addresses: Addresses::V4 {
            src: site.router4(),
            dst: answer.to,
        },
        ttl: build::TTL,
    };
    let ports = (dhcp4::SERVER_PORT, dhcp4::CLIENT_PORT);
    build::udp(out, &envelope, ports.0, ports.1, &answer.payload)
        .map_err(|_| DropReason::DhcpRefused)?;
    Ok(Heard::Answered)
}

fn dhcp6(site: &Site<'_>, payload: &[u8], src: Ipv6Addr, out: &mut Vec<u8>) -> Result<Heard, Drop> {
    if !site.may_speak6(src) {
        let object = DropObject::Address(src.into());
        return Err(Drop::because(DropReason::SpoofedAddress, object));
    }
    let Some(answer) = dhcp6::answer(site, payload)? else {
        return Ok(Heard::Absorbed);
    };
    let envelope = Envelope {
        dst_mac: site.port.mac,
        src_mac: Mac::ROUTER,
        addresses: Addresses::V6 {
            src: SubnetConfig::router_link_local(),
            dst: src,
        },
        ttl: build::TTL,
    };
    let ports = (dhcp6::SERVER_PORT, dhcp6::CLIENT_PORT);
    build::udp(out, &envelope, ports.0, ports.1, &answer).map_err(|_| DropReason::DhcpRefused)?;
    Ok(Heard::Answered)
}
