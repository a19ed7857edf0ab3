//! A subnet of a VPC, in one zone.

use serde::{Deserialize, Serialize};

use crate::{
    cidr::{Block4, SubnetBlock6},
    id::{NetworkAclId, RouteTableId, SubnetId, VpcId},
    meta::Meta,
    name::ZoneName,
};

/// A range of a VPC's addresses in one zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// The zone its interfaces' hosts stand in.
    pub zone: ZoneName,
    /// Its IPv4 block, inside one of the VPC's.
    pub ipv4: Block4,
    /// Its IPv6 block, inside one of the VPC's.
    pub ipv6: Option<SubnetBlock6>,
    /// The table associated with it; `None` means the VPC's main one.
    pub route_table: Option<RouteTableId>,
    /// Whether a new interface gets a public address of the region's pools.
    #[serde(default)]
    pub map_public_ip: bool,
    /// The network ACL at its boundary; `None` means the VPC's default one.
    pub acl: Option<NetworkAclId>,
    /// Bookkeeping.
    pub meta: Meta,
}
