//! Load balancing: which target a connection gets, and how targets' health is found out.

pub(crate) mod check;
pub mod maglev;
pub(crate) mod pin;
pub(crate) mod pool;

pub use check::Finding;
