//! Any stored resource, by kind and key.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    acl::NetworkAcl,
    balancer::{Balancer, Listener},
    dns::PrivateZone,
    flow_log::FlowLog,
    gateway::{EgressGateway, InternetGateway},
    group::SecurityGroup,
    host::{Host, Region, Zone},
    id::{
        BalancerId, EgressGatewayId, ElasticAddressId, FlowLogId, InterfaceId, InternetGatewayId,
        ListenerId, MirrorFilterId, MirrorSessionId, NatGatewayId, NetworkAclId, PeeringId,
        PrefixListId, PrivateZoneId, PublicPoolId, RouteTableId, SecurityGroupId, SubnetId,
        TargetGroupId, TransitAttachmentId, TransitGatewayId, TransitTableId, VpcId,
    },
    interface::Interface,
    meta::{Meta, Revision},
    mirror::{MirrorFilter, MirrorSession},
    name::{HostName, RegionName, ZoneName},
    nat::{LeaseKey, NatGateway, PortLease},
    peering::Peering,
    prefix_list::PrefixList,
    public::{ElasticAddress, PublicPool},
    route::RouteTable,
    subnet::Subnet,
    target::TargetGroup,
    transit::{TransitAttachment, TransitGateway, TransitTable},
    vpc::Vpc,
};

macro_rules! resources {
    ($($variant:ident, $key:ty, $field:ident, $text:literal;)*) => {
        /// The kinds of resources, in the order that references point: a kind refers to earlier
        /// ones (or, a VPC to its own main table, default group and default ACL, made with it, and so a
        /// transit gateway to its default table).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum Kind { $($variant,)* }

        impl Kind {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The kind in words, as in an error message.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        /// What names a resource.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum ResourceKey { $($variant($key),)* }

        impl ResourceKey {
            /// The kind of what it names.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$variant(_) => Kind::$variant,)* }
            }
        }

        impl fmt::Display for ResourceKey {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$variant(key) => key.fmt(f),)* }
            }
        }

        /// A stored resource.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum Resource { $($variant($variant),)* }

        impl Resource {
            /// What names it.
            pub fn key(&self) -> ResourceKey {
                match self { $(Self::$variant(r) => ResourceKey::$variant(r.$field.clone()),)* }
            }

            /// Its bookkeeping.
            pub fn meta(&self) -> &Meta {
                match self { $(Self::$variant(r) => &r.meta,)* }
            }

            /// Its bookkeeping, to change.
            pub fn meta_mut(&mut self) -> &mut Meta {
                match self { $(Self::$variant(r) => &mut r.meta,)* }
            }
        }

        $(
            impl From<$variant> for Resource {
                fn from(r: $variant) -> Self { Self::$variant(r) }
            }
            impl From<$key> for ResourceKey {
                fn from(key: $key) -> Self { Self::$variant(key) }
            }
        )*
    };
}

resources! {
    Region, RegionName, name, "region";
    Zone, ZoneName, name, "zone";
    Host, HostName, name, "host";
    PrefixList, PrefixListId, id, "prefix list";
    PublicPool, PublicPoolId, id, "public pool";
    Vpc, VpcId, id, "VPC";
    InternetGateway, InternetGatewayId, id, "internet gateway";
    EgressGateway, EgressGatewayId, id, "egress-only internet gateway";
    Peering, PeeringId, id, "VPC peering";
    TransitGateway, TransitGatewayId, id, "transit gateway";
    TransitTable, TransitTableId, id, "transit gateway route table";
    TransitAttachment, TransitAttachmentId, id, "transit gateway attachment";
    RouteTable, RouteTableId, id, "route table";
    SecurityGroup, SecurityGroupId, id, "security group";
    NetworkAcl, NetworkAclId, id, "network ACL";
    Subnet, SubnetId, id, "subnet";
    Interface, InterfaceId, id, "network interface";
    ElasticAddress, ElasticAddressId, id, "elastic address";
    NatGateway, NatGatewayId, id, "NAT gateway";
    PortLease, LeaseKey, key, "port lease";
    FlowLog, FlowLogId, id, "flow log";
    MirrorFilter, MirrorFilterId, id, "mirror filter";
    MirrorSession, MirrorSessionId, id, "mirror session";
    PrivateZone, PrivateZoneId, id, "private zone";
    TargetGroup, TargetGroupId, id, "target group";
    Balancer, BalancerId, id, "load balancer";
    Listener, ListenerId, id, "listener";
}

impl ResourceKey {
    /// What an id of this form names, whether or not it exists; `None` for what has a name instead.
    pub fn of_id(text: &str) -> Option<Self> {
        macro_rules! first {
            ($($id:ty),*) => { None$(.or_else(|| text.parse::<$id>().ok().map(Self::from)))* };
        }
        first!(
            VpcId,
            SubnetId,
            InterfaceId,
            SecurityGroupId,
            RouteTableId,
            NetworkAclId,
            PrefixListId,
            PublicPoolId,
            InternetGatewayId,
            EgressGatewayId,
            PeeringId,
            TransitGatewayId,
            TransitTableId,
            TransitAttachmentId,
            ElasticAddressId,
            NatGatewayId,
            FlowLogId,
            MirrorFilterId,
            MirrorSessionId,
            PrivateZoneId,
            TargetGroupId,
            BalancerId,
            ListenerId
        )
    }
}

/// One resource's change in a transaction: `before` is `None` for a creation, `after` for a
/// deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub before: Option<Resource>,
    /// What it is.
    pub after: Option<Resource>,
}

impl Change {
    /// A creation.
    pub fn create(after: impl Into<Resource>) -> Self {
        Self {
            before: None,
            after: Some(after.into()),
        }
    }

    /// A change of what exists.
    pub fn update(before: impl Into<Resource>, after: impl Into<Resource>) -> Self {
        Self {
            before: Some(before.into()),
            after: Some(after.into()),
        }
    }

    /// A deletion.
    pub fn delete(before: impl Into<Resource>) -> Self {
        Self {
            before: Some(before.into()),
            after: None,
        }
    }

    /// What it is about; `None` for a change of nothing into nothing.
    pub fn key(&self) -> Option<ResourceKey> {
        let resource = self.after.as_ref().or(self.before.as_ref());
        resource.map(Resource::key)
    }

    /// The change that undoes it.
    pub fn inverse(&self) -> Self {
        Self {
            before: self.after.clone(),
            after: self.before.clone(),
        }
    }

    /// Writes the transaction's number into what the change leaves behind.
    pub fn stamp(&mut self, revision: Revision) {
        let created = self.before.as_ref().map(|before| before.meta().created);
        if let Some(after) = &mut self.after {
            let meta = after.meta_mut();
            meta.created = created.unwrap_or(revision);
            meta.updated = revision;
        }
    }
}
