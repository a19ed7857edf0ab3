//! ARP (RFC 826): the port asks, and its own switch answers for the router and for every interface
//! of the subnet. Nothing is ever flooded.

use std::net::Ipv4Addr;

use weft_packet::{
    build,
    headers::{Arp, Headers},
};

use super::{Heard, Site};
use crate::drop::{Drop, DropObject, DropReason};

/// Answers a request for an address that somebody on the link holds.
pub(super) fn answer(
    site: &Site<'_>,
    headers: &Headers,
    arp: &Arp,
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    refuse_claims(site, headers, arp)?;
    if arp.operation != Arp::REQUEST || site.owns4(arp.target_ip) {
        // An announcement of the port's own, or a probe for it: nobody contradicts (RFC 5227).
        return Ok(Heard::Absorbed);
    }
    let Some(mac) = site.resolve(arp.target_ip.into()) else {
        let object = DropObject::Address(arp.target_ip.into());
        return Err(Drop::because(DropReason::ArpUnanswered, object));
    };
    build::arp_reply(out, arp, mac);
    Ok(Heard::Answered)
}

/// What a port may say of itself: its own MAC, with one of its own addresses or, in a probe, none.
fn refuse_claims(site: &Site<'_>, headers: &Headers, arp: &Arp) -> Result<(), Drop> {
    if arp.sender_mac != site.port.mac || headers.src != site.port.mac {
        return Err(Drop::because(
            DropReason::SpoofedArp,
            DropObject::Mac(arp.sender_mac),
        ));
    }
    let probe = arp.sender_ip == Ipv4Addr::UNSPECIFIED && arp.operation == Arp::REQUEST;
    if probe || site.owns4(arp.sender_ip) {
        return Ok(());
    }
    let object = DropObject::Address(arp.sender_ip.into());
    Err(Drop::because(DropReason::SpoofedArp, object))
}
