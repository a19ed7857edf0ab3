//! The packet inside an ICMP error.

use std::net::{IpAddr, Ipv4Addr};

use super::{HEADER, is_error, is_error4, is_error6, v4, v6};
use crate::{
    Malformed,
    headers::{
        Fragment, IPV4, IPV6, Ip,
        ipv6::{Chain, address},
        protocol,
    },
    wire::array,
};

/// The packet that an ICMP error quotes, as far as it can be trusted: it is cut short, and its
/// lengths are those of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedded {
    /// Source of the quoted packet: whom the error is for.
    pub src: IpAddr,
    /// Destination of the quoted packet.
    pub dst: IpAddr,
    /// Its protocol, past IPv6 extension headers.
    pub protocol: u8,
    /// Source and destination port; an echo's identifier in both; `(0, 0)` where none shows.
    pub ports: (u16, u16),
    /// Type and code, where it is ICMP of its own family.
    pub icmp: Option<(u8, u8)>,
    /// Offset in the frame of the quoted IP header.
    pub l3: usize,
    /// Offset in the frame of the quoted layer 4.
    pub l4: usize,
    /// Set where the quoted packet is a piece of a larger one.
    pub fragment: Option<Fragment>,
}

/// Reads the packet quoted by the ICMP error at `ip` in `frame`.
///
/// # Errors
/// [`Malformed::IcmpEmbedded`] where `ip` is no ICMP error, quotes no packet of its own family, or
/// quotes less than the header and 8 bytes (RFC 792, RFC 4443 section 2.4 (c)), or another error.
pub fn embedded(frame: &[u8], ip: &Ip) -> Result<Embedded, Malformed> {
    let quote = frame
        .get(..ip.end)
        .filter(|_| is_error(ip) && ip.fragment.is_none());
    let l3 = ip.l4 + HEADER;
    quote
        .and_then(|bytes| match ip.is_v4() {
            true => quoted4(bytes, l3),
            false => quoted6(bytes, l3),
        })
        .ok_or(Malformed::IcmpEmbedded)
}

fn quoted4(frame: &[u8], l3: usize) -> Option<Embedded> {
    let b = array::<IPV4>(frame, l3)?;
    let header = usize::from(b[0] & 0xf) * 4;
    if b[0] >> 4 != 4 || header < IPV4 {
        return None;
    }
    let place = u16::from_be_bytes([b[6], b[7]]);
    let fragment = Fragment {
        id: u32::from(u16::from_be_bytes([b[4], b[5]])),
        offset: (place & 0x1fff) << 3,
        more: place & 0x2000 != 0,
    };
    finish(
        frame,
        Embedded {
            src: IpAddr::V4(Ipv4Addr::new(b[12], b[13], b[14], b[15])),
            dst: IpAddr::V4(Ipv4Addr::new(b[16], b[17], b[18], b[19])),
            protocol: b[9],
            ports: (0, 0),
            icmp: None,
            l3,
            l4: l3 + header,
            fragment: (place & 0x3fff != 0).then_some(fragment),
        },
    )
}

fn quoted6(frame: &[u8], l3: usize) -> Option<Embedded> {
    let b = array::<IPV6>(frame, l3)?;
    if b[0] >> 4 != 6 {
        return None;
    }
    let upper = Chain::quoted(b[6], l3 + IPV6)
        .walk(frame, frame.len())
        .ok()?;
    finish(
        frame,
        Embedded {
            src: IpAddr::V6(address(b, 8)),
            dst: IpAddr::V6(address(b, 24)),
            protocol: upper.next,
            ports: (0, 0),
            icmp: None,
            l3,
            l4: upper.at,
            fragment: upper.fragment,
        },
    )
}

/// Adds what the first 8 bytes of layer 4 say.
fn finish(frame: &[u8], quoted: Embedded) -> Option<Embedded> {
    let b = array::<8>(frame, quoted.l4)?;
    if quoted.fragment.is_some_and(|f| f.offset > 0) {
        return Some(quoted);
    }
    let word = |at: usize| u16::from_be_bytes([b[at], b[at + 1]]);
    let ports = match (quoted.protocol, quoted.src.is_ipv4()) {
        (protocol::TCP | protocol::UDP, _) => (word(0), word(2)),
        (protocol::ICMP, true) => query(
            b[0],
            &[v4::ECHO_REQUEST, v4::ECHO_REPLY],
            word(4),
            is_error4,
        )?,
        (protocol::ICMPV6, false) => query(
            b[0],
            &[v6::ECHO_REQUEST, v6::ECHO_REPLY],
            word(4),
            is_error6,
        )?,
        _ => (0, 0),
    };
    let is_icmp = quoted.protocol
        == match quoted.src.is_ipv4() {
            true => protocol::ICMP,
            false => protocol::ICMPV6,
        };
    Some(Embedded {
        ports,
        icmp: is_icmp.then_some((b[0], b[1])),
        ..quoted
    })
}

/// An error about an error is never sent, so it belongs to nothing.
fn query(kind: u8, echo: &[u8], id: u16, error: fn(u8) -> bool) -> Option<(u16, u16)> {
    let id = if echo.contains(&kind) { id } else { 0 };
    (!error(kind)).then_some((id, id))
}
