//! Numbers of the wire that have a range: VNI, MAC, MTU, ports, protocols.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::id::excerpt;

/// A value outside the range of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {kind}: use {rule}")]
pub struct RangeError {
    /// What was given.
    pub value: String,
    /// The kind, in words.
    pub kind: &'static str,
    /// The accepted range.
    pub rule: &'static str,
}

/// A VXLAN network identifier: 24 bits (RFC 7348 section 5). 0 is left out: it marks "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vni(u32);

impl Vni {
    /// The largest VNI.
    pub const MAX: u32 = (1 << 24) - 1;

    /// What hosts and edges carry the outside's packets in; no VPC ever gets it.
    pub const OUTSIDE: Self = Self(Self::MAX);

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Vni {
    type Error = RangeError;

    fn try_from(value: u32) -> Result<Self, RangeError> {
        if (1..=Self::MAX).contains(&value) {
            return Ok(Self(value));
        }
        Err(RangeError {
            value: value.to_string(),
            kind: "VNI",
            rule: "1 to 16777215",
        })
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> u32 {
        vni.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A 48-bit Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// All ones: every station.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The distributed router's own address, the same in every subnet of every VPC: locally
    /// administered, unicast. No interface ever gets it.
    pub const ROUTER: Self = Self([0x0a, 0x57, 0x45, 0x46, 0x54, 0x01]);

    /// The edges' own address, the same on each: where packets to the outside go.
    pub const EDGE: Self = Self([0x0a, 0x57, 0x45, 0x46, 0x54, 0x02]);

    /// What [`Self::pinning`] and [`Self::pinned`] begin with: no interface has either.
    const PINNING: [u8; 3] = [0x0a, 0x57, 0x50];
    const PINNED: [u8; 2] = [0x0e, 0x57];

    /// Where an edge sends what is for a load balancer: to whichever worker its last byte says.
    pub const fn pinning(hash: u32) -> Self {
        let [a, b, c] = Self::PINNING;
        let [_, x, y, z] = hash.to_be_bytes();
        Self([a, b, c, x, y, z])
    }

    /// Whether it is such.
    pub const fn is_pinning(self) -> bool {
        let [a, b, c] = Self::PINNING;
        self.0[0] == a && self.0[1] == b && self.0[2] == c
    }

    /// From whom a packet comes that a host picked a target for: which one, by the low bits of its
    /// address, which in a subnet are its own, and its port.
    pub const fn pinned(address: u16, port: u16) -> Self {
        let [a, b] = Self::PINNED;
        let ([c, d], [e, f]) = (address.to_be_bytes(), port.to_be_bytes());
        Self([a, b, c, d, e, f])
    }

    /// The address's low bits and the port of the target that was picked, where this says so.
    pub const fn as_pinned(self) -> Option<(u16, u16)> {
        let [a, b, c, d, e, f] = self.0;
        if a != Self::PINNED[0] || b != Self::PINNED[1] {
            return None;
        }
        Some((u16::from_be_bytes([c, d]), u16::from_be_bytes([e, f])))
    }

    /// What [`Self::hiding`] begins with: no interface has it.
    const HIDING: [u8; 2] = [0x12, 0x57];

    /// From whom a packet comes whose target is to see the load balancer in the client's place: what
    /// stands for the balancer's address.
    pub const fn hiding(address: u32) -> Self {
        let [a, b] = Self::HIDING;
        let [c, d, e, f] = address.to_be_bytes();
        Self([a, b, c, d, e, f])
    }

    /// What stands for the balancer's address, where this says so.
    pub const fn as_hiding(self) -> Option<u32> {
        let [a, b, c, d, e, f] = self.0;
        if a != Self::HIDING[0] || b != Self::HIDING[1] {
            return None;
        }
        Some(u32::from_be_bytes([c, d, e, f]))
    }

    /// The source of mirrored copies inside the cloud: where a frame has it, it is one. No interface
    /// ever gets it, and no workload can send from it.
    pub const MIRROR: Self = Self([0x0a, 0x57, 0x45, 0x46, 0x54, 0x03]);

    /// From the six bytes in wire order.
    pub const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// The six bytes in wire order.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether the group bit (broadcast or multicast) is set.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The locally administered unicast address made of 40 bits: `0x02`, then the bits. Interfaces
    /// derive theirs from their id, so it is stable; the router's starts with `0x0a` and can't
    /// collide.
    pub const fn local(bits: u64) -> Self {
        let b = bits.to_be_bytes();
        Self([0x02, b[3], b[4], b[5], b[6], b[7]])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let error = || RangeError {
            value: excerpt(text),
            kind: "MAC address",
            rule: "six two-digit hex bytes with colons between",
        };
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            // The standard parser would take a sign for a digit.
            let is_byte = |p: &&str| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit());
            let part = parts.next().filter(is_byte).ok_or_else(error)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| error())?;
        }
        if parts.next().is_some() {
            return Err(error());
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// A maximum transmission unit of layer 3, in bytes: 1280 (the least that IPv6 allows, RFC 8200
/// section 5) to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Mtu(u16);

impl Mtu {
    /// VXLAN's cost over an IPv4 underlay: IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14.
    pub const VXLAN_OVER_V4: u16 = 50;
    /// VXLAN's cost over an IPv6 underlay: IPv6 40, UDP 8, VXLAN 8, inner Ethernet 14.
    pub const VXLAN_OVER_V6: u16 = 70;
    /// What the internet carries, and Ethernet's default.
    pub const INTERNET: Self = Self(1500);

    /// The number of bytes.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What is left inside the tunnel; `None` where less than IPv6's least remains.
    pub fn inside_vxlan(self, underlay_is_v6: bool) -> Option<Self> {
        let cost = if underlay_is_v6 {
            Self::VXLAN_OVER_V6
        } else {
            Self::VXLAN_OVER_V4
        };
        self.0
            .checked_sub(cost)
            .and_then(|rest| Self::try_from(u32::from(rest)).ok())
    }
}

impl TryFrom<u32> for Mtu {
    type Error = RangeError;

    fn try_from(value: u32) -> Result<Self, RangeError> {
        match u16::try_from(value) {
            Ok(bytes) if bytes >= 1280 => Ok(Self(bytes)),
            _ => Err(RangeError {
                value: value.to_string(),
                kind: "MTU",
                rule: "1280 to 65535 bytes",
            }),
        }
    }
}

impl From<Mtu> for u32 {
    fn from(mtu: Mtu) -> u32 {
        u32::from(mtu.0)
    }
}

/// An IP protocol number (IANA).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => f.pad("icmp"),
            Self::TCP => f.pad("tcp"),
            Self::UDP => f.pad("udp"),
            Self::ICMPV6 => f.pad("icmpv6"),
            Self(number) => f.pad(&number.to_string()),
        }
    }
}

impl FromStr for Protocol {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        match text {
            "icmp" => Ok(Self::ICMP),
            "tcp" => Ok(Self::TCP),
            "udp" => Ok(Self::UDP),
            "icmpv6" => Ok(Self::ICMPV6),
            number => decimal(number).map(Self).ok_or_else(|| RangeError {
                value: excerpt(text),
                kind: "protocol",
                rule: "tcp, udp, icmp, icmpv6 or a number from 0 to 255",
            }),
        }
    }
}

/// An inclusive range of TCP or UDP ports; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u16, u16)", into = "(u16, u16)")]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self {
        first: 0,
        last: u16::MAX,
    };

    /// One port.
    pub const fn one(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// `first` to `last`, both in it.
    ///
    /// # Errors
    /// When `first` is above `last`.
    pub fn new(first: u16, last: u16) -> Result<Self, RangeError> {
        if first <= last {
            return Ok(Self { first, last });
        }
        Err(RangeError {
            value: format!("{first}-{last}"),
            kind: "port range",
            rule: "FIRST-LAST with FIRST at most LAST, each 0 to 65535",
        })
    }

    /// The lowest port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// Whether `port` is in the range.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl TryFrom<(u16, u16)> for PortRange {
    type Error = RangeError;

    fn try_from((first, last): (u16, u16)) -> Result<Self, RangeError> {
        Self::new(first, last)
    }
}

impl From<PortRange> for (u16, u16) {
    fn from(range: PortRange) -> Self {
        (range.first, range.last)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            self.first.fmt(f)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl FromStr for PortRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let error = || RangeError {
            value: excerpt(text),
            kind: "port range",
            rule: "PORT or FIRST-LAST, each 0 to 65535",
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let parse = |part: &str| decimal(part.trim()).ok_or_else(error);
        Self::new(parse(first)?, parse(last)?)
    }
}

/// Digits only: the standard parser would take a leading `+`.
fn decimal<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
