//! A virtual private cloud.

use serde::{Deserialize, Serialize};

use crate::{
    cidr::{Block4, Prefix, VpcBlock6},
    dns::VpcDns,
    id::{NetworkAclId, RouteTableId, SecurityGroupId, VpcId},
    meta::Meta,
    name::RegionName,
    net::Vni,
};

/// An isolated network with its own address space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: VpcId,
    /// The region it lives in.
    pub region: RegionName,
    /// Its VXLAN network, unique in the cloud and given by the controller.
    pub vni: Vni,
    /// The primary IPv4 block; it can't change.
    pub primary: Block4,
    /// Secondary IPv4 blocks.
    pub secondary: Vec<Block4>,
    /// IPv6 blocks.
    pub ipv6: Vec<VpcBlock6>,
    /// The table of subnets that name none.
    pub main_route_table: RouteTableId,
    /// The group of interfaces that name none.
    pub default_group: SecurityGroupId,
    /// The network ACL of subnets that name none.
    pub default_acl: NetworkAclId,
    /// What its resolver does.
    #[serde(default)]
    pub dns: VpcDns,
    /// Bookkeeping.
    pub meta: Meta,
}

impl Vpc {
    /// All IPv4 blocks, the primary first.
    pub fn blocks4(&self) -> impl Iterator<Item = Block4> + '_ {
        std::iter::once(self.primary).chain(self.secondary.iter().copied())
    }

    /// All blocks, IPv4 first.
    pub fn blocks(&self) -> impl Iterator<Item = Prefix> + '_ {
        let v6 = self.ipv6.iter().copied().map(Prefix::from);
        self.blocks4().map(Prefix::from).chain(v6)
    }
}
