//! `weft peering`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    AnswerPeeringRequest, CreatePeeringRequest, Peering, UpdatePeeringRequest,
    peerings_client::PeeringsClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{api::Api, error::CliError, output::Row};

/// Commands on peerings.
#[derive(Debug, Subcommand)]
pub(crate) enum PeeringCommand {
    /// Ask a VPC for a peering; routes to it carry nothing until it accepts.
    #[command(
        after_help = "Example:\n  weft peering create --requester vpc-0... --accepter vpc-0...\n  weft peering accept pcx-0...\n  weft route-table put-route rtb-0... 10.1.0.0/16 pcx-0...   in tables of both VPCs"
    )]
    Create(CreateArgs),
    /// Accept one that waits for an answer.
    Accept(AnswerArgs),
    /// Reject one that waits for an answer.
    Reject(AnswerArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name.
    Update(UpdateArgs),
    /// End one; routes to it become blackholes.
    Delete(DeleteArgs),
}

/// Arguments of `weft peering create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The VPC that asks.
    #[arg(long, value_name = "VPC")]
    requester: String,
    /// The VPC that is asked; its blocks overlap none of the other's.
    #[arg(long, value_name = "VPC")]
    accepter: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft peering accept` and `weft peering reject`.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// Its id.
    id: String,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft peering update`.
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

impl Row for Peering {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "REQUESTER", "ACCEPTER", "STATUS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.requester.clone(),
            self.accepter.clone(),
            self.status.clone(),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: PeeringCommand) -> Result<(), CliError> {
    match command {
        PeeringCommand::Create(args) => create(api, args).await,
        PeeringCommand::Accept(args) => answer(api, args, true).await,
        PeeringCommand::Reject(args) => answer(api, args, false).await,
        PeeringCommand::Show(args) => super::show::<Peering>(api, args).await,
        PeeringCommand::List(args) => super::list::<Peering>(api, args).await,
        PeeringCommand::Update(args) => update(api, args).await,
        PeeringCommand::Delete(args) => super::delete::<Peering>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let peering = Peering {
        requester: args.requester,
        accepter: args.accepter,
        meta: super::named(args.name),
        ..Peering::default()
    };
    let request = CreatePeeringRequest {
        peering: Some(peering),
        request_id: args.write.request_id,
    };
    let mut client = PeeringsClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.peering, answer.revision).await
}

async fn answer(api: &Api, args: AnswerArgs, yes: bool) -> Result<(), CliError> {
    let request = AnswerPeeringRequest {
        peering: args.id,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = PeeringsClient::new(api.channel.clone());
    let answer = if yes {
        client.accept(request).await?
    } else {
        client.reject(request).await?
    };
    let answer = answer.into_inner();
    super::written(api, args.write.wait, answer.peering, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let fields = [("meta.name", args.name.is_some())];
    let peering = Peering {
        id: args.id,
        meta: super::named(args.name),
        ..Peering::default()
    };
    let request = UpdatePeeringRequest {
        peering: Some(peering),
        update_mask: super::mask(&fields),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = PeeringsClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    super::written(api, args.write.wait, answer.peering, answer.revision).await
}
