//! The frames that a vswitch makes itself. Each function clears `out` and leaves one whole Ethernet
//! frame in it, checksums complete, so one buffer serves for a worker's life.

mod arp;
mod icmp;
mod nd;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use arp::arp_reply;
pub use icmp::{IcmpError, echo_reply, echo_request, icmp_error};
pub use nd::{
    Advertisement, PrefixInformation, RouterAdvertisement, neighbor_advertisement,
    router_advertisement,
};
pub use tcp::{Segment, segment, tcp, tcp_reset};
pub use udp::udp;

use crate::{
    Mac, checksum,
    headers::{Body, Headers, Ip, ethertype},
};

/// The TTL of packets that a vswitch makes: the IANA default.
pub const TTL: u8 = 64;

/// The payload doesn't fit in an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes don't fit in one IP packet: split the payload")]
pub struct TooLong {
    /// Bytes of layer 4 that were asked for.
    pub length: usize,
}

/// Source and destination of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4.
    V4 {
        /// Source.
        src: Ipv4Addr,
        /// Destination.
        dst: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// Source.
        src: Ipv6Addr,
        /// Destination.
        dst: Ipv6Addr,
    },
}

impl Addresses {
    /// Of two addresses; `None` where their families differ.
    pub fn new(src: IpAddr, dst: IpAddr) -> Option<Self> {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Some(Self::V4 { src, dst }),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Some(Self::V6 { src, dst }),
            _ => None,
        }
    }
}

/// From whom to whom a packet goes, on both layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Destination MAC.
    pub dst_mac: Mac,
    /// Source MAC.
    pub src_mac: Mac,
    /// Addresses.
    pub addresses: Addresses,
    /// TTL or hop limit: [`TTL`] but for neighbour discovery.
    pub ttl: u8,
}

impl Envelope {
    /// Back to the sender of a packet, from whom it was for.
    pub fn reply(headers: &Headers, ip: &Ip) -> Option<Self> {
        Some(Self {
            dst_mac: headers.src,
            src_mac: headers.dst,
            addresses: Addresses::new(ip.dst, ip.src)?,
            ttl: TTL,
        })
    }
}

/// Writes Ethernet and IP around `parts`, which make up layer 4, and fills the checksums.
fn packet(
    out: &mut Vec<u8>,
    envelope: &Envelope,
    protocol: u8,
    parts: &[&[u8]],
) -> Result<(), TooLong> {
    let length = parts.iter().map(|part| part.len()).sum();
    out.clear();
    out.extend_from_slice(&envelope.dst_mac.octets());
    out.extend_from_slice(&envelope.src_mac.octets());
    match envelope.addresses {
        Addresses::V4 { src, dst } => {
            let total = u16::try_from(length + 20).map_err(|_| TooLong { length })?;
            ipv4(out, total, envelope.ttl, protocol, src, dst);
        }
        Addresses::V6 { src, dst } => {
            let payload = u16::try_from(length).map_err(|_| TooLong { length })?;
            ipv6(out, payload, envelope.ttl, protocol, src, dst);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    if let Ok(Headers {
        body: Body::Ip(ip), ..
    }) = Headers::parse(out)
    {
        checksum::fill_l3(out, &ip);
        checksum::fill_l4(out, &ip);
    }
    Ok(())
}

/// DF is set, so the identification may be 0 (RFC 6864 section 4.1).
fn ipv4(out: &mut Vec<u8>, total: u16, ttl: u8, protocol: u8, src: Ipv4Addr, dst: Ipv4Addr) {
    out.extend_from_slice(&ethertype::IPV4.to_be_bytes());
    out.extend_from_slice(&[0x45, 0]);
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&[0, 0, 0x40, 0, ttl, protocol, 0, 0]);
    out.extend_from_slice(&src.octets());
    out.extend_from_slice(&dst.octets());
}

fn ipv6(out: &mut Vec<u8>, payload: u16, ttl: u8, next: u8, src: Ipv6Addr, dst: Ipv6Addr) {
    out.extend_from_slice(&ethertype::IPV6.to_be_bytes());
    out.extend_from_slice(&[0x60, 0, 0, 0]);
    out.extend_from_slice(&payload.to_be_bytes());
    out.extend_from_slice(&[next, ttl]);
    out.extend_from_slice(&src.octets());
    out.extend_from_slice(&dst.octets());
}
