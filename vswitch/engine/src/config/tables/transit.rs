//! Transit gateways: what is attached, where their tables lead, and what follows for the VPCs here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use weft_model::{
    RouteInTransit, TransitAttachmentId, TransitTableId, VpcId, VpcInTransit,
    state::{TransitAttachmentState, TransitRouteState},
};

use super::Tables;
use crate::config::transit::{Neighbour, Neighbours, TransitEntry};

/// What the host was told, and what has yet to follow from it.
#[derive(Debug, Default)]
pub(super) struct Transit {
    attachments: BTreeMap<TransitAttachmentId, TransitAttachmentState>,
    of_vpc: BTreeMap<VpcId, BTreeSet<TransitAttachmentId>>,
    /// The attachments that each table routes.
    routed: BTreeMap<TransitTableId, BTreeSet<TransitAttachmentId>>,
    /// The VPCs that each table leads to.
    targets: BTreeMap<TransitTableId, BTreeSet<VpcId>>,
    leading_to: BTreeMap<VpcId, BTreeSet<TransitTableId>>,
    /// VPCs whose neighbours may be others now.
    stale: BTreeSet<VpcId>,
    /// VPCs in which something changed that verdicts in their neighbours depend on.
    touched: BTreeSet<VpcId>,
}

fn put<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: K, value: V) {
    map.entry(key).or_default().insert(value);
}

fn drop_from<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = map.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}

impl Transit {
    fn attachments_of(&self, vpc: VpcId) -> impl Iterator<Item = &TransitAttachmentState> {
        let ids = self.of_vpc.get(&vpc).into_iter().flatten();
        ids.filter_map(|id| self.attachments.get(id))
    }

    fn routed_by(&self, table: TransitTableId) -> impl Iterator<Item = VpcId> {
        let ids = self.routed.get(&table).into_iter().flatten();
        ids.filter_map(|id| Some(self.attachments.get(id)?.vpc))
    }

    fn targets_of(&self, table: TransitTableId) -> impl Iterator<Item = VpcId> {
        self.targets.get(&table).into_iter().flatten().copied()
    }

    /// Each VPC that this one's packets are led to.
    fn receivers(&self, vpc: VpcId) -> impl Iterator<Item = VpcId> {
        let tables = self.attachments_of(vpc).filter_map(|a| a.table);
        tables.flat_map(|table| self.targets_of(table))
    }

    /// Each VPC whose packets are led to this one.
    fn senders(&self, vpc: VpcId) -> impl Iterator<Item = VpcId> {
        let tables = self.leading_to.get(&vpc).into_iter().flatten();
        tables.flat_map(|table| self.routed_by(*table))
    }

    fn link(&mut self, attachment: &TransitAttachmentState) {
        let id = attachment.id;
        self.attachments.insert(id, *attachment);
        put(&mut self.of_vpc, attachment.vpc, id);
        if let Some(table) = attachment.table {
            put(&mut self.routed, table, id);
        }
        self.mark(attachment);
    }

    fn unlink(&mut self, id: TransitAttachmentId) {
        let Some(old) = self.attachments.remove(&id) else {
            return;
        };
        drop_from(&mut self.of_vpc, &old.vpc, &id);
        if let Some(table) = old.table {
            drop_from(&mut self.routed, &table, &id);
        }
        self.mark(&old);
    }

    /// Those whose neighbours depend on the attachment.
    fn mark(&mut self, attachment: &TransitAttachmentState) {
        let targets = attachment.table.into_iter();
        let targets: Vec<_> = targets.flat_map(|table| self.targets_of(table)).collect();
        self.stale.extend(targets);
        self.stale.insert(attachment.vpc);
    }

    fn set_target(&mut self, id: VpcInTransit, there: bool) {
        if there {
            put(&mut self.targets, id.table, id.vpc);
            put(&mut self.leading_to, id.vpc, id.table);
        } else {
            drop_from(&mut self.targets, &id.table, &id.vpc);
            drop_from(&mut self.leading_to, &id.vpc, &id.table);
        }
        let senders: Vec<_> = self.routed_by(id.table).collect();
        self.stale.extend(senders);
        self.stale.insert(id.vpc);
    }

    /// The VPC came or went, or has other blocks.
    pub(super) fn moved(&mut self, vpc: VpcId) {
        let around: Vec<_> = self.receivers(vpc).chain(self.senders(vpc)).collect();
        self.stale.extend(around);
        self.stale.insert(vpc);
    }

    /// Something in the VPC changed.
    pub(super) fn touch(&mut self, vpc: VpcId) {
        self.touched.insert(vpc);
    }
}

impl Tables {
    pub(super) fn upsert_attachment(&mut self, attachment: &TransitAttachmentState) {
        self.transit.unlink(attachment.id);
        self.transit.link(attachment);
    }

    pub(super) fn remove_attachment(&mut self, id: TransitAttachmentId) {
        self.transit.unlink(id);
    }

    pub(super) fn set_transit_target(&mut self, id: VpcInTransit, there: bool) {
        self.transit.set_target(id, there);
    }

    pub(super) fn upsert_transit_route(&mut self, route: &TransitRouteState) {
        let tables = Arc::make_mut(&mut self.config.transit);
        let routes = Arc::make_mut(tables.entry(route.id.table).or_default());
        routes.set(TransitEntry {
            destination: route.id.destination,
            hop: route.hop,
        });
        self.touch_routed(route.id.table);
    }

    pub(super) fn remove_transit_route(&mut self, id: RouteInTransit) {
        let tables = Arc::make_mut(&mut self.config.transit);
        if let Some(routes) = tables.get_mut(&id.table) {
            let routes = Arc::make_mut(routes);
            routes.remove(id.destination);
            if routes.is_empty() {
                tables.remove(&id.table);
            }
        }
        self.touch_routed(id.table);
    }

    fn touch_routed(&mut self, table: TransitTableId) {
        let routed: BTreeSet<_> = self.transit.routed_by(table).collect();
        for vpc in routed {
            self.touch_home(vpc);
        }
    }

    /// Lets everything follow for the VPCs with ports here. What many changes have to do with is done
    /// once for all of them.
    pub(super) fn settle_transit(&mut self) {
        for vpc in std::mem::take(&mut self.transit.stale) {
            self.meet_neighbours(vpc);
        }
        let touched = std::mem::take(&mut self.transit.touched);
        if touched.is_empty() || self.transit.attachments.is_empty() {
            return;
        }
        let homes = self.held.iter().filter(|(_, held)| !held.ports.is_empty());
        let concerned = homes.filter(|(_, held)| {
            let vpc = self.config.vpc(held.slot);
            vpc.is_some_and(|vpc| touched.iter().any(|other| vpc.neighbours.knows(*other)))
        });
        let concerned: Vec<_> = concerned.map(|(vpc, _)| *vpc).collect();
        for vpc in concerned {
            self.touch_home(vpc);
        }
        self.transit.touched.clear();
    }

    fn meet_neighbours(&mut self, vpc: VpcId) {
        if !self.held.contains_key(&vpc) {
            return;
        }
        let mut around: BTreeMap<VpcId, (bool, bool)> = BTreeMap::new();
        for other in self.transit.senders(vpc) {
            around.entry(other).or_default().0 = true;
        }
        for other in self.transit.receivers(vpc) {
            around.entry(other).or_default().1 = true;
        }
        around.remove(&vpc);
        let mut neighbours = Neighbours::default();
        for (other, (sends, receives)) in around {
            let slot = self.held.get(&other).map(|held| held.slot);
            let Some((slot, config)) = slot.and_then(|slot| Some((slot, self.config.vpc(slot)?)))
            else {
                continue;
            };
            let neighbour = Neighbour {
                slot,
                sends,
                receives,
            };
            neighbours.add(other, neighbour, config.prefixes());
        }
        let own = self.transit.attachments_of(vpc);
        let attachments = own.map(|a| (a.gateway, a.into())).collect();
        if let Some(config) = self.touch_home(vpc) {
            config.neighbours = Arc::new(neighbours);
            config.attachments = Arc::new(attachments);
        }
    }
}
