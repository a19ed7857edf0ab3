//! What the command line and a lab's supervisor say to each other: one JSON object a line over a
//! unix socket, the file descriptors of a new process beside the first byte.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use weft_model::{DatapathChoice, HostName};

use crate::{
    fault::Fault,
    topology::{MetricsSpec, Routing},
};

/// The longest message: a lab of thousands of workloads fits, a runaway peer does not.
pub const MAX_MESSAGE: usize = 8 << 20;

/// A host to have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostPlace {
    /// Its name.
    pub name: HostName,
    /// Its underlay address.
    pub vtep: IpAddr,
    /// Whether it has an uplink to the internet.
    #[serde(default)]
    pub edge: bool,
    /// Threads of its vswitch; as it likes if `None`.
    #[serde(default)]
    pub workers: Option<u8>,
    /// What forwards its packets, as `weft vswitch --datapath` takes it.
    #[serde(default = "unsaid")]
    pub datapath: String,
}

/// What a supervisor of an older build leaves out.
fn unsaid() -> String {
    DatapathChoice::default().to_string()
}

/// A workload's namespace to have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkloadPlace {
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: HostName,
    /// Whether it forwards IP.
    pub forward: bool,
}

/// Everything that the supervisor keeps, whole; it makes what is missing and takes away the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The underlay's MTU in bytes.
    pub mtu: u32,
    /// The length of its prefix.
    pub prefix_len: u8,
    /// Where the controller listens.
    pub gateway: IpAddr,
    /// The hosts.
    pub hosts: Vec<HostPlace>,
    /// The workloads.
    pub workloads: Vec<WorkloadPlace>,
    /// Whether there is an internet, and how it learns of edges.
    #[serde(default)]
    pub internet: Option<Routing>,
    /// Rules of one direction in the largest security group of the file.
    #[serde(default)]
    pub rules: usize,
    /// Whether the programs tell Prometheus what they count.
    #[serde(default)]
    pub metrics: Option<MetricsSpec>,
}

/// What a workload's device must have before the lab is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The workload.
    pub workload: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The TCP ports that its program listens on.
    pub ports: Vec<u16>,
}

/// A fault and when it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// Microseconds after the plan was made.
    pub at_us: u64,
    /// The host.
    pub host: HostName,
    /// All that is wrong with it from then on.
    pub fault: Fault,
}

/// What a workload runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The files in the directory that it starts in, by their names.
    pub files: BTreeMap<String, String>,
}

/// A program for a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The workload, or the lab's own namespace.
    pub workload: Option<String>,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// Where it starts.
    pub cwd: PathBuf,
    /// Whether its standard input is its controlling terminal.
    pub tty: bool,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// What runs.
    Status,
    /// Make it so.
    Stage(Stage),
    /// The commands of workloads, whole.
    Commands {
        /// By workload.
        commands: BTreeMap<String, Work>,
    },
    /// Which of these devices are not up yet.
    Pending {
        /// What to look for.
        expected: Vec<Expected>,
    },
    /// Start a program; three descriptors come along. Answers `Started`, then `Exited`.
    Spawn(Program),
    /// To the program that this connection started.
    Forward {
        /// The signal's number.
        signal: i32,
    },
    /// All that is wrong with a host from now on.
    Fault {
        /// The host.
        host: HostName,
        /// Nothing, by default.
        fault: Fault,
    },
    /// Faults to come, whole: they replace those planned before.
    Plan {
        /// In the order of their times.
        faults: Vec<Timed>,
    },
    /// To a process of the lab.
    Signal {
        /// Its name.
        process: String,
        /// The signal's number.
        signal: i32,
    },
    /// End everything.
    Shutdown,
}

/// A kept process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Its name.
    pub name: String,
    /// `running`, `waiting` to be started again, or `exited`.
    pub state: String,
    /// Its process id inside the lab.
    pub pid: Option<i32>,
    /// How often it was started again.
    pub restarts: u32,
    /// How it last ended: an exit code, or 128 and the signal.
    pub last_exit: Option<i32>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Done,
    /// Not done.
    Failed {
        /// Why.
        message: String,
    },
    /// To `Status`.
    Status {
        /// What runs.
        processes: Vec<ProcessStatus>,
        /// What is staged.
        stage: Option<Stage>,
        /// What is wrong, by host.
        faults: BTreeMap<String, Fault>,
    },
    /// To `Pending`: one line for each device that lacks something.
    Pending {
        /// What is lacking.
        lacking: Vec<String>,
    },
    /// The program runs.
    Started,
    /// The program ended.
    Exited {
        /// Its exit code, or 128 and the signal.
        code: i32,
    },
}
