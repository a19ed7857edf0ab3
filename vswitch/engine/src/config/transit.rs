//! Transit gateways' tables, and the VPCs that one exchanges packets with by them.

use std::net::IpAddr;

use weft_model::{
    Prefix, TransitAttachmentId, TransitHop, TransitTableId, VpcId, state::TransitAttachmentState,
};

use super::{Config, MappingEntry, PortView, VpcConfig, VpcSlot, prefix_map::PrefixMap};
use crate::{
    hash::Map,
    mutation::{Mutation, is_awake},
};

/// A route of a transit gateway's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransitEntry {
    /// The addresses it is for.
    pub(crate) destination: Prefix,
    /// Where it leads, if anywhere.
    pub(crate) hop: Option<TransitHop>,
}

/// A table's routes.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransitRoutes {
    by_prefix: PrefixMap<TransitEntry>,
}

impl TransitRoutes {
    pub(crate) fn set(&mut self, entry: TransitEntry) {
        let prefix = entry.destination;
        *self.by_prefix.entry_or_insert_with(prefix, || entry) = entry;
    }

    pub(crate) fn remove(&mut self, destination: Prefix) {
        self.by_prefix.remove(destination);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_prefix.is_empty()
    }

    /// The route with the longest prefix that holds the address.
    pub(crate) fn longest(&self, address: IpAddr) -> Option<&TransitEntry> {
        let falls = is_awake(Mutation::BlackholeFallsThrough);
        let mut matches = self.by_prefix.matches(address);
        matches.find(|entry| !falls || entry.hop.is_some())
    }
}

/// A VPC's attachment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attached {
    pub(crate) id: TransitAttachmentId,
    /// The table that routes what comes from the VPC.
    pub(crate) table: Option<TransitTableId>,
}

impl From<&TransitAttachmentState> for Attached {
    fn from(state: &TransitAttachmentState) -> Self {
        Self {
            id: state.id,
            table: state.table,
        }
    }
}

/// A VPC on the other side of a transit gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neighbour {
    pub(crate) slot: VpcSlot,
    /// Its packets may come here.
    pub(crate) sends: bool,
    /// Packets from here are led there.
    pub(crate) receives: bool,
}

/// The VPCs that one exchanges packets with by transit gateways, as far as they are here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Neighbours {
    by_vpc: Map<VpcId, Neighbour>,
    /// By their blocks; several may have the same.
    by_block: PrefixMap<Vec<Neighbour>>,
}

impl Neighbours {
    pub(crate) fn add<'a>(
        &mut self,
        vpc: VpcId,
        neighbour: Neighbour,
        blocks: impl IntoIterator<Item = Prefix> + 'a,
    ) {
        self.by_vpc.insert(vpc, neighbour);
        for block in blocks {
            let there = self.by_block.entry_or_insert_with(block, Vec::new);
            there.push(neighbour);
        }
    }

    pub(crate) fn knows(&self, vpc: VpcId) -> bool {
        self.by_vpc.contains_key(&vpc)
    }

    /// The VPC, where packets are led there.
    pub(crate) fn receiver(&self, vpc: VpcId) -> Option<VpcSlot> {
        let neighbour = self.by_vpc.get(&vpc)?;
        neighbour.receives.then_some(neighbour.slot)
    }

    fn around(&self, address: IpAddr) -> impl Iterator<Item = &Neighbour> {
        self.by_block.matches(address).flatten()
    }
}

impl Config {
    pub(crate) fn transit_routes(&self, table: TransitTableId) -> Option<&TransitRoutes> {
        self.transit.get(&table).map(AsRef::as_ref)
    }

    /// The VPCs with this address whose packets may come to this one by a transit gateway.
    pub(crate) fn senders<'a>(
        &'a self,
        vpc: &'a VpcConfig,
        address: IpAddr,
    ) -> impl Iterator<Item = &'a VpcConfig> {
        let around = vpc.neighbours.around(address).filter(|near| near.sends);
        around.filter_map(|near| self.vpc(near.slot))
    }
}

impl<'a> PortView<'a> {
    /// The interface that holds the address, in the VPC or one that it exchanges packets with. Of
    /// several on the other sides of transit gateways it is the one that the port's own packets are
    /// led to.
    pub(crate) fn holder(&self, address: IpAddr) -> Option<&'a MappingEntry> {
        self.other_end(address).or_else(|| self.beyond(address))
    }

    fn beyond(&self, address: IpAddr) -> Option<&'a MappingEntry> {
        let near = &self.vpc.neighbours;
        let mut around = near.around(address).peekable();
        around.peek()?;
        let held = |slot| self.config.vpc(slot).and_then(|vpc| vpc.mapping(address));
        let led = self.led_to(address).and_then(held);
        led.or_else(|| around.find_map(|near| held(near.slot)))
    }

    /// Where the port's own packets to the address are led.
    fn led_to(&self, address: IpAddr) -> Option<VpcSlot> {
        let routes = self.vpc.routes.get(&self.subnet().route_table)?;
        let weft_model::RouteTarget::TransitGateway(gateway) = routes.longest(address)?.target
        else {
            return None;
        };
        let table = self.vpc.attachments.get(&gateway)?.table?;
        let hop = self.config.transit_routes(table)?.longest(address)?.hop?;
        self.vpc.neighbours.receiver(hop.vpc)
    }
}
