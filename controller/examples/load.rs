//! How fast the controller is: a real server and store, many callers.
//!
//! `cargo run --release -p weft-controller --example load [CALLERS] [WRITES]` creates WRITES network
//! interfaces from CALLERS at once, then reads them, and prints rates and latencies.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use weft_controller::{Options, Server};
use weft_proto::v1::{
    self as wire, interfaces_client::InterfacesClient, regions_client::RegionsClient,
    subnets_client::SubnetsClient, vpcs_client::VpcsClient, zones_client::ZonesClient,
};
use weft_telemetry::TelemetryOptions;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual| arguments.next().map_or(Ok(usual), |text| text.parse());
    let (callers, writes) = (number(64)?, number(20_000)?);
    let data = tempfile::tempdir()?;
    let server = Server::bind(&Options {
        listen: vec!["127.0.0.1:0".parse()?],
        data: data.path().to_owned(),
        ipv6_pool: "fd57:6566:7400::/40".parse()?,
        account: Default::default(),
        quota: vec!["unlimited".parse()?],
        aws: Default::default(),
        telemetry: TelemetryOptions::default(),
    })?;
    let address = format!("http://{}", server.addresses()[0]);
    tokio::spawn(server.serve(std::future::pending()));
    let channel = Endpoint::from_shared(address)?.connect().await?;
    let subnet = subnet(&channel).await?;

    let one = create(&channel, &subnet, 1, 200).await?;
    report("create, 1 caller", one);
    let many = create(&channel, &subnet, callers, writes).await?;
    report(&format!("create, {callers} callers"), many);
    report("get, 1 caller", get(&channel).await?);
    report("list a page of 1000, 1 caller", list(&channel).await?);
    Ok(())
}

/// The latencies of calls, and how long all of them took together.
struct Measured {
    latencies: Vec<Duration>,
    elapsed: Duration,
}

fn report(what: &str, mut measured: Measured) {
    measured.latencies.sort_unstable();
    let count = measured.latencies.len();
    let at = |percent: usize| measured.latencies[(count - 1) * percent / 100];
    let rate = count as f64 / measured.elapsed.as_secs_f64();
    let (half, most) = (at(50), at(99));
    println!("{what}: {rate:.0}/s, p50 {half:?}, p99 {most:?} ({count} calls)");
}

async fn subnet(channel: &Channel) -> Result<String, Failure> {
    let region = wire::Region {
        region: "here".to_owned(),
        meta: None,
    };
    let request = wire::CreateRegionRequest {
        region: Some(region),
        request_id: String::new(),
    };
    RegionsClient::new(channel.clone()).create(request).await?;
    let zone = wire::Zone {
        zone: "here-a".to_owned(),
        region: "here".to_owned(),
        meta: None,
    };
    let request = wire::CreateZoneRequest {
        zone: Some(zone),
        request_id: String::new(),
    };
    ZonesClient::new(channel.clone()).create(request).await?;
    let vpc = wire::Vpc {
        region: "here".to_owned(),
        cidr_block: "10.0.0.0/16".to_owned(),
        ..Default::default()
    };
    let request = wire::CreateVpcRequest {
        vpc: Some(vpc),
        ..Default::default()
    };
    let vpc = VpcsClient::new(channel.clone()).create(request).await?;
    let subnet = wire::Subnet {
        vpc: vpc.into_inner().vpc.unwrap_or_default().id,
        zone: "here-a".to_owned(),
        cidr_block: "10.0.0.0/16".to_owned(),
        ..Default::default()
    };
    let request = wire::CreateSubnetRequest {
        subnet: Some(subnet),
        ..Default::default()
    };
    let subnet = SubnetsClient::new(channel.clone()).create(request).await?;
    Ok(subnet.into_inner().subnet.unwrap_or_default().id)
}

async fn create(
    channel: &Channel,
    subnet: &str,
    callers: usize,
    writes: usize,
) -> Result<Measured, Failure> {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for caller in 0..callers {
        let mut client = InterfacesClient::new(channel.clone());
        let interface = wire::Interface {
            subnet: subnet.to_owned(),
            ..Default::default()
        };
        running.spawn(async move {
            let mut latencies = Vec::new();
            for write in 0..writes / callers {
                let request = wire::CreateInterfaceRequest {
                    interface: Some(interface.clone()),
                    request_id: format!("{callers}-{caller}-{write}"),
                    ..Default::default()
                };
                let called = Instant::now();
                client.create(request).await?;
                latencies.push(called.elapsed());
            }
            Ok::<_, tonic::Status>(latencies)
        });
    }
    let mut latencies = Vec::new();
    for done in running.join_all().await {
        latencies.extend(done?);
    }
    let elapsed = started.elapsed();
    Ok(Measured { latencies, elapsed })
}

async fn get(channel: &Channel) -> Result<Measured, Failure> {
    let mut client = InterfacesClient::new(channel.clone());
    let list = client.list(wire::ListRequest::default()).await?;
    let ids: Vec<_> = list
        .into_inner()
        .interfaces
        .into_iter()
        .map(|i| i.id)
        .collect();
    let started = Instant::now();
    let mut latencies = Vec::new();
    for id in ids.iter().cycle().take(5_000) {
        let called = Instant::now();
        client.get(wire::GetRequest { id: id.clone() }).await?;
        latencies.push(called.elapsed());
    }
    let elapsed = started.elapsed();
    Ok(Measured { latencies, elapsed })
}

async fn list(channel: &Channel) -> Result<Measured, Failure> {
    let mut client = InterfacesClient::new(channel.clone());
    let started = Instant::now();
    let mut latencies = Vec::new();
    let mut request = wire::ListRequest {
        page_size: 1000,
        ..Default::default()
    };
    for _ in 0..200 {
        let called = Instant::now();
        let page = client.list(request.clone()).await?.into_inner();
        latencies.push(called.elapsed());
        request.page_token = page.next_page_token;
    }
    let elapsed = started.elapsed();
    Ok(Measured { latencies, elapsed })
}
