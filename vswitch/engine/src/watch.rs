//! What is written down of traffic: flow logs and meters.
//!
//! Both come from the flows' own counters: every few seconds a walk over the table takes what is new
//! of each flow, so a packet of a known connection costs nothing more. Rejected packets have no flow;
//! they are summed up where they are dropped, while a flow log asks for them.

mod books;
mod meter;
mod record;
mod window;

pub(crate) use self::books::Books;
pub use self::{
    meter::{Meter, Reach, Usage},
    record::{LogData, LogRecord, PortFacts, Traffic},
};
