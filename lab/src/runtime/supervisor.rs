//! The first process of a lab: keeps its processes, serves its socket, and takes everything with it
//! when it ends.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::Sender,
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::{
        signal::{SigSet, Signal},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};

use super::{
    dirs::LabDir, internet, link, netns, process::Processes, proxy, sessions, stage::Staged,
    wire::Stage,
};
use crate::fault::Fault;

/// The controller's port on the underlay's gateway address.
pub const CONTROLLER_PORT: u16 = 7400;

/// Connections at once on the control socket; each is a thread.
const MOST_CONNECTIONS: usize = 256;

/// A log is emptied when it grows beyond this: a chatty workload must not fill the disk.
const LONGEST_LOG: u64 = 16 << 20;

/// How long processes may take to end by themselves.
const GRACE: Duration = Duration::from_secs(2);

/// What the supervisor says to its starter, on one line.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Hello {
    /// Why it can't go on; absent if it can.
    pub error: Option<String>,
}

/// Everything that threads share.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) dir: LabDir,
    state: Mutex<State>,
    /// What the internet's routes lead to; whoever changes them holds it.
    announced: Mutex<internet::Announced>,
    /// Told when a process was started or ended.
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) processes: Processes,
    /// Programs that connections wait for.
    pub(super) sessions: HashMap<Pid, Sender<i32>>,
    pub(super) staged: Staged,
    pub(super) stage: Option<Stage>,
    /// What is wrong, by host.
    pub(super) faults: BTreeMap<String, Fault>,
    /// Counts plans of faults: the newest holds.
    pub(super) plan: u64,
}

impl Lab {
    /// The state; whoever panicked while holding it left it usable, as each change is one step.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the internet's routes lead to, as of the last whole change. Taken before the state.
    pub(super) fn announced(&self) -> MutexGuard<'_, internet::Announced> {
        let announced = self.announced.lock();
        announced.unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the reaper and the keeper.
    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }
}

/// A line for the supervisor's own log, which is its standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Runs the supervisor of the lab in that directory; called in fresh namespaces. Returns only when
/// it can't start.
pub fn run(path: &Path) -> io::Error {
    let error = match LabDir::at(path) {
        Some(dir) => match prepare(&dir) {
            Ok((listener, lock)) => serve(dir, &listener, lock),
            Err(error) => error,
        },
        None => io::Error::other("not a lab's directory"),
    };
    // Whoever doesn't hear it has gone.
    let _ = say(&Hello {
        error: Some(error.to_string()),
    });
    error
}

fn say(hello: &Hello) -> io::Result<()> {
    let line = serde_json::to_string(hello)?;
    writeln!(io::stdout(), "{line}")
}

fn context(what: &str) -> impl FnOnce(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn prepare(dir: &LabDir) -> io::Result<(UnixListener, Flock<File>)> {
    let lock = hold(dir)?;
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|e| context("making mounts private")(e.into()))?;
    let tmpfs = Some("tmpfs");
    mount(tmpfs, &dir.namespaces(), tmpfs, quiet, Some("mode=0700"))
        .map_err(|e| context("mounting a tmpfs")(e.into()))?;
    // Where the outer /proc is masked, as in some containers, the kernel refuses a new one. All but
    // `ps` inside the lab works without.
    if let Err(error) = mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        quiet | MsFlags::MS_NOEXEC,
        none,
    ) {
        note(&format!("no /proc of its own: {error}"));
    }
    // What hosts pin of the kernel's programs goes with the lab. A rootless lab may have none.
    if let Err(error) = mount(
        Some("bpf"),
        "/sys/fs/bpf",
        Some("bpf"),
        quiet | MsFlags::MS_NOEXEC,
        Some("mode=0700"),
    ) && error != nix::Error::EPERM
    {
        note(&format!("no /sys/fs/bpf of its own: {error}"));
    }
    link::loopback().map_err(context("raising loopback"))?;
    let _ = fs::remove_file(dir.control());
    let listener = UnixListener::bind(dir.control()).map_err(context("control socket"))?;
    Ok((listener, lock))
}

/// Takes the lab's lock. Whoever looks whether the lab lives holds it for a moment, so it is tried
/// for a while; and a supervisor whose starter was killed takes a moment to notice.
fn hold(dir: &LabDir) -> io::Result<Flock<File>> {
    const TRIES: u32 = 500;
    let mut file = File::create(dir.lock())?;
    for _ in 0..TRIES {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, _)) => file = back,
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(io::Error::other("another supervisor holds this lab"))
}

fn serve(dir: LabDir, listener: &UnixListener, _lock: Flock<File>) -> io::Error {
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGTERM);
    ends.add(Signal::SIGINT);
    if let Err(error) = ends.thread_block() {
        return error.into();
    }
    let lab = Arc::new(Lab {
        dir,
        state: Mutex::default(),
        announced: Mutex::default(),
        changed: Condvar::new(),
    });
    for (name, body) in [
        ("reaper", reap as fn(&Lab)),
        ("keeper", keep),
        ("internet", internet::watch),
    ] {
        let lab = Arc::clone(&lab);
        let thread = thread::Builder::new().name(name.into());
        if let Err(error) = thread.spawn(move || body(&lab)) {
            return error;
        }
    }
    let ended = Arc::clone(&lab);
    let waiter = thread::Builder::new().name("signals".into());
    let waiting = waiter.spawn(move || {
        // Nothing is left to do when waiting fails: the process ends either way.
        let _ = ends.wait();
        shut_down(&ended);
    });
    if let Err(error) = waiting {
        return error;
    }
    // A starter that was killed meanwhile may have a successor, which waits for the lock.
    if let Err(error) = say(&Hello { error: None }) {
        return error;
    }
    close_stdout();
    accept(&lab, listener)
}

/// The starter waits for the end of the standard output; from here on it is the log.
fn close_stdout() {
    let _ = nix::unistd::dup2_stdout(io::stderr());
}

fn accept(lab: &Arc<Lab>, listener: &UnixListener) -> io::Error {
    let live = Arc::new(AtomicUsize::new(0));
    loop {
        let connection = match listener.accept() {
            Ok((connection, _)) => connection,
            // Out of descriptors, say: those in use will be given back.
            Err(error) => {
                note(&format!("accepting failed: {error}"));
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        if live.load(Ordering::Relaxed) >= MOST_CONNECTIONS {
            note("refused a connection: too many");
            continue;
        }
        live.fetch_add(1, Ordering::Relaxed);
        connect(Arc::clone(lab), connection, Arc::clone(&live));
    }
}

fn connect(lab: Arc<Lab>, connection: UnixStream, live: Arc<AtomicUsize>) {
    let spawned = thread::Builder::new().spawn(move || {
        if let Err(error) = sessions::serve(&lab, &connection) {
            note(&format!("a connection ended: {error}"));
        }
        live.fetch_sub(1, Ordering::Relaxed);
    });
    if let Err(error) = spawned {
        note(&format!("no thread for a connection: {error}"));
    }
}

/// Waits for every child of the lab, orphans included.
fn reap(lab: &Lab) {
    loop {
        // Only looked at here: the child is taken below with the state held, when whoever started
        // it has noted its id. std's own wait for a failed start also happens with it held.
        match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(status) => collect(lab, status.pid()),
            Err(Errno::ECHILD) => {
                let state = lab.state();
                let pause = Duration::from_millis(100);
                drop(lab.changed.wait_timeout(state, pause));
            }
            Err(_) => {}
        }
    }
}

fn collect(lab: &Lab, pid: Option<Pid>) {
    let mut state = lab.state();
    let Ok(status) = waitpid(pid, Some(WaitPidFlag::WNOHANG)) else {
        return;
    };
    let (pid, code) = match status {
        WaitStatus::Exited(pid, code) => (pid, code),
        WaitStatus::Signaled(pid, signal, _) => (pid, 128 + signal as i32),
        _ => return,
    };
    if let Some(session) = state.sessions.remove(&pid) {
        // The connection may be gone.
        let _ = session.send(code);
    } else if state.processes.ended(pid, code, Instant::now()) {
        lab.changed.notify_all();
    }
}

/// Starts again what died, and keeps logs short.
fn keep(lab: &Lab) {
    loop {
        let mut state = lab.state();
        let now = Instant::now();
        let next = state.processes.restart_due(now);
        let logs = state.processes.logs();
        let pause = next.map_or(Duration::from_secs(1), |at| {
            at.saturating_duration_since(now)
        });
        let woken = lab
            .changed
            .wait_timeout(state, pause.min(Duration::from_secs(1)));
        drop(woken);
        for log in logs {
            shorten(&log);
        }
    }
}

fn shorten(log: &Path) {
    let long = fs::metadata(log).is_ok_and(|m| m.len() > LONGEST_LOG);
    if long && let Ok(file) = File::options().write(true).open(log) {
        // Writers append, so they go on at the new end.
        let _ = file.set_len(0);
    }
}

/// Ends everything: first by asking, then, with this process, by the kernel.
pub(super) fn shut_down(lab: &Lab) -> ! {
    lab.state().processes.terminate();
    let deadline = Instant::now() + GRACE;
    loop {
        let state = lab.state();
        let left = deadline.saturating_duration_since(Instant::now());
        if state.processes.running() == 0 || left.is_zero() {
            std::process::exit(0);
        }
        drop(
            lab.changed
                .wait_timeout(state, left.min(Duration::from_millis(100))),
        );
    }
}

/// Opens the way to the controller.
pub(super) fn open_controller(dir: &LabDir, stage: &Stage) -> io::Result<()> {
    proxy::start(
        &dir.controller(),
        SocketAddr::new(stage.gateway, CONTROLLER_PORT),
    )
}

/// A namespace of a workload on this lab's directory, loopback up.
pub(super) fn workload_netns(path: &Path, forward: bool) -> io::Result<Arc<std::os::fd::OwnedFd>> {
    netns::create(path, || {
        link::loopback()?;
        if forward {
            for (name, value) in [
                ("ipv4/ip_forward", "1"),
                ("ipv6/conf/all/forwarding", "1"),
                // What comes in by the only device leaves by it again.
                ("ipv4/conf/all/rp_filter", "0"),
                ("ipv4/conf/default/rp_filter", "0"),
                ("ipv4/conf/all/send_redirects", "0"),
                ("ipv4/conf/default/send_redirects", "0"),
            ] {
                netns::sysctl(name, value);
            }
        }
        Ok(())
    })
}
