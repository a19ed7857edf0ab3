//! One vswitch per host: the lock in the run directory.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};

/// Why the run directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It can't be made, or its lock file can't be opened.
    #[error("the run directory {} can't be used: {source}; name another one with --run-dir", .dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another vswitch has it.
    #[error(
        "another vswitch of this host runs already (process {holder}, run directory {}): stop it \
         first, or give this one its own --host and --run-dir",
        .dir.display()
    )]
    Held {
        /// The directory.
        dir: PathBuf,
        /// Its process id, as it wrote it.
        holder: String,
    },
}

/// Holds the run directory until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: Flock<File>,
}

impl RunLock {
    pub(crate) fn take(dir: &Path) -> Result<Self, LockError> {
        let error = |source| LockError::Directory {
            dir: dir.to_owned(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(error)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock"))
            .map_err(error)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                write_holder(&mut file).map_err(error)?;
                Ok(Self { _file: file })
            }
            Err((mut file, _)) => Err(LockError::Held {
                dir: dir.to_owned(),
                holder: read_holder(&mut file),
            }),
        }
    }
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    // A process id has at most 7 digits; what else is there is not worth showing.
    let read = file.take(16).read_to_string(&mut text);
    match read {
        Ok(1..) if text.bytes().all(|b| b.is_ascii_digit()) => text,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_vswitch_of_the_same_host_is_refused_with_the_first_ones_process() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunLock::take(dir.path()).unwrap();
        let error = RunLock::take(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        RunLock::take(dir.path()).unwrap();
    }
}
