//! Connections: one entry per port and connection, for both of its directions.

mod class;
mod entry;
mod exports;
mod key;
mod marks;
mod report;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod translation;

pub use self::report::{FlowReport, FlowStatus};
pub(crate) use self::{
    class::since_tick,
    entry::{Abroad, Flags, Flow, Holder, Hop, NextHop, Opening},
    exports::Event,
    key::{FlowKey, is_echo, is_query_reply},
    marks::{Carried, Piece, logged_flags},
    table::{FlowTable, Full},
    tcp::is_opening,
};
