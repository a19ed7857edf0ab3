//! South: the stream to every host's vswitch.
//!
//! [`Hub`] takes committed changes, plans them, and leaves each host's share in its session; a
//! stream per host sends from there and takes the answers. A slow or absent host holds up nobody.

mod health;
mod hub;
pub(crate) mod leases;
mod probe;
mod session;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod wait;

use std::time::Duration;

pub use hub::Hub;
pub(crate) use status::Summary;
pub use status::{Counters, HostStatus, PortTrouble};
pub use stream::Service;
pub use wait::{Applied, HostLag, LagReason, Lagging};

/// How often the server pings an idle connection: a host that lost its power is noticed within
/// this and [`KEEPALIVE_TIMEOUT`], long before TCP would.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long the server waits for a ping's answer before it drops the connection.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of one message from a host. The largest is a hello: some 50 bytes for each resource
/// held, so this is good for 300,000.
pub const MESSAGE_LIMIT: usize = 16 << 20;

/// How long things on a stream may take.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// From the stream's opening to the host's hello.
    pub hello: Duration,
    /// Between the controller's heartbeats.
    pub heartbeat: Duration,
    /// Without any word from the host, before the stream is ended. A vswitch whose process hangs
    /// still answers the transport's pings; only this notices.
    pub silence: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(5),
            heartbeat: Duration::from_secs(2),
            silence: Duration::from_secs(10),
        }
    }
}
