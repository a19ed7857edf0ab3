//! NAT: which public port each connection has.
//!
//! A port is one connection's per public address, protocol, remote address and remote port, so it
//! is used again across destinations. Hosts hold blocks of ports, and workers their parts of them:
//! port `p` is of worker `p % 256 % workers`, which the kernel steers its packets to. Nobody asks
//! anybody for a port.

mod pieces;
mod ports;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use weft_model::Mac;

pub(crate) use self::pieces::Pieces;
use self::ports::{Pool, Ports};
use crate::{
    config::{NatConfig, nat::Leases},
    flow::FlowKey,
    hash::Map,
    port::PortIndex,
};

/// How the MAC of a NAT port begins; its last two bytes are the port.
const MAC_PREFIX: [u8; 4] = [0x02, b'N', b'A', b'T'];

/// Free ports of a destination below which a worker asks for more: what a burst of connections takes
/// while the answer is on its way, and little enough that hosts don't hoard.
const RESERVE: usize = 1024;

/// The part of all ports that is this worker's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) worker: usize,
    pub(crate) workers: usize,
}

impl Share {
    fn has(self, port: u16) -> bool {
        usize::from(port) % 256 % self.workers.max(1) == self.worker
    }
}

/// One worker's ports and who has them.
#[derive(Debug)]
pub(crate) struct Nat {
    share: Share,
    leases: Arc<Leases>,
    ports: Map<std::net::Ipv4Addr, Ports>,
    /// By destination: an outside key without its local port. Tenants choose destinations, so the
    /// hash has the engine's seed.
    pools: HashMap<FlowKey, Pool, FixedState>,
    /// The port behind each outside key.
    owners: HashMap<FlowKey, PortIndex, FixedState>,
    /// The ports behind datagrams of which the first piece came in.
    pub(crate) pieces: Pieces<PortIndex>,
}

/// The MAC that packets to the NAT port are for.
pub(crate) fn mac(port: u16) -> Mac {
    let ([a, b, c, d], [high, low]) = (MAC_PREFIX, port.to_be_bytes());
    Mac::new([a, b, c, d, high, low])
}

/// Whether the MAC is that of a NAT port.
pub(crate) fn is_nat(mac: Mac) -> bool {
    mac.octets().starts_with(&MAC_PREFIX)
}

impl Nat {
    pub(crate) fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        Self {
            share: Share {
                worker: 0,
                workers: 1,
            },
            leases: Arc::default(),
            ports: Map::default(),
            pools: HashMap::with_hasher(hasher.clone()),
            owners: HashMap::with_hasher(hasher),
            pieces: Pieces::new(seed),
        }
    }

    /// Takes part in the ports as this worker of so many. Before any lease is known.
    pub(crate) fn set_share(&mut self, share: Share) {
        self.share = share;
    }

    /// Takes newer leases; the outside keys of connections that lost their ports with older ones.
    pub(crate) fn update(&mut self, leases: &Arc<Leases>) -> Vec<FlowKey> {
        let mut lost = Vec::new();
        if Arc::ptr_eq(&self.leases, leases) {
            return lost;
        }
        self.leases = Arc::clone(leases);
        let addresses: Vec<_> = self.ports.keys().copied().collect();
        for address in addresses {
            if leases
                .of(address)
                .is_none_or(|of| of.own().next().is_none())
            {
                self.ports.remove(&address);
                self.pools
                    .retain(|key, _| key.local() != IpAddr::V4(address));
                let is_gone = |key: &FlowKey| key.local() == IpAddr::V4(address);
                let gone = self.owners.extract_if(|key, _| is_gone(key));
                lost.extend(gone.map(|(key, port)| key.at(port)));
            }
        }
        for (address, of) in leases.addresses() {
            let own = of.own().map(|(block, usage)| (block, Arc::clone(usage)));
            let own: Vec<_> = own.collect();
            if own.is_empty() {
                continue;
            }
            let ports = self.ports.entry(address).or_default();
            let share = self.share;
            let Some(gone) = ports.set(address, &own, |port| share.has(port)) else {
                continue;
            };
            let local = IpAddr::V4(address);
            for (_, pool) in self
                .pools
                .iter_mut()
                .filter(|(key, _)| key.local() == local)
            {
                pool.forget(&gone);
            }
            self.pools.retain(|_, pool| pool.live() > 0);
            let is_gone = |key: &FlowKey| key.local() == local && gone.is_gone(key.ports().0);
            let gone = self.owners.extract_if(|key, _| is_gone(key));
            lost.extend(gone.map(|(key, port)| key.at(port)));
        }
        lost
    }

    /// How the connection looks on the wire from now on; `None` where no port is left for its
    /// destination.
    pub(crate) fn allocate(&mut self, own: &FlowKey, nat: &NatConfig) -> Option<FlowKey> {
        let public = IpAddr::V4(nat.public);
        let Some(ports) = self.ports.get(&nat.public) else {
            nat.demand.raise();
            return None;
        };
        let destination = own.anywhere().with_local((public, 0));
        let pool = self.pools.entry(destination).or_default();
        let port = pool.take(ports);
        if ports.len().saturating_sub(pool.live()) < (ports.len() / 2).min(RESERVE) {
            nat.demand.raise();
        }
        let Some(port) = port else {
            if pool.live() == 0 {
                self.pools.remove(&destination);
            }
            return None;
        };
        ports.begin(port);
        let outside = own.with_local((public, port));
        self.owners.insert(outside.anywhere(), own.port());
        Some(outside)
    }

    /// The connection is over: others may have its port. What isn't a NAT's is none of its business.
    pub(crate) fn release(&mut self, outside: &FlowKey) {
        if self.owners.remove(&outside.anywhere()).is_none() {
            return;
        }
        let (port, _) = outside.ports();
        let IpAddr::V4(public) = outside.local() else {
            return;
        };
        let ports = self.ports.get(&public);
        if let Some(ports) = ports {
            ports.end(port);
        }
        let destination = outside.anywhere().with_local((outside.local(), 0));
        if let Some(pool) = self.pools.get_mut(&destination) {
            pool.give_back(port, ports.is_some_and(|ports| ports.has(port)));
            if pool.live() == 0 {
                self.pools.remove(&destination);
            }
        }
    }

    /// Whether the outside key is still its connection's.
    pub(crate) fn holds(&self, outside: &FlowKey) -> bool {
        self.owners.get(&outside.anywhere()) == Some(&outside.port())
    }

    /// The port behind a packet's outside key.
    pub(crate) fn owner(&self, key: &FlowKey) -> Option<PortIndex> {
        self.owners.get(&key.anywhere()).copied()
    }
}
