//! Network ACLs, compiled: first match without a scan.
//!
//! Per direction, the entries by prefix; a lookup asks each prefix that holds the address for its
//! lowest entry about the traffic, and the lowest of all is the first match.

use std::net::IpAddr;

use weft_model::{AclAction, AclEntry, AclNumber, NetworkAclId, Prefix, state::AclState};

use super::{
    policy::{Direction, Traffic},
    prefix_map::PrefixMap,
    traffic::{PortSets, Portions},
};
use crate::hash::Map;

/// An entry as an index knows it: the order is that of the numbers.
type Tag = (AclNumber, AclAction);

/// What decided over a packet at a subnet's boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AclVerdict {
    /// Whether it passes.
    pub allowed: bool,
    /// The entry that matched first; none where `*` denied it.
    pub entry: Option<AclNumber>,
}

impl AclVerdict {
    /// What `*` says, which comes after all entries.
    pub const DENIED: Self = Self {
        allowed: false,
        entry: None,
    };
}

/// A network ACL.
#[derive(Debug, Clone)]
pub struct Acl {
    /// Its id.
    pub id: NetworkAclId,
    ingress: PrefixMap<PortSets<Tag>>,
    egress: PrefixMap<PortSets<Tag>>,
}

impl Acl {
    pub(crate) fn compile(state: &AclState) -> Self {
        Self {
            id: state.id,
            ingress: entries(&state.ingress),
            egress: entries(&state.egress),
        }
    }

    /// What becomes of traffic from or to the peer.
    pub fn judge(&self, direction: Direction, peer: IpAddr, traffic: Traffic) -> AclVerdict {
        let entries = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let matching = entries.matches(peer).filter_map(|sets| sets.find(traffic));
        match matching.min() {
            Some((number, action)) => AclVerdict {
                allowed: action == AclAction::Allow,
                entry: Some(number),
            },
            None => AclVerdict::DENIED,
        }
    }
}

fn entries(entries: &[AclEntry]) -> PrefixMap<PortSets<Tag>> {
    let mut by_prefix: Map<Prefix, Portions<Tag>> = Map::default();
    for entry in entries {
        let portions = by_prefix.entry(entry.prefix).or_default();
        portions.add(entry.traffic, (entry.number, entry.action));
    }
    let mut compiled = PrefixMap::default();
    for (prefix, portions) in by_prefix {
        compiled.entry_or_insert_with(prefix, || portions.compile());
    }
    compiled
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weft_model::{IcmpMatch, PortMatch, PortRange, Protocol, VpcId};

    use super::*;

    fn traffic_match() -> impl Strategy<Value = PortMatch> {
        let range = (0u16..6, 0u16..3).prop_map(|(first, more)| {
            PortRange::new(first, first + more).expect("first is at most last")
        });
        let icmp = proptest::option::of((0u8..3, proptest::option::of(0u8..2)));
        let icmp = icmp.prop_map(|found| found.map(|(kind, code)| IcmpMatch { kind, code }));
        prop_oneof![
            Just(PortMatch::All),
            range.clone().prop_map(PortMatch::Tcp),
            range.prop_map(PortMatch::Udp),
            icmp.clone().prop_map(PortMatch::Icmp),
            icmp.prop_map(PortMatch::Icmpv6),
            prop_oneof![Just(6u8), Just(17), Just(1), Just(47), Just(50)]
                .prop_map(|number| PortMatch::Protocol(Protocol(number))),
        ]
    }

    fn entry() -> impl Strategy<Value = AclEntry> {
        let action = prop_oneof![Just(AclAction::Allow), Just(AclAction::Deny)];
        let prefix = (0u8..4, 0u8..=4, any::<bool>()).prop_map(|(top, length, v6)| {
            let text = match v6 {
                true => format!("{:x}000::/{length}", top << 2),
                false => format!("{}.0.0.0/{length}", top << 6),
            };
            text.parse().expect("a prefix")
        });
        (1u16..40, action, traffic_match(), prefix).prop_map(|(number, action, traffic, prefix)| {
            AclEntry {
                number: number.try_into().expect("in range"),
                action,
                traffic,
                prefix,
            }
        })
    }

    fn traffic() -> impl Strategy<Value = Traffic> {
        prop_oneof![
            (0u16..9).prop_map(Traffic::Tcp),
            (0u16..9).prop_map(Traffic::Udp),
            (0u8..4, 0u8..3).prop_map(|(kind, code)| Traffic::Icmp(kind, code)),
            (0u8..4, 0u8..3).prop_map(|(kind, code)| Traffic::Icmpv6(kind, code)),
            prop_oneof![Just(47u8), Just(50), Just(51)].prop_map(Traffic::Other),
        ]
    }

    fn speaks_of(matches: PortMatch, traffic: Traffic) -> bool {
        let icmp = |found: Option<IcmpMatch>, kind, code| {
            found.is_none_or(|m| m.kind == kind && m.code.is_none_or(|c| c == code))
        };
        match (matches, traffic) {
            (PortMatch::All, _) => true,
            (PortMatch::Tcp(range), Traffic::Tcp(port))
            | (PortMatch::Udp(range), Traffic::Udp(port)) => range.contains(port),
            (PortMatch::Icmp(found), Traffic::Icmp(kind, code))
            | (PortMatch::Icmpv6(found), Traffic::Icmpv6(kind, code)) => icmp(found, kind, code),
            (PortMatch::Protocol(protocol), traffic) => protocol == traffic.protocol(),
            _ => false,
        }
    }

    /// The entries in the order of their numbers, one by one.
    fn scan(entries: &[AclEntry], peer: IpAddr, traffic: Traffic) -> AclVerdict {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|entry| entry.number);
        for entry in entries {
            if entry.prefix.contains_addr(peer) && speaks_of(entry.traffic, traffic) {
                return AclVerdict {
                    allowed: entry.action == AclAction::Allow,
                    entry: Some(entry.number),
                };
            }
        }
        AclVerdict::DENIED
    }

    proptest! {
        #[test]
        fn the_index_says_what_a_scan_in_order_says(
            mut all in prop::collection::vec(entry(), 0..24),
            traffics in prop::collection::vec(traffic(), 1..16),
            top in 0u8..16, v6: bool,
        ) {
            // A number comes once per family.
            all.sort_by_key(AclEntry::place);
            all.dedup_by_key(|entry| entry.place());
            let acl = Acl::compile(&AclState {
                id: NetworkAclId::from_bits(1),
                vpc: VpcId::from_bits(1),
                ingress: all.clone(),
                egress: vec![],
            });
            let peer = match v6 {
                true => IpAddr::from((u128::from(top) << 124 | 1).to_be_bytes()),
                false => IpAddr::from([top << 4, 0, 0, 1]),
            };
            for traffic in traffics {
                let found = acl.judge(Direction::Ingress, peer, traffic);
                prop_assert_eq!(found, scan(&all, peer, traffic), "{:?}", traffic);
                let none = acl.judge(Direction::Egress, peer, traffic);
                prop_assert_eq!(none, AclVerdict::DENIED);
            }
        }
    }
}
