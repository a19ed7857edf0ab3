//! What can be typed: the top of the command tree.

use clap::{Parser, Subcommand};

use crate::{
    api::{Endpoint, FOR_ALL},
    output::Format,
    resource::{
        egress_gateway::EgressGatewayCommand,
        elastic_address::ElasticAddressCommand,
        flow_log::FlowLogCommand,
        host::HostCommand,
        interface::InterfaceCommand,
        internet_gateway::InternetGatewayCommand,
        listener::ListenerCommand,
        load_balancer::LoadBalancerCommand,
        mirror::{MirrorFilterCommand, MirrorSessionCommand},
        nat_gateway::NatGatewayCommand,
        network_acl::NetworkAclCommand,
        peering::PeeringCommand,
        prefix_list::PrefixListCommand,
        private_zone::PrivateZoneCommand,
        public_pool::PublicPoolCommand,
        region::RegionCommand,
        route_table::RouteTableCommand,
        security_group::SecurityGroupCommand,
        subnet::SubnetCommand,
        target_group::TargetGroupCommand,
        transit_attachment::TransitAttachmentCommand,
        transit_gateway::TransitGatewayCommand,
        transit_table::TransitTableCommand,
        vpc::VpcCommand,
        zone::ZoneCommand,
    },
    system::WaitArgs,
};

const AFTER_HELP: &str = "\
Examples:
  weft lab up quickstart            a whole cloud in namespaces on this machine
  weft lab check                    prove what must and must not reach
  weft --lab quickstart vpc list    ask that lab's controller
  weft explain web-1 db-1 --port 5432 --lab quickstart
                                    which rule lets it pass, or doesn't
  weft doctor                       what this system allows

Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 the system lacks something;
4 the controller can't be reached.";

/// A cloud network that anyone can hold in their hands: VPCs, subnets, route tables and security
/// groups with real packets, on one laptop or many hosts.
#[derive(Debug, Parser)]
#[command(name = "weft", version, after_help = AFTER_HELP, propagate_version = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) endpoint: Endpoint,

    /// How to print: a table for people, JSON for programs.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, help_heading = FOR_ALL)]
    pub(crate) output: Format,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the controller: the API and the store.
    Controller(weft_controller::Options),
    /// Run a host's vswitch.
    Vswitch(weft_vswitch::Options),
    /// Bring up, check and take down clouds in namespaces on this machine.
    #[command(subcommand)]
    Lab(weft_lab::LabCommand),
    /// Show connections and drops with what let them pass or stopped them: now, or as they happen.
    Observe(crate::watch::observe::ObserveArgs),
    /// Copy a workload's packets, each with what became of it: to the terminal, a file or Wireshark.
    Capture(crate::watch::capture::CaptureArgs),
    /// Ask a host's vswitch, on that host: ports, connections, and why packets were dropped.
    Inspect(crate::inspect::InspectArgs),
    /// Say what becomes of a packet, by which rule and route, and where that is written.
    Explain(crate::explain::ExplainArgs),
    /// Measure Weft beside a bare veth and the kernel's vxlan, in one run.
    Bench(weft_benches::command::BenchArgs),
    /// Say what this system allows, and what to do about the rest.
    Doctor,
    /// Print a completion script: `source <(weft completion bash)`.
    Completion {
        /// The shell to complete in.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    #[command(flatten)]
    Api(Box<ApiCommand>),
}

/// Commands that call the controller.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiCommand {
    /// Regions: sets of zones.
    #[command(subcommand)]
    Region(RegionCommand),
    /// Zones: failure domains of a region.
    #[command(subcommand)]
    Zone(ZoneCommand),
    /// Hosts: machines that run a vswitch.
    #[command(subcommand)]
    Host(HostCommand),
    /// VPCs: isolated networks.
    #[command(subcommand)]
    Vpc(VpcCommand),
    /// Subnets: ranges of a VPC in one zone.
    #[command(subcommand)]
    Subnet(SubnetCommand),
    /// Route tables and their routes.
    #[command(subcommand)]
    RouteTable(RouteTableCommand),
    /// Security groups and their rules.
    #[command(subcommand)]
    SecurityGroup(SecurityGroupCommand),
    /// Network ACLs: stateless rules at subnets' boundaries.
    #[command(subcommand)]
    NetworkAcl(NetworkAclCommand),
    /// Prefix lists that rules and routes refer to.
    #[command(subcommand)]
    PrefixList(PrefixListCommand),
    /// Network interfaces: what a workload attaches to.
    #[command(subcommand)]
    Interface(InterfaceCommand),
    /// Pools of public addresses.
    #[command(subcommand)]
    PublicPool(PublicPoolCommand),
    /// Elastic addresses: public ones that stay yours until you release them.
    #[command(subcommand)]
    ElasticAddress(ElasticAddressCommand),
    /// Peerings: two VPCs that reach each other's interfaces.
    #[command(subcommand)]
    Peering(PeeringCommand),
    /// Transit gateways: routers between many VPCs.
    #[command(subcommand)]
    TransitGateway(TransitGatewayCommand),
    /// Transit gateway attachments: VPCs joined to transit gateways.
    #[command(subcommand)]
    TransitAttachment(TransitAttachmentCommand),
    /// Transit gateway route tables, and their static routes.
    #[command(subcommand)]
    TransitTable(TransitTableCommand),
    /// Internet gateways: a VPC's way to the internet and back.
    #[command(subcommand)]
    InternetGateway(InternetGatewayCommand),
    /// Egress-only internet gateways: IPv6 out, and replies alone in.
    #[command(subcommand)]
    EgressGateway(EgressGatewayCommand),
    /// Flow logs: what passed and what was dropped, written down on the hosts.
    #[command(subcommand)]
    FlowLog(FlowLogCommand),
    /// Mirror filters: which packets are copied.
    #[command(subcommand)]
    MirrorFilter(MirrorFilterCommand),
    /// Mirror sessions: copies of an interface's packets, for another or for a file.
    #[command(subcommand)]
    MirrorSession(MirrorSessionCommand),
    /// Private zones: names that VPCs' resolvers answer for, and their records.
    #[command(subcommand)]
    PrivateZone(PrivateZoneCommand),
    /// Load balancers: addresses that stand for many targets.
    #[command(subcommand)]
    LoadBalancer(LoadBalancerCommand),
    /// Listeners: a load balancer's ports.
    #[command(subcommand)]
    Listener(ListenerCommand),
    /// Target groups, their targets and how those are doing.
    #[command(subcommand)]
    TargetGroup(TargetGroupCommand),
    /// Say what interfaces sent and got, hour by hour.
    Meter(crate::meter::MeterArgs),
    /// NAT gateways: the way out for many, whose connections share an address.
    #[command(subcommand)]
    NatGateway(NatGatewayCommand),
    /// Wait until every host concerned has applied a revision.
    Wait(WaitArgs),
    /// Print the version of this binary and of the controller.
    Version,
}
