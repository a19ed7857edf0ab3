//! Bulk TCP.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{SILENCE, tcp};
use crate::{BenchError, Path, Target, io};

/// What one call writes and reads: four segments of the largest size.
const CHUNK: usize = 256 << 10;

/// Bits per second that arrive over so many streams.
///
/// # Errors
/// When a socket refuses.
pub fn run(
    path: &Path,
    target: Target,
    streams: usize,
    duration: Duration,
) -> Result<f64, BenchError> {
    let (rate, ()) = tcp(
        path,
        target,
        |listener| drain_all(&listener, streams),
        || fill_all(target.to, streams, duration),
    )?;
    Ok(rate)
}

fn drain_all(listener: &TcpListener, streams: usize) -> Result<f64, BenchError> {
    let connections = (0..streams)
        .map(|_| {
            listener
                .accept()
                .map(|(stream, _)| stream)
                .map_err(io("accept"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    let bytes = thread::scope(|scope| {
        let drains: Vec<_> = connections
            .into_iter()
            .map(|stream| scope.spawn(|| drain(stream)))
            .collect();
        drains
            .into_iter()
            .map(|d| {
                d.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .sum::<Result<u64, _>>()
    })?;
    Ok(bytes as f64 * 8.0 / start.elapsed().as_secs_f64())
}

fn drain(mut stream: TcpStream) -> Result<u64, BenchError> {
    stream
        .set_read_timeout(Some(SILENCE))
        .map_err(io("set a timeout"))?;
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).map_err(io("read a stream"))? {
            0 => return Ok(total),
            count => total += count as u64,
        }
    }
}

fn fill_all(to: SocketAddr, streams: usize, duration: Duration) -> Result<(), BenchError> {
    let connections = (0..streams)
        .map(|_| TcpStream::connect_timeout(&to, SILENCE).map_err(io("connect")))
        .collect::<Result<Vec<_>, _>>()?;
    let end = Instant::now() + duration;
    thread::scope(|scope| {
        let fills: Vec<_> = connections
            .into_iter()
            .map(|stream| scope.spawn(move || fill(stream, end)))
            .collect();
        fills.into_iter().try_for_each(|f| {
            f.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

fn fill(mut stream: TcpStream, end: Instant) -> Result<(), BenchError> {
    stream
        .set_write_timeout(Some(SILENCE))
        .map_err(io("set a timeout"))?;
    let buffer = vec![0x57; CHUNK];
    while Instant::now() < end {
        stream.write_all(&buffer).map_err(io("write a stream"))?;
    }
    Ok(())
}
