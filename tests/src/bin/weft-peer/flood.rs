//! Packets to many places without end: datagrams, SYNs and echo requests.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket},
};

use super::{Outcome, echo, parse, reach::connected, say};

/// Between two rounds: a flood that leaves room for others on a small machine.
const PERIOD: Duration = Duration::from_millis(15);

/// How often the count is told, in rounds.
const TOLD: u64 = 20;

enum Target {
    Tcp(SocketAddr),
    Udp(SocketAddr, Option<UdpSocket>),
    Icmp(IpAddr, OwnedFd),
}

/// Prints `sent N` now and then, and never ends by itself. `id` marks the echo requests.
pub(crate) fn run(id: u16, targets: &[&str]) -> Outcome {
    let mut targets: Vec<Target> = targets
        .iter()
        .map(|word| target(word))
        .collect::<Result<_, _>>()?;
    let mut sent = 0_u64;
    for round in 1_u64.. {
        sent += targets
            .iter_mut()
            .filter_map(|target| target.send(id))
            .count() as u64;
        if round % TOLD == 0 {
            say(format_args!("sent {sent}"))?;
        }
        thread::sleep(PERIOD);
    }
    Ok(())
}

/// `udp:10.0.0.5:80` or `udp:[fd00::5]:80`; `icmp:10.0.0.5`.
fn target(word: &str) -> Result<Target, Box<dyn Error>> {
    let (protocol, address) = word
        .split_once(':')
        .ok_or("PROTOCOL:ADDRESS:PORT is wanted")?;
    Ok(match protocol {
        "tcp" => Target::Tcp(parse(address)?),
        "udp" => Target::Udp(parse(address)?, None),
        "icmp" => {
            let address = parse(address)?;
            Target::Icmp(address, echo::raw(address)?)
        }
        other => return Err(format!("`{other}` is none of tcp, udp, icmp").into()),
    })
}

impl Target {
    /// Sends one; nothing where there is no way to send yet, as before the device is up.
    fn send(&mut self, id: u16) -> Option<()> {
        match self {
            Self::Tcp(address) => syn(*address).ok(),
            Self::Udp(address, socket) => {
                if socket.is_none() {
                    *socket = connected(*address).ok();
                }
                socket.as_ref()?.send(b"flood").ok().map(|_| ())
            }
            Self::Icmp(address, fd) => echo::request(fd, *address, id).ok(),
        }
    }
}

/// One SYN: the socket is dropped before the kernel sends it anew.
fn syn(address: SocketAddr) -> nix::Result<()> {
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Stream, flags, None)?;
    match connect(fd.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(()),
        Err(error) => Err(error),
    }
}
