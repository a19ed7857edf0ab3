//! Opening the file: making it whole or not at all, and refusing what isn't sound or isn't ours.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use ::redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableError};

use super::{
    SCHEMA_VERSION, failed,
    table::{META, SCHEMA, Tables},
};
use crate::StoreError;

/// Opens the file, making it first where it isn't there.
pub(super) fn open(path: &Path, cache: usize) -> Result<Database, StoreError> {
    if !path.try_exists().map_err(failed_io("look for the store"))? {
        make(path, cache)?;
    }
    let database = builder(cache).open(path).map_err(|e| refused(path, e))?;
    check_schema(path, &database)?;
    Ok(database)
}

fn builder(cache: usize) -> Builder {
    let mut builder = Builder::new();
    // Without the check, redb trusts a file that was closed cleanly, and panics if it shouldn't.
    builder
        .set_cache_size(cache)
        .set_check_integrity_on_open(true);
    builder
}

/// Makes an empty store beside the path and gives it the name when it is whole on disk: a crash
/// on the way leaves no file of that name.
fn make(path: &Path, cache: usize) -> Result<(), StoreError> {
    let draft = draft_of(path);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed_io("remove an unfinished store")(error));
        }
        _ => {}
    }
    let database = builder(cache)
        .create(&draft)
        .map_err(|e| refused(&draft, e))?;
    let transaction = database.begin_write().map_err(failed("begin a write"))?;
    Tables::open(&transaction)?.set_schema(SCHEMA_VERSION)?;
    transaction.commit().map_err(failed("commit"))?;
    database.close().map_err(failed("close the new store"))?;
    publish(&draft, path).map_err(failed_io("give the new store its name"))
}

/// The process's own, so that two that start at once don't write the same file.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    path.with_file_name(name)
}

/// A link fails where the name is taken, so a store that another process made meanwhile is never
/// replaced: the caller opens that one.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Ok(()) => fs::remove_file(draft)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(draft)?,
        // A file system without links (FAT, some network ones).
        Err(_) => fs::rename(draft, path)?,
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // The name is durable when the directory is.
    File::open(directory)?.sync_all()
}

fn refused(path: &Path, error: DatabaseError) -> StoreError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::Locked { path },
        DatabaseError::RepairAborted
        | DatabaseError::UpgradeRequired(_)
        | DatabaseError::LockProtocolMismatch
        | DatabaseError::Storage(StorageError::Corrupted(_)) => StoreError::Damaged {
            path,
            detail: error.to_string(),
        },
        // What redb says of a file that isn't its own, or that ends before its header does.
        DatabaseError::Storage(StorageError::Io(io))
            if matches!(
                io.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            StoreError::Damaged {
                path,
                detail: io.to_string(),
            }
        }
        other => failed("open the store")(other),
    }
}

fn check_schema(path: &Path, database: &Database) -> Result<(), StoreError> {
    let damaged = |detail: String| StoreError::Damaged {
        path: path.to_owned(),
        detail,
    };
    let transaction = database.begin_read().map_err(failed("begin a read"))?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(failed("open the store's record")(error)),
        Err(other) => return Err(damaged(format!("it is another program's: {other}"))),
    };
    let row = meta
        .get(SCHEMA)
        .map_err(failed("read the schema version"))?;
    match row.map(|row| row.value()) {
        Some(SCHEMA_VERSION) => Ok(()),
        Some(found) => Err(StoreError::Schema {
            path: path.to_owned(),
            found,
            supported: SCHEMA_VERSION,
        }),
        None => Err(damaged("it has no schema version".to_owned())),
    }
}

fn failed_io(what: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |error| failed(what)(::redb::Error::Io(error))
}
