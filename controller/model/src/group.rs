//! Security groups: stateful allow rules on interfaces. An empty group allows nothing.

use serde::{Deserialize, Serialize};

use crate::{
    cidr::Prefix,
    id::{PrefixListId, RuleId, SecurityGroupId, VpcId},
    meta::Meta,
    name::Label,
    net::{PortRange, Protocol},
};

/// The other end that a rule speaks of: the source of ingress, the destination of egress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// Addresses in the prefix.
    Cidr(Prefix),
    /// The private addresses of the interfaces in the group.
    Group(SecurityGroupId),
    /// Addresses in the prefixes of the list.
    List(PrefixListId),
}

/// An ICMP or ICMPv6 type, and a code of it or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IcmpMatch {
    /// The type.
    pub kind: u8,
    /// The code; `None` is every code.
    pub code: Option<u8>,
}

/// The traffic that a rule speaks of. A shape that makes no sense (ports of ICMP) can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortMatch {
    /// Every protocol.
    All,
    /// TCP to these destination ports.
    Tcp(PortRange),
    /// UDP to these destination ports.
    Udp(PortRange),
    /// ICMP: this type, or all where `None`.
    Icmp(Option<IcmpMatch>),
    /// ICMPv6: this type, or all where `None`.
    Icmpv6(Option<IcmpMatch>),
    /// All of another protocol.
    Protocol(Protocol),
}

/// One allow rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id: what a verdict names.
    pub id: RuleId,
    /// What traffic.
    pub traffic: PortMatch,
    /// From or to whom.
    pub peer: Peer,
    /// Why it is there, in a person's words.
    pub description: Option<Label>,
}

/// A named set of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// Its name, unique in the VPC; `default` is the VPC's own.
    pub group_name: Label,
    /// What it is for.
    pub description: Label,
    /// What may come in.
    pub ingress: Vec<Rule>,
    /// What may go out.
    pub egress: Vec<Rule>,
    /// Bookkeeping.
    pub meta: Meta,
}
