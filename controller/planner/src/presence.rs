//! Which hosts have ports in what: the indexes that keep a change's cost to the hosts concerned.

use std::collections::{BTreeMap, BTreeSet};

use weft_model::{HostName, InterfaceId, SecurityGroupId, VpcId};

/// Counts references; tells the first from the rest.
#[derive(Debug)]
pub(crate) struct Counted<K>(BTreeMap<K, u32>);

impl<K> Default for Counted<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Counted<K> {
    /// Whether it is the first.
    pub(crate) fn add(&mut self, key: &K) -> bool {
        if let Some(count) = self.0.get_mut(key) {
            *count += 1;
            return false;
        }
        self.0.insert(key.clone(), 1);
        true
    }

    /// Whether it was the last.
    pub(crate) fn sub(&mut self, key: &K) -> bool {
        match self.0.get_mut(key) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            Some(_) => self.0.remove(key).is_some(),
            None => false,
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What one host has ports in.
#[derive(Debug, Default)]
struct OnHost {
    ports: BTreeSet<InterfaceId>,
    vpcs: Counted<VpcId>,
    /// VPCs whose interfaces it must find: the ones that it has ports in, and what they reach, once
    /// for each that does.
    held: Counted<VpcId>,
    groups: Counted<SecurityGroupId>,
}

impl OnHost {
    fn is_empty(&self) -> bool {
        self.ports.is_empty()
            && self.vpcs.is_empty()
            && self.held.is_empty()
            && self.groups.is_empty()
    }
}

/// All hosts' ports, from both ends.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    hosts: BTreeMap<HostName, OnHost>,
    vpcs: BTreeMap<VpcId, BTreeSet<HostName>>,
    holders: BTreeMap<VpcId, BTreeSet<HostName>>,
    groups: BTreeMap<SecurityGroupId, BTreeSet<HostName>>,
}

/// Changing; each says whether the host's view grew or shrank by it.
impl Presence {
    /// One more port on the host: whether it is the first there.
    pub(crate) fn add_port(&mut self, host: &HostName, port: InterfaceId) -> bool {
        let ports = &mut self.on(host).ports;
        let first = ports.is_empty();
        ports.insert(port);
        first
    }

    /// One port less on the host: whether it was the last there.
    pub(crate) fn remove_port(&mut self, host: &HostName, port: InterfaceId) -> bool {
        let ports = &mut self.on(host).ports;
        ports.remove(&port);
        let last = ports.is_empty();
        self.forget_if_empty(host);
        last
    }

    /// One more port of the VPC on the host: whether it is the first there.
    pub(crate) fn join_vpc(&mut self, host: &HostName, vpc: VpcId) -> bool {
        let first = self.on(host).vpcs.add(&vpc);
        if first {
            self.vpcs.entry(vpc).or_default().insert(host.clone());
        }
        first
    }

    /// One port less of the VPC on the host: whether it was the last there.
    pub(crate) fn leave_vpc(&mut self, host: &HostName, vpc: VpcId) -> bool {
        let last = self.on(host).vpcs.sub(&vpc);
        if last {
            drop_host(&mut self.vpcs, vpc, host);
        }
        self.forget_if_empty(host);
        last
    }

    /// One more reason to know where the VPC's interfaces are: whether it is the first.
    pub(crate) fn hold_vpc(&mut self, host: &HostName, vpc: VpcId) -> bool {
        let first = self.on(host).held.add(&vpc);
        if first {
            self.holders.entry(vpc).or_default().insert(host.clone());
        }
        first
    }

    /// One reason less: whether it was the last.
    pub(crate) fn release_vpc(&mut self, host: &HostName, vpc: VpcId) -> bool {
        let last = self.on(host).held.sub(&vpc);
        if last {
            drop_host(&mut self.holders, vpc, host);
        }
        self.forget_if_empty(host);
        last
    }

    /// One more port in the group on the host: whether it is the first there.
    pub(crate) fn join_group(&mut self, host: &HostName, group: SecurityGroupId) -> bool {
        let first = self.on(host).groups.add(&group);
        if first {
            self.groups.entry(group).or_default().insert(host.clone());
        }
        first
    }

    /// One port less in the group on the host: whether it was the last there.
    pub(crate) fn leave_group(&mut self, host: &HostName, group: SecurityGroupId) -> bool {
        let last = self.on(host).groups.sub(&group);
        if last {
            drop_host(&mut self.groups, group, host);
        }
        self.forget_if_empty(host);
        last
    }

    fn on(&mut self, host: &HostName) -> &mut OnHost {
        self.hosts.entry(host.clone()).or_default()
    }

    fn forget_if_empty(&mut self, host: &HostName) {
        if self.hosts.get(host).is_some_and(OnHost::is_empty) {
            self.hosts.remove(host);
        }
    }
}

fn drop_host<K: Ord>(index: &mut BTreeMap<K, BTreeSet<HostName>>, key: K, host: &HostName) {
    if let Some(hosts) = index.get_mut(&key) {
        hosts.remove(host);
        if hosts.is_empty() {
            index.remove(&key);
        }
    }
}

/// Looking up.
impl Presence {
    pub(crate) fn hosts_of_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &HostName> {
        self.vpcs.get(&vpc).into_iter().flatten()
    }

    /// The hosts that must know where the VPC's interfaces are.
    pub(crate) fn holders_of_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &HostName> {
        self.holders.get(&vpc).into_iter().flatten()
    }

    pub(crate) fn hosts_of_group(&self, group: SecurityGroupId) -> impl Iterator<Item = &HostName> {
        self.groups.get(&group).into_iter().flatten()
    }

    /// The hosts with ports in what this one holds. Counted when asked: kept, the pairs would grow
    /// with the square of the hosts.
    pub(crate) fn peers(&self, host: &HostName) -> BTreeSet<&HostName> {
        let hosts = self.held(host).flat_map(|vpc| self.hosts_of_vpc(vpc));
        hosts.filter(|other| *other != host).collect()
    }

    /// Whether the first has a reason to send to the second; the second has one then, too.
    pub(crate) fn are_peers(&self, one: &HostName, two: &HostName) -> bool {
        let (Some(one), Some(two)) = (self.hosts.get(one), self.hosts.get(two)) else {
            return false;
        };
        let mut vpcs = two.vpcs.keys();
        vpcs.any(|vpc| one.held.0.contains_key(vpc))
    }

    /// What the host must find interfaces of.
    pub(crate) fn held(&self, host: &HostName) -> impl Iterator<Item = VpcId> {
        let on = self.hosts.get(host).into_iter();
        on.flat_map(|on| on.held.keys().copied())
    }

    pub(crate) fn ports(&self, host: &HostName) -> impl Iterator<Item = InterfaceId> {
        let on = self.hosts.get(host).into_iter();
        on.flat_map(|on| on.ports.iter().copied())
    }

    pub(crate) fn vpcs(&self, host: &HostName) -> impl Iterator<Item = VpcId> {
        let on = self.hosts.get(host).into_iter();
        on.flat_map(|on| on.vpcs.keys().copied())
    }

    pub(crate) fn groups(&self, host: &HostName) -> impl Iterator<Item = SecurityGroupId> {
        let on = self.hosts.get(host).into_iter();
        on.flat_map(|on| on.groups.keys().copied())
    }

    /// The hosts with anything on them.
    pub(crate) fn busy_hosts(&self) -> impl Iterator<Item = &HostName> {
        self.hosts.keys()
    }
}
