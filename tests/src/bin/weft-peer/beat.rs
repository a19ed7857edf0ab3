//! A datagram every few milliseconds: what comes back shows how long a path was broken.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Outcome, reach::connected, say, when_stdin_ends};

const PERIOD: Duration = Duration::from_millis(5);

/// What is still under way when the sending stops.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// Prints `sent N received N gap MS` when the standard input ends; the gap is the longest time
/// between two that came back.
pub(crate) fn run(address: SocketAddr) -> Outcome {
    let socket = Arc::new(connected(address)?);
    socket.set_read_timeout(Some(STRAGGLERS))?;
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    when_stdin_ends(move || set.store(true, Ordering::Relaxed));
    let sent = Arc::new(AtomicU64::new(0));
    let (theirs, counter) = (Arc::clone(&socket), Arc::clone(&sent));
    let halt = Arc::clone(&stop);
    thread::spawn(move || beat(&theirs, &counter, &halt));
    let (received, gap) = listen(&socket, &stop)?;
    let (sent, gap) = (sent.load(Ordering::Relaxed), gap.as_millis());
    Ok(say(format_args!(
        "sent {sent} received {received} gap {gap}"
    ))?)
}

fn beat(socket: &UdpSocket, sent: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        if socket.send(b"weft beat").is_ok() {
            sent.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(PERIOD);
    }
}

fn listen(socket: &UdpSocket, stop: &AtomicBool) -> Result<(u64, Duration), std::io::Error> {
    let (mut received, mut gap, mut last) = (0, Duration::ZERO, None::<Instant>);
    loop {
        if socket.recv(&mut [0; 64]).is_err() {
            if stop.load(Ordering::Relaxed) {
                return Ok((received, gap));
            }
            continue;
        }
        if let Some(last) = last {
            gap = gap.max(last.elapsed());
        } else {
            say("beating")?;
        }
        last = Some(Instant::now());
        received += 1;
    }
}
