//! IPv6 neighbour discovery (RFC 4861) at the port.
//!
//! As with ARP, the port's own switch answers for the router and for every interface of the
//! subnet, a duplicate address detection included; nothing is ever flooded.

use std::net::{IpAddr, Ipv6Addr};

use weft_model::{Mac, SubnetBlock6};
use weft_packet::{
    build::{self, Advertisement, PrefixInformation, RouterAdvertisement},
    checksum,
    headers::{Headers, Ip},
    nd::{self, Nd},
};

use super::{Heard, Site, site::DNS6};
use crate::{
    config::SubnetConfig,
    drop::{Drop, DropObject, DropReason},
};

/// Seconds that the router stays the default one without another advertisement: the most that RFC
/// 4861 section 6.2.1 allows, as advertisements come only when asked for.
const ROUTER_LIFETIME: u16 = 9000;
/// The subnet's prefix never changes: the value that means "for ever" (RFC 4861 section 4.6.2).
const FOREVER: u32 = u32::MAX;
/// What an advertisement tells stations to send with.
const HOP_LIMIT: u8 = 64;

/// All nodes on the link, and the MAC that it maps to (RFC 2464 section 7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac::new([0x33, 0x33, 0, 0, 0, 1]);

/// Answers a message of neighbour discovery or of multicast listeners. `Pass` where the packet is
/// neither.
pub(super) fn answer(
    site: &Site<'_>,
    headers: &Headers,
    frame: &[u8],
    ip: &Ip,
    kind: u8,
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    if is_listener(kind) {
        return Ok(Heard::Absorbed);
    }
    let IpAddr::V6(src) = ip.src else {
        return Ok(Heard::Pass);
    };
    let Some(message) = nd::parse(frame, ip).map_err(|_| DropReason::Malformed)? else {
        return Ok(Heard::Pass);
    };
    if !checksum::verify_l4(frame, ip) {
        return Err(DropReason::Malformed.into());
    }
    let asker = Asker {
        mac: headers.src,
        src,
    };
    match message {
        Nd::RouterSolicitation { link } => {
            refuse_claims(site, src, link)?;
            Ok(advertise_router(site, asker, out))
        }
        Nd::NeighborSolicitation { target, link } => {
            refuse_claims(site, src, link)?;
            advertise_neighbor(site, asker, target, out)
        }
        Nd::NeighborAdvertisement { target, link } => {
            refuse_claims(site, src, link)?;
            absorb_advertisement(site, target)
        }
        Nd::RouterAdvertisement | Nd::Redirect => Err(DropReason::RogueRouter.into()),
    }
}

/// Multicast listener query, report and done (RFC 2710) and report version 2 (RFC 3810): no group
/// is forwarded, so there is nothing to remember.
fn is_listener(kind: u8) -> bool {
    matches!(kind, 130..=132 | 143)
}

/// What a port may say of itself: one of its addresses or none yet, and its own MAC.
fn refuse_claims(site: &Site<'_>, src: Ipv6Addr, mac: Option<Mac>) -> Result<(), Drop> {
    if let Some(mac) = mac.filter(|mac| *mac != site.port.mac) {
        let object = DropObject::Mac(mac);
        return Err(Drop::because(DropReason::SpoofedNeighbor, object));
    }
    if src.is_unspecified() || site.may_speak6(src) {
        return Ok(());
    }
    let object = DropObject::Address(src.into());
    Err(Drop::because(DropReason::SpoofedNeighbor, object))
}

/// Who asked.
#[derive(Clone, Copy)]
struct Asker {
    mac: Mac,
    src: Ipv6Addr,
}

impl Asker {
    /// Where the answer goes: who has no address yet hears it among all nodes.
    fn reply_to(self) -> (Mac, Ipv6Addr) {
        if self.src.is_unspecified() {
            (ALL_NODES_MAC, ALL_NODES)
        } else {
            (self.mac, self.src)
        }
    }
}

fn advertise_router(site: &Site<'_>, asker: Asker, out: &mut Vec<u8>) -> Heard {
    let Some(block) = site.port.subnet.ipv6 else {
        return Heard::Absorbed; // No IPv6 here, so no router for it.
    };
    let (mac, to) = asker.reply_to();
    let advertisement = RouterAdvertisement {
        mac: Mac::ROUTER,
        from: SubnetConfig::router_link_local(),
        hop_limit: HOP_LIMIT,
        managed: true,
        other: true,
        lifetime: ROUTER_LIFETIME,
        mtu: site.port.mtu.into(),
        prefixes: &[prefix(block)],
        dns: &[DNS6],
        dns_lifetime: ROUTER_LIFETIME.into(),
    };
    build::router_advertisement(out, mac, to, &advertisement);
    Heard::Answered
}

/// On the link, so that neighbours are asked for and not sent through the router; not for
/// stations to make addresses in, as the controller gives those.
fn prefix(block: SubnetBlock6) -> PrefixInformation {
    PrefixInformation {
        prefix: block.net().network(),
        length: block.net().prefix_len(),
        on_link: true,
        autonomous: false,
        valid: FOREVER,
        preferred: FOREVER,
    }
}

fn advertise_neighbor(
    site: &Site<'_>,
    asker: Asker,
    target: Ipv6Addr,
    out: &mut Vec<u8>,
) -> Result<Heard, Drop> {
    let probe = asker.src.is_unspecified();
    if site.owns6(target) {
        return Ok(Heard::Absorbed); // A probe for its own address: nobody contradicts.
    }
    let Some(mac) = site.resolve(target.into()) else {
        return unanswered(target, probe);
    };
    let (to_mac, to) = asker.reply_to();
    let advertisement = Advertisement {
        target,
        mac,
        router: site.is_router(target.into()),
        solicited: !probe,
    };
    build::neighbor_advertisement(out, to_mac, to, advertisement);
    Ok(Heard::Answered)
}

/// A host probes link-local addresses that it made up; nobody else can have them on this link.
fn unanswered(target: Ipv6Addr, probe: bool) -> Result<Heard, Drop> {
    if probe && target.is_unicast_link_local() {
        return Ok(Heard::Absorbed);
    }
    let object = DropObject::Address(target.into());
    Err(Drop::because(DropReason::NeighborUnanswered, object))
}

/// What a port announces of itself is heard and goes nowhere: its switch knows better.
fn absorb_advertisement(site: &Site<'_>, target: Ipv6Addr) -> Result<Heard, Drop> {
    if site.may_speak6(target) {
        return Ok(Heard::Absorbed);
    }
    let object = DropObject::Address(target.into());
    Err(Drop::because(DropReason::SpoofedNeighbor, object))
}
