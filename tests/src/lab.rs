//! A lab of a test.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    User, eventually,
    program::{Finished, run},
    running::Running,
};

/// What any command on a lab may take; `up` waits for hosts by itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// A lab of a test: it goes away with this value, whatever happens.
#[derive(Debug)]
pub struct Lab {
    user: User,
    /// Its name, nobody else's.
    pub name: String,
    _turn: Option<Flock<File>>,
}

/// Labs are heavy, and wait much: on a small machine two tests at a time have some. Files' locks,
/// since runners may put each test in a process of its own.
fn turn() -> Flock<File> {
    const SEATS: usize = 2;
    let take = |seat: usize| {
        let name = format!("weft-tests-{}-{seat}.lock", nix::unistd::geteuid());
        let path = std::env::temp_dir().join(name);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()
    };
    loop {
        if let Some(lock) = (0..SEATS).find_map(take) {
            return lock;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn unique() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    format!(
        "t{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

impl Lab {
    /// A name and a turn; nothing is up yet.
    pub fn new(user: User) -> Self {
        let turn = turn();
        Self {
            user,
            name: unique(),
            _turn: Some(turn),
        }
    }

    /// A lab with that topology (a scenario's name, or a file's text) up.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub fn up(user: User, topology: &str) -> Self {
        let lab = Self::new(user);
        lab.bring_up(topology).ok();
        lab
    }

    /// Runs `weft lab up`.
    pub fn bring_up(&self, topology: &str) -> Finished {
        run(self.up_command(topology), b"", PATIENCE)
    }

    /// `weft lab up` with that topology, not started.
    pub fn up_command(&self, topology: &str) -> Command {
        let source = self.source(topology);
        let mut command = self.user.weft();
        command
            .args(["lab", "up"])
            .arg(source)
            .args(["--name", &self.name]);
        command
    }

    /// Text of more than a line is a file's.
    fn source(&self, topology: &str) -> PathBuf {
        if topology.contains('\n') {
            return self.user.file(&format!("{}.yaml", self.name), topology);
        }
        topology.into()
    }

    /// Another lab of the same user; this one must outlive it.
    ///
    /// # Panics
    /// When the user has been taken for another lab already.
    pub fn beside(&self, mode_user: User) -> Self {
        Self {
            user: mode_user,
            name: unique(),
            _turn: None,
        }
    }

    /// Who runs it.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Its directory.
    pub fn dir(&self) -> PathBuf {
        self.user.labs().join(&self.name)
    }

    /// `weft --lab NAME ARGUMENTS`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.user.weft();
        command.args(["--lab", &self.name]).args(arguments);
        command
    }

    /// Runs `weft --lab NAME ARGUMENTS` to its end.
    pub fn weft(&self, arguments: &[&str]) -> Finished {
        run(self.command(arguments), b"", PATIENCE)
    }

    /// The JSON that a command prints.
    ///
    /// # Panics
    /// When it fails, or prints something else.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.weft(&[&["-o", "json"], arguments].concat()).ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// A program in a workload, not started.
    pub fn exec_command(&self, workload: &str, program: &[&str]) -> Command {
        let mut command = self.command(&["lab", "exec", workload, "--"]);
        command.args(program);
        command
    }

    /// Runs a program in a workload to its end.
    pub fn exec(&self, workload: &str, program: &[&str]) -> Finished {
        run(self.exec_command(workload, program), b"", PATIENCE)
    }

    /// The tests' own program in a workload: what it printed, trimmed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn peer(&self, workload: &str, arguments: &[&str]) -> String {
        self.try_peer(workload, arguments).ok().trim().to_owned()
    }

    /// The same, failed or not.
    pub fn try_peer(&self, workload: &str, arguments: &[&str]) -> Finished {
        run(self.peer_command(workload, arguments), b"", PATIENCE)
    }

    fn peer_command(&self, workload: &str, arguments: &[&str]) -> Command {
        let peer = self.user.peer().display().to_string();
        self.exec_command(workload, &[&[peer.as_str()], arguments].concat())
    }

    /// The tests' own program in a workload, running beside the test.
    pub fn start_peer(&self, workload: &str, arguments: &[&str]) -> Running {
        Running::start(self.peer_command(workload, arguments))
    }

    /// Servers for the peers on these ports.
    pub fn serve(&self, workload: &str, ports: &[&str]) -> Running {
        let server = self.start_peer(workload, &[&["serve"], ports].concat());
        server.expect("ready");
        server
    }

    /// The addresses of a workload's first device: IPv4's, and IPv6's if it has one.
    ///
    /// # Panics
    /// When there is no such interface.
    pub fn addresses(&self, workload: &str) -> (String, Option<String>) {
        let interface = self.interface(workload);
        let ipv6 = interface["ipv6"][0].as_str().map(str::to_owned);
        (interface["ipv4"].as_str().unwrap().to_owned(), ipv6)
    }

    /// The interface that has the workload's name.
    ///
    /// # Panics
    /// When there is none.
    pub fn interface(&self, workload: &str) -> Value {
        self.named("interface", workload)
    }

    /// The resource of that kind with that name.
    ///
    /// # Panics
    /// When there is none.
    pub fn named(&self, kind: &str, name: &str) -> Value {
        let all = self.json(&[kind, "list"]);
        let is = |item: &&Value| item["meta"]["name"] == name || item["group_name"] == name;
        let found = all.as_array().unwrap().iter().find(is);
        found
            .unwrap_or_else(|| panic!("no {kind} is called {name}: {all:#}"))
            .clone()
    }

    /// Sends a signal to one of the lab's processes.
    pub fn signal(&self, process: &str, signal: &str) {
        self.weft(&["lab", "signal", process, signal]).ok();
    }

    /// Kills a process of the lab with SIGKILL and waits for its successor.
    ///
    /// # Panics
    /// When none comes.
    pub fn kill(&self, process: &str) {
        let before = self.restarts(process);
        self.signal(process, "KILL");
        eventually("started again", Duration::from_secs(20), || {
            (self.restarts(process)? > before?).then_some(())
        });
    }

    /// How often a process was started again; `None` while it is not running.
    fn restarts(&self, process: &str) -> Option<u64> {
        let all = self.json(&["lab", "status"]);
        let found = all
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["name"] == process)
            .cloned();
        let found = found.unwrap_or_else(|| panic!("no process {process}: {all:#}"));
        (found["state"] == "running").then(|| found["restarts"].as_u64().unwrap())
    }

    /// The supervisor's process id, as this process sees it.
    ///
    /// # Panics
    /// When the lab isn't up.
    pub fn supervisor(&self) -> Pid {
        let text = fs::read_to_string(self.dir().join("pid")).unwrap();
        Pid::from_raw(text.trim().parse().unwrap())
    }

    /// Kills the supervisor, and so everything.
    ///
    /// # Panics
    /// When it isn't there.
    pub fn kill_everything(&self) {
        kill(self.supervisor(), Signal::SIGKILL).unwrap();
    }

    /// Runs `weft lab down`.
    pub fn down(&self) -> Finished {
        let mut command = self.user.weft();
        command.args(["lab", "down", &self.name]);
        run(command, b"", PATIENCE)
    }

    /// The last lines of every log, for a failed test.
    fn last_words(&self) -> String {
        let mut text = String::new();
        let logs = fs::read_dir(self.dir().join("log"))
            .into_iter()
            .flatten()
            .flatten();
        for log in logs {
            let said = fs::read_to_string(log.path()).unwrap_or_default();
            let lines: Vec<&str> = said.lines().rev().take(12).collect();
            let lines: Vec<&str> = lines.into_iter().rev().collect();
            text += &format!("-- {}\n{}\n", name_of(&log.path()), lines.join("\n"));
        }
        text
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.dir().exists() {
            return;
        }
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
        let mut command = self.user.weft();
        command.args(["lab", "down", &self.name]);
        let done = command.output();
        if !std::thread::panicking() {
            assert!(
                done.is_ok_and(|output| output.status.success()),
                "{} stays",
                self.name
            );
        }
    }
}
