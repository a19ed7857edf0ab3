//! The device by which the kernel's programs give a worker what came out of the tunnel.

use std::{os::fd::OwnedFd, path::PathBuf};

use super::{DeviceError, Place, link, tap};

/// A TAP in the namespace of this process; it goes with its descriptor.
pub(crate) struct UpcallDevice {
    fd: OwnedFd,
    name: String,
}

impl UpcallDevice {
    /// Of the nth worker.
    pub(crate) fn open(worker: usize) -> Result<Self, DeviceError> {
        let name = format!("weft-up{worker}");
        let place = Place {
            netns: PathBuf::from("/proc/self/ns/net"),
            device: name.parse().expect("short and plain"),
        };
        let fd = tap::open_passing(&place)?;
        // The host's kernel has nothing to say there. Without IPv6 there is no such file.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
        link::raise(&name).map_err(|source| DeviceError::Link { place, source })?;
        Ok(Self { fd, name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn into_descriptor(self) -> OwnedFd {
        self.fd
    }
}
