//! A network namespace by its file, and work done inside it.

use std::{fs::File, path::Path, thread};

use nix::sched::{CloneFlags, setns, unshare};

use crate::{BenchError, io};

/// An open network namespace; it lives while this is open.
#[derive(Debug)]
pub struct Netns(File);

impl Netns {
    /// Opens the one behind a file, as `/run/netns/web`.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn open(path: &Path) -> Result<Self, BenchError> {
        File::open(path)
            .map(Self)
            .map_err(io("open a network namespace"))
    }

    /// Makes a new one.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN in the user namespace.
    pub fn create() -> Result<Self, BenchError> {
        let made = thread::scope(|scope| {
            scope
                .spawn(|| {
                    unshare(CloneFlags::CLONE_NEWNET)?;
                    File::open("/proc/thread-self/ns/net")
                })
                .join()
                .expect("the thread only makes two system calls")
        });
        made.map(Self).map_err(io("make a network namespace"))
    }

    /// The same one, held open once more.
    ///
    /// # Errors
    /// When this process has too many open files.
    pub fn again(&self) -> Result<Self, BenchError> {
        self.0
            .try_clone()
            .map(Self)
            .map_err(io("hold a network namespace open"))
    }

    /// Does `work` on a thread of its own inside the namespace. Threads that it spawns are inside
    /// too.
    ///
    /// # Errors
    /// When the namespace can't be entered, or as `work`.
    ///
    /// # Panics
    /// When `work` does.
    pub fn run<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, BenchError> + Send,
    ) -> Result<T, BenchError> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter()?;
                work()
            });
            inside
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread, for good.
    ///
    /// # Errors
    /// When the namespace can't be entered.
    pub fn enter(&self) -> Result<(), BenchError> {
        setns(&self.0, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| io("enter a network namespace")(errno.into()))
    }

    /// The open file, to move a device into the namespace.
    pub fn file(&self) -> &File {
        &self.0
    }
}
