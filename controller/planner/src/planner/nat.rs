//! NAT gateways, and the blocks of their ports: each is its holder's, and every edge's to know.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use weft_model::{
    Host, HostName, LeaseKey, NatGateway, NatGatewayId, PortLease, RouteTarget, VpcId,
    state::{LeaseState, State, StateKey},
};

use super::{Audience, Planner};
use crate::{derive, plan::Plan};

/// What states about NAT follow from.
#[derive(Debug, Default)]
pub(super) struct Nats {
    gateways: BTreeMap<NatGatewayId, VpcId>,
    /// Blocks that a host holds.
    holders: BTreeMap<LeaseKey, HostName>,
    held: BTreeMap<HostName, BTreeSet<LeaseKey>>,
    vteps: BTreeMap<HostName, IpAddr>,
}

impl Nats {
    pub(super) fn has(&self, id: NatGatewayId, vpc: VpcId) -> bool {
        self.gateways.get(&id) == Some(&vpc)
    }

    /// The blocks that any host holds.
    pub(super) fn all(&self) -> impl Iterator<Item = LeaseKey> {
        self.holders.keys().copied()
    }

    /// The blocks that the host holds.
    pub(super) fn held(&self, host: &HostName) -> impl Iterator<Item = LeaseKey> {
        self.held.get(host).into_iter().flatten().copied()
    }

    pub(super) fn is_held_by(&self, key: LeaseKey, host: &HostName) -> bool {
        self.holders.get(&key) == Some(host)
    }

    fn hold(&mut self, key: LeaseKey, host: &HostName) -> Option<HostName> {
        let before = self.release(key);
        self.holders.insert(key, host.clone());
        self.held.entry(host.clone()).or_default().insert(key);
        before
    }

    fn release(&mut self, key: LeaseKey) -> Option<HostName> {
        let host = self.holders.remove(&key)?;
        if let Some(held) = self.held.get_mut(&host) {
            held.remove(&key);
            if held.is_empty() {
                self.held.remove(&host);
            }
        }
        Some(host)
    }

    fn state(&self, key: LeaseKey) -> Option<LeaseState> {
        let host = self.holders.get(&key)?;
        Some(LeaseState {
            key,
            host: host.clone(),
            vtep: *self.vteps.get(host)?,
        })
    }
}

impl<B> Planner<B> {
    /// The leases that the host is told of.
    pub(super) fn leases_of(&self, host: &HostName) -> Vec<LeaseKey> {
        if self.outside.is_edge(host) {
            return self.nats.all().collect();
        }
        self.nats.held(host).collect()
    }

    pub(super) fn put_nat(&mut self, nat: &NatGateway, plan: &mut Plan<B>) {
        let state = State::Nat(derive::nat(nat));
        self.set(&state, &Audience::Vpc(nat.vpc), plan);
        if self.nats.gateways.insert(nat.id, nat.vpc).is_none() {
            self.refresh_tables_to(RouteTarget::Nat(nat.id), plan);
        }
    }

    pub(super) fn take_nat(&mut self, id: NatGatewayId, plan: &mut Plan<B>) {
        let Some(vpc) = self.nats.gateways.remove(&id) else {
            return;
        };
        self.unset(&StateKey::Nat(id), &Audience::Vpc(vpc), plan);
        self.refresh_tables_to(RouteTarget::Nat(id), plan);
        self.forget_vpc_if_empty(vpc);
    }

    pub(super) fn put_lease(&mut self, lease: &PortLease, plan: &mut Plan<B>) {
        let Some(host) = &lease.host else {
            return self.take_lease(lease.key, plan);
        };
        let before = self.nats.hold(lease.key, host);
        let before = before.filter(|before| before != host && !self.outside.is_edge(before));
        if let Some(before) = before {
            plan.remove(&before, StateKey::Lease(lease.key));
        }
        self.refresh_lease(lease.key, plan);
    }

    pub(super) fn take_lease(&mut self, key: LeaseKey, plan: &mut Plan<B>) {
        if let Some(host) = self.nats.release(key) {
            self.unset(&StateKey::Lease(key), &Audience::Lease(&host), plan);
        }
    }

    fn refresh_lease(&mut self, key: LeaseKey, plan: &mut Plan<B>) {
        if let Some(state) = self.nats.state(key) {
            let host = state.host.clone();
            self.set(&State::Lease(state), &Audience::Lease(&host), plan);
        }
    }

    /// Leases tell edges where their holder is.
    pub(super) fn move_leases(&mut self, host: &Host, plan: &mut Plan<B>) {
        self.nats.vteps.insert(host.name.clone(), host.vtep);
        let held: Vec<_> = self.nats.held(&host.name).collect();
        for key in held {
            self.refresh_lease(key, plan);
        }
    }

    pub(super) fn forget_vtep(&mut self, host: &HostName) {
        self.nats.vteps.remove(host);
    }
}
