//! The north API: `weft.v1`, for people and programs.

mod call;
mod explain;
mod kind;
mod kinds;
mod mask;
mod metering;
mod methods;
mod operations;
mod page;
mod service;
mod stats;
mod status;

use std::{marker::PhantomData, sync::Arc};

use tonic::service::Routes;
use weft_model::{HostName, TargetGroupId};
use weft_planner::TargetReport;
use weft_proto::v1 as wire;

pub(crate) use self::{call::CallLayer, stats::CallStats};
use self::{
    explain::Explain,
    kinds::{
        EgressGateways, ElasticAddresses, FlowLogs, Hosts, Interfaces, InternetGateways, Listeners,
        LoadBalancers, MirrorFilters, MirrorSessions, NatGateways, NetworkAcls, Peerings,
        PrefixLists, PrivateZones, PublicPools, Regions, RouteTables, SecurityGroups, Subnets,
        TargetGroups, TransitAttachments, TransitGateways, TransitTables, Vpcs, Zones,
    },
    metering::Meters,
    operations::Operations,
};
use crate::{core::Core, south::Hub};

/// What every service of the API works with.
pub(crate) struct North {
    core: Arc<Core>,
    hub: Hub,
}

/// The service of one kind of resource.
struct Service<K> {
    north: Arc<North>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Service<K> {
    fn new(north: &Arc<North>) -> Self {
        Self {
            north: Arc::clone(north),
            kind: PhantomData,
        }
    }
}

/// The largest request, in bytes: ten thousand rules or routes fit.
const MESSAGE: usize = 4 << 20;

/// Adds every service of the API.
pub(crate) fn routes(core: Arc<Core>, hub: Hub) -> Routes {
    let north = Arc::new(North { core, hub });
    let mut routes = Routes::builder();
    macro_rules! add {
        ($($module:ident::$server:ident($kind:ty);)*) => {
            $(routes.add_service(
                wire::$module::$server::new(Service::<$kind>::new(&north))
                    .max_decoding_message_size(MESSAGE),
            );)*
        };
    }
    add! {
        regions_server::RegionsServer(Regions);
        zones_server::ZonesServer(Zones);
        hosts_server::HostsServer(Hosts);
        vpcs_server::VpcsServer(Vpcs);
        subnets_server::SubnetsServer(Subnets);
        route_tables_server::RouteTablesServer(RouteTables);
        security_groups_server::SecurityGroupsServer(SecurityGroups);
        network_acls_server::NetworkAclsServer(NetworkAcls);
        prefix_lists_server::PrefixListsServer(PrefixLists);
        interfaces_server::InterfacesServer(Interfaces);
        public_pools_server::PublicPoolsServer(PublicPools);
        elastic_addresses_server::ElasticAddressesServer(ElasticAddresses);
        internet_gateways_server::InternetGatewaysServer(InternetGateways);
        egress_gateways_server::EgressGatewaysServer(EgressGateways);
        flow_logs_server::FlowLogsServer(FlowLogs);
        mirror_filters_server::MirrorFiltersServer(MirrorFilters);
        mirror_sessions_server::MirrorSessionsServer(MirrorSessions);
        private_zones_server::PrivateZonesServer(PrivateZones);
        load_balancers_server::LoadBalancersServer(LoadBalancers);
        listeners_server::ListenersServer(Listeners);
        target_groups_server::TargetGroupsServer(TargetGroups);
        peerings_server::PeeringsServer(Peerings);
        transit_gateways_server::TransitGatewaysServer(TransitGateways);
        transit_attachments_server::TransitAttachmentsServer(TransitAttachments);
        transit_tables_server::TransitTablesServer(TransitTables);
        metering_server::MeteringServer(Meters);
        nat_gateways_server::NatGatewaysServer(NatGateways);
        operations_server::OperationsServer(Operations);
        explain_server::ExplainServer(Explain);
    }
    routes.routes()
}

impl North {
    fn host_status(&self, host: &HostName) -> wire::HostStatus {
        self.hub
            .status(host)
            .as_ref()
            .map_or_else(Default::default, Into::into)
    }

    fn target_health(&self, group: TargetGroupId) -> Vec<TargetReport> {
        self.hub.target_health(group)
    }
}
