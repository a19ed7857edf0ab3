//! The outside: which edges there are, and which addresses they take packets for.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use weft_model::{
    Association, EgressGatewayId, ElasticAddress, ElasticAddressId, Host, HostName, Interface,
    InterfaceId, InternetGatewayId, Prefix, PublicPool, PublicPoolId, Vpc, VpcId,
    state::{FrontHost, Public, Served, State, StateKey},
};

use super::{Audience, Planner};
use crate::{derive, plan::Plan};

/// An elastic address on an interface: which, for which private one.
type OnInterface = (InterfaceId, (Ipv4Addr, Ipv4Addr));

/// What states about the outside follow from.
#[derive(Debug, Default)]
pub(super) struct Outside {
    hosts: BTreeMap<HostName, Host>,
    /// Hosts whose vswitch is lost.
    lost: BTreeSet<HostName>,
    internet: BTreeMap<InternetGatewayId, VpcId>,
    egress: BTreeMap<EgressGatewayId, VpcId>,
    elastic: BTreeMap<ElasticAddressId, OnInterface>,
    elastic_of: BTreeMap<InterfaceId, BTreeMap<ElasticAddressId, (Ipv4Addr, Ipv4Addr)>>,
    /// Interfaces that are plugged in.
    faces: BTreeMap<InterfaceId, Interface>,
    faces_of_vpc: BTreeMap<VpcId, BTreeSet<InterfaceId>>,
    /// Who claims an address; two VPCs may have the same IPv6 block, and the first interface wins.
    claims: BTreeMap<IpAddr, BTreeSet<InterfaceId>>,
    claimed: BTreeMap<InterfaceId, BTreeSet<IpAddr>>,
    pools: BTreeMap<PublicPoolId, Vec<Prefix>>,
    vpcs: BTreeMap<VpcId, Vec<Prefix>>,
    served: BTreeSet<Prefix>,
}

/// Asking.
impl Outside {
    pub(super) fn has_internet(&self, id: InternetGatewayId, vpc: VpcId) -> bool {
        self.internet.get(&id) == Some(&vpc)
    }

    pub(super) fn has_egress(&self, id: EgressGatewayId, vpc: VpcId) -> bool {
        self.egress.get(&id) == Some(&vpc)
    }

    /// The edges, lost ones among them.
    pub(super) fn edges(&self) -> impl Iterator<Item = &HostName> {
        let edges = self.hosts.values().filter(|host| host.uplink.is_some());
        edges.map(|host| &host.name)
    }

    pub(super) fn live_edges(&self) -> impl Iterator<Item = &HostName> {
        self.edges().filter(|host| !self.lost.contains(*host))
    }

    /// Whether the VPC has an internet gateway.
    pub(super) fn is_online(&self, vpc: VpcId) -> bool {
        self.internet.values().any(|online| *online == vpc)
    }

    /// The host as one that takes a balancer's connections from outside.
    pub(super) fn front_host(&self, name: &HostName) -> Option<FrontHost> {
        let host = self.hosts.get(name)?;
        Some(FrontHost {
            host: host.name.clone(),
            vtep: host.vtep,
            lost: self.lost.contains(name),
        })
    }

    pub(super) fn is_edge(&self, host: &HostName) -> bool {
        let host = self.hosts.get(host);
        host.is_some_and(|host| host.uplink.is_some())
    }

    fn elastic_pairs(&self, interface: InterfaceId) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let pairs = self.elastic_of.get(&interface);
        pairs.into_iter().flatten().map(|(_, pair)| *pair).collect()
    }

    fn addresses(&self, interface: InterfaceId) -> BTreeSet<IpAddr> {
        let Some(face) = self.faces.get(&interface) else {
            return BTreeSet::new();
        };
        let internet = self.internet.values().any(|vpc| *vpc == face.vpc);
        let egress = self.egress.values().any(|vpc| *vpc == face.vpc);
        let elastic = self.elastic_pairs(interface).into_iter();
        let v4 = face
            .public_ipv4
            .into_iter()
            .chain(elastic.map(|(_, public)| public))
            .filter(|_| internet);
        let v6 = face.ipv6.iter().copied().filter(|_| internet || egress);
        v4.map(IpAddr::V4).chain(v6.map(IpAddr::V6)).collect()
    }

    fn public(&self, address: IpAddr) -> Option<Public> {
        let holder = self.claims.get(&address)?.first()?;
        let face = self.faces.get(holder)?;
        let host = self.hosts.get(&face.attachment.as_ref()?.host)?;
        Some(Public {
            address,
            host: host.name.clone(),
            vtep: host.vtep,
            mac: face.mac,
        })
    }

    fn wanted(&self) -> BTreeSet<Prefix> {
        let vpcs = self.internet.values().chain(self.egress.values());
        let blocks = vpcs.filter_map(|vpc| self.vpcs.get(vpc)).flatten();
        self.pools
            .values()
            .flatten()
            .chain(blocks)
            .copied()
            .collect()
    }
}

/// Noting.
impl Outside {
    pub(super) fn face(&mut self, interface: &Interface) {
        self.faces.insert(interface.id, interface.clone());
        let of_vpc = self.faces_of_vpc.entry(interface.vpc).or_default();
        of_vpc.insert(interface.id);
    }

    pub(super) fn unface(&mut self, interface: InterfaceId) {
        let Some(face) = self.faces.remove(&interface) else {
            return;
        };
        if let Some(faces) = self.faces_of_vpc.get_mut(&face.vpc) {
            faces.remove(&interface);
            if faces.is_empty() {
                self.faces_of_vpc.remove(&face.vpc);
            }
        }
    }

    /// The interface that the address was on before.
    fn move_elastic(
        &mut self,
        id: ElasticAddressId,
        on: Option<OnInterface>,
    ) -> Option<InterfaceId> {
        let before = self.elastic.remove(&id);
        if let Some((interface, _)) = before
            && let Some(pairs) = self.elastic_of.get_mut(&interface)
        {
            pairs.remove(&id);
            if pairs.is_empty() {
                self.elastic_of.remove(&interface);
            }
        }
        if let Some((interface, pair)) = on {
            self.elastic.insert(id, (interface, pair));
            self.elastic_of
                .entry(interface)
                .or_default()
                .insert(id, pair);
        }
        before.map(|(interface, _)| interface)
    }

    /// The addresses whose holder may be another now.
    fn claim(&mut self, interface: InterfaceId) -> BTreeSet<IpAddr> {
        let now = self.addresses(interface);
        let before = self.claimed.remove(&interface).unwrap_or_default();
        for address in &before {
            if let Some(claims) = self.claims.get_mut(address) {
                claims.remove(&interface);
                if claims.is_empty() {
                    self.claims.remove(address);
                }
            }
        }
        for address in &now {
            self.claims.entry(*address).or_default().insert(interface);
        }
        let touched = before.union(&now).copied().collect();
        if !now.is_empty() {
            self.claimed.insert(interface, now);
        }
        touched
    }
}

/// Liveness.
impl<B> Planner<B> {
    /// A host's vswitch is lost, or back: hosts stop using a lost edge.
    pub fn set_lost(&mut self, host: &HostName, lost: bool) -> Plan<B> {
        let mut plan = Plan::new();
        let changed = if lost {
            self.outside.lost.insert(host.clone())
        } else {
            self.outside.lost.remove(host)
        };
        if changed {
            self.refresh_edge(host, &mut plan);
            self.refresh_fronts_on(host, &mut plan);
        }
        plan
    }
}

/// One resource, new or changed or gone.
impl<B> Planner<B> {
    /// What a host holds of the outside.
    pub(super) fn outside_of(&self, host: &HostName) -> Vec<StateKey> {
        let busy = self.presence.ports(host).next().is_some();
        let edges = self.outside.live_edges().filter(|_| busy);
        let mut keys: Vec<_> = edges.cloned().map(StateKey::Edge).collect();
        if self.outside.is_edge(host) {
            let addresses = self.outside.claims.keys().copied();
            keys.extend(addresses.map(StateKey::Public));
            let served = self.outside.served.iter().copied();
            keys.extend(served.map(StateKey::Served));
            keys.extend(self.balancing.all_fronts());
        }
        keys
    }

    pub(super) fn put_edge(&mut self, host: &Host, plan: &mut Plan<B>) {
        let was = self.outside.is_edge(&host.name);
        self.outside.hosts.insert(host.name.clone(), host.clone());
        self.refresh_edge(&host.name, plan);
        let faces = self.outside.faces.values();
        let here = faces.filter(|face| {
            let place = face.attachment.as_ref();
            place.is_some_and(|place| place.host == host.name)
        });
        let here: Vec<_> = here.map(|face| face.id).collect();
        for interface in here {
            self.refresh_public(interface, plan);
        }
        self.refresh_fronts_on(&host.name, plan);
        if was != self.outside.is_edge(&host.name) {
            self.hand_outside(&host.name, !was, plan);
        }
    }

    pub(super) fn take_edge(&mut self, host: &HostName, plan: &mut Plan<B>) {
        self.outside.hosts.remove(host);
        self.outside.lost.remove(host);
        self.refresh_edge(host, plan);
    }

    /// An edge that is new gets all addresses; one that no longer is one gives them back.
    fn hand_outside(&self, host: &HostName, is_edge: bool, plan: &mut Plan<B>) {
        let addresses = self.outside.claims.keys().copied().map(StateKey::Public);
        let served = self.outside.served.iter().copied().map(StateKey::Served);
        let leases = self
            .nats
            .all()
            .filter(|key| !self.nats.is_held_by(*key, host));
        let leases = leases.map(StateKey::Lease);
        let fronts = self.balancing.all_fronts();
        for key in addresses.chain(served).chain(leases).chain(fronts) {
            match self.items.get(&key).filter(|_| is_edge) {
                Some(item) => plan.upsert(host, item),
                None => plan.remove(host, key),
            }
        }
    }

    fn refresh_edge(&mut self, name: &HostName, plan: &mut Plan<B>) {
        let live = self.outside.live_edges().any(|edge| edge == name);
        match self.outside.hosts.get(name).filter(|_| live) {
            Some(host) => {
                let state = State::Edge(derive::edge(host));
                self.set(&state, &Audience::Busy, plan);
            }
            None => self.unset(&StateKey::Edge(name.clone()), &Audience::Busy, plan),
        }
    }

    pub(super) fn put_pool(&mut self, pool: &PublicPool, plan: &mut Plan<B>) {
        let blocks = pool.blocks.iter().copied().map(Prefix::from).collect();
        self.outside.pools.insert(pool.id, blocks);
        self.refresh_served(plan);
    }

    pub(super) fn take_pool(&mut self, id: PublicPoolId, plan: &mut Plan<B>) {
        self.outside.pools.remove(&id);
        self.refresh_served(plan);
    }

    pub(super) fn serve_vpc(&mut self, vpc: &Vpc, plan: &mut Plan<B>) {
        let blocks = vpc.ipv6.iter().copied().map(Prefix::from).collect();
        self.outside.vpcs.insert(vpc.id, blocks);
        self.refresh_served(plan);
    }

    pub(super) fn unserve_vpc(&mut self, id: VpcId, plan: &mut Plan<B>) {
        self.outside.vpcs.remove(&id);
        self.refresh_served(plan);
    }

    fn refresh_served(&mut self, plan: &mut Plan<B>) {
        let wanted = self.outside.wanted();
        let before = std::mem::replace(&mut self.outside.served, wanted.clone());
        for &prefix in wanted.difference(&before) {
            self.set(&State::Served(Served { prefix }), &Audience::Edges, plan);
        }
        for &prefix in before.difference(&wanted) {
            self.unset(&StateKey::Served(prefix), &Audience::Edges, plan);
        }
    }

    pub(super) fn place_internet(
        &mut self,
        id: InternetGatewayId,
        vpc: Option<VpcId>,
        plan: &mut Plan<B>,
    ) {
        let before = match vpc {
            Some(vpc) => self.outside.internet.insert(id, vpc),
            None => self.outside.internet.remove(&id),
        };
        self.refresh_gateways([before, vpc], plan);
    }

    pub(super) fn place_egress(
        &mut self,
        id: EgressGatewayId,
        vpc: Option<VpcId>,
        plan: &mut Plan<B>,
    ) {
        let before = match vpc {
            Some(vpc) => self.outside.egress.insert(id, vpc),
            None => self.outside.egress.remove(&id),
        };
        self.refresh_gateways([before, vpc], plan);
    }

    fn refresh_gateways(&mut self, vpcs: [Option<VpcId>; 2], plan: &mut Plan<B>) {
        let [before, now] = vpcs;
        if before == now {
            return;
        }
        for vpc in vpcs.into_iter().flatten() {
            let tables = self.tables.values().filter(|table| table.vpc == vpc);
            let tables: Vec<_> = tables.map(|table| table.id).collect();
            for table in tables {
                self.refresh_table(table, plan);
            }
            self.refresh_fronts_in(vpc, plan);
            let faces = self.outside.faces_of_vpc.get(&vpc);
            for interface in faces.cloned().unwrap_or_default() {
                self.refresh_public(interface, plan);
            }
        }
        self.refresh_served(plan);
    }

    pub(super) fn put_elastic(&mut self, elastic: &ElasticAddress, plan: &mut Plan<B>) {
        let on = match elastic.association {
            Some(Association::Interface { interface, private }) => {
                Some((interface, (private, elastic.address)))
            }
            Some(Association::Nat(_)) | None => None,
        };
        let before = self.outside.move_elastic(elastic.id, on);
        let now = on.map(|(interface, _)| interface);
        self.refresh_faces([before, now], plan);
    }

    pub(super) fn take_elastic(&mut self, id: ElasticAddressId, plan: &mut Plan<B>) {
        let before = self.outside.move_elastic(id, None);
        self.refresh_faces([before, None], plan);
    }

    fn refresh_faces(&mut self, interfaces: [Option<InterfaceId>; 2], plan: &mut Plan<B>) {
        for interface in interfaces.into_iter().flatten() {
            self.refresh_port(interface, plan);
            self.refresh_public(interface, plan);
        }
    }

    /// The port of an interface that is plugged in.
    pub(super) fn refresh_port(&mut self, interface: InterfaceId, plan: &mut Plan<B>) {
        let Some(face) = self.outside.faces.get(&interface) else {
            return;
        };
        let Some(place) = &face.attachment else {
            return;
        };
        let elastic = self.outside.elastic_pairs(interface);
        let port = State::Port(derive::port(face, place, elastic));
        let host = place.host.clone();
        self.set(&port, &Audience::Host(&host), plan);
    }

    /// The addresses by which the outside knows an interface.
    pub(super) fn refresh_public(&mut self, interface: InterfaceId, plan: &mut Plan<B>) {
        for address in self.outside.claim(interface) {
            match self.outside.public(address) {
                Some(public) => self.set(&State::Public(public), &Audience::Edges, plan),
                None => self.unset(&StateKey::Public(address), &Audience::Edges, plan),
            }
        }
    }
}
