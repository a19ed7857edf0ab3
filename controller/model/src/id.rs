//! Identifiers in AWS form: a prefix, a dash and 17 lower-case hex digits (`vpc-0a1b2c3d4e5f67890`).
//!
//! AWS's first digit is always `0`, so 64 bits carry the rest and an id is `Copy` and eight bytes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Hex digits after the dash.
const DIGITS: usize = 17;

/// Why a text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind} id: write `{prefix}-` and 17 lower-case hex digits, the first 0")]
pub struct IdError {
    /// What was given, cut to a printable length.
    pub text: String,
    /// The kind that was wanted, in words.
    pub kind: &'static str,
    /// The prefix that was wanted.
    pub prefix: &'static str,
}

fn parse_hex(prefix: &str, text: &str) -> Option<u64> {
    let digits = text.strip_prefix(prefix)?.strip_prefix('-')?;
    let well_formed = digits.len() == DIGITS
        && digits.starts_with('0')
        && digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !well_formed {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// At most 64 printable characters of what a person typed, for error messages.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The letters before the dash.
            pub const PREFIX: &'static str = $prefix;

            /// The id with these 64 bits; the caller draws them at random.
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits)
            }

            /// The 64 bits behind the text.
            pub const fn bits(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}-{:017x}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex($prefix, text).map(Self).ok_or_else(|| IdError {
                    text: excerpt(text),
                    kind: $kind,
                    prefix: $prefix,
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

id!(
    /// A virtual private cloud.
    VpcId, "vpc", "VPC"
);
id!(
    /// A subnet of a VPC.
    SubnetId, "subnet", "subnet"
);
id!(
    /// A route table of a VPC.
    RouteTableId, "rtb", "route table"
);
id!(
    /// A security group of a VPC.
    SecurityGroupId, "sg", "security group"
);
id!(
    /// One rule of a security group.
    RuleId, "sgr", "security group rule"
);
id!(
    /// A network ACL of a VPC.
    NetworkAclId, "acl", "network ACL"
);
id!(
    /// A list of prefixes.
    PrefixListId, "pl", "prefix list"
);
id!(
    /// A network interface (ENI): the unit that a workload attaches to.
    InterfaceId, "eni", "network interface"
);
id!(
    /// A pool of public addresses.
    PublicPoolId, "ipv4pool", "public pool"
);
id!(
    /// A public address that a tenant holds.
    ElasticAddressId, "eipalloc", "elastic address"
);
id!(
    /// An internet gateway.
    InternetGatewayId, "igw", "internet gateway"
);
id!(
    /// An egress-only internet gateway.
    EgressGatewayId, "eigw", "egress-only internet gateway"
);
id!(
    /// A flow log of a VPC, a subnet or an interface.
    FlowLogId, "fl", "flow log"
);
id!(
    /// A filter of traffic mirroring.
    MirrorFilterId, "tmf", "mirror filter"
);
id!(
    /// A session of traffic mirroring.
    MirrorSessionId, "tms", "mirror session"
);
id!(
    /// A private zone of names.
    PrivateZoneId, "hz", "private zone"
);
id!(
    /// A network load balancer.
    BalancerId, "nlb", "load balancer"
);
id!(
    /// A listener of a load balancer.
    ListenerId, "lsn", "listener"
);
id!(
    /// A group of targets.
    TargetGroupId, "tg", "target group"
);
id!(
    /// A peering of two VPCs.
    PeeringId, "pcx", "VPC peering"
);
id!(
    /// A NAT gateway.
    NatGatewayId, "nat", "NAT gateway"
);
id!(
    /// A transit gateway.
    TransitGatewayId, "tgw", "transit gateway"
);
id!(
    /// A VPC's attachment to a transit gateway.
    TransitAttachmentId, "tgw-attach", "transit gateway attachment"
);
id!(
    /// A route table of a transit gateway.
    TransitTableId, "tgw-rtb", "transit gateway route table"
);
