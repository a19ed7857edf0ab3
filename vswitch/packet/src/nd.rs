//! Neighbour discovery (RFC 4861), as far as a vswitch answers or judges it.

#[cfg(test)]
mod tests;

use std::net::Ipv6Addr;

use crate::{
    Mac, Malformed,
    headers::{Ip, L4},
    wire::array,
};

/// ICMPv6 types.
pub mod kind {
    /// Router solicitation.
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbour solicitation.
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    /// Neighbour advertisement.
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    /// Redirect.
    pub const REDIRECT: u8 = 137;
}

/// Option types.
pub(crate) mod option {
    pub(crate) const SOURCE_LINK: u8 = 1;
    pub(crate) const TARGET_LINK: u8 = 2;
    pub(crate) const PREFIX: u8 = 3;
    pub(crate) const MTU: u8 = 5;
    pub(crate) const RDNSS: u8 = 25;
}

/// A neighbour discovery message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nd {
    /// "Is a router there?"
    RouterSolicitation {
        /// The asker's MAC, if it said.
        link: Option<Mac>,
    },
    /// "I am a router."
    RouterAdvertisement,
    /// "Who has this address?"
    NeighborSolicitation {
        /// The address asked for.
        target: Ipv6Addr,
        /// The asker's MAC; none while it probes for duplicates.
        link: Option<Mac>,
    },
    /// "I have this address."
    NeighborAdvertisement {
        /// The address claimed.
        target: Ipv6Addr,
        /// The MAC claimed for it.
        link: Option<Mac>,
    },
    /// "Use another router."
    Redirect,
}

/// Reads the message of the packet `ip` in `frame`; `None` where it is not neighbour discovery.
/// Its checksum is not looked at.
///
/// # Errors
/// [`Malformed::NdInvalid`] as RFC 4861 asks: hop limit not 255, code not 0, short, an option of
/// length 0 or past the end, a multicast target.
pub fn parse(frame: &[u8], ip: &Ip) -> Result<Option<Nd>, Malformed> {
    let L4::Icmp { kind, code, .. } = ip.l4_kind else {
        return Ok(None);
    };
    let known = kind::ROUTER_SOLICITATION..=kind::REDIRECT;
    if ip.is_v4() || !known.contains(&kind) {
        return Ok(None);
    }
    if ip.ttl != 255 || code != 0 || ip.fragment.is_some() {
        return Err(Malformed::NdInvalid);
    }
    let body = frame.get(ip.l4..ip.end).ok_or(Malformed::NdInvalid)?;
    message(kind, body).map(Some).ok_or(Malformed::NdInvalid)
}

fn message(kind: u8, body: &[u8]) -> Option<Nd> {
    Some(match kind {
        kind::ROUTER_SOLICITATION => Nd::RouterSolicitation {
            link: link(body.get(8..)?, option::SOURCE_LINK)?,
        },
        kind::NEIGHBOR_SOLICITATION => Nd::NeighborSolicitation {
            target: target(body)?,
            link: link(body.get(24..)?, option::SOURCE_LINK)?,
        },
        kind::NEIGHBOR_ADVERTISEMENT => Nd::NeighborAdvertisement {
            target: target(body)?,
            link: link(body.get(24..)?, option::TARGET_LINK)?,
        },
        kind::ROUTER_ADVERTISEMENT => Nd::RouterAdvertisement,
        _ => Nd::Redirect,
    })
}

fn target(body: &[u8]) -> Option<Ipv6Addr> {
    let address = Ipv6Addr::from(*array::<16>(body, 8)?);
    (!address.is_multicast()).then_some(address)
}

/// The MAC in the first option of kind `wanted`; the outer `None` is a broken list. Each option
/// takes 8 bytes at least, so the walk ends.
fn link(mut options: &[u8], wanted: u8) -> Option<Option<Mac>> {
    let mut found = None;
    while !options.is_empty() {
        let length = usize::from(*options.get(1)?) * 8;
        let option = options.get(..length).filter(|o| !o.is_empty())?;
        if option[0] == wanted && found.is_none() {
            found = Some(Mac::new(*array::<6>(option, 2)?));
        }
        options = &options[length..];
    }
    Some(found)
}
