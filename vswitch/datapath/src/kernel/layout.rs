//! What lies in the maps: `kernel/layout.h` says the same.
#![allow(unsafe_code)]

use std::net::IpAddr;

/// The other end of a port's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct DevicePeer {
    pub(crate) peer: u32,
    pub(crate) engine: u32,
}

// SAFETY: it has no padding and every value is one; the layout is C's.
unsafe impl aya::Pod for DevicePeer {}

/// IPv4 addresses stand in the first four bytes.
pub(crate) fn octets(address: IpAddr) -> [u8; 16] {
    let mut octets = [0; 16];
    match address {
        IpAddr::V4(a) => octets[..4].copy_from_slice(&a.octets()),
        IpAddr::V6(a) => octets = a.octets(),
    }
    octets
}
