//! TCP, UDP, ICMP and ICMPv6.

use std::ops::Range;

use super::{Fragment, L4, TCP, UDP, protocol};
use crate::{Malformed, wire::array};

/// Echo request and reply: ICMP (RFC 792), ICMPv6 (RFC 4443).
const ECHO: [u8; 2] = [8, 0];
const ECHO6: [u8; 2] = [128, 129];

/// What the bytes `at` of `frame` say as `protocol`.
#[inline(always)]
pub(super) fn parse(
    frame: &[u8],
    v4: bool,
    protocol: u8,
    at: Range<usize>,
    fragment: Option<Fragment>,
) -> Result<L4, Malformed> {
    if let Some(f) = fragment
        && f.offset > 0
    {
        return later(protocol, f);
    }
    let b = &frame[at.clone()];
    match protocol {
        protocol::TCP => tcp(b, at.start),
        protocol::UDP => udp(b, fragment.is_some()),
        protocol::ICMP if v4 => icmp(b, ECHO),
        protocol::ICMPV6 if !v4 => icmp(b, ECHO6),
        _ => Ok(L4::Other),
    }
}

/// No sender cuts inside a TCP header, so such a piece only serves to overwrite one.
#[cold]
fn later(protocol: u8, fragment: Fragment) -> Result<L4, Malformed> {
    if protocol == protocol::TCP && usize::from(fragment.offset) < TCP {
        return Err(Malformed::FragmentOverlap);
    }
    Ok(L4::LaterFragment)
}

#[inline(always)]
fn tcp(b: &[u8], start: usize) -> Result<L4, Malformed> {
    let h = array::<TCP>(b, 0).ok_or(Malformed::TcpTruncated)?;
    let header = usize::from(h[12] >> 4) * 4;
    if header < TCP || header > b.len() {
        return Err(Malformed::TcpDataOffset);
    }
    Ok(L4::Tcp {
        src: u16::from_be_bytes([h[0], h[1]]),
        dst: u16::from_be_bytes([h[2], h[3]]),
        seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
        flags: h[13],
        window: u16::from_be_bytes([h[14], h[15]]),
        data: start + header,
    })
}

/// Bytes past UDP's own length are nobody's, and receivers drop them. A first fragment shows less
/// than its length says.
#[inline(always)]
fn udp(b: &[u8], fragment: bool) -> Result<L4, Malformed> {
    let h = array::<UDP>(b, 0).ok_or(Malformed::UdpTruncated)?;
    let length = usize::from(u16::from_be_bytes([h[4], h[5]]));
    if length < UDP || (length > b.len() && !fragment) {
        return Err(Malformed::UdpLength);
    }
    Ok(L4::Udp {
        src: u16::from_be_bytes([h[0], h[1]]),
        dst: u16::from_be_bytes([h[2], h[3]]),
    })
}

#[inline(always)]
fn icmp(b: &[u8], echo: [u8; 2]) -> Result<L4, Malformed> {
    let h = array::<8>(b, 0).ok_or(Malformed::IcmpTruncated)?;
    let id = match echo.contains(&h[0]) {
        true => u16::from_be_bytes([h[4], h[5]]),
        false => 0,
    };
    Ok(L4::Icmp {
        kind: h[0],
        code: h[1],
        id,
    })
}
