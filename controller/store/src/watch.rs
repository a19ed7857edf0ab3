//! Watching commits: a bounded queue per watcher. One that lags is told so and loads again; it
//! never makes the writer wait.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use weft_model::{Change, Revision};

use crate::StoreError;

/// A committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its number.
    pub revision: Revision,
    /// What it changed, stamped.
    pub changes: Arc<[Change]>,
}

/// Why a watch gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// More commits came than the queue holds. The watch has ended: load, then watch from there.
    #[error("the watch fell more than {limit} commits behind; load again")]
    Lagged {
        /// How many commits a watch may be behind.
        limit: usize,
    },
    /// The store is closed and every commit was given.
    #[error("the store is closed")]
    Closed,
}

#[derive(Debug, Default)]
struct Queue {
    /// Commits up to this one are known to the watcher.
    after: Revision,
    commits: VecDeque<Commit>,
    lagged: bool,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

impl Shared {
    /// A panic elsewhere can't leave the queue half-changed: each change is one call.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A view of the commits after some revision, each once and in order.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    limit: usize,
}

impl Watch {
    /// The next commit; `None` when none came within `timeout`.
    ///
    /// # Errors
    /// When the watch has ended.
    pub fn next(&self, timeout: Duration) -> Result<Option<Commit>, WatchError> {
        let queue = self.shared.lock();
        let idle = |q: &mut Queue| q.commits.is_empty() && !q.lagged && !q.closed;
        let waited = self.shared.arrived.wait_timeout_while(queue, timeout, idle);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if queue.lagged {
            return Err(WatchError::Lagged { limit: self.limit });
        }
        match queue.commits.pop_front() {
            None if queue.closed => Err(WatchError::Closed),
            commit => Ok(commit),
        }
    }
}

/// The writer's side: who watches, and the commits that a new watch may still begin from.
#[derive(Debug)]
pub(crate) struct Broadcast {
    history: VecDeque<Commit>,
    newest: Revision,
    watchers: Vec<Weak<Shared>>,
    limit: usize,
}

impl Broadcast {
    /// Of a store whose newest commit is `newest`; histories and queues hold `limit` commits.
    pub(crate) fn new(newest: Revision, limit: usize) -> Self {
        Self {
            history: VecDeque::new(),
            newest,
            watchers: Vec::new(),
            limit,
        }
    }

    /// Tells every watcher.
    pub(crate) fn publish(&mut self, commit: Commit) {
        self.newest = commit.revision;
        let limit = self.limit;
        self.watchers.retain(|watcher| {
            let Some(shared) = watcher.upgrade() else {
                return false;
            };
            push(&shared, &commit, limit)
        });
        if self.history.len() == self.limit {
            self.history.pop_front();
        }
        self.history.push_back(commit);
    }

    /// A watch from `after` on.
    pub(crate) fn watch(&mut self, after: Revision) -> Result<Watch, StoreError> {
        let oldest = self.history.front().map_or(self.newest, |commit| {
            Revision(commit.revision.0.saturating_sub(1))
        });
        if after < oldest {
            return Err(StoreError::Compacted { after, oldest });
        }
        let missed = self.history.iter().filter(|c| c.revision > after).cloned();
        let queue = Queue {
            after,
            commits: missed.collect(),
            ..Queue::default()
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            arrived: Condvar::new(),
        });
        self.watchers.push(Arc::downgrade(&shared));
        Ok(Watch {
            shared,
            limit: self.limit,
        })
    }
}

/// Whether the watcher still wants more.
fn push(shared: &Shared, commit: &Commit, limit: usize) -> bool {
    let mut queue = shared.lock();
    if commit.revision <= queue.after {
        // A load can be ahead of what watchers were told.
        return true;
    }
    if queue.commits.len() >= limit {
        queue.lagged = true;
        queue.commits.clear();
    } else {
        queue.commits.push_back(commit.clone());
    }
    shared.arrived.notify_all();
    !queue.lagged
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        for shared in self.watchers.iter().filter_map(Weak::upgrade) {
            shared.lock().closed = true;
            shared.arrived.notify_all();
        }
    }
}
