//! Target groups: who serves what a listener takes, and how it is known that they can.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{
    balancer::Carried,
    id::{InterfaceId, TargetGroupId, VpcId, excerpt},
    meta::Meta,
    name::HttpPath,
    net::RangeError,
};

/// What a group's targets are named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetType {
    /// An interface: its primary address, or for IPv6 clients its first IPv6 one.
    Interface,
    /// An address of an interface in the VPC.
    Ip,
}

/// What names a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetName {
    /// The interface.
    Interface(InterfaceId),
    /// The address.
    Ip(IpAddr),
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(id) => id.fmt(f),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl FromStr for TargetName {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let interface = text.parse().ok().map(Self::Interface);
        let ip = || text.parse().ok().map(Self::Ip);
        interface.or_else(ip).ok_or_else(|| RangeError {
            value: excerpt(text),
            kind: "target",
            rule: "an interface's id or an address",
        })
    }
}

/// A target's share relative to the others: 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Weight(u16);

impl Weight {
    /// One share.
    pub const ONE: Self = Self(1);

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u32> for Weight {
    type Error = RangeError;

    fn try_from(value: u32) -> Result<Self, RangeError> {
        match u16::try_from(value) {
            Ok(weight @ 1..=1000) => Ok(Self(weight)),
            _ => Err(RangeError {
                value: value.to_string(),
                kind: "weight",
                rule: "1 to 1000",
            }),
        }
    }
}

impl From<Weight> for u32 {
    fn from(weight: Weight) -> Self {
        weight.0.into()
    }
}

/// One of those that serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Who.
    pub name: TargetName,
    /// On which port; never 0.
    pub port: u16,
    /// Its share.
    pub weight: Weight,
    /// Deregistered: it gets no new connection and keeps those it has until the delay is over.
    pub draining: bool,
}

/// How a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Whether the port accepts a connection.
    Tcp,
    /// Whether a GET is answered with a wanted status.
    Http,
    /// The same within TLS, whatever the certificate.
    Https,
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

impl FromStr for Probe {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err(RangeError {
                value: excerpt(text),
                kind: "health check",
                rule: "tcp, http or https",
            }),
        }
    }
}

impl fmt::Display for TargetType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Interface => "interface",
            Self::Ip => "ip",
        })
    }
}

impl FromStr for TargetType {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        match text {
            "interface" => Ok(Self::Interface),
            "ip" => Ok(Self::Ip),
            _ => Err(RangeError {
                value: excerpt(text),
                kind: "target type",
                rule: "interface or ip",
            }),
        }
    }
}

/// HTTP status codes, 100 to 599, as an inclusive range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u16, u16)", into = "(u16, u16)")]
pub struct StatusCodes {
    first: u16,
    last: u16,
}

impl StatusCodes {
    /// The lowest.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// Whether the code is among them.
    pub const fn contains(self, code: u16) -> bool {
        self.first <= code && code <= self.last
    }
}

impl Default for StatusCodes {
    fn default() -> Self {
        Self {
            first: 200,
            last: 399,
        }
    }
}

impl TryFrom<(u16, u16)> for StatusCodes {
    type Error = RangeError;

    fn try_from((first, last): (u16, u16)) -> Result<Self, RangeError> {
        if 100 <= first && first <= last && last <= 599 {
            return Ok(Self { first, last });
        }
        Err(RangeError {
            value: format!("{first}-{last}"),
            kind: "range of status codes",
            rule: "CODE or FIRST-LAST, each 100 to 599",
        })
    }
}

impl From<StatusCodes> for (u16, u16) {
    fn from(codes: StatusCodes) -> Self {
        (codes.first, codes.last)
    }
}

impl fmt::Display for StatusCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            self.first.fmt(f)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl FromStr for StatusCodes {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let code = |part: &str| part.trim().parse().unwrap_or(0);
        Self::try_from((code(first), code(last))).map_err(|error| RangeError {
            value: excerpt(text),
            ..error
        })
    }
}

/// How the targets' health is found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// How it asks.
    pub probe: Probe,
    /// On which port; `None` is each target's own.
    pub port: Option<u16>,
    /// What HTTP and HTTPS ask for.
    pub path: HttpPath,
    /// The statuses that they want.
    pub codes: StatusCodes,
    /// Seconds from one check to the next: 5 to 300.
    pub interval: u16,
    /// Seconds until a check that isn't answered has failed: 2 to 120.
    pub timeout: u16,
    /// Checks passed in a row until a target is healthy: 2 to 10.
    pub healthy: u8,
    /// Checks failed in a row until it is unhealthy: 2 to 10.
    pub unhealthy: u8,
}

impl HealthCheck {
    /// What holds where nobody says otherwise.
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            port: None,
            path: HttpPath::root(),
            codes: StatusCodes::default(),
            interval: 30,
            timeout: match probe {
                Probe::Tcp | Probe::Https => 10,
                Probe::Http => 6,
            },
            healthy: 5,
            unhealthy: 2,
        }
    }

    /// Seconds within which a target that stops answering is known to be unhealthy: it may have
    /// answered a moment ago, and the last of the checks that decide still waits for its answer.
    pub fn detection(&self) -> u32 {
        u32::from(self.interval) * u32::from(self.unhealthy) + u32::from(self.timeout)
    }

    /// The least of that, whatever the settings.
    pub const SHORTEST_DETECTION: u32 = 5 * 2 + 2;
}

/// Those that serve what a listener takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its id.
    pub id: TargetGroupId,
    /// The VPC that the targets are in.
    pub vpc: VpcId,
    /// What the targets take.
    pub protocol: Carried,
    /// The port of targets that name none; never 0.
    pub port: u16,
    /// What targets are named by.
    pub target_type: TargetType,
    /// How their health is found out.
    pub health_check: HealthCheck,
    /// Seconds that a deregistered target keeps its connections: 0 to 3600.
    pub deregistration_delay: u16,
    /// Whether targets see the client's address; else the balancer's, which TCP alone can have.
    #[serde(default = "preserved")]
    pub preserve_client_address: bool,
    /// The targets.
    pub targets: Vec<Target>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// What groups have that were stored before there was a choice.
const fn preserved() -> bool {
    true
}

/// What a check has found of a target.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nobody has said yet.
    #[default]
    Unknown,
    /// It answers.
    Healthy,
    /// It doesn't.
    Unhealthy,
}

/// The addresses that an interface serves at: its primary one, and its first IPv6 one.
pub fn serving(primary: IpAddr, ipv6: &[Ipv6Addr]) -> Vec<IpAddr> {
    let first = ipv6.first().copied().map(IpAddr::V6);
    std::iter::once(primary).chain(first).collect()
}
