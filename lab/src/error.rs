//! What a lab command can fail with, and its exit code.

use std::io;

use weft_model::HostName;

use crate::{
    api::ApiError,
    runtime::{client::ControlError, dirs::DirError, launch::LaunchError},
    scenario::ScenarioError,
    topology::Rejected,
};

/// Why a lab command failed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The topology has errors.
    #[error("{0}")]
    Topology(Box<Rejected>),
    /// The scenario or its parameters.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The labs' directory.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The lab didn't start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The lab didn't do as asked.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The controller didn't.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Which lab is meant?
    #[error("{0}")]
    Which(String),
    /// Programs that the topology asks for aren't there.
    #[error("{needs} needs {programs}: on Debian and Ubuntu, `apt-get install {packages}`")]
    NotInstalled {
        /// What needs them.
        needs: String,
        /// The programs.
        programs: String,
        /// The packages that have them.
        packages: String,
    },
    /// The kernel's datapath in a lab without privileges.
    #[error(
        "host {host} is to have the kernel datapath, and this lab is rootless: the kernel takes \
         programs from the machine's own root only; run it as root (sudo), or say `datapath: \
         userspace` or `auto`"
    )]
    KernelDatapath {
        /// The first such host.
        host: HostName,
    },
    /// Devices did not come, or programs don't listen.
    #[error("after {seconds} s these are not up: {lacking}")]
    NotReady {
        /// How long it was waited.
        seconds: u64,
        /// What is lacking.
        lacking: String,
    },
    /// The terminal, or this process's own threads.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Checks ran and some failed; they are printed already.
    #[error("{failed} of {all} checks failed")]
    Checks {
        /// How many failed.
        failed: usize,
        /// How many ran.
        all: usize,
    },
    /// An exercise was marked and isn't done; the mark is printed already.
    #[error("{points} of {of} points")]
    Grade {
        /// What the met criteria are worth.
        points: u32,
        /// What all are.
        of: u32,
    },
}

impl LabError {
    /// 1 failed, 2 wrong usage or topology, 3 the system lacks something.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Topology(_) | Self::Scenario(_) | Self::Which(_) => 2,
            Self::NotInstalled { .. }
            | Self::KernelDatapath { .. }
            | Self::Launch(
                LaunchError::NotRoot | LaunchError::Namespaces(_) | LaunchError::Tun(_),
            ) => 3,
            _ => 1,
        }
    }
}
