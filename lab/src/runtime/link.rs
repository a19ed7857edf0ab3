//! Devices of the underlay, by netlink.

use std::{
    future::Future,
    io,
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use netlink_packet_route::{address::AddressHeaderFlags, route::RouteType};
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::{netns, wire::HostPlace};

/// The bridge in the lab's own namespace: the wire between hosts, and the controller's place.
const BRIDGE: &str = "underlay";

/// The one device of a host.
const UPLINK: &str = "underlay0";

/// Runs requests on a netlink socket of the calling thread's namespace.
pub(super) fn netlink<F, T>(work: impl FnOnce(Handle) -> F) -> io::Result<T>
where
    F: Future<Output = Result<T, rtnetlink::Error>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        work(handle).await.map_err(io::Error::other)
    })
}

pub(super) fn index(name: &str) -> Result<u32, rtnetlink::Error> {
    nix::net::if_::if_nametoindex(name)
        .map_err(|e| rtnetlink::Error::NamespaceError(format!("{name}: {e}")))
}

pub(super) async fn address(
    handle: &Handle,
    device: &str,
    address: IpAddr,
    length: u8,
) -> Result<(), rtnetlink::Error> {
    let mut request = handle.address().add(index(device)?, address, length);
    // Nobody else is on this wire; waiting for duplicate detection would only delay the lab.
    if address.is_ipv6() {
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
    }
    request.execute().await
}

/// What every namespace needs: its loopback up.
pub(super) fn loopback() -> io::Result<()> {
    netlink(|handle| async move {
        let up = LinkUnspec::new_with_name("lo").up().build();
        handle.link().change(up).execute().await
    })
}

/// What a host's namespace needs.
pub(super) fn host() -> io::Result<()> {
    // A connection that nobody answers any more keeps the namespace of a host that was removed, and with
    // it the other ends of its workloads' devices: it is given up after a second.
    netns::sysctl("ipv4/tcp_orphan_retries", "1");
    loopback()
}

/// The bridge with the controller's address, in the calling thread's namespace.
pub(super) fn bridge(mtu: u32, gateway: IpAddr, length: u8) -> io::Result<()> {
    netns::sysctl("ipv6/conf/default/accept_dad", "0");
    netlink(|handle| async move {
        let bridge = LinkBridge::new(BRIDGE).mtu(mtu).up().build();
        handle.link().add(bridge).execute().await?;
        address(&handle, BRIDGE, gateway, length).await
    })
}

/// A cable from the bridge to a host's namespace; called in the bridge's namespace.
pub(super) fn cable(place: &HostPlace, host: &OwnedFd, mtu: u32, length: u8) -> io::Result<()> {
    let (here, there) = (port(place), format!("p{}", number(place.vtep)));
    let fd = host.as_raw_fd();
    netlink(|handle| {
        let (here, there) = (here.clone(), there.clone());
        async move {
            let veth = LinkVeth::new(&here, &there).mtu(mtu).build();
            handle.link().add(veth).execute().await?;
            let plug = LinkUnspec::new_with_name(&here)
                .controller(index(BRIDGE)?)
                .up()
                .build();
            handle.link().change(plug).execute().await?;
            let hand = LinkUnspec::new_with_name(&there).setns_by_fd(fd).build();
            handle.link().change(hand).execute().await
        }
    })?;
    let vtep = place.vtep;
    netns::inside(host, move || uplink(&there, vtep, mtu, length))
}

fn uplink(device: &str, vtep: IpAddr, mtu: u32, length: u8) -> io::Result<()> {
    netns::sysctl("ipv6/conf/default/accept_dad", "0");
    netlink(|handle| async move {
        let number = index(device)?;
        let up = LinkUnspec::new_with_index(number)
            .name(UPLINK)
            .mtu(mtu)
            .up()
            .build();
        handle.link().change(up).execute().await?;
        address(&handle, UPLINK, vtep, length).await
    })
}

/// Takes a host's cable away at once: its namespace may take a while to end, and a host of the same
/// name needs the place.
pub(super) fn unplug(place: &HostPlace) -> io::Result<()> {
    let here = port(place);
    netlink(|handle| async move {
        match index(&here) {
            Ok(index) => handle.link().del(index).execute().await,
            Err(_) => Ok(()),
        }
    })
}

/// A host's number on the underlay: the last 16 bits of its address.
pub(super) fn number(vtep: IpAddr) -> u16 {
    let bytes = match vtep {
        IpAddr::V4(v4) => [v4.octets()[2], v4.octets()[3]],
        IpAddr::V6(v6) => [v6.octets()[14], v6.octets()[15]],
    };
    u16::from_be_bytes(bytes)
}

/// The device in the lab's namespace that a host's cable ends at.
pub(super) fn port(place: &HostPlace) -> String {
    format!("h{}", number(place.vtep))
}

/// The two ends of the piece that a relay puts between a host's cable and the bridge.
fn splices(port: &str) -> (String, String) {
    (format!("b{port}"), format!("r{port}"))
}

/// Plugs a device in, or out.
pub(super) fn set_up(device: &str, up: bool) -> io::Result<()> {
    netlink(|handle| async move {
        let link = LinkUnspec::new_with_index(index(device)?);
        let link = if up { link.up() } else { link.down() };
        handle.link().change(link.build()).execute().await
    })
}

/// Takes a cable out of the bridge and puts another piece in between; gives the device that a relay
/// is to join with the cable's.
pub(super) fn splice(port: &str) -> io::Result<String> {
    let (near, far) = splices(port);
    if index(&near).is_ok() {
        return Ok(far);
    }
    let (here, there) = (near.clone(), far.clone());
    netlink(|handle| async move {
        let bridge = index(BRIDGE)?;
        let unplug = LinkUnspec::new_with_index(index(port)?)
            .nocontroller()
            .build();
        handle.link().change(unplug).execute().await?;
        let veth = LinkVeth::new(&here, &there).build();
        handle.link().add(veth).execute().await?;
        let plug = LinkUnspec::new_with_name(&here)
            .controller(bridge)
            .up()
            .build();
        handle.link().change(plug).execute().await?;
        let up = LinkUnspec::new_with_name(&there).up().build();
        handle.link().change(up).execute().await
    })?;
    Ok(far)
}

/// Puts a cable back into the bridge.
pub(super) fn plug_in(port: &str) -> io::Result<()> {
    let (near, _) = splices(port);
    netlink(|handle| async move {
        if let Ok(near) = index(&near) {
            handle.link().del(near).execute().await?;
        }
        let plug = LinkUnspec::new_with_index(index(port)?)
            .controller(index(BRIDGE)?)
            .build();
        handle.link().change(plug).execute().await
    })
}

/// Makes an address unreachable from the calling thread's namespace, or reachable again.
pub(super) fn blackhole(address: IpAddr, on: bool) -> io::Result<()> {
    netlink(|handle| async move {
        let length = if address.is_ipv4() { 32 } else { 128 };
        let route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(address, length)
            .map_err(|e| rtnetlink::Error::NamespaceError(e.to_string()))?
            .kind(RouteType::BlackHole)
            .build();
        if on {
            return handle.route().add(route).execute().await;
        }
        handle.route().del(route).execute().await
    })
}
