//! `weft load-balancer`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateLoadBalancerRequest, LoadBalancer, Placement, UpdateLoadBalancerRequest,
    load_balancers_client::LoadBalancersClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{api::Api, error::CliError, output::Row};

/// Commands on load balancers.
#[derive(Debug, Subcommand)]
pub(crate) enum LoadBalancerCommand {
    /// Make a load balancer.
    #[command(
        after_help = "Example:\n  weft load-balancer create --name shop --subnet subnet-0... --subnet subnet-0...=10.7.2.50\n  weft load-balancer create --scheme internet-facing --subnet subnet-0...\n  weft target-group create --vpc vpc-0... --protocol tcp --port 8080 --name web\n  weft target-group register tg-0... eni-0... eni-0...:8081*2\n  weft listener create --load-balancer nlb-0... --protocol tcp --port 80 --target-group tg-0..."
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change one.
    Update(UpdateArgs),
    /// Delete one with its listeners; their connections end.
    Delete(DeleteArgs),
}

/// Arguments of `weft load-balancer create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// A subnet that it gets addresses in, one per zone; with the IPv4 address wanted, if any.
    #[arg(long = "subnet", value_name = "SUBNET[=ADDRESS]", required = true)]
    subnets: Vec<String>,
    /// `internal`, or `internet-facing`: then it gets a public address for each subnet.
    #[arg(long, default_value = "internal")]
    scheme: String,
    /// Let clients use the targets of every zone, not only those of their own.
    #[arg(long)]
    cross_zone: bool,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft load-balancer update`.
#[derive(Debug, Args)]
#[group(required = true, multiple = true, id = "change", args = ["cross_zone", "name"])]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// Whether clients use the targets of every zone.
    #[arg(long)]
    cross_zone: Option<bool>,
    /// A name for people; empty takes it away.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for LoadBalancer {
    const TITLES: &'static [&'static str] =
        &["ID", "NAME", "VPC", "SCHEME", "ADDRESSES", "CROSS-ZONE"];

    fn cells(&self) -> Vec<String> {
        let line = |place: &Placement| {
            let more = [&place.ipv6, &place.public_ipv4].into_iter();
            let more = more.filter(|text| !text.is_empty());
            let all: Vec<&str> = std::iter::once(&place.ipv4)
                .chain(more)
                .map(String::as_str)
                .collect();
            all.join(" ")
        };
        let addresses: Vec<String> = self.placements.iter().map(line).collect();
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.vpc.clone(),
            self.scheme.clone(),
            addresses.join("\n"),
            if self.cross_zone { "yes" } else { "no" }.to_owned(),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: LoadBalancerCommand) -> Result<(), CliError> {
    match command {
        LoadBalancerCommand::Create(args) => create(api, args).await,
        LoadBalancerCommand::Show(args) => super::show::<LoadBalancer>(api, args).await,
        LoadBalancerCommand::List(args) => super::list::<LoadBalancer>(api, args).await,
        LoadBalancerCommand::Update(args) => update(api, args).await,
        LoadBalancerCommand::Delete(args) => super::delete::<LoadBalancer>(api, args).await,
    }
}

fn placement(text: &str) -> Placement {
    let (subnet, ipv4) = text.split_once('=').unwrap_or((text, ""));
    Placement {
        subnet: subnet.to_owned(),
        ipv4: ipv4.to_owned(),
        ..Placement::default()
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let balancer = LoadBalancer {
        placements: args.subnets.iter().map(|text| placement(text)).collect(),
        scheme: args.scheme,
        cross_zone: args.cross_zone,
        meta: super::named(args.name),
        ..LoadBalancer::default()
    };
    let request = CreateLoadBalancerRequest {
        load_balancer: Some(balancer),
        request_id: args.write.request_id,
    };
    let mut client = LoadBalancersClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.load_balancer, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let update_mask = super::mask(&[
        ("meta.name", args.name.is_some()),
        ("cross_zone", args.cross_zone.is_some()),
    ]);
    let balancer = LoadBalancer {
        id: args.id,
        cross_zone: args.cross_zone.unwrap_or_default(),
        meta: super::named(args.name),
        ..LoadBalancer::default()
    };
    let request = UpdateLoadBalancerRequest {
        load_balancer: Some(balancer),
        update_mask,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = LoadBalancersClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    super::written(api, args.write.wait, answer.load_balancer, answer.revision).await
}
