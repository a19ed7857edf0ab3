//! UDP in 64-byte packets, at a rate, with every loss counted.

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::socket::{setsockopt, sockopt};

use crate::{BenchError, Path, io};

/// Ethernet 14, IPv4 20, UDP 8, FCS 4: this payload makes 64 bytes on a wire.
const PAYLOAD: usize = 18;
/// A sender catches up at most so often per second, in small bursts.
const TICK: Duration = Duration::from_micros(500);
/// After the last packet, stragglers have so long.
const DRAIN: Duration = Duration::from_millis(200);
/// The receiving socket's buffer in bytes, as an ordinary server would ask for.
const BUFFER: usize = 4 << 20;

/// What one trial at one rate gave.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Packets sent.
    pub sent: u64,
    /// Packets that arrived.
    pub received: u64,
    /// Packets per second that the sender really reached.
    pub rate: f64,
}

impl Trial {
    /// Packets that didn't arrive.
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }

    /// Whether less than one in a hundred was lost.
    fn passes(&self) -> bool {
        self.lost() * 100 < self.sent
    }

    /// Packets per second that arrived.
    fn arrived(&self) -> f64 {
        self.rate * self.received as f64 / self.sent.max(1) as f64
    }
}

/// Sends at `rate` packets per second for so long.
///
/// # Errors
/// When a socket refuses.
pub fn trial(path: &Path, rate: u64, duration: Duration) -> Result<Trial, BenchError> {
    let over = AtomicBool::new(false);
    let target = path.direct();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let over = &over;
        let receiver = scope.spawn(move || {
            path.server.run(move || {
                let socket = UdpSocket::bind(target.at).map_err(io("bind"))?;
                enlarge(&socket);
                tell.send(())
                    .map_err(|_| io("start")(ErrorKind::BrokenPipe.into()))?;
                count(&socket, over)
            })
        });
        let sent = match told.recv() {
            Ok(()) => path.client.run(move || send(target.to, rate, duration)),
            Err(_) => Err(io("start the receiver")(ErrorKind::NotConnected.into())),
        };
        thread::sleep(DRAIN);
        over.store(true, Ordering::Relaxed);
        let received = receiver
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let (sent, rate) = sent?;
        Ok(Trial {
            sent,
            received,
            rate,
        })
    })
}

/// Root may exceed the system's limit; others get what it allows.
fn enlarge(socket: &UdpSocket) {
    if setsockopt(socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        let _ = setsockopt(socket, sockopt::RcvBuf, &BUFFER);
    }
}

fn count(socket: &UdpSocket, over: &AtomicBool) -> Result<u64, BenchError> {
    socket
        .set_read_timeout(Some(DRAIN / 4))
        .map_err(io("set a timeout"))?;
    let mut received = 0;
    let mut buffer = [0; PAYLOAD];
    loop {
        match socket.recv(&mut buffer) {
            // The first packet only warms the path: it makes the flow entries.
            Ok(_) if buffer[0] == 0 => {}
            Ok(_) => received += 1,
            Err(_) if over.load(Ordering::Relaxed) => return Ok(received),
            Err(_) => {}
        }
    }
}

fn send(to: SocketAddr, rate: u64, duration: Duration) -> Result<(u64, f64), BenchError> {
    let socket = super::datagrams(to)?;
    socket.send(&[0; PAYLOAD]).map_err(io("send"))?;
    thread::sleep(Duration::from_millis(20));
    let total = (rate as f64 * duration.as_secs_f64()) as u64;
    let start = Instant::now();
    let mut sent = 0;
    while sent < total {
        let due = ((start.elapsed().as_secs_f64() * rate as f64) as u64).min(total);
        while sent < due {
            // A full queue on the way out is a loss like any other.
            let _ = socket.send(&[1; PAYLOAD]);
            sent += 1;
        }
        thread::sleep(TICK);
    }
    Ok((sent, sent as f64 / start.elapsed().as_secs_f64()))
}

/// The highest rate at which less than one packet in a hundred was lost, in packets per second that
/// arrived: doubles from `from` until more are, or until the sender itself can't follow, then halves
/// the gap.
///
/// # Errors
/// As `trial`.
pub fn highest(path: &Path, from: u64, each: Duration) -> Result<f64, BenchError> {
    /// After this many halvings the answer is good to a few per cent.
    const HALVINGS: u32 = 4;
    let (mut good, mut bad) = (0.0, from as f64);
    loop {
        let trial = trial(path, bad as u64, each)?;
        if !trial.passes() {
            break;
        }
        good = trial.arrived();
        // Nine tenths leave room for a late tick; less is the sender's own limit.
        if trial.rate < bad * 0.9 {
            return Ok(good);
        }
        bad *= 2.0;
    }
    let mut low = good;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, bad);
        let trial = trial(path, middle as u64, each)?;
        if trial.passes() {
            good = good.max(trial.arrived());
            low = middle;
        } else {
            bad = middle;
        }
    }
    Ok(good)
}
