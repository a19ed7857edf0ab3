//! Load balancers' addresses that the outside knows: edges spread their connections over the hosts of
//! the targets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use weft_model::{
    Balancer, BalancerId, HostName, Scheme, VpcId,
    state::{Front, FrontHost, State, StateKey},
};

use super::{Audience, Balancing, Planner, insert, remove};
use crate::plan::Plan;

/// What is known of fronts.
#[derive(Debug, Default)]
pub(super) struct Fronts {
    /// The addresses of each balancer that has some.
    addresses: BTreeMap<BalancerId, BTreeSet<IpAddr>>,
    /// Its hosts.
    hosts: BTreeMap<BalancerId, BTreeSet<HostName>>,
    /// The balancers with targets on each host.
    of_host: BTreeMap<HostName, BTreeSet<BalancerId>>,
}

/// The address that stands for this one outside, where one does.
pub(super) fn public(
    balancer: &Balancer,
    address: IpAddr,
    public4: Option<Ipv4Addr>,
) -> Option<IpAddr> {
    match (balancer.scheme, address) {
        (Scheme::Internal, _) => None,
        (Scheme::InternetFacing, IpAddr::V4(_)) => public4.map(IpAddr::V4),
        (Scheme::InternetFacing, IpAddr::V6(_)) => Some(address),
    }
}

impl Balancing {
    fn front_addresses(&self, balancer: &Balancer) -> BTreeSet<IpAddr> {
        let each = balancer.placements.iter().flat_map(|placement| {
            let addresses = placement.addresses();
            addresses.filter_map(|at| public(balancer, at, placement.public_ipv4))
        });
        each.collect()
    }

    /// The hosts of all targets behind the balancer, whatever their health: some may still have its
    /// connections.
    fn front_hosts(&self, id: BalancerId) -> BTreeSet<HostName> {
        let listeners = self.listeners_of.get(&id).into_iter().flatten();
        let groups = listeners.filter_map(|id| {
            let listener = self.listeners.get(id)?;
            self.groups.get(&listener.target_group)
        });
        let targets = groups.flat_map(|group| {
            let each = group.targets.iter();
            each.filter_map(|target| Some(self.resolve(group.vpc, target)?.1.host.clone()))
        });
        targets.collect()
    }

    /// Notes what the balancer has now; what it had before.
    fn note_front(
        &mut self,
        id: BalancerId,
        addresses: BTreeSet<IpAddr>,
        hosts: BTreeSet<HostName>,
    ) -> BTreeSet<IpAddr> {
        for host in self.fronts.hosts.remove(&id).unwrap_or_default() {
            remove(&mut self.fronts.of_host, &host, &id);
        }
        let before = self.fronts.addresses.remove(&id).unwrap_or_default();
        if addresses.is_empty() {
            return before;
        }
        for host in &hosts {
            insert(&mut self.fronts.of_host, host.clone(), id);
        }
        self.fronts.hosts.insert(id, hosts);
        self.fronts.addresses.insert(id, addresses);
        before
    }

    /// All addresses that edges hold.
    pub(in crate::planner) fn all_fronts(&self) -> impl Iterator<Item = StateKey> + '_ {
        let all = self.fronts.addresses.values().flatten();
        all.copied().map(StateKey::Front)
    }
}

impl<B> Planner<B> {
    /// What edges hold of the balancer.
    pub(super) fn refresh_front(&mut self, id: BalancerId, plan: &mut Plan<B>) {
        let known = &self.balancing;
        let balancer = known.balancers.get(&id);
        let balancer = balancer.filter(|balancer| self.outside.is_online(balancer.vpc));
        let addresses = balancer.map(|balancer| known.front_addresses(balancer));
        let addresses = addresses.unwrap_or_default();
        if addresses.is_empty() && !known.fronts.addresses.contains_key(&id) {
            return;
        }
        let names = known.front_hosts(id);
        let hosts = names
            .iter()
            .filter_map(|name| self.outside.front_host(name));
        let hosts: Vec<FrontHost> = hosts.collect();
        let before = self.balancing.note_front(id, addresses.clone(), names);
        for address in before.difference(&addresses) {
            self.unset(&StateKey::Front(*address), &Audience::Edges, plan);
        }
        for address in addresses {
            let hosts = hosts.clone();
            let state = State::Front(Front { address, hosts });
            self.set(&state, &Audience::Edges, plan);
        }
    }

    /// The fronts with targets on a host that changed.
    pub(in crate::planner) fn refresh_fronts_on(&mut self, host: &HostName, plan: &mut Plan<B>) {
        let on = self.balancing.fronts.of_host.get(host);
        for id in on.cloned().unwrap_or_default() {
            self.refresh_front(id, plan);
        }
    }

    /// The fronts in a VPC that got an internet gateway, or has none any more.
    pub(in crate::planner) fn refresh_fronts_in(&mut self, vpc: VpcId, plan: &mut Plan<B>) {
        let all = self.balancing.balancers.values();
        let own = all.filter(|balancer| balancer.vpc == vpc);
        let own: Vec<BalancerId> = own.map(|balancer| balancer.id).collect();
        for id in own {
            self.refresh_front(id, plan);
        }
    }
}
