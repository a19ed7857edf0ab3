//! `weft flow-log tail`: the lines that hosts wrote.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use weft_proto::host::v1::{ReadFlowLogRequest, ReadFlowLogResponse};

use super::{Client, HostArgs, clients, interrupted};
use crate::{
    api::Endpoint,
    error::CliError,
    output::{self, Format},
};

/// How often hosts are asked for more.
const LOOK: Duration = Duration::from_secs(1);
/// Lines of one answer.
const MOST: u32 = 1_000;

/// Arguments of `weft flow-log tail`.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// The flow log's id.
    id: String,
    #[command(flatten)]
    hosts: HostArgs,
    /// So many lines of each host at the most.
    #[arg(long, default_value_t = 100, value_name = "N")]
    lines: u32,
    /// End the present windows now instead of when they are over.
    #[arg(long)]
    flush: bool,
    /// Go on with what comes, until interrupted.
    #[arg(long, short)]
    follow: bool,
}

/// Asks every host and prints.
pub(crate) async fn run(
    endpoint: &Endpoint,
    format: Format,
    args: &TailArgs,
) -> Result<ExitCode, CliError> {
    let mut clients = clients(endpoint, &args.hosts).await?;
    let mut answers = Vec::new();
    for client in &mut clients {
        answers.push(read(client, args, 0, args.lines.min(MOST)).await?);
    }
    if format == Format::Json && !args.follow {
        output::json(&answers)?;
        return Ok(ExitCode::SUCCESS);
    }
    for answer in &answers {
        print(answer)?;
    }
    if args.follow {
        follow(&mut clients, args, answers).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what comes, until interrupted.
async fn follow(
    clients: &mut [Client],
    args: &TailArgs,
    mut answers: Vec<ReadFlowLogResponse>,
) -> Result<(), CliError> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = interrupted() => return Ok(()),
        }
        for (client, answer) in clients.iter_mut().zip(&mut answers) {
            // A vswitch that began anew counts from nothing.
            let fresh = read(client, args, answer.last, MOST).await?;
            *answer = if fresh.last < answer.last {
                read(client, args, 0, MOST).await?
            } else {
                fresh
            };
            print(answer)?;
        }
    }
}

async fn read(
    client: &mut Client,
    args: &TailArgs,
    after: u64,
    limit: u32,
) -> Result<ReadFlowLogResponse, CliError> {
    let request = ReadFlowLogRequest {
        flow_log: args.id.clone(),
        after,
        limit,
        flush: args.flush,
    };
    Ok(client.read_flow_log(request).await?.into_inner())
}

fn print(answer: &ReadFlowLogResponse) -> Result<(), CliError> {
    if answer.lines.is_empty() {
        return Ok(());
    }
    output::lines(&answer.lines.join("\n"))
}
