//! The controller as its clients see it: a real server on a loopback port, over a real store.
#![allow(clippy::unwrap_used, reason = "a failed test is the message")]

mod errors;
mod lifecycle;
mod masks;
mod pages;
mod replay;
mod restart;
mod service;
mod support;
