//! What tells connections apart.

use std::net::IpAddr;

use weft_packet::{
    headers::{Ip, L4},
    icmp::Embedded,
};

use crate::{
    config::Direction,
    mutation::{Mutation, is_awake},
    port::PortIndex,
};

/// A connection as one port sees it: the port's own end first, whoever began it.
///
/// ICMP queries have their identifier as the local "port", and who asks and the kind of query as the
/// remote one: so a reply finds its request, and never opens the way for requests of
/// the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    local: [u8; 16],
    remote: [u8; 16],
    port: u32,
    local_port: u16,
    remote_port: u16,
    /// The protocol number; above it, whether the addresses are IPv6's.
    protocol: u16,
}

/// The bit of [`FlowKey::protocol`] that says IPv6.
const V6: u16 = 1 << 8;
/// In an ICMP query's remote port: the remote end asks.
const REMOTE_ASKS: u16 = 1;

impl FlowKey {
    /// The connection of a packet; `None` where it can't be part of one: ICMP that is no query, and
    /// fragments that show no ports.
    #[inline]
    pub(crate) fn of(port: PortIndex, direction: Direction, ip: &Ip) -> Option<Self> {
        let (src, dst) = match ip.l4_kind {
            L4::Tcp { src, dst, .. } | L4::Udp { src, dst } => (src, dst),
            L4::Icmp { kind, code, id } => {
                return Self::query(port, direction, ip, (kind, code, id));
            }
            L4::Other => (0, 0),
            L4::LaterFragment => return None,
        };
        Some(match direction {
            Direction::Egress => Self::new(port, ip.protocol, (ip.src, src), (ip.dst, dst)),
            Direction::Ingress => Self::new(port, ip.protocol, (ip.dst, dst), (ip.src, src)),
        })
    }

    /// The connection of the packet that an ICMP error quotes; the error goes in `direction`.
    pub(crate) fn quoted(port: PortIndex, direction: Direction, quote: &Embedded) -> Option<Self> {
        if quote.fragment.is_some_and(|fragment| fragment.offset > 0) {
            return None;
        }
        let (src, dst) = quote.ports;
        // An error that comes in is about a packet that went out.
        let ((local, remote), (here, there)) = match direction {
            Direction::Ingress => ((quote.src, quote.dst), (src, dst)),
            Direction::Egress => ((quote.dst, quote.src), (dst, src)),
        };
        let there = match quote.icmp {
            None => there,
            Some((kind, code)) => {
                let (query, asks) = Query::of(kind, quote.src.is_ipv4())?;
                if code != 0 {
                    return None;
                }
                // What asks and goes out is asked here.
                query.remote_port(asks == (direction == Direction::Egress))
            }
        };
        Some(Self::new(
            port,
            quote.protocol,
            (local, here),
            (remote, there),
        ))
    }

    fn query(
        port: PortIndex,
        direction: Direction,
        ip: &Ip,
        (kind, code, id): (u8, u8, u16),
    ) -> Option<Self> {
        let (query, asks) = Query::of(kind, ip.is_v4())?;
        let remote_asks = asks == (direction == Direction::Ingress);
        // Replies all have code 0, and so have the requests that may be tracked.
        if code != 0 {
            return None;
        }
        let there = query.remote_port(remote_asks);
        Some(match direction {
            Direction::Egress => Self::new(port, ip.protocol, (ip.src, id), (ip.dst, there)),
            Direction::Ingress => Self::new(port, ip.protocol, (ip.dst, id), (ip.src, there)),
        })
    }

    #[inline]
    fn new(port: PortIndex, protocol: u8, local: (IpAddr, u16), remote: (IpAddr, u16)) -> Self {
        let family = if local.0.is_ipv6() { V6 } else { 0 };
        let protocol = match is_awake(Mutation::KeyWithoutProtocol) {
            true => 0,
            false => protocol,
        };
        Self {
            local: octets(local.0),
            remote: octets(remote.0),
            port: port.0,
            local_port: local.1,
            remote_port: remote.1,
            protocol: family | u16::from(protocol),
        }
    }

    /// The same connection with another end of the port's, as where its source was translated.
    #[must_use]
    pub(crate) fn with_local(mut self, (address, port): (IpAddr, u16)) -> Self {
        (self.local, self.local_port) = (octets(address), port);
        self
    }

    /// The same ends, at whatever port.
    #[must_use]
    pub(crate) fn anywhere(mut self) -> Self {
        self.port = u32::MAX;
        self
    }

    /// The same ends, at this port.
    #[must_use]
    pub(crate) fn at(mut self, port: PortIndex) -> Self {
        self.port = port.0;
        self
    }

    /// The same connection with another remote end.
    #[must_use]
    pub(crate) fn with_remote(mut self, (address, port): (IpAddr, u16)) -> Self {
        (self.remote, self.remote_port) = (octets(address), port);
        self
    }

    /// A hash that nobody without the seed can steer.
    #[inline]
    pub(crate) fn hash(&self, seed: &foldhash::fast::FixedState) -> u32 {
        use std::hash::{BuildHasher, Hasher};
        let mut hasher = seed.build_hasher();
        hasher.write_u128(u128::from_ne_bytes(self.local));
        hasher.write_u128(u128::from_ne_bytes(self.remote));
        hasher.write_u64(u64::from(self.port) << 32 | u64::from(self.protocol));
        hasher.write_u32(u32::from(self.local_port) << 16 | u32::from(self.remote_port));
        let hash = hasher.finish();
        (hash ^ hash >> 32) as u32
    }

    #[inline]
    pub(crate) fn port(&self) -> PortIndex {
        PortIndex(self.port)
    }

    #[inline]
    pub(crate) fn protocol(&self) -> u8 {
        self.protocol as u8
    }

    fn is_v4(&self) -> bool {
        self.protocol & V6 == 0
    }

    pub(crate) fn local(&self) -> IpAddr {
        address(self.local, self.is_v4())
    }

    pub(crate) fn remote(&self) -> IpAddr {
        address(self.remote, self.is_v4())
    }

    /// As they stand on the wire for TCP and UDP.
    pub(crate) fn ports(&self) -> (u16, u16) {
        (self.local_port, self.remote_port)
    }

    /// The type of the ICMP message that began it, seen that this is an ICMP query.
    pub(crate) fn query_kind(&self) -> u8 {
        let query = self.remote_port >> 1 & 0x7f;
        match (Query::ALL.get(usize::from(query)), self.is_v4()) {
            (Some(query), true) => query.v4().0,
            (_, false) => ECHO6.0,
            (None, true) => ECHO4.0,
        }
    }
}

/// IPv4 addresses stand in the first four bytes; the family is told apart by the protocol.
#[inline]
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(a) => (u128::from(u32::from(a)) << 96).to_be_bytes(),
        IpAddr::V6(a) => a.octets(),
    }
}

fn address(octets: [u8; 16], v4: bool) -> IpAddr {
    match v4 {
        true => IpAddr::from([octets[0], octets[1], octets[2], octets[3]]),
        false => IpAddr::from(octets),
    }
}

/// The types of request and reply: echo (RFC 792, RFC 4443 section 4), timestamp, information and
/// address mask (RFC 792, RFC 950).
const ECHO4: (u8, u8) = (8, 0);
const ECHO6: (u8, u8) = (128, 129);

/// ICMP's questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Query {
    Echo,
    Timestamp,
    Information,
    Mask,
}

impl Query {
    const ALL: [Self; 4] = [Self::Echo, Self::Timestamp, Self::Information, Self::Mask];

    const fn v4(self) -> (u8, u8) {
        match self {
            Self::Echo => ECHO4,
            Self::Timestamp => (13, 14),
            Self::Information => (15, 16),
            Self::Mask => (17, 18),
        }
    }

    /// The query, and whether this is the request.
    fn of(kind: u8, v4: bool) -> Option<(Self, bool)> {
        if !v4 {
            let echo = kind == ECHO6.0 || kind == ECHO6.1;
            return echo.then_some((Self::Echo, kind == ECHO6.0));
        }
        let found = Self::ALL
            .into_iter()
            .find(|query| query.v4().0 == kind || query.v4().1 == kind)?;
        Some((found, found.v4().0 == kind))
    }

    const fn remote_port(self, remote_asks: bool) -> u16 {
        (self as u16) << 1 | if remote_asks { REMOTE_ASKS } else { 0 }
    }
}

/// Whether this ICMP type is that of an echo request or reply.
pub(crate) fn is_echo(kind: u8, v4: bool) -> bool {
    matches!(Query::of(kind, v4), Some((Query::Echo, _)))
}

/// Whether this ICMP type answers a query: without the query's flow it is nobody's reply.
pub(crate) fn is_query_reply(kind: u8, v4: bool) -> bool {
    Query::of(kind, v4).is_some_and(|(_, asks)| !asks)
}
