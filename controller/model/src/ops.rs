//! Commands: what a person may do to a cloud, one module per kind of resource.
//!
//! A command looks at the cloud, checks everything and answers with the changes to commit, or
//! with why not. It changes nothing itself, and draws what is random from [`Entropy`], so the same
//! cloud, request and entropy give the same answer.

pub mod balancer;
pub mod default_vpc;
pub mod egress_gateway;
pub mod elastic_address;
pub mod flow_log;
pub mod host;
pub mod interface;
pub mod internet_gateway;
pub mod lease;
pub mod listener;
pub mod mirror;
pub mod nat_gateway;
pub mod network_acl;
pub mod peering;
pub mod prefix_list;
pub mod private_zone;
pub mod public_pool;
pub mod region;
pub mod route_table;
pub mod security_group;
pub mod subnet;
pub mod tags;
pub mod target_group;
pub mod transit_attachment;
pub mod transit_gateway;
pub mod transit_table;
pub mod vpc;
pub mod zone;

mod error;
mod settings;
#[cfg(test)]
mod tests;

pub use self::{
    error::{OpError, Violation},
    settings::{Quotas, Settings},
};
use crate::{Cloud, Meta, ResourceKey, Revision};

/// Where random bits come from.
pub trait Entropy {
    /// The next 64 bits.
    fn bits(&mut self) -> u64;
}

impl<F: FnMut() -> u64> Entropy for F {
    fn bits(&mut self) -> u64 {
        self()
    }
}

/// How often a taken id is drawn again. With honest entropy the first draw is free but for one in
/// billions; entropy that repeats itself must not hang the writer.
const DRAWS: usize = 64;

/// A key made from random bits that `free` accepts.
fn draw<T>(
    entropy: &mut dyn Entropy,
    what: &'static str,
    from_bits: impl Fn(u64) -> T,
    free: impl Fn(&T) -> bool,
) -> Result<T, OpError> {
    let mut drawn = (0..DRAWS).map(|_| from_bits(entropy.bits()));
    drawn.find(free).ok_or_else(|| OpError::Exhausted {
        what,
        within: "what the source of randomness gives".to_owned(),
    })
}

/// An unused id of the kind that `from_bits` makes.
fn draw_id<T: Copy + Into<ResourceKey>>(
    cloud: &Cloud,
    entropy: &mut dyn Entropy,
    from_bits: impl Fn(u64) -> T,
) -> Result<T, OpError> {
    draw(entropy, "id", from_bits, |&id| !cloud.contains(&id.into()))
}

fn found<T>(resource: Option<T>, key: impl Into<ResourceKey>) -> Result<T, OpError> {
    resource.ok_or_else(|| OpError::NotFound(key.into()))
}

fn check_etag(
    key: impl Into<ResourceKey>,
    meta: &Meta,
    etag: Option<Revision>,
) -> Result<(), OpError> {
    match etag {
        Some(given) if given != meta.updated => Err(OpError::Stale {
            key: key.into(),
            given,
            current: meta.updated,
        }),
        _ => Ok(()),
    }
}

fn check_quota(
    count: usize,
    limit: usize,
    what: &'static str,
    within: impl FnOnce() -> String,
) -> Result<(), OpError> {
    if count <= limit {
        return Ok(());
    }
    let within = within();
    Err(OpError::Quota {
        what,
        within,
        limit,
    })
}

fn refuse(violations: Vec<Violation>) -> Result<(), OpError> {
    if violations.is_empty() {
        return Ok(());
    }
    Err(OpError::Invalid(violations))
}
