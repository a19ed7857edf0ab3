//! `weft nat-gateway`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateNatGatewayRequest, NatGateway, UpdateNatGatewayRequest,
    nat_gateways_client::NatGatewaysClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{Row, or_dash},
};

/// Commands on NAT gateways.
#[derive(Debug, Subcommand)]
pub(crate) enum NatGatewayCommand {
    /// Make a NAT gateway.
    #[command(
        after_help = "Example:\n  weft nat-gateway create --subnet subnet-0... --elastic-address eipalloc-0...\n  weft route-table put-route rtb-0... 0.0.0.0/0 nat-0..."
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name.
    Update(UpdateArgs),
    /// Delete one: its connections end, and its elastic address is free again.
    Delete(DeleteArgs),
}

/// Arguments of `weft nat-gateway create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The subnet it stands in; its route table must lead on to an internet gateway.
    #[arg(long)]
    subnet: String,
    /// The elastic address that connections are seen from.
    #[arg(long, value_name = "ID")]
    elastic_address: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft nat-gateway update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for NatGateway {
    const TITLES: &'static [&'static str] =
        &["ID", "NAME", "VPC", "SUBNET", "PUBLIC", "PRIVATE", "PORTS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.vpc.clone(),
            self.subnet.clone(),
            self.public_ipv4.clone(),
            self.private_ipv4.clone(),
            or_dash(&ports_text(self)),
        ]
    }
}

/// Who holds how many of its ports.
fn ports_text(nat: &NatGateway) -> String {
    let held = nat.leases.iter().map(|lease| {
        let host = if lease.host.is_empty() {
            "resting"
        } else {
            &lease.host
        };
        format!("{host} {}", lease.ports)
    });
    held.collect::<Vec<_>>().join("\n")
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: NatGatewayCommand) -> Result<(), CliError> {
    match command {
        NatGatewayCommand::Create(args) => create(api, args).await,
        NatGatewayCommand::Show(args) => super::show::<NatGateway>(api, args).await,
        NatGatewayCommand::List(args) => super::list::<NatGateway>(api, args).await,
        NatGatewayCommand::Update(args) => update(api, args).await,
        NatGatewayCommand::Delete(args) => super::delete::<NatGateway>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let nat_gateway = NatGateway {
        subnet: args.subnet,
        elastic_address: args.elastic_address,
        meta: super::named(args.name),
        ..NatGateway::default()
    };
    let request = CreateNatGatewayRequest {
        nat_gateway: Some(nat_gateway),
        request_id: args.write.request_id,
    };
    let answer = NatGatewaysClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.nat_gateway, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let fields = [("meta.name", args.name.is_some())];
    let nat_gateway = NatGateway {
        id: args.id,
        meta: super::named(args.name),
        ..NatGateway::default()
    };
    change(api, nat_gateway, &fields, args.etag, args.write).await
}

async fn change(
    api: &Api,
    nat_gateway: NatGateway,
    fields: &[(&str, bool)],
    etag: String,
    write: WriteArgs,
) -> Result<(), CliError> {
    let request = UpdateNatGatewayRequest {
        nat_gateway: Some(nat_gateway),
        update_mask: super::mask(fields),
        etag,
        request_id: write.request_id,
    };
    let answer = NatGatewaysClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, write.wait, answer.nat_gateway, answer.revision).await
}
