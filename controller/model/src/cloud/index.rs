//! What is found by something else than its key. Every index follows from the resources alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use super::{public::PublicHolder, ranges::Ranges};
use crate::{
    Association, Attachment, Balancer, BalancerId, Destination, EgressGateway, EgressGatewayId,
    ElasticAddress, ElasticAddressId, FlowLogId, Host, HostName, Interface, InterfaceId,
    InternetGateway, InternetGatewayId, LeaseKey, Listener, ListenerId, LogScope, Mac,
    MirrorFilterId, MirrorSession, MirrorSessionId, MirrorTarget, NatGateway, NatGatewayId,
    NetworkAcl, NetworkAclId, Peer, Peering, PeeringId, PortLease, PrefixList, PrefixListId,
    PrivateZone, PrivateZoneId, PublicPoolId, RegionName, Resource, RouteTable, RouteTableId,
    RouteTarget, SecurityGroup, SecurityGroupId, Subnet, SubnetId, TargetGroup, TargetGroupId,
    TransitAttachment, TransitAttachmentId, TransitGatewayId, TransitTable, TransitTableId, Vni,
    Vpc, VpcBlock6, VpcId, Zone, ZoneName,
};

/// Many values per key; a key without values is not there, so equal content is equal indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Multi<K, V>(BTreeMap<K, BTreeSet<V>>);

impl<K, V> Default for Multi<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V: Ord + Clone> Multi<K, V> {
    fn set(&mut self, key: &K, value: &V, present: bool) {
        if present {
            self.0.entry(key.clone()).or_default().insert(value.clone());
        } else if let Some(values) = self.0.get_mut(key) {
            values.remove(value);
            if values.is_empty() {
                self.0.remove(key);
            }
        }
    }

    pub(super) fn iter(&self, key: &K) -> impl Iterator<Item = &V> + use<'_, K, V> {
        self.0.get(key).into_iter().flatten()
    }

    pub(super) fn count(&self, key: &K) -> usize {
        self.0.get(key).map_or(0, BTreeSet::len)
    }
}

/// One value per key. Only the value's own removal takes it away, so that a key that moves from
/// one resource to another within a transaction stays with the new one.
fn set_one<K: Ord, V: PartialEq>(map: &mut BTreeMap<K, V>, key: K, value: V, present: bool) {
    if present {
        map.insert(key, value);
    } else if map.get(&key) == Some(&value) {
        map.remove(&key);
    }
}

/// All indexes of a cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Indexes {
    pub(super) zones_in_region: Multi<RegionName, ZoneName>,
    pub(super) vpcs_in_region: Multi<RegionName, VpcId>,
    pub(super) hosts_in_zone: Multi<ZoneName, HostName>,
    pub(super) subnets_in_zone: Multi<ZoneName, SubnetId>,
    pub(super) subnets_in_vpc: Multi<VpcId, SubnetId>,
    pub(super) subnets_with_table: Multi<RouteTableId, SubnetId>,
    pub(super) tables_in_vpc: Multi<VpcId, RouteTableId>,
    pub(super) tables_to_interface: Multi<InterfaceId, RouteTableId>,
    pub(super) peerings_of_vpc: Multi<VpcId, PeeringId>,
    pub(super) transit_tables_of: Multi<TransitGatewayId, TransitTableId>,
    pub(super) attachments_of_gateway: Multi<TransitGatewayId, TransitAttachmentId>,
    pub(super) attachments_of_vpc: Multi<VpcId, TransitAttachmentId>,
    pub(super) attachments_with_table: Multi<TransitTableId, TransitAttachmentId>,
    pub(super) attachments_into_table: Multi<TransitTableId, TransitAttachmentId>,
    pub(super) groups_in_vpc: Multi<VpcId, SecurityGroupId>,
    pub(super) acls_in_vpc: Multi<VpcId, NetworkAclId>,
    pub(super) subnets_with_acl: Multi<NetworkAclId, SubnetId>,
    pub(super) lists_in_region: Multi<RegionName, PrefixListId>,
    pub(super) groups_naming_list: Multi<PrefixListId, SecurityGroupId>,
    pub(super) tables_naming_list: Multi<PrefixListId, RouteTableId>,
    pub(super) groups_naming_group: Multi<SecurityGroupId, SecurityGroupId>,
    pub(super) interfaces_in_vpc: Multi<VpcId, InterfaceId>,
    pub(super) interfaces_in_subnet: Multi<SubnetId, InterfaceId>,
    pub(super) interfaces_in_group: Multi<SecurityGroupId, InterfaceId>,
    pub(super) interfaces_on_host: Multi<HostName, InterfaceId>,
    pub(super) logs_of: Multi<LogScope, FlowLogId>,
    pub(super) logs_in_vpc: Multi<VpcId, FlowLogId>,
    pub(super) mirror_filters_in_region: Multi<RegionName, MirrorFilterId>,
    pub(super) mirror_sessions_with: Multi<MirrorFilterId, MirrorSessionId>,
    /// By their sources and their targets.
    pub(super) mirror_sessions_of: Multi<InterfaceId, MirrorSessionId>,
    pub(super) mirror_sessions_in_vpc: Multi<VpcId, MirrorSessionId>,
    pub(super) private_zones_of_vpc: Multi<VpcId, PrivateZoneId>,
    pub(super) balancers_in_vpc: Multi<VpcId, BalancerId>,
    pub(super) balancers_in_subnet: Multi<SubnetId, BalancerId>,
    pub(super) target_groups_in_vpc: Multi<VpcId, TargetGroupId>,
    pub(super) listeners_of: Multi<BalancerId, ListenerId>,
    pub(super) listeners_to: Multi<TargetGroupId, ListenerId>,
    pub(super) balancer_by_address: BTreeMap<(VpcId, IpAddr), BalancerId>,
    pub(super) host_by_vtep: BTreeMap<IpAddr, HostName>,
    pub(super) vpc_by_vni: BTreeMap<Vni, VpcId>,
    pub(super) interface_by_mac: BTreeMap<Mac, InterfaceId>,
    pub(super) interface_by_device: BTreeMap<Attachment, InterfaceId>,
    pub(super) interface_by_address: BTreeMap<(VpcId, IpAddr), InterfaceId>,
    pub(super) pools_in_region: Multi<RegionName, PublicPoolId>,
    pub(super) elastic_of_pool: Multi<PublicPoolId, ElasticAddressId>,
    pub(super) elastic_of_interface: Multi<InterfaceId, ElasticAddressId>,
    pub(super) public_by_address: BTreeMap<Ipv4Addr, PublicHolder>,
    /// The public addresses in use, of all pools.
    pub(super) public4: Ranges,
    pub(super) internet_gateway_of_vpc: BTreeMap<VpcId, InternetGatewayId>,
    pub(super) egress_gateway_of_vpc: BTreeMap<VpcId, EgressGatewayId>,
    pub(super) nats_in_vpc: Multi<VpcId, NatGatewayId>,
    pub(super) nat_by_address: BTreeMap<(VpcId, Ipv4Addr), NatGatewayId>,
    pub(super) leases_of_nat: Multi<NatGatewayId, LeaseKey>,
    pub(super) leases_on_host: Multi<HostName, LeaseKey>,
    pub(super) vnis: Ranges,
    /// /56 blocks by their number; two VPCs may be given the same one.
    pub(super) vpc_blocks6: Ranges,
    vpcs_with_block6: Multi<VpcBlock6, VpcId>,
    pub(super) addresses4: BTreeMap<SubnetId, Ranges>,
    pub(super) addresses6: BTreeMap<SubnetId, Ranges>,
}

/// The number of a /56 among all /56 blocks.
pub(super) fn number_of_block6(block: VpcBlock6) -> u128 {
    block.net().network().to_bits() >> 72
}

/// The number that stands for an IPv4 address in `Ranges`.
pub(super) fn number4(address: Ipv4Addr) -> u128 {
    u128::from(address.to_bits())
}

impl Indexes {
    /// Adds (`present`) or takes out what follows from `resource`.
    pub(super) fn set(&mut self, resource: &Resource, present: bool) {
        match resource {
            Resource::Region(_) => {}
            Resource::Zone(zone) => self.set_zone(zone, present),
            Resource::Host(host) => self.set_host(host, present),
            Resource::PublicPool(pool) => self.pools_in_region.set(&pool.region, &pool.id, present),
            Resource::Vpc(vpc) => self.set_vpc(vpc, present),
            Resource::InternetGateway(gateway) => self.set_internet_gateway(gateway, present),
            Resource::EgressGateway(gateway) => self.set_egress_gateway(gateway, present),
            Resource::ElasticAddress(elastic) => self.set_elastic(elastic, present),
            Resource::Peering(peering) => self.set_peering(peering, present),
            Resource::NatGateway(nat) => self.set_nat(nat, present),
            Resource::PortLease(lease) => self.set_lease(lease, present),
            Resource::TransitGateway(_) => {}
            Resource::TransitTable(table) => self.set_transit_table(table, present),
            Resource::TransitAttachment(attachment) => self.set_attachment(attachment, present),
            Resource::RouteTable(table) => self.set_table(table, present),
            Resource::SecurityGroup(group) => self.set_group(group, present),
            Resource::NetworkAcl(acl) => self.set_acl(acl, present),
            Resource::PrefixList(list) => self.set_list(list, present),
            Resource::Subnet(subnet) => self.set_subnet(subnet, present),
            Resource::Interface(interface) => self.set_interface(interface, present),
            Resource::FlowLog(log) => {
                self.logs_of.set(&log.scope, &log.id, present);
                self.logs_in_vpc.set(&log.vpc, &log.id, present);
            }
            Resource::MirrorFilter(filter) => {
                self.mirror_filters_in_region
                    .set(&filter.region, &filter.id, present);
            }
            Resource::MirrorSession(session) => self.set_mirror_session(session, present),
            Resource::PrivateZone(zone) => self.set_private_zone(zone, present),
            Resource::TargetGroup(group) => self.set_target_group(group, present),
            Resource::Balancer(balancer) => self.set_balancer(balancer, present),
            Resource::Listener(listener) => self.set_listener(listener, present),
        }
    }

    fn set_zone(&mut self, zone: &Zone, present: bool) {
        self.zones_in_region.set(&zone.region, &zone.name, present);
    }

    fn set_host(&mut self, host: &Host, present: bool) {
        self.hosts_in_zone.set(&host.zone, &host.name, present);
        set_one(
            &mut self.host_by_vtep,
            host.vtep,
            host.name.clone(),
            present,
        );
    }

    fn set_vpc(&mut self, vpc: &Vpc, present: bool) {
        self.vpcs_in_region.set(&vpc.region, &vpc.id, present);
        set_one(&mut self.vpc_by_vni, vpc.vni, vpc.id, present);
        let taken = self.vpc_by_vni.contains_key(&vpc.vni);
        mark(&mut self.vnis, u128::from(vpc.vni.get()), taken);
        for block in &vpc.ipv6 {
            self.vpcs_with_block6.set(block, &vpc.id, present);
            let taken = self.vpcs_with_block6.count(block) > 0;
            mark(&mut self.vpc_blocks6, number_of_block6(*block), taken);
        }
    }

    fn set_internet_gateway(&mut self, gateway: &InternetGateway, present: bool) {
        if let Some(vpc) = gateway.vpc {
            set_one(&mut self.internet_gateway_of_vpc, vpc, gateway.id, present);
        }
    }

    fn set_egress_gateway(&mut self, gateway: &EgressGateway, present: bool) {
        let by_vpc = &mut self.egress_gateway_of_vpc;
        set_one(by_vpc, gateway.vpc, gateway.id, present);
    }

    fn set_elastic(&mut self, elastic: &ElasticAddress, present: bool) {
        let id = elastic.id;
        self.elastic_of_pool.set(&elastic.pool, &id, present);
        if let Some(Association::Interface { interface, .. }) = elastic.association {
            self.elastic_of_interface.set(&interface, &id, present);
        }
        self.set_public(elastic.address, PublicHolder::Elastic(id), present);
    }

    fn set_nat(&mut self, nat: &NatGateway, present: bool) {
        self.nats_in_vpc.set(&nat.vpc, &nat.id, present);
        let place = (nat.vpc, nat.private);
        set_one(&mut self.nat_by_address, place, nat.id, present);
        self.mark_address(nat.vpc, nat.subnet, nat.private.into());
    }

    fn set_lease(&mut self, lease: &PortLease, present: bool) {
        self.leases_of_nat.set(&lease.nat, &lease.key, present);
        if let Some(host) = &lease.host {
            self.leases_on_host.set(host, &lease.key, present);
        }
    }

    fn set_public(&mut self, address: Ipv4Addr, holder: PublicHolder, present: bool) {
        set_one(&mut self.public_by_address, address, holder, present);
        let taken = self.public_by_address.contains_key(&address);
        mark(&mut self.public4, number4(address), taken);
    }

    fn set_private_zone(&mut self, zone: &PrivateZone, present: bool) {
        for vpc in &zone.vpcs {
            self.private_zones_of_vpc.set(vpc, &zone.id, present);
        }
    }

    fn set_peering(&mut self, peering: &Peering, present: bool) {
        for vpc in [peering.requester, peering.accepter] {
            self.peerings_of_vpc.set(&vpc, &peering.id, present);
        }
    }

    fn set_transit_table(&mut self, table: &TransitTable, present: bool) {
        self.transit_tables_of
            .set(&table.gateway, &table.id, present);
    }

    fn set_attachment(&mut self, attachment: &TransitAttachment, present: bool) {
        let id = attachment.id;
        self.attachments_of_gateway
            .set(&attachment.gateway, &id, present);
        self.attachments_of_vpc.set(&attachment.vpc, &id, present);
        if let Some(table) = attachment.table {
            self.attachments_with_table.set(&table, &id, present);
        }
        for table in &attachment.propagations {
            self.attachments_into_table.set(table, &id, present);
        }
    }

    fn set_table(&mut self, table: &RouteTable, present: bool) {
        self.tables_in_vpc.set(&table.vpc, &table.id, present);
        for route in &table.routes {
            if let RouteTarget::Interface(interface) = route.target {
                self.tables_to_interface.set(&interface, &table.id, present);
            }
            if let Destination::List(list) = route.destination {
                self.tables_naming_list.set(&list, &table.id, present);
            }
        }
    }

    fn set_group(&mut self, group: &SecurityGroup, present: bool) {
        self.groups_in_vpc.set(&group.vpc, &group.id, present);
        for rule in group.ingress.iter().chain(&group.egress) {
            match rule.peer {
                Peer::Group(peer) => self.groups_naming_group.set(&peer, &group.id, present),
                Peer::List(list) => self.groups_naming_list.set(&list, &group.id, present),
                Peer::Cidr(_) => {}
            }
        }
    }

    fn set_acl(&mut self, acl: &NetworkAcl, present: bool) {
        self.acls_in_vpc.set(&acl.vpc, &acl.id, present);
    }

    fn set_list(&mut self, list: &PrefixList, present: bool) {
        self.lists_in_region.set(&list.region, &list.id, present);
    }

    fn set_subnet(&mut self, subnet: &Subnet, present: bool) {
        self.subnets_in_zone.set(&subnet.zone, &subnet.id, present);
        self.subnets_in_vpc.set(&subnet.vpc, &subnet.id, present);
        if let Some(table) = subnet.route_table {
            self.subnets_with_table.set(&table, &subnet.id, present);
        }
        if let Some(acl) = subnet.acl {
            self.subnets_with_acl.set(&acl, &subnet.id, present);
        }
    }

    fn set_interface(&mut self, interface: &Interface, present: bool) {
        let id = interface.id;
        self.interfaces_in_vpc.set(&interface.vpc, &id, present);
        self.interfaces_in_subnet
            .set(&interface.subnet, &id, present);
        for group in &interface.groups {
            self.interfaces_in_group.set(group, &id, present);
        }
        set_one(&mut self.interface_by_mac, interface.mac, id, present);
        if let Some(attachment) = &interface.attachment {
            self.interfaces_on_host.set(&attachment.host, &id, present);
            set_one(
                &mut self.interface_by_device,
                attachment.clone(),
                id,
                present,
            );
        }
        self.set_addresses(interface, present);
        if let Some(public) = interface.public_ipv4 {
            self.set_public(public, PublicHolder::Interface(id), present);
        }
    }

    fn set_addresses(&mut self, interface: &Interface, present: bool) {
        let (vpc, subnet) = (interface.vpc, interface.subnet);
        for address in interface.addresses() {
            set_one(
                &mut self.interface_by_address,
                (vpc, address),
                interface.id,
                present,
            );
            self.mark_address(vpc, subnet, address);
        }
    }

    /// Notes whether somebody holds the address.
    fn mark_address(&mut self, vpc: VpcId, subnet: SubnetId, address: IpAddr) {
        let key = (vpc, address);
        let mut taken = self.interface_by_address.contains_key(&key)
            || self.balancer_by_address.contains_key(&key);
        match address {
            IpAddr::V4(a) => {
                taken |= self.nat_by_address.contains_key(&(vpc, a));
                mark_in(&mut self.addresses4, subnet, number4(a), taken);
            }
            IpAddr::V6(a) => mark_in(&mut self.addresses6, subnet, a.to_bits(), taken),
        }
    }

    fn set_target_group(&mut self, group: &TargetGroup, present: bool) {
        self.target_groups_in_vpc
            .set(&group.vpc, &group.id, present);
    }

    fn set_balancer(&mut self, balancer: &Balancer, present: bool) {
        let (id, vpc) = (balancer.id, balancer.vpc);
        self.balancers_in_vpc.set(&vpc, &id, present);
        for placement in &balancer.placements {
            self.balancers_in_subnet
                .set(&placement.subnet, &id, present);
            for address in placement.addresses() {
                set_one(&mut self.balancer_by_address, (vpc, address), id, present);
                self.mark_address(vpc, placement.subnet, address);
            }
            if let Some(public) = placement.public_ipv4 {
                self.set_public(public, PublicHolder::Balancer(id), present);
            }
        }
    }

    fn set_mirror_session(&mut self, session: &MirrorSession, present: bool) {
        let id = &session.id;
        self.mirror_sessions_with.set(&session.filter, id, present);
        self.mirror_sessions_in_vpc.set(&session.vpc, id, present);
        self.mirror_sessions_of.set(&session.source, id, present);
        if let MirrorTarget::Interface(target) = &session.target {
            self.mirror_sessions_of.set(target, id, present);
        }
    }

    fn set_listener(&mut self, listener: &Listener, present: bool) {
        self.listeners_of
            .set(&listener.balancer, &listener.id, present);
        self.listeners_to
            .set(&listener.target_group, &listener.id, present);
    }
}

fn mark(ranges: &mut Ranges, n: u128, taken: bool) {
    if taken {
        ranges.insert(n);
    } else {
        ranges.remove(n);
    }
}

fn mark_in(by_subnet: &mut BTreeMap<SubnetId, Ranges>, subnet: SubnetId, n: u128, taken: bool) {
    let ranges = by_subnet.entry(subnet).or_default();
    mark(ranges, n, taken);
    if ranges.is_empty() {
        by_subnet.remove(&subnet);
    }
}
