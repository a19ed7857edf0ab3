//! Socket addresses as the kernel reads and writes them.
#![allow(unsafe_code)]

use std::{
    mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Room for either family.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union RawAddress {
    pub(super) family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl RawAddress {
    /// The size of the larger one: what a receive offers the kernel.
    pub(super) const ROOM: libc::socklen_t = size_of::<Self>() as libc::socklen_t;

    pub(super) const fn empty() -> Self {
        // SAFETY: both are plain integers, for which zero is a value.
        unsafe { mem::zeroed() }
    }

    pub(super) fn new(address: SocketAddr) -> (Self, libc::socklen_t) {
        let mut raw = Self::empty();
        let length = match address {
            SocketAddr::V4(a) => {
                raw.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: a.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(a.ip().octets()),
                    },
                    sin_zero: [0; 8],
                };
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(a) => {
                raw.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: a.port().to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr {
                        s6_addr: a.ip().octets(),
                    },
                    sin6_scope_id: a.scope_id(),
                };
                size_of::<libc::sockaddr_in6>()
            }
        };
        (raw, length as libc::socklen_t)
    }

    pub(super) fn ip(&self) -> Option<IpAddr> {
        // SAFETY: the family comes first in both, and the kernel wrote the one that it names; all
        // bytes are initialised, whichever was written.
        unsafe {
            match i32::from(self.family) {
                libc::AF_INET => Some(Ipv4Addr::from(self.v4.sin_addr.s_addr.to_ne_bytes()).into()),
                libc::AF_INET6 => Some(Ipv6Addr::from(self.v6.sin6_addr.s6_addr).into()),
                _ => None,
            }
        }
    }
}
