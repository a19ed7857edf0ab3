//! The house's own rules, so that no reviewer has to repeat them: tiers, purity, length, traces.
#![forbid(unsafe_code)]
// All of it is test code: a broken expectation is the message.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod length;
mod proofs;
mod purity;
mod source;
mod tiers;
mod traces;
