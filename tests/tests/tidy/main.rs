//! The house's own rules, so that no reviewer has to repeat them: tiers, purity, length, traces.
#![forbid(unsafe_code)]

mod length;
mod purity;
mod source;
mod tiers;
mod traces;
