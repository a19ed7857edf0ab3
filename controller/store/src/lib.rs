//! Where a cloud is kept: transactions with revisions, receipts that make a repeated request
//! safe, and a watch over what is committed.
#![forbid(unsafe_code)]

mod error;
mod memory;
pub mod redb;
mod stage;
#[cfg(test)]
mod tests;
mod watch;

use weft_model::{Change, Resource, Revision};

pub use self::{
    error::StoreError,
    memory::MemoryStore,
    redb::RedbStore,
    watch::{Commit, Watch, WatchError},
};

/// Everything that is stored, as of one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The newest committed transaction; 0 where there is none.
    pub revision: Revision,
    /// Every resource, kinds in the order of [`weft_model::Kind::ALL`], then by key.
    pub resources: Vec<Resource>,
}

/// The proof that a request was carried out: its answer, to give again when it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The id that the caller chose for the request; 1 to [`MAX_REQUEST_ID`] bytes.
    pub request_id: String,
    /// A digest of the request, to tell a repetition from another request with the same id.
    pub digest: u64,
    /// The transaction that carried it out. [`Store::commit`] fills it in.
    pub revision: Revision,
    /// The answer, encoded by the caller.
    pub answer: Vec<u8>,
}

/// The longest request id, in bytes.
pub const MAX_REQUEST_ID: usize = 255;

/// How many receipts are kept by default: the newest ones. At a thousand writes per second, a
/// caller has ten seconds to repeat a request; at human pace, days.
pub const DEFAULT_RECEIPTS: u64 = 10_000;

/// One transaction: all of it is committed, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// What changes; at most one change per resource. Revisions in their bookkeeping are stamped
    /// at commit.
    pub changes: Vec<Change>,
    /// The receipt of the request that it carries out.
    pub receipt: Option<Receipt>,
}

/// A store: durable, with one writer. All methods block; call them from a thread that may.
pub trait Store: Send + Sync {
    /// Everything, as of the newest revision.
    ///
    /// # Errors
    /// When the storage fails or holds what can't be read.
    fn load(&self) -> Result<Snapshot, StoreError>;

    /// Commits transactions in order, each with its own revision, durably and at once: when this
    /// returns `Ok` all of them outlive a crash, and when it returns `Err` none happened (a
    /// failing disk aside: [`StoreError::Backend`] says that nobody knows).
    ///
    /// The revisions follow the newest one without a gap, so the caller can foretell them, and
    /// [`Change::stamp`] gives the caller's copy what is stored.
    ///
    /// # Errors
    /// When a transaction doesn't fit what is stored, or the storage fails.
    fn commit(&self, batch: Vec<Txn>) -> Result<Vec<Revision>, StoreError>;

    /// The receipt of a request, if it is among those kept.
    ///
    /// # Errors
    /// When the storage fails.
    fn receipt(&self, request_id: &str) -> Result<Option<Receipt>, StoreError>;

    /// The commits after `after`, each once and in order, from now on.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] when commits after `after` are no longer at hand: load, and watch
    /// from there.
    fn watch(&self, after: Revision) -> Result<Watch, StoreError>;
}
