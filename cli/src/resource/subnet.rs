//! `weft subnet`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateSubnetRequest, Subnet, UpdateSubnetRequest, subnets_client::SubnetsClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{Row, or_dash},
};

/// Commands on subnets.
#[derive(Debug, Subcommand)]
pub(crate) enum SubnetCommand {
    /// Make a subnet.
    #[command(
        after_help = "Example:\n  weft subnet create --vpc vpc-0... --zone a --cidr 10.0.1.0/24 --ipv6"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name, its route table, or whether it maps public addresses.
    #[command(
        after_help = "Examples:\n  weft subnet update subnet-0... --network-acl acl-0...\n  weft subnet update subnet-0... --route-table ''   back to the VPC's main one"
    )]
    Update(UpdateArgs),
    /// Delete one that has no interfaces.
    Delete(DeleteArgs),
}

/// Arguments of `weft subnet create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The VPC it is part of.
    #[arg(long)]
    vpc: String,
    /// The zone that its interfaces' hosts stand in.
    #[arg(long)]
    zone: String,
    /// Its IPv4 block, inside one of the VPC's.
    #[arg(long, value_name = "PREFIX")]
    cidr: String,
    /// Give it the lowest free IPv6 /64 of the VPC.
    #[arg(long)]
    ipv6: bool,
    /// Give it this IPv6 /64.
    #[arg(
        long,
        value_name = "PREFIX",
        default_value_t,
        hide_default_value = true
    )]
    ipv6_cidr: String,
    /// The route table to use; the VPC's main one when left out.
    #[arg(long, default_value_t, hide_default_value = true)]
    route_table: String,
    /// Give new interfaces a public address of the region's pools.
    #[arg(long)]
    map_public_ip: bool,
    /// The network ACL at its boundary; the VPC's default one when left out.
    #[arg(long, default_value_t, hide_default_value = true)]
    network_acl: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft subnet update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// The route table to use; empty for the VPC's main one.
    #[arg(long)]
    route_table: Option<String>,
    /// The network ACL at its boundary; empty for the VPC's default one.
    #[arg(long)]
    network_acl: Option<String>,
    /// Its IPv6 /64; empty for none. It can't change while an interface has an address of it.
    #[arg(long, value_name = "PREFIX")]
    ipv6_cidr: Option<String>,
    /// Whether to give new interfaces a public address.
    #[arg(long, value_name = "BOOL")]
    map_public_ip: Option<bool>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for Subnet {
    const TITLES: &'static [&'static str] = &[
        "ID",
        "NAME",
        "VPC",
        "ZONE",
        "CIDR",
        "IPV6",
        "ROUTE-TABLE",
        "NETWORK-ACL",
        "PUBLIC",
        "FREE",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.vpc.clone(),
            self.zone.clone(),
            self.cidr_block.clone(),
            or_dash(&self.ipv6_cidr_block),
            if self.route_table.is_empty() {
                "main".to_owned()
            } else {
                self.route_table.clone()
            },
            if self.network_acl.is_empty() {
                "default".to_owned()
            } else {
                self.network_acl.clone()
            },
            if self.map_public_ip { "yes" } else { "no" }.to_owned(),
            self.available_addresses.to_string(),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: SubnetCommand) -> Result<(), CliError> {
    match command {
        SubnetCommand::Create(args) => create(api, args).await,
        SubnetCommand::Show(args) => super::show::<Subnet>(api, args).await,
        SubnetCommand::List(args) => super::list::<Subnet>(api, args).await,
        SubnetCommand::Update(args) => update(api, args).await,
        SubnetCommand::Delete(args) => super::delete::<Subnet>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let subnet = Subnet {
        vpc: args.vpc,
        zone: args.zone,
        cidr_block: args.cidr,
        ipv6_cidr_block: args.ipv6_cidr,
        route_table: args.route_table,
        network_acl: args.network_acl,
        map_public_ip: args.map_public_ip,
        meta: super::named(args.name),
        ..Subnet::default()
    };
    let request = CreateSubnetRequest {
        subnet: Some(subnet),
        assign_ipv6: args.ipv6,
        request_id: args.write.request_id,
    };
    let answer = SubnetsClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.subnet, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let update_mask = super::mask(&[
        ("meta.name", args.name.is_some()),
        ("route_table", args.route_table.is_some()),
        ("network_acl", args.network_acl.is_some()),
        ("ipv6_cidr_block", args.ipv6_cidr.is_some()),
        ("map_public_ip", args.map_public_ip.is_some()),
    ]);
    let subnet = Subnet {
        id: args.id,
        route_table: args.route_table.unwrap_or_default(),
        network_acl: args.network_acl.unwrap_or_default(),
        ipv6_cidr_block: args.ipv6_cidr.unwrap_or_default(),
        map_public_ip: args.map_public_ip.unwrap_or_default(),
        meta: super::named(args.name),
        ..Subnet::default()
    };
    let request = UpdateSubnetRequest {
        subnet: Some(subnet),
        update_mask,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let answer = SubnetsClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.subnet, answer.revision).await
}
