//! Blocks of NAT gateways' ports: given to hosts, given back, and free again once they have rested.

use std::collections::BTreeSet;

use super::{OpError, found};
use crate::{
    Change, Cloud, HostName, LeaseKey, Meta, NatGateway, NatGatewayId, PortLease, Resource,
    RouteTable, RouteTarget, VpcId,
};

/// Blocks in one grant at most: what the busiest host needs until its next request, and no grab of
/// all that there is.
pub const GRANT: usize = 8;

/// Gives the host up to `wanted` more blocks of the gateway, the lowest free ones. Fewer, or none,
/// where no more are free.
///
/// # Errors
/// When the gateway doesn't exist or the host has no port in its VPC.
pub fn grant(
    cloud: &Cloud,
    id: NatGatewayId,
    host: &HostName,
    wanted: usize,
) -> Result<Vec<Change>, OpError> {
    let nat = found(cloud.nat_gateway(id), id)?;
    if !is_in(cloud, host, nat.vpc) {
        let reason = format!("{host} has no interface in {}", nat.vpc);
        return Err(OpError::invalid("nat", reason));
    }
    Ok(free(cloud, nat, host, wanted.min(GRANT)))
}

/// Takes blocks back from the host: they rest from now on. What isn't its is left alone.
pub fn give_back(cloud: &Cloud, host: &HostName, keys: &[LeaseKey]) -> Vec<Change> {
    let keys: BTreeSet<&LeaseKey> = keys.iter().collect();
    let leases = keys.into_iter().filter_map(|key| cloud.port_lease(key));
    leases
        .filter(|lease| lease.host.as_ref() == Some(host))
        .map(rest)
        .collect()
}

/// Frees blocks that have rested.
pub fn free_rested(cloud: &Cloud, keys: &[LeaseKey]) -> Vec<Change> {
    let leases = keys.iter().filter_map(|key| cloud.port_lease(key));
    leases
        .filter(|lease| lease.host.is_none())
        .map(|lease| Change::delete(lease.clone()))
        .collect()
}

/// What changes of other resources mean for leases; `cloud` is the one after them.
///
/// A host's first block is given before it asks, when its VPC has both a port there and a route to
/// the gateway: the first packet needn't wait. A host that has no port in the VPC any more gives
/// all of them up.
pub fn follow(cloud: &Cloud, changes: &[Change]) -> Vec<Change> {
    let mut news = News::default();
    for change in changes {
        news.read(change);
    }
    let mut leases = Vec::new();
    for (host, vpc) in &news.places {
        let nats = cloud.nat_gateways_in_vpc(*vpc);
        if is_in(cloud, host, *vpc) {
            nats.for_each(|nat| leases.extend(first(cloud, nat, host, &leases)));
        } else {
            let gone = cloud.leases_on_host(host);
            let gone = gone.filter(|lease| nats_vpc(cloud, lease) == Some(*vpc));
            leases.extend(gone.map(rest));
        }
    }
    for vpc in news.vpcs {
        let interfaces = cloud.interfaces_in_vpc(vpc);
        let hosts: BTreeSet<&HostName> = interfaces
            .filter_map(|interface| interface.attachment.as_ref().map(|place| &place.host))
            .collect();
        for nat in cloud.nat_gateways_in_vpc(vpc) {
            for host in &hosts {
                leases.extend(first(cloud, nat, host, &leases));
            }
        }
    }
    leases
}

/// What may change who should have a first block.
#[derive(Debug, Default)]
struct News {
    /// Hosts that interfaces came to or left.
    places: BTreeSet<(HostName, VpcId)>,
    /// VPCs with new gateways or routes to them.
    vpcs: BTreeSet<VpcId>,
}

impl News {
    fn read(&mut self, change: &Change) {
        for resource in [&change.before, &change.after].into_iter().flatten() {
            if let Resource::Interface(interface) = resource
                && let Some(place) = &interface.attachment
            {
                self.places.insert((place.host.clone(), interface.vpc));
            }
        }
        match (&change.before, &change.after) {
            (None, Some(Resource::NatGateway(nat))) => {
                self.vpcs.insert(nat.vpc);
            }
            (before, Some(Resource::RouteTable(table))) => {
                let old = match before {
                    Some(Resource::RouteTable(old)) => targets(old).collect(),
                    _ => BTreeSet::new(),
                };
                if targets(table).any(|nat| !old.contains(&nat)) {
                    self.vpcs.insert(table.vpc);
                }
            }
            _ => {}
        }
    }
}

fn targets(table: &RouteTable) -> impl Iterator<Item = NatGatewayId> {
    table.routes.iter().filter_map(|route| match route.target {
        RouteTarget::Nat(id) => Some(id),
        _ => None,
    })
}

fn nats_vpc(cloud: &Cloud, lease: &PortLease) -> Option<VpcId> {
    cloud.nat_gateway(lease.nat).map(|nat| nat.vpc)
}

fn is_in(cloud: &Cloud, host: &HostName, vpc: VpcId) -> bool {
    let mut interfaces = cloud.interfaces_on_host(host);
    interfaces.any(|interface| interface.vpc == vpc)
}

/// The host's first block of the gateway, where it has none and a route may need it; `given` are
/// being given already.
fn first(cloud: &Cloud, nat: &NatGateway, host: &HostName, given: &[Change]) -> Option<Change> {
    let given: Vec<&PortLease> = given.iter().filter_map(lease_of).collect();
    let is_its = |lease: &PortLease| lease.nat == nat.id && lease.host.as_ref() == Some(host);
    let mut held = cloud.leases_of_nat(nat.id);
    let has = held.any(is_its) || given.iter().any(|lease| is_its(lease));
    let mut tables = cloud.route_tables_in_vpc(nat.vpc);
    if has || !tables.any(|table| targets(table).any(|id| id == nat.id)) {
        return None;
    }
    let given: BTreeSet<LeaseKey> = given.iter().map(|lease| lease.key).collect();
    let mut free = LeaseKey::all(nat.public)
        .filter(|key| cloud.port_lease(key).is_none() && !given.contains(key));
    free.next().map(|key| lease(key, nat, host))
}

fn lease_of(change: &Change) -> Option<&PortLease> {
    match change.after.as_ref()? {
        Resource::PortLease(lease) => Some(lease),
        _ => None,
    }
}

fn free(cloud: &Cloud, nat: &NatGateway, host: &HostName, wanted: usize) -> Vec<Change> {
    let free = LeaseKey::all(nat.public).filter(|key| cloud.port_lease(key).is_none());
    free.take(wanted).map(|key| lease(key, nat, host)).collect()
}

fn lease(key: LeaseKey, nat: &NatGateway, host: &HostName) -> Change {
    Change::create(PortLease {
        key,
        nat: nat.id,
        host: Some(host.clone()),
        meta: Meta::default(),
    })
}

fn rest(lease: &PortLease) -> Change {
    let mut resting = lease.clone();
    resting.host = None;
    Change::update(lease.clone(), resting)
}
