//! VPCs come and go.

use std::sync::Arc;

use weft_model::{Vni, VpcId, state::VpcState};

use super::{Held, Tables};
use crate::{
    config::{ApplyError, VpcConfig, VpcSlot, mapping::Mappings},
    hash::Map,
};

impl Tables {
    pub(super) fn upsert_vpc(&mut self, state: VpcState) -> Result<(), ApplyError> {
        let VpcState { id: vpc, vni, .. } = state;
        if state.ipv4.is_empty() {
            return Err(ApplyError::VpcWithoutBlock { vpc });
        }
        if vni == Vni::OUTSIDE {
            return Err(ApplyError::VniReserved { vpc, vni });
        }
        let holder = self.config.vpc_by_vni(vni).map(|holder| holder.id);
        if let Some(other) = holder.filter(|&holder| holder != vpc) {
            return Err(ApplyError::VniTaken { vpc, vni, other });
        }
        match self.held.get(&vpc).map(|held| (held.slot, held.vni)) {
            Some((slot, old)) => {
                let by_vni = Arc::make_mut(&mut self.config.by_vni);
                by_vni.remove(&old);
                by_vni.insert(vni, slot);
                if old != vni {
                    let endpoints = Arc::make_mut(&mut self.config.endpoints);
                    endpoints.retain(|&(held, _), _| held != old);
                }
                self.update_vpc(slot, state);
            }
            None => self.insert_vpc(state),
        }
        Ok(())
    }

    fn insert_vpc(&mut self, state: VpcState) {
        let vpcs = Arc::make_mut(&mut self.config.vpcs);
        let slot = self.free_vpcs.pop().unwrap_or_else(|| {
            vpcs.push(None);
            VpcSlot(vpcs.len() as u32 - 1)
        });
        self.stamp = self.stamp.wrapping_add(1);
        vpcs[slot.0 as usize] = Some(Arc::new(VpcConfig {
            id: state.id,
            vni: state.vni,
            ipv4: state.ipv4,
            ipv6: state.ipv6,
            region: state.region,
            dns: Arc::new(state.dns),
            generation: self.stamp,
            subnets: Arc::default(),
            routes: Arc::default(),
            acls: Arc::default(),
            nats: Arc::default(),
            mappings: Mappings::default(),
            peers: Arc::default(),
            attachments: Arc::default(),
            neighbours: Arc::default(),
            zones: Arc::default(),
            balancers: Arc::default(),
        }));
        Arc::make_mut(&mut self.config.by_vni).insert(state.vni, slot);
        let held = Held {
            slot,
            vni: state.vni,
            ports: Vec::new(),
            groups: Map::default(),
        };
        self.held.insert(state.id, held);
        self.relink_around(state.id);
        self.transit.moved(state.id);
    }

    fn update_vpc(&mut self, slot: VpcSlot, state: VpcState) {
        let id = state.id;
        if let Some(held) = self.held.get_mut(&id) {
            held.vni = state.vni;
        }
        if let Some(vpc) = self.touch(slot) {
            vpc.vni = state.vni;
            vpc.ipv4 = state.ipv4;
            vpc.ipv6 = state.ipv6;
            vpc.region = state.region;
            vpc.dns = Arc::new(state.dns);
        }
        self.transit.moved(id);
        // The tunnel finds ports by VNI.
        self.recompile(id, |_| true);
    }

    /// Takes everything in it along; what is removed by name later is no longer there, which is
    /// fine.
    pub(super) fn remove_vpc(&mut self, vpc: VpcId) {
        let Some(held) = self.held.get(&vpc) else {
            return;
        };
        let (slot, vni) = (held.slot, held.vni);
        for interface in held.ports.clone() {
            self.remove_port(interface);
        }
        self.held.remove(&vpc);
        self.homes.forget(vpc);
        Arc::make_mut(&mut self.config.by_vni).remove(&vni);
        Arc::make_mut(&mut self.config.vpcs)[slot.0 as usize] = None;
        self.relink_around(vpc);
        self.transit.moved(vpc);
        self.free_vpcs.push(slot);
    }
}

impl super::Homes {
    fn forget(&mut self, vpc: VpcId) {
        self.subnets.retain(|_, home| *home != vpc);
        self.tables.retain(|_, home| *home != vpc);
        self.nats.retain(|_, home| *home != vpc);
        self.groups.retain(|_, home| *home != vpc);
        self.acls.retain(|_, home| *home != vpc);
        self.mappings.retain(|_, home| *home != vpc);
        self.ports.retain(|_, home| *home != vpc);
        self.balancers.retain(|_, home| *home != vpc);
        self.targets.retain(|_, home| *home != vpc);
    }
}
