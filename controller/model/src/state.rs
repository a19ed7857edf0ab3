//! What a host holds of the cloud: the resources of the controller-to-vswitch stream.
//!
//! They are derived from the stored ones by the planner, cut to what the host needs, and shaped so
//! that the vswitch can apply each by itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::{
    acl::AclEntry,
    balancer::{Carried, IdleTimeout},
    cidr::{Block4, Prefix, SubnetBlock6, VpcBlock6},
    dns::{DnsName, RecordSet, VpcDns, ZoneInVpc},
    flow_log::{AccountId, LogFormat, LogInterval, LogScope, LogTraffic},
    group::Rule,
    id::{
        BalancerId, FlowLogId, InterfaceId, ListenerId, MirrorFilterId, MirrorSessionId,
        NatGatewayId, NetworkAclId, PeeringId, RouteTableId, SecurityGroupId, SubnetId,
        TargetGroupId, TransitAttachmentId, TransitGatewayId, TransitTableId, VpcId,
    },
    mirror::{MirrorLength, MirrorNumber, MirrorRule, MirrorTarget},
    name::{DeviceName, DnsLabel, HostName, Label, NetnsName, RegionName, ZoneName},
    nat::LeaseKey,
    net::{Mac, Vni},
    port_options::PortOptions,
    route::RouteTarget,
    target::{Health, HealthCheck, Weight},
    transit::{RouteInTransit, TransitHop, VpcInTransit},
};

/// Another host's VTEP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// The host.
    pub host: HostName,
    /// Where its VXLAN packets come from and go to.
    pub vtep: IpAddr,
    /// The zone that it stands in.
    pub zone: ZoneName,
}

/// A live edge: a host that packets for the outside go to and come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The host.
    pub host: HostName,
    /// Where its VXLAN packets come from and go to.
    pub vtep: IpAddr,
}

/// An address that the outside knows, as an edge sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Public {
    /// The address: of a pool, or an interface's own IPv6 one.
    pub address: IpAddr,
    /// The host that whoever has it is on.
    pub host: HostName,
    /// That host's VTEP.
    pub vtep: IpAddr,
    /// The MAC of the interface that has it.
    pub mac: Mac,
}

/// An address of a load balancer that the outside knows, as an edge sees it: its connections are
/// spread over hosts, and each stays with one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Front {
    /// The address.
    pub address: IpAddr,
    /// The hosts of the balancer's targets, in the order of their names.
    pub hosts: Vec<FrontHost>,
}

/// A host that takes a load balancer's connections from the outside, and sends answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontHost {
    /// The host.
    pub host: HostName,
    /// Its VTEP.
    pub vtep: IpAddr,
    /// Its vswitch is lost: it is asked only if all are.
    pub lost: bool,
}

/// Addresses that an edge takes packets for: what a routing daemon there announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// A pool's block, or an IPv6 block of a VPC with a gateway.
    pub prefix: Prefix,
}

/// A VPC as a host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcState {
    /// Its id.
    pub id: VpcId,
    /// Its VXLAN network.
    pub vni: Vni,
    /// IPv4 blocks, the primary first; never empty.
    pub ipv4: Vec<Block4>,
    /// IPv6 blocks.
    pub ipv6: Vec<VpcBlock6>,
    /// The region that it is in: part of its interfaces' names.
    pub region: RegionName,
    /// What its resolver does.
    pub dns: VpcDns,
}

/// A private zone that a VPC sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsZoneState {
    /// Its id and the VPC.
    pub id: ZoneInVpc,
    /// The domain.
    pub domain: DnsName,
    /// Its records, in the order of name and type.
    pub records: Vec<RecordSet>,
}

/// An active peering as a host sees it: each VPC's routes to it lead to the other's interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringState {
    /// Its id.
    pub id: PeeringId,
    /// The VPC that asked for it.
    pub requester: VpcId,
    /// The VPC that was asked.
    pub accepter: VpcId,
}

/// A VPC's attachment to a transit gateway: for hosts with ports in the VPC, and for those with ports in
/// the VPCs that its table leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitAttachmentState {
    /// Its id.
    pub id: TransitAttachmentId,
    /// The gateway.
    pub gateway: TransitGatewayId,
    /// The VPC.
    pub vpc: VpcId,
    /// The table that what comes from the VPC is routed by.
    pub table: Option<TransitTableId>,
}

/// A route of a transit gateway's table, the winner for its destination: for hosts with ports in the
/// VPCs that are routed by the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitRouteState {
    /// Its table and its destination.
    pub id: RouteInTransit,
    /// Where it leads; nowhere if `None`.
    pub hop: Option<TransitHop>,
}

/// That a transit gateway's table leads to a VPC: for hosts with ports in that VPC, or in those that are
/// routed by the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitTargetState {
    /// The table and the VPC.
    pub id: VpcInTransit,
}

/// A subnet as a host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetState {
    /// Its id.
    pub id: SubnetId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// The zone that its interfaces' hosts stand in.
    pub zone: ZoneName,
    /// Its IPv4 block.
    pub ipv4: Block4,
    /// Its IPv6 block.
    pub ipv6: Option<SubnetBlock6>,
    /// The table it uses: its own, or the VPC's main one.
    pub route_table: RouteTableId,
    /// The network ACL at its boundary: its own, or the VPC's default one.
    pub acl: NetworkAclId,
}

/// A network ACL's entries, in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclState {
    /// Its id.
    pub id: NetworkAclId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// For what comes into a subnet.
    pub ingress: Vec<AclEntry>,
    /// For what leaves a subnet.
    pub egress: Vec<AclEntry>,
}

/// A route as a host sees it: one per destination, the winner already picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteState {
    /// The addresses it is for.
    pub destination: Prefix,
    /// Where they go.
    pub target: RouteTarget,
}

/// A route table as a host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTableState {
    /// Its id.
    pub id: RouteTableId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// Its routes.
    pub routes: Vec<RouteState>,
}

/// A security group's rules. Who is in it, each mapping says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupState {
    /// Its id.
    pub id: SecurityGroupId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// What may come in.
    pub ingress: Vec<Rule>,
    /// What may go out.
    pub egress: Vec<Rule>,
    /// Its name, for people.
    pub name: Label,
}

/// Where an interface's addresses are: on which host, behind which MAC, in which groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The interface.
    pub interface: InterfaceId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// The host that it is on.
    pub host: HostName,
    /// Its MAC.
    pub mac: Mac,
    /// Its private addresses, v4 and v6.
    pub addresses: Vec<IpAddr>,
    /// Its security groups.
    pub groups: Vec<SecurityGroupId>,
    /// Whether it may send only from its own addresses.
    pub source_dest_check: bool,
    /// Its own part of a domain name.
    pub dns_label: Option<DnsLabel>,
}

/// A port of this host: the device behind an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The interface.
    pub interface: InterfaceId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its MAC.
    pub mac: Mac,
    /// The primary private IPv4 address.
    pub ipv4: Ipv4Addr,
    /// More private IPv4 addresses.
    pub secondary_ipv4: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Its security groups.
    pub groups: Vec<SecurityGroupId>,
    /// Whether it may send and receive only what is its own.
    pub source_dest_check: bool,
    /// The public addresses that stand for its private ones: (private, public).
    pub public: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// The namespace that the device is put in.
    pub netns: NetnsName,
    /// The device's name there.
    pub device: DeviceName,
    /// Its name, for people.
    pub name: Option<Label>,
    /// Its limits, timeouts and metadata.
    pub options: Box<PortOptions>,
}

/// A flow log as a host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLogState {
    /// Its id.
    pub id: FlowLogId,
    /// The VPC of what it is about.
    pub vpc: VpcId,
    /// That VPC's region.
    pub region: RegionName,
    /// Whose it is.
    pub account: AccountId,
    /// Whose interfaces.
    pub scope: LogScope,
    /// Which traffic.
    pub traffic: LogTraffic,
    /// How long a record gathers.
    pub interval: LogInterval,
    /// How a line looks.
    pub format: LogFormat,
}

/// A mirror session as a host sees it, with its filter's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorState {
    /// Its id.
    pub id: MirrorSessionId,
    /// The VPC of source and target.
    pub vpc: VpcId,
    /// Whose packets.
    pub source: InterfaceId,
    /// Where the copies go.
    pub target: MirrorTarget,
    /// The filter.
    pub filter: MirrorFilterId,
    /// Its rules for what the source gets, in the order of their numbers.
    pub ingress: Vec<MirrorRule>,
    /// Its rules for what the source sends, likewise.
    pub egress: Vec<MirrorRule>,
    /// Its place among the sessions of the source.
    pub number: MirrorNumber,
    /// How much of each packet.
    pub packet_length: Option<MirrorLength>,
    /// What the target tells sessions apart by.
    pub vni: Vni,
}

/// A listener as a host sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerState {
    /// Its id.
    pub id: ListenerId,
    /// What it takes.
    pub protocol: Carried,
    /// The port.
    pub port: u16,
    /// Where it sends.
    pub target_group: TargetGroupId,
    /// How long an idle TCP connection is kept.
    pub idle_timeout: IdleTimeout,
}

/// One of a load balancer's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerAddress {
    /// The subnet that it comes from.
    pub subnet: SubnetId,
    /// The address.
    pub address: IpAddr,
    /// The address by which the internet knows it, where it does.
    pub public: Option<IpAddr>,
}

/// A load balancer as a host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerState {
    /// Its id.
    pub id: BalancerId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// Its addresses.
    pub addresses: Vec<BalancerAddress>,
    /// Whether clients use targets of every zone.
    pub cross_zone: bool,
    /// Its listeners.
    pub listeners: Vec<ListenerState>,
}

/// A target as a host sees it: an interface that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetState {
    /// The interface behind it.
    pub interface: InterfaceId,
    /// The zone that it is in.
    pub zone: ZoneName,
    /// Where it serves: at most one address per family. The first is the one that is checked.
    pub addresses: Vec<IpAddr>,
    /// On which port.
    pub port: u16,
    /// Its share.
    pub weight: Weight,
    /// It gets no new connections.
    pub draining: bool,
    /// What its checks have found.
    pub health: Health,
}

/// A target group as a host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroupState {
    /// Its id.
    pub id: TargetGroupId,
    /// The VPC that the targets are in.
    pub vpc: VpcId,
    /// How their health is found out.
    pub health_check: HealthCheck,
    /// Whether targets see the client's address, or the balancer's.
    pub preserve_client_address: bool,
    /// The targets that are plugged in.
    pub targets: Vec<TargetState>,
}

/// Names a target in what a host reports of it: its group, the address that is checked, its port.
pub type TargetKey = (TargetGroupId, IpAddr, u16);

impl TargetGroupState {
    /// What names the target in reports; `None` where it has no address.
    pub fn key(&self, target: &TargetState) -> Option<TargetKey> {
        let first = target.addresses.first()?;
        Some((self.id, *first, target.port))
    }
}

/// A NAT gateway as a host with ports in its VPC sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatState {
    /// Its id.
    pub id: NatGatewayId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// The subnet it stands in, whose route table leads on from it.
    pub subnet: SubnetId,
    /// The address that connections are seen from.
    pub public: Ipv4Addr,
    /// Its own address in the subnet.
    pub private: Ipv4Addr,
}

/// Which host translates to a block of a NAT gateway's ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseState {
    /// The block.
    pub key: LeaseKey,
    /// The host.
    pub host: HostName,
    /// Where its VXLAN packets come from and go to.
    pub vtep: IpAddr,
}

macro_rules! states {
    ($($variant:ident($body:ty), $key:ty, $field:ident, $text:literal;)*) => {
        /// The kinds of a host's state, in make-before-break order: what a later kind refers to
        /// is applied before it; deletions go in the reverse order, after everything else.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum StateKind { $($variant,)* }

        impl StateKind {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The kind's name on the wire and in tables.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        /// What names a piece of a host's state.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum StateKey { $($variant($key),)* }

        impl StateKey {
            /// The kind of what it names.
            pub const fn kind(&self) -> StateKind {
                match self { $(Self::$variant(_) => StateKind::$variant,)* }
            }

            /// The id or name by itself.
            pub fn name(&self) -> String {
                match self { $(Self::$variant(key) => key.to_string(),)* }
            }

            /// The key of this kind and name; `None` where the name is not of that kind's form.
            pub fn parse(kind: StateKind, name: &str) -> Option<Self> {
                match kind { $(StateKind::$variant => name.parse().ok().map(Self::$variant),)* }
            }
        }

        /// A piece of a host's state.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum State { $($variant($body),)* }

        impl State {
            /// What names it.
            pub fn key(&self) -> StateKey {
                match self { $(Self::$variant(s) => StateKey::$variant(s.$field.clone()),)* }
            }
        }
    };
}

states! {
    Tunnel(Tunnel), HostName, host, "tunnel";
    Edge(Edge), HostName, host, "edge";
    Vpc(VpcState), VpcId, id, "vpc";
    Peering(PeeringState), PeeringId, id, "peering";
    Mapping(Mapping), InterfaceId, interface, "mapping";
    Group(GroupState), SecurityGroupId, id, "security-group";
    Acl(AclState), NetworkAclId, id, "network-acl";
    Subnet(SubnetState), SubnetId, id, "subnet";
    DnsZone(DnsZoneState), ZoneInVpc, id, "dns-zone";
    Port(Port), InterfaceId, interface, "port";
    Nat(NatState), NatGatewayId, id, "nat";
    Lease(LeaseState), LeaseKey, key, "lease";
    TransitTarget(TransitTargetState), VpcInTransit, id, "transit-target";
    TransitRoute(TransitRouteState), RouteInTransit, id, "transit-route";
    TransitAttachment(TransitAttachmentState), TransitAttachmentId, id, "transit-attachment";
    RouteTable(RouteTableState), RouteTableId, id, "route-table";
    FlowLog(FlowLogState), FlowLogId, id, "flow-log";
    Mirror(MirrorState), MirrorSessionId, id, "mirror";
    TargetGroup(TargetGroupState), TargetGroupId, id, "target-group";
    Balancer(BalancerState), BalancerId, id, "balancer";
    Public(Public), IpAddr, address, "public";
    Front(Front), IpAddr, address, "front";
    Served(Served), Prefix, prefix, "served";
}

/// A change to a host's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// New, or newer than what the host holds.
    Upsert(State),
    /// No longer the host's business.
    Remove(StateKey),
}

impl Delta {
    /// What it is about.
    pub fn key(&self) -> StateKey {
        match self {
            Self::Upsert(state) => state.key(),
            Self::Remove(key) => key.clone(),
        }
    }
}
