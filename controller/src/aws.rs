//! The AWS-compatible API's shell: HTTP with limits around [`weft_aws`], which knows all the rest.

mod born;
mod calls;
mod options;
mod patient;
mod seen;
mod server;

pub use self::{
    options::{Error, Options},
    server::Server,
};
