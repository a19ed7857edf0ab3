//! Whether what came out of the tunnel may come from there: which host sent it, and whether the inner
//! source is behind that.

use std::net::IpAddr;

use weft_model::Mac;

use super::{Packet, hidden, ingress::Entrance, is_for_many, pinned};
use crate::{
    config::{Config, HostSlot, VpcConfig},
    drop::{Drop, DropObject, DropReason},
};

/// The host with this VTEP.
pub(super) fn known(config: &Config, vtep: IpAddr) -> Result<HostSlot, Drop> {
    let unknown = Drop::because(DropReason::VtepUnknown, DropObject::Address(vtep));
    config.tunnels().host(vtep).ok_or(unknown)
}

/// The host that the packet comes from, once it is sure that the inner source is there.
pub(super) fn check_origin(packet: &Packet<'_>, entrance: Entrance) -> Result<HostSlot, Drop> {
    let source = match entrance {
        Entrance::Here => return Ok(HostSlot::OWN),
        Entrance::Pinned(source, _) => return pinned::check_picker(packet, source),
        Entrance::Hidden(hidden) => return hidden::check_origin(packet, hidden),
        Entrance::Outside(source) | Entrance::Nat(source) => return check_outside(packet, source),
        Entrance::Tunnel(source) => source,
    };
    let host = known(packet.view.config, source)?;
    let inner = (packet.headers.src, packet.wire.src);
    vouch(packet.view.config, packet.view.vpc, host, inner)?;
    Ok(host)
}

/// Only edges send in the outside's VNI.
pub(super) fn check_edge(config: &Config, vtep: IpAddr) -> Result<(), Drop> {
    let unknown = Drop::because(DropReason::EdgeUnknown, DropObject::Address(vtep));
    config.edges().has(vtep).then_some(()).ok_or(unknown)
}

/// What comes from an edge comes from outside of the VPC, as routed packets do.
fn check_outside(packet: &Packet<'_>, source: IpAddr) -> Result<HostSlot, Drop> {
    check_edge(packet.view.config, source)?;
    if packet.headers.src != Mac::ROUTER {
        let object = DropObject::Mac(packet.headers.src);
        return Err(Drop::because(DropReason::InnerMac, object));
    }
    let from = packet.wire.src;
    if packet.view.vpc.prefixes().any(|p| p.contains_addr(from)) || is_for_many(from) {
        let object = DropObject::Address(from);
        return Err(Drop::because(DropReason::SourceElsewhere, object));
    }
    Ok(HostSlot::OUTSIDE)
}

/// Whether a packet with this inner source may come from the host.
pub(super) fn vouch(
    config: &Config,
    vpc: &VpcConfig,
    host: HostSlot,
    (mac, address): (Mac, IpAddr),
) -> Result<(), Drop> {
    // A host with an interface that forwards may send on what others began.
    let forwards = vpc.mappings.forwards(host);
    let entry = vpc.mapping(address);
    match entry.filter(|entry| entry.host_slot == host) {
        Some(entry) if entry.mac == mac || mac == Mac::ROUTER || mac == Mac::MIRROR || forwards => {
            Ok(())
        }
        Some(_) => Err(Drop::because(DropReason::InnerMac, DropObject::Mac(mac))),
        None if forwards || crosses(config, vpc, host, (mac, address)) => Ok(()),
        None => {
            let object = DropObject::Address(address);
            Err(Drop::because(DropReason::SourceElsewhere, object))
        }
    }
}

/// Whether an interface on the host, of a peered VPC or of one that a transit gateway leads here from,
/// may send this: from its own address, by the router; or from any of that VPC's, where one forwards.
fn crosses(
    config: &Config,
    vpc: &VpcConfig,
    host: HostSlot,
    (mac, address): (Mac, IpAddr),
) -> bool {
    let is_there = |peer: &VpcConfig| {
        let entry = peer.mapping(address);
        entry.is_some_and(|entry| entry.host_slot == host || peer.mappings.forwards(host))
    };
    if mac != Mac::ROUTER {
        return false;
    }
    // The VPC's own addresses are nobody else's here.
    let foreign = || !vpc.prefixes().any(|block| block.contains_addr(address));
    let mut senders = config.senders(vpc, address);
    config.peers(vpc).any(is_there) || senders.any(is_there) && foreign()
}
