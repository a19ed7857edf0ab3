//! Netlink: the link, addresses and routes of a device, in the namespace of the calling thread.
//!
//! Every setting is idempotent: a device that a former process left is brought to the wish.

use std::{
    collections::BTreeSet,
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use futures::TryStreamExt as _;
use ipnet::IpNet;
use netlink_packet_route::{
    address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope},
    link::LinkAttribute,
    route::{RouteMessage, RouteScope},
};
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};
use weft_model::{Mac, Mtu, Prefix};

use super::{DeviceSpec, Wiring};

/// The largest UDP payload over IPv4; a super frame's segments go out in one such send.
const UDP_PAYLOAD_MAX: u32 = 65_507;
/// Frames that may wait in the TAP for its worker: 40 ms of 50,000 packets a second, which a worker
/// that shares its core may need; TUN's own 500 are 10 ms.
pub(super) const QUEUE: u32 = 2048;
/// What the tunnel adds to a segment: VXLAN 8, inner Ethernet 14.
const TUNNEL: u32 = 22;
/// The least headers of a TCP segment with the timestamps that everyone sends: IPv4 20, TCP 32.
const HEADERS: u32 = 52;

/// Why netlink didn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No socket or runtime.
    #[error("no netlink socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The device isn't in this namespace.
    #[error("there is no such device")]
    Absent,
    /// The kernel refused.
    #[error("can't {step}: {source}")]
    Refused {
        /// What was asked.
        step: &'static str,
        /// The kernel's reason; boxed, for it carries whole messages.
        source: Box<rtnetlink::Error>,
    },
}

pub(super) fn refused(step: &'static str) -> impl FnOnce(rtnetlink::Error) -> LinkError {
    move |source| LinkError::Refused {
        step,
        source: Box::new(source),
    }
}

/// Talks netlink on the calling thread, which stays in its namespace throughout: the runtime has
/// no other.
pub(super) fn converse<T, F>(talk: impl FnOnce(Handle) -> F) -> Result<T, LinkError>
where
    F: Future<Output = Result<T, LinkError>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        talk(handle).await
    })
}

pub(super) fn configure(spec: &DeviceSpec) -> Result<(), LinkError> {
    skip_duplicate_detection(spec);
    converse(|handle| async move {
        loopback_up(&handle).await?;
        let index = index_of(&handle, spec.place.device.as_str()).await?;
        set_mac(&handle, index, spec.mac).await?;
        set_sizes(&handle, index, spec).await?;
        set_addresses(&handle, index, spec).await
    })
}

pub(super) fn up(spec: &DeviceSpec) -> Result<(), LinkError> {
    converse(|handle| async move {
        let index = index_of(&handle, spec.place.device.as_str()).await?;
        let link = LinkUnspec::new_with_index(index).up().build();
        let set = handle.link().set(link).execute().await;
        set.map_err(refused("set the link up"))?;
        // IPv6 addresses and gateways hold only on a link that is up.
        set_addresses(&handle, index, spec).await?;
        set_routes(&handle, index, spec).await
    })
}

/// The controller gives each address once, so probing for duplicates only delays the first packet
/// by a second. Best effort: without IPv6 there is no such file.
fn skip_duplicate_detection(spec: &DeviceSpec) {
    let path = format!("/proc/sys/net/ipv6/conf/{}/accept_dad", spec.place.device);
    let _ = std::fs::write(path, "0");
}

pub(super) async fn index_of(handle: &Handle, name: &str) -> Result<u32, LinkError> {
    let mut links = handle.link().get().match_name(name).execute();
    match links.try_next().await {
        Ok(Some(link)) => Ok(link.header.index),
        Ok(None) => Err(LinkError::Absent),
        Err(error) if is_absent(&error) => Err(LinkError::Absent),
        Err(source) => Err(refused("look the device up")(source)),
    }
}

/// Whether the kernel says that there is no such device.
pub(super) fn is_absent(error: &rtnetlink::Error) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(e) if e.raw_code() == -libc::ENODEV)
}

async fn loopback_up(handle: &Handle) -> Result<(), LinkError> {
    // Index 1 in every namespace.
    let link = LinkUnspec::new_with_index(1).up().build();
    let set = handle.link().set(link).execute().await;
    set.map_err(refused("set the loopback up"))
}

async fn set_mac(handle: &Handle, index: u32, mac: Mac) -> Result<(), LinkError> {
    let address = mac.octets().to_vec();
    let link = LinkUnspec::new_with_index(index).address(address).build();
    let set = handle.link().set(link).execute().await;
    set.map_err(refused("set the MAC"))
}

/// MTU, and super frames no larger than one UDP send carries once each segment has its tunnel
/// header: otherwise each 64 KiB would cost a second, nearly empty send.
async fn set_sizes(handle: &Handle, index: u32, spec: &DeviceSpec) -> Result<(), LinkError> {
    let mtu = u32::from(spec.mtu);
    let link = LinkUnspec::new_with_index(index).mtu(mtu);
    let link = match spec.wiring {
        Wiring::Tap => link.txqueuelen(QUEUE),
        // A veth has no queue of its own.
        Wiring::Veth => link,
    };
    let set = handle.link().set(link.build()).execute().await;
    set.map_err(refused("set the MTU and the queue"))?;
    let segments = UDP_PAYLOAD_MAX / (mtu + TUNNEL);
    let size = segments * mtu.saturating_sub(HEADERS) + HEADERS;
    let link = LinkUnspec::new_with_index(index)
        .append_extra_attribute(LinkAttribute::GsoMaxSize(size))
        .append_extra_attribute(LinkAttribute::GsoIpv4MaxSize(size))
        .build();
    // A kernel without the attribute sends in two; nothing is wrong.
    let _ = handle.link().set(link).execute().await;
    Ok(())
}

/// Adds what is missing and removes what was an address of the interface before.
async fn set_addresses(handle: &Handle, index: u32, spec: &DeviceSpec) -> Result<(), LinkError> {
    let wanted: Vec<(IpAddr, u8)> = spec
        .ipv4
        .iter()
        .map(|&a| (IpAddr::V4(a), spec.prefix4))
        .chain(spec.ipv6.iter().map(|&a| (IpAddr::V6(a), 64)))
        .collect();
    let filter = handle.address().get().set_link_index_filter(index);
    let present: Vec<AddressMessage> = filter
        .execute()
        .try_collect()
        .await
        .map_err(refused("list addresses"))?;
    for message in present {
        let ours = message.header.scope == AddressScope::Universe;
        let keep = address_of(&message).is_some_and(|held| wanted.contains(&held));
        if ours && !keep {
            // Gone already, when it was a secondary one of another that went.
            let _ = handle.address().del(message).execute().await;
        }
    }
    for (address, prefix) in wanted {
        let mut request = handle.address().add(index, address, prefix).replace();
        if address.is_ipv6() {
            no_duplicate_detection(request.message_mut());
        }
        request.execute().await.map_err(refused("add an address"))?;
    }
    Ok(())
}

fn address_of(message: &AddressMessage) -> Option<(IpAddr, u8)> {
    let local = |a: &AddressAttribute| match a {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    };
    let plain = |a: &AddressAttribute| match a {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    };
    // IPv4 has both, of which the local one is the device's own; IPv6 has the plain one only.
    let attributes = &message.attributes;
    let address = attributes
        .iter()
        .find_map(local)
        .or_else(|| attributes.iter().find_map(plain))?;
    Some((address, message.header.prefix_len))
}

fn no_duplicate_detection(message: &mut AddressMessage) {
    message.header.flags |= AddressHeaderFlags::Nodad;
    message
        .attributes
        .push(AddressAttribute::Flags(AddressFlags::Nodad));
}

async fn set_routes(handle: &Handle, index: u32, spec: &DeviceSpec) -> Result<(), LinkError> {
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .gateway(spec.gateway4)
        .output_interface(index)
        .build();
    let add = handle.route().add(route).replace().execute().await;
    add.map_err(refused("add the IPv4 default route"))?;
    if spec.ipv6.is_empty() {
        return Ok(());
    }
    let route = RouteMessageBuilder::<Ipv6Addr>::new()
        .gateway(spec.gateway6)
        .output_interface(index)
        .build();
    let add = handle.route().add(route).replace().execute().await;
    add.map_err(refused("add the IPv6 default route"))
}

/// The MTU of the device that holds an address, in the calling thread's namespace.
///
/// # Errors
/// No device holds it, or netlink fails.
pub fn mtu_of(address: IpAddr) -> Result<u32, LinkError> {
    of_holder(address, |attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    })
}

/// The name of the device that holds an address, in the calling thread's namespace.
///
/// # Errors
/// No device holds it, or netlink fails.
pub fn name_of(address: IpAddr) -> Result<String, LinkError> {
    of_holder(address, |attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}

/// What an attribute says of the device that holds an address.
fn of_holder<T>(
    address: IpAddr,
    says: impl Fn(&LinkAttribute) -> Option<T>,
) -> Result<T, LinkError> {
    converse(|handle| async move {
        let mut addresses = handle.address().get().execute();
        let mut index = None;
        while let Some(message) = addresses
            .try_next()
            .await
            .map_err(refused("list addresses"))?
        {
            if address_of(&message).is_some_and(|(held, _)| held == address) {
                index = Some(message.header.index);
            }
        }
        let index = index.ok_or(LinkError::Absent)?;
        let mut links = handle.link().get().match_index(index).execute();
        let link = links.try_next().await.map_err(refused("read the device"))?;
        let attributes = link.ok_or(LinkError::Absent)?.attributes;
        attributes.iter().find_map(says).ok_or(LinkError::Absent)
    })
}

/// Sets the edge's device up: nobody on it answers ARP, so each frame bears its own MAC.
pub(super) fn raise_edge(name: &str, mac: Mac, mtu: Mtu) -> Result<(), LinkError> {
    converse(|handle| async move {
        let index = index_of(&handle, name).await?;
        set_mac(&handle, index, mac).await?;
        let link = LinkUnspec::new_with_index(index)
            .mtu(mtu.get().into())
            .txqueuelen(QUEUE)
            .arp(false)
            .up()
            .build();
        let set = handle.link().set(link).execute().await;
        set.map_err(refused("set the link up"))
    })
}

/// Sets a device up that only programs speak to.
pub(super) fn raise(name: &str) -> Result<(), LinkError> {
    converse(|handle| async move {
        let index = index_of(&handle, name).await?;
        let link = LinkUnspec::new_with_index(index)
            .txqueuelen(QUEUE)
            .arp(false)
            .up()
            .build();
        let set = handle.link().set(link).execute().await;
        set.map_err(refused("set the link up"))
    })
}

/// Makes these prefixes routes to the device, and takes others away.
pub(super) fn route_edge(
    name: &str,
    wanted: &BTreeSet<Prefix>,
    gone: &[Prefix],
) -> Result<(), LinkError> {
    converse(|handle| async move {
        let index = index_of(&handle, name).await?;
        for prefix in gone {
            // Gone already is as good.
            let _ = handle
                .route()
                .del(edge_route(index, *prefix))
                .execute()
                .await;
        }
        for prefix in wanted {
            let add = handle.route().add(edge_route(index, *prefix)).replace();
            add.execute().await.map_err(refused("add a public route"))?;
        }
        Ok(())
    })
}

fn edge_route(index: u32, prefix: Prefix) -> RouteMessage {
    match prefix.net() {
        IpNet::V4(net) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .output_interface(index)
            .scope(RouteScope::Link)
            .build(),
        IpNet::V6(net) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .output_interface(index)
            .build(),
    }
}

/// The networks of every device but this one, in the calling thread's namespace.
///
/// # Errors
/// The device isn't there, or netlink fails.
pub fn networks_beside(device: &str) -> Result<Vec<Prefix>, LinkError> {
    converse(|handle| async move {
        let but = index_of(&handle, device).await?;
        let addresses = handle.address().get().execute();
        let all: Vec<AddressMessage> = addresses
            .try_collect()
            .await
            .map_err(refused("list addresses"))?;
        let others = all.iter().filter(|message| message.header.index != but);
        let networks = others.filter_map(|message| {
            let (address, length) = address_of(message)?;
            Prefix::new(IpNet::new(address, length).ok()?).ok()
        });
        Ok(networks.collect())
    })
}
