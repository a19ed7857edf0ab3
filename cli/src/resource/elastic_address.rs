//! `weft elastic-address`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    Association, CreateElasticAddressRequest, ElasticAddress, InterfaceAddress,
    UpdateElasticAddressRequest, association::Holder,
    elastic_addresses_client::ElasticAddressesClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{Row, or_dash},
};

/// Commands on elastic addresses.
#[derive(Debug, Subcommand)]
pub(crate) enum ElasticAddressCommand {
    /// Make an elastic address.
    #[command(
        after_help = "Example:\n  weft elastic-address create --region r1\n  weft elastic-address associate eipalloc-0... --interface eni-0... --wait"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Put it on an interface's private address.
    Associate(AssociateArgs),
    /// Take it off.
    Disassociate(DisassociateArgs),
    /// Change its name.
    Update(UpdateArgs),
    /// Release one that is put on nothing.
    Delete(DeleteArgs),
}

/// Arguments of `weft elastic-address create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The region whose pools it is taken from.
    #[arg(long)]
    region: String,
    /// The pool; the first with a free address when left out.
    #[arg(long, default_value_t, hide_default_value = true)]
    pool: String,
    /// The address; the lowest free one when left out.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value_t,
        hide_default_value = true
    )]
    address: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft elastic-address update`.
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

impl Row for ElasticAddress {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "ADDRESS", "POOL", "ON"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.address.clone(),
            self.pool.clone(),
            or_dash(
                &self
                    .association
                    .as_ref()
                    .map(holder_text)
                    .unwrap_or_default(),
            ),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: ElasticAddressCommand) -> Result<(), CliError> {
    match command {
        ElasticAddressCommand::Create(args) => create(api, args).await,
        ElasticAddressCommand::Show(args) => super::show::<ElasticAddress>(api, args).await,
        ElasticAddressCommand::List(args) => super::list::<ElasticAddress>(api, args).await,
        ElasticAddressCommand::Associate(args) => associate(api, args).await,
        ElasticAddressCommand::Disassociate(args) => place(api, args.id, None, args.write).await,
        ElasticAddressCommand::Update(args) => update(api, args).await,
        ElasticAddressCommand::Delete(args) => super::delete::<ElasticAddress>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let elastic_address = ElasticAddress {
        region: args.region,
        pool: args.pool,
        address: args.address,
        meta: super::named(args.name),
        ..ElasticAddress::default()
    };
    let request = CreateElasticAddressRequest {
        elastic_address: Some(elastic_address),
        request_id: args.write.request_id,
    };
    let answer = ElasticAddressesClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(
        api,
        args.write.wait,
        answer.elastic_address,
        answer.revision,
    )
    .await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let fields = [("meta.name", args.name.is_some())];
    let elastic_address = ElasticAddress {
        id: args.id,
        meta: super::named(args.name),
        ..ElasticAddress::default()
    };
    change(api, elastic_address, &fields, args.etag, args.write).await
}

async fn change(
    api: &Api,
    elastic_address: ElasticAddress,
    fields: &[(&str, bool)],
    etag: String,
    write: WriteArgs,
) -> Result<(), CliError> {
    let request = UpdateElasticAddressRequest {
        elastic_address: Some(elastic_address),
        update_mask: super::mask(fields),
        etag,
        request_id: write.request_id,
    };
    let answer = ElasticAddressesClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, write.wait, answer.elastic_address, answer.revision).await
}

/// Arguments of `weft elastic-address associate`.
#[derive(Debug, Args)]
pub(crate) struct AssociateArgs {
    /// Its id.
    id: String,
    /// The interface to put it on.
    #[arg(long)]
    interface: String,
    /// The private address that it stands for; the primary one when left out.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value_t,
        hide_default_value = true
    )]
    private: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft elastic-address disassociate`.
#[derive(Debug, Args)]
pub(crate) struct DisassociateArgs {
    /// Its id.
    id: String,
    #[command(flatten)]
    write: WriteArgs,
}

async fn associate(api: &Api, args: AssociateArgs) -> Result<(), CliError> {
    let on = InterfaceAddress {
        interface: args.interface,
        private_address: args.private,
    };
    let association = Association {
        holder: Some(Holder::Interface(on)),
    };
    place(api, args.id, Some(association), args.write).await
}

async fn place(
    api: &Api,
    id: String,
    association: Option<Association>,
    write: WriteArgs,
) -> Result<(), CliError> {
    let elastic = ElasticAddress {
        id,
        association,
        ..ElasticAddress::default()
    };
    change(api, elastic, &[("association", true)], String::new(), write).await
}

fn holder_text(association: &Association) -> String {
    match &association.holder {
        Some(Holder::Interface(on)) => format!("{}/{}", on.interface, on.private_address),
        Some(Holder::NatGateway(id)) => id.clone(),
        None => String::new(),
    }
}
