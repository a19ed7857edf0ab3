//! What every stored resource carries beside its own fields.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::name::{Label, TagKey, TagValue};

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

/// What people and programs file resources under.
pub type Tags = BTreeMap<TagKey, TagValue>;

/// The tag that is a resource's name.
const NAME: &str = "Name";

/// A resource's bookkeeping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The name that a person gave it; not unique.
    pub name: Option<Label>,
    /// What it is for, in a person's words, of kinds that have no such field of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Label>,
    /// The transaction that made it.
    pub created: Revision,
    /// The transaction that last changed it: its etag.
    pub updated: Revision,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Whether it came with its region: the VPC, or the zone's subnet, of whoever names none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preset: bool,
}

impl Meta {
    /// Of a new resource; the transaction that makes it stamps the rest.
    pub fn named(name: Option<Label>) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Its tags, its name among them: what people see is the tag `Name`.
    pub fn all_tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let name = self.name.iter().map(|name| (NAME, name.as_str()));
        let tags = self.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        name.chain(tags)
    }

    /// How many tags it has, the name counted.
    pub fn tag_count(&self) -> usize {
        self.tags.len() + usize::from(self.name.is_some())
    }

    /// Puts a tag on it; `Name` names it.
    pub fn put_tag(&mut self, key: TagKey, value: TagValue) {
        if key.as_str() == NAME {
            self.name = Some(value.into());
        } else {
            self.tags.insert(key, value);
        }
    }

    /// Takes a tag off, where it has that value.
    pub fn drop_tag(&mut self, key: &TagKey, value: Option<&TagValue>) {
        let fits = |old: &str| value.is_none_or(|value| value.as_str() == old);
        if key.as_str() == NAME {
            self.name.take_if(|name| fits(name.as_str()));
        } else if self.tags.get(key).is_some_and(|old| fits(old.as_str())) {
            self.tags.remove(key);
        }
    }

    /// Takes the new name, where there is one to take.
    pub(crate) fn rename(&mut self, name: Option<Option<Label>>) {
        if let Some(name) = name {
            self.name = name;
        }
    }
}
