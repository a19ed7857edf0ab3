//! Security groups, compiled: the union of a port's groups as an index in which no lookup scans.
//!
//! Per direction: port sets by peer group, and by peer prefix. A lookup costs the peer's groups and
//! the distinct prefix lengths, whatever the number of rules. Rules only allow, so nothing found
//! means no.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use weft_model::{Peer, Protocol, Rule, RuleId, SecurityGroupId, state::GroupState};

use super::{
    prefix_map::PrefixMap,
    traffic::{PortSets, Portions},
};
use crate::hash::Map;

/// Which way a packet goes, as its port sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the workload.
    Ingress,
    /// From the workload.
    Egress,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Ingress => Self::Egress,
            Self::Egress => Self::Ingress,
        }
    }
}

/// What rules look at, beside the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// TCP to this destination port.
    Tcp(u16),
    /// UDP to this destination port.
    Udp(u16),
    /// ICMP of this type and code.
    Icmp(u8, u8),
    /// ICMPv6 of this type and code.
    Icmpv6(u8, u8),
    /// Another protocol.
    Other(u8),
}

/// What a set of groups allows.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    ingress: Rules,
    egress: Rules,
}

/// One direction's rules.
#[derive(Debug, Clone, Default)]
struct Rules {
    by_group: Map<SecurityGroupId, PortSets<RuleId>>,
    by_prefix: PrefixMap<PortSets<RuleId>>,
}

impl Policy {
    /// The union of these groups.
    pub(crate) fn compile<'a>(groups: impl Iterator<Item = &'a GroupState> + Clone) -> Self {
        Self {
            ingress: Rules::compile(groups.clone().flat_map(|group| &group.ingress)),
            egress: Rules::compile(groups.flat_map(|group| &group.egress)),
        }
    }

    fn rules(&self, direction: Direction) -> &Rules {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The rule that allows this traffic from or to the peer, whose own groups are given.
    pub fn allows(
        &self,
        direction: Direction,
        peer: IpAddr,
        peer_groups: &[SecurityGroupId],
        traffic: Traffic,
    ) -> Option<RuleId> {
        let rules = self.rules(direction);
        let by_group = peer_groups
            .iter()
            .filter_map(|group| rules.by_group.get(group));
        by_group
            .chain(rules.by_prefix.matches(peer))
            .find_map(|sets| sets.find(traffic))
    }

    /// Whether a connection begun in this direction needs no tracking: TCP or UDP that is allowed
    /// to or from everywhere, while the reverse direction is open to everywhere on every port.
    pub fn untracked(&self, direction: Direction, peer: IpAddr, traffic: Traffic) -> bool {
        let everywhere = |direction| self.rules(direction).everywhere(peer);
        let Some(forward) = everywhere(direction) else {
            return false;
        };
        let Some(back) = everywhere(direction.reverse()) else {
            return false;
        };
        forward.find(traffic).is_some() && back.every_port(traffic)
    }
}

impl Rules {
    fn compile<'a>(rules: impl Iterator<Item = &'a Rule>) -> Self {
        let mut by_group: Map<SecurityGroupId, Portions<RuleId>> = Map::default();
        let mut by_cidr: Map<weft_model::Prefix, Portions<RuleId>> = Map::default();
        for rule in rules {
            let portions = match rule.peer {
                Peer::Group(group) => by_group.entry(group).or_default(),
                Peer::Cidr(prefix) => by_cidr.entry(prefix).or_default(),
                // The controller sends the prefixes of lists; a list itself allows nothing.
                Peer::List(_) => continue,
            };
            portions.add(rule.traffic, rule.id);
        }
        let mut by_prefix = PrefixMap::default();
        for (prefix, portions) in by_cidr {
            by_prefix.entry_or_insert_with(prefix, || portions.compile());
        }
        Self {
            by_group: by_group
                .into_iter()
                .map(|(group, portions)| (group, portions.compile()))
                .collect(),
            by_prefix,
        }
    }

    /// What is open to every address of the peer's family.
    fn everywhere(&self, peer: IpAddr) -> Option<&PortSets<RuleId>> {
        self.by_prefix.zero(peer)
    }
}

impl Traffic {
    /// The protocol number.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Tcp(_) => Protocol::TCP,
            Self::Udp(_) => Protocol::UDP,
            Self::Icmp(..) => Protocol::ICMP,
            Self::Icmpv6(..) => Protocol::ICMPV6,
            Self::Other(number) => Protocol(number),
        }
    }
}
