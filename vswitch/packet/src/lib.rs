//! Pure: no I/O, no clock, no async.
//!
//! Packets as bytes: one-pass header views, checksums, in-place rewrites, the frames that a vswitch
//! makes itself, and the splitting and joining of super frames. Every byte read here may have been
//! written by a tenant or a stranger, so parsing returns [`Malformed`] and never panics.
#![forbid(unsafe_code)]

pub mod build;
pub mod checksum;
pub mod fragment;
pub mod gro;
pub mod gso;
pub mod headers;
pub mod icmp;
mod malformed;
pub mod nd;
pub mod offload;
pub mod rewrite;
#[cfg(test)]
mod samples;
pub mod vxlan;
mod wire;

pub use malformed::Malformed;
pub use weft_model::{Mac, Vni};
