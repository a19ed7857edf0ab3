//! ICMP (RFC 792) and ICMPv6 (RFC 4443): which messages are errors, and what they quote.

mod quote;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use quote::{Embedded, embedded};

use crate::headers::{Body, Headers, Ip, L4};

/// Bytes before what an error quotes.
pub const HEADER: usize = 8;

/// ICMP types.
pub mod v4 {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Code of [`UNREACHABLE`]: too big, and DF set (RFC 1191).
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Source quench, redirect, parameter problem: the other errors.
    pub(super) const OTHER_ERRORS: [u8; 3] = [4, 5, 12];
}

/// ICMPv6 types.
pub mod v6 {
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 1;
    /// Packet too big.
    pub const TOO_BIG: u8 = 2;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Types under this are errors (RFC 4443 section 2.1).
    pub const FIRST_INFORMATIONAL: u8 = 128;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 129;
}

/// Whether the packet is an ICMP or ICMPv6 error.
#[inline]
pub fn is_error(ip: &Ip) -> bool {
    match ip.l4_kind {
        L4::Icmp { kind, .. } if ip.is_v4() => is_error4(kind),
        L4::Icmp { kind, .. } => is_error6(kind),
        _ => false,
    }
}

fn is_error4(kind: u8) -> bool {
    matches!(kind, v4::UNREACHABLE | v4::TIME_EXCEEDED) || v4::OTHER_ERRORS.contains(&kind)
}

fn is_error6(kind: u8) -> bool {
    kind < v6::FIRST_INFORMATIONAL
}

/// Whether the packet is an echo request.
#[inline]
pub fn is_echo_request(ip: &Ip) -> bool {
    matches!(
        (ip.l4_kind, ip.is_v4()),
        (
            L4::Icmp {
                kind: v4::ECHO_REQUEST,
                ..
            },
            true
        ) | (
            L4::Icmp {
                kind: v6::ECHO_REQUEST,
                ..
            },
            false
        )
    )
}

/// Whether an ICMP error may be sent about this frame (RFC 1812 section 4.3.2.7, RFC 4443 section
/// 2.4 (e)): never about an error, a fragment that isn't the first, or anything that went to or
/// came from more than one station. `None` where not; else the packet.
pub fn may_answer(headers: &Headers) -> Option<&Ip> {
    let Body::Ip(ip) = &headers.body else {
        return None;
    };
    let single = !headers.dst.is_group() && is_single(ip.src) && !is_many(ip.dst);
    let first = ip.l4_kind != L4::LaterFragment;
    (single && first && !is_error(ip)).then_some(ip)
}

fn is_single(address: IpAddr) -> bool {
    let loopback = address.is_loopback() || address.is_unspecified();
    !loopback && !is_many(address)
}

fn is_many(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_multicast() || a.is_broadcast(),
        IpAddr::V6(a) => a.is_multicast(),
    }
}
