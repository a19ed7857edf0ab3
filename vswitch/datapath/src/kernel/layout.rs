//! What lies in the maps: `kernel/layout.h` says the same.
#![allow(unsafe_code)]

use std::net::IpAddr;

/// A half of a connection over IPv4, as its packets show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub(crate) struct Key4 {
    pub(crate) scope: u32,
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
    /// Source and destination, as on the wire.
    pub(crate) ports: [[u8; 2]; 2],
    pub(crate) kind: u32,
}

/// The same over IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub(crate) struct Key6 {
    pub(crate) scope: u32,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) ports: [[u8; 2]; 2],
    pub(crate) kind: u32,
}

/// What becomes of its packets, and what passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Flow {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) seen: u64,
    pub(crate) limit: u64,
    pub(crate) generation: u32,
    pub(crate) port: u32,
    pub(crate) target: u32,
    pub(crate) origin: u32,
    pub(crate) vni: [u8; 4],
    pub(crate) mtu: u16,
    pub(crate) entropy: [u8; 2],
    pub(crate) verdict: u8,
    pub(crate) flags: u8,
    pub(crate) own: [u8; 6],
    pub(crate) other: [u8; 6],
    pub(crate) pad: [u8; 2],
}

/// The other end of a port's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct DevicePeer {
    pub(crate) peer: u32,
    pub(crate) engine: u32,
}

/// Another host, and how packets get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Host {
    /// 0: no route is known.
    pub(crate) ifindex: u32,
    /// The underlay's family.
    pub(crate) outer: u32,
    pub(crate) next_family: u32,
    pub(crate) next: [u8; 16],
    pub(crate) vtep: [u8; 16],
    pub(crate) header: [u8; 56],
    pub(crate) sum: u32,
}

impl Host {
    /// Nobody.
    pub(crate) const NONE: Self = Self {
        ifindex: 0,
        outer: 0,
        next_family: 0,
        next: [0; 16],
        vtep: [0; 16],
        header: [0; 56],
        sum: 0,
    };
}

// SAFETY: of these, none has padding or values that are none; the layouts are C's.
unsafe impl aya::Pod for Key4 {}
// SAFETY: as above.
unsafe impl aya::Pod for Key6 {}
// SAFETY: as above.
unsafe impl aya::Pod for Flow {}
// SAFETY: as above.
unsafe impl aya::Pod for DevicePeer {}
// SAFETY: as above.
unsafe impl aya::Pod for Host {}

const _: () = assert!(size_of::<Key4>() == 20, "no padding");
const _: () = assert!(size_of::<Key6>() == 44, "no padding");
const _: () = assert!(size_of::<Flow>() == 72, "no padding");
const _: () = assert!(size_of::<Host>() == 104, "no padding");

/// The halves, in a key's kind.
pub(crate) const HALF_OUT: u32 = 1 << 8;
pub(crate) const HALF_IN: u32 = 1 << 9;

/// [`Flow::verdict`].
pub(crate) const TO_LOCAL: u8 = 1;
pub(crate) const TO_TUNNEL: u8 = 2;
pub(crate) const TO_WORKLOAD: u8 = 3;

/// [`Flow::flags`].
pub(crate) const HOP: u8 = 1;
pub(crate) const ROUTED: u8 = 2;

pub(crate) const AF_INET: u32 = 2;
pub(crate) const AF_INET6: u32 = 10;

/// IPv4 addresses stand in the first four bytes.
pub(crate) fn octets(address: IpAddr) -> [u8; 16] {
    let mut octets = [0; 16];
    match address {
        IpAddr::V4(a) => octets[..4].copy_from_slice(&a.octets()),
        IpAddr::V6(a) => octets = a.octets(),
    }
    octets
}

pub(crate) fn family(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}
