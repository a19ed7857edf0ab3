//! The working copy of the configuration: takes deltas, publishes snapshots.

mod mirrors;
mod nats;
mod peerings;
mod ports;
#[cfg(test)]
mod tests;
mod transit;
mod vpcs;

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use weft_model::{
    BalancerId, HostName, InterfaceId, MirrorSessionId, Mtu, NatGatewayId, NetworkAclId, PeeringId,
    Prefix, RouteTableId, SecurityGroupId, SubnetId, TargetGroupId, Vni, VpcId, ZoneInVpc,
    state::{
        AclState, Delta, DnsZoneState, GroupState, Mapping, MirrorState, PeeringState, Port,
        RouteTableState, State, StateKey, SubnetState, Tunnel,
    },
};

use self::{ports::PolicyCache, transit::Transit};
use super::{
    Acl, ApplyError, Config, HostSlot, MappingEntry, PublicEntry, SubnetConfig, VpcConfig, VpcSlot,
    ZoneConfig, Zones, route::Routes,
};
use crate::hash::Map;

/// What a host knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablesOptions {
    /// Its name, as mappings use it.
    pub host: HostName,
    /// Its VTEP.
    pub vtep: IpAddr,
    /// The MTU inside the tunnel.
    pub mtu: Mtu,
}

/// A VPC that is held, with what the packet path needs only in compiled form.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) slot: VpcSlot,
    vni: Vni,
    ports: Vec<InterfaceId>,
    groups: Map<SecurityGroupId, GroupState>,
}

/// The VPC that each object is in, so that a removal finds it by key alone.
#[derive(Debug, Default)]
pub(super) struct Homes {
    pub(super) balancers: Map<BalancerId, VpcId>,
    pub(super) targets: Map<TargetGroupId, VpcId>,
    subnets: Map<SubnetId, VpcId>,
    tables: Map<RouteTableId, VpcId>,
    nats: Map<NatGatewayId, VpcId>,
    groups: Map<SecurityGroupId, VpcId>,
    acls: Map<NetworkAclId, VpcId>,
    mappings: Map<InterfaceId, VpcId>,
    ports: Map<InterfaceId, VpcId>,
}

/// A host's state under change. One bad object is refused by itself; removals may come in any order.
#[derive(Debug)]
pub struct Tables {
    pub(super) config: Config,
    /// Counts changes; what a VPC's generation is taken from.
    stamp: u32,
    pub(super) held: Map<VpcId, Held>,
    pub(super) homes: Homes,
    ports: Map<InterfaceId, Port>,
    peerings: Map<PeeringId, PeeringState>,
    mirrors: Map<MirrorSessionId, Arc<MirrorState>>,
    policies: PolicyCache,
    transit: Transit,
    /// How often each port slot was given out.
    generations: Vec<u32>,
    /// Slots to reuse, the longest free first.
    free_ports: VecDeque<u32>,
    free_vpcs: Vec<VpcSlot>,
}

impl Tables {
    /// Of a host that holds nothing yet.
    pub fn new(options: TablesOptions) -> Self {
        let mut config = Config::empty(&options);
        let own = Arc::make_mut(&mut config.tunnels).slot(&options.host);
        debug_assert_eq!(own, HostSlot::OWN);
        Self {
            config,
            stamp: 0,
            held: Map::default(),
            homes: Homes::default(),
            ports: Map::default(),
            peerings: Map::default(),
            mirrors: Map::default(),
            policies: PolicyCache::default(),
            transit: Transit::default(),
            generations: Vec::new(),
            free_ports: VecDeque::new(),
            free_vpcs: Vec::new(),
        }
    }

    /// Applies one change.
    ///
    /// # Errors
    /// When the object makes no sense here; then what was held under its key stays.
    pub fn apply(&mut self, delta: Delta) -> Result<(), ApplyError> {
        match delta {
            Delta::Upsert(State::Tunnel(tunnel)) => self.set_tunnel(&tunnel),
            Delta::Upsert(State::Edge(edge)) => {
                Arc::make_mut(&mut self.config.edges).set(edge.host, edge.vtep);
            }
            Delta::Upsert(State::Public(public)) => {
                let (vtep, mac) = (public.vtep, public.mac);
                let entry = PublicEntry { vtep, mac };
                self.config.outside.set(public.address, entry);
            }
            Delta::Upsert(State::Front(front)) => {
                self.config.outside.set_front(front.address, front.hosts);
            }
            Delta::Upsert(State::Served(served)) => self.config.outside.serve(served.prefix, true),
            Delta::Upsert(State::Vpc(vpc)) => return self.upsert_vpc(vpc),
            Delta::Upsert(State::Mapping(mapping)) => return self.upsert_mapping(mapping),
            Delta::Upsert(State::Peering(peering)) => self.upsert_peering(peering),
            Delta::Upsert(State::Group(group)) => return self.upsert_group(group),
            Delta::Upsert(State::Acl(acl)) => return self.upsert_acl(&acl),
            Delta::Upsert(State::Subnet(subnet)) => return self.upsert_subnet(subnet),
            Delta::Upsert(State::DnsZone(zone)) => return self.upsert_zone(zone),
            Delta::Upsert(State::Port(port)) => return self.upsert_port(port),
            Delta::Upsert(State::Nat(nat)) => return self.upsert_nat(&nat),
            Delta::Upsert(State::Lease(lease)) => self.set_lease(&lease),
            Delta::Upsert(State::TransitTarget(target)) => self.set_transit_target(target.id, true),
            Delta::Upsert(State::TransitRoute(route)) => self.upsert_transit_route(&route),
            Delta::Upsert(State::TransitAttachment(attachment)) => {
                self.upsert_attachment(&attachment);
            }
            Delta::Upsert(State::RouteTable(table)) => return self.upsert_route_table(&table),
            Delta::Upsert(State::FlowLog(log)) => {
                Arc::make_mut(&mut self.config.flow_logs).insert(log.id, Arc::new(log));
            }
            Delta::Upsert(State::Mirror(session)) => self.set_mirror(session),
            Delta::Upsert(State::TargetGroup(group)) => return self.upsert_targets(group),
            Delta::Upsert(State::Balancer(balancer)) => return self.upsert_balancer(balancer),
            Delta::Remove(key) => self.remove(&key),
        }
        Ok(())
    }

    /// Where nobody may send through this host as an edge: what is its own, not the internet's.
    pub fn deny_outside(&mut self, prefixes: Vec<Prefix>) {
        self.config.outside.deny(prefixes);
    }

    /// The configuration as it is now. Parts that didn't change are those of the one before.
    pub fn publish(&mut self) -> Arc<Config> {
        self.settle_transit();
        Arc::new(self.config.clone())
    }

    /// The configuration, short of what only publishing lets follow from the last changes.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    fn remove(&mut self, key: &StateKey) {
        match key {
            StateKey::Tunnel(host) => Arc::make_mut(&mut self.config.tunnels).clear(host),
            StateKey::Edge(host) => Arc::make_mut(&mut self.config.edges).clear(host),
            StateKey::Public(address) => self.config.outside.clear(*address),
            StateKey::Front(address) => self.config.outside.clear_front(*address),
            StateKey::Served(prefix) => self.config.outside.serve(*prefix, false),
            StateKey::Vpc(vpc) => self.remove_vpc(*vpc),
            StateKey::Mapping(interface) => self.remove_mapping(*interface),
            StateKey::Peering(peering) => self.remove_peering(*peering),
            StateKey::Group(group) => self.remove_group(*group),
            StateKey::Acl(acl) => self.remove_acl(*acl),
            StateKey::Subnet(subnet) => self.remove_subnet(*subnet),
            StateKey::DnsZone(zone) => self.remove_zone(*zone),
            StateKey::Port(interface) => self.remove_port(*interface),
            StateKey::Nat(nat) => self.remove_nat(*nat),
            StateKey::Lease(key) => self.clear_lease(*key),
            StateKey::TransitTarget(id) => self.set_transit_target(*id, false),
            StateKey::TransitRoute(id) => self.remove_transit_route(*id),
            StateKey::TransitAttachment(id) => self.remove_attachment(*id),
            StateKey::RouteTable(table) => self.remove_route_table(*table),
            StateKey::FlowLog(log) => {
                Arc::make_mut(&mut self.config.flow_logs).remove(log);
            }
            StateKey::Mirror(session) => self.clear_mirror(*session),
            StateKey::TargetGroup(group) => self.remove_targets(*group),
            StateKey::Balancer(balancer) => self.remove_balancer(*balancer),
        }
    }

    /// The VPC, to change: whatever was judged in it, or in a VPC that it is peered with, is looked
    /// at again.
    fn touch(&mut self, slot: VpcSlot) -> Option<&mut VpcConfig> {
        self.stamp = self.stamp.wrapping_add(1);
        let stamp = self.stamp;
        let vpc = self.config.vpc(slot)?;
        self.transit.touch(vpc.id);
        let peers = Arc::clone(&vpc.peers);
        for &peer in peers.values() {
            if let Some(peer) = self.vpc_mut(peer) {
                peer.generation = stamp;
            }
        }
        let vpc = self.vpc_mut(slot)?;
        vpc.generation = stamp;
        Some(vpc)
    }

    /// The VPC, to change in what no verdict depends on.
    fn vpc_mut(&mut self, slot: VpcSlot) -> Option<&mut VpcConfig> {
        let vpc = Arc::make_mut(&mut self.config.vpcs)
            .get_mut(slot.0 as usize)?
            .as_mut()?;
        Some(Arc::make_mut(vpc))
    }

    pub(super) fn touch_home(&mut self, vpc: VpcId) -> Option<&mut VpcConfig> {
        let slot = self.held.get(&vpc)?.slot;
        self.touch(slot)
    }

    /// A tunnel to this host itself is none: nothing comes from there.
    fn set_tunnel(&mut self, tunnel: &Tunnel) {
        if tunnel.host != self.config.host {
            Arc::make_mut(&mut self.config.tunnels).set(&tunnel.host, tunnel.vtep, &tunnel.zone);
        }
    }

    fn upsert_mapping(&mut self, mapping: Mapping) -> Result<(), ApplyError> {
        let (interface, vpc) = (mapping.interface, mapping.vpc);
        if !self.held.contains_key(&vpc) {
            return Err(ApplyError::MappingVpc { interface, vpc });
        }
        settle(&mut self.homes.mappings, interface, vpc)?;
        let host_slot = self.config.tunnels.known(&mapping.host);
        let host_slot = host_slot
            .unwrap_or_else(|| Arc::make_mut(&mut self.config.tunnels).slot(&mapping.host));
        let entry = MappingEntry {
            interface,
            subnet: mapping.subnet,
            host: mapping.host,
            host_slot,
            mac: mapping.mac,
            addresses: mapping.addresses,
            groups: mapping.groups,
            source_dest_check: mapping.source_dest_check,
            dns_label: mapping.dns_label,
        };
        // A resync repeats what is held; that is no change.
        let held = self
            .held
            .get(&vpc)
            .and_then(|held| self.config.vpc(held.slot));
        if held.and_then(|vpc| vpc.interface(interface)) == Some(&entry) {
            return Ok(());
        }
        if let Some(vpc) = self.touch_home(vpc) {
            vpc.mappings.upsert(entry);
        }
        Ok(())
    }

    fn remove_mapping(&mut self, interface: InterfaceId) {
        let Some(vpc) = self.homes.mappings.remove(&interface) else {
            return;
        };
        if let Some(vpc) = self.touch_home(vpc) {
            vpc.mappings.remove(interface);
        }
    }

    fn upsert_subnet(&mut self, state: SubnetState) -> Result<(), ApplyError> {
        let SubnetState {
            id: subnet, vpc, ..
        } = state;
        if !self.held.contains_key(&vpc) {
            return Err(ApplyError::SubnetVpc { subnet, vpc });
        }
        settle(&mut self.homes.subnets, subnet, vpc)?;
        let config = SubnetConfig {
            id: subnet,
            vpc,
            ipv4: state.ipv4,
            ipv6: state.ipv6,
            route_table: state.route_table,
            acl: state.acl,
            zone: state.zone,
        };
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.subnets).insert(subnet, Arc::new(config));
        }
        self.recompile(vpc, |port| port.subnet == subnet);
        Ok(())
    }

    fn remove_subnet(&mut self, subnet: SubnetId) {
        let Some(vpc) = self.homes.subnets.remove(&subnet) else {
            return;
        };
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.subnets).remove(&subnet);
        }
        self.recompile(vpc, |port| port.subnet == subnet);
    }

    fn upsert_zone(&mut self, state: DnsZoneState) -> Result<(), ApplyError> {
        let zone = state.id;
        let slot = self.held.get(&zone.vpc).map(|held| held.slot);
        let slot = slot.ok_or(ApplyError::ZoneVpc { zone })?;
        self.change_zones(slot, |zones| zones.insert(ZoneConfig::compile(state)));
        Ok(())
    }

    fn remove_zone(&mut self, zone: ZoneInVpc) {
        if let Some(slot) = self.held.get(&zone.vpc).map(|held| held.slot) {
            self.change_zones(slot, |zones| zones.remove(zone.zone));
        }
    }

    fn change_zones(&mut self, slot: VpcSlot, change: impl FnOnce(&mut Zones)) {
        if let Some(vpc) = self.vpc_mut(slot) {
            change(Arc::make_mut(&mut vpc.zones));
        }
    }

    fn upsert_route_table(&mut self, state: &RouteTableState) -> Result<(), ApplyError> {
        let (table, vpc) = (state.id, state.vpc);
        if !self.held.contains_key(&vpc) {
            return Err(ApplyError::RouteTableVpc { table, vpc });
        }
        settle(&mut self.homes.tables, table, vpc)?;
        let routes = Arc::new(Routes::compile(state));
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.routes).insert(table, routes);
        }
        Ok(())
    }

    fn remove_route_table(&mut self, table: RouteTableId) {
        let Some(vpc) = self.homes.tables.remove(&table) else {
            return;
        };
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.routes).remove(&table);
        }
    }

    fn upsert_acl(&mut self, state: &AclState) -> Result<(), ApplyError> {
        let (acl, vpc) = (state.id, state.vpc);
        if !self.held.contains_key(&vpc) {
            return Err(ApplyError::AclVpc { acl, vpc });
        }
        settle(&mut self.homes.acls, acl, vpc)?;
        let compiled = Arc::new(Acl::compile(state));
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.acls).insert(acl, compiled);
        }
        Ok(())
    }

    fn remove_acl(&mut self, acl: NetworkAclId) {
        let Some(vpc) = self.homes.acls.remove(&acl) else {
            return;
        };
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.acls).remove(&acl);
        }
    }

    fn upsert_group(&mut self, state: GroupState) -> Result<(), ApplyError> {
        let (group, vpc) = (state.id, state.vpc);
        let Some(held) = self.held.get_mut(&vpc) else {
            return Err(ApplyError::GroupVpc { group, vpc });
        };
        settle(&mut self.homes.groups, group, vpc)?;
        if held.groups.get(&group) == Some(&state) {
            return Ok(());
        }
        held.groups.insert(group, state);
        self.regroup(vpc, group);
        Ok(())
    }

    fn remove_group(&mut self, group: SecurityGroupId) {
        let Some(vpc) = self.homes.groups.remove(&group) else {
            return;
        };
        if let Some(held) = self.held.get_mut(&vpc) {
            held.groups.remove(&group);
        }
        self.regroup(vpc, group);
    }

    /// The group changed: the policies that it is part of are compiled anew.
    fn regroup(&mut self, vpc: VpcId, group: SecurityGroupId) {
        self.policies.forget(group);
        self.recompile(vpc, |port| port.groups.contains(&group));
    }
}

/// Notes where an object lives; ids never move between VPCs.
pub(super) fn settle<K: std::hash::Hash + Eq + std::fmt::Display + Copy>(
    homes: &mut Map<K, VpcId>,
    key: K,
    vpc: VpcId,
) -> Result<(), ApplyError> {
    match homes.insert(key, vpc) {
        Some(other) if other != vpc => {
            homes.insert(key, other);
            Err(ApplyError::Moved {
                key: key.to_string(),
            })
        }
        _ => Ok(()),
    }
}
