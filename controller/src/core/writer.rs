//! The writer's thread: takes what is queued, works it out on its own copy of the cloud, commits
//! it as one group, then shows it to readers and hosts, and answers.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, PoisonError, RwLock, mpsc::Receiver},
    time::Instant,
};

use tokio::sync::oneshot;
use tracing::Span;
use weft_model::{
    Change, Revision,
    ops::{Settings, lease},
};
use weft_store::{Receipt, Store, StoreError, Txn};

use super::{Downstream, Request, View, Work, WriteError, stats::Stats};

/// Writes in one commit at most: enough to share a flush, few enough to keep the first from
/// waiting for the last.
const GROUP: usize = 64;

/// A write on its way, and where its answer goes.
pub(super) struct Write {
    pub(super) request: Option<Request>,
    pub(super) work: Box<dyn Work>,
    pub(super) reply: Reply,
    /// The call that it is part of, for traces.
    pub(super) caller: Span,
}

type Outcome = Result<Vec<u8>, WriteError>;
type Reply = oneshot::Sender<Outcome>;

/// What the queue carries.
pub(super) enum Message {
    Write(Write),
    /// Carry out what came before, and end.
    Close,
}

/// The state of the writer's thread.
pub(super) struct Writer {
    /// What readers see: committed.
    view: Arc<RwLock<View>>,
    /// What the next write sees: `view` and the writes before it in the group.
    staged: View,
    store: Box<dyn Store>,
    settings: Settings,
    downstream: Arc<dyn Downstream>,
    entropy: Box<dyn FnMut() -> u64 + Send>,
    stats: Arc<Stats>,
}

/// Writes worked out but not committed. No answer goes out before the commit: even a refusal may
/// rest on a write of the group.
#[derive(Default)]
struct Group {
    txns: Vec<Txn>,
    outcomes: Vec<(Reply, Outcome)>,
    /// Whose writes they are.
    callers: Vec<Span>,
}

impl Writer {
    pub(super) fn new(
        view: Arc<RwLock<View>>,
        store: Box<dyn Store>,
        settings: Settings,
        downstream: Arc<dyn Downstream>,
    ) -> Self {
        let committed = view.read().unwrap_or_else(PoisonError::into_inner);
        let staged = View {
            cloud: committed.cloud.clone(),
            revision: committed.revision,
        };
        drop(committed);
        Self {
            view,
            staged,
            store,
            settings,
            downstream,
            entropy: Box::new(entropy()),
            stats: Arc::default(),
        }
    }

    /// Counting there.
    pub(super) fn with_stats(mut self, stats: Arc<Stats>) -> Self {
        self.stats = stats;
        self
    }

    /// Works until the queue closes.
    ///
    /// A store's failure ends it: whether the group is on disk is then not known, so memory can't
    /// be trusted any more. Dropped replies tell the callers.
    pub(super) fn run(mut self, queue: &Receiver<Message>) -> Result<(), StoreError> {
        while let Ok(first) = queue.recv() {
            let mut messages = std::iter::once(first).chain(queue.try_iter()).take(GROUP);
            let mut group = Group::default();
            let mut close = false;
            for message in &mut messages {
                match message {
                    Message::Write(write) => {
                        self.stats.taken();
                        self.stage(write, &mut group)?;
                    }
                    Message::Close => {
                        close = true;
                        break;
                    }
                }
            }
            self.commit(group)?;
            if close {
                break;
            }
        }
        Ok(())
    }

    /// Works one write out.
    fn stage(&mut self, write: Write, group: &mut Group) -> Result<(), StoreError> {
        if write.reply.is_closed() {
            // The caller has gone, and nobody has been told that anything happened.
            return Ok(());
        }
        let _inside = tracing::info_span!(parent: &write.caller, "stage").entered();
        let (outcome, count) = match self.answered(write.request.as_ref(), group)? {
            Some(outcome) => (outcome, &self.stats.repeated),
            None => match self.carry_out(write.request, write.work, group) {
                Ok(answer) => (Ok(answer), &self.stats.committed),
                Err(error) => (Err(error), &self.stats.refused),
            },
        };
        Stats::add(count);
        group.callers.push(write.caller);
        group.outcomes.push((write.reply, outcome));
        Ok(())
    }

    /// The outcome of a request whose id is known already.
    fn answered(
        &self,
        request: Option<&Request>,
        group: &Group,
    ) -> Result<Option<Outcome>, StoreError> {
        let Some(request) = request else {
            return Ok(None);
        };
        let id = request.id.as_str();
        let mut in_group = group.txns.iter().filter_map(|txn| txn.receipt.as_ref());
        let receipt = match in_group.find(|receipt| receipt.request_id == id) {
            Some(receipt) => Some(receipt.clone()),
            None => self.store.receipt(id)?,
        };
        Ok(receipt.map(|receipt| {
            if receipt.digest == request.digest {
                Ok(receipt.answer)
            } else {
                Err(WriteError::RequestIdReused(request.id.clone()))
            }
        }))
    }

    fn carry_out(
        &mut self,
        request: Option<Request>,
        work: Box<dyn Work>,
        group: &mut Group,
    ) -> Outcome {
        let View { cloud, .. } = &self.staged;
        let (mut changes, render) = work.work(cloud, &self.settings, &mut self.entropy)?;
        let revision = Revision(self.staged.revision.0 + 1);
        stamp(&mut changes, revision);
        self.staged.cloud.apply(&changes);
        let mut leases = lease::follow(&self.staged.cloud, &changes);
        stamp(&mut leases, revision);
        self.staged.cloud.apply(&leases);
        changes.extend(leases);
        self.staged.revision = revision;
        let answer = render(&self.staged, &changes);
        group.txns.push(Txn {
            receipt: request.map(|request| receipt(&request, revision, &answer)),
            changes,
        });
        Ok(answer)
    }

    fn commit(&self, group: Group) -> Result<(), StoreError> {
        let changes: Vec<_> = group.txns.iter().map(|txn| txn.changes.clone()).collect();
        let _inside = group.span().entered();
        let revisions = if group.txns.is_empty() {
            Vec::new()
        } else {
            let began = Instant::now();
            let revisions = self.store.commit(group.txns)?;
            self.stats.commit.observe(began.elapsed().as_secs_f64());
            revisions
        };
        debug_assert!(
            revisions
                .last()
                .is_none_or(|last| *last == self.staged.revision)
        );
        for (revision, changes) in revisions.into_iter().zip(changes) {
            self.publish(revision, &changes);
        }
        for (reply, outcome) in group.outcomes {
            // A caller that has gone can ask again with its request id.
            let _ = reply.send(outcome);
        }
        Ok(())
    }

    /// To readers first: whoever hears of a revision finds it.
    fn publish(&self, revision: Revision, changes: &[Change]) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        view.cloud.apply(changes);
        view.revision = revision;
        drop(view);
        let _inside = tracing::info_span!("plan", %revision, changes = changes.len()).entered();
        let began = Instant::now();
        self.downstream.commit(revision, changes);
        self.stats.plan.observe(began.elapsed().as_secs_f64());
    }
}

impl Group {
    /// The span of its commit: part of the first write's trace, and linked to the others'.
    fn span(&self) -> Span {
        let first = self.callers.first().and_then(Span::id);
        let span = tracing::info_span!(parent: first, "commit", writes = self.txns.len());
        for caller in self.callers.iter().skip(1) {
            span.follows_from(caller.id());
        }
        span
    }
}

fn stamp(changes: &mut [Change], revision: Revision) {
    for change in changes {
        change.stamp(revision);
    }
}

fn receipt(request: &Request, revision: Revision, answer: &[u8]) -> Receipt {
    Receipt {
        request_id: request.id.to_string(),
        digest: request.digest,
        revision,
        answer: answer.to_vec(),
    }
}

/// 64 unpredictable bits a call: SipHash of a counter, under a key that the standard library took
/// from the operating system.
fn entropy() -> impl FnMut() -> u64 {
    let keyed = RandomState::new();
    let mut calls = 0u64;
    move || {
        calls += 1;
        keyed.hash_one(calls)
    }
}
