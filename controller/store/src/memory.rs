//! A store without a disk: for simulations and tests, where a crash is the end of the process
//! that holds it. It keeps the same contract but durability.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use weft_model::{Resource, ResourceKey, Revision};

use crate::{
    Commit, DEFAULT_RECEIPTS, Receipt, Snapshot, Store, StoreError, Txn, Watch,
    redb::DEFAULT_BACKLOG,
    stage::{Staged, check_fit, stage},
    watch::Broadcast,
};

#[derive(Debug, Clone, Default)]
struct State {
    revision: Revision,
    resources: BTreeMap<ResourceKey, Resource>,
    receipts: VecDeque<Receipt>,
}

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<(State, Broadcast)>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let broadcast = Broadcast::new(Revision(0), DEFAULT_BACKLOG);
        Self {
            state: Mutex::new((State::default(), broadcast)),
        }
    }

    /// A panic elsewhere leaves nothing half done: a commit that fails is undone in place.
    fn lock(&self) -> MutexGuard<'_, (State, Broadcast)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Snapshot, StoreError> {
        let guard = self.lock();
        Ok(Snapshot {
            revision: guard.0.revision,
            resources: guard.0.resources.values().cloned().collect(),
        })
    }

    fn commit(&self, batch: Vec<Txn>) -> Result<Vec<Revision>, StoreError> {
        let mut guard = self.lock();
        let (state, broadcast) = &mut *guard;
        let (commits, receipts) = state.write_all(batch)?;
        let revisions = commits.iter().map(|commit| commit.revision).collect();
        state.keep(receipts);
        for commit in commits {
            broadcast.publish(commit);
        }
        Ok(revisions)
    }

    fn receipt(&self, request_id: &str) -> Result<Option<Receipt>, StoreError> {
        let guard = self.lock();
        let mut newest_first = guard.0.receipts.iter().rev();
        Ok(newest_first
            .find(|receipt| receipt.request_id == request_id)
            .cloned())
    }

    fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
        self.lock().1.watch(after)
    }
}

/// What a key held before a transaction.
type Undo = (ResourceKey, Option<Resource>);

impl State {
    /// Writes every transaction of the batch, or none.
    fn write_all(&mut self, batch: Vec<Txn>) -> Result<(Vec<Commit>, Vec<Receipt>), StoreError> {
        let first = self.revision;
        let mut undo = Vec::new();
        let mut receipts = Vec::new();
        let mut commits = Vec::with_capacity(batch.len());
        for txn in batch {
            match self.write(txn, &mut undo) {
                Ok((commit, receipt)) => {
                    commits.push(commit);
                    receipts.extend(receipt);
                }
                Err(error) => {
                    self.undo(first, undo);
                    return Err(error);
                }
            }
        }
        Ok((commits, receipts))
    }

    fn write(
        &mut self,
        txn: Txn,
        undo: &mut Vec<Undo>,
    ) -> Result<(Commit, Option<Receipt>), StoreError> {
        let revision = Revision(self.revision.0 + 1);
        let Staged { txn, keys } = stage(txn, revision)?;
        for (key, change) in keys.into_iter().zip(&txn.changes) {
            let old = match &change.after {
                Some(after) => self.resources.insert(key.clone(), after.clone()),
                None => self.resources.remove(&key),
            };
            let fit = check_fit(&key, change.before.as_ref(), old.is_some());
            undo.push((key, old));
            fit?;
        }
        self.revision = revision;
        let changes = Arc::from(txn.changes);
        Ok((Commit { revision, changes }, txn.receipt))
    }

    fn undo(&mut self, revision: Revision, undo: Vec<Undo>) {
        for (key, old) in undo.into_iter().rev() {
            match old {
                Some(old) => self.resources.insert(key, old),
                None => self.resources.remove(&key),
            };
        }
        self.revision = revision;
    }

    fn keep(&mut self, receipts: Vec<Receipt>) {
        self.receipts.extend(receipts);
        while self.receipts.len() as u64 > DEFAULT_RECEIPTS {
            self.receipts.pop_front();
        }
    }
}
