//! Echo requests over raw sockets: the lab's root has them, whatever the machine allows to others.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, connect, recv,
        send, setsockopt, socket, sockopt::ReceiveTimeout,
    },
    time::{TimeVal, TimeValLike as _},
};

use super::{AGAIN, TOKEN};

/// Echo's identifier (RFC 792), one per probe of this process.
static NEXT: AtomicU16 = AtomicU16::new(1);

/// A raw socket for echoes of the address's family, in the calling thread's namespace.
pub(super) fn open(address: IpAddr) -> io::Result<OwnedFd> {
    let (family, protocol) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    Ok(socket(
        family,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        protocol,
    )?)
}

pub(super) fn echo(
    address: IpAddr,
    witness: Option<&OwnedFd>,
    patience: Duration,
) -> io::Result<Duration> {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let fd = open(address)?;
    setsockopt(&fd, ReceiveTimeout, &TimeVal::milliseconds(20))?;
    let peer = SockaddrStorage::from(std::net::SocketAddr::new(address, 0));
    connect(fd.as_raw_fd(), &peer)?;
    let begin = Instant::now();
    let mut sent: Option<Instant> = None;
    let mut buffer = [0; 256];
    while begin.elapsed() < patience {
        if sent.is_none_or(|at| at.elapsed() >= AGAIN) {
            send(fd.as_raw_fd(), &request(address, id), MsgFlags::empty())?;
            sent = Some(Instant::now());
        }
        match recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) if is_echo(address, id, REPLY, &buffer[..length]) => {
                let time = begin.elapsed();
                return match witness {
                    Some(fd) if !saw(fd, address, id) => Err(io::ErrorKind::InvalidData.into()),
                    _ => Ok(time),
                };
            }
            Ok(_) | Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// An echo request; the kernel fills in ICMPv6's checksum, ICMP's is ours.
fn request(address: IpAddr, id: u16) -> Vec<u8> {
    let kind = kind(address, REQUEST);
    let [high, low] = id.to_be_bytes();
    let mut packet = vec![kind, 0, 0, 0, high, low, 0, 1];
    packet.extend_from_slice(&mark(id));
    if address.is_ipv4() {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// What the echo carries: its identifier may be another where a gateway translates it.
fn mark(id: u16) -> [u8; TOKEN.len()] {
    let mut mark = *TOKEN;
    let whose = u64::from(std::process::id()) << 16 | u64::from(id);
    mark[8..].copy_from_slice(&whose.to_be_bytes());
    mark
}

/// RFC 1071, on an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.as_chunks::<2>().0.iter();
    let mut sum: u32 = words.map(|w| u32::from(u16::from_be_bytes(*w))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// ICMP's and ICMPv6's type of an echo request.
const REQUEST: (u8, u8) = (8, 128);
/// ICMP's and ICMPv6's type of an echo reply.
const REPLY: (u8, u8) = (0, 129);

const fn kind(address: IpAddr, (v4, v6): (u8, u8)) -> u8 {
    if address.is_ipv4() { v4 } else { v6 }
}

/// Whether the request arrived in the witness's namespace.
fn saw(witness: &OwnedFd, address: IpAddr, id: u16) -> bool {
    let mut buffer = [0; 256];
    while let Ok(length) = recv(witness.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
        if is_echo(address, id, REQUEST, &buffer[..length]) {
            return true;
        }
    }
    false
}

fn is_echo(address: IpAddr, id: u16, types: (u8, u8), packet: &[u8]) -> bool {
    // A raw IPv4 socket gives the IP header too, a raw IPv6 one doesn't.
    let offset = match address {
        IpAddr::V4(_) => packet.first().map_or(0, |b| usize::from(b & 0xf) * 4),
        IpAddr::V6(_) => 0,
    };
    let Some(icmp) = packet.get(offset..) else {
        return false;
    };
    icmp.first() == Some(&kind(address, types)) && icmp.get(8..) == Some(&mark(id))
}
