//! IPv6 and its extension headers (RFC 8200).

use std::net::{IpAddr, Ipv6Addr};

use super::{Fragment, IPV6, Ip, MAX_EXTENSIONS, layer4, parse::check_fragment, protocol};
use crate::{Malformed, wire::array};

/// An IPv6 packet whose header starts at `l3`.
#[inline(always)]
pub(super) fn parse(frame: &[u8], l3: usize) -> Result<Ip, Malformed> {
    let b = array::<IPV6>(frame, l3).ok_or(Malformed::Ipv6Truncated)?;
    if b[0] >> 4 != 6 {
        return Err(Malformed::Ipv6Version);
    }
    let end = l3 + IPV6 + usize::from(u16::from_be_bytes([b[4], b[5]]));
    if end > frame.len() {
        return Err(Malformed::Ipv6Overrun);
    }
    let upper = Chain::new(b[6], l3 + IPV6).walk(frame, end)?;
    let kind = layer4::parse(frame, false, upper.next, upper.at..end, upper.fragment)?;
    Ok(Ip {
        src: IpAddr::V6(address(b, 8)),
        dst: IpAddr::V6(address(b, 24)),
        protocol: upper.next,
        ttl: b[7],
        l3,
        l4: upper.at,
        end,
        fragment: upper.fragment,
        dont_fragment: true,
        l4_kind: kind,
    })
}

#[inline]
pub(crate) fn address(header: &[u8; IPV6], at: usize) -> Ipv6Addr {
    Ipv6Addr::from(*array::<16>(header, at).expect("both addresses lie in the 40 bytes"))
}

/// A walk along the extension headers: the header named `next` starts at `at`.
pub(crate) struct Chain {
    pub(crate) next: u8,
    pub(crate) at: usize,
    pub(crate) fragment: Option<Fragment>,
    headers: usize,
    fragments: usize,
    cut: bool,
}

impl Chain {
    #[inline]
    pub(crate) fn new(next: u8, at: usize) -> Self {
        Self {
            next,
            at,
            fragment: None,
            headers: 0,
            fragments: 0,
            cut: false,
        }
    }

    /// Of a packet quoted in part: the lengths of its fragments can't be checked.
    pub(crate) fn quoted(next: u8, at: usize) -> Self {
        Self {
            cut: true,
            ..Self::new(next, at)
        }
    }

    /// To the upper layer, or to the data of a fragment that isn't the first.
    #[inline]
    pub(crate) fn walk(mut self, frame: &[u8], end: usize) -> Result<Self, Malformed> {
        while self.is_extension() {
            self.step(frame, end)?;
            if self.fragment.is_some_and(|f| f.offset > 0) {
                break;
            }
        }
        Ok(self)
    }

    /// ESP and AH are upper layers here: rules name them by number as any other protocol.
    #[inline]
    fn is_extension(&self) -> bool {
        matches!(
            self.next,
            protocol::HOP_BY_HOP
                | protocol::ROUTING
                | protocol::FRAGMENT
                | protocol::DESTINATION_OPTIONS
        )
    }

    #[cold]
    fn step(&mut self, frame: &[u8], end: usize) -> Result<(), Malformed> {
        if self.headers == MAX_EXTENSIONS {
            return Err(Malformed::Ipv6ExtensionChain);
        }
        let b = array::<8>(&frame[..end], self.at).ok_or(Malformed::Ipv6ExtensionTruncated)?;
        let length = match self.next {
            protocol::HOP_BY_HOP if self.headers > 0 => return Err(Malformed::Ipv6ExtensionOrder),
            protocol::FRAGMENT => 8,
            _ => (usize::from(b[1]) + 1) * 8,
        };
        if self.at + length > end {
            return Err(Malformed::Ipv6ExtensionTruncated);
        }
        if self.next == protocol::FRAGMENT {
            self.fragment(b, end - self.at - length)?;
        }
        self.next = b[0];
        self.at += length;
        self.headers += 1;
        Ok(())
    }

    fn fragment(&mut self, b: &[u8; 8], payload: usize) -> Result<(), Malformed> {
        self.fragments += 1;
        if self.fragments > 1 {
            return Err(Malformed::Ipv6ExtensionOrder);
        }
        let place = u16::from_be_bytes([b[2], b[3]]);
        let fragment = Fragment {
            id: u32::from_be_bytes([b[4], b[5], b[6], b[7]]),
            offset: place & 0xfff8,
            more: place & 1 != 0,
        };
        if !self.cut {
            check_fragment(fragment, payload, 0)?;
        }
        // A whole packet behind a fragment header is no fragment (RFC 6946).
        self.fragment = (fragment.more || fragment.offset > 0).then_some(fragment);
        Ok(())
    }
}
