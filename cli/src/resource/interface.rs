//! `weft interface`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    AssignAddressesRequest, Attachment, CreateInterfaceRequest, GetRequest, Interface,
    UnassignAddressesRequest, UpdateInterfaceRequest, interfaces_client::InterfacesClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs, port_options::OptionArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{Row, joined, or_dash},
};

/// Commands on network interfaces.
#[derive(Debug, Subcommand)]
pub(crate) enum InterfaceCommand {
    /// Make an interface, and plug it in if a host is named.
    #[command(
        after_help = "Example:\n  ip netns add web1\n  weft interface create --subnet subnet-0... --group sg-0... --host h1 --netns web1 --wait"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Plug it into a namespace of a host.
    Attach(AttachArgs),
    /// Unplug it; its addresses stay its own.
    Detach(DetachArgs),
    /// Change its groups, name, source/destination check, limits, timeouts or metadata.
    #[command(
        after_help = "Examples:\n  weft interface update eni-0... --limit egress-bits=100000000 --limit new-connections=50\n  weft interface update eni-0... --limit egress-bits=none --timeout tcp-established=3600"
    )]
    Update(UpdateArgs),
    /// Give it more addresses: these, or the lowest free ones of its subnet.
    #[command(
        after_help = "Examples:\n  weft interface assign eni-0... 10.0.1.20\n  weft interface assign eni-0... --ipv4-count 2 --wait"
    )]
    Assign(AssignArgs),
    /// Take addresses away; the primary one stays.
    Unassign(UnassignArgs),
    /// Delete one; its addresses become free.
    Delete(DeleteArgs),
}

/// Where to plug in.
#[derive(Debug, Args)]
pub(crate) struct PlugArgs {
    /// The host whose vswitch makes the device.
    #[arg(long)]
    host: String,
    /// The network namespace that the device is put in.
    #[arg(long)]
    netns: String,
    /// The device's name there.
    #[arg(long, default_value = "eth0")]
    device: String,
}

impl From<PlugArgs> for Attachment {
    fn from(args: PlugArgs) -> Self {
        Self {
            host: args.host,
            netns: args.netns,
            device: args.device,
        }
    }
}

/// Arguments of `weft interface create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The subnet that its addresses come from.
    #[arg(long)]
    subnet: String,
    /// The primary IPv4 address; the lowest free one when left out.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value_t,
        hide_default_value = true
    )]
    ipv4: String,
    /// IPv6 addresses; the lowest free one when left out.
    #[arg(long, value_name = "ADDRESS")]
    ipv6: Vec<String>,
    /// More IPv4 addresses; several by repeating.
    #[arg(long, value_name = "ADDRESS")]
    secondary_ipv4: Vec<String>,
    /// No IPv6 address.
    #[arg(long, conflicts_with = "ipv6")]
    no_ipv6: bool,
    /// Give it a public address of the region's pools; as its subnet says when left out.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    public_ip: Option<bool>,
    /// Security groups; the VPC's default one when left out.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Let it forward what isn't its own (a middlebox).
    #[arg(long)]
    no_source_dest_check: bool,
    /// The host to plug it into.
    #[arg(long, requires = "netns")]
    host: Option<String>,
    /// The network namespace there.
    #[arg(long, requires = "host")]
    netns: Option<String>,
    /// The device's name there.
    #[arg(long, requires = "host", default_value = "eth0")]
    device: String,
    #[command(flatten)]
    options: OptionArgs,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft interface attach`.
#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// Its id.
    id: String,
    #[command(flatten)]
    plug: PlugArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft interface detach`.
#[derive(Debug, Args)]
pub(crate) struct DetachArgs {
    /// Its id.
    id: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft interface update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// All security groups that it shall have; several by repeating.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Whether it may send and receive only what is its own.
    #[arg(long, value_name = "BOOL")]
    source_dest_check: Option<bool>,
    #[command(flatten)]
    options: OptionArgs,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft interface assign`.
#[derive(Debug, Args)]
pub(crate) struct AssignArgs {
    /// Its id.
    id: String,
    /// The addresses, IPv4 or IPv6.
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// How many of the lowest free IPv4 addresses.
    #[arg(long, value_name = "N", default_value_t)]
    ipv4_count: u32,
    /// How many of the lowest free IPv6 addresses.
    #[arg(long, value_name = "N", default_value_t)]
    ipv6_count: u32,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft interface unassign`.
#[derive(Debug, Args)]
pub(crate) struct UnassignArgs {
    /// Its id.
    id: String,
    /// The addresses, IPv4 or IPv6.
    #[arg(value_name = "ADDRESS", required = true)]
    addresses: Vec<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for Interface {
    const TITLES: &'static [&'static str] = &[
        "ID", "NAME", "SUBNET", "MAC", "IPV4", "IPV6", "PUBLIC", "GROUPS", "ATTACHED",
    ];

    fn cells(&self) -> Vec<String> {
        let mut ipv4 = vec![self.ipv4.clone()];
        ipv4.extend(self.secondary_ipv4.iter().cloned());
        let attached = self.attachment.as_ref();
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.subnet.clone(),
            self.mac.clone(),
            joined(&ipv4),
            joined(&self.ipv6),
            or_dash(&self.public_ipv4),
            joined(&self.groups),
            or_dash(
                &attached
                    .map(|a| format!("{}/{}/{}", a.host, a.netns, a.device))
                    .unwrap_or_default(),
            ),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: InterfaceCommand) -> Result<(), CliError> {
    match command {
        InterfaceCommand::Create(args) => create(api, args).await,
        InterfaceCommand::Show(args) => super::show::<Interface>(api, args).await,
        InterfaceCommand::List(args) => super::list::<Interface>(api, args).await,
        InterfaceCommand::Attach(args) => attach(api, args).await,
        InterfaceCommand::Detach(args) => detach(api, args).await,
        InterfaceCommand::Update(args) => update(api, args).await,
        InterfaceCommand::Assign(args) => assign(api, args).await,
        InterfaceCommand::Unassign(args) => unassign(api, args).await,
        InterfaceCommand::Delete(args) => super::delete::<Interface>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let device = args.device;
    let attachment = args.host.zip(args.netns).map(|(host, netns)| Attachment {
        host,
        netns,
        device,
    });
    let interface = Interface {
        subnet: args.subnet,
        ipv4: args.ipv4,
        secondary_ipv4: args.secondary_ipv4,
        ipv6: args.ipv6,
        groups: args.groups,
        attachment,
        meta: super::named(args.name),
        ..Interface::default()
    };
    let interface = args.options.given()?.apply(interface);
    let request = CreateInterfaceRequest {
        interface: Some(interface),
        request_id: args.write.request_id,
        assign_ipv6: args.no_ipv6.then_some(false),
        disable_source_dest_check: args.no_source_dest_check,
        assign_public_ip: args.public_ip,
    };
    let answer = InterfacesClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.interface, answer.revision).await
}

async fn attach(api: &Api, args: AttachArgs) -> Result<(), CliError> {
    let interface = Interface {
        id: args.id,
        attachment: Some(args.plug.into()),
        ..Interface::default()
    };
    change(
        api,
        interface,
        &[("attachment", true)],
        String::new(),
        args.write,
    )
    .await
}

async fn detach(api: &Api, args: DetachArgs) -> Result<(), CliError> {
    let interface = Interface {
        id: args.id,
        ..Interface::default()
    };
    change(
        api,
        interface,
        &[("attachment", true)],
        String::new(),
        args.write,
    )
    .await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let given = args.options.given()?;
    let mut fields = vec![
        ("groups", !args.groups.is_empty()),
        ("source_dest_check", args.source_dest_check.is_some()),
        ("meta.name", args.name.is_some()),
    ];
    fields.extend(given.fields());
    // Limits and timeouts that aren't named stay as they are.
    let request = GetRequest {
        id: args.id.clone(),
    };
    let before = match given.is_partial() {
        true => <Interface as super::Kind>::get(api.channel.clone(), request).await?,
        false => Interface::default(),
    };
    let interface = Interface {
        limits: before.limits,
        timeouts: before.timeouts,
        metadata: before.metadata,
        id: args.id,
        groups: args.groups,
        source_dest_check: args.source_dest_check.unwrap_or_default(),
        meta: super::named(args.name),
        ..Interface::default()
    };
    let interface = given.apply(interface);
    change(api, interface, &fields, args.etag, args.write).await
}

async fn change(
    api: &Api,
    interface: Interface,
    fields: &[(&str, bool)],
    etag: String,
    write: WriteArgs,
) -> Result<(), CliError> {
    let request = UpdateInterfaceRequest {
        interface: Some(interface),
        update_mask: super::mask(fields),
        etag,
        request_id: write.request_id,
    };
    let answer = InterfacesClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, write.wait, answer.interface, answer.revision).await
}

async fn assign(api: &Api, args: AssignArgs) -> Result<(), CliError> {
    let request = AssignAddressesRequest {
        interface: args.id,
        addresses: args.addresses,
        ipv4_count: args.ipv4_count,
        ipv6_count: args.ipv6_count,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = InterfacesClient::new(api.channel.clone());
    let answer = client.assign_addresses(request).await?.into_inner();
    super::written(api, args.write.wait, answer.interface, answer.revision).await
}

async fn unassign(api: &Api, args: UnassignArgs) -> Result<(), CliError> {
    let request = UnassignAddressesRequest {
        interface: args.id,
        addresses: args.addresses,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = InterfacesClient::new(api.channel.clone());
    let answer = client.unassign_addresses(request).await?.into_inner();
    super::written(api, args.write.wait, answer.interface, answer.revision).await
}
