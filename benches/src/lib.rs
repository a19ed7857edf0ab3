//! Measures of the whole system: Weft's overlay beside a bare veth and the kernel's own VXLAN, all
//! in namespaces of this machine, interleaved in one run.
#![forbid(unsafe_code)]

pub mod command;
pub mod load;
pub mod netns;
pub mod report;
pub mod setup;

use std::{io, net::IpAddr};

use crate::netns::Netns;

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
    /// Namespaces between, kept open for the path's life.
    pub between: Vec<Netns>,
}
