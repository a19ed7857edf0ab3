//! Echo requests over raw sockets: the lab's root has them, whatever the machine allows to others.

use std::{
    io,
    net::IpAddr,
    os::fd::AsRawFd as _,
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

pub(super) fn echo(address: IpAddr, patience: Duration) -> io::Result<Duration> {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (family, protocol) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let fd = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
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
            Ok(length) if is_reply(address, id, &buffer[..length]) => return Ok(begin.elapsed()),
            Ok(_) | Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// An echo request; the kernel fills in ICMPv6's checksum, ICMP's is ours.
fn request(address: IpAddr, id: u16) -> Vec<u8> {
    let kind = if address.is_ipv4() { 8 } else { 128 };
    let [high, low] = id.to_be_bytes();
    let mut packet = vec![kind, 0, 0, 0, high, low, 0, 1];
    packet.extend_from_slice(TOKEN);
    if address.is_ipv4() {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
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

fn is_reply(address: IpAddr, id: u16, packet: &[u8]) -> bool {
    // A raw IPv4 socket gives the IP header too, a raw IPv6 one doesn't.
    let (kind, offset) = match address {
        IpAddr::V4(_) => (0, packet.first().map_or(0, |b| usize::from(b & 0xf) * 4)),
        IpAddr::V6(_) => (129, 0),
    };
    let Some(icmp) = packet.get(offset..) else {
        return false;
    };
    icmp.len() >= 8 && icmp[0] == kind && icmp[4..6] == id.to_be_bytes()
}
