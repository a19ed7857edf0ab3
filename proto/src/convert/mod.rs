//! Conversions between the wire forms and the model's types. What comes from the wire is parsed
//! once, here, and every field at fault is named.

pub mod fields;
pub mod sync;
pub mod v1;

pub use fields::{Fields, Invalid, Reported};
