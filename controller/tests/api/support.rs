//! Starts a controller, and makes what most tests need.

use std::path::Path;

use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;
use weft_controller::{Error, Options, Server};
use weft_proto::v1::{
    self as wire, hosts_client::HostsClient, interfaces_client::InterfacesClient,
    operations_client::OperationsClient, regions_client::RegionsClient,
    route_tables_client::RouteTablesClient, security_groups_client::SecurityGroupsClient,
    subnets_client::SubnetsClient, vpcs_client::VpcsClient, zones_client::ZonesClient,
};
use weft_telemetry::TelemetryOptions;

/// A controller that serves in this process.
pub(crate) struct Controller {
    pub(crate) channel: Channel,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), Error>>,
    data: TempDir,
}

macro_rules! clients {
    ($($name:ident: $client:ident;)*) => {
        impl Controller {
            $(pub(crate) fn $name(&self) -> $client<Channel> {
                $client::new(self.channel.clone())
            })*
        }
    };
}

clients! {
    regions: RegionsClient;
    zones: ZonesClient;
    hosts: HostsClient;
    vpcs: VpcsClient;
    subnets: SubnetsClient;
    route_tables: RouteTablesClient;
    security_groups: SecurityGroupsClient;
    interfaces: InterfacesClient;
    operations: OperationsClient;
}

pub(crate) fn options(data: &Path) -> Options {
    Options {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        data: data.to_owned(),
        ipv6_pool: "fd57:6566:7400::/40".parse().unwrap(),
        account: Default::default(),
        quota: Vec::new(),
        aws: Default::default(),
        telemetry: TelemetryOptions::default(),
    }
}

impl Controller {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn start_in(data: TempDir) -> Self {
        let options = options(data.path());
        Self::start_with(data, &options).await
    }

    pub(crate) async fn start_with(data: TempDir, options: &Options) -> Self {
        let server = Server::bind(options).unwrap();
        let address = server.addresses()[0];
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self {
            channel,
            stop,
            serving,
            data,
        }
    }

    /// Stops it in order; its data stays.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
        self.data
    }

    pub(crate) async fn restart(self) -> Self {
        Self::start_in(self.stop().await).await
    }
}

/// Makes resources that are only there for others.
impl Controller {
    pub(crate) async fn region(&self, name: &str) -> wire::Region {
        let request = wire::CreateRegionRequest {
            region: Some(region(name)),
            request_id: String::new(),
        };
        let answer = self.regions().create(request).await.unwrap();
        answer.into_inner().region.unwrap()
    }

    pub(crate) async fn zone(&self, name: &str) -> wire::Zone {
        let zone = wire::Zone {
            zone: name.to_owned(),
            region: "here".to_owned(),
            meta: None,
        };
        let request = wire::CreateZoneRequest {
            zone: Some(zone),
            request_id: String::new(),
        };
        let answer = self.zones().create(request).await.unwrap();
        answer.into_inner().zone.unwrap()
    }

    pub(crate) async fn host(&self, name: &str, vtep: &str) -> wire::Host {
        let host = wire::Host {
            host: name.to_owned(),
            zone: "here-a".to_owned(),
            vtep: vtep.to_owned(),
            ..Default::default()
        };
        let request = wire::CreateHostRequest {
            host: Some(host),
            request_id: String::new(),
        };
        let answer = self.hosts().create(request).await.unwrap();
        answer.into_inner().host.unwrap()
    }

    pub(crate) async fn vpc(&self) -> wire::Vpc {
        let request = wire::CreateVpcRequest {
            vpc: Some(vpc("10.0.0.0/16")),
            request_id: String::new(),
            assign_ipv6: true,
        };
        let answer = self.vpcs().create(request).await.unwrap();
        answer.into_inner().vpc.unwrap()
    }

    pub(crate) async fn subnet(&self, vpc: &str, block: &str) -> wire::Subnet {
        let request = wire::CreateSubnetRequest {
            subnet: Some(subnet(vpc, block)),
            request_id: String::new(),
            assign_ipv6: true,
        };
        let answer = self.subnets().create(request).await.unwrap();
        answer.into_inner().subnet.unwrap()
    }

    pub(crate) async fn interface(&self, subnet: &str) -> wire::Interface {
        let request = wire::CreateInterfaceRequest {
            interface: Some(wire::Interface {
                subnet: subnet.to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = self.interfaces().create(request).await.unwrap();
        answer.into_inner().interface.unwrap()
    }

    /// The region `here`, its zone `here-a`, a VPC with a subnet in it.
    pub(crate) async fn network(&self) -> (wire::Vpc, wire::Subnet) {
        self.region("here").await;
        self.zone("here-a").await;
        let vpc = self.vpc().await;
        let subnet = self.subnet(&vpc.id, "10.0.1.0/24").await;
        (vpc, subnet)
    }
}

pub(crate) fn region(name: &str) -> wire::Region {
    wire::Region {
        region: name.to_owned(),
        meta: None,
    }
}

pub(crate) fn vpc(block: &str) -> wire::Vpc {
    wire::Vpc {
        region: "here".to_owned(),
        cidr_block: block.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn subnet(vpc: &str, block: &str) -> wire::Subnet {
    wire::Subnet {
        vpc: vpc.to_owned(),
        zone: "here-a".to_owned(),
        cidr_block: block.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn get(id: &str) -> wire::GetRequest {
    wire::GetRequest { id: id.to_owned() }
}

pub(crate) fn delete(id: &str) -> wire::DeleteRequest {
    wire::DeleteRequest {
        id: id.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    let paths = paths.iter().map(|&path| path.to_owned()).collect();
    Some(prost_types::FieldMask { paths })
}

pub(crate) fn named(name: &str) -> Option<wire::Meta> {
    Some(wire::Meta {
        name: name.to_owned(),
        ..Default::default()
    })
}

pub(crate) fn etag(meta: Option<&wire::Meta>) -> String {
    meta.unwrap().etag.clone()
}

/// The fields that an error says are at fault.
pub(crate) fn faults(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let request = status.get_details_bad_request().unwrap();
    let violations = request.field_violations.into_iter();
    violations.map(|violation| violation.field).collect()
}

/// The reason that a program goes by.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}
