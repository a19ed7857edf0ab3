//! The whole cloud in memory: every resource by its key, and the indexes that commands, listings
//! and the planner look things up by.

mod index;
mod ranges;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Bound,
};

use ipnet::Ipv6Net;

use self::index::{Indexes, number_of_block6, number4};
use crate::{
    Attachment, Block4, Change, Host, HostName, Interface, InterfaceId, Kind, Mac, Region,
    RegionName, Resource, ResourceKey, RouteTable, RouteTableId, SecurityGroup, SecurityGroupId,
    Subnet, SubnetBlock6, SubnetId, Vni, Vpc, VpcBlock6, VpcId, Zone, ZoneName,
};

/// How many addresses of a subnet's IPv4 block are nobody's: the first four and the last.
pub const RESERVED_ADDRESSES: u32 = 5;

/// The first host number of a subnet that an interface may have: 0 to 3 are the network's, the
/// router's and two reserved ones.
const FIRST_HOST: u32 = 4;

macro_rules! tables {
    ($($variant:ident.$field:ident, $key:ty, $table:ident, $one:ident($arg:ident: $param:ty) = $look:expr;)*) => {
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        struct Tables {
            $($table: BTreeMap<$key, $variant>,)*
        }

        impl Tables {
            fn get(&self, key: &ResourceKey) -> Option<Resource> {
                match key {
                    $(ResourceKey::$variant(key) => {
                        self.$table.get(key).cloned().map(Resource::$variant)
                    })*
                }
            }

            fn insert(&mut self, resource: Resource) {
                match resource {
                    $(Resource::$variant(resource) => {
                        self.$table.insert(resource.$field.clone(), resource);
                    })*
                }
            }

            fn remove(&mut self, key: &ResourceKey) -> Option<Resource> {
                match key {
                    $(ResourceKey::$variant(key) => {
                        self.$table.remove(key).map(Resource::$variant)
                    })*
                }
            }

            fn contains(&self, key: &ResourceKey) -> bool {
                match key {
                    $(ResourceKey::$variant(key) => self.$table.contains_key(key),)*
                }
            }

            fn count(&self, kind: Kind) -> usize {
                match kind {
                    $(Kind::$variant => self.$table.len(),)*
                }
            }

            fn list<'a>(
                &'a self,
                kind: Kind,
                after: Option<&ResourceKey>,
            ) -> Box<dyn Iterator<Item = Resource> + 'a> {
                match kind {
                    $(Kind::$variant => {
                        let start = match after {
                            Some(ResourceKey::$variant(key)) => Bound::Excluded(key),
                            _ => Bound::Unbounded,
                        };
                        let rest = self.$table.range((start, Bound::Unbounded));
                        Box::new(rest.map(|(_, r)| Resource::$variant(r.clone())))
                    })*
                }
            }
        }

        /// By key, and all of a kind in the order of their keys.
        impl Cloud {
            $(
                #[doc = concat!("The ", stringify!($variant), " of this key, if it exists.")]
                pub fn $one(&self, $arg: $param) -> Option<&$variant> {
                    self.tables.$table.get($look)
                }

                #[doc = concat!("Every ", stringify!($variant), ", in the order of their keys.")]
                pub fn $table(&self) -> impl Iterator<Item = &$variant> + use<'_> {
                    self.tables.$table.values()
                }
            )*
        }
    };
}

tables! {
    Region.name, RegionName, regions, region(name: &RegionName) = name;
    Zone.name, ZoneName, zones, zone(name: &ZoneName) = name;
    Host.name, HostName, hosts, host(name: &HostName) = name;
    Vpc.id, VpcId, vpcs, vpc(id: VpcId) = &id;
    RouteTable.id, RouteTableId, route_tables, route_table(id: RouteTableId) = &id;
    SecurityGroup.id, SecurityGroupId, security_groups, security_group(id: SecurityGroupId) = &id;
    Subnet.id, SubnetId, subnets, subnet(id: SubnetId) = &id;
    Interface.id, InterfaceId, interfaces, interface(id: InterfaceId) = &id;
}

/// Every resource of a cloud, indexed. Two clouds with the same resources are equal, whatever the
/// changes that led there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cloud {
    tables: Tables,
    indexes: Indexes,
}

/// Making and changing.
impl Cloud {
    /// A cloud without resources.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cloud of these resources. Of two with the same key, the later one stays.
    pub fn from_resources(resources: impl IntoIterator<Item = Resource>) -> Self {
        let mut cloud = Self::default();
        for resource in resources {
            cloud.put(resource);
        }
        cloud
    }

    /// Applies one transaction's changes. What a change says of the resource's past is not
    /// looked at: `after` (or nothing) is there afterwards.
    pub fn apply(&mut self, changes: &[Change]) {
        // All of the old goes before any of the new comes: an address may move from one
        // interface to another within a transaction, in either order.
        for key in changes.iter().filter_map(Change::key) {
            self.take(&key);
        }
        for after in changes.iter().filter_map(|change| change.after.as_ref()) {
            self.put(after.clone());
        }
    }

    fn put(&mut self, resource: Resource) {
        self.take(&resource.key());
        self.indexes.set(&resource, true);
        self.tables.insert(resource);
    }

    fn take(&mut self, key: &ResourceKey) {
        if let Some(old) = self.tables.remove(key) {
            self.indexes.set(&old, false);
        }
    }
}

/// Any kind.
impl Cloud {
    /// The resource of this key, if it exists.
    pub fn get(&self, key: &ResourceKey) -> Option<Resource> {
        self.tables.get(key)
    }

    /// Whether the resource exists.
    pub fn contains(&self, key: &ResourceKey) -> bool {
        self.tables.contains(key)
    }

    /// How many resources of the kind exist.
    pub fn count(&self, kind: Kind) -> usize {
        self.tables.count(kind)
    }

    /// Resources of the kind in the order of their keys, from the first one past `after`.
    pub fn list(
        &self,
        kind: Kind,
        after: Option<&ResourceKey>,
    ) -> impl Iterator<Item = Resource> + use<'_> {
        self.tables.list(kind, after)
    }

    /// Every resource, kinds in the order of [`Kind::ALL`]: references come after what they name.
    pub fn resources(&self) -> impl Iterator<Item = Resource> + use<'_> {
        Kind::ALL.iter().flat_map(|&kind| self.list(kind, None))
    }
}

/// What belongs to what; each in the order of the ids.
impl Cloud {
    /// The region's zones.
    pub fn zones_in_region(&self, region: &RegionName) -> impl Iterator<Item = &Zone> {
        let names = self.indexes.zones_in_region.iter(region);
        names.filter_map(|name| self.zone(name))
    }

    /// The region's VPCs.
    pub fn vpcs_in_region(&self, region: &RegionName) -> impl Iterator<Item = &Vpc> {
        let ids = self.indexes.vpcs_in_region.iter(region);
        ids.filter_map(|&id| self.vpc(id))
    }

    /// The hosts that stand in the zone.
    pub fn hosts_in_zone(&self, zone: &ZoneName) -> impl Iterator<Item = &Host> {
        let names = self.indexes.hosts_in_zone.iter(zone);
        names.filter_map(|name| self.host(name))
    }

    /// The zone's subnets, of every VPC.
    pub fn subnets_in_zone(&self, zone: &ZoneName) -> impl Iterator<Item = &Subnet> {
        let ids = self.indexes.subnets_in_zone.iter(zone);
        ids.filter_map(|&id| self.subnet(id))
    }

    /// The VPC's subnets.
    pub fn subnets_in_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &Subnet> + use<'_> {
        let ids = self.indexes.subnets_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.subnet(id))
    }

    /// The subnets that name the table; those that use it as the main one without naming it are
    /// not among them.
    pub fn subnets_with_table(
        &self,
        table: RouteTableId,
    ) -> impl Iterator<Item = &Subnet> + use<'_> {
        let ids = self.indexes.subnets_with_table.iter(&table);
        ids.filter_map(|&id| self.subnet(id))
    }

    /// The VPC's route tables, the main one among them.
    pub fn route_tables_in_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &RouteTable> + use<'_> {
        let ids = self.indexes.tables_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.route_table(id))
    }

    /// The tables with a route to the interface, whether or not that exists.
    pub fn route_tables_to_interface(
        &self,
        interface: InterfaceId,
    ) -> impl Iterator<Item = &RouteTable> + use<'_> {
        let ids = self.indexes.tables_to_interface.iter(&interface);
        ids.filter_map(|&id| self.route_table(id))
    }

    /// The VPC's security groups, the default one among them.
    pub fn groups_in_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &SecurityGroup> + use<'_> {
        let ids = self.indexes.groups_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.security_group(id))
    }

    /// The groups with a rule whose peer is this group, itself perhaps among them.
    pub fn groups_naming_group(
        &self,
        group: SecurityGroupId,
    ) -> impl Iterator<Item = &SecurityGroup> + use<'_> {
        let ids = self.indexes.groups_naming_group.iter(&group);
        ids.filter_map(|&id| self.security_group(id))
    }

    /// The VPC's interfaces.
    pub fn interfaces_in_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &Interface> + use<'_> {
        let ids = self.indexes.interfaces_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.interface(id))
    }

    /// How many interfaces the VPC has.
    pub fn interface_count_in_vpc(&self, vpc: VpcId) -> usize {
        self.indexes.interfaces_in_vpc.count(&vpc)
    }

    /// The subnet's interfaces.
    pub fn interfaces_in_subnet(
        &self,
        subnet: SubnetId,
    ) -> impl Iterator<Item = &Interface> + use<'_> {
        let ids = self.indexes.interfaces_in_subnet.iter(&subnet);
        ids.filter_map(|&id| self.interface(id))
    }

    /// The group's members.
    pub fn interfaces_in_group(
        &self,
        group: SecurityGroupId,
    ) -> impl Iterator<Item = &Interface> + use<'_> {
        let ids = self.indexes.interfaces_in_group.iter(&group);
        ids.filter_map(|&id| self.interface(id))
    }

    /// The interfaces attached to the host.
    pub fn interfaces_on_host(&self, host: &HostName) -> impl Iterator<Item = &Interface> {
        let ids = self.indexes.interfaces_on_host.iter(host);
        ids.filter_map(|&id| self.interface(id))
    }
}

/// Who has it: values that only one resource may hold.
impl Cloud {
    /// The host with this VTEP.
    pub fn host_by_vtep(&self, vtep: IpAddr) -> Option<&Host> {
        let name = self.indexes.host_by_vtep.get(&vtep)?;
        self.host(name)
    }

    /// The VPC with this VNI.
    pub fn vpc_by_vni(&self, vni: Vni) -> Option<&Vpc> {
        self.indexes
            .vpc_by_vni
            .get(&vni)
            .and_then(|&id| self.vpc(id))
    }

    /// The interface with this MAC.
    pub fn interface_by_mac(&self, mac: Mac) -> Option<&Interface> {
        let id = self.indexes.interface_by_mac.get(&mac);
        id.and_then(|&id| self.interface(id))
    }

    /// The interface plugged in at this place.
    pub fn interface_by_device(&self, place: &Attachment) -> Option<&Interface> {
        let id = self.indexes.interface_by_device.get(place);
        id.and_then(|&id| self.interface(id))
    }

    /// The interface that holds this private address in the VPC.
    pub fn interface_by_address(&self, vpc: VpcId, address: IpAddr) -> Option<&Interface> {
        let id = self.indexes.interface_by_address.get(&(vpc, address));
        id.and_then(|&id| self.interface(id))
    }
}

/// What is free. Each costs a few lookups, however many are taken.
impl Cloud {
    /// The lowest VNI that no VPC has.
    pub fn free_vni(&self) -> Option<Vni> {
        let free = self.indexes.vnis.lowest_free(1, u128::from(Vni::MAX))?;
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
        let taken: std::collections::BTreeSet<SubnetBlock6> =
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
