//! A flow as people see it.

use std::net::IpAddr;

use weft_model::{Protocol, RuleId};

use super::{
    class::Tick,
    entry::{Flags, Flow},
    tcp::TcpState,
};
use crate::{config::Direction, counters::Tally, port::PortIndex, time::Now};

/// How far a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowStatus {
    /// Only one side was heard.
    Unreplied,
    /// TCP's handshake.
    Handshake,
    /// Both sides talk.
    Established,
    /// TCP after a FIN.
    Closing,
    /// TCP after both FINs or a reset.
    Closed,
    /// Its rule is gone, and nothing passes.
    Blocked,
}

impl FlowStatus {
    /// The stable name.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unreplied => "unreplied",
            Self::Handshake => "handshake",
            Self::Established => "established",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Blocked => "blocked",
        }
    }
}

/// A connection of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowReport {
    /// The port.
    pub port: PortIndex,
    /// The protocol.
    pub protocol: Protocol,
    /// The port's end: for an ICMP query the "port" is its identifier.
    pub local: (IpAddr, u16),
    /// The other end: for an ICMP query the "port" is the type of its request.
    pub remote: (IpAddr, u16),
    /// Which way its first packet went.
    pub began: Direction,
    /// How far it got.
    pub status: FlowStatus,
    /// Whether it outlives its rule.
    pub tracked: bool,
    /// The rule that let it in or out.
    pub rule: RuleId,
    /// What the port sent.
    pub egress: Tally,
    /// What the port got.
    pub ingress: Tally,
    /// Nanoseconds since it began; to a millisecond.
    pub age: u64,
    /// Nanoseconds since its last packet; to a millisecond.
    pub idle: u64,
}

impl Flow {
    pub(crate) fn report(&self, now: Now) -> FlowReport {
        let protocol = Protocol(self.key.protocol());
        let (local_port, mut remote_port) = self.key.ports();
        if matches!(protocol, Protocol::ICMP | Protocol::ICMPV6) {
            remote_port = u16::from(self.key.query_kind());
        }
        let now = Tick::of(now);
        FlowReport {
            port: self.key.port(),
            protocol,
            local: (self.key.local(), local_port),
            remote: (self.key.remote(), remote_port),
            began: self.began(),
            status: self.status(),
            tracked: !self.flags.has(Flags::UNTRACKED),
            rule: self.rule,
            egress: self.egress,
            ingress: self.ingress,
            age: now.nanoseconds_since(self.created),
            idle: now.nanoseconds_since(self.seen),
        }
    }

    fn status(&self) -> FlowStatus {
        match self.tcp {
            _ if self.flags.has(Flags::BLOCKED) => FlowStatus::Blocked,
            TcpState::LocalFin | TcpState::RemoteFin => FlowStatus::Closing,
            TcpState::Closed => FlowStatus::Closed,
            TcpState::SynReceived => FlowStatus::Handshake,
            _ if !self.flags.has(Flags::REPLIED) => FlowStatus::Unreplied,
            _ => FlowStatus::Established,
        }
    }
}
