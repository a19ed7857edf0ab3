//! The processes that a lab keeps: started again when they die, as a service manager would.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{netns, wire::ProcessStatus};

/// The first pause before a dead process is started again; it doubles with each death.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Having lived this long, a process is thought healthy and its pause starts anew.
const HEALTHY: Duration = Duration::from_secs(10);

/// How to start a process.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) netns: Option<Arc<OwnedFd>>,
    pub(super) log: PathBuf,
    /// Where it starts, if it has a place of its own.
    pub(super) home: Option<Home>,
    /// Whether it is started again when it ends.
    pub(super) keep: bool,
}

/// A process's own directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) path: PathBuf,
    /// What lies there before it starts, by the files' names.
    pub(super) files: BTreeMap<String, String>,
}

impl Home {
    fn furnish(&self) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        for (name, text) in &self.files {
            fs::write(self.path.join(name), text)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running(Pid, Instant),
    Waiting(Instant),
    Ended,
}

#[derive(Debug)]
struct Process {
    spec: Spec,
    life: Life,
    restarts: u32,
    pause: Duration,
    last_exit: Option<i32>,
}

/// All kept processes by name.
#[derive(Debug, Default)]
pub(super) struct Processes {
    all: BTreeMap<String, Process>,
}

impl Processes {
    /// Starts a process, unless one of that name runs the same program on the same files.
    pub(super) fn ensure(&mut self, name: &str, spec: Spec) -> io::Result<()> {
        if let Some(old) = self.all.get(name) {
            let same = old.spec.argv == spec.argv && old.spec.home == spec.home;
            if same && old.life != Life::Ended {
                return Ok(());
            }
            self.remove(name);
        }
        let pid = start(&spec)?;
        let process = Process {
            spec,
            life: Life::Running(pid, Instant::now()),
            restarts: 0,
            pause: FIRST_PAUSE,
            last_exit: None,
        };
        self.all.insert(name.to_owned(), process);
        Ok(())
    }

    /// Ends a process and forgets it.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some(process) = self.all.remove(name)
            && let Life::Running(pid, _) = process.life
        {
            signal_group(pid, Signal::SIGKILL);
        }
    }

    /// Forgets all whose name `unwanted` says.
    pub(super) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        let names: Vec<String> = self.all.keys().filter(|n| !wanted(n)).cloned().collect();
        for name in names {
            self.remove(&name);
        }
    }

    /// Sends a signal to a process by name; `false` if none of that name runs.
    pub(super) fn signal(&self, name: &str, signal: Signal) -> bool {
        match self.all.get(name).map(|p| p.life) {
            Some(Life::Running(pid, _)) => kill(pid, signal).is_ok(),
            _ => false,
        }
    }

    /// Asks all to end.
    pub(super) fn terminate(&mut self) {
        for process in self.all.values_mut() {
            process.spec.keep = false;
            if let Life::Running(pid, _) = process.life {
                signal_group(pid, Signal::SIGTERM);
            }
        }
    }

    /// Whether a process of that name runs.
    pub(super) fn runs(&self, name: &str) -> bool {
        let process = self.all.get(name);
        process.is_some_and(|p| matches!(p.life, Life::Running(..)))
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        let runs = |p: &&Process| matches!(p.life, Life::Running(..));
        self.all.values().filter(runs).count()
    }

    /// Notes the end of a process; `false` if the id is none of ours.
    pub(super) fn ended(&mut self, pid: Pid, code: i32, now: Instant) -> bool {
        let mut mine = self.all.values_mut().filter_map(|p| match p.life {
            Life::Running(id, since) if id == pid => Some((p, since)),
            _ => None,
        });
        let Some((process, since)) = mine.next() else {
            return false;
        };
        process.last_exit = Some(code);
        if !process.spec.keep {
            process.life = Life::Ended;
            return true;
        }
        if now.duration_since(since) >= HEALTHY {
            process.pause = FIRST_PAUSE;
        }
        process.life = Life::Waiting(now + process.pause);
        process.pause = (process.pause * 2).min(LONGEST_PAUSE);
        true
    }

    /// Starts what is due; answers when the next is.
    pub(super) fn restart_due(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for (name, process) in &mut self.all {
            let Life::Waiting(at) = process.life else {
                continue;
            };
            if at > now {
                next = Some(next.map_or(at, |n| n.min(at)));
                continue;
            }
            process.restarts += 1;
            process.life = match start(&process.spec) {
                Ok(pid) => Life::Running(pid, now),
                Err(error) => {
                    super::supervisor::note(&format!("{name} can't be started: {error}"));
                    Life::Waiting(now + LONGEST_PAUSE)
                }
            };
        }
        next
    }

    /// The logs in use.
    pub(super) fn logs(&self) -> Vec<PathBuf> {
        self.all.values().map(|p| p.spec.log.clone()).collect()
    }

    /// What runs, for people.
    pub(super) fn status(&self) -> Vec<ProcessStatus> {
        self.all.iter().map(|(name, p)| status(name, p)).collect()
    }
}

fn status(name: &str, process: &Process) -> ProcessStatus {
    let (state, pid) = match process.life {
        Life::Running(pid, _) => ("running", Some(pid.as_raw())),
        Life::Waiting(_) => ("waiting", None),
        Life::Ended => ("exited", None),
    };
    ProcessStatus {
        name: name.to_owned(),
        state: state.to_owned(),
        pid,
        restarts: process.restarts,
        last_exit: process.last_exit,
    }
}

fn start(spec: &Spec) -> io::Result<Pid> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&spec.log)?;
    let mut command = command(&spec.argv)?;
    command
        .envs(&spec.env)
        // Logs are read in files too, where colours are noise.
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    if let Some(home) = &spec.home {
        home.furnish()?;
        command.current_dir(&home.path);
    }
    netns::enter(&mut command, spec.netns.clone(), false);
    spawn(&mut command)
}

/// The command of a non-empty argument list.
pub(super) fn command(argv: &[String]) -> io::Result<Command> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program was given"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// Starts a command; the supervisor's reaper waits for it.
pub(super) fn spawn(command: &mut Command) -> io::Result<Pid> {
    let child = command.spawn()?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

/// Signals a process and everything that it started in its session's group.
pub(super) fn signal_group(pid: Pid, signal: Signal) {
    // It may have ended meanwhile.
    let _ = kill(Pid::from_raw(-pid.as_raw()), signal);
}
