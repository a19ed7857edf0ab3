//! UDP in 64-byte packets, at a rate, with every loss counted.

use std::{
    io::ErrorKind,
    net::UdpSocket,
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
}

/// Sends at `rate` packets per second for so long.
///
/// # Errors
/// When a socket refuses.
pub fn trial(path: &Path, rate: u64, duration: Duration) -> Result<Trial, BenchError> {
    let over = AtomicBool::new(false);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let over = &over;
        let receiver = scope.spawn(move || {
            path.server.run(move || {
                let socket = UdpSocket::bind((path.address, 0)).map_err(io("bind"))?;
                enlarge(&socket);
                let port = socket.local_addr().map_err(io("bind"))?.port();
                tell.send(port)
                    .map_err(|_| io("start")(ErrorKind::BrokenPipe.into()))?;
                count(&socket, over)
            })
        });
        let sent = match told.recv() {
            Ok(port) => path.client.run(move || send(path, port, rate, duration)),
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

fn send(path: &Path, port: u16, rate: u64, duration: Duration) -> Result<(u64, f64), BenchError> {
    let any = if path.address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).map_err(io("bind"))?;
    socket
        .connect((path.address, port))
        .map_err(io("connect"))?;
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

/// The highest rate reached without a loss, in packets per second: doubles from `from` until one is
/// lost or the sender itself can't follow, then halves the gap.
///
/// # Errors
/// As `trial`.
pub fn lossless(path: &Path, from: u64, each: Duration) -> Result<f64, BenchError> {
    /// After this many halvings the answer is good to a few per cent.
    const HALVINGS: u32 = 4;
    let (mut good, mut bad) = (0.0, from as f64);
    loop {
        let trial = trial(path, bad as u64, each)?;
        if trial.lost() > 0 {
            break;
        }
        good = trial.rate;
        // Nine tenths leave room for a late tick; less is the sender's own limit.
        if trial.rate < bad * 0.9 {
            return Ok(good);
        }
        bad *= 2.0;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(good, bad);
        let trial = trial(path, middle as u64, each)?;
        if trial.lost() == 0 {
            good = trial.rate.min(middle);
        } else {
            bad = middle;
        }
    }
    Ok(good)
}
