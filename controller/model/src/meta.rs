//! What every stored resource carries beside its own fields.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::Label;

/// The number of a committed transaction: 1 for the first, never reused. A write's revision is
/// what `wait` takes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A resource's bookkeeping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The name that a person gave it; not unique.
    pub name: Option<Label>,
    /// The transaction that made it.
    pub created: Revision,
    /// The transaction that last changed it: its etag.
    pub updated: Revision,
}

impl Meta {
    /// Of a new resource; the transaction that makes it stamps the rest.
    pub fn named(name: Option<Label>) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Takes the new name, where there is one to take.
    pub(crate) fn rename(&mut self, name: Option<Option<Label>>) {
        if let Some(name) = name {
            self.name = name;
        }
    }
}
