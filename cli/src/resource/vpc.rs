//! `weft vpc`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    AssociateCidrRequest, CreateVpcRequest, DisassociateCidrRequest, DnsForward, UpdateVpcRequest,
    Vpc, vpcs_client::VpcsClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{Row, joined},
};

/// Commands on VPCs.
#[derive(Debug, Subcommand)]
pub(crate) enum VpcCommand {
    /// Make a VPC, with its main route table and default security group.
    #[command(
        after_help = "Example:\n  weft vpc create --region r1 --cidr 10.0.0.0/16 --ipv6 --name red"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name, its main route table, its secondary blocks or what its resolver does.
    #[command(
        after_help = "Examples:\n  weft vpc update vpc-0... --main-route-table rtb-0...\n  weft vpc update vpc-0... --dns-upstream 192.0.2.53 --dns-forward corp.example=10.1.0.53,10.2.0.53"
    )]
    Update(UpdateArgs),
    /// Give it one more block, IPv4 or IPv6; its route tables get a local route for it.
    #[command(
        after_help = "Examples:\n  weft vpc associate-cidr vpc-0... 10.1.0.0/16\n  weft vpc associate-cidr vpc-0... --ipv6   a /56 from the region's pool"
    )]
    AssociateCidr(AssociateArgs),
    /// Take away a block that no subnet is in.
    DisassociateCidr(DisassociateArgs),
    /// Delete one that is empty.
    Delete(DeleteArgs),
}

/// Arguments of `weft vpc create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The region it lives in.
    #[arg(long)]
    region: String,
    /// The primary IPv4 block, /16 to /28.
    #[arg(long, value_name = "PREFIX")]
    cidr: String,
    /// Secondary IPv4 blocks.
    #[arg(long, value_name = "PREFIX")]
    secondary_cidr: Vec<String>,
    /// Give it an IPv6 /56 from the region's pool.
    #[arg(long)]
    ipv6: bool,
    /// Give it this IPv6 /56.
    #[arg(long, value_name = "PREFIX")]
    ipv6_cidr: Vec<String>,
    /// Whether its resolver answers [default: true].
    #[arg(long, value_name = "BOOL")]
    dns_support: Option<bool>,
    /// Whether its interfaces have names [default: true].
    #[arg(long, value_name = "BOOL")]
    dns_hostnames: Option<bool>,
    /// A resolver to ask for names that aren't its own; up to three by repeating.
    #[arg(long, value_name = "ADDRESS")]
    dns_upstream: Vec<String>,
    /// Resolvers to ask for a domain and all below it: DOMAIN=ADDRESS[,ADDRESS...].
    #[arg(long, value_name = "FORWARD")]
    dns_forward: Vec<String>,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft vpc update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// The table of subnets that name none.
    #[arg(long, value_name = "TABLE")]
    main_route_table: Option<String>,
    /// All secondary IPv4 blocks that it shall have; several by repeating.
    #[arg(long, value_name = "PREFIX")]
    secondary_cidr: Vec<String>,
    /// Whether its resolver answers.
    #[arg(long, value_name = "BOOL")]
    dns_support: Option<bool>,
    /// Whether its interfaces have names.
    #[arg(long, value_name = "BOOL")]
    dns_hostnames: Option<bool>,
    /// A resolver to ask for names that aren't its own; up to three by repeating.
    #[arg(long, value_name = "ADDRESS")]
    dns_upstream: Vec<String>,
    /// Resolvers to ask for a domain and all below it: DOMAIN=ADDRESS[,ADDRESS...].
    #[arg(long, value_name = "FORWARD")]
    dns_forward: Vec<String>,
    /// Ask nobody: names that aren't its own are refused.
    #[arg(long, conflicts_with_all = ["dns_upstream", "dns_forward"])]
    no_dns_forwards: bool,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft vpc associate-cidr`.
#[derive(Debug, Args)]
pub(crate) struct AssociateArgs {
    /// Its id.
    id: String,
    /// The block: /16 to /28, or an IPv6 /56.
    #[arg(value_name = "PREFIX", required_unless_present = "ipv6")]
    cidr: Option<String>,
    /// An IPv6 /56 from the region's pool.
    #[arg(long, conflicts_with = "cidr")]
    ipv6: bool,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft vpc disassociate-cidr`.
#[derive(Debug, Args)]
pub(crate) struct DisassociateArgs {
    /// Its id.
    id: String,
    /// The block.
    #[arg(value_name = "PREFIX")]
    cidr: String,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for Vpc {
    const TITLES: &'static [&'static str] =
        &["ID", "NAME", "REGION", "VNI", "CIDR", "SECONDARY", "IPV6"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.region.clone(),
            self.vni.to_string(),
            self.cidr_block.clone(),
            joined(&self.secondary_cidr_blocks),
            joined(&self.ipv6_cidr_blocks),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: VpcCommand) -> Result<(), CliError> {
    match command {
        VpcCommand::Create(args) => create(api, args).await,
        VpcCommand::Show(args) => super::show::<Vpc>(api, args).await,
        VpcCommand::List(args) => super::list::<Vpc>(api, args).await,
        VpcCommand::Update(args) => update(api, args).await,
        VpcCommand::AssociateCidr(args) => associate(api, args).await,
        VpcCommand::DisassociateCidr(args) => disassociate(api, args).await,
        VpcCommand::Delete(args) => super::delete::<Vpc>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let vpc = Vpc {
        region: args.region,
        cidr_block: args.cidr,
        secondary_cidr_blocks: args.secondary_cidr,
        ipv6_cidr_blocks: args.ipv6_cidr,
        enable_dns_support: args.dns_support,
        enable_dns_hostnames: args.dns_hostnames,
        dns_forwards: forwards(args.dns_upstream, &args.dns_forward),
        meta: super::named(args.name),
        ..Vpc::default()
    };
    let request = CreateVpcRequest {
        vpc: Some(vpc),
        assign_ipv6: args.ipv6,
        request_id: args.write.request_id,
    };
    let answer = VpcsClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.vpc, answer.revision).await
}

/// What was given of where to ask: all of it, as a whole.
fn forwards(upstream: Vec<String>, others: &[String]) -> Vec<DnsForward> {
    let everything = (!upstream.is_empty()).then(|| DnsForward {
        domain: String::new(),
        servers: upstream,
    });
    let others = others.iter().map(|text| {
        let (domain, servers) = text.split_once('=').unwrap_or((text, ""));
        let servers = servers.split(',').filter(|server| !server.is_empty());
        DnsForward {
            domain: domain.to_owned(),
            servers: servers.map(str::to_owned).collect(),
        }
    });
    everything.into_iter().chain(others).collect()
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let forwarding =
        args.no_dns_forwards || !args.dns_upstream.is_empty() || !args.dns_forward.is_empty();
    let update_mask = super::mask(&[
        ("meta.name", args.name.is_some()),
        ("main_route_table", args.main_route_table.is_some()),
        ("secondary_cidr_blocks", !args.secondary_cidr.is_empty()),
        ("enable_dns_support", args.dns_support.is_some()),
        ("enable_dns_hostnames", args.dns_hostnames.is_some()),
        ("dns_forwards", forwarding),
    ]);
    let vpc = Vpc {
        id: args.id,
        main_route_table: args.main_route_table.unwrap_or_default(),
        secondary_cidr_blocks: args.secondary_cidr,
        enable_dns_support: args.dns_support,
        enable_dns_hostnames: args.dns_hostnames,
        dns_forwards: forwards(args.dns_upstream, &args.dns_forward),
        meta: super::named(args.name),
        ..Vpc::default()
    };
    let request = UpdateVpcRequest {
        vpc: Some(vpc),
        update_mask,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let answer = VpcsClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.vpc, answer.revision).await
}

async fn associate(api: &Api, args: AssociateArgs) -> Result<(), CliError> {
    let request = AssociateCidrRequest {
        vpc: args.id,
        cidr_block: args.cidr.unwrap_or_default(),
        assign_ipv6: args.ipv6,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = VpcsClient::new(api.channel.clone());
    let answer = client.associate_cidr(request).await?.into_inner();
    super::written(api, args.write.wait, answer.vpc, answer.revision).await
}

async fn disassociate(api: &Api, args: DisassociateArgs) -> Result<(), CliError> {
    let request = DisassociateCidrRequest {
        vpc: args.id,
        cidr_block: args.cidr,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = VpcsClient::new(api.channel.clone());
    let answer = client.disassociate_cidr(request).await?.into_inner();
    super::written(api, args.write.wait, answer.vpc, answer.revision).await
}
