//! The first packet of a connection: what it takes to be judged.

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

use hdrhistogram::Histogram;

use super::datagrams;
use crate::{BenchError, Path, io};

/// The longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Microseconds from a new socket's first datagram to its answer, the median over so long.
///
/// # Errors
/// When a socket refuses, or no datagram is answered.
pub fn run(path: &Path, duration: Duration) -> Result<f64, BenchError> {
    let over = AtomicBool::new(false);
    let target = path.direct();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let over = &over;
        let server = scope.spawn(move || {
            path.server.run(move || {
                let socket = UdpSocket::bind(target.at).map_err(io("bind"))?;
                let _ = tell.send(());
                echo(&socket, over)
            })
        });
        let client = match told.recv() {
            Ok(()) => path.client.run(move || ask(target.to, duration)),
            Err(_) => Err(io("start the echo")(ErrorKind::NotConnected.into())),
        };
        over.store(true, Ordering::Relaxed);
        // The server's error comes first: the client's is its consequence.
        server
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        client
    })
}

fn echo(socket: &UdpSocket, over: &AtomicBool) -> Result<(), BenchError> {
    let short = Duration::from_millis(20);
    socket
        .set_read_timeout(Some(short))
        .map_err(io("set a timeout"))?;
    let mut byte = [0];
    while !over.load(Ordering::Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut byte) {
            // Whoever asked may be gone: a lost answer is counted there.
            let _ = socket.send_to(&byte[..length], from);
        }
    }
    Ok(())
}

fn ask(to: SocketAddr, duration: Duration) -> Result<f64, BenchError> {
    let longest = PATIENCE.as_nanos() as u64;
    let mut times =
        Histogram::<u64>::new_with_max(longest, 3).expect("three digits up to half a second fit");
    let end = Instant::now() + duration;
    while Instant::now() < end {
        let socket = datagrams(to)?;
        socket
            .set_read_timeout(Some(PATIENCE))
            .map_err(io("set a timeout"))?;
        let start = Instant::now();
        socket.send(&[1]).map_err(io("send"))?;
        if socket.recv(&mut [0]).is_ok() {
            times.saturating_record(start.elapsed().as_nanos() as u64);
        }
    }
    if times.is_empty() {
        return Err(io("wait for an answer")(ErrorKind::TimedOut.into()));
    }
    Ok(times.value_at_quantile(0.5) as f64 / 1000.0)
}
