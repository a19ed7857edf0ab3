//! `weft wait` and `weft version`.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use weft_proto::v1::{HostRefusal, VersionRequest, WaitRequest};

use crate::{
    api::{self, Api, Endpoint},
    error::CliError,
    output::{self, Format},
};

/// Arguments of `weft wait`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weft wait 42 --timeout 5   fails, naming the hosts that lag")]
pub(crate) struct WaitArgs {
    /// The revision to wait for; the newest when left out.
    #[arg(default_value_t = 0)]
    revision: u64,
    /// Seconds to wait at the most.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    timeout: u32,
}

#[derive(Serialize)]
struct Waited {
    revision: u64,
    hosts: Vec<String>,
    refused: Vec<HostRefusal>,
}

/// Waits until all hosts have applied the revision.
pub(crate) async fn wait(api: &Api, args: WaitArgs) -> Result<(), CliError> {
    let request = WaitRequest {
        revision: args.revision,
        timeout_ms: args.timeout * 1000,
    };
    let answer = api.operations().wait(request).await?.into_inner();
    let waited = Waited {
        revision: answer.revision,
        hosts: answer.hosts,
        refused: answer.refused,
    };
    match api.format {
        Format::Json => output::json(&waited),
        Format::Table => output::lines(&sentence(&waited)),
    }
}

fn sentence(waited: &Waited) -> String {
    let mut text = format!(
        "revision {} is applied on {} host(s)",
        waited.revision,
        waited.hosts.len()
    );
    for HostRefusal { host, refusal } in &waited.refused {
        let Some(refusal) = refusal else { continue };
        text += &format!(
            "\n  {host} refused {} {}: {}",
            refusal.kind, refusal.name, refusal.reason
        );
    }
    text
}

#[derive(Serialize)]
struct Versions {
    weft: &'static str,
    controller: Option<String>,
    revision: Option<u64>,
}

/// Prints the versions; a controller that can't be reached is no error here.
pub(crate) async fn version(endpoint: &Endpoint, format: Format) -> Result<ExitCode, CliError> {
    let answer = match api::connect(endpoint).await {
        Ok(channel) => {
            let api = Api { channel, format };
            Some(
                api.operations()
                    .version(VersionRequest {})
                    .await?
                    .into_inner(),
            )
        }
        Err(_) => None,
    };
    let versions = Versions {
        weft: env!("CARGO_PKG_VERSION"),
        controller: answer.as_ref().map(|a| a.version.clone()),
        revision: answer.as_ref().map(|a| a.revision),
    };
    match format {
        Format::Json => output::json(&versions)?,
        Format::Table => {
            let controller = versions.controller.as_deref().unwrap_or("not reachable");
            output::lines(&format!(
                "weft        {}\ncontroller  {controller}",
                versions.weft
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
