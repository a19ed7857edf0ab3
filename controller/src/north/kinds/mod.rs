//! Each kind of resource: its fields, its messages, its commands.

mod egress_gateway;
mod elastic_address;
mod flow_log;
mod host;
mod interface;
mod internet_gateway;
mod listener;
mod load_balancer;
mod mirror_filter;
mod mirror_session;
mod nat_gateway;
mod network_acl;
mod peering;
mod prefix_list;
mod private_zone;
mod public_pool;
mod region;
mod route_table;
mod security_group;
mod subnet;
mod target_group;
mod transit_attachment;
mod transit_gateway;
mod transit_table;
mod vpc;
mod zone;

pub(super) use self::{
    egress_gateway::EgressGateways, elastic_address::ElasticAddresses, flow_log::FlowLogs,
    host::Hosts, interface::Interfaces, internet_gateway::InternetGateways, listener::Listeners,
    load_balancer::LoadBalancers, mirror_filter::MirrorFilters, mirror_session::MirrorSessions,
    nat_gateway::NatGateways, network_acl::NetworkAcls, peering::Peerings,
    prefix_list::PrefixLists, private_zone::PrivateZones, public_pool::PublicPools,
    region::Regions, route_table::RouteTables, security_group::SecurityGroups, subnet::Subnets,
    target_group::TargetGroups, transit_attachment::TransitAttachments,
    transit_gateway::TransitGateways, transit_table::TransitTables, vpc::Vpcs, zone::Zones,
};

/// The names that every kind's implementation needs.
mod prelude {
    pub(super) use weft_model::{
        Change, Cloud, Kind, Resource, Revision, VpcId,
        ops::{self, Entropy, OpError, Settings},
    };
    pub(super) use weft_proto::{
        convert::{Fields, Reported},
        v1 as wire,
    };

    pub(super) use super::{
        super::{
            North, Service,
            kind::{self, Exposed, label},
            mask::{Mask, Paths},
            methods,
            service::service,
        },
        given_by_controller,
    };

    /// What an operation answers.
    pub(super) type Changes = Result<Vec<Change>, OpError>;
}

use self::prelude::{Fields, Reported};

/// Refuses a field that only the controller fills: to ignore it would surprise whoever set it.
fn given_by_controller(fields: &mut Fields, field: &str, text: &str) -> Result<(), Reported> {
    if text.is_empty() {
        return Ok(());
    }
    Err(fields.refuse(field, "is given by the controller: leave it out"))
}
