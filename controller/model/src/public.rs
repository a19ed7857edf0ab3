//! Addresses of the world outside: pools of them, and those that tenants hold.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{
    cidr::PublicBlock4,
    id::{ElasticAddressId, InterfaceId, NatGatewayId, PublicPoolId},
    meta::Meta,
    name::RegionName,
    resource::ResourceKey,
};

/// Public IPv4 addresses that a region's resources are given from. The internet routes them to the
/// region's edges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicPool {
    /// Its id.
    pub id: PublicPoolId,
    /// The region it serves.
    pub region: RegionName,
    /// Its addresses; no two pools share one.
    pub blocks: Vec<PublicBlock4>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// A public address that stays its tenant's until it is released, whatever it is put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElasticAddress {
    /// Its id.
    pub id: ElasticAddressId,
    /// The pool it comes from.
    pub pool: PublicPoolId,
    /// The address; unique in the cloud.
    pub address: Ipv4Addr,
    /// What it is put on.
    pub association: Option<Association>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// What an elastic address is put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Association {
    /// One private address of an interface: translated one to one.
    Interface {
        /// The interface.
        interface: InterfaceId,
        /// One of its private IPv4 addresses.
        private: Ipv4Addr,
    },
    /// A NAT gateway, for as long as it exists.
    Nat(NatGatewayId),
}

impl Association {
    /// What holds the address.
    pub fn holder(&self) -> ResourceKey {
        match self {
            Self::Interface { interface, .. } => (*interface).into(),
            Self::Nat(nat) => (*nat).into(),
        }
    }
}
