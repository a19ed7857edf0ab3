//! The load balancers of a VPC.

use std::{net::IpAddr, sync::Arc};

use weft_model::{
    BalancerId, Protocol, SubnetId, TargetGroupId, VpcId, ZoneName,
    state::{BalancerState, ListenerState, TargetGroupState},
};

use super::{ApplyError, Tables, tables::settle};
use crate::{balance::pool::Pool, hash::Map};

/// A VPC's load balancers and target groups.
#[derive(Debug, Clone, Default)]
pub(crate) struct Balancers {
    by_id: Map<BalancerId, Arc<BalancerState>>,
    by_address: Map<IpAddr, (SubnetId, Arc<BalancerState>)>,
    /// The IPv6 ones by their marks.
    by_mark6: Map<u32, IpAddr>,
    /// By the addresses that the outside knows.
    fronts: Map<IpAddr, (SubnetId, Arc<BalancerState>)>,
    pools: Map<TargetGroupId, Arc<Pool>>,
}

impl Balancers {
    /// The balancer with this address.
    #[inline]
    pub(crate) fn at(&self, address: IpAddr) -> Option<&BalancerState> {
        if self.by_address.is_empty() {
            return None;
        }
        self.by_address
            .get(&address)
            .map(|(_, state)| state.as_ref())
    }

    /// The balancers' address that a mark stands for.
    #[inline]
    pub(crate) fn by_mark(&self, mark: u32, v4: bool) -> Option<IpAddr> {
        let address = match v4 {
            true => IpAddr::V4(mark.into()),
            false => *self.by_mark6.get(&mark)?,
        };
        self.by_address.contains_key(&address).then_some(address)
    }

    /// Whether a balancer has the address, in that subnet.
    pub(crate) fn is_in(&self, subnet: SubnetId, address: IpAddr) -> bool {
        let holder = self.by_address.get(&address);
        holder.is_some_and(|(home, _)| *home == subnet)
    }

    /// The balancer that the outside knows by this address, and the subnet that it is in there.
    #[inline]
    pub(crate) fn front(&self, address: IpAddr) -> Option<(SubnetId, &BalancerState)> {
        if self.fronts.is_empty() {
            return None;
        }
        let (subnet, state) = self.fronts.get(&address)?;
        Some((*subnet, state.as_ref()))
    }

    pub(crate) fn pool(&self, group: TargetGroupId) -> Option<&Pool> {
        self.pools.get(&group).map(Arc::as_ref)
    }

    pub(crate) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.values()
    }

    fn put(&mut self, state: BalancerState) {
        self.take(state.id);
        let state = Arc::new(state);
        for at in &state.addresses {
            let entry = (at.subnet, Arc::clone(&state));
            if let Some(public) = at.public {
                self.fronts.insert(public, entry.clone());
            }
            if at.address.is_ipv6() {
                self.by_mark6.insert(mark(at.address), at.address);
            }
            self.by_address.insert(at.address, entry);
        }
        self.by_id.insert(state.id, state);
    }

    fn take(&mut self, id: BalancerId) {
        self.by_id.remove(&id);
        self.by_address.retain(|_, (_, state)| state.id != id);
        let left = &self.by_address;
        self.by_mark6
            .retain(|_, address| left.contains_key(address));
        self.fronts.retain(|_, (_, state)| state.id != id);
    }
}

/// What stands for a balancer's address where there is room for 32 bits: an IPv4 address itself; an
/// IPv6 one folded, for those of several subnets often end alike.
pub(crate) fn mark(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(a) => a.to_bits(),
        IpAddr::V6(a) => {
            let bits = a.to_bits();
            (bits ^ bits >> 32 ^ bits >> 64 ^ bits >> 96) as u32
        }
    }
}

/// The listener that takes this.
pub(crate) fn listener(
    balancer: &BalancerState,
    protocol: Protocol,
    port: u16,
) -> Option<&ListenerState> {
    let mut listeners = balancer.listeners.iter();
    listeners.find(|listener| listener.port == port && listener.protocol.carries(protocol))
}

/// The zone whose targets a client there gets; `None` where the balancer makes no difference.
pub(crate) fn zone_of<'a>(balancer: &BalancerState, zone: &'a ZoneName) -> Option<&'a ZoneName> {
    (!balancer.cross_zone).then_some(zone)
}

impl Tables {
    pub(super) fn upsert_balancer(&mut self, state: BalancerState) -> Result<(), ApplyError> {
        let (balancer, vpc) = (state.id, state.vpc);
        if self.balancers_of(vpc).is_none() {
            let key = balancer.to_string();
            return Err(ApplyError::BalancingVpc { key, vpc });
        }
        settle(&mut self.homes.balancers, balancer, vpc)?;
        let held = self.balancers_of(vpc).and_then(|b| b.by_id.get(&balancer));
        if held.is_some_and(|held| **held == state) {
            return Ok(());
        }
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.balancers).put(state);
        }
        Ok(())
    }

    pub(super) fn remove_balancer(&mut self, balancer: BalancerId) {
        let Some(vpc) = self.homes.balancers.remove(&balancer) else {
            return;
        };
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.balancers).take(balancer);
        }
    }

    pub(super) fn upsert_targets(&mut self, state: TargetGroupState) -> Result<(), ApplyError> {
        let (group, vpc) = (state.id, state.vpc);
        let Some(balancers) = self.balancers_of(vpc) else {
            let key = group.to_string();
            return Err(ApplyError::BalancingVpc { key, vpc });
        };
        let before = balancers.pools.get(&group);
        let pool = Arc::new(Pool::new(state, before.map(Arc::as_ref)));
        if before.is_some_and(|before| before.state() == pool.state()) {
            return Ok(());
        }
        settle(&mut self.homes.targets, group, vpc)?;
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.balancers).pools.insert(group, pool);
        }
        Ok(())
    }

    pub(super) fn remove_targets(&mut self, group: TargetGroupId) {
        let Some(vpc) = self.homes.targets.remove(&group) else {
            return;
        };
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.balancers).pools.remove(&group);
        }
    }

    fn balancers_of(&self, vpc: VpcId) -> Option<&Balancers> {
        let slot = self.held.get(&vpc)?.slot;
        Some(&self.config.vpc(slot)?.balancers)
    }
}
