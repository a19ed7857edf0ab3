//! Echo requests (RFC 792, RFC 4443) over raw sockets.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd as _, OwnedFd},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recvfrom,
            sendto, setsockopt, socket,
            sockopt::{Ipv4Ttl, Ipv6Ttl, ReceiveTimeout},
        },
        time::{TimeVal, TimeValLike as _},
    },
};

use super::{Outcome, reach::word, say};

const PATIENCE: Duration = Duration::from_millis(1500);
const AGAIN: Duration = Duration::from_millis(300);

/// ICMP and ICMPv6 types.
const TIME_EXCEEDED: (u8, u8) = (11, 3);
const ECHO_REPLY: (u8, u8) = (0, 129);
pub(crate) const ECHO_REQUEST: (u8, u8) = (8, 128);

/// The number for the family.
pub(crate) const fn of(address: IpAddr, (v4, v6): (u8, u8)) -> u8 {
    if address.is_ipv4() { v4 } else { v6 }
}

/// A raw ICMP socket of the address's family.
pub(crate) fn raw(address: IpAddr) -> nix::Result<OwnedFd> {
    let (family, protocol) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let fd = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    setsockopt(&fd, ReceiveTimeout, &TimeVal::milliseconds(20))?;
    Ok(fd)
}

/// Sends one echo request.
pub(crate) fn request(fd: &OwnedFd, address: IpAddr, id: u16) -> nix::Result<()> {
    let [high, low] = id.to_be_bytes();
    let mut packet = vec![of(address, ECHO_REQUEST), 0, 0, 0, high, low, 0, 1];
    packet.extend_from_slice(b"weft");
    if address.is_ipv4() {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    let peer = SockaddrStorage::from(SocketAddr::new(address, 0));
    sendto(fd.as_raw_fd(), &packet, &peer, MsgFlags::empty()).map(|_| ())
}

/// RFC 1071, on an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.as_chunks::<2>().0.iter();
    let sum: u32 = words.map(|w| u32::from(u16::from_be_bytes(*w))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(u16::MAX)
}

/// The ICMP message in what a raw socket gave: with its IP header for IPv4, without for IPv6.
pub(crate) fn message(address: IpAddr, packet: &[u8]) -> Option<&[u8]> {
    let offset = match address {
        IpAddr::V4(_) => usize::from(packet.first()? & 0xf) * 4,
        IpAddr::V6(_) => 0,
    };
    packet.get(offset..).filter(|icmp| icmp.len() >= 8)
}

/// The next ICMP message within the socket's time, and who sent it.
fn next(fd: &OwnedFd, address: IpAddr) -> nix::Result<Option<(IpAddr, Vec<u8>)>> {
    let mut buffer = [0; 2048];
    let (length, from) = match recvfrom::<SockaddrStorage>(fd.as_raw_fd(), &mut buffer) {
        Ok(got) => got,
        Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
        Err(error) => return Err(error),
    };
    let from = from.and_then(|storage| {
        let v4 = storage.as_sockaddr_in().map(|s| IpAddr::V4(s.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|s| IpAddr::V6(s.ip())))
    });
    let icmp = message(address, &buffer[..length]).map(<[u8]>::to_vec);
    Ok(from.zip(icmp))
}

/// The process's id is as good an identifier as any.
fn identifier() -> u16 {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Sends requests until `wanted` comes.
fn exchange<T>(
    address: IpAddr,
    ttl: Option<u8>,
    (again, patience): (Duration, Duration),
    wanted: impl Fn(IpAddr, &[u8]) -> Option<T>,
) -> io::Result<T> {
    let fd = raw(address)?;
    if let Some(ttl) = ttl {
        match address {
            IpAddr::V4(_) => setsockopt(&fd, Ipv4Ttl, &i32::from(ttl))?,
            IpAddr::V6(_) => setsockopt(&fd, Ipv6Ttl, &i32::from(ttl))?,
        }
    }
    let begin = Instant::now();
    let mut sent: Option<Instant> = None;
    while begin.elapsed() < patience {
        if sent.is_none_or(|at| at.elapsed() >= again) {
            // There may be no route yet; the next one may have.
            let _ = request(&fd, address, identifier());
            sent = Some(Instant::now());
        }
        if let Some((from, icmp)) = next(&fd, address)?
            && let Some(found) = wanted(from, &icmp)
        {
            return Ok(found);
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn is_reply(address: IpAddr, icmp: &[u8]) -> bool {
    icmp[0] == of(address, ECHO_REPLY) && icmp[4..6] == identifier().to_be_bytes()
}

/// Whether an echo request is answered.
pub(crate) fn reach(address: IpAddr) -> Outcome {
    let reply = |from, icmp: &[u8]| (from == address && is_reply(address, icmp)).then_some(());
    Ok(say(word(exchange(
        address,
        None,
        (AGAIN, PATIENCE),
        reply,
    )))?)
}

/// Prints the router at which a packet with a TTL of one ends.
pub(crate) fn hop(address: IpAddr) -> Outcome {
    let exceeded = |from, icmp: &[u8]| (icmp[0] == of(address, TIME_EXCEEDED)).then_some(from);
    let router = exchange(address, Some(1), (AGAIN, PATIENCE), exceeded)?;
    Ok(say(router)?)
}

/// Sends requests every millisecond until one is answered, and prints that moment in nanoseconds
/// of the Unix epoch, so that another process can tell the time since its own deed.
pub(crate) fn until_answered(address: IpAddr) -> Outcome {
    say("trying")?;
    let pace = (Duration::from_millis(1), Duration::from_secs(20));
    let reply = |from, icmp: &[u8]| {
        let now = SystemTime::now();
        (from == address && is_reply(address, icmp)).then_some(now)
    };
    let at = exchange(address, None, pace, reply)?;
    Ok(say(at.duration_since(UNIX_EPOCH)?.as_nanos())?)
}
