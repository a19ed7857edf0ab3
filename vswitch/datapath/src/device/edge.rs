//! The device between an edge and its kernel's routing: what the cloud sends to the internet comes out
//! of it, and what the kernel routes to it goes into the cloud.
//!
//! It is not persistent: when the vswitch dies, the device goes, its routes with it, and whoever
//! announces them withdraws them at once.

use std::{collections::BTreeSet, io, os::fd::OwnedFd, path::PathBuf};

use weft_model::{DeviceName, Mac, Mtu, Prefix};

use super::{DeviceError, LinkError, Place, link, tap};

/// What it is called.
const NAME: &str = "weft-edge";

/// The edge's device, in the namespace of this process.
#[derive(Debug)]
pub struct EdgeDevice {
    fd: OwnedFd,
}

impl EdgeDevice {
    /// Makes the device, sets it up and lets the kernel forward between it and the uplink.
    ///
    /// # Errors
    /// A step is refused, or the name is taken.
    pub fn open(uplink: &DeviceName, mtu: Mtu) -> Result<Self, DeviceError> {
        let place = Place {
            netns: PathBuf::from("/proc/self/ns/net"),
            device: DeviceName::fixed(NAME),
        };
        let fd = tap::open_passing(&place)?;
        forward(uplink);
        link::raise_edge(NAME, Mac::EDGE, mtu)
            .map_err(|source| DeviceError::Link { place, source })?;
        Ok(Self { fd })
    }

    /// Another descriptor of the device, for the worker.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// Routes these prefixes to it, and `gone` no longer.
    ///
    /// # Errors
    /// Netlink refuses.
    pub fn route(&self, wanted: &BTreeSet<Prefix>, gone: &[Prefix]) -> Result<(), LinkError> {
        link::route_edge(NAME, wanted, gone)
    }
}

/// Forwarding between the two devices. IPv6 has one switch for all. What the kernel refuses here
/// shows as packets that don't pass; a container may have set it for good.
fn forward(uplink: &DeviceName) {
    for (name, value) in [
        (format!("ipv4/conf/{NAME}/forwarding"), "1"),
        (format!("ipv4/conf/{uplink}/forwarding"), "1"),
        (format!("ipv4/conf/{NAME}/send_redirects"), "0"),
        (format!("ipv4/conf/{NAME}/rp_filter"), "0"),
        ("ipv6/conf/all/forwarding".to_owned(), "1"),
        // Nobody on it needs a link-local address.
        (format!("ipv6/conf/{NAME}/addr_gen_mode"), "1"),
    ] {
        if let Err(error) = std::fs::write(format!("/proc/sys/net/{name}"), value) {
            tracing::warn!(%name, %error, "can't set");
        }
    }
}
