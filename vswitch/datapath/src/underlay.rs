//! The UDP sockets that carry VXLAN between hosts.
//!
//! Each worker has its own receive socket on the VTEP's port (`SO_REUSEPORT`); a classic BPF
//! program steers each datagram to the worker that owns the port behind the inner destination MAC.
//! It also has its own pool of send sockets, because UDP GSO sends a batch from one source port:
//! the port is the flow's entropy for the underlay's ECMP (RFC 7348 section 5).

mod address;
mod outbox;
mod receive;
mod socket;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
};

pub use self::outbox::SendCounters;
pub(crate) use self::{
    outbox::{MAX_FRAME, Outbox},
    receive::{Datagram, Inbox},
};

/// Bits of the inner destination MAC in the choice of a source port. A receiver's kernel joins
/// datagrams of one source port only, so up to 8 workers (a power of two) never find another's
/// frames among their own.
const OWNER_BITS: u32 = 3;
/// Bits of the connection's hash in that choice.
const ENTROPY_BITS: u32 = 2;
/// Send sockets per worker: source ports that spread one worker's flows over the underlay.
const SOURCE_PORTS: usize = 1 << (OWNER_BITS + ENTROPY_BITS);

/// The send socket for a frame to this inner MAC.
fn source_port(owner_byte: u8, entropy: u32) -> usize {
    let owner = usize::from(owner_byte) & ((1 << OWNER_BITS) - 1);
    // The low bits of a multiplicative hash are its weakest.
    let entropy = (entropy.wrapping_mul(0x9e37_79b1) >> (32 - ENTROPY_BITS)) as usize;
    owner << ENTROPY_BITS | entropy
}

/// Where this host's tunnel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vtep {
    /// Its underlay address, an address of this host.
    pub address: IpAddr,
    /// The UDP port of every VTEP; 4789 unless all hosts agree on another.
    pub port: u16,
}

/// Why the underlay's sockets could not be had.
#[derive(Debug, thiserror::Error)]
pub enum UnderlayError {
    /// The VTEP can't be bound.
    #[error("can't bind the VTEP {address}: {source}; {}", bind_hint(.source))]
    Bind {
        /// Address and port.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A socket option that can't be done without.
    #[error("can't set {option} on a socket of the VTEP {address}: {source}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// Address and port.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

fn bind_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => "is it an address of this host?",
        io::ErrorKind::AddrInUse => {
            "is another vswitch or a `vxlan` device using it? Choose another --vxlan-port"
        }
        io::ErrorKind::PermissionDenied => "a port under 1024 needs CAP_NET_BIND_SERVICE",
        _ => "see bind(2)",
    }
}

/// One worker's sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) receive: OwnedFd,
    pub(crate) send: Vec<OwnedFd>,
}

/// The sockets of every worker, in order.
/// With `join` the kernel joins datagrams of one sender. Where programs look at them it must not: they
/// know single ones.
pub(crate) fn open(vtep: Vtep, workers: usize, join: bool) -> Result<Vec<Sockets>, UnderlayError> {
    // The kernel numbers the sockets of a reuseport group as they are bound, and steering picks by
    // that number: so all are bound in worker order before any worker runs.
    let address = SocketAddr::new(vtep.address, vtep.port);
    socket::probe(address)?;
    let receive: Vec<OwnedFd> = (0..workers)
        .map(|_| socket::receiver(address, join))
        .collect::<Result<_, _>>()?;
    if let Some(first) = receive.first() {
        socket::steer(first, address, workers)?;
    }
    receive
        .into_iter()
        .map(|receive| {
            let send = (0..SOURCE_PORTS).map(|_| socket::sender(vtep.address));
            Ok(Sockets {
                receive,
                send: send.collect::<Result<_, _>>()?,
            })
        })
        .collect()
}
