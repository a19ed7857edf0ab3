//! Echoes and ICMP errors.

use std::net::IpAddr;

use super::{Addresses, Envelope, TTL, TooLong, packet};
use crate::{
    Mac,
    headers::{Headers, IPV4, IPV6, Ip, protocol},
    icmp::{HEADER, is_echo_request, may_answer, v4, v6},
};

/// An error's whole packet stays within this (RFC 1812 section 4.3.2.3).
const LARGEST4: usize = 576;
/// An error's whole packet stays within IPv6's least MTU (RFC 4443 section 2.4 (c)).
const LARGEST6: usize = 1280;

/// What went wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpError {
    /// Its hops ran out here.
    TimeExceeded,
    /// It doesn't fit, and may not be fragmented.
    TooBig {
        /// What would fit, in bytes of layer 3.
        mtu: u16,
    },
    /// No route to it.
    NoRoute,
    /// Nobody has that address.
    AddressUnreachable,
    /// Nobody listens on that port.
    PortUnreachable,
    /// Policy forbids it.
    Prohibited,
}

impl IcmpError {
    /// Type, code and the four bytes behind the checksum.
    fn v4(self) -> (u8, u8, u32) {
        match self {
            Self::TimeExceeded => (v4::TIME_EXCEEDED, 0, 0),
            Self::TooBig { mtu } => (v4::UNREACHABLE, v4::FRAGMENTATION_NEEDED, u32::from(mtu)),
            Self::NoRoute => (v4::UNREACHABLE, 0, 0),
            Self::AddressUnreachable => (v4::UNREACHABLE, 1, 0),
            Self::PortUnreachable => (v4::UNREACHABLE, 3, 0),
            Self::Prohibited => (v4::UNREACHABLE, 13, 0),
        }
    }

    fn v6(self) -> (u8, u8, u32) {
        match self {
            Self::TimeExceeded => (v6::TIME_EXCEEDED, 0, 0),
            Self::TooBig { mtu } => (v6::TOO_BIG, 0, u32::from(mtu)),
            Self::NoRoute => (v6::UNREACHABLE, 0, 0),
            Self::AddressUnreachable => (v6::UNREACHABLE, 3, 0),
            Self::PortUnreachable => (v6::UNREACHABLE, 4, 0),
            Self::Prohibited => (v6::UNREACHABLE, 1, 0),
        }
    }
}

/// Tells the sender of `frame` what went wrong, from the router at `mac` and `from`, quoting as much
/// of it as the RFCs allow. How often is the caller's to limit.
///
/// `false`, and `out` not a frame, where the RFCs forbid an answer ([`may_answer`]) or `from` is of
/// the other family.
pub fn icmp_error(
    out: &mut Vec<u8>,
    frame: &[u8],
    headers: &Headers,
    mac: Mac,
    from: IpAddr,
    error: IcmpError,
) -> bool {
    let Some(ip) = may_answer(headers) else {
        return false;
    };
    let Some(addresses) = Addresses::new(from, ip.src) else {
        return false;
    };
    let ((kind, code, rest), protocol, room) = match addresses {
        Addresses::V4 { .. } => (error.v4(), protocol::ICMP, LARGEST4 - IPV4),
        Addresses::V6 { .. } => (error.v6(), protocol::ICMPV6, LARGEST6 - IPV6),
    };
    let mut header = [kind, code, 0, 0, 0, 0, 0, 0];
    header[4..].copy_from_slice(&rest.to_be_bytes());
    let quote = &frame[ip.l3..ip.end.min(ip.l3 + room - HEADER)];
    let envelope = Envelope {
        dst_mac: headers.src,
        src_mac: mac,
        addresses,
        ttl: TTL,
    };
    packet(out, &envelope, protocol, &[&header, quote]).is_ok()
}

/// Answers an echo request as whom it was for. The MAC that answers is the one that it was sent to.
/// `false`, and `out` not a frame, where it is no echo request, or only a fragment of one.
pub fn echo_reply(out: &mut Vec<u8>, frame: &[u8], headers: &Headers, ip: &Ip) -> bool {
    if !is_echo_request(ip) || ip.fragment.is_some() {
        return false;
    }
    let Some(envelope) = Envelope::reply(headers, ip) else {
        return false;
    };
    let (kind, protocol) = match ip.is_v4() {
        true => (v4::ECHO_REPLY, protocol::ICMP),
        false => (v6::ECHO_REPLY, protocol::ICMPV6),
    };
    let rest = &frame[ip.l4 + 4..ip.end];
    packet(out, &envelope, protocol, &[&[kind, 0, 0, 0], rest]).is_ok()
}

/// Asks for an echo, without data.
///
/// # Errors
/// Never: it fits in one IP packet.
pub fn echo_request(out: &mut Vec<u8>, envelope: &Envelope, id: u16) -> Result<(), TooLong> {
    let (kind, protocol) = match envelope.addresses {
        Addresses::V4 { .. } => (v4::ECHO_REQUEST, protocol::ICMP),
        Addresses::V6 { .. } => (v6::ECHO_REQUEST, protocol::ICMPV6),
    };
    let [high, low] = id.to_be_bytes();
    packet(
        out,
        envelope,
        protocol,
        &[&[kind, 0, 0, 0, high, low, 0, 1]],
    )
}
