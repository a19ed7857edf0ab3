//! The whole cloud in memory: every resource by its key, and the indexes that commands, listings
//! and the planner look things up by.

mod balancing;
mod free;
mod index;
mod nat;
mod public;
mod ranges;
#[cfg(test)]
mod tests;
mod transit;

use std::{collections::BTreeMap, net::IpAddr, ops::Bound};

pub use self::free::{RESERVED_ADDRESSES, usable4, usable6};
use self::index::Indexes;
pub use self::public::PublicHolder;
use crate::{
    Attachment, Balancer, BalancerId, Change, Destination, EgressGateway, EgressGatewayId,
    ElasticAddress, ElasticAddressId, FlowLog, FlowLogId, Host, HostName, Interface, InterfaceId,
    InternetGateway, InternetGatewayId, Kind, LeaseKey, Listener, ListenerId, LogScope, Mac,
    MirrorFilter, MirrorFilterId, MirrorSession, MirrorSessionId, NatGateway, NatGatewayId,
    NetworkAcl, NetworkAclId, Peering, PeeringId, PortLease, Prefix, PrefixList, PrefixListId,
    PrivateZone, PrivateZoneId, PublicPool, PublicPoolId, Region, RegionName, Resource,
    ResourceKey, RouteTable, RouteTableId, SecurityGroup, SecurityGroupId, Subnet, SubnetId,
    TargetGroup, TargetGroupId, TransitAttachment, TransitAttachmentId, TransitGateway,
    TransitGatewayId, TransitTable, TransitTableId, Vni, Vpc, VpcId, Zone, ZoneName,
};

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
    PrefixList.id, PrefixListId, prefix_lists, prefix_list(id: PrefixListId) = &id;
    PublicPool.id, PublicPoolId, public_pools, public_pool(id: PublicPoolId) = &id;
    Vpc.id, VpcId, vpcs, vpc(id: VpcId) = &id;
    InternetGateway.id, InternetGatewayId, internet_gateways, internet_gateway(id: InternetGatewayId) = &id;
    EgressGateway.id, EgressGatewayId, egress_gateways, egress_gateway(id: EgressGatewayId) = &id;
    Peering.id, PeeringId, peerings, peering(id: PeeringId) = &id;
    TransitGateway.id, TransitGatewayId, transit_gateways, transit_gateway(id: TransitGatewayId) = &id;
    TransitTable.id, TransitTableId, transit_tables, transit_table(id: TransitTableId) = &id;
    TransitAttachment.id, TransitAttachmentId, transit_attachments, transit_attachment(id: TransitAttachmentId) = &id;
    RouteTable.id, RouteTableId, route_tables, route_table(id: RouteTableId) = &id;
    SecurityGroup.id, SecurityGroupId, security_groups, security_group(id: SecurityGroupId) = &id;
    NetworkAcl.id, NetworkAclId, network_acls, network_acl(id: NetworkAclId) = &id;
    Subnet.id, SubnetId, subnets, subnet(id: SubnetId) = &id;
    Interface.id, InterfaceId, interfaces, interface(id: InterfaceId) = &id;
    ElasticAddress.id, ElasticAddressId, elastic_addresses, elastic_address(id: ElasticAddressId) = &id;
    FlowLog.id, FlowLogId, flow_logs, flow_log(id: FlowLogId) = &id;
    MirrorFilter.id, MirrorFilterId, mirror_filters, mirror_filter(id: MirrorFilterId) = &id;
    MirrorSession.id, MirrorSessionId, mirror_sessions, mirror_session(id: MirrorSessionId) = &id;
    PrivateZone.id, PrivateZoneId, private_zones, private_zone(id: PrivateZoneId) = &id;
    TargetGroup.id, TargetGroupId, target_groups, target_group(id: TargetGroupId) = &id;
    Balancer.id, BalancerId, balancers, balancer(id: BalancerId) = &id;
    Listener.id, ListenerId, listeners, listener(id: ListenerId) = &id;
    NatGateway.id, NatGatewayId, nat_gateways, nat_gateway(id: NatGatewayId) = &id;
    PortLease.key, LeaseKey, port_leases, port_lease(key: &LeaseKey) = key;
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

    /// The peerings with the VPC on either side, whatever their status.
    pub fn peerings_of_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &Peering> + use<'_> {
        let ids = self.indexes.peerings_of_vpc.iter(&vpc);
        ids.filter_map(|&id| self.peering(id))
    }

    /// The active peering of the two VPCs, if they have one.
    pub fn active_peering(&self, one: VpcId, two: VpcId) -> Option<&Peering> {
        let mut peerings = self.peerings_of_vpc(one);
        peerings.find(|peering| peering.is_active() && peering.other(one) == Some(two))
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

    /// The prefixes that a route's destination stands for.
    pub fn prefixes_of(&self, destination: Destination) -> Vec<Prefix> {
        match destination {
            Destination::Prefix(prefix) => vec![prefix],
            Destination::List(list) => {
                let list = self.prefix_list(list).into_iter();
                list.flat_map(PrefixList::prefixes).collect()
            }
        }
    }

    /// The VPC's network ACLs, the default one among them.
    pub fn acls_in_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &NetworkAcl> + use<'_> {
        let ids = self.indexes.acls_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.network_acl(id))
    }

    /// The subnets that name the ACL; those that have it as the default one are not among them.
    pub fn subnets_with_acl(&self, acl: NetworkAclId) -> impl Iterator<Item = &Subnet> + use<'_> {
        let ids = self.indexes.subnets_with_acl.iter(&acl);
        ids.filter_map(|&id| self.subnet(id))
    }

    /// The region's prefix lists.
    pub fn prefix_lists_in_region(&self, region: &RegionName) -> impl Iterator<Item = &PrefixList> {
        let ids = self.indexes.lists_in_region.iter(region);
        ids.filter_map(|&id| self.prefix_list(id))
    }

    /// The groups with a rule whose peer is the list.
    pub fn groups_naming_list(
        &self,
        list: PrefixListId,
    ) -> impl Iterator<Item = &SecurityGroup> + use<'_> {
        let ids = self.indexes.groups_naming_list.iter(&list);
        ids.filter_map(|&id| self.security_group(id))
    }

    /// The tables with a route whose destination is the list.
    pub fn route_tables_naming_list(
        &self,
        list: PrefixListId,
    ) -> impl Iterator<Item = &RouteTable> + use<'_> {
        let ids = self.indexes.tables_naming_list.iter(&list);
        ids.filter_map(|&id| self.route_table(id))
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

    /// The flow logs of exactly this.
    pub fn flow_logs_of(&self, scope: LogScope) -> impl Iterator<Item = &FlowLog> + use<'_> {
        let ids = self.indexes.logs_of.iter(&scope);
        ids.filter_map(|&id| self.flow_log(id))
    }

    /// The flow logs of the VPC, its subnets and its interfaces.
    pub fn flow_logs_in_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &FlowLog> + use<'_> {
        let ids = self.indexes.logs_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.flow_log(id))
    }

    /// The region's mirror filters.
    pub fn mirror_filters_in_region(
        &self,
        region: &RegionName,
    ) -> impl Iterator<Item = &MirrorFilter> {
        let ids = self.indexes.mirror_filters_in_region.iter(region);
        ids.filter_map(|&id| self.mirror_filter(id))
    }

    /// The mirror sessions with the filter.
    pub fn mirror_sessions_with(
        &self,
        filter: MirrorFilterId,
    ) -> impl Iterator<Item = &MirrorSession> + use<'_> {
        let ids = self.indexes.mirror_sessions_with.iter(&filter);
        ids.filter_map(|&id| self.mirror_session(id))
    }

    /// The mirror sessions from and to the interface.
    pub fn mirror_sessions_of(
        &self,
        interface: InterfaceId,
    ) -> impl Iterator<Item = &MirrorSession> + use<'_> {
        let ids = self.indexes.mirror_sessions_of.iter(&interface);
        ids.filter_map(|&id| self.mirror_session(id))
    }

    /// The mirror sessions of the VPC's interfaces.
    pub fn mirror_sessions_in_vpc(
        &self,
        vpc: VpcId,
    ) -> impl Iterator<Item = &MirrorSession> + use<'_> {
        let ids = self.indexes.mirror_sessions_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.mirror_session(id))
    }

    /// The private zones that the VPC sees.
    pub fn private_zones_of_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &PrivateZone> + use<'_> {
        let ids = self.indexes.private_zones_of_vpc.iter(&vpc);
        ids.filter_map(|&id| self.private_zone(id))
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
