//! NAT gateways and leases come and go.

use std::sync::Arc;

use weft_model::{
    LeaseKey, NatGatewayId,
    state::{LeaseState, NatState},
};

use super::{Tables, settle};
use crate::config::{
    ApplyError, NatConfig,
    nat::{BlockUse, Holder},
};

impl Tables {
    pub(super) fn upsert_nat(&mut self, state: &NatState) -> Result<(), ApplyError> {
        let (nat, vpc) = (state.id, state.vpc);
        if !self.held.contains_key(&vpc) {
            return Err(ApplyError::NatVpc { nat, vpc });
        }
        settle(&mut self.homes.nats, nat, vpc)?;
        if let Some(vpc) = self.touch_home(vpc) {
            let old = vpc.nats.get(&nat).map(|old| Arc::clone(&old.demand));
            let config = NatConfig {
                id: nat,
                subnet: state.subnet,
                public: state.public,
                private: state.private,
                demand: old.unwrap_or_default(),
            };
            Arc::make_mut(&mut vpc.nats).insert(nat, Arc::new(config));
        }
        Ok(())
    }

    pub(super) fn remove_nat(&mut self, nat: NatGatewayId) {
        let Some(vpc) = self.homes.nats.remove(&nat) else {
            return;
        };
        if let Some(vpc) = self.touch_home(vpc) {
            Arc::make_mut(&mut vpc.nats).remove(&nat);
        }
    }

    /// A block that is held already goes on with the connections that it has.
    pub(super) fn set_lease(&mut self, lease: &LeaseState) {
        let own = lease.host == self.config.host;
        let holder = match self.config.leases.holder(lease.key) {
            Some(Holder::Own(usage)) if own => Holder::Own(Arc::clone(usage)),
            _ if own => Holder::Own(Arc::new(BlockUse::default())),
            _ => Holder::Other(lease.vtep),
        };
        Arc::make_mut(&mut self.config.leases).set(lease.key, Some(holder));
    }

    pub(super) fn clear_lease(&mut self, key: LeaseKey) {
        if self.config.leases.holder(key).is_some() {
            Arc::make_mut(&mut self.config.leases).set(key, None);
        }
    }
}
