//! `weft transit-gateway`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateTransitGatewayRequest, TransitGateway, UpdateTransitGatewayRequest,
    transit_gateways_client::TransitGatewaysClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{self, Row},
};

/// Commands on transit gateways.
#[derive(Debug, Subcommand)]
pub(crate) enum TransitGatewayCommand {
    /// Make one, with a route table that new attachments use and announce their blocks to.
    #[command(
        after_help = "Example:\n  weft transit-gateway create --name core\n  weft transit-attachment create --transit-gateway tgw-0... --vpc vpc-0...   for each VPC\n  weft route-table put-route rtb-0... 10.0.0.0/8 tgw-0...   in tables of the VPCs"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change what new attachments are given, or its name.
    #[command(
        after_help = "Examples:\n  weft transit-gateway update tgw-0... --association-table tgw-rtb-0...\n  weft transit-gateway update tgw-0... --propagation-table none"
    )]
    Update(UpdateArgs),
    /// Delete one that nothing is attached to, with its route tables.
    Delete(DeleteArgs),
}

/// Arguments of `weft transit-gateway create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// New attachments are associated with no table.
    #[arg(long)]
    no_default_association: bool,
    /// New attachments announce their blocks to no table.
    #[arg(long)]
    no_default_propagation: bool,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft transit-gateway update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// The table that new attachments are associated with, or `none`.
    #[arg(long, value_name = "TABLE")]
    association_table: Option<String>,
    /// The table that new attachments announce their blocks to, or `none`.
    #[arg(long, value_name = "TABLE")]
    propagation_table: Option<String>,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for TransitGateway {
    const TITLES: &'static [&'static str] =
        &["ID", "NAME", "ASSOCIATION TABLE", "PROPAGATION TABLE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            output::or_dash(&self.association_table),
            output::or_dash(&self.propagation_table),
        ]
    }
}

/// `none` stands for no table.
pub(super) fn table(text: Option<String>) -> String {
    text.filter(|text| text != "none").unwrap_or_default()
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: TransitGatewayCommand) -> Result<(), CliError> {
    match command {
        TransitGatewayCommand::Create(args) => create(api, args).await,
        TransitGatewayCommand::Show(args) => super::show::<TransitGateway>(api, args).await,
        TransitGatewayCommand::List(args) => super::list::<TransitGateway>(api, args).await,
        TransitGatewayCommand::Update(args) => update(api, args).await,
        TransitGatewayCommand::Delete(args) => super::delete::<TransitGateway>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let gateway = TransitGateway {
        meta: super::named(args.name),
        ..TransitGateway::default()
    };
    let request = CreateTransitGatewayRequest {
        transit_gateway: Some(gateway),
        request_id: args.write.request_id,
        disable_default_association: args.no_default_association,
        disable_default_propagation: args.no_default_propagation,
    };
    let mut client = TransitGatewaysClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    let revision = answer.revision;
    super::written(api, args.write.wait, answer.transit_gateway, revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let fields = [
        ("association_table", args.association_table.is_some()),
        ("propagation_table", args.propagation_table.is_some()),
        ("meta.name", args.name.is_some()),
    ];
    let gateway = TransitGateway {
        id: args.id,
        association_table: table(args.association_table),
        propagation_table: table(args.propagation_table),
        meta: super::named(args.name),
    };
    let request = UpdateTransitGatewayRequest {
        transit_gateway: Some(gateway),
        update_mask: super::mask(&fields),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = TransitGatewaysClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    let revision = answer.revision;
    super::written(api, args.write.wait, answer.transit_gateway, revision).await
}
