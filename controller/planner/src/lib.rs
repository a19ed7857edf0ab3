//! Pure: no I/O, no clock, no async.
//!
//! From changes of the cloud to what each host must be told: [`Planner`] finds the hosts that a
//! change concerns, [`HostQueue`] holds what one host has yet to hear and decides what goes next.
#![forbid(unsafe_code)]

mod derive;
mod item;
mod links;
mod plan;
mod planner;
mod presence;
pub mod queue;

#[cfg(test)]
mod testing;

pub use item::{Item, Seal};
pub use plan::{Edit, Edits, Plan};
pub use planner::{Planner, TargetReport};
pub use queue::HostQueue;
