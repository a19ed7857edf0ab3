//! `weft prefix-list`.

use clap::{Args, Subcommand, ValueEnum};
use weft_proto::v1::{
    CreatePrefixListRequest, GetRequest, PrefixList, PrefixListEntry, UpdatePrefixListRequest,
    prefix_lists_client::PrefixListsClient,
};

use super::{DeleteArgs, Kind as _, ListArgs, ShowArgs, WriteArgs};
use crate::{api::Api, error::CliError, output::Row};

/// Commands on prefix lists.
#[derive(Debug, Subcommand)]
pub(crate) enum PrefixListCommand {
    /// Make a list for rules (`tcp:443:pl-0...`) and routes to refer to.
    #[command(
        after_help = "Example:\n  weft prefix-list create --region r1 --max-entries 10 --entry 192.0.2.0/24 --name offices"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Add and remove prefixes, or change its size or its name. What names it follows at once.
    #[command(
        after_help = "Example:\n  weft prefix-list update pl-0... --add 198.51.100.0/24 --remove 192.0.2.0/24"
    )]
    Update(UpdateArgs),
    /// Delete one that no rule and no route names.
    Delete(DeleteArgs),
}

/// An address family.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Arguments of `weft prefix-list create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The region whose VPCs may refer to it.
    #[arg(long)]
    region: String,
    /// The family of all its prefixes.
    #[arg(long, value_enum, default_value = "ipv4")]
    family: Family,
    /// How many entries it may have: what a rule or a route that names it counts for. As many as
    /// it is given, when left out.
    #[arg(long, value_name = "N", default_value_t)]
    max_entries: u32,
    /// Its prefixes; several by repeating.
    #[arg(long = "entry", value_name = "PREFIX")]
    entries: Vec<String>,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft prefix-list update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// Prefixes to add.
    #[arg(long, value_name = "PREFIX")]
    add: Vec<String>,
    /// Prefixes to remove.
    #[arg(long, value_name = "PREFIX")]
    remove: Vec<String>,
    /// How many entries it may have.
    #[arg(long, value_name = "N")]
    max_entries: Option<u32>,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for PrefixList {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "REGION", "FAMILY", "MAX", "ENTRIES"];

    fn cells(&self) -> Vec<String> {
        let entries: Vec<&str> = self.entries.iter().map(|e| e.cidr.as_str()).collect();
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.region.clone(),
            self.family.clone(),
            self.max_entries.to_string(),
            entries.join("\n"),
        ]
    }
}

fn entry(cidr: String) -> PrefixListEntry {
    PrefixListEntry {
        cidr,
        description: String::new(),
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: PrefixListCommand) -> Result<(), CliError> {
    match command {
        PrefixListCommand::Create(args) => create(api, args).await,
        PrefixListCommand::Show(args) => super::show::<PrefixList>(api, args).await,
        PrefixListCommand::List(args) => super::list::<PrefixList>(api, args).await,
        PrefixListCommand::Update(args) => update(api, args).await,
        PrefixListCommand::Delete(args) => super::delete::<PrefixList>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let family = match args.family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    let prefix_list = PrefixList {
        region: args.region,
        family: family.to_owned(),
        max_entries: args.max_entries,
        entries: args.entries.into_iter().map(entry).collect(),
        meta: super::named(args.name),
        ..PrefixList::default()
    };
    let request = CreatePrefixListRequest {
        prefix_list: Some(prefix_list),
        request_id: args.write.request_id,
    };
    let mut client = PrefixListsClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.prefix_list, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let relisted = !args.add.is_empty() || !args.remove.is_empty();
    let update_mask = super::mask(&[
        ("entries", relisted),
        ("max_entries", args.max_entries.is_some()),
        ("meta.name", args.name.is_some()),
    ]);
    let (mut entries, mut etag) = (Vec::new(), args.etag);
    if relisted {
        let request = GetRequest {
            id: args.id.clone(),
        };
        let old = PrefixList::get(api.channel.clone(), request).await?;
        // What is written back must be what was read, and what is added to it.
        if etag.is_empty() {
            etag = old.meta.unwrap_or_default().etag;
        }
        entries = old.entries;
        entries.retain(|entry| !args.remove.contains(&entry.cidr));
        entries.extend(args.add.into_iter().map(entry));
    }
    let prefix_list = PrefixList {
        id: args.id,
        max_entries: args.max_entries.unwrap_or_default(),
        entries,
        meta: super::named(args.name),
        ..PrefixList::default()
    };
    let request = UpdatePrefixListRequest {
        prefix_list: Some(prefix_list),
        update_mask,
        etag,
        request_id: args.write.request_id,
    };
    let mut client = PrefixListsClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    super::written(api, args.write.wait, answer.prefix_list, answer.revision).await
}
