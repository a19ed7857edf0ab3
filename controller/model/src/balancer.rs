//! Network load balancers: addresses that stand for many targets, and the listeners on them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{
    id::{BalancerId, ListenerId, SubnetId, TargetGroupId, VpcId, excerpt},
    meta::Meta,
    net::{Protocol, RangeError},
};

/// Whose clients a balancer is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Those inside.
    #[default]
    Internal,
    /// The internet's too: it has public addresses.
    InternetFacing,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Internal => "internal",
            Self::InternetFacing => "internet-facing",
        })
    }
}

impl FromStr for Scheme {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        match text {
            "internal" => Ok(Self::Internal),
            "internet-facing" => Ok(Self::InternetFacing),
            _ => Err(RangeError {
                value: excerpt(text),
                kind: "scheme",
                rule: "internal or internet-facing",
            }),
        }
    }
}

/// A balancer's addresses in one subnet; there is at most one subnet per zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The subnet that the addresses come from.
    pub subnet: SubnetId,
    /// Its IPv4 address there.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address there, if it has one.
    pub ipv6: Option<Ipv6Addr>,
    /// The address by which the internet knows its IPv4 one; IPv6 ones are public as they are.
    #[serde(default)]
    pub public_ipv4: Option<Ipv4Addr>,
}

impl Placement {
    /// Its addresses there, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let ipv6 = self.ipv6.map(IpAddr::V6);
        std::iter::once(IpAddr::V4(self.ipv4)).chain(ipv6)
    }
}

/// A network load balancer. No machine stands behind it: every client's own vswitch picks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balancer {
    /// Its id.
    pub id: BalancerId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// Whose clients it is for.
    #[serde(default)]
    pub scheme: Scheme,
    /// Its addresses; never empty.
    pub placements: Vec<Placement>,
    /// Whether clients use targets of every zone, or those of their own.
    pub cross_zone: bool,
    /// Bookkeeping.
    pub meta: Meta,
}

impl Balancer {
    /// All its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.placements.iter().flat_map(Placement::addresses)
    }
}

/// What a listener or a target group carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Both, on one port.
    TcpUdp,
}

impl Carried {
    /// Whether it carries the protocol.
    pub const fn carries(self, protocol: Protocol) -> bool {
        match self {
            Self::Tcp => protocol.0 == Protocol::TCP.0,
            Self::Udp => protocol.0 == Protocol::UDP.0,
            Self::TcpUdp => protocol.0 == Protocol::TCP.0 || protocol.0 == Protocol::UDP.0,
        }
    }

    /// Whether both carry some protocol.
    pub const fn meets(self, other: Self) -> bool {
        !matches!(
            (self, other),
            (Self::Tcp, Self::Udp) | (Self::Udp, Self::Tcp)
        )
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::TcpUdp => "tcp_udp",
        })
    }
}

impl FromStr for Carried {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "tcp_udp" => Ok(Self::TcpUdp),
            _ => Err(RangeError {
                value: excerpt(text),
                kind: "protocol of a listener",
                rule: "tcp, udp or tcp_udp",
            }),
        }
    }
}

/// Seconds that an idle TCP connection is kept: 60 to 6000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct IdleTimeout(u32);

impl IdleTimeout {
    /// What holds where nobody says otherwise.
    pub const DEFAULT: Self = Self(350);

    /// The seconds.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for IdleTimeout {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u32> for IdleTimeout {
    type Error = RangeError;

    fn try_from(value: u32) -> Result<Self, RangeError> {
        if (60..=6000).contains(&value) {
            return Ok(Self(value));
        }
        Err(RangeError {
            value: value.to_string(),
            kind: "idle timeout",
            rule: "60 to 6000 seconds",
        })
    }
}

impl From<IdleTimeout> for u32 {
    fn from(timeout: IdleTimeout) -> Self {
        timeout.0
    }
}

/// A port of a balancer and the targets behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its id.
    pub id: ListenerId,
    /// The balancer whose port it is.
    pub balancer: BalancerId,
    /// What it takes.
    pub protocol: Carried,
    /// The port; never 0.
    pub port: u16,
    /// Where it sends.
    pub target_group: TargetGroupId,
    /// How long an idle TCP connection is kept.
    pub idle_timeout: IdleTimeout,
    /// Bookkeeping.
    pub meta: Meta,
}
