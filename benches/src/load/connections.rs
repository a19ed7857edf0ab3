//! Connections per second: connect, one byte each way, close.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sys::socket::{setsockopt, sockopt::Linger};

use super::{SILENCE, tcp};
use crate::{BenchError, Path, Target, io};

/// Callers at a time: enough to keep both sides busy on a small machine.
const CALLERS: usize = 4;

/// Connections per second.
///
/// # Errors
/// When a socket refuses.
pub fn run(path: &Path, target: Target, duration: Duration) -> Result<f64, BenchError> {
    let done = AtomicBool::new(false);
    let done = &done;
    let ((), count) = tcp(
        path,
        target,
        |listener| serve(&listener, done),
        || {
            let outcome = call_all(target.to, duration);
            done.store(true, Ordering::Relaxed);
            // Wakes each server from its accept, so that it sees the end.
            for _ in 0..CALLERS {
                let _ = TcpStream::connect_timeout(&target.to, SILENCE);
            }
            outcome
        },
    )?;
    Ok(count as f64 / duration.as_secs_f64())
}

fn serve(listener: &TcpListener, done: &AtomicBool) -> Result<(), BenchError> {
    thread::scope(|scope| {
        let servers: Vec<_> = (0..CALLERS)
            .map(|_| scope.spawn(|| serve_one_by_one(listener, done)))
            .collect();
        servers.into_iter().try_for_each(|s| {
            s.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

fn serve_one_by_one(listener: &TcpListener, done: &AtomicBool) -> Result<(), BenchError> {
    while !done.load(Ordering::Relaxed) {
        let (mut stream, _) = listener.accept().map_err(io("accept"))?;
        if done.load(Ordering::Relaxed) {
            break;
        }
        let mut byte = [0];
        stream
            .set_read_timeout(Some(SILENCE))
            .map_err(io("set a timeout"))?;
        // The caller closes with RST, so a failing answer is its end of the story.
        if stream.read_exact(&mut byte).is_ok() {
            let _ = stream.write_all(&byte);
        }
    }
    Ok(())
}

fn call_all(to: SocketAddr, duration: Duration) -> Result<u64, BenchError> {
    let end = Instant::now() + duration;
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| scope.spawn(move || call_until(to, end)))
            .collect();
        callers
            .into_iter()
            .map(|c| {
                c.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .sum()
    })
}

fn call_until(to: SocketAddr, end: Instant) -> Result<u64, BenchError> {
    let mut count = 0;
    while Instant::now() < end {
        let mut stream = TcpStream::connect_timeout(&to, SILENCE).map_err(io("connect"))?;
        // Close with RST: thousands in TIME_WAIT would run out of ports, not of network.
        let linger = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&stream, Linger, &linger).map_err(|e| io("set SO_LINGER")(e.into()))?;
        stream
            .set_read_timeout(Some(SILENCE))
            .map_err(io("set a timeout"))?;
        stream.write_all(&[1]).map_err(io("write"))?;
        stream.read_exact(&mut [0]).map_err(io("read"))?;
        count += 1;
    }
    Ok(count)
}
