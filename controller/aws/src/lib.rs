//! Pure: no I/O, no clock, no async.
//!
//! The AWS-compatible API as a translation onto the native model: nothing is kept here. A request is
//! verified ([`sign`]), its parameters read into a tree ([`form`]) and checked against the action's
//! own list ([`shape`]); the action looks at the cloud, or makes changes by the model's commands; its
//! answer is written as XML ([`xml`]).
//!
//! # How to add an action
//!
//! 1. Write a function in the resource's module (`ec2/vpc.rs`): `fn(&Ask, &Cloud, &mut Xml)` for one
//!    that reads ([`Run::Read`]), `fn(&Ask, &mut Stage) -> Result<Answer, Fault>` for one that writes
//!    ([`Run::Write`]). Parameters come from [`Ask::args`], changes go through the model's commands
//!    with [`Stage::run`], and errors of the model become the service's own with [`fault::of`] and the
//!    helpers beside it.
//! 2. Add a row to the module's `ACTIONS`: name, parameters with their shapes, function. Those that
//!    Weft can't honour are listed with [`shape::lacks`]: they are refused as `UnsupportedOperation`.
//!    What isn't listed is refused as `UnknownParameter`.
//! 3. A new module's `ACTIONS` go into the service's list (`ec2.rs`), a new service into
//!    [`Service`].
//! 4. `cargo test -p weft-aws` says what `docs/aws.md` lacks; `WEFT_DOCS=write` before it writes it.
//! 5. Assert the answer, the errors, filters and pages through boto3 in `tests/tests/aws/`.
//!
//! A listing (`Describe...`) is a [`Listing`]: where the resources are, how one is shown, and a table
//! of filters.
#![forbid(unsafe_code)]

pub mod action;
pub mod args;
pub mod call;
pub mod ec2;
pub mod fault;
pub mod filter;
pub mod form;
pub mod ids;
pub mod keys;
pub mod listing;
pub mod page;
pub mod service;
pub mod shape;
pub mod sign;
pub mod sts;
pub mod time;
pub mod xml;

#[cfg(test)]
mod docs;

pub use action::{Action, Answer, Ask, Run, Stage, Support};
pub use args::Args;
pub use call::{Call, Http, Received};
pub use fault::Fault;
pub use keys::{AccessKey, Keys};
pub use listing::Listing;
pub use service::Service;
pub use xml::Xml;
