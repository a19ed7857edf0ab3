//! What can still be given: VNIs, blocks and addresses.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::Ipv6Net;

use super::{
    Cloud,
    index::{number_of_block6, number4},
};
use crate::{Block4, Subnet, SubnetBlock6, Vni, Vpc, VpcBlock6};

/// How many addresses of a subnet's IPv4 block are nobody's: the first four and the last.
pub const RESERVED_ADDRESSES: u32 = 5;

/// The first host number of a subnet that an interface may have: 0 to 3 are the network's, the
/// router's and two reserved ones.
const FIRST_HOST: u32 = 4;

/// What is free. Each costs a few lookups, however many are taken.
impl Cloud {
    /// The lowest VNI that no VPC has; the outside's is never given.
    pub fn free_vni(&self) -> Option<Vni> {
        let free = self
            .indexes
            .vnis
            .lowest_free(1, u128::from(Vni::OUTSIDE.get()) - 1)?;
        u32::try_from(free).ok().and_then(|n| Vni::try_from(n).ok())
    }

    /// The lowest /56 of the pool that no VPC has; `None` too where the pool is smaller than a /56.
    pub fn free_vpc_block6(&self, pool: Ipv6Net) -> Option<VpcBlock6> {
        let first = VpcBlock6::new(Ipv6Net::new(pool.network(), 56).ok()?).ok()?;
        let last = VpcBlock6::new(Ipv6Net::new(pool.broadcast(), 56).ok()?).ok()?;
        if pool.prefix_len() > 56 {
            return None;
        }
        let taken = &self.indexes.vpc_blocks6;
        let free = taken.lowest_free(number_of_block6(first), number_of_block6(last))?;
        VpcBlock6::new(Ipv6Net::new(Ipv6Addr::from_bits(free << 72), 56).ok()?).ok()
    }

    /// The lowest /64 inside the VPC's blocks that no subnet has.
    pub fn free_subnet_block6(&self, vpc: &Vpc) -> Option<SubnetBlock6> {
        // A VPC has at most a few hundred subnets, and this runs once per subnet made.
        let taken: BTreeSet<SubnetBlock6> =
            self.subnets_in_vpc(vpc.id).filter_map(|s| s.ipv6).collect();
        let blocks = vpc.ipv6.iter().flat_map(|block| block.subnets());
        blocks.into_iter().find(|block| !taken.contains(block))
    }

    /// The lowest address of the subnet's IPv4 block that an interface may take: from the one
    /// given on, or from the first that is not reserved.
    pub fn free_address4(&self, subnet: &Subnet, from: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let (first, last) = usable4(subnet.ipv4);
        let from = from.map_or(first, |from| from.max(first));
        let free = match self.indexes.addresses4.get(&subnet.id) {
            Some(taken) => taken.lowest_free(number4(from), number4(last))?,
            None => number4(from),
        };
        let address = Ipv4Addr::from_bits(u32::try_from(free).ok()?);
        (address <= last).then_some(address)
    }

    /// The lowest address of the subnet's IPv6 block that an interface may take; `None` too
    /// where the subnet has no such block.
    pub fn free_address6(&self, subnet: &Subnet, from: Option<Ipv6Addr>) -> Option<Ipv6Addr> {
        let (first, last) = usable6(subnet.ipv6?);
        let from = from.map_or(first, |from| from.max(first));
        let free = match self.indexes.addresses6.get(&subnet.id) {
            Some(taken) => taken.lowest_free(from.to_bits(), last.to_bits())?,
            None => from.to_bits(),
        };
        let address = Ipv6Addr::from_bits(free);
        (address <= last).then_some(address)
    }

    /// How many IPv4 addresses of the subnet can still be given.
    pub fn available_addresses(&self, subnet: &Subnet) -> u32 {
        let size = 1u32 << (32 - subnet.ipv4.net().prefix_len());
        let taken = self.indexes.addresses4.get(&subnet.id);
        let taken = taken.map_or(0, |taken| u32::try_from(taken.len()).unwrap_or(u32::MAX));
        (size - RESERVED_ADDRESSES).saturating_sub(taken)
    }
}

/// The first and the last address of the block that an interface may have.
pub fn usable4(block: Block4) -> (Ipv4Addr, Ipv4Addr) {
    let (network, broadcast) = (block.net().network(), block.net().broadcast());
    let first = Ipv4Addr::from_bits(network.to_bits() + FIRST_HOST);
    (first, Ipv4Addr::from_bits(broadcast.to_bits() - 1))
}

/// The first and the last address of the block that an interface may have: as in IPv4, the first
/// four and the last are reserved.
pub fn usable6(block: SubnetBlock6) -> (Ipv6Addr, Ipv6Addr) {
    let (network, end) = (block.net().network(), block.net().broadcast());
    let first = Ipv6Addr::from_bits(network.to_bits() + u128::from(FIRST_HOST));
    (first, Ipv6Addr::from_bits(end.to_bits() - 1))
}
