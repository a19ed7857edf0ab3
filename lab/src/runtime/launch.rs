//! Starting a lab's supervisor in namespaces of its own.
#![allow(unsafe_code)]

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use nix::{
    sched::{CloneFlags, unshare},
    unistd::{ForkResult, fork, getegid, geteuid, setsid},
};

use super::{dirs::LabDir, supervisor::Hello};

/// Whether a lab is root's or anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In a user namespace of its own: needs no privilege.
    Rootless,
    /// As the machine's root.
    Root,
}

impl Mode {
    /// Root's labs need no user namespace.
    pub fn default_for_user() -> Self {
        if geteuid().is_root() {
            Self::Root
        } else {
            Self::Rootless
        }
    }
}

/// Why a supervisor didn't start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Root was asked for by somebody else.
    #[error("a lab as root needs root: run it with sudo, or leave `--root` away")]
    NotRoot,
    /// The system refuses namespaces.
    #[error(
        "this system refuses namespaces to you ({0}): see `weft doctor`; often it is \
         user.max_user_namespaces, kernel.unprivileged_userns_clone or \
         kernel.apparmor_restrict_unprivileged_userns"
    )]
    Namespaces(io::Error),
    /// Ports need TAP devices.
    #[error(
        "can't open /dev/net/tun: {0}; load the `tun` module and let this user read and write it"
    )]
    Tun(io::Error),
    /// Files or processes fail.
    #[error("starting the lab's supervisor: {0}")]
    Io(#[from] io::Error),
    /// It started and gave up.
    #[error("the lab's supervisor gave up: {0}")]
    GaveUp(String),
}

/// Starts the supervisor and returns when it serves.
///
/// # Errors
/// When it doesn't come to that.
pub fn launch(dir: &LabDir, mode: Mode) -> Result<(), LaunchError> {
    if mode == Mode::Root && !geteuid().is_root() {
        return Err(LaunchError::NotRoot);
    }
    // Opening it makes no device yet; without it every vswitch would fail one by one.
    let mut tun = File::options();
    tun.read(true)
        .write(true)
        .open("/dev/net/tun")
        .map_err(LaunchError::Tun)?;
    let log = File::create(dir.log("supervisor"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["lab", "supervise"])
        .arg(dir.path())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    let isolation = Isolation {
        mode,
        uids: format!("0 {} 1", geteuid()),
        gids: format!("0 {} 1", getegid()),
        pid_file: File::create(dir.pid_file())?,
    };
    // SAFETY: the closure runs between fork and exec in a process of one thread and makes system
    // calls on what was prepared before; it takes no lock and allocates nothing.
    unsafe { command.pre_exec(move || isolation.enter()) };
    let mut child = command
        .spawn()
        .map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES | libc::ENOSPC | libc::EUSERS) => {
                LaunchError::Namespaces(error)
            }
            _ => LaunchError::Io(error),
        })?;
    let mut said = String::new();
    if let Some(stdout) = &mut child.stdout {
        stdout.read_to_string(&mut said)?;
    }
    // This is the process that only entered the namespaces; the supervisor is its child.
    child.wait()?;
    let hello: Hello =
        serde_json::from_str(said.trim()).map_err(|_| LaunchError::GaveUp(last_words(dir)))?;
    hello
        .error
        .map_or(Ok(()), |why| Err(LaunchError::GaveUp(why)))
}

fn last_words(dir: &LabDir) -> String {
    let log = std::fs::read_to_string(dir.log("supervisor")).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(3).collect();
    if tail.is_empty() {
        return "it said nothing".into();
    }
    tail.into_iter().rev().collect::<Vec<_>>().join("; ")
}

/// What the new process needs to isolate itself, made before the fork.
struct Isolation {
    mode: Mode,
    uids: String,
    gids: String,
    pid_file: File,
}

impl Isolation {
    fn enter(&self) -> io::Result<()> {
        if self.mode == Mode::Rootless {
            unshare(CloneFlags::CLONE_NEWUSER)?;
            // Without this the kernel doesn't let the unprivileged map groups (user_namespaces(7)).
            write(c"/proc/self/setgroups", "deny")?;
            write(c"/proc/self/uid_map", &self.uids)?;
            write(c"/proc/self/gid_map", &self.gids)?;
        }
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID)?;
        self.become_first()
    }

    /// The next child is the first process of the pid namespace; the caller goes on as that child.
    fn become_first(&self) -> io::Result<()> {
        // SAFETY: this process has one thread, and both sides go on with system calls only.
        match unsafe { fork() }? {
            ForkResult::Child => {
                setsid()?;
                Ok(())
            }
            ForkResult::Parent { child } => {
                let mut digits = [0; 12];
                let mut rest = &mut digits[..];
                let written = writeln!(rest, "{child}");
                let left = rest.len();
                let used = 12 - left;
                let noted = written.and_then(|()| (&self.pid_file).write_all(&digits[..used]));
                // SAFETY: ends this process without running anything of the parent's.
                unsafe { libc::_exit(i32::from(noted.is_err())) }
            }
        }
    }
}

/// Writes a file without allocating.
fn write(path: &std::ffi::CStr, text: &str) -> io::Result<()> {
    use nix::{
        fcntl::{OFlag, open},
        sys::stat::Mode,
    };
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    nix::unistd::write(&file, text.as_bytes())?;
    Ok(())
}
