//! Where labs keep their files, and which of them live.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{Flock, FlockArg},
    unistd::geteuid,
};
use weft_model::HostName;

use crate::topology::{ItemName, LabName};

/// Bytes of a unix socket's path (`sun_path` in unix(7)), its NUL counted.
const SOCKET_PATH: usize = 108;

/// Why the labs' directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// No place for it.
    #[error("no directory for labs: set XDG_RUNTIME_DIR, HOME or WEFT_LAB_DIR")]
    NoHome,
    /// The directory can't be made, read or removed.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Sockets below it would not fit.
    #[error("{path}: too long for unix sockets below it; set WEFT_LAB_DIR to a shorter path")]
    TooLong {
        /// Which.
        path: PathBuf,
    },
}

impl DirError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// The directory that holds one directory per lab.
#[derive(Debug, Clone)]
pub struct Labs {
    root: PathBuf,
}

impl Labs {
    /// `WEFT_LAB_DIR`, or the user's runtime directory; `/run/weft/labs` for root.
    ///
    /// # Errors
    /// When there is no such place or it can't be made.
    pub fn open() -> Result<Self, DirError> {
        let root = Self::place().ok_or(DirError::NoHome)?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&root).map_err(DirError::io(&root))?;
        let root = fs::canonicalize(&root).map_err(DirError::io(&root))?;
        Ok(Self { root })
    }

    fn place() -> Option<PathBuf> {
        let var = |name| std::env::var_os(name).map(PathBuf::from);
        if let Some(dir) = var("WEFT_LAB_DIR") {
            return Some(dir);
        }
        if geteuid().is_root() {
            return Some(PathBuf::from("/run/weft/labs"));
        }
        if let Some(dir) = var("XDG_RUNTIME_DIR") {
            return Some(dir.join("weft/labs"));
        }
        var("HOME").map(|home| home.join(".local/state/weft/labs"))
    }

    /// The directory of a lab, which may not exist.
    pub fn lab(&self, name: &LabName) -> LabDir {
        LabDir {
            name: name.clone(),
            path: self.root.join(name.as_str()),
        }
    }

    /// Every lab that has a directory, by name.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn list(&self) -> Result<Vec<LabDir>, DirError> {
        let mut labs = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(DirError::io(&self.root))? {
            let entry = entry.map_err(DirError::io(&self.root))?;
            if let Some(name) = entry.file_name().to_str().and_then(|n| n.parse().ok()) {
                labs.push(self.lab(&name));
            }
        }
        labs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(labs)
    }
}

/// One lab's directory.
#[derive(Debug, Clone)]
pub struct LabDir {
    /// The lab.
    pub name: LabName,
    path: PathBuf,
}

impl LabDir {
    /// The directory at that path, its last part being the lab's name.
    pub fn at(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.parse().ok()?;
        Some(Self {
            name,
            path: path.to_owned(),
        })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The supervisor's socket.
    pub fn control(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// A socket that leads to the controller's API.
    pub fn controller(&self) -> PathBuf {
        self.path.join("controller.sock")
    }

    /// What `WEFT_CONTROLLER` should be.
    pub fn controller_uri(&self) -> String {
        format!("unix://{}", self.controller().display())
    }

    /// The controller's store.
    pub fn data(&self) -> PathBuf {
        self.path.join("controller")
    }

    /// The runtime directory of a host's vswitch.
    pub fn run(&self, host: &HostName) -> PathBuf {
        self.path.join("run").join(host.as_str())
    }

    /// The configuration of a host's routing daemon, or of the internet's.
    pub fn routing(&self, place: &str) -> PathBuf {
        self.path
            .join("run/bird")
            .join(place)
            .with_extension("conf")
    }

    /// Namespaces: a tmpfs that only the lab's processes see.
    pub fn namespaces(&self) -> PathBuf {
        self.path.join("ns")
    }

    /// The namespace of the internet.
    pub fn internet(&self) -> PathBuf {
        self.namespaces().join("world").join("internet")
    }

    /// The namespace files of the workloads on a host.
    pub fn netns_of_host(&self, host: &HostName) -> PathBuf {
        self.namespaces().join("workloads").join(host.as_str())
    }

    /// The namespace file of a workload.
    pub fn netns(&self, host: &HostName, workload: &ItemName) -> PathBuf {
        self.netns_of_host(host).join(workload.as_str())
    }

    /// The directory that a workload's own program starts in.
    pub fn home(&self, workload: &str) -> PathBuf {
        self.path.join("home").join(workload)
    }

    /// A process's log.
    pub fn log(&self, process: &str) -> PathBuf {
        self.path.join("log").join(format!("{process}.log"))
    }

    /// The topology that is up.
    pub fn topology(&self) -> PathBuf {
        self.path.join("topology.yaml")
    }

    /// The supervisor's process id as others see it.
    pub fn pid_file(&self) -> PathBuf {
        self.path.join("pid")
    }

    /// The file that the supervisor holds locked while it lives.
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Makes the directory and those inside.
    ///
    /// # Errors
    /// When that fails, or sockets below would have too long a path.
    pub fn create(&self) -> Result<(), DirError> {
        // What a vswitch puts in its runtime directory: a 63-byte host name and `/inspect.sock`.
        if self.path.as_os_str().len() + "/controller.sock".len() >= SOCKET_PATH {
            return Err(DirError::TooLong {
                path: self.path.clone(),
            });
        }
        for dir in ["", "log", "run", "ns", "controller"] {
            let path = self.path.join(dir);
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(&path).map_err(DirError::io(&path))?;
        }
        Ok(())
    }

    /// Whether its supervisor lives: the kernel drops the lock with the process.
    pub fn alive(&self) -> bool {
        let Ok(file) = File::open(self.lock()) else {
            return false;
        };
        Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
    }

    /// The supervisor's process id, while it lives.
    pub fn pid(&self) -> Option<i32> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        text.trim().parse().ok().filter(|_| self.alive())
    }

    /// Takes the directory away.
    ///
    /// # Errors
    /// When something in it can't be removed.
    pub fn remove(&self) -> Result<(), DirError> {
        match fs::remove_dir_all(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(DirError::io(&self.path)),
        }
    }
}

/// The right to bring a lab up or take it down: one command at a time.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Nobody waits for this lock: who doesn't get it gives up.
        let _ = fs::remove_file(&self.path);
    }
}

impl Labs {
    /// Takes that right; `None` if another command has it.
    ///
    /// # Errors
    /// When the lock's file can't be made.
    pub fn guard(&self, name: &LabName) -> Result<Option<Guard>, DirError> {
        // A dot is in no lab's name, so this is nobody's directory.
        let path = self.root.join(format!("{name}.lock"));
        let file = File::create(&path).map_err(DirError::io(&path))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        Ok(lock.ok().map(|lock| Guard { path, _lock: lock }))
    }
}
