//! Route tables: longest prefix wins, IPv4 and IPv6 apart.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    cidr::Prefix,
    id::{
        EgressGatewayId, IdError, InterfaceId, InternetGatewayId, NatGatewayId, PeeringId,
        PrefixListId, RouteTableId, TransitGatewayId, VpcId,
    },
    meta::Meta,
    net::RangeError,
};

/// Where a route sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    /// Inside the VPC: to the interface that holds the destination address.
    Local,
    /// To an interface that forwards (a middlebox, its source/destination check off).
    Interface(InterfaceId),
    /// To the internet.
    InternetGateway(InternetGatewayId),
    /// To the internet and nothing back but replies; IPv6 alone.
    EgressGateway(EgressGatewayId),
    /// To the interface of the peered VPC that holds the destination address.
    Peering(PeeringId),
    /// Out of the VPC with a NAT gateway's public address. IPv4 destinations alone.
    Nat(NatGatewayId),
    /// To a transit gateway that the VPC is attached to: its tables know on.
    TransitGateway(TransitGatewayId),
    /// Nowhere: the packet drops, it doesn't fall through to a shorter prefix.
    Blackhole,
}

impl fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Interface(id) => id.fmt(f),
            Self::InternetGateway(id) => id.fmt(f),
            Self::EgressGateway(id) => id.fmt(f),
            Self::Peering(id) => id.fmt(f),
            Self::Nat(id) => id.fmt(f),
            Self::TransitGateway(id) => id.fmt(f),
            Self::Blackhole => f.write_str("blackhole"),
        }
    }
}

/// Who made a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteOrigin {
    /// Came with the table: one `local` route per VPC block; undeletable.
    Table,
    /// A person.
    Static,
    /// A gateway announced it. On the same prefix, static wins.
    Propagated,
}

/// The addresses that a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Destination {
    /// Those in the prefix.
    Prefix(Prefix),
    /// Those in the prefixes of the list.
    List(PrefixListId),
}

impl From<Prefix> for Destination {
    fn from(prefix: Prefix) -> Self {
        Self::Prefix(prefix)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::List(list) => list.fmt(f),
        }
    }
}

/// Why a text is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// It is no prefix.
    #[error(transparent)]
    Prefix(#[from] RangeError),
    /// It begins as a list's id, and is none.
    #[error(transparent)]
    List(#[from] IdError),
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        if text.starts_with(PrefixListId::PREFIX) {
            return Ok(Self::List(text.parse()?));
        }
        Ok(Self::Prefix(text.parse()?))
    }
}

/// One line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The addresses it is for.
    pub destination: Destination,
    /// Where they go.
    pub target: RouteTarget,
    /// Who made it.
    pub origin: RouteOrigin,
}

/// The routes of the subnets that use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Its id.
    pub id: RouteTableId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// Its routes; at most one per destination and origin.
    pub routes: Vec<Route>,
    /// Bookkeeping.
    pub meta: Meta,
}
