//! Edges: what hosts know of them, and what they know of hosts.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::BuildHasher as _,
    net::IpAddr,
    sync::Arc,
};

use weft_model::{HostName, Mac, Prefix, state::FrontHost};

use super::mapping::Sharded;
use crate::{balance::maglev::mix, hash::Map};

/// What flows are spread over: many more than edges, so that each gets its share.
const SLOTS: usize = 256;

/// The live edges. A flow keeps its edge while that lives, and only the flows of one that goes move:
/// each slot goes to the edge that it likes best.
#[derive(Debug, Clone, Default)]
pub struct Edges {
    vteps: BTreeMap<HostName, IpAddr>,
    slots: Vec<IpAddr>,
}

impl Edges {
    pub(crate) fn set(&mut self, host: HostName, vtep: IpAddr) {
        self.vteps.insert(host, vtep);
        self.spread();
    }

    pub(crate) fn clear(&mut self, host: &HostName) {
        self.vteps.remove(host);
        self.spread();
    }

    fn spread(&mut self) {
        // Fixed, so that all hosts agree and a restart changes nothing; no secret is needed.
        let hasher = foldhash::fast::FixedState::default();
        let liking = |slot: usize, host: &HostName| hasher.hash_one((slot, host));
        let best = |slot| {
            let edges = self.vteps.iter();
            edges
                .max_by_key(|(host, _)| liking(slot, host))
                .map(|(_, &vtep)| vtep)
        };
        self.slots = (0..SLOTS).filter_map(best).collect();
    }

    /// The edge for packets of a connection with this hash; `None` where there is no edge.
    #[inline]
    pub fn pick(&self, entropy: u32) -> Option<IpAddr> {
        // Other bits than those that choose the outer source port.
        self.slots.get(entropy as usize % SLOTS).copied()
    }

    /// Whether an edge has this VTEP.
    pub fn has(&self, vtep: IpAddr) -> bool {
        self.vteps.values().any(|&edge| edge == vtep)
    }

    /// The edges with their VTEPs, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&HostName, IpAddr)> {
        self.vteps.iter().map(|(host, &vtep)| (host, vtep))
    }
}

/// Who has a public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicEntry {
    /// The VTEP of the host that it is on.
    pub vtep: IpAddr,
    /// The MAC of its interface.
    pub mac: Mac,
}

/// A load balancer's address, as an edge sees it: which hosts pick targets for its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Front {
    hosts: Vec<FrontHost>,
    /// Who picks for each part of all hashes, as a place among the hosts.
    slots: Vec<u16>,
}

/// Parts of all hashes: many more than hosts, so that each gets its share.
const FRONT_SLOTS: usize = 1024;

impl Front {
    /// Each part goes to the live host that it likes best, so only the connections of one that comes
    /// or goes are another's. Where none lives, all might.
    pub(crate) fn new(hosts: Vec<FrontHost>) -> Self {
        let hasher = foldhash::fast::FixedState::default();
        let none = hosts.iter().all(|host| host.lost);
        let live = |host: &FrontHost| none || !host.lost;
        // Of each host once; a slot then costs a multiplication per host.
        let names = hosts.iter().map(|host| hasher.hash_one(&host.host));
        let names: Vec<u64> = names.collect();
        let best = |slot: usize| {
            let places = hosts.iter().zip(&names).enumerate();
            let live = places.filter(|(_, (host, _))| live(host));
            let best = live.max_by_key(|(_, (_, name))| mix(**name ^ mix(slot as u64)));
            best.and_then(|(place, _)| u16::try_from(place).ok())
        };
        let slots = (0..FRONT_SLOTS).filter_map(best).collect();
        Self { hosts, slots }
    }

    /// The host for a connection with this hash; `None` where there is none.
    pub fn pick(&self, hash: u32) -> Option<IpAddr> {
        // The low bits choose the worker there.
        let slot = self.slots.get((hash >> 8) as usize % FRONT_SLOTS)?;
        self.hosts.get(usize::from(*slot)).map(|host| host.vtep)
    }

    /// Whether one of the hosts has this VTEP.
    pub fn has(&self, vtep: IpAddr) -> bool {
        self.hosts.iter().any(|host| host.vtep == vtep)
    }
}

/// What an edge knows: who has which address, which prefixes it serves, and where nobody may go
/// through it. Empty on other hosts, so they let nothing through.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    publics: Sharded<IpAddr, PublicEntry>,
    fronts: Arc<Map<IpAddr, Arc<Front>>>,
    served: Arc<BTreeSet<Prefix>>,
    denied: Arc<Vec<Prefix>>,
}

impl Outside {
    pub(crate) fn set(&mut self, address: IpAddr, entry: PublicEntry) {
        if self.publics.get(&address) != Some(&entry) {
            self.publics.insert(address, entry);
        }
    }

    pub(crate) fn clear(&mut self, address: IpAddr) {
        self.publics.remove(&address);
    }

    pub(crate) fn set_front(&mut self, address: IpAddr, hosts: Vec<FrontHost>) {
        let same = self.fronts.get(&address);
        if same.is_none_or(|front| front.hosts != hosts) {
            let front = Arc::new(Front::new(hosts));
            Arc::make_mut(&mut self.fronts).insert(address, front);
        }
    }

    pub(crate) fn clear_front(&mut self, address: IpAddr) {
        Arc::make_mut(&mut self.fronts).remove(&address);
    }

    pub(crate) fn serve(&mut self, prefix: Prefix, serve: bool) {
        let served = Arc::make_mut(&mut self.served);
        if serve {
            served.insert(prefix);
        } else {
            served.remove(&prefix);
        }
    }

    pub(crate) fn deny(&mut self, prefixes: Vec<Prefix>) {
        self.denied = Arc::new(prefixes);
    }

    /// Who has the address.
    pub fn holder(&self, address: IpAddr) -> Option<&PublicEntry> {
        self.publics.get(&address)
    }

    /// The load balancer's address.
    #[inline]
    pub fn front(&self, address: IpAddr) -> Option<&Front> {
        if self.fronts.is_empty() {
            return None;
        }
        self.fronts.get(&address).map(Arc::as_ref)
    }

    /// The prefixes that this edge takes packets for.
    pub fn served(&self) -> &BTreeSet<Prefix> {
        &self.served
    }

    /// Whether the address is in a served prefix.
    pub fn serves(&self, address: IpAddr) -> bool {
        self.served
            .iter()
            .any(|prefix| prefix.contains_addr(address))
    }

    /// Whether nobody may send there.
    pub fn denies(&self, address: IpAddr) -> bool {
        self.denied
            .iter()
            .any(|prefix| prefix.contains_addr(address))
    }
}
