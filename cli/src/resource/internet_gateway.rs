//! `weft internet-gateway`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateInternetGatewayRequest, InternetGateway, UpdateInternetGatewayRequest,
    internet_gateways_client::InternetGatewaysClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{Row, or_dash},
};

/// Commands on internet gateways.
#[derive(Debug, Subcommand)]
pub(crate) enum InternetGatewayCommand {
    /// Make an internet gateway.
    #[command(
        after_help = "Example:\n  weft internet-gateway create --vpc vpc-0...\n  weft route-table put-route rtb-0... 0.0.0.0/0 igw-0..."
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Attach it to a VPC.
    Attach(AttachArgs),
    /// Detach it; refused while public addresses of its VPC are in use.
    Detach(DetachArgs),
    /// Change its name.
    Update(UpdateArgs),
    /// Delete one that is attached to no VPC.
    Delete(DeleteArgs),
}

/// Arguments of `weft internet-gateway create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The VPC to attach it to.
    #[arg(long, default_value_t, hide_default_value = true)]
    vpc: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft internet-gateway update`.
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

impl Row for InternetGateway {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "VPC"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            or_dash(&self.vpc),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: InternetGatewayCommand) -> Result<(), CliError> {
    match command {
        InternetGatewayCommand::Create(args) => create(api, args).await,
        InternetGatewayCommand::Show(args) => super::show::<InternetGateway>(api, args).await,
        InternetGatewayCommand::List(args) => super::list::<InternetGateway>(api, args).await,
        InternetGatewayCommand::Attach(args) => place(api, args.id, args.vpc, args.write).await,
        InternetGatewayCommand::Detach(args) => {
            place(api, args.id, String::new(), args.write).await
        }
        InternetGatewayCommand::Update(args) => update(api, args).await,
        InternetGatewayCommand::Delete(args) => super::delete::<InternetGateway>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let internet_gateway = InternetGateway {
        vpc: args.vpc,
        meta: super::named(args.name),
        ..InternetGateway::default()
    };
    let request = CreateInternetGatewayRequest {
        internet_gateway: Some(internet_gateway),
        request_id: args.write.request_id,
    };
    let answer = InternetGatewaysClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(
        api,
        args.write.wait,
        answer.internet_gateway,
        answer.revision,
    )
    .await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let fields = [("meta.name", args.name.is_some())];
    let internet_gateway = InternetGateway {
        id: args.id,
        meta: super::named(args.name),
        ..InternetGateway::default()
    };
    change(api, internet_gateway, &fields, args.etag, args.write).await
}

async fn change(
    api: &Api,
    internet_gateway: InternetGateway,
    fields: &[(&str, bool)],
    etag: String,
    write: WriteArgs,
) -> Result<(), CliError> {
    let request = UpdateInternetGatewayRequest {
        internet_gateway: Some(internet_gateway),
        update_mask: super::mask(fields),
        etag,
        request_id: write.request_id,
    };
    let answer = InternetGatewaysClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, write.wait, answer.internet_gateway, answer.revision).await
}

/// Arguments of `weft internet-gateway attach`.
#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// Its id.
    id: String,
    /// The VPC to attach it to.
    #[arg(long)]
    vpc: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft internet-gateway detach`.
#[derive(Debug, Args)]
pub(crate) struct DetachArgs {
    /// Its id.
    id: String,
    #[command(flatten)]
    write: WriteArgs,
}

async fn place(api: &Api, id: String, vpc: String, write: WriteArgs) -> Result<(), CliError> {
    let gateway = InternetGateway {
        id,
        vpc,
        ..InternetGateway::default()
    };
    change(api, gateway, &[("vpc", true)], String::new(), write).await
}
