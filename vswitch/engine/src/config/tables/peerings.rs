//! Peerings come and go, and so do the VPCs on their other side.

use std::sync::Arc;

use weft_model::{PeeringId, VpcId, state::PeeringState};

use super::Tables;

impl Tables {
    /// Its VPCs may come later: it leads nowhere until both are here.
    pub(super) fn upsert_peering(&mut self, peering: PeeringState) {
        self.remove_peering(peering.id);
        let ends = [peering.requester, peering.accepter];
        self.peerings.insert(peering.id, peering);
        for vpc in ends {
            self.relink(vpc);
        }
    }

    pub(super) fn remove_peering(&mut self, id: PeeringId) {
        if let Some(old) = self.peerings.remove(&id) {
            self.relink(old.requester);
            self.relink(old.accepter);
        }
    }

    /// The VPC came or went: what is peered with it finds it, or no longer.
    pub(super) fn relink_around(&mut self, vpc: VpcId) {
        let around = self.peerings.values().filter_map(|p| other(p, vpc));
        let around: Vec<_> = around.collect();
        for vpc in around.into_iter().chain([vpc]) {
            self.relink(vpc);
        }
    }

    fn relink(&mut self, vpc: VpcId) {
        let peers = self.peerings.values().filter_map(|peering| {
            let held = self.held.get(&other(peering, vpc)?)?;
            Some((peering.id, held.slot))
        });
        let peers = Arc::new(peers.collect());
        // Those that it was linked to are touched with it, and so are those that it is linked to now.
        let Some(config) = self.touch_home(vpc) else {
            return;
        };
        config.peers = peers;
        self.touch_home(vpc);
    }
}

fn other(peering: &PeeringState, vpc: VpcId) -> Option<VpcId> {
    if peering.requester == vpc {
        return Some(peering.accepter);
    }
    (peering.accepter == vpc).then_some(peering.requester)
}
