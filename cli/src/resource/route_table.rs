//! `weft route-table`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateRouteTableRequest, DeleteRouteRequest, PutRouteRequest, Route, RouteTable, route,
    route_tables_client::RouteTablesClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::{CliError, UsageError},
    output::Row,
};

/// Commands on route tables.
#[derive(Debug, Subcommand)]
pub(crate) enum RouteTableCommand {
    /// Make a route table; it starts with the VPC's local routes.
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Add a route, or replace the target of the one with this destination.
    #[command(
        after_help = "Examples:\n  weft route-table put-route rtb-0... 198.51.100.0/24 blackhole\n  weft route-table put-route rtb-0... 0.0.0.0/0 igw-0...\n  weft route-table put-route rtb-0... pl-0... eni-0...   for every prefix of a list"
    )]
    PutRoute(PutRouteArgs),
    /// Remove the route with this destination.
    DeleteRoute(DeleteRouteArgs),
    /// Delete one that no subnet uses.
    Delete(DeleteArgs),
}

/// Arguments of `weft route-table create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The VPC it is part of.
    #[arg(long)]
    vpc: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft route-table put-route`.
#[derive(Debug, Args)]
pub(crate) struct PutRouteArgs {
    /// The table's id.
    id: String,
    /// The addresses it is for: a prefix, or a prefix list's id.
    #[arg(value_name = "PREFIX")]
    destination: String,
    /// `local`, `blackhole`, or the id of an interface, a gateway or a peering.
    target: String,
    /// Refuse if the table has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft route-table delete-route`.
#[derive(Debug, Args)]
pub(crate) struct DeleteRouteArgs {
    /// The table's id.
    id: String,
    /// The route's destination: a prefix, or a prefix list's id.
    #[arg(value_name = "PREFIX")]
    destination: String,
    /// Refuse if the table has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for RouteTable {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "VPC", "MAIN", "ROUTES"];

    fn cells(&self) -> Vec<String> {
        let routes: Vec<String> = self.routes.iter().map(route_text).collect();
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.vpc.clone(),
            if self.main { "yes" } else { "no" }.to_owned(),
            routes.join("\n"),
        ]
    }
}

fn route_text(route: &Route) -> String {
    let target = match &route.target {
        Some(route::Target::Local(_)) => "local",
        Some(route::Target::Interface(id)) => id,
        Some(route::Target::InternetGateway(id) | route::Target::EgressGateway(id)) => id,
        Some(route::Target::Peering(id) | route::Target::TransitGateway(id)) => id,
        Some(route::Target::NatGateway(id)) => id,
        Some(route::Target::Blackhole(_)) => "blackhole",
        None => "-",
    };
    format!("{}{} -> {target}", route.destination, route.prefix_list)
}

fn target(text: &str) -> Result<route::Target, UsageError> {
    match text {
        "local" => Ok(route::Target::Local(true)),
        "blackhole" => Ok(route::Target::Blackhole(true)),
        id if id.starts_with("eni-") => Ok(route::Target::Interface(id.to_owned())),
        id if id.starts_with("igw-") => Ok(route::Target::InternetGateway(id.to_owned())),
        id if id.starts_with("tgw-") => Ok(route::Target::TransitGateway(id.to_owned())),
        id if id.starts_with("nat-") => Ok(route::Target::NatGateway(id.to_owned())),
        id if id.starts_with("eigw-") => Ok(route::Target::EgressGateway(id.to_owned())),
        id if id.starts_with("pcx-") => Ok(route::Target::Peering(id.to_owned())),
        other => Err(UsageError {
            given: other.to_owned(),
            wanted: "a route's target",
            hint: "Write local, blackhole, or an id: eni-0..., igw-0..., eigw-0..., nat-0..., tgw-0... or pcx-0....",
        }),
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: RouteTableCommand) -> Result<(), CliError> {
    match command {
        RouteTableCommand::Create(args) => create(api, args).await,
        RouteTableCommand::Show(args) => super::show::<RouteTable>(api, args).await,
        RouteTableCommand::List(args) => super::list::<RouteTable>(api, args).await,
        RouteTableCommand::PutRoute(args) => put_route(api, args).await,
        RouteTableCommand::DeleteRoute(args) => delete_route(api, args).await,
        RouteTableCommand::Delete(args) => super::delete::<RouteTable>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let route_table = RouteTable {
        vpc: args.vpc,
        meta: super::named(args.name),
        ..RouteTable::default()
    };
    let request = CreateRouteTableRequest {
        route_table: Some(route_table),
        request_id: args.write.request_id,
    };
    let answer = RouteTablesClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.route_table, answer.revision).await
}

async fn put_route(api: &Api, args: PutRouteArgs) -> Result<(), CliError> {
    let (destination, prefix_list) = match args.destination {
        list if list.starts_with("pl-") => (String::new(), list),
        prefix => (prefix, String::new()),
    };
    let route = Route {
        destination,
        prefix_list,
        target: Some(target(&args.target)?),
        ..Route::default()
    };
    let request = PutRouteRequest {
        route_table: args.id,
        route: Some(route),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let answer = RouteTablesClient::new(api.channel.clone())
        .put_route(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.route_table, answer.revision).await
}

async fn delete_route(api: &Api, args: DeleteRouteArgs) -> Result<(), CliError> {
    let request = DeleteRouteRequest {
        route_table: args.id,
        destination: args.destination,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let answer = RouteTablesClient::new(api.channel.clone())
        .delete_route(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.route_table, answer.revision).await
}
