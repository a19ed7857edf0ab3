//! `weft transit-attachment`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateTransitAttachmentRequest, TransitAttachment, UpdateTransitAttachmentRequest,
    transit_attachments_client::TransitAttachmentsClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs, transit_gateway::table};
use crate::{
    api::Api,
    error::CliError,
    output::{self, Row},
};

/// Commands on VPCs' attachments to transit gateways.
#[derive(Debug, Subcommand)]
pub(crate) enum TransitAttachmentCommand {
    /// Attach a VPC to a transit gateway.
    #[command(
        after_help = "Example:\n  weft transit-attachment create --transit-gateway tgw-0... --vpc vpc-0...\n  weft route-table put-route rtb-0... 10.0.0.0/8 tgw-0...   in tables of the VPC"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change the tables that it is routed by and announces its blocks to, or its name.
    #[command(
        after_help = "Examples:\n  weft transit-attachment update tgw-attach-0... --route-table tgw-rtb-0...\n  weft transit-attachment update tgw-attach-0... --propagate-to none"
    )]
    Update(UpdateArgs),
    /// Take the VPC off the gateway; routes to it become blackholes.
    Delete(DeleteArgs),
}

/// Arguments of `weft transit-attachment create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The gateway.
    #[arg(long, value_name = "GATEWAY")]
    transit_gateway: String,
    /// The VPC.
    #[arg(long)]
    vpc: String,
    #[command(flatten)]
    tables: TableArgs,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// The tables of an attachment.
#[derive(Debug, Args)]
struct TableArgs {
    /// The table that routes what comes from the VPC; the gateway's default one if none is given.
    #[arg(long, value_name = "TABLE")]
    route_table: Option<String>,
    /// A table that learns the VPC's blocks, or several by comma; the gateway's default one if none is
    /// given.
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    propagate_to: Vec<String>,
}

/// Arguments of `weft transit-attachment update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// The table that routes what comes from the VPC, or `none`: nothing passes then.
    #[arg(long, value_name = "TABLE")]
    route_table: Option<String>,
    /// All tables that learn the VPC's blocks, by comma, or `none`.
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    propagate_to: Vec<String>,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for TransitAttachment {
    const TITLES: &'static [&'static str] = &[
        "ID",
        "NAME",
        "GATEWAY",
        "VPC",
        "ROUTE TABLE",
        "PROPAGATES TO",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.transit_gateway.clone(),
            self.vpc.clone(),
            output::or_dash(&self.route_table),
            output::joined(&self.propagations),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: TransitAttachmentCommand) -> Result<(), CliError> {
    use TransitAttachmentCommand as Command;
    match command {
        Command::Create(args) => create(api, args).await,
        Command::Show(args) => super::show::<TransitAttachment>(api, args).await,
        Command::List(args) => super::list::<TransitAttachment>(api, args).await,
        Command::Update(args) => update(api, args).await,
        Command::Delete(args) => super::delete::<TransitAttachment>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let attachment = TransitAttachment {
        transit_gateway: args.transit_gateway,
        vpc: args.vpc,
        route_table: args.tables.route_table.unwrap_or_default(),
        propagations: args.tables.propagate_to,
        meta: super::named(args.name),
        ..TransitAttachment::default()
    };
    let request = CreateTransitAttachmentRequest {
        transit_attachment: Some(attachment),
        request_id: args.write.request_id,
    };
    let mut client = TransitAttachmentsClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    let revision = answer.revision;
    super::written(api, args.write.wait, answer.transit_attachment, revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let fields = [
        ("route_table", args.route_table.is_some()),
        ("propagations", !args.propagate_to.is_empty()),
        ("meta.name", args.name.is_some()),
    ];
    let mut propagations = args.propagate_to;
    propagations.retain(|table| table != "none");
    let attachment = TransitAttachment {
        id: args.id,
        route_table: table(args.route_table),
        propagations,
        meta: super::named(args.name),
        ..TransitAttachment::default()
    };
    let request = UpdateTransitAttachmentRequest {
        transit_attachment: Some(attachment),
        update_mask: super::mask(&fields),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = TransitAttachmentsClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    let revision = answer.revision;
    super::written(api, args.write.wait, answer.transit_attachment, revision).await
}
