//! `weft mirror`: filters and sessions of traffic mirroring.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateMirrorFilterRequest, CreateMirrorSessionRequest, MirrorFilter, MirrorRule, MirrorSession,
    PortRange, UpdateMirrorFilterRequest, UpdateMirrorSessionRequest,
    mirror_filters_client::MirrorFiltersClient, mirror_sessions_client::MirrorSessionsClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{api::Api, error::CliError, output::Row};

/// Commands on mirror filters.
#[derive(Debug, Subcommand)]
pub(crate) enum MirrorFilterCommand {
    /// Make a filter: which packets are copied.
    #[command(
        after_help = "Rules are NUMBER:ACTION:PROTOCOL[:SOURCE_PORTS:DESTINATION_PORTS]@SOURCE,DESTINATION; the\nlowest number that matches decides, what none matches isn't copied. `*` is any protocol or port.\n\nExample:\n  weft mirror-filter create --region r1 --ingress 10:reject:tcp:*:22@0.0.0.0/0,0.0.0.0/0\n  weft mirror-filter create --region r1 --ingress 20:accept:*@0.0.0.0/0,0.0.0.0/0"
    )]
    Create(FilterCreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name, or replace its rules; sessions follow at once.
    #[command(
        after_help = "Example:\n  weft mirror-filter update tmf-0... --egress 10:accept:udp@::/0,::/0"
    )]
    Update(FilterUpdateArgs),
    /// Delete one that no session uses.
    Delete(DeleteArgs),
}

/// Commands on mirror sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum MirrorSessionCommand {
    /// Copy an interface's packets to another interface of its VPC, or to a file on its host.
    #[command(
        after_help = "Copies go to UDP port 4789 of the target's primary address, whose groups must allow it.\nA file is MIRROR_DIR/SESSION.pcapng on the source's host (`weft vswitch --mirror-dir`).\n\nExamples:\n  weft mirror-session create --source eni-0... --target eni-0... --filter tmf-0...\n  weft mirror-session create --source eni-0... --target file --filter tmf-0... --number 2 --packet-length 128"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name, its filter or how much of a packet is copied.
    #[command(after_help = "Example:\n  weft mirror-session update tms-0... --packet-length 64")]
    Update(UpdateArgs),
    /// Delete one; a file that it wrote stays.
    Delete(DeleteArgs),
}

/// Arguments of `weft mirror-filter create`.
#[derive(Debug, Args)]
pub(crate) struct FilterCreateArgs {
    /// The region whose sessions may use it.
    #[arg(long)]
    region: String,
    /// A rule for what sources get; several by repeating.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    ingress: Vec<MirrorRule>,
    /// A rule for what sources send; several by repeating.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    egress: Vec<MirrorRule>,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft mirror-filter update`.
#[derive(Debug, Args)]
pub(crate) struct FilterUpdateArgs {
    /// Its id.
    id: String,
    /// All rules for what sources get; several by repeating.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    ingress: Vec<MirrorRule>,
    /// All rules for what sources send; several by repeating.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    egress: Vec<MirrorRule>,
    /// Have no rule for what sources get.
    #[arg(long, conflicts_with = "ingress")]
    no_ingress: bool,
    /// Have no rule for what sources send.
    #[arg(long, conflicts_with = "egress")]
    no_egress: bool,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft mirror-session create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The interface whose packets are copied.
    #[arg(long, value_name = "INTERFACE")]
    source: String,
    /// Where copies go: another interface of the VPC, or `file`.
    #[arg(long, value_name = "INTERFACE|file")]
    target: String,
    /// Which packets.
    #[arg(long)]
    filter: String,
    /// Its place among the sessions of the source, 1 to 32766: the first whose filter accepts a
    /// packet copies it, and no other.
    #[arg(long, default_value_t = 1, value_name = "N")]
    number: u32,
    /// Copy so many bytes of each packet at most [default: all that fit].
    #[arg(long, value_name = "BYTES")]
    packet_length: Option<u32>,
    /// The VXLAN network that the target tells sessions apart by [default: a random one].
    #[arg(long, value_name = "VNI")]
    vni: Option<u32>,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft mirror-session update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// Which packets.
    #[arg(long)]
    filter: Option<String>,
    /// Copy so many bytes of each packet at most; 0 is all that fit.
    #[arg(long, value_name = "BYTES")]
    packet_length: Option<u32>,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// `NUMBER:ACTION:PROTOCOL[:PORTS:PORTS]@SOURCE,DESTINATION`.
fn rule(text: &str) -> Result<MirrorRule, String> {
    let wanted = || {
        "NUMBER:ACTION:PROTOCOL[:SOURCE_PORTS:DESTINATION_PORTS]@SOURCE,DESTINATION is wanted"
            .to_owned()
    };
    let (what, ends) = text.split_once('@').ok_or_else(wanted)?;
    let (source, destination) = ends.split_once(',').ok_or_else(wanted)?;
    let words: Vec<&str> = what.split(':').collect();
    let (words, from, to) = match words.as_slice() {
        [number, action, protocol] => ([*number, *action, *protocol], "*", "*"),
        [number, action, protocol, from, to] => ([*number, *action, *protocol], *from, *to),
        _ => return Err(wanted()),
    };
    let [number, action, protocol] = words;
    Ok(MirrorRule {
        number: number.parse().map_err(|_| wanted())?,
        action: action.to_owned(),
        protocol: if protocol == "*" { "" } else { protocol }.to_owned(),
        source_cidr: source.to_owned(),
        destination_cidr: destination.to_owned(),
        source_ports: ports(from)?,
        destination_ports: ports(to)?,
    })
}

fn ports(text: &str) -> Result<Option<PortRange>, String> {
    if text == "*" {
        return Ok(None);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        let number = text.parse::<u16>();
        number
            .map(u32::from)
            .map_err(|_| format!("`{text}` is no port"))
    };
    Ok(Some(PortRange {
        first: number(first)?,
        last: number(last)?,
    }))
}

fn shown(rules: &[MirrorRule]) -> String {
    let range = |ports: Option<&PortRange>| {
        ports.map_or_else(|| "*".to_owned(), |p| format!("{}-{}", p.first, p.last))
    };
    let lines = rules.iter().map(|rule| {
        let ports = match (&rule.source_ports, &rule.destination_ports) {
            (None, None) => String::new(),
            (from, to) => format!(":{}:{}", range(from.as_ref()), range(to.as_ref())),
        };
        let MirrorRule {
            number,
            action,
            protocol,
            source_cidr,
            destination_cidr,
            ..
        } = rule;
        format!("{number}:{action}:{protocol}{ports}@{source_cidr},{destination_cidr}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Row for MirrorFilter {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "REGION", "INGRESS", "EGRESS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.region.clone(),
            shown(&self.ingress),
            shown(&self.egress),
        ]
    }
}

impl Row for MirrorSession {
    const TITLES: &'static [&'static str] = &[
        "ID", "NAME", "SOURCE", "NUMBER", "TARGET", "FILTER", "LENGTH", "VNI",
    ];

    fn cells(&self) -> Vec<String> {
        let length = match self.packet_length {
            0 => "all".to_owned(),
            bytes => bytes.to_string(),
        };
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.source.clone(),
            self.number.to_string(),
            self.target.clone(),
            self.filter.clone(),
            length,
            self.vni.to_string(),
        ]
    }
}

/// Runs one on filters.
pub(crate) async fn run_filter(api: &Api, command: MirrorFilterCommand) -> Result<(), CliError> {
    match command {
        MirrorFilterCommand::Create(args) => create_filter(api, args).await,
        MirrorFilterCommand::Show(args) => super::show::<MirrorFilter>(api, args).await,
        MirrorFilterCommand::List(args) => super::list::<MirrorFilter>(api, args).await,
        MirrorFilterCommand::Update(args) => update_filter(api, args).await,
        MirrorFilterCommand::Delete(args) => super::delete::<MirrorFilter>(api, args).await,
    }
}

/// Runs one on sessions.
pub(crate) async fn run(api: &Api, command: MirrorSessionCommand) -> Result<(), CliError> {
    match command {
        MirrorSessionCommand::Create(args) => create(api, args).await,
        MirrorSessionCommand::Show(args) => super::show::<MirrorSession>(api, args).await,
        MirrorSessionCommand::List(args) => super::list::<MirrorSession>(api, args).await,
        MirrorSessionCommand::Update(args) => update(api, args).await,
        MirrorSessionCommand::Delete(args) => super::delete::<MirrorSession>(api, args).await,
    }
}

async fn create_filter(api: &Api, args: FilterCreateArgs) -> Result<(), CliError> {
    let filter = MirrorFilter {
        region: args.region,
        ingress: args.ingress,
        egress: args.egress,
        meta: super::named(args.name),
        ..MirrorFilter::default()
    };
    let request = CreateMirrorFilterRequest {
        mirror_filter: Some(filter),
        request_id: args.write.request_id,
    };
    let mut client = MirrorFiltersClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.mirror_filter, answer.revision).await
}

async fn update_filter(api: &Api, args: FilterUpdateArgs) -> Result<(), CliError> {
    let update_mask = super::mask(&[
        ("ingress", args.no_ingress || !args.ingress.is_empty()),
        ("egress", args.no_egress || !args.egress.is_empty()),
        ("meta.name", args.name.is_some()),
    ]);
    let filter = MirrorFilter {
        id: args.id,
        ingress: args.ingress,
        egress: args.egress,
        meta: super::named(args.name),
        ..MirrorFilter::default()
    };
    let request = UpdateMirrorFilterRequest {
        mirror_filter: Some(filter),
        update_mask,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = MirrorFiltersClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    super::written(api, args.write.wait, answer.mirror_filter, answer.revision).await
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let session = MirrorSession {
        source: args.source,
        target: args.target,
        filter: args.filter,
        number: args.number,
        packet_length: args.packet_length.unwrap_or_default(),
        vni: args.vni.unwrap_or_default(),
        meta: super::named(args.name),
        ..MirrorSession::default()
    };
    let request = CreateMirrorSessionRequest {
        mirror_session: Some(session),
        request_id: args.write.request_id,
    };
    let mut client = MirrorSessionsClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.mirror_session, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let update_mask = super::mask(&[
        ("filter", args.filter.is_some()),
        ("packet_length", args.packet_length.is_some()),
        ("meta.name", args.name.is_some()),
    ]);
    let session = MirrorSession {
        id: args.id,
        filter: args.filter.unwrap_or_default(),
        packet_length: args.packet_length.unwrap_or_default(),
        meta: super::named(args.name),
        ..MirrorSession::default()
    };
    let request = UpdateMirrorSessionRequest {
        mirror_session: Some(session),
        update_mask,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = MirrorSessionsClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    super::written(api, args.write.wait, answer.mirror_session, answer.revision).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_shown_as_it_is_written() {
        for text in [
            "10:reject:tcp:*:22-22@0.0.0.0/0,10.0.0.0/8",
            "20:accept:udp:53-53:*@::/0,fd00::/8",
            "30:accept:icmp@0.0.0.0/0,0.0.0.0/0",
        ] {
            assert_eq!(shown(&[rule(text).unwrap()]), text);
        }
        for wrong in [
            "",
            "10",
            "10:accept:tcp",
            "x:accept:tcp@a,b",
            "1:a:tcp:1:99999@a,b",
        ] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
    }
}
