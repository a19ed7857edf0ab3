//! What a story is about: where everything is in it, nothing happens often enough.

use crate::{change::Kind, random::Random, send::Via};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// VPCs for themselves.
    Inside,
    Peered,
    /// Joined by transit gateways.
    Transit,
    Outside,
    Balanced,
    /// Behind gateways that share their addresses.
    Natted,
    /// Load balancers that face the internet.
    Facing,
    Everything,
}

const INSIDE: [Kind; 2] = [Kind::Replace, Kind::PassAddress];
const PEERED: [Kind; 4] = [Kind::Peer, Kind::Peer, Kind::Unpeer, Kind::Regroup];
const TRANSIT: [Kind; 8] = [
    Kind::Attach,
    Kind::Attach,
    Kind::Reassociate,
    Kind::Reassociate,
    Kind::PutTransitRoute,
    Kind::PutTransitRoute,
    Kind::DeleteTransitRoute,
    Kind::PutRoute,
];
const OUTSIDE: [Kind; 8] = [
    Kind::Elastic,
    Kind::Elastic,
    Kind::Elastic,
    Kind::Gateway,
    Kind::Egress,
    Kind::Uplink,
    Kind::Lose,
    Kind::PutRoute,
];
const NATTED: [Kind; 14] = [
    Kind::Nat,
    Kind::Reroute,
    Kind::Reroute,
    Kind::Reroute,
    Kind::Reroute,
    Kind::Reroute,
    Kind::Reroute,
    Kind::Reroute,
    Kind::Leases,
    Kind::Leases,
    Kind::Elastic,
    Kind::Gateway,
    Kind::Uplink,
    Kind::Lose,
];
const BALANCED: [Kind; 10] = [
    Kind::Health,
    Kind::Health,
    Kind::Health,
    Kind::Health,
    Kind::Health,
    Kind::Health,
    Kind::Register,
    Kind::Deregister,
    Kind::Listen,
    Kind::CrossZone,
];

impl Theme {
    pub(crate) fn of(seed: u64) -> Self {
        let all = [
            Self::Inside,
            Self::Peered,
            Self::Transit,
            Self::Outside,
            Self::Balanced,
            Self::Natted,
            Self::Facing,
            Self::Everything,
        ];
        all[(seed % all.len() as u64) as usize]
    }

    pub(crate) fn has(self, other: Self) -> bool {
        let parts: &[Self] = match self {
            Self::Facing => &[Self::Outside, Self::Balanced],
            Self::Natted => &[Self::Outside],
            _ => &[],
        };
        self == other || self == Self::Everything || parts.contains(&other)
    }

    pub(crate) fn vpcs(self, random: &mut Random) -> usize {
        match self {
            Self::Balanced | Self::Facing => 1,
            Self::Inside | Self::Outside | Self::Natted => random.between(1, 2),
            Self::Peered | Self::Transit => random.between(2, 3),
            Self::Everything => random.between(1, 3),
        }
    }

    /// So many in a VPC. Servers need clients beside them.
    pub(crate) fn interfaces(self, random: &mut Random) -> usize {
        match self {
            Self::Balanced | Self::Facing => random.between(4, 8),
            _ => random.between(2, 5),
        }
    }

    /// Between so many ends: where few connections are made, more must come of each.
    pub(crate) fn sessions(self, random: &mut Random) -> usize {
        match self {
            Self::Natted => random.between(2, 4),
            _ => random.between(2, 7),
        }
    }

    /// How many in a hundred sessions are of IPv6, which no gateway translates.
    pub(crate) fn sixes(self) -> usize {
        match self {
            Self::Natted => 10,
            _ => 35,
        }
    }

    /// A change that belongs to it.
    pub(crate) fn change(self, random: &mut Random) -> Kind {
        let kinds: &[Kind] = match self {
            Self::Inside => &INSIDE,
            Self::Peered => &PEERED,
            Self::Transit => &TRANSIT,
            Self::Outside => &OUTSIDE,
            Self::Balanced => &BALANCED,
            Self::Natted => &NATTED,
            Self::Facing => match random.below(4) {
                0 => &OUTSIDE,
                _ => &BALANCED,
            },
            Self::Everything => match random.below(6) {
                0 => &INSIDE,
                1 => &PEERED,
                2 => &OUTSIDE,
                3 => &TRANSIT,
                4 => &NATTED,
                _ => &BALANCED,
            },
        };
        *random.pick(kinds)
    }

    /// Whom one end of a session takes the other for.
    pub(crate) fn via(self, random: &mut Random) -> Via {
        let balancer = Via::Balancer(random.below(16));
        let front = Via::Front(random.below(32));
        let some: &[Via] = match self {
            Self::Inside | Self::Peered | Self::Transit => &[Via::Itself],
            Self::Outside => &[Via::Itself, Via::Public, Via::Internet, Via::Internet],
            Self::Natted => &[Via::Public, Via::Internet, Via::Internet, Via::Internet],
            Self::Balanced => &[Via::Itself, balancer, balancer],
            Self::Facing => &[front, front, front, front, balancer, Via::Internet],
            Self::Everything => &[Via::Itself, Via::Public, Via::Internet, balancer, front],
        };
        *random.pick(some)
    }
}
