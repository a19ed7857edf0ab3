//! NAT gateways as the packet path sees them, and who holds which of their ports.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use weft_model::{LeaseKey, NatGatewayId, SubnetId};

use super::Config;
use crate::hash::Map;

/// A NAT gateway.
#[derive(Debug, Clone)]
pub struct NatConfig {
    /// Its id.
    pub id: NatGatewayId,
    /// The subnet it stands in, whose route table leads on from it.
    pub subnet: SubnetId,
    /// The address that connections are seen from.
    pub public: Ipv4Addr,
    /// Its own address in the subnet.
    pub private: Ipv4Addr,
    /// What this host lacks of it.
    pub demand: Arc<Demand>,
}

/// What workers say of a gateway to whoever asks the controller for ports.
#[derive(Debug, Default)]
pub struct Demand(AtomicBool);

impl Demand {
    /// Ports run low.
    pub(crate) fn raise(&self) {
        // A plain read first: the line stays shared while nothing changes.
        if !self.0.load(Ordering::Relaxed) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether ports ran low since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// A block of ports that this host holds, as its workers use it.
#[derive(Debug, Default)]
pub struct BlockUse {
    connections: AtomicU32,
    closed: AtomicBool,
}

impl BlockUse {
    pub(crate) fn begin(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// The connections that use its ports now.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    /// No new connection is to use it, or may again.
    pub fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }

    /// Whether no new connection is to use it.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// Who translates to a block of ports.
#[derive(Debug, Clone)]
pub(crate) enum Holder {
    /// This host.
    Own(Arc<BlockUse>),
    /// The host with this VTEP.
    Other(IpAddr),
}

impl Holder {
    /// The host's VTEP.
    pub(crate) fn vtep(&self, config: &Config) -> IpAddr {
        match self {
            Self::Own(_) => config.vtep(),
            Self::Other(vtep) => *vtep,
        }
    }
}

/// The blocks of one public address.
#[derive(Debug, Clone)]
pub(crate) struct AddressLeases {
    blocks: Vec<Option<Holder>>,
    held: usize,
}

impl AddressLeases {
    /// Whoever holds any.
    pub(crate) fn holders(&self) -> impl Iterator<Item = &Holder> {
        self.blocks.iter().flatten()
    }

    /// The blocks that this host holds, in order.
    pub(crate) fn own(&self) -> impl Iterator<Item = (u8, &Arc<BlockUse>)> {
        let blocks = self.blocks.iter().enumerate();
        blocks.filter_map(|(block, holder)| match holder {
            Some(Holder::Own(usage)) => Some((block as u8, usage)),
            Some(Holder::Other(_)) | None => None,
        })
    }
}

/// Who holds which ports, of all addresses that this host knows of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases {
    by_address: Map<Ipv4Addr, Arc<AddressLeases>>,
}

impl Leases {
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (Ipv4Addr, &Arc<AddressLeases>)> {
        self.by_address
            .iter()
            .map(|(&address, leases)| (address, leases))
    }

    /// The same holders, as nobody else uses their ports: what is only asked takes none.
    pub(crate) fn detached(&self) -> Self {
        let mut leases = self.clone();
        for of in leases.by_address.values_mut() {
            let blocks = &mut Arc::make_mut(of).blocks;
            for holder in blocks.iter_mut().flatten() {
                if let Holder::Own(usage) = holder {
                    *usage = Arc::default();
                }
            }
        }
        leases
    }

    pub(crate) fn of(&self, address: Ipv4Addr) -> Option<&Arc<AddressLeases>> {
        self.by_address.get(&address)
    }

    pub(crate) fn holder(&self, key: LeaseKey) -> Option<&Holder> {
        let leases = self.by_address.get(&key.address())?;
        leases.blocks.get(usize::from(key.block()))?.as_ref()
    }

    pub(crate) fn set(&mut self, key: LeaseKey, holder: Option<Holder>) {
        let empty = || {
            Arc::new(AddressLeases {
                blocks: vec![None; usize::from(LeaseKey::BLOCKS)],
                held: 0,
            })
        };
        let leases = self.by_address.entry(key.address()).or_insert_with(empty);
        let leases = Arc::make_mut(leases);
        let is = usize::from(holder.is_some());
        let slot = &mut leases.blocks[usize::from(key.block())];
        let was = usize::from(std::mem::replace(slot, holder).is_some());
        leases.held = leases.held + is - was;
        if leases.held == 0 {
            self.by_address.remove(&key.address());
        }
    }
}

/// What this host lacks of gateways, and what it has too much of.
impl Config {
    /// The gateways whose ports ran low since the last call, each with the blocks that this host
    /// holds of it.
    pub fn lacking_nats(&self) -> Vec<(NatGatewayId, usize)> {
        let nats = self.vpcs().flat_map(|vpc| vpc.nats.values());
        let lacking = nats.filter(|nat| nat.demand.take());
        lacking
            .map(|nat| (nat.id, self.own_blocks(nat.public).count()))
            .collect()
    }

    /// What a gateway lacks is yet to be asked for.
    pub fn remind(&self, id: NatGatewayId) {
        let nats = self.vpcs().filter_map(|vpc| vpc.nats.get(&id));
        nats.for_each(|nat| nat.demand.raise());
    }

    /// Blocks to give back: closed since the last call, and without a connection. A block of each
    /// address that lies idle beside another idle one is closed for the next.
    pub fn idle_leases(&self) -> Vec<LeaseKey> {
        let addresses = self.leases.addresses().map(|(address, _)| address);
        addresses
            .filter_map(|address| self.idle_lease(address))
            .collect()
    }

    fn idle_lease(&self, address: Ipv4Addr) -> Option<LeaseKey> {
        let idle = self.own_blocks(address);
        let idle = idle.filter(|(_, usage)| usage.connections() == 0);
        let idle: Vec<_> = idle.collect();
        if idle.len() < 2 {
            self.own_blocks(address)
                .for_each(|(_, usage)| usage.close(false));
            return None;
        }
        let (block, usage) = idle.last()?;
        if usage.is_closed() {
            return LeaseKey::new(address, *block);
        }
        usage.close(true);
        None
    }

    fn own_blocks(&self, address: Ipv4Addr) -> impl Iterator<Item = (u8, &Arc<BlockUse>)> {
        self.leases.of(address).into_iter().flat_map(|of| of.own())
    }
}
