//! Load balancers, their listeners and target groups.

use std::net::IpAddr;

use super::Cloud;
use crate::{
    Balancer, BalancerId, Listener, ResourceKey, SubnetId, TargetGroup, TargetGroupId, VpcId,
};

/// What belongs to what; each in the order of the ids.
impl Cloud {
    /// The VPC's load balancers.
    pub fn balancers_in_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &Balancer> + use<'_> {
        let ids = self.indexes.balancers_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.balancer(id))
    }

    /// The load balancers with addresses of the subnet.
    pub fn balancers_in_subnet(
        &self,
        subnet: SubnetId,
    ) -> impl Iterator<Item = &Balancer> + use<'_> {
        let ids = self.indexes.balancers_in_subnet.iter(&subnet);
        ids.filter_map(|&id| self.balancer(id))
    }

    /// The VPC's target groups.
    pub fn target_groups_in_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &TargetGroup> + use<'_> {
        let ids = self.indexes.target_groups_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.target_group(id))
    }

    /// The load balancer's listeners.
    pub fn listeners_of(&self, balancer: BalancerId) -> impl Iterator<Item = &Listener> + use<'_> {
        let ids = self.indexes.listeners_of.iter(&balancer);
        ids.filter_map(|&id| self.listener(id))
    }

    /// The listeners that send to the target group.
    pub fn listeners_to(&self, group: TargetGroupId) -> impl Iterator<Item = &Listener> + use<'_> {
        let ids = self.indexes.listeners_to.iter(&group);
        ids.filter_map(|&id| self.listener(id))
    }

    /// The load balancer that holds this address in the VPC.
    pub fn balancer_by_address(&self, vpc: VpcId, address: IpAddr) -> Option<&Balancer> {
        let id = self.indexes.balancer_by_address.get(&(vpc, address));
        id.and_then(|&id| self.balancer(id))
    }

    /// Whoever holds this private address in the VPC: an interface or a load balancer.
    pub fn address_holder(&self, vpc: VpcId, address: IpAddr) -> Option<ResourceKey> {
        let interface = self.interface_by_address(vpc, address);
        let balancer = || self.balancer_by_address(vpc, address);
        let nat = || match address {
            IpAddr::V4(address) => self.nat_gateway_by_address(vpc, address),
            IpAddr::V6(_) => None,
        };
        interface
            .map(|interface| interface.id.into())
            .or_else(|| balancer().map(|balancer| balancer.id.into()))
            .or_else(|| nat().map(|nat| nat.id.into()))
    }
}
