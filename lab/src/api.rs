//! A client of a lab's controller: the same API that anybody uses.

use std::time::{Duration, Instant};

use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use weft_proto::v1::{
    self as wire, egress_gateways_client::EgressGatewaysClient,
    elastic_addresses_client::ElasticAddressesClient, explain_client::ExplainClient,
    flow_logs_client::FlowLogsClient, hosts_client::HostsClient,
    interfaces_client::InterfacesClient, internet_gateways_client::InternetGatewaysClient,
    listeners_client::ListenersClient, load_balancers_client::LoadBalancersClient,
    mirror_filters_client::MirrorFiltersClient, mirror_sessions_client::MirrorSessionsClient,
    nat_gateways_client::NatGatewaysClient, network_acls_client::NetworkAclsClient,
    operations_client::OperationsClient, peerings_client::PeeringsClient,
    prefix_lists_client::PrefixListsClient, private_zones_client::PrivateZonesClient,
    public_pools_client::PublicPoolsClient, regions_client::RegionsClient,
    route_tables_client::RouteTablesClient, security_groups_client::SecurityGroupsClient,
    subnets_client::SubnetsClient, target_groups_client::TargetGroupsClient,
    transit_attachments_client::TransitAttachmentsClient,
    transit_gateways_client::TransitGatewaysClient, transit_tables_client::TransitTablesClient,
    vpcs_client::VpcsClient, zones_client::ZonesClient,
};

use crate::runtime::dirs::LabDir;

/// How long a controller that has just been started may take to serve.
const STARTUP: Duration = Duration::from_secs(15);

/// Why the controller could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It doesn't serve.
    #[error("the controller doesn't serve: {0}")]
    Unreachable(String),
    /// It refused.
    #[error("{what}: {}", .status.message())]
    Refused {
        /// What was asked.
        what: String,
        /// Its answer.
        status: Box<Status>,
    },
}

impl ApiError {
    /// Wraps a refusal of `what`.
    pub fn of(what: impl Into<String>) -> impl FnOnce(Status) -> Self {
        let what = what.into();
        move |status| Self::Refused {
            what,
            status: Box::new(status),
        }
    }
}

/// A connection to a controller.
#[derive(Debug, Clone)]
pub struct Api {
    channel: Channel,
}

macro_rules! clients {
    ($($method:ident, $client:ident;)*) => {
        $(pub(crate) fn $method(&self) -> $client<Channel> {
            $client::new(self.channel.clone())
        })*
    };
}

macro_rules! listing {
    ($($method:ident, $client:ident, $item:ident, $field:ident;)*) => {
        $(pub(crate) async fn $method(&self) -> Result<Vec<wire::$item>, ApiError> {
            let mut all = Vec::new();
            let mut request = wire::ListRequest { page_size: 1000, ..Default::default() };
            loop {
                let answer = self.$client().list(request.clone()).await;
                let page = answer.map_err(ApiError::of("listing"))?.into_inner();
                all.extend(page.$field);
                if page.next_page_token.is_empty() {
                    return Ok(all);
                }
                request.page_token = page.next_page_token;
            }
        })*
    };
}

impl Api {
    /// Connects to a lab's controller, waiting for one that has just been started.
    ///
    /// # Errors
    /// When it doesn't serve in time.
    pub async fn connect(dir: &LabDir) -> Result<Self, ApiError> {
        let deadline = Instant::now() + STARTUP;
        loop {
            match Self::try_connect(dir).await {
                Ok(api) => return Ok(api),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn try_connect(dir: &LabDir) -> Result<Self, ApiError> {
        let unreachable = |e: tonic::transport::Error| ApiError::Unreachable(e.to_string());
        let endpoint = Endpoint::from_shared(dir.controller_uri())
            .map_err(|e| ApiError::Unreachable(e.to_string()))?;
        let channel = endpoint.connect().await.map_err(unreachable)?;
        let api = Self { channel };
        let answer = api.operations().version(wire::VersionRequest {}).await;
        answer.map_err(ApiError::of("asking for its version"))?;
        Ok(api)
    }

    clients! {
        regions, RegionsClient;
        zones, ZonesClient;
        hosts, HostsClient;
        vpcs, VpcsClient;
        subnets, SubnetsClient;
        route_tables, RouteTablesClient;
        security_groups, SecurityGroupsClient;
        network_acls, NetworkAclsClient;
        prefix_lists, PrefixListsClient;
        interfaces, InterfacesClient;
        flow_logs, FlowLogsClient;
        mirror_filters, MirrorFiltersClient;
        mirror_sessions, MirrorSessionsClient;
        target_groups, TargetGroupsClient;
        load_balancers, LoadBalancersClient;
        listeners, ListenersClient;
        peerings, PeeringsClient;
        transit_gateways, TransitGatewaysClient;
        transit_attachments, TransitAttachmentsClient;
        transit_tables, TransitTablesClient;
        private_zones, PrivateZonesClient;
        public_pools, PublicPoolsClient;
        elastic_addresses, ElasticAddressesClient;
        internet_gateways, InternetGatewaysClient;
        egress_gateways, EgressGatewaysClient;
        nat_gateways, NatGatewaysClient;
        operations, OperationsClient;
        explain, ExplainClient;
    }

    listing! {
        list_zones, zones, Zone, zones;
        list_hosts, hosts, Host, hosts;
        list_vpcs, vpcs, Vpc, vpcs;
        list_subnets, subnets, Subnet, subnets;
        list_route_tables, route_tables, RouteTable, route_tables;
        list_security_groups, security_groups, SecurityGroup, security_groups;
        list_network_acls, network_acls, NetworkAcl, network_acls;
        list_prefix_lists, prefix_lists, PrefixList, prefix_lists;
        list_interfaces, interfaces, Interface, interfaces;
        list_public_pools, public_pools, PublicPool, public_pools;
        list_elastic_addresses, elastic_addresses, ElasticAddress, elastic_addresses;
        list_internet_gateways, internet_gateways, InternetGateway, internet_gateways;
        list_egress_gateways, egress_gateways, EgressGateway, egress_gateways;
        list_nat_gateways, nat_gateways, NatGateway, nat_gateways;
        list_flow_logs, flow_logs, FlowLog, flow_logs;
        list_mirror_filters, mirror_filters, MirrorFilter, mirror_filters;
        list_mirror_sessions, mirror_sessions, MirrorSession, mirror_sessions;
        list_target_groups, target_groups, TargetGroup, target_groups;
        list_load_balancers, load_balancers, LoadBalancer, load_balancers;
        list_listeners, listeners, Listener, listeners;
        list_peerings, peerings, Peering, peerings;
        list_transit_gateways, transit_gateways, TransitGateway, transit_gateways;
        list_transit_attachments, transit_attachments, TransitAttachment, transit_attachments;
        list_transit_tables, transit_tables, TransitTable, transit_tables;
        list_private_zones, private_zones, PrivateZone, private_zones;
    }

    /// Waits until all hosts have applied everything committed so far.
    ///
    /// # Errors
    /// When some host lags beyond the time, or refused something.
    pub async fn settled(&self, patience: Duration) -> Result<(), ApiError> {
        let timeout_ms = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        let request = wire::WaitRequest {
            revision: 0,
            timeout_ms,
        };
        let answer = self.operations().wait(request).await;
        let answer = answer
            .map_err(ApiError::of("waiting for the hosts"))?
            .into_inner();
        let Some(refused) = answer.refused.first() else {
            return Ok(());
        };
        let detail = refused.refusal.clone().unwrap_or_default();
        let text = format!(
            "host {} refused {} {}: {}",
            refused.host, detail.kind, detail.name, detail.reason
        );
        Err(ApiError::of("the hosts")(Status::new(
            Code::FailedPrecondition,
            text,
        )))
    }
}

/// A name's bookkeeping for a request.
pub(crate) fn named(name: &str) -> Option<wire::Meta> {
    Some(wire::Meta {
        name: name.to_owned(),
        ..Default::default()
    })
}

/// The name that a person gave.
pub(crate) fn name_of(meta: Option<&wire::Meta>) -> &str {
    meta.map_or("", |m| m.name.as_str())
}

/// A request id: a write that is repeated after a lost answer is done once.
pub(crate) fn request_id() -> String {
    // Without randomness a write is not safe to repeat, and this client doesn't repeat.
    getrandom::u64().map_or_else(|_| String::new(), |bits| format!("lab-{bits:016x}"))
}
