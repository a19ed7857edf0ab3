//! `weft explain`: what becomes of a packet, step by step.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use weft_lab::apply::Places;
use weft_proto::v1::{
    ExplainHop, ExplainRequest, ExplainResponse, ExplainStep, Explanation,
    explain_client::ExplainClient,
};

use crate::{
    api::{self, Api, Endpoint},
    error::CliError,
    output::{self, Format, Row, or_dash},
};

/// Arguments of `weft explain`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  weft explain web-1 db-1 --port 5432 --lab three\n  weft explain eni-0... 192.0.2.9 --protocol icmp\n  weft explain 198.51.100.1 web-1 --port 443         from the internet, in by an edge\n  weft explain web-1 db-1 --port 22 --brief          one line\n\nExit codes: 0 the packet arrives and its answer comes back; 1 it doesn't."
)]
pub(crate) struct ExplainArgs {
    /// Who sends: an interface's id, its name (in a lab, a workload's), or any address. One that is
    /// nobody's here is the internet's.
    from: String,
    /// Who should get it: likewise, or any address.
    to: String,
    /// What it carries.
    #[arg(long, value_enum, default_value_t = Protocol::Tcp)]
    protocol: Protocol,
    /// To which port.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Over IPv6.
    #[arg(long)]
    ipv6: bool,
    /// Only the verdict.
    #[arg(long)]
    brief: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Protocol {
    /// A connection's first segment.
    Tcp,
    /// A datagram.
    Udp,
    /// An echo request, also over IPv6.
    Icmp,
}

/// Asks and prints.
pub(crate) async fn run(
    api: &Api,
    endpoint: &Endpoint,
    args: ExplainArgs,
) -> Result<ExitCode, CliError> {
    let protocol = match args.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
    };
    let request = ExplainRequest {
        from: args.from,
        to: args.to,
        protocol: protocol.to_owned(),
        port: args.port.into(),
        ipv6: args.ipv6,
    };
    let answer = ExplainClient::new(api.channel.clone())
        .explain(request)
        .await?
        .into_inner();
    let places = match &endpoint.lab {
        Some(lab) => weft_lab::places(lab).await.map_err(CliError::Lab)?,
        None => Places::default(),
    };
    match api.format {
        Format::Json => output::json(&answer)?,
        Format::Table if args.brief => output::lines(&verdict(&answer))?,
        Format::Table => output::lines(&text(&answer, &places))?,
    }
    Ok(code(&answer))
}

/// What holds is what the hosts hold, where they said.
fn holds(answer: &ExplainResponse) -> Option<&Explanation> {
    answer.installed.as_ref().or(answer.intended.as_ref())
}

fn code(answer: &ExplainResponse) -> ExitCode {
    let reached = holds(answer).is_some_and(|holds| holds.reached);
    ExitCode::from(u8::from(!reached))
}

fn verdict(answer: &ExplainResponse) -> String {
    let verdict = holds(answer).map_or("", |holds| &holds.verdict).to_owned();
    match (answer.differences.len(), answer.unreachable.as_str()) {
        (0, "") => verdict,
        (0, why) => format!("{verdict} (by intent: {why})"),
        (some, _) => format!("{verdict} (intent differs in {some} place(s))"),
    }
}

fn text(answer: &ExplainResponse, places: &Places) -> String {
    let mut lines = Vec::new();
    let hops = holds(answer).map_or(&[][..], |holds| &holds.hops);
    let rows: Vec<Line> = hops
        .iter()
        .flat_map(|hop| hop.steps.iter().map(|step| Line::of(hop, step, places)))
        .collect();
    lines.push(output::table(&rows));
    lines.push(String::new());
    lines.push(verdict(answer));
    for difference in &answer.differences {
        lines.push(format!("  {difference}"));
    }
    lines.join("\n")
}

struct Line {
    host: String,
    way: &'static str,
    half: String,
    kind: String,
    text: String,
    place: String,
}

impl Line {
    fn of(hop: &ExplainHop, step: &ExplainStep, places: &Places) -> Self {
        let place = places.get(&step.object);
        let reason = match step.reason.as_str() {
            "" => String::new(),
            reason => format!(" [{reason}]"),
        };
        Self {
            host: hop.host.clone(),
            way: if hop.back { "back" } else { "there" },
            half: hop.half.clone(),
            kind: step.kind.clone(),
            text: format!("{}{reason}", step.text),
            place: place.map_or_else(String::new, |p| format!("{} (line {})", p.name, p.line)),
        }
    }
}

impl Row for Line {
    const TITLES: &'static [&'static str] = &["WAY", "HOST", "HALF", "WHAT", "IN-FILE", "WHY"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.way.to_owned(),
            self.host.clone(),
            self.half.clone(),
            self.kind.clone(),
            or_dash(&self.place),
            self.text.clone(),
        ]
    }
}

/// Runs the command against the controller.
pub(crate) fn block_on(
    endpoint: &Endpoint,
    format: Format,
    args: ExplainArgs,
) -> Result<ExitCode, CliError> {
    api::runtime()?.block_on(async {
        let api = Api {
            channel: api::connect(endpoint).await?,
            format,
        };
        run(&api, endpoint, args).await
    })
}
