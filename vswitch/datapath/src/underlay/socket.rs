//! Opening the sockets.
#![allow(unsafe_code)]

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use super::{UnderlayError, address::RawAddress};

/// What may wait for a worker: some milliseconds at 10 Gbit/s. Without CAP_NET_ADMIN the kernel
/// cuts it to net.core.rmem_max.
const RECEIVE_BUFFER: i32 = 16 << 20;
/// What may wait for the underlay's device.
const SEND_BUFFER: i32 = 4 << 20;
/// In a UDP payload: VXLAN's 8 bytes, then the inner destination MAC, whose last byte names the
/// owner.
const OWNER_BYTE: u32 = 8 + 5;

/// `UDP_NO_CHECK6_RX`, which libc doesn't name.
const NO_CHECK6_RX: i32 = 102;

struct Options<'a> {
    fd: &'a OwnedFd,
    address: SocketAddr,
}

impl Options<'_> {
    fn set<T>(
        &self,
        option: &'static str,
        level: i32,
        name: i32,
        value: &T,
    ) -> Result<(), UnderlayError> {
        set(self.fd, level, name, value).map_err(|source| UnderlayError::Option {
            option,
            address: self.address,
            source,
        })
    }
}

fn set<T>(fd: &OwnedFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let size = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is `size` bytes that the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const *value).cast(),
            size,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn bound(
    address: SocketAddr,
    prepare: impl FnOnce(&Options<'_>) -> Result<(), UnderlayError>,
) -> Result<OwnedFd, UnderlayError> {
    let refused = |source| UnderlayError::Bind { address, source };
    let domain = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(domain, kind, 0) };
    if fd < 0 {
        return Err(refused(io::Error::last_os_error()));
    }
    // SAFETY: just opened, owned by nobody else.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    prepare(&Options { fd: &fd, address })?;
    let (raw, length) = RawAddress::new(address);
    // SAFETY: `raw` holds an address of `length` bytes.
    match unsafe { libc::bind(fd.as_raw_fd(), (&raw const raw).cast(), length) } {
        0 => Ok(fd),
        _ => Err(refused(io::Error::last_os_error())),
    }
}

/// Whether nobody else has the address: `SO_REUSEPORT` would let another vswitch of this user share
/// it, and take half the packets.
pub(super) fn probe(address: SocketAddr) -> Result<(), UnderlayError> {
    bound(address, |_| Ok(())).map(drop)
}

pub(super) fn receiver(address: SocketAddr, join: bool) -> Result<OwnedFd, UnderlayError> {
    bound(address, |options| {
        options.set("SO_REUSEPORT", libc::SOL_SOCKET, libc::SO_REUSEPORT, &1i32)?;
        if join {
            options.set("UDP_GRO", libc::SOL_UDP, libc::UDP_GRO, &1i32)?;
        }
        if address.is_ipv6() {
            // Tunnels may leave UDP's checksum out (RFC 6935 section 5), as a kernel's datapath does.
            options.set("UDP_NO_CHECK6_RX", libc::SOL_UDP, NO_CHECK6_RX, &1i32)?;
        }
        buffer(
            options.fd,
            libc::SO_RCVBUFFORCE,
            libc::SO_RCVBUF,
            RECEIVE_BUFFER,
        );
        Ok(())
    })
}

/// Bound to the VTEP, so that peers see the source they expect, on a port of the kernel's choice.
pub(super) fn sender(vtep: IpAddr) -> Result<OwnedFd, UnderlayError> {
    bound(SocketAddr::new(vtep, 0), |options| {
        buffer(
            options.fd,
            libc::SO_SNDBUFFORCE,
            libc::SO_SNDBUF,
            SEND_BUFFER,
        );
        // DF on every packet, and no belief in ICMP from the underlay, which anyone can forge: its
        // MTU is configured. What exceeds the device's is refused here and counted.
        let (level, name) = match vtep {
            IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
            IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
        };
        options.set("IP_MTU_DISCOVER", level, name, &libc::IP_PMTUDISC_PROBE)
    })
}

/// As much as the system lets us have.
fn buffer(fd: &OwnedFd, force: i32, polite: i32, bytes: i32) {
    if set(fd, libc::SOL_SOCKET, force, &bytes).is_err() {
        // Cut to the system's maximum, never refused.
        let _ = set(fd, libc::SOL_SOCKET, polite, &bytes);
    }
}

/// Steers each datagram to the socket of its owner: `ldb [13]; mod #workers; ret a`. A datagram too
/// short for that byte goes to the first, which drops and counts it.
pub(super) fn steer(
    fd: &OwnedFd,
    address: SocketAddr,
    workers: usize,
) -> Result<(), UnderlayError> {
    let step = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let mut program = [
        step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, OWNER_BYTE),
        step(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, workers as u32),
        // BPF_A, which libc doesn't name: return the accumulator.
        step(libc::BPF_RET | 0x10, 0),
    ];
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    Options { fd, address }.set(
        "SO_ATTACH_REUSEPORT_CBPF",
        libc::SOL_SOCKET,
        libc::SO_ATTACH_REUSEPORT_CBPF,
        &program,
    )
}
