//! The store in one file, by redb: copy-on-write B-trees, checksummed, with commits that are on
//! disk before they are acknowledged.
//!
//! Resources are stored as JSON. A commit waits for the disk a thousand times longer than for the
//! encoder, and in return a damaged or questioned store can be read with any tool, and a field
//! added later needs no migration.

mod file;
mod table;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ::redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};
use weft_model::{Resource, Revision};

use self::table::Tables;
use crate::{
    Commit, DEFAULT_RECEIPTS, Receipt, Snapshot, Store, StoreError, Txn, Watch, stage::stage,
    watch::Broadcast,
};

/// The layout that this program reads and writes.
pub const SCHEMA_VERSION: u64 = 2;

/// How many commits a watch may lag, and how far back a new one may begin. A commit is a few
/// kilobytes, so a watcher holds a few megabytes at the worst.
pub const DEFAULT_BACKLOG: usize = 1_024;

/// What a store may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many receipts are kept.
    pub receipts: u64,
    /// How many commits a watch may lag.
    pub backlog: usize,
    /// Memory for pages of the file, in bytes. Everything is loaded once at start and then held
    /// by the caller, so the cache serves the writer alone.
    pub cache: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            receipts: DEFAULT_RECEIPTS,
            backlog: DEFAULT_BACKLOG,
            cache: 64 << 20,
        }
    }
}

/// A store in one file. The file is locked while it is open: one process at a time.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    receipts: u64,
    /// Held from before a commit until watchers are told, so that they hear in order.
    writer: Mutex<()>,
    broadcast: Mutex<Broadcast>,
}

impl RedbStore {
    /// Opens the store in the file, or makes it there; the directory must exist.
    ///
    /// After a crash the file is checked and repaired first; that reads all of it.
    ///
    /// # Errors
    /// When another process has it open, it is damaged, or another version wrote it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, &Options::default())
    }

    /// Like [`RedbStore::open`], with other bounds.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(path: impl AsRef<Path>, options: &Options) -> Result<Self, StoreError> {
        let database = file::open(path.as_ref(), options.cache)?;
        let newest = table::revision(&begin_read(&database)?)?;
        Ok(Self {
            database,
            receipts: options.receipts,
            writer: Mutex::new(()),
            broadcast: Mutex::new(Broadcast::new(newest, options.backlog)),
        })
    }

    fn write(&self, batch: Vec<Txn>) -> Result<Vec<Commit>, StoreError> {
        let transaction = self
            .database
            .begin_write()
            .map_err(failed("begin a write"))?;
        let commits = write_all(&transaction, batch, self.receipts)?;
        transaction.commit().map_err(failed("commit"))?;
        Ok(commits)
    }

    fn broadcast(&self) -> MutexGuard<'_, Broadcast> {
        lock(&self.broadcast)
    }
}

impl Store for RedbStore {
    fn load(&self) -> Result<Snapshot, StoreError> {
        let transaction = begin_read(&self.database)?;
        let table = transaction
            .open_table(table::RESOURCES)
            .map_err(failed("open the resources"))?;
        let rows = table.iter().map_err(failed("read the resources"))?;
        let resources = rows.map(|row| {
            let (key, value) = row.map_err(failed("read a resource"))?;
            table::decode(key.value(), value.value())
        });
        Ok(Snapshot {
            revision: table::revision(&transaction)?,
            resources: resources.collect::<Result<Vec<Resource>, _>>()?,
        })
    }

    fn commit(&self, batch: Vec<Txn>) -> Result<Vec<Revision>, StoreError> {
        let _writer = lock(&self.writer);
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let commits = self.write(batch)?;
        let revisions = commits.iter().map(|commit| commit.revision).collect();
        let mut broadcast = self.broadcast();
        for commit in commits {
            broadcast.publish(commit);
        }
        Ok(revisions)
    }

    fn receipt(&self, request_id: &str) -> Result<Option<Receipt>, StoreError> {
        table::receipt(&begin_read(&self.database)?, request_id)
    }

    fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
        self.broadcast().watch(after)
    }
}

/// Writes every transaction of the batch. On an error the caller drops the write transaction,
/// which undoes them all.
fn write_all(
    transaction: &WriteTransaction,
    batch: Vec<Txn>,
    receipts: u64,
) -> Result<Vec<Commit>, StoreError> {
    let mut tables = Tables::open(transaction)?;
    let mut revision = tables.revision()?;
    let mut commits = Vec::with_capacity(batch.len());
    for txn in batch {
        revision = Revision(revision.0 + 1);
        let staged = stage(txn, revision)?;
        for (key, change) in staged.keys.iter().zip(&staged.txn.changes) {
            tables.put(key, change)?;
        }
        if let Some(receipt) = &staged.txn.receipt {
            tables.put_receipt(receipt, receipts)?;
        }
        commits.push(Commit {
            revision,
            changes: Arc::from(staged.txn.changes),
        });
    }
    tables.set_revision(revision)?;
    Ok(commits)
}

fn begin_read(database: &Database) -> Result<::redb::ReadTransaction, StoreError> {
    database.begin_read().map_err(failed("begin a read"))
}

/// What a panic elsewhere left behind the locks is whole: a redb transaction that is dropped is
/// undone, and each change of the broadcast is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Turns any of redb's errors into the store's, saying what was being done.
fn failed<E: Into<::redb::Error>>(what: &'static str) -> impl FnOnce(E) -> StoreError {
    move |source| StoreError::Backend {
        what,
        source: Box::new(source.into()),
    }
}
