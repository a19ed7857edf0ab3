//! Pure: no I/O, no clock, no async.
//!
//! The words of a Weft cloud: identifiers, ranged newtypes, the resources that a tenant makes, and
//! the state that a host holds of them. Everything here is parsed once at an edge and valid from
//! then on.
#![forbid(unsafe_code)]

pub mod acl;
pub mod balancer;
pub mod cidr;
pub mod cloud;
pub mod datapath;
pub mod dns;
pub mod dns_forward;
pub mod flow_log;
pub mod gateway;
pub mod group;
pub mod host;
pub mod id;
pub mod interface;
pub mod meta;
pub mod mirror;
pub mod name;
pub mod nat;
pub mod net;
pub mod ops;
pub mod peering;
pub mod port_options;
pub mod prefix_list;
pub mod public;
pub mod resource;
pub mod route;
pub mod state;
pub mod subnet;
pub mod target;
pub mod transit;
pub mod vpc;

#[cfg(test)]
mod tests;

pub use acl::{AclAction, AclEntry, AclNumber, NetworkAcl};
pub use balancer::{Balancer, Carried, IdleTimeout, Listener, Placement, Scheme};
pub use cidr::{Block4, Prefix, PublicBlock4, SubnetBlock6, VpcBlock6};
pub use cloud::Cloud;
pub use datapath::{DatapathChoice, DatapathChoiceError};
pub use dns::{DnsName, PrivateZone, RecordData, RecordKind, RecordSet, Ttl, VpcDns, ZoneInVpc};
pub use dns_forward::DnsForward;
pub use flow_log::{AccountId, FlowLog, LogField, LogFormat, LogInterval, LogScope, LogTraffic};
pub use gateway::{EgressGateway, InternetGateway};
pub use group::{IcmpMatch, Peer, PortMatch, Rule, SecurityGroup};
pub use host::{Host, Region, Zone};
pub use id::{
    BalancerId, EgressGatewayId, ElasticAddressId, FlowLogId, InterfaceId, InternetGatewayId,
    ListenerId, MirrorFilterId, MirrorSessionId, NatGatewayId, NetworkAclId, PeeringId,
    PrefixListId, PrivateZoneId, PublicPoolId, RouteTableId, RuleId, SecurityGroupId, SubnetId,
    TargetGroupId, TransitAttachmentId, TransitGatewayId, TransitTableId, VpcId,
};
pub use interface::{Attachment, Interface};
pub use meta::{Meta, Revision, Tags};
pub use mirror::{
    MirrorAction, MirrorFilter, MirrorLength, MirrorNumber, MirrorRule, MirrorSession, MirrorTarget,
};
pub use name::{
    DeviceName, DnsLabel, HostName, HttpPath, Label, NetnsName, RegionName, TagKey, TagValue,
    ZoneName,
};
pub use nat::{LeaseKey, NatGateway, PortLease};
pub use net::{Mac, Mtu, PortRange, Protocol, Vni};
pub use peering::{Peering, PeeringStatus};
pub use port_options::{IdleTimeouts, MetadataOptions, PortOptions, RateLimits, UserData};
pub use prefix_list::{Family, PrefixList, PrefixListEntry};
pub use public::{Association, ElasticAddress, PublicPool};
pub use resource::{Change, Kind, Resource, ResourceKey};
pub use route::{Destination, Route, RouteOrigin, RouteTable, RouteTarget};
pub use subnet::Subnet;
pub use target::{
    Health, HealthCheck, Probe, StatusCodes, Target, TargetGroup, TargetName, TargetType, Weight,
};
pub use transit::{
    RouteInTransit, TransitAttachment, TransitGateway, TransitHop, TransitRoute, TransitRouteInUse,
    TransitTable, VpcInTransit,
};
pub use vpc::Vpc;
