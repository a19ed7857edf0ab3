//! Where addresses are: the VPC's interfaces by address and by id.
//!
//! Both indexes are sharded, so that publishing one changed mapping copies one small shard and not
//! the tens of thousands around it.

use std::{
    hash::{BuildHasher, Hash},
    net::IpAddr,
    sync::Arc,
};

use weft_model::{DnsLabel, HostName, InterfaceId, Mac, SecurityGroupId, SubnetId};

use crate::hash::Map;

/// A host's place in the list of tunnels; it keeps it when its VTEP changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostSlot(pub(crate) u32);

impl HostSlot {
    /// Its number, from 0 on; no host has one of the highest.
    pub const fn index(self) -> u32 {
        self.0
    }

    /// This host itself.
    pub(crate) const OWN: Self = Self(0);
    /// No host in particular: any edge. Slots count from zero, and never so far.
    pub(crate) const OUTSIDE: Self = Self(u32::MAX - 1);
}

/// An interface, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingEntry {
    /// The interface.
    pub interface: InterfaceId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// The host that it is on.
    pub host: HostName,
    /// That host among the tunnels.
    pub host_slot: HostSlot,
    /// Its MAC.
    pub mac: Mac,
    /// Its private addresses, v4 and v6.
    pub addresses: Vec<IpAddr>,
    /// Its security groups.
    pub groups: Vec<SecurityGroupId>,
    /// Whether it sends only from its own addresses.
    pub source_dest_check: bool,
    /// Its own part of a domain name.
    pub dns_label: Option<DnsLabel>,
}

/// Entries per copy at 20,000 interfaces: about 300.
const SHARDS: usize = 64;

/// A map in shards that are shared between versions until written.
#[derive(Debug, Clone)]
pub(crate) struct Sharded<K, V> {
    shards: Arc<[Arc<Map<K, V>>; SHARDS]>,
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        let empty = Arc::new(Map::default());
        Self {
            shards: Arc::new(std::array::from_fn(|_| Arc::clone(&empty))),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Sharded<K, V> {
    fn shard_of(key: &K) -> usize {
        // The maps use the low bits and the top seven; the shard takes others.
        let hash = foldhash::fast::FixedState::default().hash_one(key);
        (hash >> 40) as usize % SHARDS
    }

    fn shard_mut(&mut self, key: &K) -> &mut Map<K, V> {
        let shards = Arc::make_mut(&mut self.shards);
        Arc::make_mut(&mut shards[Self::shard_of(key)])
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.shards[Self::shard_of(key)].get(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.shard_mut(&key).insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.get(key)?;
        self.shard_mut(key).remove(key)
    }

    #[cfg(test)]
    fn addresses(&self) -> impl Iterator<Item = usize> {
        self.shards.iter().map(|shard| Arc::as_ptr(shard) as usize)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }
}

/// A VPC's interfaces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mappings {
    by_address: Sharded<IpAddr, Arc<MappingEntry>>,
    by_interface: Sharded<InterfaceId, Arc<MappingEntry>>,
    /// Names aren't unique.
    by_label: Sharded<DnsLabel, Vec<InterfaceId>>,
    /// Interfaces without source check per host: such a host may send from any address.
    forwarders: Arc<Map<HostSlot, u32>>,
}

impl Mappings {
    pub(crate) fn by_address(&self, address: IpAddr) -> Option<&MappingEntry> {
        self.by_address.get(&address).map(Arc::as_ref)
    }

    pub(crate) fn by_interface(&self, interface: InterfaceId) -> Option<&MappingEntry> {
        self.by_interface.get(&interface).map(Arc::as_ref)
    }

    pub(crate) fn by_label(&self, label: &DnsLabel) -> impl Iterator<Item = &MappingEntry> {
        let interfaces = self.by_label.get(label).into_iter().flatten();
        interfaces.filter_map(|&interface| self.by_interface(interface))
    }

    /// Where each shard is, to see which are shared.
    #[cfg(test)]
    pub(crate) fn shards(&self) -> Vec<usize> {
        let both = self.by_address.addresses();
        both.chain(self.by_interface.addresses()).collect()
    }

    pub(crate) fn forwards(&self, host: HostSlot) -> bool {
        self.forwarders.contains_key(&host)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &MappingEntry> {
        self.by_interface.values().map(Arc::as_ref)
    }

    /// The newest holder of an address wins: an address may move before its old holder is told.
    pub(crate) fn upsert(&mut self, entry: MappingEntry) {
        self.remove(entry.interface);
        let entry = Arc::new(entry);
        for &address in &entry.addresses {
            self.by_address.insert(address, Arc::clone(&entry));
        }
        if let Some(label) = &entry.dns_label {
            let mut holders = self.by_label.get(label).cloned().unwrap_or_default();
            holders.push(entry.interface);
            self.by_label.insert(label.clone(), holders);
        }
        if !entry.source_dest_check {
            *Arc::make_mut(&mut self.forwarders)
                .entry(entry.host_slot)
                .or_insert(0) += 1;
        }
        self.by_interface.insert(entry.interface, entry);
    }

    /// Whether there was one.
    pub(crate) fn remove(&mut self, interface: InterfaceId) -> bool {
        let Some(old) = self.by_interface.remove(&interface) else {
            return false;
        };
        for address in &old.addresses {
            let holder = self.by_address.get(address);
            if holder.is_some_and(|holder| holder.interface == interface) {
                self.by_address.remove(address);
            }
        }
        if let Some(label) = &old.dns_label {
            let mut holders = self.by_label.remove(label).unwrap_or_default();
            holders.retain(|holder| *holder != interface);
            if !holders.is_empty() {
                self.by_label.insert(label.clone(), holders);
            }
        }
        if !old.source_dest_check {
            let forwarders = Arc::make_mut(&mut self.forwarders);
            if let Some(count) = forwarders.get_mut(&old.host_slot) {
                *count -= 1;
                if *count == 0 {
                    forwarders.remove(&old.host_slot);
                }
            }
        }
        true
    }
}
