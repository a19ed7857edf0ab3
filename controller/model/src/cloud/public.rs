//! Public addresses and gateways: who has what.

use std::net::Ipv4Addr;

use super::{Cloud, index::number4};
use crate::{
    Association, BalancerId, EgressGateway, ElasticAddress, ElasticAddressId, InterfaceId,
    InternetGateway, PublicBlock4, PublicPool, RegionName, ResourceKey, VpcId,
};

/// Who holds a public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublicHolder {
    /// It is an elastic address.
    Elastic(ElasticAddressId),
    /// It came with the interface.
    Interface(InterfaceId),
    /// It came with the load balancer.
    Balancer(BalancerId),
}

impl From<PublicHolder> for ResourceKey {
    fn from(holder: PublicHolder) -> Self {
        match holder {
            PublicHolder::Elastic(id) => id.into(),
            PublicHolder::Interface(id) => id.into(),
            PublicHolder::Balancer(id) => id.into(),
        }
    }
}

/// Pools and their addresses.
impl Cloud {
    /// The region's pools, in the order of their ids.
    pub fn pools_in_region(&self, region: &RegionName) -> impl Iterator<Item = &PublicPool> {
        let ids = self.indexes.pools_in_region.iter(region);
        ids.filter_map(|&id| self.public_pool(id))
    }

    /// The lowest address of the blocks that nobody holds, of the first block that has one.
    pub fn free_public4<'a>(
        &self,
        blocks: impl IntoIterator<Item = &'a PublicBlock4>,
    ) -> Option<Ipv4Addr> {
        let taken = &self.indexes.public4;
        blocks.into_iter().find_map(|block| {
            let (first, last) = block.usable();
            let free = taken.lowest_free(number4(first), number4(last))?;
            u32::try_from(free).ok().map(Ipv4Addr::from_bits)
        })
    }

    /// The lowest addresses of the blocks that nobody holds: as many as wanted, if there are.
    pub fn free_publics4<'a>(
        &self,
        blocks: impl IntoIterator<Item = &'a PublicBlock4>,
        count: usize,
    ) -> Vec<Ipv4Addr> {
        let taken = &self.indexes.public4;
        let each = blocks.into_iter().flat_map(|block| {
            let (first, last) = block.usable();
            let next = move |after: u128| taken.lowest_free(after, number4(last));
            std::iter::successors(next(number4(first)), move |free| next(free + 1))
        });
        let each = each.filter_map(|free| u32::try_from(free).ok());
        each.take(count).map(Ipv4Addr::from_bits).collect()
    }

    /// Who holds the public address.
    pub fn public_holder(&self, address: Ipv4Addr) -> Option<PublicHolder> {
        self.indexes.public_by_address.get(&address).copied()
    }

    /// One of those that hold an address of the block.
    pub fn holder_in(&self, block: PublicBlock4) -> Option<PublicHolder> {
        let net = block.net();
        let range = net.network()..=net.broadcast();
        let mut held = self.indexes.public_by_address.range(range);
        held.next().map(|(_, &holder)| holder)
    }

    /// The pool that the address is of.
    pub fn pool_of(&self, address: Ipv4Addr) -> Option<&PublicPool> {
        let has = |pool: &&PublicPool| pool.blocks.iter().any(|b| b.contains_addr(address));
        self.public_pools().find(has)
    }

    /// The elastic addresses put on the interface.
    pub fn elastic_of_interface(
        &self,
        interface: InterfaceId,
    ) -> impl Iterator<Item = &ElasticAddress> + use<'_> {
        let ids = self.indexes.elastic_of_interface.iter(&interface);
        ids.filter_map(|&id| self.elastic_address(id))
    }

    /// How many elastic addresses the region's tenants hold.
    pub fn elastic_count_in_region(&self, region: &RegionName) -> usize {
        let pools = self.pools_in_region(region);
        pools
            .map(|pool| self.indexes.elastic_of_pool.count(&pool.id))
            .sum()
    }

    /// The public addresses that stand for the interface's private ones: (private, public), in the
    /// order of the private ones.
    pub fn public_pairs(&self, interface: InterfaceId) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let own = self.interface(interface);
        let own = own.and_then(|i| i.public_ipv4.map(|public| (i.ipv4, public)));
        let elastic = self.elastic_of_interface(interface);
        let elastic = elastic.filter_map(|elastic| match elastic.association {
            Some(Association::Interface { private, .. }) => Some((private, elastic.address)),
            _ => None,
        });
        let mut pairs: Vec<_> = own.into_iter().chain(elastic).collect();
        pairs.sort_unstable();
        pairs
    }
}

/// Gateways.
impl Cloud {
    /// The internet gateway attached to the VPC.
    pub fn internet_gateway_of(&self, vpc: VpcId) -> Option<&InternetGateway> {
        let id = self.indexes.internet_gateway_of_vpc.get(&vpc)?;
        self.internet_gateway(*id)
    }

    /// The VPC's egress-only internet gateway.
    pub fn egress_gateway_of(&self, vpc: VpcId) -> Option<&EgressGateway> {
        let id = self.indexes.egress_gateway_of_vpc.get(&vpc)?;
        self.egress_gateway(*id)
    }
}
