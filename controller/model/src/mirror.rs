//! Traffic mirroring: whose packets are copied, which of them, and where the copies go.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    cidr::Prefix,
    id::{InterfaceId, MirrorFilterId, MirrorSessionId, VpcId, excerpt},
    meta::Meta,
    name::RegionName,
    net::{PortRange, Protocol, RangeError, Vni},
};

/// The place of a rule in its filter, or of a session among those of its source: 1 to 32766, the
/// lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct MirrorNumber(u16);

impl MirrorNumber {
    /// The highest number.
    pub const MAX: u16 = 32_766;
}

impl TryFrom<u32> for MirrorNumber {
    type Error = RangeError;

    fn try_from(value: u32) -> Result<Self, RangeError> {
        let number = u16::try_from(value).ok();
        let number = number.filter(|number| (1..=Self::MAX).contains(number));
        number.map(Self).ok_or_else(|| RangeError {
            value: value.to_string(),
            kind: "number of a mirror rule or session",
            rule: "1 to 32766",
        })
    }
}

impl From<MirrorNumber> for u32 {
    fn from(number: MirrorNumber) -> Self {
        number.0.into()
    }
}

impl fmt::Display for MirrorNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MirrorNumber {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse::<u32>().ok()).flatten();
        number.unwrap_or(0).try_into().map_err(|error| RangeError {
            value: excerpt(text),
            ..error
        })
    }
}

/// What a rule does with the packets that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MirrorAction {
    /// They are copied.
    Accept,
    /// They aren't.
    Reject,
}

impl fmt::Display for MirrorAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
        })
    }
}

/// Why a text is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is accept or reject")]
pub struct MirrorActionError;

impl FromStr for MirrorAction {
    type Err = MirrorActionError;

    fn from_str(text: &str) -> Result<Self, MirrorActionError> {
        match text {
            "accept" => Ok(Self::Accept),
            "reject" => Ok(Self::Reject),
            _ => Err(MirrorActionError),
        }
    }
}

/// One numbered rule of a filter. Source and destination are those of the packet as the workload
/// knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorRule {
    /// Its place: unique in its direction and family.
    pub number: MirrorNumber,
    /// What it does.
    pub action: MirrorAction,
    /// Of which protocol; of any where `None`.
    pub protocol: Option<Protocol>,
    /// From where.
    pub source: Prefix,
    /// To where; of the same family.
    pub destination: Prefix,
    /// From which ports; all, unless the protocol is TCP or UDP.
    pub source_ports: PortRange,
    /// To which ports, likewise.
    pub destination_ports: PortRange,
}

impl MirrorRule {
    /// Its place in its direction: IPv4's rules come before IPv6's, each in their order.
    pub fn place(&self) -> (bool, MirrorNumber) {
        (self.source.is_v6(), self.number)
    }
}

/// Which packets are copied: the lowest rule that matches decides, and what none matches isn't.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorFilter {
    /// Its id.
    pub id: MirrorFilterId,
    /// The region whose sessions may use it.
    pub region: RegionName,
    /// For what the source gets, in the order of [`MirrorRule::place`].
    pub ingress: Vec<MirrorRule>,
    /// For what the source sends, likewise.
    pub egress: Vec<MirrorRule>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// Where copies go. Written as the interface's id, or `file`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MirrorTarget {
    /// To another interface of the VPC, in VXLAN.
    Interface(InterfaceId),
    /// To a pcapng file on the source's host.
    File,
}

impl fmt::Display for MirrorTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(id) => id.fmt(f),
            Self::File => f.pad("file"),
        }
    }
}

/// Why a text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an interface (eni-0...) nor `file`")]
pub struct MirrorTargetError(String);

impl FromStr for MirrorTarget {
    type Err = MirrorTargetError;

    fn from_str(text: &str) -> Result<Self, MirrorTargetError> {
        match text {
            "file" => Ok(Self::File),
            id => id
                .parse()
                .map(Self::Interface)
                .map_err(|_| MirrorTargetError(excerpt(text))),
        }
    }
}

/// How much of a packet is copied: at least its Ethernet header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct MirrorLength(u16);

impl MirrorLength {
    /// In bytes.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl TryFrom<u32> for MirrorLength {
    type Error = RangeError;

    fn try_from(value: u32) -> Result<Self, RangeError> {
        let bytes = u16::try_from(value).ok().filter(|&bytes| bytes >= 14);
        bytes.map(Self).ok_or_else(|| RangeError {
            value: value.to_string(),
            kind: "length of mirrored packets",
            rule: "14 to 65535 bytes",
        })
    }
}

impl From<MirrorLength> for u32 {
    fn from(length: MirrorLength) -> Self {
        length.0.into()
    }
}

/// The copying of one interface's packets. A packet is copied by the first session, in the order of
/// their numbers, whose filter accepts it, and by no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorSession {
    /// Its id.
    pub id: MirrorSessionId,
    /// The VPC of source and target.
    pub vpc: VpcId,
    /// Whose packets.
    pub source: InterfaceId,
    /// Where the copies go.
    pub target: MirrorTarget,
    /// Which packets.
    pub filter: MirrorFilterId,
    /// Its place among the sessions of the source.
    pub number: MirrorNumber,
    /// How much of each packet; all of it where `None`.
    pub packet_length: Option<MirrorLength>,
    /// What the target tells sessions apart by.
    pub vni: Vni,
    /// Bookkeeping.
    pub meta: Meta,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_keep_to_their_ranges() {
        for wrong in ["0", "32767", "-1", "+1", "", "a"] {
            assert!(wrong.parse::<MirrorNumber>().is_err(), "{wrong}");
        }
        assert_eq!(
            "32766".parse::<MirrorNumber>().unwrap().to_string(),
            "32766"
        );
        assert!(MirrorLength::try_from(13).is_err() && MirrorLength::try_from(65_536).is_err());
        assert_eq!(MirrorLength::try_from(64).unwrap().get(), 64);
    }

    #[test]
    fn a_target_is_an_interface_or_a_file() {
        let interface = MirrorTarget::Interface(InterfaceId::from_bits(7));
        for target in [interface, MirrorTarget::File] {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        assert!("/etc/passwd".parse::<MirrorTarget>().is_err());
    }
}
