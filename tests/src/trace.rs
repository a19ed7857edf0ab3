//! What a lab has of the machine, to see later that nothing of it is left.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::Lab;

/// Namespaces, processes, mounts and files of a lab.
#[derive(Debug)]
pub struct Trace {
    dir: PathBuf,
    /// As `/proc/PID/ns/*` names them: `net:[4026531840]`.
    namespaces: BTreeSet<String>,
}

const KINDS: [&str; 4] = ["net", "mnt", "pid", "user"];

impl Trace {
    /// Of a lab that is up; `workloads` are those whose namespaces count, besides its processes'.
    ///
    /// # Panics
    /// When the lab shares a namespace with this process that it should have alone.
    pub fn of(lab: &Lab, workloads: &[&str]) -> Self {
        let mut namespaces = BTreeSet::new();
        for pid in processes()
            .into_iter()
            .filter(|pid| mentions(*pid, &lab.dir()))
        {
            namespaces.extend(namespaces_of(pid));
        }
        for workload in workloads {
            let name = lab.exec(workload, &["readlink", "/proc/self/ns/net"]).ok();
            namespaces.insert(name.trim().to_owned());
        }
        let own: BTreeSet<String> = namespaces_of(std::process::id()).collect();
        namespaces.retain(|name| !own.contains(name));
        assert!(
            namespaces.len() > workloads.len(),
            "a lab has namespaces: {namespaces:?}"
        );
        Self {
            dir: lab.dir(),
            namespaces,
        }
    }

    /// Everything that is still there, a line each.
    pub fn left(&self) -> Vec<String> {
        let mut left = self.left_running();
        if self.dir.exists() {
            left.push(format!("the directory {}", self.dir.display()));
        }
        left
    }

    /// The same without files: what a killed lab may leave are files.
    pub fn left_running(&self) -> Vec<String> {
        let mut left = Vec::new();
        for pid in processes() {
            if mentions(pid, &self.dir) {
                left.push(format!("process {pid}: {}", command_line(pid)));
            }
            let inside = namespaces_of(pid).filter(|name| self.namespaces.contains(name));
            left.extend(inside.map(|name| format!("process {pid} in {name}")));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let ours = |line: &&str| {
            line.contains(&self.dir.display().to_string())
                || self.namespaces.iter().any(|name| line.contains(name))
        };
        left.extend(
            mounts
                .lines()
                .filter(ours)
                .map(|line| format!("mount {line}")),
        );
        left
    }
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn mentions(pid: u32, dir: &Path) -> bool {
    command_line(pid).contains(&dir.display().to_string())
}

fn namespaces_of(pid: u32) -> impl Iterator<Item = String> {
    KINDS.into_iter().filter_map(move |kind| {
        let name = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
        Some(name.display().to_string())
    })
}
