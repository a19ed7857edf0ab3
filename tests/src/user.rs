//! Who runs a lab: the machine's root, or somebody without privileges in a home of their own.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    sys::stat::{Mode as Bits, SFlag, mknod},
    unistd::{Uid, geteuid},
};
use tempfile::TempDir;

use crate::{
    program::{everybodys, peer_program},
    skip, weft_program,
};

/// Nobody, where a test that runs as root needs somebody else.
const NOBODY: u32 = 65534;

/// Character device 10, 200 (Linux's list of devices): the TAPs'.
const TUN: &str = "/dev/net/tun";

/// As whom a lab runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the machine's root, packets forwarded by the vswitch's own threads.
    Root,
    /// As the machine's root, packets forwarded by the kernel.
    Kernel,
    /// As anybody, in a user namespace, where there is only the userspace datapath.
    Rootless,
}

impl Mode {
    /// Whether labs are the machine's root's.
    pub const fn is_root(self) -> bool {
        matches!(self, Self::Root | Self::Kernel)
    }

    /// What `weft` takes as the datapath where it isn't said.
    const fn datapath(self) -> &'static str {
        match self {
            Self::Root | Self::Rootless => "userspace",
            Self::Kernel => "kernel",
        }
    }
}

/// How a command becomes another user's.
#[derive(Debug)]
enum Costume {
    /// It is run as this process's own user.
    Own,
    /// It is run as nobody.
    Nobody,
    /// It is run as nobody, who sees this file as /dev/net/tun.
    NobodyWithTun(PathBuf),
}

/// A user with a home that goes away in the end.
#[derive(Debug)]
pub struct User {
    /// As whom.
    pub mode: Mode,
    home: TempDir,
    costume: Costume,
    weft: PathBuf,
    peer: PathBuf,
}

impl User {
    /// A user of that mode; `None`, and the test is noted as skipped, where there can't be one.
    ///
    /// # Panics
    /// When files can't be made, or `weft` isn't built.
    pub fn new(mode: Mode) -> Option<Self> {
        let root = geteuid().is_root();
        if mode.is_root() && !root {
            skip("needs root");
            return None;
        }
        let home = tempfile::Builder::new().prefix("weft-").tempdir().unwrap();
        let mut user = Self {
            mode,
            costume: Costume::Own,
            weft: weft_program(),
            peer: peer_program(),
            home,
        };
        fs::create_dir(user.run_dir()).unwrap();
        if mode == Mode::Rootless && root {
            user.become_nobody()?;
        }
        if let Err(reason) = user.lacks_nothing() {
            skip(&reason);
            return None;
        }
        Some(user)
    }

    /// The user's own directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn run_dir(&self) -> PathBuf {
        self.home().join("run")
    }

    /// Where this user's labs have their directories.
    pub fn labs(&self) -> PathBuf {
        match self.mode {
            Mode::Root | Mode::Kernel => self.home().join("labs"),
            Mode::Rootless => self.run_dir().join("weft/labs"),
        }
    }

    /// The program that tests run in workloads.
    pub fn peer(&self) -> &Path {
        &self.peer
    }

    /// A file in the home, for topologies.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// `weft` as this user, before its arguments.
    pub fn weft(&self) -> Command {
        self.program(&self.weft)
    }

    /// A program as this user, who finds `weft` on the path, before its arguments.
    pub fn program(&self, program: &Path) -> Command {
        let mut command = self.dressed(program);
        for name in ["WEFT_API", "WEFT_LAB", "WEFT_LAB_DIR", "WEFT_LOG"] {
            command.env_remove(name);
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let own = self.weft.parent().unwrap_or(Path::new("/")).display();
        command
            .current_dir(self.home())
            .env("PATH", format!("{own}:{path}"))
            .env("HOME", self.home())
            .env("WEFT_DATAPATH", self.mode.datapath())
            .env("XDG_RUNTIME_DIR", self.run_dir())
            .env("XDG_STATE_HOME", self.home().join("state"));
        if self.mode.is_root() {
            // Root's usual place may hold labs that aren't the test's.
            command.env("WEFT_LAB_DIR", self.labs());
        }
        command
    }

    fn dressed(&self, program: &Path) -> Command {
        match &self.costume {
            Costume::Own => Command::new(program),
            Costume::Nobody => {
                let mut command = Command::new("setpriv");
                command.args(NOBODYS_PRIVILEGES).arg("--").arg(program);
                command
            }
            Costume::NobodyWithTun(tun) => in_own_mounts(tun, program),
        }
    }

    /// Whether this user may do here what every lab does.
    fn lacks_nothing(&self) -> Result<(), String> {
        if !Path::new("/proc/net/if_inet6").exists() {
            return Err("this kernel has no IPv6".to_owned());
        }
        let own = if self.mode.is_root() {
            ""
        } else {
            "--user --map-root-user"
        };
        let unshare = format!("unshare {own} --net --mount --pid --fork true");
        for (what, script) in [("namespaces", unshare.as_str()), (TUN, ": <> /dev/net/tun")] {
            let mut command = self.program(Path::new("sh"));
            let tried = command.args(["-c", script]).output();
            let output = tried.map_err(|error| format!("{what}: {error}"))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("no {what} for {:?}: {}", self.mode, said.trim()));
            }
        }
        if self.mode == Mode::Kernel {
            self.has_kernel_datapath()?;
        }
        Ok(())
    }

    fn has_kernel_datapath(&self) -> Result<(), String> {
        let asked = self.weft().args(["doctor", "-o", "json"]).output();
        let output = asked.map_err(|error| format!("weft doctor: {error}"))?;
        let findings: serde_json::Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("weft doctor: {error}"))?;
        let mut findings = findings.as_array().into_iter().flatten();
        match findings.find(|finding| finding["what"] == "kernel datapath") {
            Some(finding) if finding["verdict"] == "ok" => Ok(()),
            Some(finding) => Err(format!("no kernel datapath: {}", finding["found"])),
            None => Err("weft doctor says nothing of the kernel datapath".to_owned()),
        }
    }

    fn become_nobody(&mut self) -> Option<()> {
        for path in [self.home().to_owned(), self.run_dir()] {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        fs::set_permissions(self.run_dir(), fs::Permissions::from_mode(0o700)).unwrap();
        self.weft = self.within_reach(&self.weft, "weft");
        self.peer = self.within_reach(&self.peer, "weft-peer");
        self.costume = if tun_is_everybodys() {
            Costume::Nobody
        } else {
            let own = self.home().join("tun");
            // Where not even root may make the device, it can't be lent.
            if let Err(error) = lend_tun(&own) {
                skip(&format!(
                    "{TUN} is root's alone, and can't be lent: {error}"
                ));
                return None;
            }
            Costume::NobodyWithTun(own)
        };
        Some(())
    }

    /// The program, or its copy where it lies behind closed directories, as in root's home.
    fn within_reach(&self, program: &Path, name: &str) -> PathBuf {
        if everybodys(program) {
            return program.to_owned();
        }
        let copy = self.home().join(name);
        fs::copy(program, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        copy
    }
}

/// The machine's own device stays as it is: the mount is seen by this command and what it starts.
fn in_own_mounts(tun: &Path, program: &Path) -> Command {
    const SCRIPT: &str = "mount --bind \"$1\" /dev/net/tun && shift && exec setpriv \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--", "sh", "-c", SCRIPT, "sh"]);
    command
        .arg(tun)
        .args(NOBODYS_PRIVILEGES)
        .arg("--")
        .arg(program);
    command
}

const NOBODYS_PRIVILEGES: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];

fn tun_is_everybodys() -> bool {
    fs::metadata(TUN).is_ok_and(|meta| meta.permissions().mode() & 0o6 == 0o6)
}

fn lend_tun(own: &Path) -> std::io::Result<()> {
    let device = fs::metadata(TUN)?.rdev();
    mknod(own, SFlag::S_IFCHR, Bits::from_bits_truncate(0o666), device)?;
    // The umask took bits away.
    fs::set_permissions(own, fs::Permissions::from_mode(0o666))?;
    chown(own, Some(Uid::current().as_raw()), None)
}
