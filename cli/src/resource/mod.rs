//! Commands on the API's resources. What all kinds share is here; a kind's own module has its
//! columns and its create and update arguments.

pub(crate) mod egress_gateway;
pub(crate) mod elastic_address;
pub(crate) mod flow_log;
pub(crate) mod host;
pub(crate) mod interface;
pub(crate) mod internet_gateway;
pub(crate) mod listener;
pub(crate) mod load_balancer;
pub(crate) mod mirror;
pub(crate) mod nat_gateway;
pub(crate) mod network_acl;
pub(crate) mod peering;
pub(crate) mod port_options;
pub(crate) mod prefix_list;
pub(crate) mod private_zone;
pub(crate) mod public_pool;
pub(crate) mod region;
pub(crate) mod route_table;
pub(crate) mod rule;
pub(crate) mod security_group;
pub(crate) mod subnet;
pub(crate) mod target_group;
pub(crate) mod transit_attachment;
pub(crate) mod transit_gateway;
pub(crate) mod transit_table;
pub(crate) mod vpc;
pub(crate) mod zone;

use clap::Args;
use serde::Serialize;
use tonic::transport::Channel;
use weft_proto::v1::{self, DeleteRequest, GetRequest, ListRequest, Meta};

use crate::{
    api::Api,
    error::CliError,
    output::{self, Format, Row},
};

/// The most that the API gives in one page.
const PAGE: u32 = 1000;

/// One kind of resource: its standard methods.
pub(crate) trait Kind: Row + Serialize + Sized {
    /// What `delete` calls it.
    const TEXT: &'static str;

    /// Reads one.
    async fn get(channel: Channel, request: GetRequest) -> Result<Self, CliError>;
    /// Reads a page: the items, and the token of the next.
    async fn page(channel: Channel, request: ListRequest) -> Result<(Vec<Self>, String), CliError>;
    /// Deletes one; gives the revision.
    async fn delete(channel: Channel, request: DeleteRequest) -> Result<u64, CliError>;
}

/// Takes the resource out of an answer; the API always fills it.
pub(crate) fn filled<T: Default>(field: Option<T>) -> T {
    field.unwrap_or_default()
}

macro_rules! kind {
    ($name:ident, $text:literal, $client:path, $one:ident, $many:ident) => {
        impl Kind for v1::$name {
            const TEXT: &'static str = $text;

            async fn get(channel: Channel, request: GetRequest) -> Result<Self, CliError> {
                let answer = <$client>::new(channel).get(request).await?;
                Ok(filled(answer.into_inner().$one))
            }

            async fn page(
                channel: Channel,
                request: ListRequest,
            ) -> Result<(Vec<Self>, String), CliError> {
                let answer = <$client>::new(channel).list(request).await?.into_inner();
                Ok((answer.$many, answer.next_page_token))
            }

            async fn delete(channel: Channel, request: DeleteRequest) -> Result<u64, CliError> {
                Ok(<$client>::new(channel)
                    .delete(request)
                    .await?
                    .into_inner()
                    .revision)
            }
        }
    };
}

kind!(
    Region,
    "region",
    v1::regions_client::RegionsClient<Channel>,
    region,
    regions
);
kind!(
    Zone,
    "zone",
    v1::zones_client::ZonesClient<Channel>,
    zone,
    zones
);
kind!(
    Host,
    "host",
    v1::hosts_client::HostsClient<Channel>,
    host,
    hosts
);
kind!(Vpc, "VPC", v1::vpcs_client::VpcsClient<Channel>, vpc, vpcs);
kind!(
    Subnet,
    "subnet",
    v1::subnets_client::SubnetsClient<Channel>,
    subnet,
    subnets
);
kind!(
    RouteTable,
    "route table",
    v1::route_tables_client::RouteTablesClient<Channel>,
    route_table,
    route_tables
);
kind!(
    SecurityGroup,
    "security group",
    v1::security_groups_client::SecurityGroupsClient<Channel>,
    security_group,
    security_groups
);
kind!(
    NetworkAcl,
    "network ACL",
    v1::network_acls_client::NetworkAclsClient<Channel>,
    network_acl,
    network_acls
);
kind!(
    PrefixList,
    "prefix list",
    v1::prefix_lists_client::PrefixListsClient<Channel>,
    prefix_list,
    prefix_lists
);
kind!(
    Interface,
    "interface",
    v1::interfaces_client::InterfacesClient<Channel>,
    interface,
    interfaces
);

kind!(
    PublicPool,
    "public pool",
    v1::public_pools_client::PublicPoolsClient<Channel>,
    public_pool,
    public_pools
);
kind!(
    ElasticAddress,
    "elastic address",
    v1::elastic_addresses_client::ElasticAddressesClient<Channel>,
    elastic_address,
    elastic_addresses
);
kind!(
    InternetGateway,
    "internet gateway",
    v1::internet_gateways_client::InternetGatewaysClient<Channel>,
    internet_gateway,
    internet_gateways
);
kind!(
    EgressGateway,
    "egress-only internet gateway",
    v1::egress_gateways_client::EgressGatewaysClient<Channel>,
    egress_gateway,
    egress_gateways
);
kind!(
    FlowLog,
    "flow log",
    v1::flow_logs_client::FlowLogsClient<Channel>,
    flow_log,
    flow_logs
);
kind!(
    MirrorFilter,
    "mirror filter",
    v1::mirror_filters_client::MirrorFiltersClient<Channel>,
    mirror_filter,
    mirror_filters
);
kind!(
    MirrorSession,
    "mirror session",
    v1::mirror_sessions_client::MirrorSessionsClient<Channel>,
    mirror_session,
    mirror_sessions
);
kind!(
    PrivateZone,
    "private zone",
    v1::private_zones_client::PrivateZonesClient<Channel>,
    private_zone,
    private_zones
);
kind!(
    LoadBalancer,
    "load balancer",
    v1::load_balancers_client::LoadBalancersClient<Channel>,
    load_balancer,
    load_balancers
);
kind!(
    Listener,
    "listener",
    v1::listeners_client::ListenersClient<Channel>,
    listener,
    listeners
);
kind!(
    TargetGroup,
    "target group",
    v1::target_groups_client::TargetGroupsClient<Channel>,
    target_group,
    target_groups
);

kind!(
    Peering,
    "peering",
    v1::peerings_client::PeeringsClient<Channel>,
    peering,
    peerings
);

kind!(
    NatGateway,
    "NAT gateway",
    v1::nat_gateways_client::NatGatewaysClient<Channel>,
    nat_gateway,
    nat_gateways
);

kind!(
    TransitGateway,
    "transit gateway",
    v1::transit_gateways_client::TransitGatewaysClient<Channel>,
    transit_gateway,
    transit_gateways
);
kind!(
    TransitAttachment,
    "transit gateway attachment",
    v1::transit_attachments_client::TransitAttachmentsClient<Channel>,
    transit_attachment,
    transit_attachments
);
kind!(
    TransitTable,
    "transit gateway route table",
    v1::transit_tables_client::TransitTablesClient<Channel>,
    transit_table,
    transit_tables
);

/// Names one resource.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Its id; its name for regions, zones and hosts.
    pub(crate) id: String,
}

/// Names one resource to delete.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Its id; its name for regions, zones and hosts.
    pub(crate) id: String,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    pub(crate) etag: String,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

/// Which resources to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only those of this VPC.
    #[arg(long, default_value_t, hide_default_value = true, value_name = "VPC")]
    pub(crate) vpc: String,
}

/// What every write takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct WriteArgs {
    /// Makes the write safe to repeat: the same id gives the first answer again.
    #[arg(long, default_value_t, hide_default_value = true, value_name = "ID")]
    pub(crate) request_id: String,
    /// Return when every host concerned has applied it.
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Reads and prints one.
pub(crate) async fn show<K: Kind>(api: &Api, args: ShowArgs) -> Result<(), CliError> {
    let item = K::get(api.channel.clone(), GetRequest { id: args.id }).await?;
    output::one(api.format, &item)
}

/// Reads every page and prints them.
pub(crate) async fn list<K: Kind>(api: &Api, args: ListArgs) -> Result<(), CliError> {
    output::list(api.format, &all::<K>(api, &args.vpc).await?)
}

/// Reads every page.
pub(crate) async fn all<K: Kind>(api: &Api, vpc: &str) -> Result<Vec<K>, CliError> {
    let mut items = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListRequest {
            page_size: PAGE,
            page_token: token,
            vpc: vpc.to_owned(),
        };
        let (page, next) = K::page(api.channel.clone(), request).await?;
        items.extend(page);
        if next.is_empty() {
            return Ok(items);
        }
        token = next;
    }
}

#[derive(Serialize)]
struct Deleted<'a> {
    deleted: &'a str,
    revision: u64,
}

/// Deletes one and says so.
pub(crate) async fn delete<K: Kind>(api: &Api, args: DeleteArgs) -> Result<(), CliError> {
    let request = DeleteRequest {
        id: args.id.clone(),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let revision = K::delete(api.channel.clone(), request).await?;
    applied(api, args.write.wait, revision).await?;
    match api.format {
        Format::Json => output::json(&Deleted {
            deleted: &args.id,
            revision,
        }),
        Format::Table => output::lines(&format!("deleted {} {}", K::TEXT, args.id)),
    }
}

/// Prints what a write made, once it is applied if that was asked for.
pub(crate) async fn written<K: Kind + Default>(
    api: &Api,
    wait: bool,
    item: Option<K>,
    revision: u64,
) -> Result<(), CliError> {
    applied(api, wait, revision).await?;
    output::one(api.format, &filled(item))
}

async fn applied(api: &Api, wait: bool, revision: u64) -> Result<(), CliError> {
    if wait {
        let request = v1::WaitRequest {
            revision,
            timeout_ms: 0,
        };
        api.operations().wait(request).await?;
    }
    Ok(())
}

/// The name that a person gave it, or a dash.
pub(crate) fn name(meta: Option<&Meta>) -> String {
    output::or_dash(meta.map_or("", |meta| &meta.name))
}

/// Bookkeeping of a request that gives a name.
pub(crate) fn named(name: Option<String>) -> Option<Meta> {
    name.map(|name| Meta {
        name,
        ..Meta::default()
    })
}

/// The fields of an update that were given.
pub(crate) fn mask(fields: &[(&str, bool)]) -> Option<prost_types::FieldMask> {
    let paths = fields
        .iter()
        .filter(|(_, given)| *given)
        .map(|(path, _)| (*path).to_owned());
    Some(prost_types::FieldMask {
        paths: paths.collect(),
    })
}
