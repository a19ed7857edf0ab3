//! What one host has yet to hear: one session of the stream, without the stream.
//!
//! Edits wait by key, the newest only, so a slow host costs memory by the number of its keys and
//! not by the number of changes. What waits is cut into a batch: upserts in the order of the kinds
//! first, removals in the reverse order last, so that nothing refers to what isn't there. A batch
//! goes out in updates of bounded size, one in flight until its acknowledgement.
//!
//! A host that is not connected has nothing waiting. When it comes back it says what it holds,
//! and gets what differs.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use weft_model::{Revision, state::StateKey};

use crate::{
    item::Item,
    plan::{Edit, Edits},
};

mod outcome;
#[cfg(test)]
mod tests;

pub use outcome::{Counters, Refusal, UnexpectedAck};

/// Bytes of one update at most, unless a single resource is larger: well below gRPC's customary
/// cap of 4 MiB per message.
pub const UPDATE_LIMIT: usize = 1 << 20;

/// What an update's own fields and its message take of the limit.
const ENVELOPE: usize = 64;

/// Bytes of a removal beside the name that it carries: the kind, tags and lengths.
const KEY_OVERHEAD: usize = 24;

/// Bytes of a refusal's reason that are kept.
const REASON_LIMIT: usize = 512;

/// What goes to the host next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update<B> {
    /// Pairs it with its acknowledgement.
    pub nonce: u64,
    /// Everything up to this revision is in, once the batch's last update is applied.
    pub revision: Revision,
    /// New or newer, in the order to apply.
    pub upserts: Vec<Arc<Item<B>>>,
    /// No longer the host's business, in the order to apply, after the upserts.
    pub removals: Vec<StateKey>,
    /// Another update of this batch follows.
    pub more: bool,
}

/// How a vswitch introduces itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// Drawn when its process started.
    pub instance: u64,
    /// The versions that it holds.
    pub held: BTreeMap<StateKey, u64>,
}

/// An edit on its way.
type Entry<B> = (StateKey, Edit<B>);

#[derive(Debug)]
struct Flight {
    nonce: u64,
    keys: BTreeSet<StateKey>,
}

/// One host's session.
#[derive(Debug)]
pub struct HostQueue<B> {
    waiting: Edits<B>,
    /// The oldest revision with an edit in `waiting`.
    waiting_since: Option<Revision>,
    batch: VecDeque<Entry<B>>,
    /// The oldest revision with an edit in the batch or in flight.
    batch_since: Option<Revision>,
    batch_revision: Revision,
    flight: Option<Flight>,
    nonce: u64,
    /// The newest revision whose edits were enqueued.
    revision: Revision,
    connected: bool,
    /// While not connected: the oldest revision that the host may lack.
    behind: Option<Revision>,
    instance: Option<u64>,
    refused: BTreeMap<StateKey, Refusal>,
    counters: Counters,
}

/// Coming, going, changing.
impl<B> HostQueue<B> {
    /// A host that has not connected yet; `behind` where it must hold something, since nobody
    /// knows whether it does.
    pub const fn new(behind: Option<Revision>) -> Self {
        Self {
            waiting: BTreeMap::new(),
            waiting_since: None,
            batch: VecDeque::new(),
            batch_since: None,
            batch_revision: Revision(0),
            flight: None,
            nonce: 0,
            revision: Revision(0),
            connected: false,
            behind,
            instance: None,
            refused: BTreeMap::new(),
            counters: Counters::ZERO,
        }
    }

    /// The host is there. What it must hold (`desired`) and doesn't will be sent, what it holds
    /// and must not will be removed, and what it holds rightly costs nothing.
    pub fn connect(&mut self, hello: &Hello, desired: &[Arc<Item<B>>], revision: Revision) {
        self.disconnect();
        let same_process = self.instance == Some(hello.instance);
        self.keep_refusals(desired, same_process);
        for item in desired {
            let held = hello.held.get(&item.key) == Some(&item.version);
            let refused = self
                .refused
                .get(&item.key)
                .is_some_and(|r| r.version == item.version);
            if !held && !refused {
                self.waiting
                    .insert(item.key.clone(), Edit::Upsert(Arc::clone(item)));
            }
        }
        let wanted = |key: &StateKey| desired.binary_search_by(|item| item.key.cmp(key)).is_ok();
        for key in hello.held.keys().filter(|key| !wanted(key)) {
            self.waiting.insert(key.clone(), Edit::Remove);
        }
        // What an empty-handed host had applied is lost: no revision is applied there any more.
        let since = self.behind.take().filter(|_| !hello.held.is_empty());
        self.waiting_since = (!self.waiting.is_empty()).then(|| since.unwrap_or_default());
        self.instance = Some(hello.instance);
        self.revision = revision;
        self.connected = true;
        self.counters.resyncs += 1;
    }

    /// A refused version is offered again to another process only: that may be a newer build.
    fn keep_refusals(&mut self, desired: &[Arc<Item<B>>], same_process: bool) {
        let still = |key: &StateKey, refusal: &Refusal| {
            let at = desired.binary_search_by(|item| item.key.cmp(key));
            at.is_ok_and(|at| desired[at].version == refusal.version)
        };
        self.refused
            .retain(|key, refusal| same_process && still(key, refusal));
    }

    /// The host is gone; it will say what it holds when it is back.
    pub fn disconnect(&mut self) {
        self.behind = self.oldest();
        self.connected = false;
        self.waiting = BTreeMap::new();
        self.waiting_since = None;
        self.batch = VecDeque::new();
        self.batch_since = None;
        self.flight = None;
    }

    /// One revision's edits for the host. Revisions come in their order.
    pub fn enqueue(&mut self, revision: Revision, edits: Edits<B>) {
        self.revision = revision;
        if edits.is_empty() {
            return;
        }
        if !self.connected {
            self.behind.get_or_insert(revision);
            return;
        }
        self.waiting_since.get_or_insert(revision);
        self.waiting.extend(edits);
    }
}

/// Sending.
impl<B> HostQueue<B> {
    /// Whether [`Self::next_update`] has something.
    pub fn is_ready(&self) -> bool {
        self.flight.is_none() && !(self.batch.is_empty() && self.waiting.is_empty())
    }

    /// The next update; `None` while one is in flight or nothing waits.
    pub fn next_update(&mut self) -> Option<Update<B>> {
        if !self.is_ready() {
            return None;
        }
        if self.batch.is_empty() {
            self.cut_batch();
        }
        self.nonce += 1;
        let (update, size) = self.fill();
        let removals = update.removals.iter().cloned();
        let upserts = update.upserts.iter().map(|item| item.key.clone());
        self.flight = Some(Flight {
            nonce: self.nonce,
            keys: upserts.chain(removals).collect(),
        });
        self.counters.count_update(&update, size);
        Some(update)
    }

    fn cut_batch(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let (upserts, mut removals): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, edit)| matches!(edit, Edit::Upsert(_)));
        removals.reverse();
        self.batch = upserts.into_iter().chain(removals).collect();
        self.batch_since = self.waiting_since.take();
        self.batch_revision = self.revision;
    }

    /// Takes from the batch what fits; at least one, however large.
    fn fill(&mut self) -> (Update<B>, usize) {
        let mut update = Update {
            nonce: self.nonce,
            revision: self.batch_revision,
            upserts: Vec::new(),
            removals: Vec::new(),
            more: false,
        };
        let mut size = ENVELOPE;
        while let Some((key, edit)) = self.batch.pop_front() {
            let more = size_of_edit(&key, &edit);
            if size > ENVELOPE && size + more > UPDATE_LIMIT {
                self.batch.push_front((key, edit));
                break;
            }
            size += more;
            match edit {
                Edit::Upsert(item) => update.upserts.push(item),
                Edit::Remove => update.removals.push(key),
            }
        }
        update.more = !self.batch.is_empty();
        (update, size)
    }

    /// The host has applied the update of this nonce but for what it refused.
    ///
    /// # Errors
    /// When no update of this nonce is in flight; nothing is changed then.
    pub fn ack(
        &mut self,
        nonce: u64,
        refused: impl IntoIterator<Item = (StateKey, Refusal)>,
    ) -> Result<(), UnexpectedAck> {
        let in_flight = self.flight.as_ref().map(|flight| flight.nonce);
        let Some(flight) = self.flight.take_if(|flight| flight.nonce == nonce) else {
            return Err(UnexpectedAck { nonce, in_flight });
        };
        for key in &flight.keys {
            self.refused.remove(key);
        }
        for (key, refusal) in refused {
            // A refusal of what was not sent says nothing, and would be kept for ever.
            if flight.keys.contains(&key) {
                self.refused.insert(key, refusal.shortened(REASON_LIMIT));
                self.counters.nacks += 1;
            }
        }
        self.counters.acks += 1;
        if self.batch.is_empty() {
            self.batch_since = None;
        }
        Ok(())
    }
}

fn size_of_edit<B>(key: &StateKey, edit: &Edit<B>) -> usize {
    match edit {
        Edit::Upsert(item) => item.size,
        Edit::Remove => KEY_OVERHEAD + key.name().len(),
    }
}

/// Asking.
impl<B> HostQueue<B> {
    /// The oldest revision of which the host may still lack something: it is done with every
    /// revision before. `None` where it is done with all.
    pub fn oldest(&self) -> Option<Revision> {
        if self.connected {
            self.batch_since.or(self.waiting_since)
        } else {
            self.behind
        }
    }

    /// Keys that wait to be sent or acknowledged; a host that is not connected has none waiting.
    pub fn pending(&self) -> usize {
        let in_flight = self.flight.as_ref().map_or(0, |flight| flight.keys.len());
        self.waiting.len() + self.batch.len() + in_flight
    }

    /// Whether the host is there.
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    /// What the host refused, and still would have to hold.
    pub const fn refused(&self) -> &BTreeMap<StateKey, Refusal> {
        &self.refused
    }

    /// What happened so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }
}
