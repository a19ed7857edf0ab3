//! What can go wrong with a store.

use std::path::PathBuf;

use weft_model::{ResourceKey, Revision};

/// Why a store can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error(
        "{} is open in another process: one controller at a time writes a store; stop the other \
         or give this one its own --data directory", .path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is there but can't be a store, or is damaged.
    #[error(
        "{} is not a sound store: {detail}; restore it from a copy, or move it away to start \
         empty", .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the storage engine found.
        detail: String,
    },
    /// The file was written by a version with another layout.
    #[error(
        "{} has schema version {found}, and this program reads version {supported}: {}",
        .path.display(),
        if found > supported { "run a newer weft" } else { "upgrade it with an older weft first" }
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// The version that this program reads and writes.
        supported: u64,
    },
    /// A stored value can't be decoded.
    #[error("the stored {what} can't be read: {source}")]
    Decode {
        /// What was being read.
        what: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// A value can't be encoded.
    #[error("{what} can't be encoded: {source}")]
    Encode {
        /// What was being written.
        what: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// A transaction creates what exists, or changes or deletes what doesn't. Nothing was written.
    #[error("the transaction doesn't fit the store: {} {key} {}", .key.kind().text(),
        if *exists { "exists already" } else { "doesn't exist" })]
    Conflict {
        /// The resource.
        key: ResourceKey,
        /// Whether it exists in the store.
        exists: bool,
    },
    /// A change says nothing, a resource changes twice, or changes its key. Nothing was written.
    #[error("the transaction is malformed: {0}")]
    Malformed(String),
    /// A request id of no or too many bytes. Nothing was written.
    #[error("a request id has 1 to {} bytes, not {length}", crate::MAX_REQUEST_ID)]
    RequestId {
        /// The bytes of the one given.
        length: usize,
    },
    /// The commits wanted are no longer at hand.
    #[error("commits up to {oldest} are no longer at hand to a watch from {after}: load again")]
    Compacted {
        /// Where the watch was to begin.
        after: Revision,
        /// The newest commit that is gone.
        oldest: Revision,
    },
    /// The operating system or the storage engine failed. Whether the transaction under way is
    /// stored shows when the store is opened again.
    #[error("{what}: {source}")]
    Backend {
        /// What was being done.
        what: &'static str,
        /// What failed.
        source: Box<::redb::Error>,
    },
}
