//! `weft public-pool`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreatePublicPoolRequest, PublicPool, UpdatePublicPoolRequest,
    public_pools_client::PublicPoolsClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{Row, joined},
};

/// Commands on pools of public addresses.
#[derive(Debug, Subcommand)]
pub(crate) enum PublicPoolCommand {
    /// Make a pool of public addresses.
    #[command(
        after_help = "Example:\n  weft public-pool create --region r1 --block 203.0.113.0/24"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name or its prefixes.
    Update(UpdateArgs),
    /// Delete one with no address in use.
    Delete(DeleteArgs),
}

/// Arguments of `weft public-pool create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The region it serves.
    #[arg(long)]
    region: String,
    /// A prefix of public addresses; can be given more than once.
    #[arg(long = "block", value_name = "PREFIX", required = true)]
    blocks: Vec<String>,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft public-pool update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// All its prefixes; can be given more than once.
    #[arg(long = "block", value_name = "PREFIX")]
    blocks: Vec<String>,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for PublicPool {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "REGION", "BLOCKS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.region.clone(),
            joined(&self.blocks),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: PublicPoolCommand) -> Result<(), CliError> {
    match command {
        PublicPoolCommand::Create(args) => create(api, args).await,
        PublicPoolCommand::Show(args) => super::show::<PublicPool>(api, args).await,
        PublicPoolCommand::List(args) => super::list::<PublicPool>(api, args).await,
        PublicPoolCommand::Update(args) => update(api, args).await,
        PublicPoolCommand::Delete(args) => super::delete::<PublicPool>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let public_pool = PublicPool {
        region: args.region,
        blocks: args.blocks,
        meta: super::named(args.name),
        ..PublicPool::default()
    };
    let request = CreatePublicPoolRequest {
        public_pool: Some(public_pool),
        request_id: args.write.request_id,
    };
    let answer = PublicPoolsClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.public_pool, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let fields = [
        ("blocks", !args.blocks.is_empty()),
        ("meta.name", args.name.is_some()),
    ];
    let public_pool = PublicPool {
        id: args.id,
        blocks: args.blocks,
        meta: super::named(args.name),
        ..PublicPool::default()
    };
    change(api, public_pool, &fields, args.etag, args.write).await
}

async fn change(
    api: &Api,
    public_pool: PublicPool,
    fields: &[(&str, bool)],
    etag: String,
    write: WriteArgs,
) -> Result<(), CliError> {
    let request = UpdatePublicPoolRequest {
        public_pool: Some(public_pool),
        update_mask: super::mask(fields),
        etag,
        request_id: write.request_id,
    };
    let answer = PublicPoolsClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, write.wait, answer.public_pool, answer.revision).await
}
