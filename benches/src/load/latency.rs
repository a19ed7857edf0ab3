//! Request and response: one byte there, one back, on one connection.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use super::{SILENCE, tcp};
use crate::{BenchError, Path, io};

/// Round trip times in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// Half are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
}

/// The longest round trip that is told apart, in nanoseconds.
const LONGEST: u64 = 10_000_000_000;

/// Measures round trips for so long.
///
/// # Errors
/// When a socket refuses.
pub fn run(path: &Path, duration: Duration) -> Result<Latency, BenchError> {
    let target = path.direct();
    let ((), latency) = tcp(
        path,
        target,
        |listener| echo(&listener),
        || ask(target.to, duration),
    )?;
    Ok(latency)
}

fn echo(listener: &TcpListener) -> Result<(), BenchError> {
    let (mut stream, _) = listener.accept().map_err(io("accept"))?;
    stream.set_nodelay(true).map_err(io("set TCP_NODELAY"))?;
    stream
        .set_read_timeout(Some(SILENCE))
        .map_err(io("set a timeout"))?;
    let mut byte = [0];
    loop {
        match stream.read_exact(&mut byte) {
            Ok(()) => stream.write_all(&byte).map_err(io("write"))?,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(io("read")(error)),
        }
    }
}

fn ask(to: SocketAddr, duration: Duration) -> Result<Latency, BenchError> {
    let mut stream = TcpStream::connect_timeout(&to, SILENCE).map_err(io("connect"))?;
    stream.set_nodelay(true).map_err(io("set TCP_NODELAY"))?;
    stream
        .set_read_timeout(Some(SILENCE))
        .map_err(io("set a timeout"))?;
    let mut times =
        Histogram::<u64>::new_with_max(LONGEST, 3).expect("three digits up to ten seconds fit");
    let end = Instant::now() + duration;
    while Instant::now() < end {
        let start = Instant::now();
        stream.write_all(&[1]).map_err(io("write"))?;
        stream.read_exact(&mut [0]).map_err(io("read"))?;
        times.saturating_record(u64::try_from(start.elapsed().as_nanos()).unwrap_or(LONGEST));
    }
    let micros = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Latency {
        p50: micros(0.5),
        p99: micros(0.99),
    })
}
