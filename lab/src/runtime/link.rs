//! Devices of the underlay, by netlink.

use std::{
    future::Future,
    io,
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use netlink_packet_route::address::AddressHeaderFlags;
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth};

use super::{netns, wire::HostPlace};

/// The bridge in the lab's own namespace: the wire between hosts, and the controller's place.
const BRIDGE: &str = "underlay";

/// The one device of a host.
const UPLINK: &str = "underlay0";

/// Runs requests on a netlink socket of the calling thread's namespace.
fn netlink<F, T>(work: impl FnOnce(Handle) -> F) -> io::Result<T>
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

fn index(name: &str) -> Result<u32, rtnetlink::Error> {
    nix::net::if_::if_nametoindex(name)
        .map_err(|e| rtnetlink::Error::NamespaceError(format!("{name}: {e}")))
}

async fn address(
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
    let number = number(place.vtep);
    let (here, there) = (format!("h{number}"), format!("p{number}"));
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

/// A host's number on the underlay: the last 16 bits of its address.
fn number(vtep: IpAddr) -> u16 {
    let bytes = match vtep {
        IpAddr::V4(v4) => [v4.octets()[2], v4.octets()[3]],
        IpAddr::V6(v6) => [v6.octets()[14], v6.octets()[15]],
    };
    u16::from_be_bytes(bytes)
}
