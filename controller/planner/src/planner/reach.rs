//! What a host must know of VPCs that it has no port in: those that its own exchange packets with.

use std::collections::BTreeSet;

use weft_model::{
    HostName, Peering, PeeringId, RouteTarget, VpcId,
    state::{State, StateKey},
};

use super::{Audience, Planner};
use crate::{derive, plan::Plan};

/// Peerings come, are answered and go.
impl<B> Planner<B> {
    pub(super) fn put_peering(&mut self, peering: &Peering, plan: &mut Plan<B>) {
        let before = self.peerings.insert(peering.id, peering.clone());
        let was = before.is_some_and(|before| before.is_active());
        match (was, peering.is_active()) {
            (false, true) => self.join(peering, plan),
            (true, false) => self.part(peering, plan),
            _ => {}
        }
    }

    pub(super) fn take_peering(&mut self, id: PeeringId, plan: &mut Plan<B>) {
        let before = self.peerings.remove(&id);
        if let Some(before) = before.filter(Peering::is_active) {
            self.part(&before, plan);
        }
    }

    fn join(&mut self, peering: &Peering, plan: &mut Plan<B>) {
        let (one, two) = (peering.requester, peering.accepter);
        self.link(one, two, plan);
        let state = State::Peering(derive::peering(peering));
        self.set(&state, &Audience::Vpcs(&[one, two]), plan);
        self.refresh_tables_to(RouteTarget::Peering(peering.id), plan);
    }

    fn part(&mut self, peering: &Peering, plan: &mut Plan<B>) {
        let (one, two) = (peering.requester, peering.accepter);
        self.refresh_tables_to(RouteTarget::Peering(peering.id), plan);
        let key = StateKey::Peering(peering.id);
        self.unset(&key, &Audience::Vpcs(&[one, two]), plan);
        self.unlink(one, two, plan);
        self.forget_vpc_if_empty(one);
        self.forget_vpc_if_empty(two);
    }
}

/// Pairs of VPCs.
impl<B> Planner<B> {
    /// One more reason for the two VPCs' hosts to know of each other's interfaces.
    pub(super) fn link(&mut self, one: VpcId, two: VpcId, plan: &mut Plan<B>) {
        if !self.links.add(one, two) {
            return;
        }
        let pairs = self.strangers_between(one, two, plan);
        for (from, to) in [(one, two), (two, one)] {
            for host in self.hosts_of(from) {
                self.hold(&host, to, plan);
            }
        }
        for (one, two) in pairs {
            self.introduce(&one, &two, plan);
        }
    }

    /// One reason less.
    pub(super) fn unlink(&mut self, one: VpcId, two: VpcId, plan: &mut Plan<B>) {
        if !self.links.sub(one, two) {
            return;
        }
        for (from, to) in [(one, two), (two, one)] {
            for host in self.hosts_of(from) {
                self.release(&host, to, plan);
            }
        }
        for (one, two) in self.strangers_between(one, two, plan) {
            estrange(&one, &two, plan);
        }
    }

    /// Hosts with ports in the one and hosts with ports in the other that have no reason to send to
    /// each other.
    fn strangers_between(
        &self,
        one: VpcId,
        two: VpcId,
        plan: &Plan<B>,
    ) -> Vec<(HostName, HostName)> {
        if plan.is_muted() {
            return Vec::new();
        }
        let ours = self.presence.hosts_of_vpc(one);
        let pairs = ours.flat_map(|a| self.presence.hosts_of_vpc(two).map(move |b| (a, b)));
        let strangers = pairs.filter(|(a, b)| a != b && !self.presence.are_peers(a, b));
        strangers.map(|(a, b)| (a.clone(), b.clone())).collect()
    }

    fn hosts_of(&self, vpc: VpcId) -> Vec<HostName> {
        self.presence.hosts_of_vpc(vpc).cloned().collect()
    }
}

/// A host's first and last port in a VPC.
impl<B> Planner<B> {
    /// The host has its first port in the VPC.
    pub(super) fn arrive(&mut self, host: &HostName, vpc: VpcId, plan: &mut Plan<B>) {
        let seen = self.seen_from(vpc);
        let strangers = self.strangers_to(host, &seen, plan);
        for &other in &seen {
            self.hold(host, other, plan);
        }
        if plan.is_muted() {
            return;
        }
        let parts = self.vpcs.get(&vpc).into_iter();
        let shared = parts.flat_map(|parts| &parts.shared);
        for item in shared.filter_map(|key| self.items.get(key)) {
            plan.upsert(host, item);
        }
        self.tell_transit(host, vpc, plan);
        for stranger in strangers {
            self.introduce(host, &stranger, plan);
        }
    }

    /// The host's last port in the VPC is gone.
    pub(super) fn depart(&mut self, host: &HostName, vpc: VpcId, plan: &mut Plan<B>) {
        let seen = self.seen_from(vpc);
        for &other in &seen {
            self.release(host, other, plan);
        }
        let parts = self.vpcs.get(&vpc).into_iter();
        for key in parts.flat_map(|parts| &parts.shared) {
            if !self.is_shared_otherwise(host, vpc, key) {
                plan.remove(host, key.clone());
            }
        }
        self.untell_transit(host, vpc, plan);
        for stranger in self.strangers_to(host, &seen, plan) {
            estrange(host, &stranger, plan);
        }
    }

    /// The VPC itself, and what it exchanges packets with.
    fn seen_from(&self, vpc: VpcId) -> Vec<VpcId> {
        std::iter::once(vpc).chain(self.links.of(vpc)).collect()
    }

    /// The hosts with ports in these VPCs that have no reason to send to this one.
    fn strangers_to(&self, host: &HostName, vpcs: &[VpcId], plan: &Plan<B>) -> BTreeSet<HostName> {
        if plan.is_muted() {
            return BTreeSet::new();
        }
        let hosts = vpcs.iter().flat_map(|&vpc| self.presence.hosts_of_vpc(vpc));
        let strangers = hosts.filter(|&b| b != host && !self.presence.are_peers(host, b));
        strangers.cloned().collect()
    }

    /// Whether another VPC with ports on the host brings the same state there.
    pub(super) fn is_shared_otherwise(&self, host: &HostName, than: VpcId, key: &StateKey) -> bool {
        let mut others = self.presence.vpcs(host).filter(|&vpc| vpc != than);
        others.any(|vpc| {
            let parts = self.vpcs.get(&vpc);
            parts.is_some_and(|parts| parts.shared.contains(key))
        })
    }

    fn hold(&mut self, host: &HostName, vpc: VpcId, plan: &mut Plan<B>) {
        if !self.presence.hold_vpc(host, vpc) || plan.is_muted() {
            return;
        }
        let parts = self.vpcs.get(&vpc).into_iter();
        let outline = parts.flat_map(|parts| &parts.outline);
        for item in outline.filter_map(|key| self.items.get(key)) {
            plan.upsert(host, item);
        }
    }

    fn release(&mut self, host: &HostName, vpc: VpcId, plan: &mut Plan<B>) {
        if !self.presence.release_vpc(host, vpc) {
            return;
        }
        let parts = self.vpcs.get(&vpc).into_iter();
        for key in parts.flat_map(|parts| &parts.outline) {
            plan.remove(host, key.clone());
        }
    }

    fn introduce(&self, one: &HostName, two: &HostName, plan: &mut Plan<B>) {
        self.tell(one, &StateKey::Tunnel(two.clone()), plan);
        self.tell(two, &StateKey::Tunnel(one.clone()), plan);
    }
}

fn estrange<B>(one: &HostName, two: &HostName, plan: &mut Plan<B>) {
    plan.remove(one, StateKey::Tunnel(two.clone()));
    plan.remove(two, StateKey::Tunnel(one.clone()));
}
