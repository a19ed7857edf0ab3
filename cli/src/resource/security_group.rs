//! `weft security-group`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    AuthorizeRequest, CreateSecurityGroupRequest, RevokeRequest, Rule, SecurityGroup,
    security_groups_client::SecurityGroupsClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs, rule};
use crate::{
    api::Api,
    error::{CliError, UsageError},
    output::Row,
};

/// Commands on security groups.
#[derive(Debug, Subcommand)]
pub(crate) enum SecurityGroupCommand {
    /// Make a group: no ingress, all egress.
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Add rules.
    #[command(
        after_help = "Examples:\n  weft security-group authorize sg-0... --ingress tcp:80:0.0.0.0/0 --ingress tcp:80:::/0\n  weft security-group authorize sg-0... --ingress tcp:5432:sg-0...   from the interfaces in a group\n  weft security-group authorize sg-0... --ingress tcp:443:pl-0...    from the prefixes of a list\n  weft security-group authorize sg-0... --ingress icmp:8:10.0.0.0/8"
    )]
    Authorize(AuthorizeArgs),
    /// Remove rules by id. Tracked connections survive until they end.
    Revoke(RevokeArgs),
    /// Delete one that no interface and no rule uses.
    Delete(DeleteArgs),
}

/// Arguments of `weft security-group create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The VPC it is part of.
    #[arg(long)]
    vpc: String,
    /// Its name, unique in the VPC.
    #[arg(long)]
    group_name: String,
    /// What it is for.
    #[arg(long, default_value_t, hide_default_value = true)]
    description: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft security-group authorize`.
#[derive(Debug, Args)]
pub(crate) struct AuthorizeArgs {
    /// The group's id.
    id: String,
    /// A rule for what may come in: PROTOCOL:PORTS:PEER.
    #[arg(long, value_name = "RULE", required_unless_present = "egress")]
    ingress: Vec<String>,
    /// A rule for what may go out: PROTOCOL:PORTS:PEER.
    #[arg(long, value_name = "RULE")]
    egress: Vec<String>,
    /// Refuse if the group has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft security-group revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The group's id.
    id: String,
    /// The rules' ids.
    #[arg(required = true)]
    rules: Vec<String>,
    /// Refuse if the group has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for SecurityGroup {
    const TITLES: &'static [&'static str] = &["ID", "GROUP", "VPC", "RULES"];

    fn cells(&self) -> Vec<String> {
        let line =
            |way: &'static str| move |r: &Rule| format!("{way:<4} {:<32} {}", rule::text(r), r.id);
        let ingress = self.ingress.iter().map(line("in"));
        let rules: Vec<String> = ingress.chain(self.egress.iter().map(line("out"))).collect();
        vec![
            self.id.clone(),
            self.group_name.clone(),
            self.vpc.clone(),
            rules.join("\n"),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: SecurityGroupCommand) -> Result<(), CliError> {
    match command {
        SecurityGroupCommand::Create(args) => create(api, args).await,
        SecurityGroupCommand::Show(args) => super::show::<SecurityGroup>(api, args).await,
        SecurityGroupCommand::List(args) => super::list::<SecurityGroup>(api, args).await,
        SecurityGroupCommand::Authorize(args) => authorize(api, args).await,
        SecurityGroupCommand::Revoke(args) => revoke(api, args).await,
        SecurityGroupCommand::Delete(args) => super::delete::<SecurityGroup>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let security_group = SecurityGroup {
        vpc: args.vpc,
        group_name: args.group_name,
        description: args.description,
        ..SecurityGroup::default()
    };
    let request = CreateSecurityGroupRequest {
        security_group: Some(security_group),
        request_id: args.write.request_id,
    };
    let mut client = SecurityGroupsClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.security_group, answer.revision).await
}

async fn authorize(api: &Api, args: AuthorizeArgs) -> Result<(), CliError> {
    let request = AuthorizeRequest {
        security_group: args.id,
        ingress: rules(&args.ingress)?,
        egress: rules(&args.egress)?,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = SecurityGroupsClient::new(api.channel.clone());
    let answer = client.authorize(request).await?.into_inner();
    super::written(api, args.write.wait, answer.security_group, answer.revision).await
}

fn rules(texts: &[String]) -> Result<Vec<Rule>, UsageError> {
    texts.iter().map(|text| rule::parse(text)).collect()
}

async fn revoke(api: &Api, args: RevokeArgs) -> Result<(), CliError> {
    let request = RevokeRequest {
        security_group: args.id,
        rules: args.rules,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = SecurityGroupsClient::new(api.channel.clone());
    let answer = client.revoke(request).await?.into_inner();
    super::written(api, args.write.wait, answer.security_group, answer.revision).await
}
