//! Labs with real packets: every sentence here is proven by kernels' own sockets.
// All of it is test code: a broken expectation is the message.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod acls;
mod balancing;
mod bench;
mod changes;
mod datapath;
mod edges;
mod explain;
mod failures;
mod faults;
mod fronts;
mod hidden;
mod leaks;
mod lessons;
mod lifecycle;
mod metrics;
mod mirrors;
mod nat;
mod peerings;
mod prose;
mod services;
mod traffic;
mod transit;
mod watch;
