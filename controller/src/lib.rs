//! The controller of a Weft cloud: one daemon that keeps the cloud's resources, serves the API to
//! people and programs (north), and tells each host's vswitch what it needs to know (south).
#![forbid(unsafe_code)]

pub mod aws;
pub mod core;
mod drains;
mod metering;
mod metrics;
mod north;
pub mod options;
mod server;
pub mod south;

pub use self::{
    options::Options,
    server::{Error, Server, run},
};
