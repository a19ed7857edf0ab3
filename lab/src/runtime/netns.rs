//! Network namespaces: made on a thread of their own, kept by a file, entered by threads and by
//! new processes.
#![allow(unsafe_code)]

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::Path,
    process::Command,
    sync::Arc,
    thread,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::signal::SigSet,
};

/// Runs `work` on a thread inside the namespace. `setns` moves one thread, so no thread that is
/// used again may do it.
pub(crate) fn inside<T: Send>(
    netns: &OwnedFd,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    on_own_thread(|| {
        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET)?;
        work()
    })
}

fn on_own_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let handle = thread::Builder::new().spawn_scoped(scope, work)?;
        handle
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the namespace's thread panicked")))
    })
}

/// Makes a namespace, keeps it at `path`, prepares it by `work` and opens it.
pub(crate) fn create(
    path: &Path,
    work: impl FnOnce() -> io::Result<()> + Send,
) -> io::Result<Arc<OwnedFd>> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    File::create(path)?;
    on_own_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let own = Path::new("/proc/thread-self/ns/net");
        mount(
            Some(own),
            path,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )?;
        work()
    })?;
    open(path)
}

/// Opens the namespace kept at `path`.
pub(crate) fn open(path: &Path) -> io::Result<Arc<OwnedFd>> {
    Ok(Arc::new(File::open(path)?.into()))
}

/// Lets go of the namespace kept at `path`; it ends with its last process.
pub(crate) fn remove(path: &Path) {
    // Both fail only where there is nothing left to remove.
    let _ = umount2(path, MntFlags::MNT_DETACH);
    let _ = fs::remove_file(path);
}

/// Sets a network setting of the calling thread's namespace. Machines that mount /proc/sys
/// read-only keep their defaults.
pub(crate) fn sysctl(name: &str, value: &str) {
    let _ = fs::write(Path::new("/proc/sys/net").join(name), value);
}

/// Makes the command start inside the namespace and in its own session, so that everything that it
/// starts can be signalled together; with the standard input as controlling terminal if `tty`.
pub(crate) fn enter(command: &mut Command, netns: Option<Arc<OwnedFd>>, tty: bool) {
    let prepare = move || {
        if let Some(netns) = &netns {
            setns(netns.as_fd(), CloneFlags::CLONE_NEWNET)?;
        }
        nix::unistd::setsid()?;
        // The supervisor's threads block the signals that it waits for; a child inherits that.
        SigSet::empty().thread_set_mask()?;
        if tty {
            claim_terminal()?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls only; it allocates nothing and
    // takes no lock.
    unsafe { command.pre_exec(prepare) };
}

fn claim_terminal() -> io::Result<()> {
    let stdin = io::stdin();
    // SAFETY: TIOCSCTTY takes an integer argument, and descriptor 0 is open in the new process.
    let answer = unsafe { libc::ioctl(stdin.as_raw_fd(), libc::TIOCSCTTY, 0) };
    nix::errno::Errno::result(answer)?;
    Ok(())
}
