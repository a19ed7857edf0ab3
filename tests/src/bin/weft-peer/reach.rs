//! One try over TCP or UDP: `reached`, `timeout`, `refused`, or the kernel's own error.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use super::{Outcome, say};

/// Longer than the second after which the kernel sends a SYN anew: one lost packet is no policy.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A datagram may be lost; it is sent anew after this.
const AGAIN: Duration = Duration::from_millis(300);

pub(crate) fn run(protocol: &str, address: SocketAddr, bytes: usize) -> Outcome {
    let outcome = match protocol {
        "tcp" => TcpStream::connect_timeout(&address, PATIENCE).map(|_| ()),
        "udp" => datagram(address, bytes),
        other => return Err(format!("`{other}` is none of tcp, udp, icmp").into()),
    };
    Ok(say(word(outcome))?)
}

pub(crate) fn word(outcome: io::Result<()>) -> String {
    match outcome {
        Ok(()) => "reached".to_owned(),
        Err(error) => match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => "timeout".to_owned(),
            ErrorKind::ConnectionRefused => "refused".to_owned(),
            ErrorKind::HostUnreachable => "unreachable".to_owned(),
            _ => error.to_string(),
        },
    }
}

/// A socket that talks to one address.
pub(crate) fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    Ok(socket)
}

fn datagram(address: SocketAddr, bytes: usize) -> io::Result<()> {
    let socket = connected(address)?;
    socket.set_read_timeout(Some(AGAIN))?;
    let word: Vec<u8> = (0..=u8::MAX).cycle().take(bytes).collect();
    let mut back = vec![0; bytes + 1];
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        // The first one may be too long for the path; the kernel knows better for the next.
        match socket.send(&word) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EMSGSIZE) => return Err(error),
            _ => {}
        }
        match socket.recv(&mut back) {
            Ok(length) if back[..length] == word => return Ok(()),
            Ok(_) => return Err(io::Error::other("other bytes came back than were sent")),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) if e.raw_os_error() == Some(nix::libc::EMSGSIZE) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::TimedOut.into())
}
