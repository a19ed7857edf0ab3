//! `weft egress-gateway`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateEgressGatewayRequest, EgressGateway, UpdateEgressGatewayRequest,
    egress_gateways_client::EgressGatewaysClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{api::Api, error::CliError, output::Row};

/// Commands on egress-only internet gateways.
#[derive(Debug, Subcommand)]
pub(crate) enum EgressGatewayCommand {
    /// Make an egress-only internet gateway.
    #[command(
        after_help = "Example:\n  weft egress-gateway create --vpc vpc-0...\n  weft route-table put-route rtb-0... ::/0 eigw-0..."
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name.
    Update(UpdateArgs),
    /// Delete one.
    Delete(DeleteArgs),
}

/// Arguments of `weft egress-gateway create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The VPC it belongs to.
    #[arg(long)]
    vpc: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft egress-gateway update`.
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

impl Row for EgressGateway {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "VPC"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.vpc.clone(),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: EgressGatewayCommand) -> Result<(), CliError> {
    match command {
        EgressGatewayCommand::Create(args) => create(api, args).await,
        EgressGatewayCommand::Show(args) => super::show::<EgressGateway>(api, args).await,
        EgressGatewayCommand::List(args) => super::list::<EgressGateway>(api, args).await,
        EgressGatewayCommand::Update(args) => update(api, args).await,
        EgressGatewayCommand::Delete(args) => super::delete::<EgressGateway>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let egress_gateway = EgressGateway {
        vpc: args.vpc,
        meta: super::named(args.name),
        ..EgressGateway::default()
    };
    let request = CreateEgressGatewayRequest {
        egress_gateway: Some(egress_gateway),
        request_id: args.write.request_id,
    };
    let answer = EgressGatewaysClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.egress_gateway, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let fields = [("meta.name", args.name.is_some())];
    let egress_gateway = EgressGateway {
        id: args.id,
        meta: super::named(args.name),
        ..EgressGateway::default()
    };
    change(api, egress_gateway, &fields, args.etag, args.write).await
}

async fn change(
    api: &Api,
    egress_gateway: EgressGateway,
    fields: &[(&str, bool)],
    etag: String,
    write: WriteArgs,
) -> Result<(), CliError> {
    let request = UpdateEgressGatewayRequest {
        egress_gateway: Some(egress_gateway),
        update_mask: super::mask(fields),
        etag,
        request_id: write.request_id,
    };
    let answer = EgressGatewaysClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, write.wait, answer.egress_gateway, answer.revision).await
}
