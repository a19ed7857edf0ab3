//! Transit gateways: routers between VPCs, with tables of their own.
//!
//! A VPC is joined to a gateway by an attachment. What comes from an attachment is routed by the one
//! table that it is associated with; a table learns the blocks of the VPCs whose attachments propagate
//! into it, and has static routes beside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{
    cidr::Prefix,
    id::{IdError, TransitAttachmentId, TransitGatewayId, TransitTableId, VpcId},
    meta::{Meta, Revision},
    net::RangeError,
    route::RouteOrigin,
};

/// A router between VPCs, of whatever region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGateway {
    /// Its id.
    pub id: TransitGatewayId,
    /// The table that a new attachment is associated with, if any.
    pub association_table: Option<TransitTableId>,
    /// The table that a new attachment propagates into, if any.
    pub propagation_table: Option<TransitTableId>,
    /// Bookkeeping.
    pub meta: Meta,
}

impl TransitGateway {
    /// Whether new attachments are given the table.
    pub fn gives(&self, table: TransitTableId) -> bool {
        [self.association_table, self.propagation_table].contains(&Some(table))
    }
}

/// A VPC joined to a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitAttachment {
    /// Its id.
    pub id: TransitAttachmentId,
    /// The gateway.
    pub gateway: TransitGatewayId,
    /// The VPC.
    pub vpc: VpcId,
    /// The table that what comes from the VPC is routed by; nothing passes without one.
    pub table: Option<TransitTableId>,
    /// The tables that learn the VPC's blocks.
    pub propagations: BTreeSet<TransitTableId>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// A static route of a transit gateway's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitRoute {
    /// The addresses it is for.
    pub destination: Prefix,
    /// Where they go; nowhere if `None`.
    pub target: Option<TransitAttachmentId>,
}

/// A route table of a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitTable {
    /// Its id.
    pub id: TransitTableId,
    /// The gateway it is part of.
    pub gateway: TransitGatewayId,
    /// Its static routes, in the order of their destinations; one for each.
    pub routes: Vec<TransitRoute>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// Where a route of a transit gateway's table leads now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransitHop {
    /// The attachment.
    pub attachment: TransitAttachmentId,
    /// Its VPC.
    pub vpc: VpcId,
}

/// A route that a table has, whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransitRouteInUse {
    /// The addresses it is for.
    pub destination: Prefix,
    /// Where it is meant to send; nowhere if `None`.
    pub target: Option<TransitAttachmentId>,
    /// Where it leads; nowhere if `None`: it is meant to, or the attachment is gone.
    pub hop: Option<TransitHop>,
    /// Who made it.
    pub origin: RouteOrigin,
}

/// Who announces a prefix to a table: of several, the attachment that is there for longest wins.
pub type TransitClaim = (Revision, TransitAttachmentId);

/// What a table's destinations lead to: static routes beat announced ones. `place` says which VPC an
/// attachment is of, while it is there.
pub fn resolve(
    table: &TransitTable,
    claims: impl IntoIterator<Item = (Prefix, TransitClaim)>,
    place: impl Fn(TransitAttachmentId) -> Option<VpcId>,
) -> Vec<TransitRouteInUse> {
    let mut first: BTreeMap<Prefix, TransitClaim> = BTreeMap::new();
    for (prefix, claim) in claims {
        let winner = first.entry(prefix).or_insert(claim);
        *winner = claim.min(*winner);
    }
    let hop = |attachment| {
        let vpc = place(attachment)?;
        Some(TransitHop { attachment, vpc })
    };
    let announced = first.into_iter().map(|(destination, (_, attachment))| {
        let route = TransitRouteInUse {
            destination,
            target: Some(attachment),
            hop: hop(attachment),
            origin: RouteOrigin::Propagated,
        };
        (destination, route)
    });
    let mut routes: BTreeMap<Prefix, TransitRouteInUse> = announced.collect();
    for route in &table.routes {
        let given = TransitRouteInUse {
            destination: route.destination,
            target: route.target,
            hop: route.target.and_then(hop),
            origin: RouteOrigin::Static,
        };
        routes.insert(route.destination, given);
    }
    routes.into_values().collect()
}

/// Names a route of a transit gateway's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteInTransit {
    /// The table.
    pub table: TransitTableId,
    /// The route's destination.
    pub destination: Prefix,
}

impl fmt::Display for RouteInTransit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.destination, self.table)
    }
}

/// Why a text names no route of a transit gateway's table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteInTransitError {
    /// What is before the `@`.
    #[error(transparent)]
    Prefix(#[from] RangeError),
    /// What is after it.
    #[error(transparent)]
    Table(#[from] IdError),
}

impl FromStr for RouteInTransit {
    type Err = RouteInTransitError;

    fn from_str(text: &str) -> Result<Self, RouteInTransitError> {
        let (destination, table) = text.split_once('@').unwrap_or((text, ""));
        Ok(Self {
            table: table.parse()?,
            destination: destination.parse()?,
        })
    }
}

/// Names a VPC that routes of a transit gateway's table lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VpcInTransit {
    /// The table.
    pub table: TransitTableId,
    /// The VPC.
    pub vpc: VpcId,
}

impl fmt::Display for VpcInTransit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.vpc, self.table)
    }
}

impl FromStr for VpcInTransit {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (vpc, table) = text.split_once('@').unwrap_or((text, ""));
        Ok(Self {
            table: table.parse()?,
            vpc: vpc.parse()?,
        })
    }
}
