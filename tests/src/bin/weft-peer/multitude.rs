//! More connections than threads are good for: kept open on both sides, and counted.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt,
        socket, sockopt::ReusePort,
    },
};

use super::{Outcome, say, serve::everywhere};

/// How long a connection may take to open: a few retransmissions.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long it is waited where none is expected.
const DOUBT: Duration = Duration::from_secs(2);

/// Files that one side of a multitude opens.
const FILES: u64 = 100_000;

fn allow_files() -> nix::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= FILES {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, FILES.min(hard), hard)
}

/// A listener that others may stand beside: connections are spread over them.
fn shared(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, ReusePort, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&fd, Backlog::MAXCONN)?;
    Ok(fd.into())
}

/// Takes connections to the port and sends a byte to each for every line of the standard input,
/// and says how many there are, of how many addresses.
pub(crate) fn gather(port: u16) -> Outcome {
    allow_files()?;
    let listener = everywhere(port, shared)?;
    let kept: Arc<Mutex<Vec<(TcpStream, SocketAddr)>>> = Arc::default();
    let accepted = Arc::clone(&kept);
    thread::spawn(move || {
        while let Ok(connection) = listener.accept() {
            let mut kept = accepted.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(connection);
        }
    });
    say("ready")?;
    for line in io::stdin().lock().lines() {
        let _ = line?;
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = kept
            .iter_mut()
            .filter_map(|(stream, peer)| stream.write_all(b".").ok().map(|()| *peer));
        let peers: BTreeSet<SocketAddr> = alive.collect();
        let addresses: BTreeSet<_> = peers.iter().map(|peer| peer.ip().to_canonical()).collect();
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        say(format_args!(
            "kept {} from {}",
            peers.len(),
            addresses.join(" ")
        ))?;
    }
    Ok(())
}

/// Opens connections and keeps them. For each line of the standard input it tries one more.
pub(crate) fn multitude(place: SocketAddr, count: usize) -> Outcome {
    allow_files()?;
    let open = |_| TcpStream::connect_timeout(&place, PATIENCE);
    let mut streams: Vec<TcpStream> = (0..count).map(open).collect::<io::Result<_>>()?;
    say(format_args!("open {}", streams.len()))?;
    for line in io::stdin().lock().lines() {
        let _ = line?;
        match TcpStream::connect_timeout(&place, DOUBT) {
            Ok(stream) => {
                streams.push(stream);
                say("one more")?;
            }
            Err(error) => say(format_args!("no more: {}", error.kind()))?,
        }
    }
    Ok(())
}
