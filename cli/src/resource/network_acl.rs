//! `weft network-acl`.

use clap::{Args, Subcommand, ValueEnum};
use weft_proto::v1::{
    AclEntry, CreateNetworkAclRequest, DeleteAclEntryRequest, NetworkAcl, PutAclEntryRequest, Rule,
    UpdateNetworkAclRequest, network_acls_client::NetworkAclsClient, rule::Peer,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs, rule};
use crate::{
    api::Api,
    error::{CliError, UsageError},
    output::Row,
};

const HINT: &str = "Write PROTOCOL:PORTS:PREFIX, as tcp:22:10.0.0.0/8, udp::fd00::/8 (every port), \
                    icmp:8:0.0.0.0/0 (type 8) or all::0.0.0.0/0.";

/// Commands on network ACLs.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkAclCommand {
    /// Make an ACL: it denies everything.
    #[command(after_help = "Example:\n  weft network-acl create --vpc vpc-0... --name strict")]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name. Which subnets it stands before, `weft subnet update` says.
    Update(UpdateArgs),
    /// Add an entry, or replace the one with this number in the same direction and family.
    #[command(
        after_help = "The lowest number that matches decides; what none matches is denied. Replies need an entry of\ntheir own.\n\nExamples:\n  weft network-acl put-entry acl-0... ingress 100 allow tcp:80:0.0.0.0/0\n  weft network-acl put-entry acl-0... egress 100 allow tcp:1024-65535:0.0.0.0/0\n  weft network-acl put-entry acl-0... ingress 90 deny all::192.0.2.0/24"
    )]
    PutEntry(PutEntryArgs),
    /// Remove the entry with this number.
    #[command(after_help = "Example:\n  weft network-acl delete-entry acl-0... ingress 100")]
    DeleteEntry(DeleteEntryArgs),
    /// Delete one that no subnet is associated with.
    Delete(DeleteArgs),
}

/// Which way, seen from the subnet.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Direction {
    /// Into the subnet.
    Ingress,
    /// Out of it.
    Egress,
}

impl Direction {
    fn text(self) -> String {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
        .to_owned()
    }
}

/// What an entry does.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Action {
    /// Let it pass.
    Allow,
    /// Drop it.
    Deny,
}

/// Arguments of `weft network-acl create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The VPC it is part of.
    #[arg(long)]
    vpc: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft network-acl update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// A new name.
    #[arg(long)]
    name: String,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft network-acl put-entry`.
#[derive(Debug, Args)]
pub(crate) struct PutEntryArgs {
    /// The ACL's id.
    id: String,
    /// Which way, seen from the subnet.
    #[arg(value_enum)]
    direction: Direction,
    /// Its place: 1 to 32766.
    number: u32,
    /// What it does.
    #[arg(value_enum)]
    action: Action,
    /// PROTOCOL:PORTS:PREFIX; ports are the destination's.
    traffic: String,
    /// Refuse if the ACL has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft network-acl delete-entry`.
#[derive(Debug, Args)]
pub(crate) struct DeleteEntryArgs {
    /// The ACL's id.
    id: String,
    /// Which way, seen from the subnet.
    #[arg(value_enum)]
    direction: Direction,
    /// Its number.
    number: u32,
    /// The IPv6 entry of this number instead of the IPv4 one.
    #[arg(long)]
    ipv6: bool,
    /// Refuse if the ACL has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for NetworkAcl {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "VPC", "DEFAULT", "ENTRIES"];

    fn cells(&self) -> Vec<String> {
        let line = |way: &'static str| {
            move |e: &AclEntry| format!("{way:<3} {:>5} {:<5} {}", e.number, e.action, text(e))
        };
        let ingress = self.ingress.iter().map(line("in"));
        let entries: Vec<String> = ingress.chain(self.egress.iter().map(line("out"))).collect();
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.vpc.clone(),
            if self.default { "yes" } else { "no" }.to_owned(),
            entries.join("\n"),
        ]
    }
}

/// The entry's traffic as it is typed.
fn text(entry: &AclEntry) -> String {
    rule::text(&Rule {
        protocol: entry.protocol.clone(),
        ports: entry.ports,
        icmp: entry.icmp,
        peer: Some(Peer::Cidr(entry.cidr.clone())),
        ..Rule::default()
    })
}

fn entry(number: u32, action: Action, traffic: &str) -> Result<AclEntry, UsageError> {
    let wrong = || UsageError {
        given: traffic.to_owned(),
        wanted: "traffic of a network ACL's entry",
        hint: HINT,
    };
    let parsed = rule::parse(traffic).map_err(|_| wrong())?;
    let Some(Peer::Cidr(cidr)) = parsed.peer else {
        return Err(wrong());
    };
    let action = match action {
        Action::Allow => "allow",
        Action::Deny => "deny",
    };
    Ok(AclEntry {
        number,
        action: action.to_owned(),
        protocol: parsed.protocol,
        ports: parsed.ports,
        icmp: parsed.icmp,
        cidr,
    })
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: NetworkAclCommand) -> Result<(), CliError> {
    match command {
        NetworkAclCommand::Create(args) => create(api, args).await,
        NetworkAclCommand::Show(args) => super::show::<NetworkAcl>(api, args).await,
        NetworkAclCommand::List(args) => super::list::<NetworkAcl>(api, args).await,
        NetworkAclCommand::Update(args) => update(api, args).await,
        NetworkAclCommand::PutEntry(args) => put_entry(api, args).await,
        NetworkAclCommand::DeleteEntry(args) => delete_entry(api, args).await,
        NetworkAclCommand::Delete(args) => super::delete::<NetworkAcl>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let network_acl = NetworkAcl {
        vpc: args.vpc,
        meta: super::named(args.name),
        ..NetworkAcl::default()
    };
    let request = CreateNetworkAclRequest {
        network_acl: Some(network_acl),
        request_id: args.write.request_id,
    };
    let mut client = NetworkAclsClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.network_acl, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let network_acl = NetworkAcl {
        id: args.id,
        meta: super::named(Some(args.name)),
        ..NetworkAcl::default()
    };
    let request = UpdateNetworkAclRequest {
        network_acl: Some(network_acl),
        update_mask: super::mask(&[("meta.name", true)]),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = NetworkAclsClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    super::written(api, args.write.wait, answer.network_acl, answer.revision).await
}

async fn put_entry(api: &Api, args: PutEntryArgs) -> Result<(), CliError> {
    let request = PutAclEntryRequest {
        network_acl: args.id,
        direction: args.direction.text(),
        entry: Some(entry(args.number, args.action, &args.traffic)?),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = NetworkAclsClient::new(api.channel.clone());
    let answer = client.put_entry(request).await?.into_inner();
    super::written(api, args.write.wait, answer.network_acl, answer.revision).await
}

async fn delete_entry(api: &Api, args: DeleteEntryArgs) -> Result<(), CliError> {
    let request = DeleteAclEntryRequest {
        network_acl: args.id,
        direction: args.direction.text(),
        family: if args.ipv6 { "ipv6" } else { "ipv4" }.to_owned(),
        number: args.number,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = NetworkAclsClient::new(api.channel.clone());
    let answer = client.delete_entry(request).await?.into_inner();
    super::written(api, args.write.wait, answer.network_acl, answer.revision).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_prints_as_it_is_typed() {
        for typed in ["tcp:22:10.0.0.0/8", "icmpv6:1/4:::/0", "all::0.0.0.0/0"] {
            let entry = entry(7, Action::Deny, typed).unwrap();
            assert_eq!((entry.number, entry.action.as_str()), (7, "deny"));
            assert_eq!(text(&entry), typed);
        }
    }

    #[test]
    fn an_entry_is_for_a_prefix_and_for_nothing_else() {
        for typed in ["tcp:22", "tcp:22:sg-00000000000000001", "x"] {
            let error = entry(7, Action::Allow, typed).unwrap_err().to_string();
            assert!(error.contains("PROTOCOL:PORTS:PREFIX"), "{error}");
        }
    }
}
