//! Between a port and the internet: one public address stands for one private one, so no connection
//! needs to be remembered for it. IPv6 addresses are public as they are.

use std::net::IpAddr;

use weft_model::{RouteTableId, RouteTarget};
use weft_packet::{
    headers::{Ip, L4},
    icmp,
    offload::Checksum,
    rewrite::{self, End},
};

use super::Packet;
use crate::{
    config::{PortConfig, PortView, VpcConfig},
    drop::{Drop, DropObject, DropReason},
    mutation::{Mutation, is_awake},
};

/// Who may send to the internet: an address with a public one.
pub(super) fn check_sender(packet: &Packet<'_>) -> Result<(), Drop> {
    match packet.ip.src {
        IpAddr::V4(private) if packet.view.port.public_of(private).is_none() => {
            let object = DropObject::Address(packet.ip.src);
            Err(Drop::because(DropReason::NoPublicAddress, object))
        }
        _ => Ok(()),
    }
}

/// Makes a packet that leaves the port come from the public address, and an ICMP error speak of it.
pub(super) fn to_public(port: &PortConfig, frame: &mut [u8], ip: &Ip, state: Checksum) {
    let IpAddr::V4(private) = ip.src else {
        return;
    };
    // An error about a translated connection bears its public address already.
    let bears = frame.get(ip.l3 + 12..ip.l3 + 16) == Some(&private.octets());
    let Some(public) = port.public_of(private).filter(|_| bears) else {
        return;
    };
    if let Ok(quote) = icmp::embedded(frame, ip)
        && quote.dst == ip.src
        && !is_awake(Mutation::ErrorNotTranslated)
    {
        let end = (IpAddr::V4(public), quote.ports.1);
        rewrite::quoted(frame, ip, &quote, End::Destination, end);
    }
    rewrite::address(frame, ip, End::Source, IpAddr::V4(public), state);
}

/// Makes a packet from the internet be for the private address, and an ICMP error speak of it; the
/// packet as its port knows it.
pub(super) fn to_private(
    port: &PortConfig,
    frame: &mut [u8],
    ip: &Ip,
    state: Checksum,
) -> Result<Ip, Drop> {
    let IpAddr::V4(public) = ip.dst else {
        return Ok(*ip);
    };
    let private = port.private_of(public).ok_or_else(|| {
        let object = DropObject::Address(ip.dst);
        Drop::because(DropReason::NotPublic, object)
    })?;
    let private = IpAddr::V4(private);
    if ip.l4_kind == L4::LaterFragment && is_awake(Mutation::FragmentNotTranslated) {
        return Ok(Ip {
            dst: private,
            ..*ip
        });
    }
    if let Ok(quote) = icmp::embedded(frame, ip)
        && quote.src == ip.dst
        && !is_awake(Mutation::ErrorNotTranslated)
    {
        let end = (private, quote.ports.0);
        rewrite::quoted(frame, ip, &quote, End::Source, end);
    }
    rewrite::address(frame, ip, End::Destination, private, state);
    Ok(Ip {
        dst: private,
        ..*ip
    })
}

/// Whether somebody outside may begin a connection: where the port's own packets to them would leave
/// by an internet gateway.
pub(super) fn check_way_back(view: &PortView<'_>, to: IpAddr) -> Result<(), Drop> {
    if is_awake(Mutation::AnyWayBack) {
        return Ok(());
    }
    check_route_back(view.vpc, view.subnet().route_table, to)
}

/// The same, by this table of the VPC.
pub(super) fn check_route_back(
    vpc: &VpcConfig,
    table: RouteTableId,
    to: IpAddr,
) -> Result<(), Drop> {
    let routes = vpc.routes.get(&table);
    let Some(route) = routes.and_then(|routes| routes.longest(to)) else {
        let object = DropObject::RouteTable(table);
        return Err(Drop::because(DropReason::NoWayBack, object));
    };
    let reason = match route.target {
        RouteTarget::InternetGateway(_) => return Ok(()),
        RouteTarget::EgressGateway(_) => DropReason::EgressOnly,
        _ => DropReason::NoWayBack,
    };
    let destination = route.destination;
    Err(Drop::because(
        reason,
        DropObject::Route { table, destination },
    ))
}
