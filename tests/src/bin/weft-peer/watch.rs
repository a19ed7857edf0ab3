//! Counts what arrives in a namespace, at the kernel's raw sockets: whether anybody listens there
//! or not, a packet that got so far has passed the policy.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, recvfrom, socket,
    },
};

use super::{Outcome, echo, parse, say};

/// Between two words of the control.
const PERIOD: Duration = Duration::from_millis(100);

type Ports = Vec<RangeInclusive<u16>>;

struct Watch {
    alarm: Ports,
    control: Ports,
    seen: AtomicU64,
}

/// `alarm=PORTS control=PORTS`, as `6000-6099,5001`. A packet to an alarm port (an echo request
/// with such an identifier) is told at once; what comes to control ports is counted.
pub(crate) fn run(alarm: &str, control: &str) -> Outcome {
    let watch = Arc::new(Watch {
        alarm: ports(alarm, "alarm=")?,
        control: ports(control, "control=")?,
        seen: AtomicU64::new(0),
    });
    for any in [
        IpAddr::from(Ipv4Addr::UNSPECIFIED),
        Ipv6Addr::UNSPECIFIED.into(),
    ] {
        for kind in [SockProtocol::Tcp, SockProtocol::Udp] {
            let fd = sniffer(any, kind)?;
            let watch = Arc::clone(&watch);
            thread::spawn(move || watch.listen(any, &fd, Some(kind)));
        }
        let fd = echo::raw(any)?;
        let watch = Arc::clone(&watch);
        thread::spawn(move || watch.listen(any, &fd, None));
    }
    say("watching")?;
    loop {
        thread::sleep(PERIOD);
        say(format_args!(
            "control {}",
            watch.seen.load(Ordering::Relaxed)
        ))?;
    }
}

fn ports(word: &str, key: &str) -> Result<Ports, Box<dyn std::error::Error>> {
    let list = word
        .strip_prefix(key)
        .ok_or_else(|| format!("{key}PORTS is wanted"))?;
    let mut all = Vec::new();
    for part in list.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        all.push(parse(first)?..=parse(last)?);
    }
    Ok(all)
}

fn sniffer(any: IpAddr, protocol: SockProtocol) -> nix::Result<OwnedFd> {
    let family = if any.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
}

impl Watch {
    fn listen(&self, family: IpAddr, fd: &OwnedFd, transport: Option<SockProtocol>) {
        let mut buffer = [0; 2048];
        loop {
            match recvfrom::<SockaddrStorage>(fd.as_raw_fd(), &mut buffer) {
                Ok((length, from)) => {
                    let mark = mark(family, &buffer[..length], transport.is_none());
                    if let Some(mark) = mark {
                        self.note(mark, transport, from);
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    fn note(&self, mark: u16, kind: Option<SockProtocol>, from: Option<SockaddrStorage>) {
        if self.alarm.iter().any(|ports| ports.contains(&mark)) {
            let kind = kind.map_or_else(|| "icmp".to_owned(), |kind| format!("{kind:?}"));
            let from = from.map(|from| from.to_string()).unwrap_or_default();
            // Nobody to tell: the test has ended.
            let _ = say(format_args!("LEAK {kind} {mark} from {from}"));
        }
        if self.control.iter().any(|ports| ports.contains(&mark)) {
            self.seen.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The destination port, or the identifier of an echo request. Both lie in the first 8 bytes.
fn mark(family: IpAddr, packet: &[u8], icmp: bool) -> Option<u16> {
    let message = echo::message(family, packet)?;
    if !icmp {
        return Some(u16::from_be_bytes([message[2], message[3]]));
    }
    let request = message[0] == echo::of(family, echo::ECHO_REQUEST);
    request.then(|| u16::from_be_bytes([message[4], message[5]]))
}
