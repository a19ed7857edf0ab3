//! `weft flow-log`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateFlowLogRequest, FlowLog, UpdateFlowLogRequest, flow_logs_client::FlowLogsClient,
};

use crate::watch::tail::TailArgs;

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{api::Api, error::CliError, output::Row};

/// Commands on flow logs.
#[derive(Debug, Subcommand)]
pub(crate) enum FlowLogCommand {
    /// Make a flow log of a VPC, a subnet or an interface.
    #[command(
        after_help = "Examples:\n  weft flow-log create vpc-0... --interval 60\n  weft flow-log create eni-0... --traffic REJECT"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Print the last lines that hosts wrote, and those to come.
    #[command(
        after_help = "Examples:\n  weft flow-log tail fl-0... --lab quickstart --flush   everything up to now\n  weft flow-log tail fl-0... --lab quickstart --follow"
    )]
    Tail(TailArgs),
    /// Change the name of one.
    Update(UpdateArgs),
    /// Delete one; what it wrote stays on the hosts.
    Delete(DeleteArgs),
}

/// Arguments of `weft flow-log create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The VPC, subnet or interface.
    #[arg(value_name = "ID")]
    resource: String,
    /// ACCEPT, REJECT or ALL.
    #[arg(long, default_value = "ALL", value_name = "TYPE")]
    traffic: String,
    /// How long a record gathers packets at the most: 60 or 600 seconds.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    interval: u32,
    /// Fields as `${srcaddr} ${dstaddr}`; version 2's when left out.
    #[arg(long, default_value_t, hide_default_value = true)]
    format: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft flow-log update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// The flow log's id.
    id: String,
    /// A name for people; empty takes it away.
    #[arg(long)]
    name: String,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for FlowLog {
    const TITLES: &'static [&'static str] =
        &["ID", "NAME", "RESOURCE", "TRAFFIC", "INTERVAL", "FORMAT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.resource.clone(),
            self.traffic_type.clone(),
            format!("{} s", self.max_aggregation_interval),
            self.log_format.replace(" ${", "\n${"),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: FlowLogCommand) -> Result<(), CliError> {
    match command {
        FlowLogCommand::Create(args) => create(api, args).await,
        FlowLogCommand::Show(args) => super::show::<FlowLog>(api, args).await,
        FlowLogCommand::List(args) => super::list::<FlowLog>(api, args).await,
        // It asks hosts, not the controller, and is dispatched before there is a connection.
        FlowLogCommand::Tail(_) => Ok(()),
        FlowLogCommand::Update(args) => update(api, args).await,
        FlowLogCommand::Delete(args) => super::delete::<FlowLog>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let flow_log = FlowLog {
        resource: args.resource,
        traffic_type: args.traffic,
        max_aggregation_interval: args.interval,
        log_format: args.format,
        meta: super::named(args.name),
        ..FlowLog::default()
    };
    let request = CreateFlowLogRequest {
        flow_log: Some(flow_log),
        request_id: args.write.request_id,
    };
    let answer = FlowLogsClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.flow_log, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let flow_log = FlowLog {
        id: args.id,
        meta: super::named(Some(args.name)),
        ..FlowLog::default()
    };
    let request = UpdateFlowLogRequest {
        flow_log: Some(flow_log),
        update_mask: super::mask(&[("meta.name", true)]),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let answer = FlowLogsClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.flow_log, answer.revision).await
}
