//! Work inside another network namespace.
//!
//! `setns` moves one OS thread, so each piece of work gets a thread of its own that enters, works,
//! hands its result (file descriptors stay in the namespace they were opened in) out and ends. No
//! pooled thread is ever left in a foreign namespace.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::sched::{CloneFlags, setns};

/// Why a namespace could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// There is no such file yet.
    #[error("no namespace at {0} yet: it is tried again")]
    Absent(PathBuf),
    /// The file is there and can't be opened, or is no namespace.
    #[error("can't open the namespace {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// `setns` refused.
    #[error("can't enter the namespace {path}: {source}; {}", hint(*.source))]
    Enter {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: nix::Error,
    },
    /// No thread could be started, or it died.
    #[error("no thread for work in the namespace {0}: is the process limit reached?")]
    Thread(PathBuf),
}

fn hint(errno: nix::Error) -> &'static str {
    match errno {
        nix::Error::EPERM => {
            "CAP_SYS_ADMIN is needed here and in the user namespace that owns it: run as root or \
             in the user namespace that made it"
        }
        nix::Error::EINVAL => "the file is no network namespace (not mounted yet?)",
        _ => "see setns(2)",
    }
}

/// Which namespace a file stands for: two files with equal identities are the same namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// The identity of the namespace at `path`; `None` where there is no file.
pub fn identity(path: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    })
}

/// Runs `work` on a thread of its own inside the namespace at `path`.
///
/// # Errors
/// The namespace isn't there, can't be opened or entered, or no thread could be had.
pub fn within<T: Send>(path: &Path, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
    let file = open(path)?;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("netns".into())
            .spawn_scoped(scope, || {
                setns(&file, CloneFlags::CLONE_NEWNET).map_err(|source| NetnsError::Enter {
                    path: path.to_owned(),
                    source,
                })?;
                Ok(work())
            });
        let handle = thread.map_err(|_| NetnsError::Thread(path.to_owned()))?;
        handle
            .join()
            .unwrap_or_else(|_| Err(NetnsError::Thread(path.to_owned())))
    })
}

/// Opens the namespace at `path`, to name it to netlink.
pub(crate) fn open(path: &Path) -> Result<File, NetnsError> {
    File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => NetnsError::Absent(path.to_owned()),
        _ => NetnsError::Open {
            path: path.to_owned(),
            source,
        },
    })
}
