//! `weft host`.

use clap::{Args, Subcommand};
use weft_proto::v1::{CreateHostRequest, Host, UpdateHostRequest, hosts_client::HostsClient};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{Row, or_dash},
};

/// Commands on hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Register a host, so that its vswitch may connect.
    #[command(
        after_help = "Example:\n  weft host create h1 --zone a --vtep 192.0.2.11\n  weft vswitch --host h1 --vtep 192.0.2.11 --controller http://192.0.2.1:7400"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all, with how far each has applied.
    List(ListArgs),
    /// Change a host's VTEP address or its uplink.
    Update(UpdateArgs),
    /// Delete one that has no interfaces attached.
    Delete(DeleteArgs),
}

/// Arguments of `weft host create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its name: what `weft vswitch --host` says.
    host: String,
    /// The zone that it stands in.
    #[arg(long)]
    zone: String,
    /// The underlay address of its VTEP.
    #[arg(long, value_name = "ADDRESS")]
    vtep: std::net::IpAddr,
    /// The device that leads to the internet: makes the host an edge.
    #[arg(
        long,
        value_name = "DEVICE",
        default_value_t,
        hide_default_value = true
    )]
    uplink: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft host update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its name.
    host: String,
    /// The new underlay address of its VTEP.
    #[arg(long, value_name = "ADDRESS")]
    vtep: Option<std::net::IpAddr>,
    /// The device that leads to the internet; empty: the host is no edge.
    #[arg(long, value_name = "DEVICE")]
    uplink: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for Host {
    const TITLES: &'static [&'static str] = &[
        "HOST",
        "ZONE",
        "VTEP",
        "UPLINK",
        "CONNECTED",
        "APPLIED",
        "PENDING",
        "REFUSED",
        "SENT",
    ];

    fn cells(&self) -> Vec<String> {
        let status = self.status.clone().unwrap_or_default();
        vec![
            self.host.clone(),
            self.zone.clone(),
            self.vtep.clone(),
            or_dash(&self.uplink),
            if status.connected { "yes" } else { "no" }.to_owned(),
            status.applied_revision.to_string(),
            status.pending.to_string(),
            status.refused.len().to_string(),
            status.sent.to_string(),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: HostCommand) -> Result<(), CliError> {
    match command {
        HostCommand::Create(args) => create(api, args).await,
        HostCommand::Show(args) => super::show::<Host>(api, args).await,
        HostCommand::List(args) => super::list::<Host>(api, args).await,
        HostCommand::Update(args) => update(api, args).await,
        HostCommand::Delete(args) => super::delete::<Host>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let host = Host {
        host: args.host,
        zone: args.zone,
        vtep: args.vtep.to_string(),
        uplink: args.uplink,
        ..Host::default()
    };
    let request = CreateHostRequest {
        host: Some(host),
        request_id: args.write.request_id,
    };
    let answer = HostsClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.host, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let update_mask = super::mask(&[
        ("vtep", args.vtep.is_some()),
        ("uplink", args.uplink.is_some()),
    ]);
    let host = Host {
        host: args.host,
        vtep: args.vtep.map(|vtep| vtep.to_string()).unwrap_or_default(),
        uplink: args.uplink.unwrap_or_default(),
        ..Host::default()
    };
    let request = UpdateHostRequest {
        host: Some(host),
        update_mask,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let answer = HostsClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.host, answer.revision).await
}
