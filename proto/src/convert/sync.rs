//! `weft.sync.v1`: what a host holds of the cloud, as it travels.
//!
//! A resource's version is a digest of its encoded body, so that equal states have equal versions
//! on every controller and after every restart.

use std::net::IpAddr;

use prost::Message as _;
use weft_model::{
    Mac,
    state::{Delta, State, StateKey, StateKind},
};

use super::fields::{Fields, Invalid, Reported};
use crate::sync::v1 as wire;

mod balancing;
mod bodies;
mod mirror;
#[cfg(test)]
mod tests;
mod transit;

pub use balancing::{read_health, write_health};

/// Items of one repeated field. An update stays under a mebibyte, which holds fewer.
const MOST_ITEMS: usize = 1 << 17;

/// FNV-1a of 64 bits: its parameters are fixed for ever, as versions that outlive a process need.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The state as it travels, with its version.
impl From<&State> for wire::Resource {
    fn from(state: &State) -> Self {
        let mut resource = Self {
            version: 0,
            body: Some(bodies::write(state)),
        };
        // Of the whole message with version 0: the body's kind is then part of it.
        resource.version = digest(&resource.encode_to_vec());
        resource
    }
}

/// Every fault of the resource is named.
impl TryFrom<&wire::Resource> for State {
    type Error = Invalid;

    fn try_from(resource: &wire::Resource) -> Result<Self, Invalid> {
        Fields::read(|fields| bodies::read(fields, resource.body.as_ref()))
    }
}

impl From<&StateKey> for wire::Key {
    fn from(key: &StateKey) -> Self {
        Self {
            kind: key.kind().text().to_owned(),
            name: key.name(),
        }
    }
}

impl TryFrom<&wire::Key> for StateKey {
    type Error = Invalid;

    fn try_from(key: &wire::Key) -> Result<Self, Invalid> {
        Fields::read(|fields| read_key(fields, key))
    }
}

fn read_key(fields: &mut Fields, key: &wire::Key) -> Result<StateKey, Reported> {
    let named = StateKind::ALL.iter().find(|kind| kind.text() == key.kind);
    let Some(&kind) = named else {
        let kinds: Vec<_> = StateKind::ALL.iter().map(|kind| kind.text()).collect();
        return Err(fields.refuse("kind", format!("is not one of {}", kinds.join(", "))));
    };
    StateKey::parse(kind, &key.name)
        .ok_or_else(|| fields.refuse("name", format!("is not the name of a {}", kind.text())))
}

/// What names the resource, as its sender wrote it: good for a refusal even where it can't be read.
pub fn key_as_written(resource: &wire::Resource) -> wire::Key {
    use wire::resource::Body;
    let (public, front, pair);
    let (kind, name) = match &resource.body {
        Some(Body::Edge(body)) => (StateKind::Edge, &body.host),
        Some(Body::Public(body)) => {
            public = address_text(&body.address);
            (StateKind::Public, &public)
        }
        Some(Body::Front(body)) => {
            front = address_text(&body.address);
            (StateKind::Front, &front)
        }
        Some(Body::Served(body)) => (StateKind::Served, &body.prefix),
        Some(Body::Tunnel(body)) => (StateKind::Tunnel, &body.host),
        Some(Body::Vpc(body)) => (StateKind::Vpc, &body.id),
        Some(Body::Mapping(body)) => (StateKind::Mapping, &body.interface),
        Some(Body::SecurityGroup(body)) => (StateKind::Group, &body.id),
        Some(Body::NetworkAcl(body)) => (StateKind::Acl, &body.id),
        Some(Body::Peering(body)) => (StateKind::Peering, &body.id),
        Some(Body::Subnet(body)) => (StateKind::Subnet, &body.id),
        Some(Body::Port(body)) => (StateKind::Port, &body.interface),
        Some(Body::TransitTarget(body)) => {
            pair = format!("{}@{}", body.vpc, body.table);
            (StateKind::TransitTarget, &pair)
        }
        Some(Body::TransitRoute(body)) => {
            pair = format!("{}@{}", body.destination, body.table);
            (StateKind::TransitRoute, &pair)
        }
        Some(Body::TransitAttachment(body)) => (StateKind::TransitAttachment, &body.id),
        Some(Body::Nat(body)) => (StateKind::Nat, &body.id),
        Some(Body::Lease(body)) => (StateKind::Lease, &body.key),
        Some(Body::RouteTable(body)) => (StateKind::RouteTable, &body.id),
        Some(Body::FlowLog(body)) => (StateKind::FlowLog, &body.id),
        Some(Body::Mirror(body)) => (StateKind::Mirror, &body.id),
        Some(Body::DnsZone(body)) => (StateKind::DnsZone, &body.id),
        Some(Body::TargetGroup(body)) => (StateKind::TargetGroup, &body.id),
        Some(Body::Balancer(body)) => (StateKind::Balancer, &body.id),
        None => return wire::Key::default(),
    };
    wire::Key {
        kind: kind.text().to_owned(),
        name: name.clone(),
    }
}

/// The address, where it is one.
fn address_text(bytes: &[u8]) -> String {
    Fields::read(|fields| read_address(fields, "address", bytes))
        .map(|address| address.to_string())
        .unwrap_or_default()
}

/// An update, read: what to apply, in order, and what must be refused since it can't be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Received {
    /// Each change with the version that it brings; a removal's is 0.
    pub deltas: Vec<(Delta, u64)>,
    /// To be sent back in the acknowledgement.
    pub refused: Vec<wire::Nack>,
}

/// Reads an update. One resource at fault spoils no other.
pub fn read_update(update: &wire::Update) -> Received {
    let mut received = Received::default();
    for resource in &update.resources {
        match State::try_from(resource) {
            Ok(state) => {
                let delta = Delta::Upsert(state);
                received.deltas.push((delta, resource.version));
            }
            Err(error) => received.refused.push(wire::Nack {
                key: Some(key_as_written(resource)),
                version: resource.version,
                reason: error.to_string(),
            }),
        }
    }
    for key in &update.removed {
        match StateKey::try_from(key) {
            Ok(key) => received.deltas.push((Delta::Remove(key), 0)),
            Err(error) => received.refused.push(wire::Nack {
                key: Some(key.clone()),
                version: 0,
                reason: error.to_string(),
            }),
        }
    }
    received
}

/// 4 or 16 bytes, in network order.
fn write_address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn read_address(fields: &mut Fields, field: &str, bytes: &[u8]) -> Result<IpAddr, Reported> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(v4.into());
    }
    if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        return Ok(v6.into());
    }
    let reason = format!("is {} bytes: an address has 4 or 16", bytes.len());
    Err(fields.refuse(field, reason))
}

/// Addresses of one family.
fn read_exact<A: From<[u8; N]>, const N: usize>(
    fields: &mut Fields,
    field: &str,
    bytes: &[u8],
) -> Result<A, Reported> {
    let exact = <[u8; N]>::try_from(bytes).map(A::from);
    exact.map_err(|_| fields.refuse(field, format!("is {} bytes: it has {N}", bytes.len())))
}

fn read_mac(fields: &mut Fields, field: &str, bytes: &[u8]) -> Result<Mac, Reported> {
    read_exact::<[u8; 6], 6>(fields, field, bytes).map(Mac::new)
}
