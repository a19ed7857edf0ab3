//! What is asked of a packet before anything else: who sends it, and whom it is for.

use std::net::IpAddr;

use weft_model::{Cloud, Interface, Mac, Subnet};
use weft_packet::{
    headers::{Headers, Ip},
    icmp,
};

use super::{Crossing, Outcome, Refusal, bytes::Expected};

pub(crate) fn is_router(subnet: &Subnet, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.to_bits() == subnet.ipv4.net().network().to_bits() + 1,
        IpAddr::V6(a) => {
            let router = subnet.ipv6.map(|block| block.net().network().to_bits() + 1);
            router == Some(a.to_bits())
        }
    }
}

/// The router answers ping, and nothing else.
pub(crate) fn ask_router(
    at: &Interface,
    headers: &Headers,
    ip: &Ip,
    frame: &[u8],
    outcome: &mut Outcome,
) -> Result<(), Refusal> {
    if !at.addresses().any(|a| a == ip.src) {
        return Err(Refusal::because("spoofed_address", ip.src));
    }
    if headers.dst != Mac::ROUTER || !icmp::is_echo_request(ip) {
        return Err(Refusal::because("router_unserved", ip.dst));
    }
    outcome
        .delivered
        .push((at.id, Expected::Echo(frame.to_vec())));
    Ok(())
}

/// From its own address unless it forwards, never for the router or nobody, and to somebody.
pub(crate) fn check_sender(
    subnet: &Subnet,
    at: &Interface,
    headers: &Headers,
    ip: &Ip,
) -> Result<(), Refusal> {
    let broadcast = ip.dst == IpAddr::V4(subnet.ipv4.net().broadcast());
    if headers.dst.is_group() || is_nobody(ip.dst) || broadcast {
        return Err(Refusal::because("multicast", ip.dst));
    }
    let foreign = at.source_dest_check && !at.addresses().any(|a| a == ip.src);
    if foreign || is_nobody(ip.src) || is_router(subnet, ip.src) || ip.src.is_loopback() {
        return Err(Refusal::because("spoofed_address", ip.src));
    }
    Ok(())
}

/// Broadcast, multicast, unspecified.
pub(crate) fn is_nobody(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(a) if a.is_broadcast());
    broadcast || address.is_multicast() || address.is_unspecified()
}

/// The underlay address of the host that the interface is plugged in at.
pub(crate) fn vtep(cloud: &Cloud, interface: &Interface) -> IpAddr {
    let place = interface.attachment.as_ref().unwrap();
    cloud.host(&place.host).unwrap().vtep
}

pub(crate) fn crossing(cloud: &Cloud, from: &Interface, to: &Interface) -> Option<Crossing> {
    let (here, there) = (vtep(cloud, from), vtep(cloud, to));
    (here != there).then(|| Crossing {
        from: vec![here],
        to: vec![there],
        vni: cloud.vpc(to.vpc).unwrap().vni,
    })
}
