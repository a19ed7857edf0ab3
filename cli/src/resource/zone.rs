//! `weft zone`.

use clap::{Args, Subcommand};
use weft_proto::v1::{CreateZoneRequest, Zone, zones_client::ZonesClient};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{api::Api, error::CliError, output::Row};

/// Commands on zones.
#[derive(Debug, Subcommand)]
pub(crate) enum ZoneCommand {
    /// Make a zone.
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Delete one that has no hosts or subnets.
    Delete(DeleteArgs),
}

/// Arguments of `weft zone create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its name: lower-case letters, digits and dashes.
    zone: String,
    /// The region that it is part of.
    #[arg(long)]
    region: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for Zone {
    const TITLES: &'static [&'static str] = &["ZONE", "REGION"];

    fn cells(&self) -> Vec<String> {
        vec![self.zone.clone(), self.region.clone()]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: ZoneCommand) -> Result<(), CliError> {
    match command {
        ZoneCommand::Create(args) => create(api, args).await,
        ZoneCommand::Show(args) => super::show::<Zone>(api, args).await,
        ZoneCommand::List(args) => super::list::<Zone>(api, args).await,
        ZoneCommand::Delete(args) => super::delete::<Zone>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let zone = Zone {
        zone: args.zone,
        region: args.region,
        ..Zone::default()
    };
    let request = CreateZoneRequest {
        zone: Some(zone),
        request_id: args.write.request_id,
    };
    let answer = ZonesClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.zone, answer.revision).await
}
