//! `weft observe`: connections and drops, with what let them pass or stopped them.

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use ipnet::IpNet;
use tokio_stream::{StreamExt as _, StreamMap};
use weft_proto::host::v1::{
    Event, Flow, FlowsRequest, ObserveRequest, PortsRequest, RecentDrop, RecentDropsRequest,
    StatusRequest, WatchFilter,
};

use super::{Client, FilterArgs, HostArgs, clients, interface, interrupted, moment};
use crate::{
    api::{self, Endpoint},
    error::CliError,
    inspect::end,
    output::{self, Format, Row, or_dash},
};

/// Arguments of `weft observe`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  weft observe --lab quickstart                                 connections now, and the latest drops\n  weft observe --lab quickstart --follow --verdict dropped      drops as they happen\n  weft observe --lab quickstart -f -w web-1 --port 80 -o json   one line of JSON per event"
)]
pub(crate) struct ObserveArgs {
    /// Only at this workload's or interface's port: its name or id.
    #[arg(long, short, value_name = "WORKLOAD", visible_alias = "interface")]
    workload: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    hosts: HostArgs,
    /// Show connections as they begin, and drops, until interrupted.
    #[arg(long, short)]
    follow: bool,
    /// With --follow: every packet instead of a connection's first.
    #[arg(long, requires = "follow")]
    packets: bool,
    /// At most so many; then it ends.
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<usize>,
}

impl Row for Event {
    const TITLES: &'static [&'static str] = &[
        "TIME",
        "HOST",
        "INTERFACE",
        "HALF",
        "VERDICT",
        "PROTOCOL",
        "FROM",
        "TO",
        "BY",
    ];

    fn cells(&self) -> Vec<String> {
        let protocol = match (self.icmp_type, self.icmp_code) {
            (Some(kind), Some(code)) => format!("{} {kind}/{code}", self.protocol),
            _ => self.protocol.clone(),
        };
        vec![
            moment::time(self.unix_nanoseconds),
            self.host.clone(),
            or_dash(&self.interface),
            self.half.clone(),
            self.verdict.clone(),
            or_dash(&protocol),
            or_dash(&end(&self.source, self.source_port)),
            or_dash(&end(&self.destination, self.destination_port)),
            match self.verdict.as_str() {
                "dropped" => format!("{}: {}", self.reason, self.what),
                _ => or_dash(&self.rule),
            },
        ]
    }
}

/// Asks and prints.
pub(crate) fn run(
    endpoint: &Endpoint,
    format: Format,
    args: &ObserveArgs,
) -> Result<ExitCode, CliError> {
    api::runtime()?.block_on(async {
        let interface = match &args.workload {
            // An id needs no controller to be known.
            Some(id) if id.starts_with("eni-") => id.clone(),
            Some(name) => interface(endpoint, name).await?.id,
            None => String::new(),
        };
        let filter = args.filter.of(interface);
        let clients = clients(endpoint, &args.hosts).await?;
        if args.follow {
            follow(clients, format, args, filter).await?;
        } else {
            snapshot(clients, format, args, &filter).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn follow(
    clients: Vec<Client>,
    format: Format,
    args: &ObserveArgs,
    filter: WatchFilter,
) -> Result<(), CliError> {
    let mut streams = StreamMap::new();
    for (n, mut client) in clients.into_iter().enumerate() {
        let request = ObserveRequest {
            filter: Some(filter.clone()),
            packets: args.packets,
        };
        streams.insert(n, client.observe(request).await?.into_inner());
    }
    let mut left = args.count.unwrap_or(usize::MAX);
    let mut missed = vec![0; streams.len()];
    while left > 0 {
        let (n, answer) = tokio::select! {
            next = streams.next() => match next {
                Some(next) => next,
                None => return Ok(()),
            },
            () = interrupted() => return Ok(()),
        };
        let answer = answer?;
        for event in answer.events.iter().take(left) {
            line(format, event)?;
        }
        left -= answer.events.len().min(left);
        if answer.missed > missed[n] {
            let more = answer.missed - missed[n];
            missed[n] = answer.missed;
            note(&format!("... {more} more came too fast to be shown"));
        }
    }
    Ok(())
}

/// One event of an endless list: columns as wide as they usually are.
fn line(format: Format, event: &Event) -> Result<(), CliError> {
    if format == Format::Json {
        let text = serde_json::to_string(event).map_err(CliError::Json)?;
        return output::lines(&text);
    }
    let widths = [12, 8, 21, 8, 9, 10, 21, 21, 0];
    let cells = event.cells();
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:width$}"))
        .collect();
    output::lines(padded.join(" ").trim_end())
}

/// To standard error: it is none of what was asked for.
fn note(text: &str) {
    use std::io::Write as _;
    // Who can't read it has no use for an error either.
    let _ = writeln!(std::io::stderr(), "{text}");
}

async fn snapshot(
    clients: Vec<Client>,
    format: Format,
    args: &ObserveArgs,
    filter: &WatchFilter,
) -> Result<(), CliError> {
    let mut events = Vec::new();
    let mut unrecorded = 0;
    for mut client in clients {
        let host = client.status(StatusRequest {}).await?.into_inner().host;
        for port in client.ports(PortsRequest {}).await?.into_inner().ports {
            if !filter.interface.is_empty() && filter.interface != port.interface {
                continue;
            }
            let request = FlowsRequest {
                interface: port.interface.clone(),
                limit: 0,
            };
            let flows = client.flows(request).await?.into_inner().flows;
            events.extend(flows.iter().map(|f| of_flow(f, &host, &port.interface)));
        }
        let request = RecentDropsRequest {
            interface: filter.interface.clone(),
            limit: 0,
        };
        let drops = client.recent_drops(request).await?.into_inner();
        unrecorded += drops.unrecorded;
        events.extend(drops.drops.iter().map(|drop| of_drop(drop, &host)));
    }
    let prefix = prefix(&filter.prefix)?;
    events.retain(|event| admits(filter, prefix, event));
    events.sort_by_key(|event| event.unix_nanoseconds);
    let most = args.count.unwrap_or(usize::MAX);
    let first = events.len().saturating_sub(most);
    output::list(format, &events[first..])?;
    if unrecorded > 0 {
        note(&format!(
            "... {unrecorded} more drops came too fast to be recorded"
        ));
    }
    Ok(())
}

fn ago(milliseconds: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_nanos() as u64);
    now.saturating_sub(milliseconds * 1_000_000)
}

/// A connection as an event of its last packet, from who began it.
fn of_flow(flow: &Flow, host: &str, interface: &str) -> Event {
    let mut ends = [
        (flow.local.clone(), flow.local_port),
        (flow.remote.clone(), flow.remote_port),
    ];
    if flow.began == "ingress" {
        ends.reverse();
    }
    let [(source, source_port), (destination, destination_port)] = ends;
    let ported = matches!(flow.protocol.as_str(), "tcp" | "udp");
    let port = |port| if ported { port } else { 0 };
    let bytes = |tally: Option<&weft_proto::host::v1::Tally>| tally.map_or(0, |t| t.bytes);
    let blocked = flow.status == "blocked";
    Event {
        unix_nanoseconds: ago(flow.idle_milliseconds),
        host: host.to_owned(),
        half: flow.began.clone(),
        interface: interface.to_owned(),
        protocol: flow.protocol.clone(),
        source,
        source_port: port(source_port),
        destination,
        destination_port: port(destination_port),
        bytes: bytes(flow.egress.as_ref()) + bytes(flow.ingress.as_ref()),
        verdict: if blocked { "dropped" } else { "forwarded" }.to_owned(),
        rule: flow.rule.clone(),
        reason: if blocked { "blocked" } else { "" }.to_owned(),
        what: if blocked { "its rule is gone" } else { "" }.to_owned(),
        ..Default::default()
    }
}

fn of_drop(drop: &RecentDrop, host: &str) -> Event {
    Event {
        unix_nanoseconds: ago(drop.age_milliseconds),
        host: host.to_owned(),
        half: drop.half.clone(),
        interface: drop.interface.clone(),
        protocol: drop.protocol.clone(),
        source: drop.source.clone(),
        source_port: drop.source_port,
        destination: drop.destination.clone(),
        destination_port: drop.destination_port,
        icmp_type: drop.icmp_type,
        icmp_code: drop.icmp_code,
        verdict: "dropped".to_owned(),
        reason: drop.reason.clone(),
        object: drop.object.clone(),
        what: drop.what.clone(),
        ..Default::default()
    }
}

fn prefix(text: &str) -> Result<Option<IpNet>, CliError> {
    if text.is_empty() {
        return Ok(None);
    }
    let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
    let net = address.or_else(|_| text.parse::<IpNet>());
    net.map(Some).map_err(|_| {
        CliError::Usage(crate::error::UsageError {
            given: text.to_owned(),
            wanted: "an address or a prefix",
            hint: "Write 10.0.1.7 or 10.0.1.0/24.",
        })
    })
}

/// As the vswitches filter what they tell live.
fn admits(filter: &WatchFilter, prefix: Option<IpNet>, event: &Event) -> bool {
    let protocol = filter.protocol.is_empty() || filter.protocol == event.protocol;
    let port = filter.port == 0
        || event.source_port == filter.port
        || event.destination_port == filter.port;
    let verdict = filter.verdict.is_empty() || filter.verdict == event.verdict;
    let inside = |net: IpNet| {
        [&event.source, &event.destination].iter().any(|text| {
            text.parse()
                .is_ok_and(|a: std::net::IpAddr| net.contains(&a))
        })
    };
    protocol && port && verdict && prefix.is_none_or(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            protocol: "tcp".into(),
            source: "10.0.0.1".into(),
            source_port: 4000,
            destination: "10.0.1.2".into(),
            destination_port: 80,
            verdict: "dropped".into(),
            reason: "no_route".into(),
            what: "rtb-1 has no route to it".into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_filter_admits_what_meets_all_of_it() {
        let filter = WatchFilter {
            protocol: "tcp".into(),
            port: 80,
            verdict: "dropped".into(),
            ..Default::default()
        };
        let net = prefix("10.0.1.0/24").unwrap();
        assert!(admits(&filter, net, &event()));
        assert!(!admits(&filter, prefix("10.9.0.1").unwrap(), &event()));
        let other = WatchFilter { port: 81, ..filter };
        assert!(!admits(&other, net, &event()));
    }

    #[test]
    fn a_drop_names_its_reason_and_its_object() {
        let cells = event().cells();
        assert_eq!(cells[8], "no_route: rtb-1 has no route to it");
    }
}
