//! Opening a TAP with offloads.
//!
//! The `tun` crate makes the device; checksum and segmentation offload, the header size, the send
//! buffer and the end of persistence are ioctls that it doesn't have.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd},
};

use libc::c_ulong;
use tun::Layer;
use weft_packet::offload::VIRTIO;

use super::{DeviceError, Place};

/// Checksums and TCP segmentation, with ECN marks: every kernel since 2.6.27.
const OFFLOADS: u32 = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
/// UDP segmentation: since Linux 6.2.
const OFFLOADS_UDP: u32 = libc::TUN_F_USO4 | libc::TUN_F_USO6;
/// What may lie in the workload's own queues, written and unread; beyond it a write is refused and
/// counted instead of growing the kernel's memory.
const SEND_BUFFER: i32 = 16 << 20;

/// In the namespace of the calling thread; it is kept when its last descriptor goes.
pub(super) fn open(place: &Place) -> Result<OwnedFd, DeviceError> {
    let fd = open_passing(place)?;
    set_persistent(&fd, true).map_err(|source| DeviceError::Tap {
        step: "keep",
        place: place.clone(),
        source,
    })?;
    Ok(fd)
}

/// In the namespace of the calling thread; it goes with its last descriptor.
pub(super) fn open_passing(place: &Place) -> Result<OwnedFd, DeviceError> {
    let error = |step| {
        move |source| DeviceError::Tap {
            step,
            place: place.clone(),
            source,
        }
    };
    let fd = create(place)?;
    set_offloads(&fd).map_err(error("set the offloads of"))?;
    ioctl_int(&fd, libc::TUNSETVNETHDRSZ, VIRTIO as i32).map_err(error("set the header of"))?;
    ioctl_int(&fd, libc::TUNSETSNDBUF, SEND_BUFFER).map_err(error("set the send buffer of"))?;
    Ok(fd)
}

/// Ends the device that was kept, in the namespace of the calling thread.
pub(super) fn end(place: &Place) -> Result<(), DeviceError> {
    let fd = create(place)?;
    set_persistent(&fd, false).map_err(|source| DeviceError::Tap {
        step: "end",
        place: place.clone(),
        source,
    })
}

/// Makes the device or opens the one that was kept, in the namespace of the calling thread.
fn create(place: &Place) -> Result<OwnedFd, DeviceError> {
    // Told apart from a TUNSETIFF that fails.
    std::fs::File::open("/dev/net/tun").map_err(DeviceError::NoTun)?;
    let mut config = tun::Configuration::default();
    config
        .tun_name(place.device.as_str())
        .layer(Layer::L2)
        // Addresses and the link's state go by netlink, not by the crate's own ioctls.
        .platform_config(|p| {
            p.vnet_hdr(true).ensure_root_privileges(false);
        });
    let device = tun::create(&config).map_err(|e| create_error(place, e.into()))?;
    device.set_nonblock().map_err(|e| create_error(place, e))?;
    // SAFETY: `into_raw_fd` gives up ownership of an open descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) })
}

fn create_error(place: &Place, source: io::Error) -> DeviceError {
    let place = place.clone();
    match source.raw_os_error() {
        // Busy: a TAP that another process holds. Invalid: a device of another kind.
        Some(libc::EBUSY | libc::EINVAL | libc::EEXIST) => DeviceError::Taken { place, source },
        _ => DeviceError::Tap {
            step: "make",
            place,
            source,
        },
    }
}

fn set_offloads(fd: &OwnedFd) -> io::Result<()> {
    ioctl_value(fd, libc::TUNSETOFFLOAD, (OFFLOADS | OFFLOADS_UDP).into())
        .or_else(|_| ioctl_value(fd, libc::TUNSETOFFLOAD, OFFLOADS.into()))
}

/// Whether the device outlives its last descriptor.
pub(super) fn set_persistent(fd: &OwnedFd, persistent: bool) -> io::Result<()> {
    ioctl_value(fd, libc::TUNSETPERSIST, persistent.into())
}

fn ioctl_value(fd: &OwnedFd, request: libc::Ioctl, value: c_ulong) -> io::Result<()> {
    // SAFETY: these requests take their argument by value.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request, value) };
    check(result)
}

fn ioctl_int(fd: &OwnedFd, request: libc::Ioctl, value: i32) -> io::Result<()> {
    // SAFETY: these requests read one int behind the pointer.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw const value) };
    check(result)
}

fn check(result: i32) -> io::Result<()> {
    match result {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
