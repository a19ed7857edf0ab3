//! VPCs and subnets as the packet path sees them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use weft_model::{
    Block4, DnsLabel, DnsName, InterfaceId, Mac, NatGatewayId, NetworkAclId, PeeringId, Prefix,
    RegionName, RouteTableId, SubnetBlock6, SubnetId, TransitGatewayId, Vni, VpcBlock6, VpcDns,
    VpcId, ZoneName,
};

use super::{
    Acl, MappingEntry, NatConfig, VpcSlot, ZoneConfig, Zones,
    balancers::Balancers,
    mapping::Mappings,
    route::Routes,
    transit::{Attached, Neighbours},
};
use crate::hash::Map;

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetConfig {
    /// Its id.
    pub id: SubnetId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// The zone that its interfaces' hosts stand in.
    pub zone: ZoneName,
    /// Its IPv4 block.
    pub ipv4: Block4,
    /// Its IPv6 block.
    pub ipv6: Option<SubnetBlock6>,
    /// The table it uses.
    pub route_table: RouteTableId,
    /// The network ACL at its boundary.
    pub acl: NetworkAclId,
}

impl SubnetConfig {
    /// The router's IPv4 address: the block's first after the network's.
    pub fn router4(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.ipv4.net().network()) + 1)
    }

    /// The router's global IPv6 address: the block's `::1`.
    pub fn router6(&self) -> Option<Ipv6Addr> {
        let block = self.ipv6?;
        Some(Ipv6Addr::from(u128::from(block.net().network()) + 1))
    }

    /// The router's link-local address, the same in every subnet: modified EUI-64 of its MAC
    /// (RFC 4291 appendix A). It is what router advertisements come from.
    pub fn router_link_local() -> Ipv6Addr {
        let [a, b, c, d, e, f] = Mac::ROUTER.octets();
        let tail = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
        Ipv6Addr::from(0xfe80 << 112 | u128::from(tail))
    }

    /// Whether the address is in one of its blocks.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.ipv4.contains_addr(a),
            IpAddr::V6(a) => self.ipv6.is_some_and(|block| block.contains_addr(a)),
        }
    }

    /// Whether it is the IPv4 block's broadcast address.
    pub fn is_broadcast(&self, address: IpAddr) -> bool {
        address == IpAddr::V4(self.ipv4.net().broadcast())
    }

    /// Whether the address is one of the router's.
    pub fn is_router(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => a == self.router4(),
            IpAddr::V6(a) => Some(a) == self.router6() || a == Self::router_link_local(),
        }
    }
}

/// A VPC. Clones share what they didn't change.
#[derive(Debug, Clone)]
pub struct VpcConfig {
    /// Its id.
    pub id: VpcId,
    /// Its VXLAN network.
    pub vni: Vni,
    /// IPv4 blocks, the primary first; never empty.
    pub ipv4: Vec<Block4>,
    /// IPv6 blocks.
    pub ipv6: Vec<VpcBlock6>,
    /// The region that it is in.
    pub region: RegionName,
    /// What its resolver does.
    pub dns: Arc<VpcDns>,
    /// Moves with every change inside the VPC: a flow judged under another one is looked at again.
    pub(crate) generation: u32,
    pub(crate) subnets: Arc<Map<SubnetId, Arc<SubnetConfig>>>,
    pub(crate) routes: Arc<Map<RouteTableId, Arc<Routes>>>,
    pub(crate) acls: Arc<Map<NetworkAclId, Arc<Acl>>>,
    pub(crate) nats: Arc<Map<NatGatewayId, Arc<NatConfig>>>,
    pub(crate) mappings: Mappings,
    /// The other VPCs of its active peerings, as far as they are here.
    pub(crate) peers: Arc<BTreeMap<PeeringId, VpcSlot>>,
    /// Its attachments to transit gateways.
    pub(crate) attachments: Arc<Map<TransitGatewayId, Attached>>,
    /// The other VPCs that transit gateways lead to from here, or from to here.
    pub(crate) neighbours: Arc<Neighbours>,
    pub(crate) zones: Arc<Zones>,
    pub(crate) balancers: Arc<Balancers>,
}

impl VpcConfig {
    /// The DNS server of the VPC: its primary block's base plus two.
    pub fn dns4(&self) -> Ipv4Addr {
        let base = self
            .ipv4
            .first()
            .map_or(Ipv4Addr::UNSPECIFIED, |block| block.net().network());
        Ipv4Addr::from(u32::from(base) + 2)
    }

    /// Its prefixes, IPv4 first.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> + '_ {
        let v4 = self.ipv4.iter().copied().map(Prefix::from);
        v4.chain(self.ipv6.iter().copied().map(Prefix::from))
    }

    /// The interface that holds the address.
    pub fn mapping(&self, address: IpAddr) -> Option<&MappingEntry> {
        self.mappings.by_address(address)
    }

    /// Where the interface is.
    pub fn interface(&self, interface: InterfaceId) -> Option<&MappingEntry> {
        self.mappings.by_interface(interface)
    }

    /// The interfaces with this name.
    pub fn named(&self, label: &DnsLabel) -> impl Iterator<Item = &MappingEntry> {
        self.mappings.by_label(label)
    }

    /// The private zone with the longest domain that the name is in.
    pub fn zone_of(&self, name: &DnsName) -> Option<&ZoneConfig> {
        self.zones.of(name)
    }

    /// Every interface, in no order.
    pub fn interfaces(&self) -> impl Iterator<Item = &MappingEntry> {
        self.mappings.iter()
    }

    /// A network ACL of it.
    pub fn acl(&self, acl: NetworkAclId) -> Option<&Acl> {
        self.acls.get(&acl).map(Arc::as_ref)
    }

    /// A subnet of it.
    pub fn subnet(&self, subnet: SubnetId) -> Option<&SubnetConfig> {
        self.subnets.get(&subnet).map(Arc::as_ref)
    }
}
