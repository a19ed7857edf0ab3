//! `weft transit-table`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateTransitTableRequest, DeleteTransitRouteRequest, PutTransitRouteRequest, TransitRoute,
    TransitTable, UpdateTransitTableRequest, transit_route::Target,
    transit_tables_client::TransitTablesClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::{CliError, UsageError},
    output::Row,
};

/// Commands on transit gateways' route tables.
#[derive(Debug, Subcommand)]
pub(crate) enum TransitTableCommand {
    /// Make a route table of a transit gateway.
    #[command(
        after_help = "Example:\n  weft transit-table create --transit-gateway tgw-0... --name spokes\n  weft transit-attachment update tgw-attach-0... --route-table tgw-rtb-0..."
    )]
    Create(CreateArgs),
    /// Show one, with the routes that attachments announce.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name.
    Update(UpdateArgs),
    /// Add a static route, or replace the one with this destination.
    #[command(
        after_help = "Examples:\n  weft transit-table put-route tgw-rtb-0... 10.0.0.0/8 tgw-attach-0...\n  weft transit-table put-route tgw-rtb-0... 10.9.0.0/16 blackhole"
    )]
    PutRoute(PutRouteArgs),
    /// Remove the static route with this destination.
    DeleteRoute(DeleteRouteArgs),
    /// Delete one that no attachment uses.
    Delete(DeleteArgs),
}

/// Arguments of `weft transit-table create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The gateway it is part of.
    #[arg(long, value_name = "GATEWAY")]
    transit_gateway: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft transit-table update`.
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

/// Arguments of `weft transit-table put-route`.
#[derive(Debug, Args)]
pub(crate) struct PutRouteArgs {
    /// The table's id.
    id: String,
    /// The addresses it is for.
    #[arg(value_name = "PREFIX")]
    destination: String,
    /// `blackhole`, or an attachment's id.
    target: String,
    /// Refuse if the table has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft transit-table delete-route`.
#[derive(Debug, Args)]
pub(crate) struct DeleteRouteArgs {
    /// The table's id.
    id: String,
    /// The route's destination.
    #[arg(value_name = "PREFIX")]
    destination: String,
    /// Refuse if the table has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for TransitTable {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "GATEWAY", "ROUTES"];

    fn cells(&self) -> Vec<String> {
        let routes: Vec<String> = self.routes.iter().map(route_text).collect();
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.transit_gateway.clone(),
            routes.join("\n"),
        ]
    }
}

fn route_text(route: &TransitRoute) -> String {
    let target = match &route.target {
        Some(Target::Attachment(id)) if route.drops => format!("{id} (gone)"),
        Some(Target::Attachment(id)) => id.clone(),
        Some(Target::Blackhole(_)) | None => "blackhole".to_owned(),
    };
    format!("{} -> {target}", route.destination)
}

fn target(text: &str) -> Result<Target, UsageError> {
    match text {
        "blackhole" => Ok(Target::Blackhole(true)),
        id if id.starts_with("tgw-attach-") => Ok(Target::Attachment(id.to_owned())),
        other => Err(UsageError {
            given: other.to_owned(),
            wanted: "a transit route's target",
            hint: "Write blackhole, or an attachment's id: tgw-attach-0....",
        }),
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: TransitTableCommand) -> Result<(), CliError> {
    match command {
        TransitTableCommand::Create(args) => create(api, args).await,
        TransitTableCommand::Show(args) => super::show::<TransitTable>(api, args).await,
        TransitTableCommand::List(args) => super::list::<TransitTable>(api, args).await,
        TransitTableCommand::Update(args) => update(api, args).await,
        TransitTableCommand::PutRoute(args) => put_route(api, args).await,
        TransitTableCommand::DeleteRoute(args) => delete_route(api, args).await,
        TransitTableCommand::Delete(args) => super::delete::<TransitTable>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let table = TransitTable {
        transit_gateway: args.transit_gateway,
        meta: super::named(args.name),
        ..TransitTable::default()
    };
    let request = CreateTransitTableRequest {
        transit_table: Some(table),
        request_id: args.write.request_id,
    };
    let mut client = TransitTablesClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.transit_table, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let fields = [("meta.name", args.name.is_some())];
    let table = TransitTable {
        id: args.id,
        meta: super::named(args.name),
        ..TransitTable::default()
    };
    let request = UpdateTransitTableRequest {
        transit_table: Some(table),
        update_mask: super::mask(&fields),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = TransitTablesClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    super::written(api, args.write.wait, answer.transit_table, answer.revision).await
}

async fn put_route(api: &Api, args: PutRouteArgs) -> Result<(), CliError> {
    let route = TransitRoute {
        destination: args.destination,
        target: Some(target(&args.target)?),
        ..TransitRoute::default()
    };
    let request = PutTransitRouteRequest {
        transit_table: args.id,
        route: Some(route),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = TransitTablesClient::new(api.channel.clone());
    let answer = client.put_route(request).await?.into_inner();
    super::written(api, args.write.wait, answer.transit_table, answer.revision).await
}

async fn delete_route(api: &Api, args: DeleteRouteArgs) -> Result<(), CliError> {
    let request = DeleteTransitRouteRequest {
        transit_table: args.id,
        destination: args.destination,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = TransitTablesClient::new(api.channel.clone());
    let answer = client.delete_route(request).await?.into_inner();
    super::written(api, args.write.wait, answer.transit_table, answer.revision).await
}
