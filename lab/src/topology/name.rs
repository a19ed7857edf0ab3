//! Names: of labs, and of what is in them.

use std::{fmt, str::FromStr};

use weft_model::HostName;

/// A lab's name: part of paths of unix sockets, which are short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabName(String);

impl LabName {
    /// Of a lab whose file names none.
    pub(super) fn unnamed() -> Self {
        Self("unnamed".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for LabName {
    type Err = ItemNameError;

    fn from_str(text: &str) -> Result<Self, ItemNameError> {
        if text.len() <= 32 {
            return text.parse::<ItemName>().map(|name| Self(name.0));
        }
        Err(ItemNameError {
            text: text.chars().take(40).collect(),
            longest: 32,
        })
    }
}

/// The name of anything in a topology: of a VPC, a subnet, a group, a workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemName(String);

impl ItemName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a name: use 1 to {longest} lower-case letters, digits and inner dashes")]
pub struct ItemNameError {
    text: String,
    longest: usize,
}

impl FromStr for ItemName {
    type Err = ItemNameError;

    fn from_str(text: &str) -> Result<Self, ItemNameError> {
        // A host's name is an RFC 1123 label, and so is everything else here: workloads give their
        // names to namespaces, log files and processes.
        if text.parse::<HostName>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err(ItemNameError {
            text: text
                .chars()
                .take(64)
                .flat_map(char::escape_default)
                .collect(),
            longest: 63,
        })
    }
}
