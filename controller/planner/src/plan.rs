//! What a change means for each host.

use std::{collections::BTreeMap, sync::Arc};

use weft_model::{HostName, state::StateKey};

use crate::item::Item;

/// What becomes of one piece of a host's state.
#[derive(Debug)]
pub enum Edit<B> {
    /// New, or newer than what the host holds.
    Upsert(Arc<Item<B>>),
    /// No longer the host's business.
    Remove,
}

impl<B> Clone for Edit<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Upsert(item) => Self::Upsert(Arc::clone(item)),
            Self::Remove => Self::Remove,
        }
    }
}

/// One host's edits, the last word on each key.
pub type Edits<B> = BTreeMap<StateKey, Edit<B>>;

/// The hosts that a change concerns, each with its edits.
#[derive(Debug)]
pub struct Plan<B> {
    hosts: BTreeMap<HostName, Edits<B>>,
    /// While the first cloud is read nobody is told: hosts ask for all of it when they connect.
    muted: bool,
}

impl<B> Plan<B> {
    pub(crate) const fn new() -> Self {
        Self {
            hosts: BTreeMap::new(),
            muted: false,
        }
    }

    pub(crate) const fn muted() -> Self {
        Self {
            hosts: BTreeMap::new(),
            muted: true,
        }
    }

    pub(crate) const fn is_muted(&self) -> bool {
        self.muted
    }

    pub(crate) fn upsert(&mut self, host: &HostName, item: &Arc<Item<B>>) {
        self.edit(host, item.key.clone(), Edit::Upsert(Arc::clone(item)));
    }

    pub(crate) fn remove(&mut self, host: &HostName, key: StateKey) {
        self.edit(host, key, Edit::Remove);
    }

    fn edit(&mut self, host: &HostName, key: StateKey, edit: Edit<B>) {
        if self.muted {
            return;
        }
        let edits = match self.hosts.get_mut(host) {
            Some(edits) => edits,
            None => self.hosts.entry(host.clone()).or_default(),
        };
        edits.insert(key, edit);
    }

    /// The hosts concerned.
    pub fn hosts(&self) -> impl Iterator<Item = &HostName> {
        self.hosts.keys()
    }

    /// What the host must be told; `None` where nothing.
    pub fn edits(&self, host: &HostName) -> Option<&Edits<B>> {
        self.hosts.get(host)
    }
}

impl<B> IntoIterator for Plan<B> {
    type Item = (HostName, Edits<B>);
    type IntoIter = std::collections::btree_map::IntoIter<HostName, Edits<B>>;

    fn into_iter(self) -> Self::IntoIter {
        self.hosts.into_iter()
    }
}
