//! Real packets between namespaces: a process of the lab that reads what to try on its standard
//! input and says on its standard output what happened.

mod icmp;
mod listen;

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{runtime::netns, topology::Transport};

/// Probes at once; each is a thread that mostly waits.
const AT_ONCE: usize = 128;

/// The stack of such a thread: it holds one small packet.
const STACK: usize = 128 << 10;

/// What goes to the other side and must come back.
const TOKEN: &[u8; 16] = b"weft-probe-token";

/// How often a datagram or an echo request is sent anew: one may be lost.
const AGAIN: Duration = Duration::from_millis(300);

/// How long to wait for what must arrive.
const REACH: Duration = Duration::from_secs(3);

/// How long to wait for what must not: longer than the second after which the kernel sends a SYN
/// anew, so that one lost packet can't look like a policy.
const BLOCKED: Duration = Duration::from_millis(1300);

/// Everything to try.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Plan {
    /// What must listen before.
    pub listeners: Vec<Listener>,
    /// What to send.
    pub probes: Vec<Probe>,
}

/// A listener in a namespace, unless something there listens already.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listener {
    /// The namespace's file.
    pub netns: PathBuf,
    /// TCP, else UDP.
    pub tcp: bool,
    /// Where.
    pub address: SocketAddr,
    /// Who it says it is: two tenants' workloads can have the same address.
    pub id: u64,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The sender's namespace.
    pub netns: PathBuf,
    /// `tcp`, `udp` or `icmp`.
    pub transport: String,
    /// To whom.
    pub address: IpAddr,
    /// Which port; 0 for ICMP.
    pub port: u16,
    /// The listener that must answer; `None` where the other side is not ours and any answer of a
    /// program there will do.
    pub listener: Option<u64>,
    /// The namespace that an echo request must be seen in, as a reply doesn't say whose it is.
    pub witness: Option<PathBuf>,
    /// Whether it should arrive: it is waited for longer.
    pub reach: bool,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "observed", rename_all = "snake_case")]
pub enum Observed {
    /// The other side answered.
    Reached {
        /// Microseconds to the answer.
        micros: u64,
    },
    /// Another workload with that address answered, as in another tenant's network.
    Elsewhere,
    /// Nothing came back.
    Timeout,
    /// The other side was reached and nothing listened.
    Refused,
    /// Something on the way said that it can't be reached.
    Unreachable,
    /// It could not be tried.
    Error {
        /// Why.
        message: String,
    },
}

impl Observed {
    /// One word for a table.
    pub fn word(&self) -> String {
        match self {
            Self::Reached { .. } => "reached".into(),
            Self::Elsewhere => "another answered".into(),
            Self::Timeout => "timed out".into(),
            Self::Refused => "refused".into(),
            Self::Unreachable => "unreachable".into(),
            Self::Error { message } => message.clone(),
        }
    }

    /// Whether that is what was expected. A refusal is neither: the packet got there.
    pub const fn meets(&self, reach: bool) -> bool {
        match self {
            Self::Reached { .. } => reach,
            Self::Timeout | Self::Unreachable | Self::Elsewhere => !reach,
            Self::Refused | Self::Error { .. } => false,
        }
    }
}

/// Runs the plan on standard input.
///
/// # Errors
/// When it can't be read, or the result not be written.
pub fn run() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let mut plan: Plan = serde_json::from_str(&text)?;
    listen::start(&mut plan);
    let observed = all(&plan.probes);
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &observed)?;
    out.write_all(b"\n")
}

fn all(probes: &[Probe]) -> Vec<Observed> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Observed)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(probes.len()) {
            let thread = thread::Builder::new().stack_size(STACK);
            let worker = || {
                while let Some((n, probe)) = take(&next, probes) {
                    let observed = one(probe);
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((n, observed));
                }
            };
            // Fewer threads take longer; none leave the untried as errors below.
            let _ = thread.spawn_scoped(scope, worker);
        }
    });
    let message = "not tried: no thread could be had".to_owned();
    let mut all = vec![Observed::Error { message }; probes.len()];
    for (n, observed) in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        all[n] = observed;
    }
    all
}

fn take<'p>(next: &AtomicUsize, probes: &'p [Probe]) -> Option<(usize, &'p Probe)> {
    let n = next.fetch_add(1, Ordering::Relaxed);
    Some((n, probes.get(n)?))
}

fn one(probe: &Probe) -> Observed {
    let patience = if probe.reach { REACH } else { BLOCKED };
    let tried = witness(probe).and_then(|witness| {
        let netns = netns::open(&probe.netns)?;
        netns::inside(&netns, || Ok(send(probe, witness.as_ref(), patience)))
    });
    match tried {
        Ok(Ok(time)) => Observed::Reached {
            micros: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
        },
        Ok(Err(error)) => failure(&error),
        Err(error) => Observed::Error {
            message: format!("{}: {error}", probe.netns.display()),
        },
    }
}

fn failure(error: &io::Error) -> Observed {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Observed::Timeout,
        io::ErrorKind::ConnectionRefused => Observed::Refused,
        io::ErrorKind::InvalidData => Observed::Elsewhere,
        io::ErrorKind::HostUnreachable => Observed::Unreachable,
        // Without a route nothing was sent, so nothing was shown.
        _ => Observed::Error {
            message: error.to_string(),
        },
    }
}

fn witness(probe: &Probe) -> io::Result<Option<OwnedFd>> {
    let Some(path) = &probe.witness else {
        return Ok(None);
    };
    let netns = netns::open(path)?;
    netns::inside(&netns, || icmp::open(probe.address)).map(Some)
}

fn send(probe: &Probe, witness: Option<&OwnedFd>, patience: Duration) -> io::Result<Duration> {
    let address = SocketAddr::new(probe.address, probe.port);
    match probe.transport.as_str() {
        "tcp" => tcp(address, probe.listener, patience),
        "udp" => udp(address, probe.listener, patience),
        _ => icmp::echo(probe.address, witness, patience),
    }
}

fn tcp(address: SocketAddr, listener: Option<u64>, patience: Duration) -> io::Result<Duration> {
    let begin = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    let time = begin.elapsed();
    let Some(id) = listener else {
        return Ok(time);
    };
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(TOKEN)?;
    let mut back = [0; TOKEN.len()];
    stream.read_exact(&mut back)?;
    who(&back, id).map(|()| time)
}

fn udp(address: SocketAddr, listener: Option<u64>, patience: Duration) -> io::Result<Duration> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(AGAIN))?;
    let begin = Instant::now();
    let mut back = [0; 64];
    while begin.elapsed() < patience {
        socket.send(TOKEN)?;
        match socket.recv(&mut back) {
            Ok(length) => {
                let time = begin.elapsed();
                return listener.map_or(Ok(time), |id| who(&back[..length], id).map(|()| time));
            }
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// What a listener answers: the token with its id in the last half.
fn answer(id: u64) -> [u8; TOKEN.len()] {
    let mut bytes = *TOKEN;
    bytes[8..].copy_from_slice(&id.to_be_bytes());
    bytes
}

fn who(back: &[u8], id: u64) -> io::Result<()> {
    if back == answer(id) {
        return Ok(());
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// The name of a transport in a plan.
pub(crate) fn transport(transport: Transport) -> String {
    transport.to_string()
}
