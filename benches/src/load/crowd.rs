//! Live connections that lie in a path's tables while it is measured.

use std::net::{SocketAddr, UdpSocket};

use super::any;
use crate::{BenchError, Pair, io, policy};

/// One source port has so many connections, one to each port of the service.
const EACH: usize = (*policy::CROWD.end() - *policy::CROWD.start() + 1) as usize;
/// The first source port: below are services.
const FIRST_PORT: u16 = 2_000;
/// What one pair of addresses can have.
pub const PER_PAIR: usize = (u16::MAX - FIRST_PORT) as usize * EACH;

/// Sends a datagram on each of `count` connections, spread over the pairs: makes them, or keeps them.
///
/// # Errors
/// When a socket refuses, as where another has the port.
pub fn refresh(pairs: &[Pair], count: usize) -> Result<(), BenchError> {
    if pairs.is_empty() || count == 0 {
        return Ok(());
    }
    let share = count.div_ceil(pairs.len()).min(PER_PAIR);
    pairs.iter().try_for_each(|pair| one(pair, share))
}

fn one(pair: &Pair, count: usize) -> Result<(), BenchError> {
    // Bound so that no error comes back; nobody reads.
    let _sinks = pair.server.run(|| {
        let bind = |port| UdpSocket::bind((pair.address, port)).map_err(io("bind"));
        policy::CROWD.map(bind).collect::<Result<Vec<_>, _>>()
    })?;
    pair.client.run(|| {
        for n in 0..count.div_ceil(EACH) {
            let mut own = any(SocketAddr::new(pair.address, 0));
            own.set_port(FIRST_PORT + n as u16);
            // A port that something else has is a connection less.
            let Ok(socket) = UdpSocket::bind(own) else {
                continue;
            };
            for port in policy::CROWD {
                // A full queue is a connection less; the next round tries again.
                let _ = socket.send_to(&[1], (pair.address, port));
            }
        }
        Ok(())
    })
}
