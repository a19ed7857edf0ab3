//! `weft inspect`: what a host's vswitch says of itself, over the socket in its run directory.

mod recent;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde::Serialize;
use tonic::transport::Channel;
use weft_model::HostName;
use weft_proto::host::v1::{
    Datapath, DropsRequest, Flow, FlowsRequest, Port, PortsRequest, RecentDropsRequest,
    StatusRequest, StatusResponse, Tally, inspect_client::InspectClient, port::State,
};

use crate::{
    api::{self, Endpoint},
    error::CliError,
    output::{self, Format, Row, or_dash},
};

/// Arguments of `weft inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  weft inspect h1 drops --recent --lab quickstart   which packets, and what dropped them\n  weft inspect h1 drops --lab quickstart            how many, by reason\n  weft inspect h1 ports --lab quickstart            each port, with its own drops\n  weft inspect h1 flows eni-0... --lab quickstart\n  weft inspect h1 datapath --lab quickstart         the kernel or userspace, and why\n  weft inspect h1                                   on the host itself"
)]
pub(crate) struct InspectArgs {
    /// The host.
    host: HostName,
    /// The vswitch's run directory; /run/weft/HOST when left out.
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The daemon: its connection, workers and tables.
    Status,
    /// What forwards its packets: the kernel, with what its programs hold and count, or userspace, and
    /// why.
    Datapath,
    /// Its ports with what they carried and dropped.
    Ports,
    /// What was dropped on the whole host, by reason; or the latest packets, each with what is to
    /// blame.
    Drops {
        /// The latest dropped packets instead of counters.
        #[arg(long)]
        recent: bool,
        /// Only those of this interface.
        #[arg(
            long,
            requires = "recent",
            value_name = "INTERFACE",
            default_value = ""
        )]
        interface: String,
        /// How many at the most.
        #[arg(long, requires = "recent", default_value_t = 100)]
        limit: u32,
    },
    /// The connections of a port.
    Flows {
        /// The interface's id.
        interface: String,
        /// How many at the most.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
}

impl Row for StatusResponse {
    const TITLES: &'static [&'static str] = &[
        "HOST",
        "VTEP",
        "MTU",
        "DATAPATH",
        "CONTROLLER",
        "REVISION",
        "FLOWS",
        "UPTIME",
    ];

    fn cells(&self) -> Vec<String> {
        let controller = self.controller.clone().unwrap_or_default();
        let state = if controller.connected {
            "connected"
        } else {
            "not connected"
        };
        let live = |w: &weft_proto::host::v1::Worker| w.flows.map_or(0, |flows| flows.live);
        vec![
            self.host.clone(),
            format!("{}:{}", self.vtep, self.vxlan_port),
            self.mtu.to_string(),
            datapath(self),
            format!("{state} {}", controller.endpoint),
            controller.revision.to_string(),
            self.workers.iter().map(live).sum::<u64>().to_string(),
            format!("{} s", self.uptime_seconds),
        ]
    }
}

fn datapath(status: &StatusResponse) -> String {
    let kind = status.datapath.as_ref().map(|datapath| &datapath.kind);
    or_dash(kind.map_or("", String::as_str))
}

/// A thing that the kernel's programs hold or count.
#[derive(Serialize)]
struct Count {
    what: String,
    count: u64,
}

impl Row for Count {
    const TITLES: &'static [&'static str] = &["WHAT", "COUNT"];

    fn cells(&self) -> Vec<String> {
        vec![self.what.clone(), self.count.to_string()]
    }
}

fn show_datapath(format: Format, datapath: &Datapath) -> Result<(), CliError> {
    if format == Format::Json {
        return output::json(datapath);
    }
    if datapath.kind != "kernel" {
        let why = match datapath.why_not.as_str() {
            "" => String::new(),
            why => format!(": {why}"),
        };
        return output::lines(&format!("{}{why}", datapath.kind));
    }
    let row = |(what, count): (&String, &u64)| Count {
        what: what.clone(),
        count: *count,
    };
    let mut rows: Vec<Count> = datapath.kernel.iter().map(row).collect();
    rows.sort_by(|a, b| a.what.cmp(&b.what));
    output::list(format, &rows)
}

fn tally(tally: Option<&Tally>) -> String {
    tally.map_or_else(
        || "-".to_owned(),
        |t| format!("{} / {}", t.packets, t.bytes),
    )
}

impl Row for Port {
    const TITLES: &'static [&'static str] = &[
        "INTERFACE",
        "DEVICE",
        "STATE",
        "ADDRESSES",
        "OUT PACKETS / BYTES",
        "IN PACKETS / BYTES",
        "DROPS",
    ];

    fn cells(&self) -> Vec<String> {
        let state = match self.state() {
            State::Up => "up".to_owned(),
            State::Pending => format!("pending: {}", self.reason),
            State::Failed => format!("failed: {}", self.reason),
            State::Unspecified => "unknown".to_owned(),
        };
        let drops: Vec<String> = self
            .drops
            .iter()
            .map(|(why, n)| format!("{why} {n}"))
            .collect();
        vec![
            self.interface.clone(),
            format!("{}/{}", self.netns, self.device),
            state,
            self.addresses.join(" "),
            tally(self.egress.as_ref()),
            tally(self.ingress.as_ref()),
            or_dash(&drops.join(", ")),
        ]
    }
}

/// An address with its port, if there is one.
pub(crate) fn end(address: &str, port: u32) -> String {
    match (port, address.contains(':')) {
        (0, _) => address.to_owned(),
        (_, true) => format!("[{address}]:{port}"),
        (_, false) => format!("{address}:{port}"),
    }
}

impl Row for Flow {
    const TITLES: &'static [&'static str] = &[
        "PROTOCOL", "LOCAL", "REMOTE", "BEGAN", "STATUS", "TRACKED", "RULE", "OUT", "IN", "IDLE",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.protocol.clone(),
            end(&self.local, self.local_port),
            end(&self.remote, self.remote_port),
            self.began.clone(),
            self.status.clone(),
            if self.tracked { "yes" } else { "no" }.to_owned(),
            or_dash(&self.rule),
            tally(self.egress.as_ref()),
            tally(self.ingress.as_ref()),
            format!("{} ms", self.idle_milliseconds),
        ]
    }
}

/// One reason and how often.
#[derive(Serialize)]
struct Drops {
    reason: String,
    packets: u64,
}

impl Row for Drops {
    const TITLES: &'static [&'static str] = &["REASON", "PACKETS"];

    fn cells(&self) -> Vec<String> {
        vec![self.reason.clone(), self.packets.to_string()]
    }
}

/// Asks and prints.
pub(crate) fn run(
    lab: Option<&str>,
    format: Format,
    args: InspectArgs,
) -> Result<ExitCode, CliError> {
    let dir = match (args.run_dir, lab) {
        (Some(dir), _) => dir,
        (None, Some(lab)) => weft_lab::run_dir(lab, &args.host).map_err(CliError::Lab)?,
        (None, None) => PathBuf::from("/run/weft").join(args.host.as_str()),
    };
    let url = format!("unix://{}", dir.join("vswitch.sock").display());
    api::runtime()?.block_on(async {
        let channel = api::connect(&Endpoint { url, lab: None }).await?;
        ask(channel, format, args.what.unwrap_or(What::Status)).await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn ask(channel: Channel, format: Format, what: What) -> Result<(), CliError> {
    let mut client = InspectClient::new(channel);
    match what {
        What::Status => output::one(format, &client.status(StatusRequest {}).await?.into_inner()),
        What::Datapath => {
            let status = client.status(StatusRequest {}).await?.into_inner();
            show_datapath(format, &status.datapath.unwrap_or_default())
        }
        What::Ports => output::list(
            format,
            &client.ports(PortsRequest {}).await?.into_inner().ports,
        ),
        What::Drops {
            recent: true,
            interface,
            limit,
        } => {
            let request = RecentDropsRequest { interface, limit };
            recent::show(&mut client, format, request).await
        }
        What::Drops { .. } => {
            let drops = client.drops(DropsRequest {}).await?.into_inner().drops;
            let row = |(reason, packets)| Drops { reason, packets };
            let mut rows: Vec<Drops> = drops.into_iter().map(row).collect();
            rows.sort_by(|a, b| {
                b.packets
                    .cmp(&a.packets)
                    .then_with(|| a.reason.cmp(&b.reason))
            });
            output::list(format, &rows)
        }
        What::Flows { interface, limit } => {
            let answer = client
                .flows(FlowsRequest { interface, limit })
                .await?
                .into_inner();
            output::list(format, &answer.flows)?;
            if answer.truncated && format == Format::Table {
                output::lines("... and more: ask with a higher --limit")?;
            }
            Ok(())
        }
    }
}
