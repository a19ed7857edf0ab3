//! What the engine promises, as sentences: scenarios on whole overlays in memory.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod acls;
mod balancing;
mod drops;
mod explain;
mod flow_logs;
mod fragments;
mod fronts;
mod groups;
mod hidden;
mod https;
mod icmp;
mod isolation;
mod limits;
mod malformed;
mod mirrors;
mod nat;
mod paths;
mod peerings;
mod properties;
mod routes;
mod services;
mod tables;
mod tcp;
mod transit;
