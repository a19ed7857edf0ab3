//! Ports come and go, and are compiled with their policy.

use std::sync::{Arc, Weak};

use weft_model::{
    IdleTimeouts, InterfaceId, Mac, RateLimits, SecurityGroupId, Vni, VpcId, state::Port,
};

use super::{Tables, settle};
use crate::{
    config::{ApplyError, Policy, PortConfig},
    hash::Map,
    port::PortIndex,
};

/// Compiled policies by the sorted list of their groups. It holds none alive: ports do.
#[derive(Debug, Default)]
pub(super) struct PolicyCache {
    by_groups: Map<Arc<[SecurityGroupId]>, Weak<Policy>>,
    /// The size at which dead entries are swept out next.
    sweep_at: usize,
}

impl PolicyCache {
    pub(super) fn forget(&mut self, group: SecurityGroupId) {
        self.by_groups.retain(|groups, _| !groups.contains(&group));
    }

    fn get(&self, groups: &[SecurityGroupId]) -> Option<Arc<Policy>> {
        self.by_groups.get(groups)?.upgrade()
    }

    fn insert(&mut self, groups: Arc<[SecurityGroupId]>, policy: &Arc<Policy>) {
        if self.by_groups.len() >= self.sweep_at {
            self.by_groups.retain(|_, policy| policy.strong_count() > 0);
            self.sweep_at = (self.by_groups.len() * 2).max(16);
        }
        self.by_groups.insert(groups, Arc::downgrade(policy));
    }
}

impl Tables {
    pub(super) fn upsert_port(&mut self, port: Port) -> Result<(), ApplyError> {
        let Port {
            interface,
            vpc,
            subnet,
            mac,
            ..
        } = port;
        let Some(held) = self.held.get(&vpc) else {
            return Err(ApplyError::PortVpc { interface, vpc });
        };
        if self.homes.subnets.get(&subnet) != Some(&vpc) {
            return Err(ApplyError::PortSubnet {
                interface,
                subnet,
                vpc,
            });
        }
        let holder = self.config.endpoint(held.vni, mac);
        let holder = holder.and_then(|index| self.config.port(index));
        let taken = holder.is_some_and(|holder| holder.interface != interface);
        if taken || mac.is_group() || [Mac::ROUTER, Mac::EDGE, Mac::MIRROR].contains(&mac) {
            return Err(ApplyError::PortMac { interface, vpc });
        }
        let known = self.ports.contains_key(&interface);
        if !known && self.ports.len() >= PortIndex::MAX_PORTS {
            let max = PortIndex::MAX_PORTS;
            return Err(ApplyError::TooManyPorts { interface, max });
        }
        settle(&mut self.homes.ports, interface, vpc)?;
        // Another MAC may mean another worker, whose flows are not this port's.
        if self.ports.get(&interface).is_some_and(|old| old.mac != mac) {
            self.withdraw(interface);
        }
        if let Some(held) = self.held.get_mut(&vpc)
            && !known
        {
            held.ports.push(interface);
        }
        self.ports.insert(interface, port);
        self.compile(interface);
        Ok(())
    }

    pub(super) fn remove_port(&mut self, interface: InterfaceId) {
        self.withdraw(interface);
        self.homes.ports.remove(&interface);
        let Some(port) = self.ports.remove(&interface) else {
            return;
        };
        if let Some(held) = self.held.get_mut(&port.vpc) {
            held.ports.retain(|&other| other != interface);
        }
    }

    /// Compiles those of the VPC's ports anew that something changed for.
    pub(super) fn recompile(&mut self, vpc: VpcId, concerned: impl Fn(&Port) -> bool) {
        let Some(held) = self.held.get(&vpc) else {
            return;
        };
        let ports = held.ports.iter().copied();
        let ports: Vec<_> = ports
            .filter(|interface| self.ports.get(interface).is_some_and(&concerned))
            .collect();
        for interface in ports {
            self.compile(interface);
        }
    }

    /// Publishes the port if all that it stands on is there; takes it back otherwise.
    fn compile(&mut self, interface: InterfaceId) {
        let Some(port) = self.ports.get(&interface) else {
            return;
        };
        let Some(slot) = self.held.get(&port.vpc).map(|held| held.slot) else {
            return self.withdraw(interface);
        };
        let vpc = self.config.vpc(slot);
        let subnet = vpc.and_then(|vpc| vpc.subnets.get(&port.subnet)).cloned();
        let (Some(vni), Some(subnet)) = (vpc.map(|vpc| vpc.vni), subnet) else {
            return self.withdraw(interface);
        };
        let port = port.clone();
        let groups = sorted(&port.groups);
        let policy = self.policy(port.vpc, &groups);
        let held = self.held.get(&port.vpc);
        let names = groups.iter().filter_map(|group| {
            let group = held.and_then(|held| held.groups.get(group));
            group.map(|group| group.name.clone())
        });
        let group_names = names.collect();
        let index = match self.config.by_interface.get(&interface) {
            Some(&index) => index,
            None => self.take_slot(),
        };
        let mac = port.mac;
        let config = PortConfig {
            index,
            interface,
            vpc: port.vpc,
            subnet_id: port.subnet,
            subnet,
            mac,
            ipv4: port.ipv4,
            secondary_ipv4: port.secondary_ipv4,
            ipv6: port.ipv6,
            groups,
            group_names,
            source_dest_check: port.source_dest_check,
            public: port.public,
            netns: port.netns,
            device: port.device,
            name: port.name,
            is_metered: is_metered(&port.options.limits),
            options: Arc::from(port.options),
            mirrors: self.mirrors_of(interface),
            mtu: self.config.mtu,
            policy,
            vpc_slot: slot,
        };
        self.keep_timeouts(index, Some(config.options.timeouts));
        Arc::make_mut(&mut self.config.ports)[index.slot()] = Some(Arc::new(config));
        Arc::make_mut(&mut self.config.by_interface).insert(interface, index);
        Arc::make_mut(&mut self.config.endpoints).insert((vni, mac), index);
        // MACs are unique in the cloud, and the outside knows no VPC.
        Arc::make_mut(&mut self.config.endpoints).insert((Vni::OUTSIDE, mac), index);
        self.touch(slot);
    }

    /// The union of these groups, compiled once for all the ports that have them.
    fn policy(&mut self, vpc: VpcId, groups: &Arc<[SecurityGroupId]>) -> Arc<Policy> {
        if let Some(policy) = self.policies.get(groups) {
            return policy;
        }
        let held = self.held.get(&vpc);
        // A group that isn't here (yet) allows nothing.
        let states = groups
            .iter()
            .filter_map(|group| held.and_then(|held| held.groups.get(group)));
        let policy = Arc::new(Policy::compile(states));
        self.policies.insert(Arc::clone(groups), &policy);
        policy
    }

    /// Takes the port out of what is published.
    fn withdraw(&mut self, interface: InterfaceId) {
        let Some(index) = self.config.by_interface.get(&interface).copied() else {
            return;
        };
        let old = self.config.port(index);
        let vpc = old.map(|port| port.vpc_slot);
        let vni = vpc
            .and_then(|slot| self.config.vpc(slot))
            .map(|vpc| vpc.vni);
        if let Some(endpoint) = vni.zip(old.map(|port| port.mac)) {
            let endpoints = Arc::make_mut(&mut self.config.endpoints);
            endpoints.remove(&endpoint);
            let outside = (Vni::OUTSIDE, endpoint.1);
            if endpoints.get(&outside) == Some(&index) {
                endpoints.remove(&outside);
            }
        }
        Arc::make_mut(&mut self.config.by_interface).remove(&interface);
        self.keep_timeouts(index, None);
        Arc::make_mut(&mut self.config.ports)[index.slot()] = None;
        self.generations[index.slot()] += 1;
        self.free_ports.push_back(index.slot() as u32);
        if let Some(slot) = vpc {
            self.touch(slot);
        }
    }

    /// Most ports have the default ones: those aren't kept.
    fn keep_timeouts(&mut self, port: PortIndex, timeouts: Option<IdleTimeouts>) {
        let own = timeouts.filter(|timeouts| *timeouts != IdleTimeouts::default());
        if self.config.timeouts.get(&port) == own.as_ref() {
            return;
        }
        let kept = Arc::make_mut(&mut self.config.timeouts);
        match own {
            Some(own) => kept.insert(port, own),
            None => kept.remove(&port),
        };
    }

    fn take_slot(&mut self) -> PortIndex {
        let slot = self.free_ports.pop_front().unwrap_or_else(|| {
            self.generations.push(0);
            Arc::make_mut(&mut self.config.ports).push(None);
            self.generations.len() as u32 - 1
        });
        PortIndex::new(slot, self.generations[slot as usize] & 0xfff)
    }
}

fn is_metered(limits: &RateLimits) -> bool {
    let others = RateLimits {
        connections: None,
        ..*limits
    };
    others != RateLimits::default()
}

fn sorted(groups: &[SecurityGroupId]) -> Arc<[SecurityGroupId]> {
    let mut groups = groups.to_vec();
    groups.sort_unstable();
    groups.dedup();
    groups.into()
}
