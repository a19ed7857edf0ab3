//! What becomes of a frame.

use std::net::IpAddr;

use weft_model::{MirrorSessionId, Vni};

use crate::{drop::Drop, port::PortIndex, service::dns::Transport, time::Now};

/// Where a frame goes through the tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encap {
    /// The other host's VTEP.
    pub vtep: IpAddr,
    /// The VPC's VXLAN network.
    pub vni: Vni,
    /// A hash of the inner connection, for the outer source port (RFC 7348 section 5).
    pub entropy: u32,
}

/// What the caller does with the frame; on anything but a drop it has been rewritten in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Out to this port's workload: it passed both halves.
    Deliver(PortIndex),
    /// To the ingress half ([`crate::Engine::to_port`]) on the worker that owns this port.
    Local(PortIndex),
    /// Into the tunnel.
    Encapsulate(Encap),
    /// Out of the cloud, by this host's uplink.
    Outside,
    /// Answered or split: what there is to send went to the [`Sink`].
    Consumed,
    /// Nowhere.
    Drop(Drop),
}

/// A query that resolvers outside are to be asked; the answer goes back with
/// [`crate::Engine::resolved`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsQuestion {
    /// The port that asked.
    pub port: PortIndex,
    /// Its address and port.
    pub client: (IpAddr, u16),
    /// The address that it asked.
    pub server: IpAddr,
    /// How it asked.
    pub transport: Transport,
    /// The message.
    pub query: Vec<u8>,
    /// Whom to ask, in this order; never empty.
    pub servers: Vec<IpAddr>,
}

/// A mirrored packet for a file.
#[derive(Debug, Clone, Copy)]
pub struct MirrorCopy<'a> {
    /// When it passed.
    pub at: Now,
    /// The session.
    pub session: MirrorSessionId,
    /// Bytes that it had.
    pub length: usize,
    /// The first of them.
    pub bytes: &'a [u8],
}

/// Takes the frames that the engine makes itself. Their checksums are complete and they need no
/// segmentation.
pub trait Sink {
    /// Straight out to that port's workload: an answer, an ICMP error.
    fn to_port(&mut self, port: PortIndex, frame: &[u8]);
    /// To the ingress half on the worker that owns the port: a fragment.
    fn to_local(&mut self, port: PortIndex, frame: &[u8]);
    /// Into the tunnel: a fragment.
    fn to_tunnel(&mut self, encap: Encap, frame: &[u8]);
    /// Into a mirror session's file.
    fn record(&mut self, _copy: MirrorCopy<'_>) {}
    /// Out to resolvers outside. Nothing has to come of it: the client asks again.
    fn ask(&mut self, _question: DnsQuestion) {}
}
