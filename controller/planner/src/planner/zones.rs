//! Private zones: one piece of state for each VPC that sees one.

use std::collections::BTreeSet;

use weft_model::{
    PrivateZone, PrivateZoneId, VpcId, ZoneInVpc,
    state::{State, StateKey},
};

use super::{Audience, Planner};
use crate::{derive, plan::Plan};

impl<B> Planner<B> {
    pub(super) fn put_zone(&mut self, zone: &PrivateZone, plan: &mut Plan<B>) {
        let now: BTreeSet<VpcId> = zone.vpcs.iter().copied().collect();
        let before = self.zones.insert(zone.id, now.clone()).unwrap_or_default();
        for &vpc in &now {
            let state = State::DnsZone(derive::dns_zone(zone, vpc));
            self.set(&state, &Audience::Vpc(vpc), plan);
        }
        for &vpc in before.difference(&now) {
            self.hide_zone(zone.id, vpc, plan);
        }
    }

    pub(super) fn take_zone(&mut self, zone: PrivateZoneId, plan: &mut Plan<B>) {
        for vpc in self.zones.remove(&zone).unwrap_or_default() {
            self.hide_zone(zone, vpc, plan);
        }
    }

    fn hide_zone(&mut self, zone: PrivateZoneId, vpc: VpcId, plan: &mut Plan<B>) {
        let key = StateKey::DnsZone(ZoneInVpc { zone, vpc });
        self.unset(&key, &Audience::Vpc(vpc), plan);
        self.forget_vpc_if_empty(vpc);
    }
}
