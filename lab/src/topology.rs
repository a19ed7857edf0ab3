//! A topology: hosts, clouds of tenants, workloads and what must hold between them, from one file
//! that is checked whole before anything is made.

mod acl;
mod balancing;
mod check;
mod exercise;
mod fault;
mod host;
mod link;
mod metrics;
mod mirror;
mod name;
mod nat;
mod options;
mod outside;
mod parse;
mod peering;
mod read;
mod run;
mod source;
#[cfg(test)]
mod tests;
mod transit;
mod vpc;
mod watch;
mod yaml;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

pub use check::{Check, Destination, Transport};
pub use exercise::{CriterionSpec, ExerciseSpec, HealthySpec, RulesSpec, TrySpec};
pub use fault::FaultSpec;
pub use host::{Workers, WorkersError};
pub use metrics::{METRICS_PORT, MetricsSpec};
pub use name::{ItemName, ItemNameError, LabName};
pub use outside::Routing;
pub use run::{NeedSpec, RunSpec};
pub use source::{At, Diagnostic, Rejected, Span};
pub use transit::{
    DEFAULT_TRANSIT_TABLE, TransitAttachmentSpec, TransitRouteSpec, TransitSpec, TransitTableSpec,
};
pub(crate) use vpc::all_egress;
use weft_model::{
    AclEntry, Block4, Carried, DatapathChoice, DnsName, Family, HealthCheck, HostName, IdleTimeout,
    LogFormat, LogInterval, LogTraffic, MirrorLength, MirrorNumber, MirrorRule, Mtu, PortMatch,
    PortOptions, Prefix, PublicBlock4, RecordSet, Scheme, SubnetBlock6, Vni, VpcBlock6, VpcDns,
    ZoneName,
};

/// The region that a lab's zones are part of.
pub const REGION: &str = "lab";

/// The name of the table of subnets that name none.
pub const MAIN_TABLE: &str = "main";

/// The name of the network ACL of subnets that name none.
pub const DEFAULT_ACL: &str = "default";

/// The name of the group of workloads that name none.
pub const DEFAULT_GROUP: &str = "default";

/// A whole topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// What the lab is called unless `--name` says otherwise.
    pub name: At<LabName>,
    /// What joins the hosts.
    pub underlay: Underlay,
    /// The internet, if the lab has one.
    pub internet: Option<InternetSpec>,
    /// The hosts, in the order of the file.
    pub hosts: Vec<HostSpec>,
    /// The prefix lists that rules and routes refer to.
    pub prefix_lists: Vec<PrefixListSpec>,
    /// The VPCs.
    pub vpcs: Vec<VpcSpec>,
    /// The peerings of VPCs.
    pub peerings: Vec<PeeringSpec>,
    /// The transit gateways.
    pub transit_gateways: Vec<TransitSpec>,
    /// The workloads.
    pub workloads: Vec<WorkloadSpec>,
    /// Names that only some VPCs see.
    pub private_zones: Vec<PrivateZoneSpec>,
    /// What is written down of their traffic.
    pub flow_logs: Vec<FlowLogSpec>,
    /// Whose packets are copied.
    pub mirrors: Vec<MirrorSpec>,
    /// The target groups.
    pub target_groups: Vec<TargetGroupSpec>,
    /// The load balancers.
    pub balancers: Vec<BalancerSpec>,
    /// What goes wrong, and when.
    pub faults: Vec<FaultSpec>,
    /// Whether its programs tell Prometheus what they count.
    pub metrics: Option<MetricsSpec>,
    /// What must hold, an exercise's criteria included.
    pub checks: Vec<Check>,
    /// What a learner is to bring about.
    pub exercise: Option<ExerciseSpec>,
    /// The programs that its commands call.
    pub needs: Vec<NeedSpec>,
}

/// The network between hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Underlay {
    /// Layer 3, in bytes.
    pub mtu: Mtu,
    /// Whether VTEPs have IPv6 addresses instead of IPv4 ones.
    pub ipv6: bool,
}

impl Underlay {
    /// Length of the network's prefix.
    pub const fn prefix_len(self) -> u8 {
        if self.ipv6 { 64 } else { 16 }
    }

    /// The address of the n-th host's VTEP, from 0.
    pub fn vtep(self, index: u16) -> IpAddr {
        let [high, low] = (index + 1).to_be_bytes();
        if self.ipv6 {
            return Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, index + 1).into();
        }
        Ipv4Addr::new(10, 99, high, low).into()
    }

    /// The address where the controller listens.
    pub fn gateway(self) -> IpAddr {
        if self.ipv6 {
            return Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 0xfffe).into();
        }
        Ipv4Addr::new(10, 99, 255, 254).into()
    }
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpec {
    /// Its name.
    pub name: At<HostName>,
    /// Its zone.
    pub zone: At<ZoneName>,
    /// Whether it has an uplink to the internet.
    pub edge: bool,
    /// Threads of its vswitch; as it likes if `None`.
    pub workers: Option<At<Workers>>,
    /// What forwards its packets: as the host says, or the whole topology.
    pub datapath: DatapathChoice,
}

/// The internet: a namespace that edges' uplinks lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternetSpec {
    /// What public addresses are given from.
    pub pools: Vec<At<PublicBlock4>>,
    /// How it learns which edges are alive.
    pub routing: Routing,
}

/// The name of the internet's namespace, as a check's end and in `weft lab exec`.
pub const INTERNET: &str = "internet";

/// An IPv6 block: none, given by the controller, or this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6<T> {
    /// IPv4 only.
    None,
    /// The controller chooses.
    Auto,
    /// This one.
    Block(T),
}

impl<T> Ipv6<T> {
    /// Whether there is IPv6 at all.
    pub const fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// A VPC and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpcSpec {
    /// Its name, unique in the file.
    pub name: At<ItemName>,
    /// Its IPv4 blocks, the primary first; never empty.
    pub blocks: Vec<At<Block4>>,
    /// Its IPv6 block.
    pub ipv6: At<Ipv6<VpcBlock6>>,
    /// Whether it has an internet gateway.
    pub internet_gateway: bool,
    /// Whether it has an egress-only internet gateway.
    pub egress_gateway: bool,
    /// Its NAT gateways.
    pub nats: Vec<NatSpec>,
    /// Its subnets.
    pub subnets: Vec<SubnetSpec>,
    /// Its route tables; `main` is the VPC's own.
    pub route_tables: Vec<RouteTableSpec>,
    /// Its main route table: one of these instead of its own.
    pub main_table: Option<At<ItemName>>,
    /// Its network ACLs; `default` is the VPC's own.
    pub acls: Vec<AclSpec>,
    /// Its security groups; `default` is the VPC's own.
    pub groups: Vec<GroupSpec>,
    /// What its resolver does.
    pub dns: VpcDns,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetSpec {
    /// Its name, unique in the VPC.
    pub name: At<ItemName>,
    /// Its IPv4 block.
    pub cidr: At<Block4>,
    /// Its zone.
    pub zone: At<ZoneName>,
    /// Its IPv6 block.
    pub ipv6: At<Ipv6<SubnetBlock6>>,
    /// Its route table; the VPC's main one if none.
    pub route_table: Option<At<ItemName>>,
    /// Whether its workloads get a public address.
    pub public: bool,
    /// Its network ACL; the VPC's default one if none.
    pub acl: Option<At<ItemName>>,
}

/// A NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatSpec {
    /// Its name, unique in the VPC.
    pub name: At<ItemName>,
    /// The subnet it stands in.
    pub subnet: At<ItemName>,
}

/// A network ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclSpec {
    /// Its name, unique in the VPC.
    pub name: At<ItemName>,
    /// For what comes into a subnet.
    pub ingress: Vec<At<AclEntry>>,
    /// For what leaves a subnet.
    pub egress: Vec<At<AclEntry>>,
}

/// A prefix list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixListSpec {
    /// Its name, unique in the file.
    pub name: At<ItemName>,
    /// The family of its prefixes.
    pub family: Family,
    /// How many entries it may have.
    pub max_entries: u32,
    /// Its prefixes.
    pub entries: Vec<Prefix>,
}

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTableSpec {
    /// Its name, unique in the VPC.
    pub name: At<ItemName>,
    /// Its routes beside the local ones.
    pub routes: Vec<RouteSpec>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    /// For which addresses.
    pub destination: At<DestinationSpec>,
    /// Where to.
    pub target: TargetSpec,
}

/// The addresses that a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationSpec {
    /// Those in the prefix.
    Prefix(Prefix),
    /// Those in the prefixes of the list.
    List(ItemName),
}

impl fmt::Display for DestinationSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::List(list) => list.fmt(f),
        }
    }
}

/// Where a route sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetSpec {
    /// To the interface of a workload, which forwards.
    Workload(At<ItemName>),
    /// To the VPC on the other side of a peering.
    Peering(At<ItemName>),
    /// To a transit gateway that the VPC is attached to.
    TransitGateway(At<ItemName>),
    /// To the VPC's internet gateway.
    Internet,
    /// To the VPC's egress-only internet gateway.
    Egress,
    /// To a NAT gateway of the VPC.
    Nat(At<ItemName>),
    /// Nowhere.
    Blackhole,
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// Its name, unique in the VPC.
    pub name: At<ItemName>,
    /// What it is for.
    pub description: String,
    /// What may come in.
    pub ingress: Vec<RuleSpec>,
    /// What may go out; everything if `None`.
    pub egress: Option<Vec<RuleSpec>>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSpec {
    /// Where it stands.
    pub span: Span,
    /// Which traffic.
    pub traffic: PortMatch,
    /// From or to whom.
    pub peer: PeerSpec,
    /// Why.
    pub description: Option<String>,
}

/// The other end of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerSpec {
    /// Addresses.
    Cidr(Prefix),
    /// The members of a group of the same VPC.
    Group(At<ItemName>),
    /// The prefixes of a list.
    List(At<ItemName>),
    /// The members of a group of a peered VPC, which is named first.
    GroupOf(At<ItemName>, At<ItemName>),
}

/// A peering, which the lab accepts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeringSpec {
    /// Its name, unique in the file.
    pub name: At<ItemName>,
    /// The VPC that asks.
    pub requester: At<ItemName>,
    /// The VPC that is asked.
    pub accepter: At<ItemName>,
}

impl PeeringSpec {
    /// Whether it is between these two, whoever asks.
    pub fn is_between(&self, one: &ItemName, two: &ItemName) -> bool {
        let (a, b) = (&self.requester.value, &self.accepter.value);
        (a, b) == (one, two) || (a, b) == (two, one)
    }
}

/// A workload: a namespace with one interface, and what runs in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadSpec {
    /// Its name, unique in the file.
    pub name: At<ItemName>,
    /// Where it runs.
    pub host: At<HostName>,
    /// Its VPC.
    pub vpc: At<ItemName>,
    /// Its subnet.
    pub subnet: At<ItemName>,
    /// Its groups; the VPC's default one if empty.
    pub groups: Vec<At<ItemName>>,
    /// Its IPv4 address; the lowest free one if none.
    pub address: Option<At<Ipv4Addr>>,
    /// More IPv4 addresses.
    pub secondary: Vec<At<Ipv4Addr>>,
    /// Off for what forwards others' packets; its namespace then forwards IP.
    pub source_dest_check: bool,
    /// Whether it has an elastic address.
    pub elastic: bool,
    /// What runs in it.
    pub run: RunSpec,
    /// Its limits, timeouts and metadata.
    pub options: PortOptions,
}

/// A private zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateZoneSpec {
    /// The domain.
    pub domain: At<DnsName>,
    /// The VPCs that see it.
    pub vpcs: Vec<At<ItemName>>,
    /// Its records.
    pub records: Vec<RecordSet>,
}

/// A flow log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowLogSpec {
    /// Its name, unique in the file.
    pub name: At<ItemName>,
    /// Whose interfaces.
    pub scope: LogScopeSpec,
    /// Which traffic.
    pub traffic: LogTraffic,
    /// How long a record gathers.
    pub interval: LogInterval,
    /// How a line looks.
    pub format: LogFormat,
}

/// A mirror: a filter and a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorSpec {
    /// Its name, unique in the file.
    pub name: At<ItemName>,
    /// Whose packets.
    pub source: At<ItemName>,
    /// Where the copies go.
    pub target: MirrorTargetSpec,
    /// Its place among the mirrors of its source.
    pub number: MirrorNumber,
    /// How much of each packet; all that fits where `None`.
    pub packet_length: Option<MirrorLength>,
    /// What the target tells sessions apart by; any where `None`.
    pub vni: Option<Vni>,
    /// For what the source gets.
    pub ingress: Vec<MirrorRule>,
    /// For what the source sends.
    pub egress: Vec<MirrorRule>,
}

/// Where a mirror's copies go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorTargetSpec {
    /// To a workload.
    Workload(At<ItemName>),
    /// To a file on the source's host.
    File,
}

/// Those that serve what listeners take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroupSpec {
    /// Its name, unique in the file.
    pub name: At<ItemName>,
    /// The VPC of its targets.
    pub vpc: At<ItemName>,
    /// What they take.
    pub protocol: Carried,
    /// On which port.
    pub port: u16,
    /// The workloads.
    pub targets: Vec<At<ItemName>>,
    /// How their health is found out.
    pub check: HealthCheck,
    /// Seconds that a deregistered target keeps its connections.
    pub delay: u16,
    /// Whether they see the client's address, or the balancer's.
    pub preserve_client: bool,
}

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerSpec {
    /// Its name, unique in the file.
    pub name: At<ItemName>,
    /// Its VPC.
    pub vpc: At<ItemName>,
    /// Whose clients it is for; internal where the file doesn't say.
    pub scheme: Option<At<Scheme>>,
    /// The subnets of its addresses.
    pub subnets: Vec<At<ItemName>>,
    /// Its IPv4 address in each of them; the controller chooses where there are none.
    pub addresses: Vec<At<Ipv4Addr>>,
    /// Whether clients use targets of every zone.
    pub cross_zone: bool,
    /// What it listens on.
    pub listeners: Vec<ListenerSpec>,
}

/// A load balancer's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSpec {
    /// Where it stands.
    pub span: Span,
    /// What it takes.
    pub protocol: Carried,
    /// The port.
    pub port: u16,
    /// Where it sends.
    pub target_group: At<ItemName>,
    /// How long an idle TCP connection is kept.
    pub idle_timeout: IdleTimeout,
}

/// Whose interfaces a flow log is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogScopeSpec {
    /// A VPC's.
    Vpc(At<ItemName>),
    /// A subnet's: its VPC and its name.
    Subnet(At<ItemName>, At<ItemName>),
    /// A workload's.
    Workload(At<ItemName>),
}

impl Topology {
    /// Reads and checks a whole file; `file` is its name for messages.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Rejected> {
        parse::topology(text).map_err(|errors| Rejected::new(file, text, errors))
    }

    /// The rules of one direction in the largest security group.
    pub fn most_rules(&self) -> usize {
        let groups = self.vpcs.iter().flat_map(|vpc| &vpc.groups);
        let larger = |group: &GroupSpec| {
            let egress = group.egress.as_ref().map_or(0, Vec::len);
            group.ingress.len().max(egress)
        };
        groups.map(larger).max().unwrap_or(0)
    }

    /// The VPC of that name.
    pub fn vpc(&self, name: &ItemName) -> Option<&VpcSpec> {
        self.vpcs.iter().find(|v| v.name.value == *name)
    }

    /// The workload of that name.
    pub fn workload(&self, name: &ItemName) -> Option<&WorkloadSpec> {
        self.workloads.iter().find(|w| w.name.value == *name)
    }

    /// Whether programs can run there: in a workload, in a host as `host:NAME`, or outside.
    pub fn has(&self, place: &str) -> bool {
        if let Some(host) = place.strip_prefix("host:") {
            return self.hosts.iter().any(|h| h.name.as_str() == host);
        }
        let internet = place == INTERNET && self.internet.is_some();
        internet || self.workloads.iter().any(|w| w.name.as_str() == place)
    }

    /// The subnet that a workload is in.
    pub fn subnet_of(&self, workload: &WorkloadSpec) -> Option<&SubnetSpec> {
        self.vpc(&workload.vpc)?.subnet(&workload.subnet)
    }

    /// Zones of the hosts, each once, in order.
    pub fn zones(&self) -> Vec<&ZoneName> {
        let mut zones: Vec<_> = self.hosts.iter().map(|h| &h.zone.value).collect();
        zones.sort();
        zones.dedup();
        zones
    }
}

impl VpcSpec {
    /// The subnet of that name.
    pub fn subnet(&self, name: &ItemName) -> Option<&SubnetSpec> {
        self.subnets.iter().find(|s| s.name.value == *name)
    }
}
