//! The sizes and times that bound an engine.

use crate::time::Now;

/// How long an idle flow is kept, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP before both sides were heard.
    pub tcp_handshake: u64,
    /// TCP after that.
    pub tcp_established: u64,
    /// TCP after the first FIN.
    pub tcp_closing: u64,
    /// TCP after a RST or both FINs.
    pub tcp_closed: u64,
    /// UDP that was never answered.
    pub udp_one_way: u64,
    /// UDP that was.
    pub udp_stream: u64,
    /// Every other protocol.
    pub other: u64,
    /// A datagram's fragments, from the first one on.
    pub fragment: u64,
}

impl Timeouts {
    /// These, but for what an interface has of its own.
    pub(crate) fn with(&self, own: &weft_model::IdleTimeouts) -> Self {
        let nanoseconds = |seconds: u32| u64::from(seconds) * Now::SECOND;
        let mut timeouts = self.clone();
        if let Some(own) = own.tcp_established {
            timeouts.tcp_established = nanoseconds(own.get());
        }
        if let Some(own) = own.udp_one_way {
            timeouts.udp_one_way = nanoseconds(own.get());
        }
        if let Some(own) = own.udp_stream {
            timeouts.udp_stream = nanoseconds(own.get());
        }
        timeouts
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_handshake: 60 * Now::SECOND,
            tcp_established: 432_000 * Now::SECOND,
            tcp_closing: 120 * Now::SECOND,
            tcp_closed: 10 * Now::SECOND,
            udp_one_way: 30 * Now::SECOND,
            udp_stream: 180 * Now::SECOND,
            other: 600 * Now::SECOND,
            fragment: 30 * Now::SECOND,
        }
    }
}

/// The bounds of one engine's tables and answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Flows that ports share; each takes about 200 bytes. Floors come on top.
    pub flows: usize,
    /// Flows that a port may always have, however full the table is: a flood from many ports costs
    /// a quiet one nothing. The table holds at most `flows` and a floor for every port.
    pub flows_floor: usize,
    /// Flows of one port, so that a flood fills its own share and nobody else's.
    pub flows_per_port: usize,
    /// Datagrams whose fragments are being followed, in all.
    pub fragments: usize,
    /// Of those, one port's.
    pub fragments_per_port: usize,
    /// ICMP errors that the router sends to one port, per second.
    pub icmp_errors_per_second: u32,
    /// ICMP errors that may go at once after a pause.
    pub icmp_error_burst: u32,
    /// Idle times.
    pub timeouts: Timeouts,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: 1 << 20,
            flows_floor: 1 << 10,
            flows_per_port: 1 << 16,
            fragments: 1 << 14,
            fragments_per_port: 1 << 10,
            icmp_errors_per_second: 100,
            icmp_error_burst: 50,
            timeouts: Timeouts::default(),
        }
    }
}
