//! Measures of the whole system: Weft's overlay beside a bare veth, the kernel's own VXLAN, and
//! others that do the same work, all in namespaces of this machine, interleaved in one run.
#![forbid(unsafe_code)]

pub mod command;
pub mod load;
pub mod netns;
pub mod page;
pub mod policy;
pub mod report;
pub mod setup;
mod topology;

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use crate::{netns::Netns, setup::Daemon};

/// Why a measure couldn't be taken.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A namespace or a socket refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Netlink refused.
    #[error("{what}: {source}")]
    Netlink {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// A device isn't there.
    #[error("device {0} isn't there")]
    NoDevice(String),
    /// The lab around the measures.
    #[error("{0}")]
    Lab(String),
    /// A program that a peer is made with isn't installed.
    #[error("`{0}` isn't installed: `scripts/deps peers` installs what the peers need")]
    NoProgram(&'static str),
    /// A peer is there, but nothing here sets it up.
    #[error("it isn't set up here; its packets take Open vSwitch's datapath, which is measured")]
    NotSetUp,
    /// A program that a peer is made with failed.
    #[error("{program} failed: {said}")]
    Program {
        /// Which.
        program: String,
        /// The end of what it printed.
        said: String,
    },
    /// A path passes what its policy drops, or drops what it passes: it isn't worth measuring.
    #[error("{path} {wrong}")]
    Policy {
        /// Which.
        path: &'static str,
        /// What it does.
        wrong: &'static str,
    },
    /// The page has no place for the outcome.
    #[error("{file} has no lines `{begin}` and `{end}` to write the outcome between")]
    NoBlock {
        /// The page.
        file: String,
        /// The line that the outcome follows.
        begin: &'static str,
        /// The line that it ends before.
        end: &'static str,
    },
}

/// Names what was tried.
pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> BenchError {
    move |source| BenchError::Io { what, source }
}

/// The two ends of a path to measure.
#[derive(Debug)]
pub struct Path {
    /// What the path is made of.
    pub name: &'static str,
    /// Where load comes from.
    pub client: Netns,
    /// Where it goes.
    pub server: Netns,
    /// The server's address as the client reaches it.
    pub address: IpAddr,
    /// The client's own address.
    pub source: IpAddr,
    /// An address that leads to the server by a balancer.
    pub balancer: Option<IpAddr>,
    /// Whether the path judges what passes.
    pub judges: bool,
    /// Ends that live connections lie between, beside the measured ones.
    pub crowd: Vec<Pair>,
    /// What carries the path, in the order that it is taken away.
    pub carriers: Vec<Daemon>,
    /// Namespaces between, kept open for the path's life.
    pub between: Vec<Netns>,
}

/// Two namespaces and the address that leads from one to the other.
#[derive(Debug)]
pub struct Pair {
    /// Where packets come from.
    pub client: Netns,
    /// Where they go.
    pub server: Netns,
    /// The server's address.
    pub address: IpAddr,
}

/// Where a load is sent, and where it is listened for.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The address that the client uses.
    pub to: SocketAddr,
    /// The address that the server listens at.
    pub at: SocketAddr,
}

impl Path {
    /// The server's service, by its own address.
    pub fn direct(&self) -> Target {
        let at = SocketAddr::new(self.address, policy::SERVICE);
        Target { to: at, at }
    }

    /// The server's other service, by the balancer's address.
    pub fn balanced(&self) -> Option<Target> {
        self.balancer.map(|address| Target {
            to: SocketAddr::new(address, policy::BALANCED),
            at: SocketAddr::new(self.address, policy::BALANCED),
        })
    }
}
