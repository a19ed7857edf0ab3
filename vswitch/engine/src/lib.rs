//! Pure: no I/O, no clock, no async.
//!
//! What happens to a packet: the pipeline that judges the first packet of a connection, the flow
//! table that remembers the verdict, and the services that every subnet's router answers itself.
//! A worker thread owns one [`Engine`]; a packet passes the egress half on the worker of the port
//! that sent it and the ingress half on the worker of the port that gets it.
#![forbid(unsafe_code)]

pub mod balance;
pub mod compiled;
pub mod config;
pub mod counters;
pub mod drop;
mod engine;
pub mod explain;
pub mod flow;
pub mod frame;
pub mod limits;
mod meter;
mod per_port;
pub mod port;
pub mod service;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod trace;
pub mod verdict;
pub mod watch;

mod edge;
mod hash;
mod mutation;
mod nat;
mod pipeline;

pub use config::Config;
pub use counters::Counters;
pub use drop::{Drop, DropObject, DropReason};
pub use engine::Engine;
pub use frame::Frame;
pub use limits::{Limits, Timeouts};
#[cfg(feature = "mutations")]
pub use mutation::{Mutation, wake};
pub use port::PortIndex;
pub use service::{WallClock, dns};
pub use time::Now;
pub use verdict::{DnsQuestion, Encap, MirrorCopy, Sink, Verdict};
