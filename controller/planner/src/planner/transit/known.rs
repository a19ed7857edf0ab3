//! What is known of transit gateways, and what hosts must hold of it.

use std::collections::{BTreeMap, BTreeSet};

use weft_model::{
    Prefix, RouteInTransit, TransitAttachment, TransitAttachmentId, TransitGatewayId, TransitHop,
    TransitTableId, VpcId, VpcInTransit, state::StateKey, transit::TransitClaim,
};

use crate::presence::Counted;

/// A gateway's table, from all that says something of it.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Whether it exists: what refers to it may come first.
    pub(super) there: bool,
    pub(super) statics: BTreeMap<Prefix, Option<TransitAttachmentId>>,
    pub(super) claims: BTreeMap<Prefix, BTreeSet<TransitClaim>>,
    /// Where its destinations lead, as hosts were told.
    pub(super) hops: BTreeMap<Prefix, Option<TransitHop>>,
    /// The VPCs that its routes lead to, once for each route.
    pub(super) targets: Counted<VpcId>,
    /// Who is routed by it.
    pub(super) associated: BTreeSet<TransitAttachmentId>,
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        !self.there && self.claims.is_empty() && self.associated.is_empty()
    }

    /// A static route beats announced ones; of these the oldest attachment's wins.
    pub(super) fn target(&self, prefix: Prefix) -> Option<Option<TransitAttachmentId>> {
        let claims = self.claims.get(&prefix).and_then(BTreeSet::first);
        let announced = claims.map(|&(_, attachment)| Some(attachment));
        let given = self.statics.get(&prefix).copied();
        given.or(announced).filter(|_| self.there)
    }

    pub(super) fn prefixes(&self) -> BTreeSet<Prefix> {
        let all = self.statics.keys().chain(self.claims.keys());
        all.chain(self.hops.keys()).copied().collect()
    }
}

/// What states about transit gateways follow from.
#[derive(Debug, Default)]
pub(in crate::planner) struct Transit {
    pub(super) tables: BTreeMap<TransitTableId, Table>,
    pub(super) attachments: BTreeMap<TransitAttachmentId, TransitAttachment>,
    pub(super) of_vpc: BTreeMap<VpcId, BTreeSet<TransitAttachmentId>>,
    pub(super) blocks: BTreeMap<VpcId, BTreeSet<Prefix>>,
    /// The static routes to each attachment, be it there or not.
    pub(super) routes_to: BTreeMap<TransitAttachmentId, BTreeSet<RouteInTransit>>,
    /// The tables that lead to each VPC.
    pub(super) leading_to: BTreeMap<VpcId, BTreeSet<TransitTableId>>,
}

/// Asking.
impl Transit {
    pub(in crate::planner) fn is_attached(&self, gateway: TransitGatewayId, vpc: VpcId) -> bool {
        let mut attachments = self.attachments_of(vpc);
        attachments.any(|attachment| attachment.gateway == gateway)
    }

    /// What hosts with ports in the VPC hold: its attachments with all of their tables, and those that
    /// send to it.
    pub(in crate::planner) fn keys_of(&self, vpc: VpcId) -> BTreeSet<StateKey> {
        let own = self.attachments_of(vpc);
        let own = own.map(|attachment| StateKey::TransitAttachment(attachment.id));
        let tables = self.tables_of(vpc).into_iter();
        let routed = tables.flat_map(|table| self.keys_in(table));
        let leading = self.leading_to.get(&vpc).into_iter().flatten();
        let received = leading.flat_map(|&table| {
            let target = StateKey::TransitTarget(VpcInTransit { table, vpc });
            self.associated_keys(table).chain([target])
        });
        own.chain(routed).chain(received).collect()
    }

    /// Whether the VPC is one of those that `keys_of` gives the key for.
    pub(super) fn is_needed(&self, key: &StateKey, vpc: VpcId) -> bool {
        match key {
            StateKey::TransitRoute(route) => self.is_used(route.table, vpc),
            StateKey::TransitTarget(id) => {
                id.vpc == vpc && self.leads(id.table, vpc) || self.is_used(id.table, vpc)
            }
            StateKey::TransitAttachment(id) => self.attachments.get(id).is_some_and(|a| {
                let is_sender = |table| self.is_associated(*id, table) && self.leads(table, vpc);
                a.vpc == vpc || a.table.is_some_and(is_sender)
            }),
            _ => false,
        }
    }

    pub(super) fn leads(&self, table: TransitTableId, to: VpcId) -> bool {
        let tables = self.leading_to.get(&to);
        tables.is_some_and(|tables| tables.contains(&table))
    }

    pub(super) fn is_associated(
        &self,
        attachment: TransitAttachmentId,
        table: TransitTableId,
    ) -> bool {
        let table = self.tables.get(&table);
        table.is_some_and(|table| table.associated.contains(&attachment))
    }

    /// The VPCs that are routed by the table.
    pub(super) fn vpcs_of(&self, table: TransitTableId) -> Vec<VpcId> {
        let table = self.tables.get(&table).into_iter();
        let associated = table.flat_map(|table| &table.associated);
        let vpcs = associated.filter_map(|id| Some(self.attachments.get(id)?.vpc));
        vpcs.collect()
    }

    pub(super) fn targets_of(&self, table: TransitTableId) -> Vec<VpcId> {
        let table = self.tables.get(&table).into_iter();
        table
            .flat_map(|table| table.targets.keys().copied())
            .collect()
    }

    pub(super) fn attachments_of(&self, vpc: VpcId) -> impl Iterator<Item = &TransitAttachment> {
        let ids = self.of_vpc.get(&vpc).into_iter().flatten();
        ids.filter_map(|id| self.attachments.get(id))
    }

    pub(super) fn tables_of(&self, vpc: VpcId) -> BTreeSet<TransitTableId> {
        let tables = self.attachments_of(vpc).filter_map(|a| a.table);
        tables.filter(|table| self.is_used(*table, vpc)).collect()
    }

    pub(super) fn is_used(&self, table: TransitTableId, by: VpcId) -> bool {
        let mut own = self.of_vpc.get(&by).into_iter().flatten();
        own.any(|attachment| self.is_associated(*attachment, table))
    }

    /// What a table says: its routes, and the VPCs that they lead to.
    pub(super) fn keys_in(&self, id: TransitTableId) -> impl Iterator<Item = StateKey> {
        let tables = self.tables.get(&id).into_iter();
        tables.flat_map(move |table| {
            let routes = table.hops.keys().map(move |&destination| {
                StateKey::TransitRoute(RouteInTransit {
                    table: id,
                    destination,
                })
            });
            let targets = table
                .targets
                .keys()
                .map(move |&vpc| StateKey::TransitTarget(VpcInTransit { table: id, vpc }));
            routes.chain(targets)
        })
    }

    pub(super) fn associated_keys(&self, table: TransitTableId) -> impl Iterator<Item = StateKey> {
        let table = self.tables.get(&table).into_iter();
        let associated = table.flat_map(|table| &table.associated);
        associated.map(|id| StateKey::TransitAttachment(*id))
    }

    /// Who hears of the attachment.
    pub(super) fn audience(&self, attachment: &TransitAttachment) -> Vec<VpcId> {
        let table = attachment.table.into_iter();
        let targets = table.flat_map(|table| self.targets_of(table));
        targets.chain([attachment.vpc]).collect()
    }

    /// One route more, or less, leads from the table to the VPC: whether it is the first, or was the
    /// last.
    pub(super) fn count(&mut self, id: VpcInTransit, more: bool) -> bool {
        let Some(table) = self.tables.get_mut(&id.table) else {
            return false;
        };
        let tables = self.leading_to.entry(id.vpc).or_default();
        let changed = if more {
            table.targets.add(&id.vpc) && tables.insert(id.table)
        } else {
            table.targets.sub(&id.vpc) && tables.remove(&id.table)
        };
        if tables.is_empty() {
            self.leading_to.remove(&id.vpc);
        }
        changed
    }

    /// What the attachment announces, and where.
    pub(super) fn claims_of(&self, attachment: &TransitAttachment) -> BTreeSet<RouteInTransit> {
        let blocks = self.blocks.get(&attachment.vpc).into_iter().flatten();
        let routes = blocks.flat_map(|&destination| {
            let tables = attachment.propagations.iter();
            tables.map(move |&table| RouteInTransit { table, destination })
        });
        routes.collect()
    }

    pub(super) fn claim(&mut self, route: RouteInTransit, claim: TransitClaim, there: bool) {
        let claims = &mut self.tables.entry(route.table).or_default().claims;
        let claimants = claims.entry(route.destination).or_default();
        if there {
            claimants.insert(claim);
        } else {
            claimants.remove(&claim);
        }
        if claimants.is_empty() {
            claims.remove(&route.destination);
        }
    }

    pub(super) fn hop(&self, route: RouteInTransit) -> Option<Option<TransitHop>> {
        let target = self.tables.get(&route.table)?.target(route.destination)?;
        Some(target.and_then(|attachment| {
            let vpc = self.attachments.get(&attachment)?.vpc;
            Some(TransitHop { attachment, vpc })
        }))
    }

    pub(super) fn forget_if_empty(&mut self, table: TransitTableId) {
        if self.tables.get(&table).is_some_and(Table::is_empty) {
            self.tables.remove(&table);
        }
    }
}
