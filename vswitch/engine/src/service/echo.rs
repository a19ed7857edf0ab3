//! The router answers ping at its own addresses.

use std::net::IpAddr;

use weft_model::Mac;
use weft_packet::{
    build, checksum,
    headers::{Headers, Ip},
};

use super::{Heard, Site};
use crate::drop::{Drop, DropObject, DropReason};

/// Answers what is sent to an address of the router: an echo request, and nothing else.
pub(super) fn answer(
    site: &Site<'_>,
    headers: &Headers,
    frame: &[u8],
    ip: &Ip,
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    let own = match ip.src {
        IpAddr::V4(src) => site.owns4(src),
        IpAddr::V6(src) => site.may_speak6(src),
    };
    if !own {
        let object = DropObject::Address(ip.src);
        return Err(Drop::because(DropReason::SpoofedAddress, object));
    }
    // A request with a wrong checksum must not come back with a right one.
    let heard = headers.dst == Mac::ROUTER && checksum::verify_l4(frame, ip);
    if heard && build::echo_reply(out, frame, headers, ip) {
        return Ok(Heard::Answered);
    }
    let object = DropObject::Address(ip.dst);
    Err(Drop::because(DropReason::RouterUnserved, object))
}
