//! What must hold: packets that must, or must not, arrive.

use std::{fmt, net::IpAddr};

use super::ItemName;

/// The transport that a check speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// A TCP connection that carries bytes both ways.
    Tcp,
    /// A datagram and its echo.
    Udp,
    /// An ICMP or ICMPv6 echo.
    Icmp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        })
    }
}

/// The other end of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A workload, at its own addresses.
    Workload(ItemName),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(name) => name.fmt(f),
            Self::Address(address) => f.pad(&address.to_string()),
        }
    }
}

/// One packet that must, or must not, arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Who sends.
    pub from: ItemName,
    /// Who should hear.
    pub to: Destination,
    /// How.
    pub transport: Transport,
    /// The port of TCP and UDP; 0 for ICMP.
    pub port: u16,
    /// Over IPv6.
    pub ipv6: bool,
    /// Whether it must arrive.
    pub reach: bool,
}
