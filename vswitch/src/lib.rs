//! The vswitch of a host: it follows the controller, keeps the ports' devices, and runs the
//! datapath around the engine. Without a controller it goes on with the last good state; without
//! any state it drops.
#![forbid(unsafe_code)]

mod agent;
mod books;
mod choice;
mod daemon;
mod edge;
mod health;
mod holdings;
mod host;
mod inspect;
mod lock;
mod metrics;
mod mirrors;
mod options;
mod ports;
mod resolver;

pub use self::{
    choice::NoKernel,
    daemon::{Error, run},
    lock::LockError,
    options::{Options, UnderlayMtu},
};
