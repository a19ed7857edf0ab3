//! Prefix lists: named sets of prefixes that security group rules and routes refer to.

use serde::{Deserialize, Serialize};

use crate::{
    cidr::Prefix,
    id::PrefixListId,
    meta::Meta,
    name::{Label, RegionName},
};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family's name in the API.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }

    /// The family of a prefix.
    pub fn of(prefix: Prefix) -> Self {
        if prefix.is_v6() {
            Self::Ipv6
        } else {
            Self::Ipv4
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.text())
    }
}

/// Why a text is no family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address family is ipv4 or ipv6")]
pub struct FamilyError;

impl std::str::FromStr for Family {
    type Err = FamilyError;

    fn from_str(text: &str) -> Result<Self, FamilyError> {
        match text {
            "ipv4" => Ok(Self::Ipv4),
            "ipv6" => Ok(Self::Ipv6),
            _ => Err(FamilyError),
        }
    }
}

/// One prefix of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixListEntry {
    /// The prefix, of the list's family.
    pub prefix: Prefix,
    /// Whose it is, in a person's words.
    pub description: Option<Label>,
}

/// A list of prefixes of one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixList {
    /// Its id.
    pub id: PrefixListId,
    /// The region whose VPCs may refer to it.
    pub region: RegionName,
    /// The family of all its prefixes.
    pub family: Family,
    /// How many entries it may have: what a rule or a route that names it counts for.
    pub max_entries: u32,
    /// The prefixes, each once, in their order.
    pub entries: Vec<PrefixListEntry>,
    /// Bookkeeping.
    pub meta: Meta,
}

impl PrefixList {
    /// Its prefixes.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.entries.iter().map(|entry| entry.prefix)
    }
}
