//! Why a packet was dropped, and what object is to blame.

use std::{fmt, net::IpAddr};

use weft_model::{
    AclNumber, BalancerId, InterfaceId, Mac, Mtu, NatGatewayId, NetworkAclId, PeeringId, Prefix,
    RouteInTransit, RouteTableId, SecurityGroupId, TargetGroupId, TransitAttachmentId,
    TransitTableId, Vni,
};
use weft_packet::Malformed;

macro_rules! reasons {
    ($(#[doc = $text:literal] $variant:ident = $code:literal,)*) => {
        /// Why a packet was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DropReason { $(#[doc = $text] $variant,)* }

        impl DropReason {
            /// Every reason, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The stable name: in metrics, logs and explanations.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// A sentence for people.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text.trim_ascii(),)* }
            }
        }
    };
}

reasons! {
    /// The port isn't in the configuration (yet, or any more).
    PortUnknown = "port_unknown",
    /// Shorter than an Ethernet header.
    FrameTooShort = "frame_too_short",
    /// A header contradicts the frame or itself.
    Malformed = "malformed",
    /// A VLAN tag: ports carry none.
    Vlan = "vlan",
    /// Neither ARP nor IP.
    EthertypeUnknown = "ethertype_unknown",
    /// The source MAC isn't the port's.
    SpoofedMac = "spoofed_mac",
    /// The source address isn't the port's.
    SpoofedAddress = "spoofed_address",
    /// ARP that claims an address which isn't the port's.
    SpoofedArp = "spoofed_arp",
    /// Neighbour discovery that claims an address which isn't the port's.
    SpoofedNeighbor = "spoofed_neighbor",
    /// A router advertisement or redirect from a workload.
    RogueRouter = "rogue_router",
    /// DHCP server messages from a workload.
    RogueDhcp = "rogue_dhcp",
    /// ARP that nobody here answers.
    ArpUnanswered = "arp_unanswered",
    /// Neighbour discovery that nobody here answers.
    NeighborUnanswered = "neighbor_unanswered",
    /// DHCP that is malformed or asks for what isn't the port's.
    DhcpRefused = "dhcp_refused",
    /// To an address of the router, for a service that it doesn't give.
    RouterUnserved = "router_unserved",
    /// More packets to DNS, metadata and time than a port may send, or more connections.
    LimitServices = "limit_services",
    /// More bits than the interface may send or get.
    LimitBandwidth = "limit_bandwidth",
    /// More packets than the interface may send or get.
    LimitPackets = "limit_packets",
    /// More new connections than the interface may have.
    LimitConnectionsRate = "limit_connections_rate",
    /// Broadcast or multicast, which no VPC forwards.
    Multicast = "multicast",
    /// No egress rule allows it.
    GroupEgress = "security_group_egress",
    /// No ingress rule allows it.
    GroupIngress = "security_group_ingress",
    /// The subnet's network ACL doesn't let it out.
    AclEgress = "acl_egress",
    /// The subnet's network ACL doesn't let it in.
    AclIngress = "acl_ingress",
    /// No route matches.
    NoRoute = "no_route",
    /// The route's target is gone.
    Blackhole = "blackhole",
    /// No interface holds the destination address.
    NoMapping = "no_mapping",
    /// No interface of the peered VPC holds the destination address: what is behind it isn't reached.
    PeerNoMapping = "peer_no_mapping",
    /// The attachment to the transit gateway is associated with no table.
    TransitNoTable = "transit_no_table",
    /// No route of the transit gateway's table matches.
    TransitNoRoute = "transit_no_route",
    /// No interface of the VPC behind the attachment holds the destination address.
    TransitNoMapping = "transit_no_mapping",
    /// The VPC behind the attachment has the source in a block of its own: no answer would come back.
    TransitOverlap = "transit_overlap",
    /// Only what an interface of the VPC sends from its own address crosses into another VPC.
    ForeignSource = "foreign_source",
    /// The destination's host has no known VTEP.
    NoTunnel = "no_tunnel",
    /// The internet gateway lets only addresses with a public one through, and this one has none.
    NoPublicAddress = "no_public_address",
    /// No edge to the internet is alive.
    NoEdge = "no_edge",
    /// TTL or hop limit ran out.
    TtlExceeded = "ttl_exceeded",
    /// Larger than the MTU, and not to be fragmented.
    TooBig = "too_big",
    /// A later fragment whose first one wasn't seen.
    FragmentOrphan = "fragment_orphan",
    /// The fragment table is full.
    FragmentTableFull = "fragment_table_full",
    /// The flow table is full.
    FlowTableFull = "flow_table_full",
    /// The port's share of the flow table is full.
    FlowAllowanceFull = "flow_allowance_full",
    /// Another connection of the port looks the same on the wire after translation.
    TranslationTaken = "translation_taken",
    /// The destination isn't the port's, and its source/destination check is on.
    NotForPort = "not_for_port",
    /// Not a VXLAN header.
    VxlanMalformed = "vxlan_malformed",
    /// From an underlay address that is no known host's VTEP.
    VtepUnknown = "vtep_unknown",
    /// A VNI that no VPC here has.
    VniUnknown = "vni_unknown",
    /// The inner source isn't an interface on the host that sent it.
    SourceElsewhere = "source_elsewhere",
    /// The inner source MAC isn't that interface's or the router's.
    InnerMac = "inner_mac",
    /// The inner destination is no port of this host.
    DestinationElsewhere = "destination_elsewhere",
    /// To a load balancer, for nothing that it listens on.
    BalancerUnserved = "balancer_unserved",
    /// To a load balancer, in mid-stream of a connection that isn't known (any more).
    BalancerNoConnection = "balancer_no_connection",
    /// To a load balancer whose target group has nobody to serve.
    BalancerNoTarget = "balancer_no_target",
    /// From a target to itself through its load balancer.
    BalancerHairpin = "balancer_hairpin",
    /// Of a load balancer's connection whose target is no longer registered.
    BalancerTargetGone = "balancer_target_gone",
    /// Of a load balancer's connection whose target is unhealthy.
    BalancerTargetUnhealthy = "balancer_target_unhealthy",
    /// To a target that is to see its load balancer's address, none of whose ports is free there.
    BalancerExhausted = "balancer_exhausted",
    /// In the outside's VNI, from an underlay address that is no edge's.
    EdgeUnknown = "edge_unknown",
    /// From the outside, to an address that isn't public, or that nobody has.
    NotPublic = "not_public",
    /// A new connection from the outside, and the subnet's route back isn't to an internet gateway.
    NoWayBack = "no_way_back",
    /// A new connection from the outside, and the subnet's route back is to an egress-only gateway.
    EgressOnly = "egress_only",
    /// To the outside, by an address that belongs to the edge's own network.
    OutsideDenied = "outside_denied",
    /// All ports of the NAT gateway for this destination are in use.
    NatExhausted = "nat_exhausted",
    /// The NAT gateway doesn't know the connection, or has forgotten it.
    NatIdle = "nat_idle",
    /// From inside to the NAT gateway's own public address.
    NatHairpin = "nat_hairpin",
    /// The route table of the NAT gateway's subnet doesn't lead on to an internet gateway.
    NatNoExit = "nat_no_exit",
    /// A NAT gateway translates TCP, UDP and ICMP queries only.
    NatUntranslatable = "nat_untranslatable",
    /// To a NAT gateway's public address, and part of no connection.
    NatNoConnection = "nat_no_connection",
}

impl DropReason {
    /// Whether the sender of a TCP segment is told that its connection is no more.
    pub const fn is_answered_by_reset(self) -> bool {
        matches!(
            self,
            Self::BalancerNoConnection
                | Self::BalancerTargetGone
                | Self::BalancerTargetUnhealthy
                | Self::NatIdle
        )
    }
}

/// The object to blame for a drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropObject {
    /// The route that the packet took.
    Route {
        /// The table.
        table: RouteTableId,
        /// The route's destination.
        destination: Prefix,
    },
    /// The table in which no route was found.
    RouteTable(RouteTableId),
    /// The interface whose groups or checks said no.
    Interface(InterfaceId),
    /// The peering that a route leads to.
    Peering(PeeringId),
    /// A NAT gateway.
    Nat(NatGatewayId),
    /// An attachment to a transit gateway.
    TransitAttachment(TransitAttachmentId),
    /// A transit gateway's table.
    TransitTable(TransitTableId),
    /// A route of a transit gateway's table.
    TransitRoute(RouteInTransit),
    /// A security group.
    Group(SecurityGroupId),
    /// The network ACL's entry that matched first; none is `*`, what comes after all.
    AclEntry {
        /// The ACL.
        acl: NetworkAclId,
        /// The entry's number.
        entry: Option<AclNumber>,
    },
    /// A load balancer.
    Balancer(BalancerId),
    /// A target group.
    TargetGroup(TargetGroupId),
    /// An address: without a mapping, spoofed, or an unknown VTEP.
    Address(IpAddr),
    /// A MAC.
    Mac(Mac),
    /// A VXLAN network.
    Vni(Vni),
    /// What a packet may be at the most.
    Mtu(Mtu),
    /// What a frame said that it carries.
    Ethertype(u16),
    /// What is wrong with the packet.
    Malformed(Malformed),
}

impl fmt::Display for DropObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { table, destination } => write!(f, "{table} {destination}"),
            Self::RouteTable(id) => id.fmt(f),
            Self::Interface(id) => id.fmt(f),
            Self::Peering(id) => id.fmt(f),
            Self::Nat(id) => id.fmt(f),
            Self::TransitAttachment(id) => id.fmt(f),
            Self::TransitTable(id) => id.fmt(f),
            Self::TransitRoute(id) => write!(f, "{} {}", id.table, id.destination),
            Self::Group(id) => id.fmt(f),
            Self::AclEntry {
                acl,
                entry: Some(number),
            } => write!(f, "{acl} {number}"),
            Self::AclEntry { acl, entry: None } => write!(f, "{acl} *"),
            Self::Balancer(id) => id.fmt(f),
            Self::TargetGroup(id) => id.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
            Self::Vni(vni) => write!(f, "vni {vni}"),
            Self::Mtu(mtu) => write!(f, "mtu {}", mtu.get()),
            Self::Ethertype(number) => write!(f, "ethertype {number:#06x}"),
            Self::Malformed(malformed) => f.write_str(malformed.code()),
        }
    }
}

/// A dropped packet: why, and because of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drop {
    /// Why.
    pub reason: DropReason,
    /// Because of what, where there is one.
    pub object: Option<DropObject>,
}

impl Drop {
    /// Because of this object.
    pub const fn because(reason: DropReason, object: DropObject) -> Self {
        Self {
            reason,
            object: Some(object),
        }
    }
}

impl From<DropReason> for Drop {
    fn from(reason: DropReason) -> Self {
        Self {
            reason,
            object: None,
        }
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.code())?;
        match &self.object {
            Some(object) => write!(f, " ({object})"),
            None => Ok(()),
        }
    }
}
