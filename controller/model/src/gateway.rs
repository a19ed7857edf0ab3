//! Gateways between a VPC and the internet.

use serde::{Deserialize, Serialize};

use crate::{
    id::{EgressGatewayId, InternetGatewayId, VpcId},
    meta::Meta,
    name::RegionName,
};

/// The way out of a VPC and into it for whoever has a public address: IPv4 addresses are translated
/// one to one, IPv6 addresses are public as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// Its id.
    pub id: InternetGatewayId,
    /// The region that it is for, where it was made for one: its VPC is of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionName>,
    /// The VPC it is attached to; a VPC has at most one.
    pub vpc: Option<VpcId>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// The way out of a VPC for IPv6, and back in for replies alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressGateway {
    /// Its id.
    pub id: EgressGatewayId,
    /// The VPC it belongs to; a VPC has at most one.
    pub vpc: VpcId,
    /// Bookkeeping.
    pub meta: Meta,
}
