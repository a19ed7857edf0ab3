//! Network ACLs: stateless rules at a subnet's boundary, the lowest number first.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    cidr::Prefix,
    group::PortMatch,
    id::{NetworkAclId, VpcId, excerpt},
    meta::Meta,
    net::RangeError,
};

/// An entry's number: 1 to 32766. The lowest is looked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct AclNumber(u16);

impl AclNumber {
    /// The highest number; what no entry matches is denied by `*`, which comes after it.
    pub const MAX: u16 = 32_766;

    /// The number of the entry that a VPC's default ACL starts with.
    pub const DEFAULT: Self = Self(100);

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for AclNumber {
    type Error = RangeError;

    fn try_from(value: u16) -> Result<Self, RangeError> {
        if (1..=Self::MAX).contains(&value) {
            return Ok(Self(value));
        }
        Err(out_of_range(&value.to_string()))
    }
}

impl From<AclNumber> for u16 {
    fn from(number: AclNumber) -> u16 {
        number.0
    }
}

impl fmt::Display for AclNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AclNumber {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse::<u16>().ok()).flatten();
        number.map_or_else(|| Err(out_of_range(&excerpt(text))), Self::try_from)
    }
}

fn out_of_range(value: &str) -> RangeError {
    RangeError {
        value: value.to_owned(),
        kind: "network ACL entry's number",
        rule: "1 to 32766",
    }
}

/// What an entry does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AclAction {
    /// Lets it pass.
    Allow,
    /// Drops it.
    Deny,
}

/// One numbered entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclEntry {
    /// Its place: unique in its direction and family.
    pub number: AclNumber,
    /// What it does.
    pub action: AclAction,
    /// What traffic: ports are the destination's.
    pub traffic: PortMatch,
    /// From where (ingress) or to where (egress); it says the family too.
    pub prefix: Prefix,
}

impl AclEntry {
    /// Its place in its direction: IPv4's entries come before IPv6's, each in their order.
    pub fn place(&self) -> (bool, AclNumber) {
        (self.prefix.is_v6(), self.number)
    }
}

/// The entries that subnets associated with it have at their boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAcl {
    /// Its id.
    pub id: NetworkAclId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// For what comes into a subnet, in the order of [`AclEntry::place`].
    pub ingress: Vec<AclEntry>,
    /// For what leaves a subnet, in the same order.
    pub egress: Vec<AclEntry>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// Which way traffic crosses a subnet's boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Into the subnet.
    Ingress,
    /// Out of it.
    Egress,
}

impl Direction {
    /// The direction's name in the API.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl NetworkAcl {
    /// The entries of one direction.
    pub fn entries(&self, direction: Direction) -> &[AclEntry] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The entries of one direction, to change.
    pub fn entries_mut(&mut self, direction: Direction) -> &mut Vec<AclEntry> {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }
}
