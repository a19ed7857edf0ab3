//! The parse itself: Ethernet, ARP and IPv4; IPv6 and layer 4 have their own files.

use std::net::{IpAddr, Ipv4Addr};

use super::{Arp, Body, ETHERNET, Fragment, Headers, Ip, ethertype, ipv6, layer4};
use crate::{Mac, Malformed, wire::array};

/// The largest IP packet.
const MAX_PACKET: usize = 65535;

impl Headers {
    /// Reads the headers of an Ethernet frame in one pass.
    ///
    /// The frame may be a super frame (segmentation offload) and may carry padding behind its IP
    /// packet. Checksums are not looked at.
    ///
    /// # Errors
    /// The first thing that is wrong, outermost header first.
    #[inline]
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let ethernet = array::<ETHERNET>(frame, 0).ok_or(Malformed::EthernetTruncated)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *ethernet;
        let body = match u16::from_be_bytes([t0, t1]) {
            ethertype::IPV4 => Body::Ip(ipv4(frame, ETHERNET)?),
            ethertype::IPV6 => Body::Ip(ipv6::parse(frame, ETHERNET)?),
            ethertype::ARP => Body::Arp(arp(frame)?),
            other => Body::Other(other),
        };
        Ok(Self {
            dst: Mac::new([d0, d1, d2, d3, d4, d5]),
            src: Mac::new([s0, s1, s2, s3, s4, s5]),
            body,
        })
    }
}

#[cold]
fn arp(frame: &[u8]) -> Result<Arp, Malformed> {
    let b = array::<28>(frame, ETHERNET).ok_or(Malformed::ArpTruncated)?;
    // Hardware 1 (Ethernet), protocol IPv4, address lengths 6 and 4.
    if b[..6] != [0, 1, 8, 0, 6, 4] {
        return Err(Malformed::ArpKind);
    }
    Ok(Arp {
        operation: u16::from_be_bytes([b[6], b[7]]),
        sender_mac: Mac::new([b[8], b[9], b[10], b[11], b[12], b[13]]),
        sender_ip: Ipv4Addr::new(b[14], b[15], b[16], b[17]),
        target_mac: Mac::new([b[18], b[19], b[20], b[21], b[22], b[23]]),
        target_ip: Ipv4Addr::new(b[24], b[25], b[26], b[27]),
    })
}

/// An IPv4 packet whose header starts at `l3`.
#[inline(always)]
fn ipv4(frame: &[u8], l3: usize) -> Result<Ip, Malformed> {
    let b = array::<20>(frame, l3).ok_or(Malformed::Ipv4Truncated)?;
    let (l4, end) = ipv4_bounds(b, l3, frame.len())?;
    let flags = u16::from_be_bytes([b[6], b[7]]);
    let protocol = b[9];
    let fragment = match flags & 0x3fff {
        0 => None,
        _ => Some(ipv4_fragment(b, flags, end - l4)?),
    };
    Ok(Ip {
        src: IpAddr::V4(Ipv4Addr::new(b[12], b[13], b[14], b[15])),
        dst: IpAddr::V4(Ipv4Addr::new(b[16], b[17], b[18], b[19])),
        protocol,
        ttl: b[8],
        l3,
        l4,
        end,
        fragment,
        dont_fragment: flags & 0x4000 != 0,
        l4_kind: layer4::parse(frame, true, protocol, l4..end, fragment)?,
    })
}

/// Offsets of layer 4 and of the packet's end.
#[inline(always)]
fn ipv4_bounds(b: &[u8; 20], l3: usize, frame: usize) -> Result<(usize, usize), Malformed> {
    if b[0] >> 4 != 4 {
        return Err(Malformed::Ipv4Version);
    }
    let header = usize::from(b[0] & 0xf) * 4;
    if header < super::IPV4 || l3 + header > frame {
        return Err(Malformed::Ipv4HeaderLength);
    }
    let total = usize::from(u16::from_be_bytes([b[2], b[3]]));
    if total < header {
        return Err(Malformed::Ipv4TotalLength);
    }
    if l3 + total > frame {
        return Err(Malformed::Ipv4Overrun);
    }
    Ok((l3 + header, l3 + total))
}

#[cold]
fn ipv4_fragment(b: &[u8; 20], flags: u16, payload: usize) -> Result<Fragment, Malformed> {
    let fragment = Fragment {
        id: u32::from(u16::from_be_bytes([b[4], b[5]])),
        offset: (flags & 0x1fff) << 3,
        more: flags & 0x2000 != 0,
    };
    check_fragment(fragment, payload, usize::from(b[0] & 0xf) * 4)?;
    Ok(fragment)
}

/// The rules for any fragment: `payload` bytes of it, behind `header` bytes in the whole packet.
pub(super) fn check_fragment(
    fragment: Fragment,
    payload: usize,
    header: usize,
) -> Result<(), Malformed> {
    if fragment.more && (payload == 0 || !payload.is_multiple_of(8)) {
        return Err(Malformed::FragmentLength);
    }
    if usize::from(fragment.offset) + payload + header > MAX_PACKET {
        return Err(Malformed::FragmentOverflow);
    }
    Ok(())
}
