//! Route tables: longest prefix wins, IPv4 and IPv6 apart.

use serde::{Deserialize, Serialize};

use crate::{
    cidr::Prefix,
    id::{EgressGatewayId, InterfaceId, InternetGatewayId, RouteTableId, VpcId},
    meta::Meta,
};

/// Where a route sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Nowhere: the packet drops, it doesn't fall through to a shorter prefix.
    Blackhole,
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

/// One line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The addresses it is for.
    pub destination: Prefix,
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
