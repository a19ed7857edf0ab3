//! Transit gateways. Hosts hold the routes of a gateway's table one by one, so that a VPC's block costs
//! one route for each host that is routed by the table, and neither the table nor any VPC's tables.

mod known;

use std::collections::BTreeSet;

use weft_model::{
    HostName, Prefix, RouteInTransit, RouteTarget, TransitAttachment, TransitAttachmentId,
    TransitHop, TransitTable, TransitTableId, Vpc, VpcId, VpcInTransit,
    state::{State, StateKey, TransitRouteState, TransitTargetState},
    transit::TransitClaim,
};

pub(super) use self::known::Transit;
use super::{Audience, Planner};
use crate::{derive, plan::Plan};

/// One resource, new or changed or gone.
impl<B> Planner<B> {
    pub(super) fn put_transit_table(&mut self, table: &TransitTable, plan: &mut Plan<B>) {
        let known = self.transit.tables.entry(table.id).or_default();
        let statics = table.routes.iter().map(|r| (r.destination, r.target));
        let before = std::mem::replace(&mut known.statics, statics.collect());
        let touched: BTreeSet<Prefix> = if std::mem::replace(&mut known.there, true) {
            let differs = |prefix: &&Prefix| before.get(prefix) != known.statics.get(prefix);
            let all = before.keys().chain(known.statics.keys());
            all.filter(differs).copied().collect()
        } else {
            known.prefixes()
        };
        for &destination in &touched {
            let route = RouteInTransit {
                table: table.id,
                destination,
            };
            self.lead_to(before.get(&destination).copied().flatten(), route, false);
            let known = self.transit.tables.get(&table.id);
            let target = known.and_then(|known| known.statics.get(&destination));
            self.lead_to(target.copied().flatten(), route, true);
            self.refresh_transit(route, plan);
        }
    }

    pub(super) fn take_transit_table(&mut self, id: TransitTableId, plan: &mut Plan<B>) {
        let Some(known) = self.transit.tables.get_mut(&id) else {
            return;
        };
        known.there = false;
        let prefixes = known.prefixes();
        let statics = std::mem::take(&mut known.statics);
        for destination in prefixes {
            let route = RouteInTransit {
                table: id,
                destination,
            };
            self.lead_to(statics.get(&destination).copied().flatten(), route, false);
            self.refresh_transit(route, plan);
        }
        self.transit.forget_if_empty(id);
    }

    /// Notes that a static route leads to the attachment, or no longer.
    fn lead_to(&mut self, to: Option<TransitAttachmentId>, route: RouteInTransit, there: bool) {
        let Some(to) = to else {
            return;
        };
        let routes = self.transit.routes_to.entry(to).or_default();
        if there {
            routes.insert(route);
        } else {
            routes.remove(&route);
        }
        if routes.is_empty() {
            self.transit.routes_to.remove(&to);
        }
    }

    pub(super) fn put_attachment(&mut self, attachment: &TransitAttachment, plan: &mut Plan<B>) {
        let id = attachment.id;
        let before = self.transit.attachments.get(&id).cloned();
        let moved = |old: &TransitAttachment| {
            (old.vpc, old.gateway) != (attachment.vpc, attachment.gateway)
        };
        if before.as_ref().is_some_and(moved) {
            self.take_attachment(id, plan);
            return self.put_attachment(attachment, plan);
        }
        let transit = &mut self.transit;
        transit.attachments.insert(id, attachment.clone());
        transit.of_vpc.entry(attachment.vpc).or_default().insert(id);
        let table = before.as_ref().and_then(|before| before.table);
        if table != attachment.table {
            self.associate(attachment, attachment.table, plan);
            self.dissociate(attachment, table, plan);
        }
        let state = State::TransitAttachment(derive::transit_attachment(attachment));
        let audience = self.transit.audience(attachment);
        self.set(&state, &Audience::Among(&audience), plan);
        self.announce(before.as_ref(), Some(attachment), plan);
        if before.is_none() {
            self.refresh_around(attachment, plan);
        }
    }

    pub(super) fn take_attachment(&mut self, id: TransitAttachmentId, plan: &mut Plan<B>) {
        let Some(old) = self.transit.attachments.get(&id).cloned() else {
            return;
        };
        self.announce(Some(&old), None, plan);
        let audience = self.transit.audience(&old);
        let key = StateKey::TransitAttachment(id);
        self.unset(&key, &Audience::Among(&audience), plan);
        self.dissociate(&old, old.table, plan);
        self.transit.attachments.remove(&id);
        if let Some(ids) = self.transit.of_vpc.get_mut(&old.vpc) {
            ids.remove(&id);
            if ids.is_empty() {
                self.transit.of_vpc.remove(&old.vpc);
            }
        }
        self.refresh_around(&old, plan);
    }

    /// The attachment came or went: routes to it lead somewhere now, or no longer.
    fn refresh_around(&mut self, attachment: &TransitAttachment, plan: &mut Plan<B>) {
        let routes = self.transit.routes_to.get(&attachment.id);
        for route in routes.cloned().unwrap_or_default() {
            self.refresh_transit(route, plan);
        }
        let target = RouteTarget::TransitGateway(attachment.gateway);
        let tables = self.tables_to.get(&target).into_iter().flatten();
        let is_own = |id: &&_| self.tables.get(id).is_some_and(|t| t.vpc == attachment.vpc);
        let tables: Vec<_> = tables.filter(is_own).copied().collect();
        for table in tables {
            self.refresh_table(table, plan);
        }
    }

    /// The VPC's blocks, which its attachments announce.
    pub(super) fn set_blocks(&mut self, vpc: VpcId, blocks: Option<&Vpc>, plan: &mut Plan<B>) {
        let attachments: Vec<_> = self.transit.attachments_of(vpc).cloned().collect();
        let claims = |planner: &Self| -> Vec<_> {
            let each = attachments.iter();
            each.map(|a| planner.transit.claims_of(a)).collect()
        };
        let before = claims(self);
        match blocks {
            Some(blocks) => self.transit.blocks.insert(vpc, blocks.blocks().collect()),
            None => self.transit.blocks.remove(&vpc),
        };
        let after = claims(self);
        for (attachment, claims) in attachments.iter().zip(before.iter().zip(&after)) {
            let claim = claim(attachment);
            self.replace_claims(claims.0, (claims.1, claim), claim, plan);
        }
    }

    fn announce(
        &mut self,
        before: Option<&TransitAttachment>,
        after: Option<&TransitAttachment>,
        plan: &mut Plan<B>,
    ) {
        let of = |a: Option<&TransitAttachment>| a.map(|a| self.transit.claims_of(a));
        let (old, new) = (of(before), of(after));
        let Some(now) = after.or(before).map(claim) else {
            return;
        };
        let was = before.map_or(now, claim);
        self.replace_claims(
            &old.unwrap_or_default(),
            (&new.unwrap_or_default(), now),
            was,
            plan,
        );
    }

    fn replace_claims(
        &mut self,
        old: &BTreeSet<RouteInTransit>,
        (new, claim): (&BTreeSet<RouteInTransit>, TransitClaim),
        was: TransitClaim,
        plan: &mut Plan<B>,
    ) {
        let stays = |route: &RouteInTransit| was == claim && new.contains(route);
        let gone: Vec<_> = old.iter().filter(|route| !stays(route)).collect();
        for route in &gone {
            self.transit.claim(**route, was, false);
        }
        let had = |route: &RouteInTransit| was == claim && old.contains(route);
        let come: Vec<_> = new.iter().filter(|route| !had(route)).collect();
        for route in &come {
            self.transit.claim(**route, claim, true);
        }
        for route in come.into_iter().chain(gone) {
            self.refresh_transit(*route, plan);
            self.transit.forget_if_empty(route.table);
        }
    }

    /// Tells of a route what has changed.
    fn refresh_transit(&mut self, route: RouteInTransit, plan: &mut Plan<B>) {
        let now = self.transit.hop(route);
        let Some(table) = self.transit.tables.get_mut(&route.table) else {
            return;
        };
        let before = match now {
            Some(hop) => table.hops.insert(route.destination, hop),
            None => table.hops.remove(&route.destination),
        };
        let vpc = |hop: Option<Option<TransitHop>>| hop.flatten().map(|hop| hop.vpc);
        let (old, new) = (vpc(before), vpc(now));
        let users = self.transit.vpcs_of(route.table);
        let id = |vpc| VpcInTransit {
            table: route.table,
            vpc,
        };
        if let Some(id) = new.filter(|_| old != new).map(id)
            && self.transit.count(id, true)
        {
            self.lead(id, &users, plan);
        }
        let audience = Audience::Among(&users);
        match now {
            Some(hop) => {
                let state = State::TransitRoute(TransitRouteState { id: route, hop });
                self.set(&state, &audience, plan);
            }
            None => self.unset(&StateKey::TransitRoute(route), &audience, plan),
        }
        if let Some(id) = old.filter(|_| old != new).map(id)
            && self.transit.count(id, false)
        {
            self.mislead(id, &users, plan);
        }
    }
}

fn claim(attachment: &TransitAttachment) -> TransitClaim {
    (attachment.meta.created, attachment.id)
}

/// Who is routed by which table.
impl<B> Planner<B> {
    fn associate(
        &mut self,
        attachment: &TransitAttachment,
        table: Option<TransitTableId>,
        plan: &mut Plan<B>,
    ) {
        let Some(id) = table else {
            return;
        };
        let vpc = attachment.vpc;
        let table = self.transit.tables.entry(id).or_default();
        table.associated.insert(attachment.id);
        for to in self.transit.targets_of(id) {
            self.join_transit(vpc, to, plan);
        }
        let keys: Vec<_> = self.transit.keys_in(id).collect();
        for host in self.hosts_in(&[vpc]) {
            keys.iter().for_each(|key| self.tell(&host, key, plan));
        }
    }

    fn dissociate(
        &mut self,
        attachment: &TransitAttachment,
        table: Option<TransitTableId>,
        plan: &mut Plan<B>,
    ) {
        let Some(id) = table else {
            return;
        };
        let vpc = attachment.vpc;
        if let Some(table) = self.transit.tables.get_mut(&id) {
            table.associated.remove(&attachment.id);
        }
        let targets = self.transit.targets_of(id);
        let keys: Vec<_> = self.transit.keys_in(id).collect();
        for host in self.hosts_in(&[vpc]) {
            keys.iter().for_each(|key| self.retract(&host, key, plan));
        }
        let key = StateKey::TransitAttachment(attachment.id);
        for host in self.hosts_in(&targets) {
            self.retract(&host, &key, plan);
        }
        for to in targets {
            self.part_transit(vpc, to, plan);
        }
        self.transit.forget_if_empty(id);
    }

    /// The table leads to the VPC from now on.
    fn lead(&mut self, id: VpcInTransit, users: &[VpcId], plan: &mut Plan<B>) {
        for &from in users {
            self.join_transit(from, id.vpc, plan);
        }
        let audience: Vec<_> = users.iter().copied().chain([id.vpc]).collect();
        let state = State::TransitTarget(TransitTargetState { id });
        self.set(&state, &Audience::Among(&audience), plan);
        let keys: Vec<_> = self.transit.associated_keys(id.table).collect();
        for host in self.hosts_in(&[id.vpc]) {
            keys.iter().for_each(|key| self.tell(&host, key, plan));
        }
    }

    /// The table leads to the VPC no longer.
    fn mislead(&mut self, id: VpcInTransit, users: &[VpcId], plan: &mut Plan<B>) {
        let audience: Vec<_> = users.iter().copied().chain([id.vpc]).collect();
        self.unset(
            &StateKey::TransitTarget(id),
            &Audience::Among(&audience),
            plan,
        );
        let keys: Vec<_> = self.transit.associated_keys(id.table).collect();
        for host in self.hosts_in(&[id.vpc]) {
            keys.iter().for_each(|key| self.retract(&host, key, plan));
        }
        for &from in users {
            self.part_transit(from, id.vpc, plan);
        }
    }

    fn join_transit(&mut self, from: VpcId, to: VpcId, plan: &mut Plan<B>) {
        if from != to {
            self.link(from, to, plan);
        }
    }

    fn part_transit(&mut self, from: VpcId, to: VpcId, plan: &mut Plan<B>) {
        if from != to {
            self.unlink(from, to, plan);
        }
    }

    fn hosts_in(&self, vpcs: &[VpcId]) -> BTreeSet<HostName> {
        let hosts = vpcs.iter().flat_map(|vpc| self.presence.hosts_of_vpc(*vpc));
        hosts.cloned().collect()
    }

    /// The host is told to forget it, unless a VPC with ports there needs it.
    fn retract(&self, host: &HostName, key: &StateKey, plan: &mut Plan<B>) {
        let mut vpcs = self.presence.vpcs(host);
        if !vpcs.any(|vpc| self.transit.is_needed(key, vpc)) {
            plan.remove(host, key.clone());
        }
    }

    /// The host has its first port in the VPC.
    pub(super) fn tell_transit(&self, host: &HostName, vpc: VpcId, plan: &mut Plan<B>) {
        for key in self.transit.keys_of(vpc) {
            let mut others = self.presence.vpcs(host).filter(|other| *other != vpc);
            if !others.any(|other| self.transit.is_needed(&key, other)) {
                self.tell(host, &key, plan);
            }
        }
    }

    /// The host's last port in the VPC is gone.
    pub(super) fn untell_transit(&self, host: &HostName, vpc: VpcId, plan: &mut Plan<B>) {
        for key in self.transit.keys_of(vpc) {
            self.retract(host, &key, plan);
        }
    }
}
