//! A piece of state as it goes to hosts.

use weft_model::state::{State, StateKey};

/// A piece of state, ready to send: made once however many hosts get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<B> {
    /// What names it.
    pub key: StateKey,
    /// A digest of the body: equal bodies have equal versions, in every process.
    pub version: u64,
    /// Bytes that it takes in a message, framing included.
    pub size: usize,
    /// What is sent.
    pub body: B,
}

/// Makes a state ready to send. The planner doesn't know the wire, so its owner says how.
pub type Seal<B> = fn(&State) -> Item<B>;
