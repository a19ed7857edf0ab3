//! `weft listener`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateListenerRequest, Listener, UpdateListenerRequest, listeners_client::ListenersClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{api::Api, error::CliError, output::Row};

/// Commands on listeners.
#[derive(Debug, Subcommand)]
pub(crate) enum ListenerCommand {
    /// Make a listener on a load balancer's port.
    #[command(
        after_help = "Example:\n  weft listener create --load-balancer nlb-0... --protocol tcp --port 80 --target-group tg-0..."
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change where one sends, or its idle timeout.
    Update(UpdateArgs),
    /// Delete one; its connections end.
    Delete(DeleteArgs),
}

/// Arguments of `weft listener create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The load balancer whose port it is.
    #[arg(long, value_name = "ID")]
    load_balancer: String,
    /// What it takes: tcp, udp or tcp_udp.
    #[arg(long, default_value = "tcp")]
    protocol: String,
    /// The port.
    #[arg(long)]
    port: u16,
    /// Where it sends.
    #[arg(long, value_name = "ID")]
    target_group: String,
    /// Seconds that an idle TCP connection is kept: 60 to 6000.
    #[arg(long, value_name = "SECONDS", default_value_t = 350)]
    idle_timeout: u32,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft listener update`.
#[derive(Debug, Args)]
#[group(required = true, multiple = true, id = "change", args = ["target_group", "idle_timeout"])]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// Where it sends; connections to targets that are not in that group end.
    #[arg(long, value_name = "ID")]
    target_group: Option<String>,
    /// Seconds that an idle TCP connection is kept: 60 to 6000.
    #[arg(long, value_name = "SECONDS")]
    idle_timeout: Option<u32>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for Listener {
    const TITLES: &'static [&'static str] = &[
        "ID",
        "LOAD BALANCER",
        "PROTOCOL",
        "PORT",
        "TARGET GROUP",
        "IDLE",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.load_balancer.clone(),
            self.protocol.clone(),
            self.port.to_string(),
            self.target_group.clone(),
            format!("{} s", self.idle_timeout),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: ListenerCommand) -> Result<(), CliError> {
    match command {
        ListenerCommand::Create(args) => create(api, args).await,
        ListenerCommand::Show(args) => super::show::<Listener>(api, args).await,
        ListenerCommand::List(args) => super::list::<Listener>(api, args).await,
        ListenerCommand::Update(args) => update(api, args).await,
        ListenerCommand::Delete(args) => super::delete::<Listener>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let listener = Listener {
        load_balancer: args.load_balancer,
        protocol: args.protocol,
        port: args.port.into(),
        target_group: args.target_group,
        idle_timeout: args.idle_timeout,
        ..Listener::default()
    };
    let request = CreateListenerRequest {
        listener: Some(listener),
        request_id: args.write.request_id,
    };
    let mut client = ListenersClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.listener, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let update_mask = super::mask(&[
        ("target_group", args.target_group.is_some()),
        ("idle_timeout", args.idle_timeout.is_some()),
    ]);
    let listener = Listener {
        id: args.id,
        target_group: args.target_group.unwrap_or_default(),
        idle_timeout: args.idle_timeout.unwrap_or_default(),
        ..Listener::default()
    };
    let request = UpdateListenerRequest {
        listener: Some(listener),
        update_mask,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = ListenersClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    super::written(api, args.write.wait, answer.listener, answer.revision).await
}
