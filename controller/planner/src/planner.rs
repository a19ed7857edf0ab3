//! Keeps what every host must hold, and says what a change does to it.
//!
//! A host holds: its ports; the VPCs that they are in, with all subnets, network ACLs, route tables,
//! private zones, peerings and mappings; what transit gateways have to do with these; the security groups that they are in; of each VPC that these
//! exchange packets with the outline, which is the VPC itself and its mappings; and the tunnels of the
//! hosts with ports in any of them. The first port of a VPC on a host brings the VPC there, and the
//! last one takes it away. A host with any port holds the live edges, and an edge every address that
//! the outside knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use weft_model::{
    Change, FlowLogId, HostName, InterfaceId, NetworkAclId, Peering, PeeringId, PrivateZoneId,
    Resource, ResourceKey, RouteTable, RouteTableId, RouteTarget, SecurityGroupId, Subnet,
    SubnetId, Vpc, VpcId,
    cloud::Cloud,
    state::{State, StateKey},
};

use self::lists::Lists;
use crate::{
    derive::{self, Defaults},
    item::{Item, Seal},
    links::Links,
    plan::Plan,
    presence::Presence,
};

mod balancing;
mod interfaces;
mod lists;
mod mirrors;
mod nat;
mod outside;
mod reach;
#[cfg(test)]
mod reach_tests;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod tests;
mod transit;
#[cfg(test)]
mod transit_tests;
mod zones;

pub use self::balancing::TargetReport;
use self::{balancing::Balancing, outside::Outside, transit::Transit};

/// Where an interface was plugged in, to be undone when it no longer is.
#[derive(Debug, Clone)]
struct Plugged {
    host: HostName,
    vpc: VpcId,
    groups: Vec<SecurityGroupId>,
}

/// A VPC's parts, as far as other resources' states follow from them.
#[derive(Debug, Default)]
struct Parts {
    /// What its subnets have by default, once the VPC itself is known.
    defaults: Option<Defaults>,
    subnets: BTreeMap<SubnetId, Subnet>,
    /// What any host that sends to the VPC holds of it: the VPC itself, and where its interfaces are.
    outline: BTreeSet<StateKey>,
    /// What a host with a port in the VPC holds beside that, tunnels and groups apart.
    shared: BTreeSet<StateKey>,
}

/// What every host must hold. Its memory follows the cloud, once, not once per host.
#[derive(Debug)]
pub struct Planner<B> {
    seal: Seal<B>,
    items: BTreeMap<StateKey, Arc<Item<B>>>,
    presence: Presence,
    vpcs: BTreeMap<VpcId, Parts>,
    subnets: BTreeMap<SubnetId, VpcId>,
    plugged: BTreeMap<InterfaceId, Plugged>,
    tables: BTreeMap<RouteTableId, RouteTable>,
    acls: BTreeMap<NetworkAclId, VpcId>,
    lists: Lists,
    /// The VPCs that see each private zone.
    zones: BTreeMap<PrivateZoneId, BTreeSet<VpcId>>,
    flow_logs: BTreeMap<FlowLogId, VpcId>,
    mirrors: mirrors::Mirrors,
    balancing: Balancing,
    /// Tables with a route to what may come and go: they change when it does.
    tables_to: BTreeMap<RouteTarget, BTreeSet<RouteTableId>>,
    peerings: BTreeMap<PeeringId, Peering>,
    links: Links,
    outside: Outside,
    nats: nat::Nats,
    transit: Transit,
}

/// Making, changing, asking.
impl<B> Planner<B> {
    /// The planner of this cloud; `seal` makes states ready to send.
    pub fn new(cloud: &Cloud, seal: Seal<B>) -> Self {
        let mut planner = Self {
            seal,
            items: BTreeMap::new(),
            presence: Presence::default(),
            vpcs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            plugged: BTreeMap::new(),
            tables: BTreeMap::new(),
            acls: BTreeMap::new(),
            lists: Lists::default(),
            zones: BTreeMap::new(),
            tables_to: BTreeMap::new(),
            flow_logs: BTreeMap::new(),
            mirrors: mirrors::Mirrors::default(),
            balancing: Balancing::default(),
            peerings: BTreeMap::new(),
            links: Links::default(),
            outside: Outside::default(),
            nats: nat::Nats::default(),
            transit: Transit::default(),
        };
        for resource in cloud.resources() {
            planner.put(&resource, &mut Plan::muted());
        }
        planner
    }

    /// Takes one transaction's changes and says which hosts must be told what. The cost follows
    /// the hosts and states concerned, not the size of the cloud.
    pub fn apply(&mut self, changes: &[Change]) -> Plan<B> {
        let mut plan = Plan::new();
        for change in changes {
            match (&change.before, &change.after) {
                (_, Some(after)) => self.put(after, &mut plan),
                (Some(before), None) => self.take(&before.key(), &mut plan),
                (None, None) => {}
            }
        }
        plan
    }

    /// All that the host must hold, in the order of the kinds.
    pub fn desired(&self, host: &HostName) -> Vec<Arc<Item<B>>> {
        let peers = self.presence.peers(host).into_iter();
        let tunnels = peers.cloned().map(StateKey::Tunnel);
        let groups = self.presence.groups(host).map(StateKey::Group);
        let ports = self.presence.ports(host).map(StateKey::Port);
        let outside = self.outside_of(host);
        let leases = self.leases_of(host).into_iter().map(StateKey::Lease);
        let own = tunnels.chain(groups).chain(ports);
        let own = own.chain(outside).chain(leases);
        let vpcs = self.presence.vpcs(host).filter_map(|id| self.vpcs.get(&id));
        let shared = vpcs.flat_map(|parts| &parts.shared);
        let held = self.presence.held(host).filter_map(|id| self.vpcs.get(&id));
        let shared = shared.chain(held.flat_map(|parts| &parts.outline));
        let vpcs = self.presence.vpcs(host);
        let transit = vpcs.flat_map(|vpc| self.transit.keys_of(vpc));
        let own = own.chain(transit).filter_map(|key| self.items.get(&key));
        let mut items: Vec<_> = own
            .chain(shared.filter_map(|key| self.items.get(key)))
            .map(Arc::clone)
            .collect();
        items.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        // What two VPCs share is there once.
        items.dedup_by(|a, b| a.key == b.key);
        items
    }

    /// The hosts that must hold anything at all.
    pub fn busy_hosts(&self) -> impl Iterator<Item = &HostName> {
        let all = self.outside.edges();
        let edges = all.filter(|edge| !self.outside_of(edge).is_empty());
        let hosts: BTreeSet<_> = self.presence.busy_hosts().chain(edges).collect();
        hosts.into_iter()
    }
}

/// One resource, new or changed or gone.
impl<B> Planner<B> {
    fn put(&mut self, resource: &Resource, plan: &mut Plan<B>) {
        match resource {
            Resource::Region(_) | Resource::Zone(_) => {}
            Resource::PublicPool(pool) => self.put_pool(pool, plan),
            Resource::InternetGateway(gateway) => {
                self.place_internet(gateway.id, gateway.vpc, plan);
            }
            Resource::EgressGateway(gateway) => {
                self.place_egress(gateway.id, Some(gateway.vpc), plan);
            }
            Resource::ElasticAddress(elastic) => self.put_elastic(elastic, plan),
            Resource::Host(host) => {
                let state = State::Tunnel(derive::tunnel(host));
                self.set(&state, &Audience::Peers(&host.name), plan);
                self.put_edge(host, plan);
                self.move_leases(host, plan);
            }
            Resource::NatGateway(nat) => self.put_nat(nat, plan),
            Resource::PortLease(lease) => self.put_lease(lease, plan),
            Resource::Vpc(vpc) => self.put_vpc(vpc, plan),
            Resource::Peering(peering) => self.put_peering(peering, plan),
            Resource::TransitGateway(_) => {}
            Resource::TransitTable(table) => self.put_transit_table(table, plan),
            Resource::TransitAttachment(attachment) => self.put_attachment(attachment, plan),
            Resource::RouteTable(table) => self.put_table(table, plan),
            Resource::SecurityGroup(group) => self.put_group(group, plan),
            Resource::PrefixList(list) => self.put_list(list, plan),
            Resource::NetworkAcl(acl) => {
                self.acls.insert(acl.id, acl.vpc);
                let state = State::Acl(derive::acl(acl));
                self.set(&state, &Audience::Vpc(acl.vpc), plan);
            }
            Resource::Subnet(subnet) => {
                let subnets = &mut self.vpcs.entry(subnet.vpc).or_default().subnets;
                subnets.insert(subnet.id, subnet.clone());
                self.subnets.insert(subnet.id, subnet.vpc);
                self.refresh_subnet(subnet, plan);
            }
            Resource::Interface(interface) => self.put_interface(interface, plan),
            Resource::FlowLog(log) => {
                self.flow_logs.insert(log.id, log.vpc);
                let state = State::FlowLog(derive::flow_log(log));
                self.set(&state, &Audience::Vpc(log.vpc), plan);
            }
            Resource::MirrorFilter(filter) => self.put_mirror_filter(filter, plan),
            Resource::MirrorSession(session) => self.put_mirror(session, plan),
            Resource::PrivateZone(zone) => self.put_zone(zone, plan),
            Resource::TargetGroup(group) => self.put_targets(group, plan),
            Resource::Balancer(balancer) => self.put_balancer(balancer, plan),
            Resource::Listener(listener) => self.put_listener(listener, plan),
        }
    }

    fn take(&mut self, key: &ResourceKey, plan: &mut Plan<B>) {
        match key {
            ResourceKey::Region(_) | ResourceKey::Zone(_) => {}
            ResourceKey::PublicPool(id) => self.take_pool(*id, plan),
            ResourceKey::InternetGateway(id) => self.place_internet(*id, None, plan),
            ResourceKey::EgressGateway(id) => self.place_egress(*id, None, plan),
            ResourceKey::ElasticAddress(id) => self.take_elastic(*id, plan),
            ResourceKey::Host(name) => {
                self.take_edge(name, plan);
                let key = StateKey::Tunnel(name.clone());
                self.unset(&key, &Audience::Peers(name), plan);
                self.forget_vtep(name);
            }
            ResourceKey::NatGateway(id) => self.take_nat(*id, plan),
            ResourceKey::PortLease(key) => self.take_lease(*key, plan),
            ResourceKey::Vpc(id) => self.take_vpc(*id, plan),
            ResourceKey::Peering(id) => self.take_peering(*id, plan),
            ResourceKey::TransitGateway(_) => {}
            ResourceKey::TransitTable(id) => self.take_transit_table(*id, plan),
            ResourceKey::TransitAttachment(id) => self.take_attachment(*id, plan),
            ResourceKey::RouteTable(id) => self.take_table(*id, plan),
            ResourceKey::SecurityGroup(id) => self.take_group(*id, plan),
            ResourceKey::PrefixList(id) => self.take_list(*id, plan),
            ResourceKey::NetworkAcl(id) => self.take_acl(*id, plan),
            ResourceKey::Subnet(id) => self.take_subnet(*id, plan),
            ResourceKey::Interface(id) => self.unplug(*id, plan),
            ResourceKey::FlowLog(id) => self.take_flow_log(*id, plan),
            ResourceKey::MirrorFilter(id) => self.take_mirror_filter(*id),
            ResourceKey::MirrorSession(id) => self.take_mirror(*id, plan),
            ResourceKey::PrivateZone(id) => self.take_zone(*id, plan),
            ResourceKey::TargetGroup(id) => self.take_targets(*id, plan),
            ResourceKey::Balancer(id) => self.take_balancer(*id, plan),
            ResourceKey::Listener(id) => self.take_listener(*id, plan),
        }
    }

    fn take_flow_log(&mut self, id: FlowLogId, plan: &mut Plan<B>) {
        if let Some(vpc) = self.flow_logs.remove(&id) {
            self.unset(&StateKey::FlowLog(id), &Audience::Vpc(vpc), plan);
            self.forget_vpc_if_empty(vpc);
        }
    }

    fn put_vpc(&mut self, vpc: &Vpc, plan: &mut Plan<B>) {
        let state = State::Vpc(derive::vpc(vpc));
        self.set(&state, &Audience::Holders(vpc.id), plan);
        self.serve_vpc(vpc, plan);
        self.set_blocks(vpc.id, Some(vpc), plan);
        let parts = self.vpcs.entry(vpc.id).or_default();
        let before = parts.defaults.replace(Defaults::of(vpc));
        if before != parts.defaults {
            self.refresh_followers(vpc.id, plan);
        }
    }

    fn take_vpc(&mut self, id: VpcId, plan: &mut Plan<B>) {
        self.unset(&StateKey::Vpc(id), &Audience::Holders(id), plan);
        self.unserve_vpc(id, plan);
        self.set_blocks(id, None, plan);
        if let Some(parts) = self.vpcs.get_mut(&id) {
            parts.defaults = None;
        }
        self.refresh_followers(id, plan);
        self.forget_vpc_if_empty(id);
    }

    fn take_acl(&mut self, id: NetworkAclId, plan: &mut Plan<B>) {
        if let Some(vpc) = self.acls.remove(&id) {
            self.unset(&StateKey::Acl(id), &Audience::Vpc(vpc), plan);
            self.forget_vpc_if_empty(vpc);
        }
    }

    /// The subnets that something of the VPC's defaults is for.
    fn refresh_followers(&mut self, vpc: VpcId, plan: &mut Plan<B>) {
        let subnets = self
            .vpcs
            .get(&vpc)
            .into_iter()
            .flat_map(|parts| parts.subnets.values());
        let followers: Vec<_> = subnets
            .filter(|s| s.route_table.is_none() || s.acl.is_none())
            .cloned()
            .collect();
        for subnet in &followers {
            self.refresh_subnet(subnet, plan);
        }
    }

    fn refresh_subnet(&mut self, subnet: &Subnet, plan: &mut Plan<B>) {
        let audience = Audience::Vpc(subnet.vpc);
        match self.vpcs.get(&subnet.vpc).and_then(|parts| parts.defaults) {
            Some(defaults) => {
                let state = State::Subnet(derive::subnet(subnet, defaults));
                self.set(&state, &audience, plan);
            }
            // Its VPC comes in the same transaction and refreshes it then.
            None => self.unset(&StateKey::Subnet(subnet.id), &audience, plan),
        }
    }

    fn take_subnet(&mut self, id: SubnetId, plan: &mut Plan<B>) {
        let Some(vpc) = self.subnets.remove(&id) else {
            return;
        };
        if let Some(parts) = self.vpcs.get_mut(&vpc) {
            parts.subnets.remove(&id);
        }
        self.unset(&StateKey::Subnet(id), &Audience::Vpc(vpc), plan);
        self.forget_vpc_if_empty(vpc);
    }

    fn put_table(&mut self, table: &RouteTable, plan: &mut Plan<B>) {
        self.unlink_table(table.id);
        self.lists.link_table(table);
        for target in targets(table) {
            let tables = self.tables_to.entry(target).or_default();
            tables.insert(table.id);
        }
        self.tables.insert(table.id, table.clone());
        self.refresh_table(table.id, plan);
    }

    fn take_table(&mut self, id: RouteTableId, plan: &mut Plan<B>) {
        self.unlink_table(id);
        if let Some(table) = self.tables.remove(&id) {
            self.unset(&StateKey::RouteTable(id), &Audience::Vpc(table.vpc), plan);
            self.forget_vpc_if_empty(table.vpc);
        }
    }

    fn unlink_table(&mut self, id: RouteTableId) {
        self.lists.unlink_table(id);
        let old: Vec<_> = self.tables.get(&id).into_iter().flat_map(targets).collect();
        for target in old {
            if let Some(tables) = self.tables_to.get_mut(&target) {
                tables.remove(&id);
                if tables.is_empty() {
                    self.tables_to.remove(&target);
                }
            }
        }
    }

    fn refresh_table(&mut self, id: RouteTableId, plan: &mut Plan<B>) {
        if let Some(table) = self.tables.get(&id) {
            let vpc = table.vpc;
            let listed = |list| self.lists.prefixes(list);
            let state = derive::route_table(table, listed, |target| self.is_live(target, vpc));
            self.set(&State::RouteTable(state), &Audience::Vpc(vpc), plan);
        }
    }

    fn refresh_tables_to(&mut self, target: RouteTarget, plan: &mut Plan<B>) {
        let tables = self.tables_to.get(&target).into_iter();
        let tables: Vec<_> = tables.flatten().copied().collect();
        for table in tables {
            self.refresh_table(table, plan);
        }
    }

    /// Whether packets to the target get anywhere.
    fn is_live(&self, target: RouteTarget, vpc: VpcId) -> bool {
        match target {
            RouteTarget::Interface(id) => self.plugged.contains_key(&id),
            RouteTarget::Peering(id) => self.peerings.get(&id).is_some_and(Peering::is_active),
            RouteTarget::InternetGateway(id) => self.outside.has_internet(id, vpc),
            RouteTarget::EgressGateway(id) => self.outside.has_egress(id, vpc),
            RouteTarget::Nat(id) => self.nats.has(id, vpc),
            RouteTarget::TransitGateway(id) => self.transit.is_attached(id, vpc),
            RouteTarget::Local | RouteTarget::Blackhole => true,
        }
    }

    fn forget_vpc_if_empty(&mut self, id: VpcId) {
        let unused = |parts: &Parts| {
            parts.defaults.is_none()
                && parts.subnets.is_empty()
                && parts.outline.is_empty()
                && parts.shared.is_empty()
        };
        if self.vpcs.get(&id).is_some_and(unused) {
            self.vpcs.remove(&id);
        }
    }
}

/// The table's targets that may come and go.
fn targets(table: &RouteTable) -> impl Iterator<Item = RouteTarget> {
    let targets = table.routes.iter().map(|route| route.target);
    targets.filter(|target| !matches!(target, RouteTarget::Local | RouteTarget::Blackhole))
}

/// Who holds a state.
#[derive(Debug, Clone, Copy)]
enum Audience<'a> {
    /// One host.
    Host(&'a HostName),
    /// The hosts with a reason to send to this one.
    Peers(&'a HostName),
    /// The hosts with ports in the group.
    Group(SecurityGroupId),
    /// The hosts with ports in the VPC.
    Vpc(VpcId),
    /// The hosts with ports in any of the VPCs.
    Vpcs(&'a [VpcId]),
    /// The same, of what is no part of the VPCs.
    Among(&'a [VpcId]),
    /// The hosts that must find the VPC's interfaces.
    Holders(VpcId),
    /// The hosts with any port.
    Busy,
    /// The edges.
    Edges,
    /// The host that holds a block of ports, and the edges.
    Lease(&'a HostName),
}

impl<B> Planner<B> {
    fn set(&mut self, state: &State, audience: &Audience<'_>, plan: &mut Plan<B>) {
        let item = Arc::new((self.seal)(state));
        match audience {
            Audience::Vpc(vpc) => self.share(*vpc, &item.key),
            Audience::Vpcs(vpcs) => vpcs.iter().for_each(|vpc| self.share(*vpc, &item.key)),
            Audience::Holders(vpc) => {
                let parts = self.vpcs.entry(*vpc).or_default();
                parts.outline.insert(item.key.clone());
            }
            _ => {}
        }
        let before = self.items.get(&item.key).map(|before| before.version);
        if before == Some(item.version) {
            return;
        }
        if !plan.is_muted() {
            self.each(audience, |host| plan.upsert(host, &item));
        }
        self.items.insert(item.key.clone(), item);
    }

    fn share(&mut self, vpc: VpcId, key: &StateKey) {
        let parts = self.vpcs.entry(vpc).or_default();
        parts.shared.insert(key.clone());
    }

    fn unset(&mut self, key: &StateKey, audience: &Audience<'_>, plan: &mut Plan<B>) {
        if self.items.remove(key).is_none() {
            return;
        }
        let vpcs = match audience {
            Audience::Vpc(vpc) | Audience::Holders(vpc) => std::slice::from_ref(vpc),
            Audience::Vpcs(vpcs) => vpcs,
            _ => &[],
        };
        for vpc in vpcs {
            if let Some(parts) = self.vpcs.get_mut(vpc) {
                parts.shared.remove(key);
                parts.outline.remove(key);
            }
        }
        self.each(audience, |host| plan.remove(host, key.clone()));
    }

    fn each(&self, audience: &Audience<'_>, mut tell: impl FnMut(&HostName)) {
        match audience {
            Audience::Host(host) => tell(host),
            Audience::Lease(host) => {
                tell(host);
                self.outside
                    .edges()
                    .filter(|edge| edge != host)
                    .for_each(tell);
            }
            Audience::Peers(host) => self.presence.peers(host).into_iter().for_each(tell),
            Audience::Group(id) => self.presence.hosts_of_group(*id).for_each(tell),
            Audience::Vpc(id) => self.presence.hosts_of_vpc(*id).for_each(tell),
            // One in several of them is told the same twice, which is once.
            Audience::Vpcs(vpcs) | Audience::Among(vpcs) => vpcs
                .iter()
                .flat_map(|vpc| self.presence.hosts_of_vpc(*vpc))
                .for_each(tell),
            Audience::Holders(id) => self.presence.holders_of_vpc(*id).for_each(tell),
            Audience::Busy => self.presence.busy_hosts().for_each(tell),
            Audience::Edges => self.outside.edges().for_each(tell),
        }
    }
}
