//! The engines against an independent judge: random clouds, random packets in random order, changes
//! in between. Whatever the judge, slow and obvious, says of a packet must have happened to it.
#![forbid(unsafe_code)]
// All of it is test code: a broken expectation is the message.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod change;
mod compare;
mod controller;
mod judge;
mod matrix;
mod random;
mod runs;
mod send;
mod sim;
mod story;
mod theme;
mod town;
mod underlay;
