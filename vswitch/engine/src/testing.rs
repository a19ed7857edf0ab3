//! A whole overlay in memory, for tests and benches: hosts with an engine each, tenants on them,
//! and an underlay that carries what they encapsulate. Time moves only when it is told to.
//!
//! It is compiled with the feature `testing` only; a misuse panics, as a test's tools should.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

pub mod frames;
mod net;
mod tenant;

pub use self::{
    frames::{Family, Seg},
    net::{Fate, Net, Wire},
    tenant::{
        Eni, Tenant, acl_entry, any4, any6, everything, group_peer, pass_all, rule, tcp_port,
    },
};
