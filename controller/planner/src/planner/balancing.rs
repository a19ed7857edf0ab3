//! Load balancers and target groups, and what hosts say of the targets on them.
//!
//! Health is no part of the cloud: it lives here, is lost with the process, and a host that
//! connects says all of it again. Until then hosts go by what they were told last.

mod fronts;
mod health;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

pub use health::TargetReport;

use weft_model::{
    Balancer, BalancerId, Health, HostName, Interface, InterfaceId, Listener, ListenerId, SubnetId,
    Target, TargetGroup, TargetGroupId, TargetName, VpcId,
    state::{
        BalancerAddress, BalancerState, ListenerState, State, StateKey, TargetGroupState,
        TargetKey, TargetState,
    },
    target::serving,
};

use super::{Audience, Planner};
use crate::plan::Plan;

/// An interface that is plugged in, as far as it may be a target.
#[derive(Debug)]
struct Standing {
    host: HostName,
    vpc: VpcId,
    subnet: SubnetId,
    /// Where it serves as a target itself.
    serving: Vec<IpAddr>,
    addresses: Vec<IpAddr>,
}

impl Standing {
    fn of(interface: &Interface, host: &HostName) -> Self {
        Self {
            host: host.clone(),
            vpc: interface.vpc,
            subnet: interface.subnet,
            serving: serving(interface.ipv4.into(), &interface.ipv6),
            addresses: interface.addresses().collect(),
        }
    }

    /// What targets may call it.
    fn names(&self, id: InterfaceId) -> impl Iterator<Item = TargetName> + '_ {
        let addresses = self.addresses.iter().copied().map(TargetName::Ip);
        std::iter::once(TargetName::Interface(id)).chain(addresses)
    }
}

/// What the checks found: why it is unhealthy, if it is.
type Finding = Option<String>;

/// What is known of balancing.
#[derive(Debug, Default)]
pub(super) struct Balancing {
    balancers: BTreeMap<BalancerId, Balancer>,
    listeners: BTreeMap<ListenerId, Listener>,
    listeners_of: BTreeMap<BalancerId, BTreeSet<ListenerId>>,
    listeners_to: BTreeMap<TargetGroupId, BTreeSet<ListenerId>>,
    groups: BTreeMap<TargetGroupId, TargetGroup>,
    groups_naming: BTreeMap<(VpcId, TargetName), BTreeSet<TargetGroupId>>,
    standing: BTreeMap<InterfaceId, Standing>,
    by_address: BTreeMap<(VpcId, IpAddr), InterfaceId>,
    findings: BTreeMap<TargetKey, Finding>,
    fronts: fronts::Fronts,
}

fn insert<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: K, value: V) {
    index.entry(key).or_default().insert(value);
}

fn remove<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}

impl Balancing {
    fn resolve(
        &self,
        vpc: VpcId,
        target: &Target,
    ) -> Option<(InterfaceId, &Standing, Vec<IpAddr>)> {
        match target.name {
            TargetName::Interface(id) => {
                let standing = self.standing.get(&id)?;
                Some((id, standing, standing.serving.clone()))
            }
            TargetName::Ip(address) => {
                let id = *self.by_address.get(&(vpc, address))?;
                Some((id, self.standing.get(&id)?, vec![address]))
            }
        }
    }

    fn key(&self, group: &TargetGroup, target: &Target) -> Option<(TargetKey, &Standing)> {
        let (_, standing, addresses) = self.resolve(group.vpc, target)?;
        Some(((group.id, *addresses.first()?, target.port), standing))
    }

    fn is_used(&self, group: TargetGroupId) -> bool {
        self.listeners_to.contains_key(&group)
    }

    fn unlink(&mut self, group: TargetGroupId) {
        let Some(old) = self.groups.remove(&group) else {
            return;
        };
        for target in &old.targets {
            remove(&mut self.groups_naming, &(old.vpc, target.name), &group);
        }
    }

    fn link(&mut self, group: &TargetGroup) {
        for target in &group.targets {
            insert(&mut self.groups_naming, (group.vpc, target.name), group.id);
        }
        self.groups.insert(group.id, group.clone());
    }

    /// Forgets what was found of targets that are no more.
    fn prune(&mut self, id: TargetGroupId) {
        let group = self.groups.get(&id);
        let targets = group.into_iter().flat_map(|group| {
            let each = group.targets.iter();
            each.filter_map(|target| Some(self.key(group, target)?.0))
        });
        let kept: BTreeSet<TargetKey> = targets.collect();
        self.findings
            .retain(|key, _| key.0 != id || kept.contains(key));
    }

    fn stand(&mut self, id: InterfaceId, standing: Option<Standing>) -> BTreeSet<TargetGroupId> {
        let old = self.standing.remove(&id);
        let mut names: BTreeSet<(VpcId, TargetName)> = BTreeSet::new();
        for standing in old.iter().chain(&standing) {
            names.extend(standing.names(id).map(|name| (standing.vpc, name)));
        }
        if let Some(old) = &old {
            for &address in &old.addresses {
                let key = (old.vpc, address);
                if self.by_address.get(&key) == Some(&id) {
                    self.by_address.remove(&key);
                }
            }
        }
        if let Some(standing) = standing {
            for &address in &standing.addresses {
                self.by_address.insert((standing.vpc, address), id);
            }
            self.standing.insert(id, standing);
        }
        let naming = names.iter().filter_map(|name| self.groups_naming.get(name));
        naming.flatten().copied().collect()
    }
}

/// Changes.
impl<B> Planner<B> {
    pub(super) fn put_balancer(&mut self, balancer: &Balancer, plan: &mut Plan<B>) {
        let id = balancer.id;
        self.balancing.balancers.insert(id, balancer.clone());
        self.refresh_balancer(id, plan);
    }

    pub(super) fn take_balancer(&mut self, id: BalancerId, plan: &mut Plan<B>) {
        if let Some(old) = self.balancing.balancers.remove(&id) {
            self.unset(&StateKey::Balancer(id), &Audience::Holders(old.vpc), plan);
            self.refresh_front(id, plan);
            self.forget_vpc_if_empty(old.vpc);
        }
    }

    pub(super) fn put_listener(&mut self, listener: &Listener, plan: &mut Plan<B>) {
        self.take_listener(listener.id, plan);
        let known = &mut self.balancing;
        insert(&mut known.listeners_of, listener.balancer, listener.id);
        insert(&mut known.listeners_to, listener.target_group, listener.id);
        known.listeners.insert(listener.id, listener.clone());
        self.refresh_targets(listener.target_group, plan);
        self.refresh_balancer(listener.balancer, plan);
    }

    pub(super) fn take_listener(&mut self, id: ListenerId, plan: &mut Plan<B>) {
        let known = &mut self.balancing;
        let Some(old) = known.listeners.remove(&id) else {
            return;
        };
        remove(&mut known.listeners_of, &old.balancer, &id);
        remove(&mut known.listeners_to, &old.target_group, &id);
        self.refresh_balancer(old.balancer, plan);
        self.refresh_targets(old.target_group, plan);
    }

    pub(super) fn put_targets(&mut self, group: &TargetGroup, plan: &mut Plan<B>) {
        self.balancing.unlink(group.id);
        self.balancing.link(group);
        self.balancing.prune(group.id);
        self.refresh_targets(group.id, plan);
    }

    pub(super) fn take_targets(&mut self, id: TargetGroupId, plan: &mut Plan<B>) {
        let vpc = self.balancing.groups.get(&id).map(|group| group.vpc);
        self.balancing.unlink(id);
        self.balancing.prune(id);
        if let Some(vpc) = vpc {
            self.unset(&StateKey::TargetGroup(id), &Audience::Holders(vpc), plan);
            self.forget_vpc_if_empty(vpc);
        }
    }

    /// The interface is plugged in on this host, or no longer anywhere.
    pub(super) fn stand(
        &mut self,
        id: InterfaceId,
        place: Option<(&Interface, &HostName)>,
        plan: &mut Plan<B>,
    ) {
        let standing = place.map(|(interface, host)| Standing::of(interface, host));
        let moved = self.balancing.standing.get(&id).map(|old| &old.host)
            != standing.as_ref().map(|new| &new.host);
        let groups = self.balancing.stand(id, standing);
        for group in groups {
            if moved {
                self.forget_findings(group, id);
            }
            self.refresh_targets(group, plan);
        }
    }

    /// Another host checks it from here on, or nobody.
    fn forget_findings(&mut self, group: TargetGroupId, interface: InterfaceId) {
        let known = &mut self.balancing;
        let Some(targets) = known.groups.get(&group) else {
            return;
        };
        let keys = targets.targets.iter().filter_map(|target| {
            let (id, ..) = known.resolve(targets.vpc, target)?;
            (id == interface).then(|| known.key(targets, target).map(|(key, _)| key))?
        });
        for key in keys.collect::<Vec<_>>() {
            known.findings.remove(&key);
        }
        known.prune(group);
    }

    fn refresh_balancer(&mut self, id: BalancerId, plan: &mut Plan<B>) {
        let known = &self.balancing;
        let Some(balancer) = known.balancers.get(&id) else {
            return;
        };
        let listeners = known.listeners_of.get(&id).into_iter().flatten();
        let listeners = listeners.filter_map(|id| known.listeners.get(id));
        let addresses = balancer.placements.iter().flat_map(|placement| {
            let subnet = placement.subnet;
            let addresses = placement.addresses();
            addresses.map(move |address| BalancerAddress {
                subnet,
                address,
                public: fronts::public(balancer, address, placement.public_ipv4),
            })
        });
        let state = BalancerState {
            id,
            vpc: balancer.vpc,
            addresses: addresses.collect(),
            cross_zone: balancer.cross_zone,
            listeners: listeners.map(listener).collect(),
        };
        // Clients of a peered VPC pick themselves, as its own do.
        let audience = Audience::Holders(state.vpc);
        self.set(&State::Balancer(state), &audience, plan);
        self.refresh_front(id, plan);
    }

    fn refresh_targets(&mut self, id: TargetGroupId, plan: &mut Plan<B>) {
        let known = &self.balancing;
        let Some(group) = known.groups.get(&id) else {
            return;
        };
        let vpc = group.vpc;
        if !known.is_used(id) {
            return self.unset(&StateKey::TargetGroup(id), &Audience::Holders(vpc), plan);
        }
        let targets = group.targets.iter();
        let state = TargetGroupState {
            id,
            vpc,
            health_check: group.health_check.clone(),
            preserve_client_address: group.preserve_client_address,
            targets: targets
                .filter_map(|target| self.target(group, target))
                .collect(),
        };
        self.set(&State::TargetGroup(state), &Audience::Holders(vpc), plan);
        let listeners = self.balancing.listeners_to.get(&id).into_iter().flatten();
        let balancers = listeners.filter_map(|id| Some(self.balancing.listeners.get(id)?.balancer));
        for balancer in balancers.collect::<BTreeSet<_>>() {
            self.refresh_front(balancer, plan);
        }
    }

    /// `None` where it isn't plugged in.
    fn target(&self, group: &TargetGroup, target: &Target) -> Option<TargetState> {
        let known = &self.balancing;
        let (interface, standing, addresses) = known.resolve(group.vpc, target)?;
        let subnet = self
            .vpcs
            .get(&standing.vpc)?
            .subnets
            .get(&standing.subnet)?;
        let key = (group.id, *addresses.first()?, target.port);
        Some(TargetState {
            interface,
            zone: subnet.zone.clone(),
            addresses,
            port: target.port,
            weight: target.weight,
            draining: target.draining,
            health: match known.findings.get(&key) {
                None => Health::Unknown,
                Some(None) => Health::Healthy,
                Some(Some(_)) => Health::Unhealthy,
            },
        })
    }
}

fn listener(listener: &Listener) -> ListenerState {
    ListenerState {
        id: listener.id,
        protocol: listener.protocol,
        port: listener.port,
        target_group: listener.target_group,
        idle_timeout: listener.idle_timeout,
    }
}
