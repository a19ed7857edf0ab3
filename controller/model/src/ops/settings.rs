//! What an operator sets: limits that protect people from accidents, and the pools to give from.

use ipnet::Ipv6Net;

use crate::AccountId;

/// How many of each a cloud, a VPC, a table or an interface may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// VPCs of a region.
    pub vpcs_per_region: usize,
    /// CIDRs of a VPC: of each family, the primary one counted.
    pub cidrs_per_vpc: usize,
    /// Subnets of a VPC.
    pub subnets_per_vpc: usize,
    /// Route tables of a VPC, the main one counted.
    pub route_tables_per_vpc: usize,
    /// Routes of a table, the local ones not counted.
    pub routes_per_table: usize,
    /// Security groups of a region.
    pub groups_per_region: usize,
    /// Rules of a group per direction and address family. A rule whose peer is a group counts for
    /// both families.
    pub rules_per_group: usize,
    /// Network ACLs of a VPC, the default one counted.
    pub acls_per_vpc: usize,
    /// Entries of a network ACL per direction and address family.
    pub entries_per_acl: usize,
    /// Prefix lists of a region.
    pub prefix_lists_per_region: usize,
    /// What a prefix list's greatest number of entries may be.
    pub entries_per_prefix_list: usize,
    /// Security groups of an interface.
    pub groups_per_interface: usize,
    /// Interfaces of a region.
    pub interfaces_per_region: usize,
    /// Active peerings of a VPC.
    pub peerings_per_vpc: usize,
    /// Peerings that a VPC asked for and that wait for an answer.
    pub pending_peerings_per_vpc: usize,
    /// Transit gateways of the cloud.
    pub transit_gateways: usize,
    /// Transit gateways that a VPC is attached to.
    pub transit_gateways_per_vpc: usize,
    /// VPCs attached to a transit gateway.
    pub attachments_per_transit_gateway: usize,
    /// Route tables of a transit gateway, the default one counted.
    pub tables_per_transit_gateway: usize,
    /// Static routes of a transit gateway's table.
    pub routes_per_transit_table: usize,
    /// Addresses of an interface: of each family, the primary one counted.
    pub addresses_per_interface: usize,
    /// Elastic addresses of a region.
    pub elastic_addresses_per_region: usize,
    /// Internet gateways of the cloud, attached or not.
    pub internet_gateways: usize,
    /// Flow logs of a VPC, of a subnet, of an interface: of each by itself.
    pub flow_logs_per_resource: usize,
    /// Mirror filters of a region.
    pub mirror_filters_per_region: usize,
    /// Rules of a mirror filter per direction.
    pub rules_per_mirror_filter: usize,
    /// Mirror sessions of one source.
    pub mirror_sessions_per_source: usize,
    /// Private zones of the cloud.
    pub private_zones: usize,
    /// VPCs that see a private zone.
    pub vpcs_per_private_zone: usize,
    /// Names and types of a private zone.
    pub records_per_private_zone: usize,
    /// Load balancers of a region.
    pub balancers_per_region: usize,
    /// Listeners of a load balancer.
    pub listeners_per_balancer: usize,
    /// Target groups of a region.
    pub target_groups_per_region: usize,
    /// Targets of a target group, those that drain counted.
    pub targets_per_group: usize,
    /// NAT gateways of a subnet.
    pub nat_gateways_per_subnet: usize,
    /// Tags of a resource.
    pub tags_per_resource: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            vpcs_per_region: 5,
            cidrs_per_vpc: 5,
            subnets_per_vpc: 200,
            route_tables_per_vpc: 200,
            routes_per_table: 500,
            groups_per_region: 2_500,
            rules_per_group: 60,
            acls_per_vpc: 200,
            entries_per_acl: 20,
            prefix_lists_per_region: 100,
            entries_per_prefix_list: 1_000,
            groups_per_interface: 5,
            interfaces_per_region: 5_000,
            peerings_per_vpc: 50,
            pending_peerings_per_vpc: 25,
            transit_gateways: 5,
            transit_gateways_per_vpc: 5,
            attachments_per_transit_gateway: 5_000,
            tables_per_transit_gateway: 20,
            routes_per_transit_table: 10_000,
            addresses_per_interface: 50,
            elastic_addresses_per_region: 5,
            internet_gateways: 100,
            flow_logs_per_resource: 2,
            mirror_filters_per_region: 100,
            rules_per_mirror_filter: 10,
            mirror_sessions_per_source: 3,
            balancers_per_region: 50,
            listeners_per_balancer: 50,
            private_zones: 500,
            records_per_private_zone: 1_000,
            target_groups_per_region: 3_000,
            targets_per_group: 500,
            vpcs_per_private_zone: 300,
            nat_gateways_per_subnet: 5,
            tags_per_resource: 50,
        }
    }
}

impl Quotas {
    /// No limit: what the code holds is what there is.
    pub const UNLIMITED: Self = Self {
        vpcs_per_region: usize::MAX,
        cidrs_per_vpc: usize::MAX,
        subnets_per_vpc: usize::MAX,
        route_tables_per_vpc: usize::MAX,
        routes_per_table: usize::MAX,
        groups_per_region: usize::MAX,
        rules_per_group: usize::MAX,
        acls_per_vpc: usize::MAX,
        entries_per_acl: usize::MAX,
        prefix_lists_per_region: usize::MAX,
        entries_per_prefix_list: usize::MAX,
        groups_per_interface: usize::MAX,
        interfaces_per_region: usize::MAX,
        peerings_per_vpc: usize::MAX,
        pending_peerings_per_vpc: usize::MAX,
        transit_gateways: usize::MAX,
        transit_gateways_per_vpc: usize::MAX,
        attachments_per_transit_gateway: usize::MAX,
        tables_per_transit_gateway: usize::MAX,
        routes_per_transit_table: usize::MAX,
        addresses_per_interface: usize::MAX,
        elastic_addresses_per_region: usize::MAX,
        internet_gateways: usize::MAX,
        flow_logs_per_resource: usize::MAX,
        mirror_filters_per_region: usize::MAX,
        rules_per_mirror_filter: usize::MAX,
        mirror_sessions_per_source: usize::MAX,
        balancers_per_region: usize::MAX,
        listeners_per_balancer: usize::MAX,
        private_zones: usize::MAX,
        records_per_private_zone: usize::MAX,
        target_groups_per_region: usize::MAX,
        targets_per_group: usize::MAX,
        vpcs_per_private_zone: usize::MAX,
        nat_gateways_per_subnet: usize::MAX,
        tags_per_resource: usize::MAX,
    };
}

/// What commands need to know beside the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The limits.
    pub quotas: Quotas,
    /// Where VPCs get their /56 from when they ask for one without saying which; /56 or shorter.
    pub ipv6_pool: Option<Ipv6Net>,
    /// Whose the cloud is.
    pub account: AccountId,
    /// Whether each region is born with a default VPC, and each zone with its default subnet.
    pub default_vpcs: bool,
}
