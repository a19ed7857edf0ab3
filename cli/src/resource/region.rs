//! `weft region`.

use clap::{Args, Subcommand};
use weft_proto::v1::{CreateRegionRequest, Region, regions_client::RegionsClient};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{api::Api, error::CliError, output::Row};

/// Commands on regions.
#[derive(Debug, Subcommand)]
pub(crate) enum RegionCommand {
    /// Make a region.
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Delete one that has no zones or VPCs.
    Delete(DeleteArgs),
}

/// Arguments of `weft region create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its name: lower-case letters, digits and dashes.
    region: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for Region {
    const TITLES: &'static [&'static str] = &["REGION"];

    fn cells(&self) -> Vec<String> {
        vec![self.region.clone()]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: RegionCommand) -> Result<(), CliError> {
    match command {
        RegionCommand::Create(args) => create(api, args).await,
        RegionCommand::Show(args) => super::show::<Region>(api, args).await,
        RegionCommand::List(args) => super::list::<Region>(api, args).await,
        RegionCommand::Delete(args) => super::delete::<Region>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let region = Region {
        region: args.region,
        ..Region::default()
    };
    let request = CreateRegionRequest {
        region: Some(region),
        request_id: args.write.request_id,
    };
    let answer = RegionsClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.region, answer.revision).await
}
