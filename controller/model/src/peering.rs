//! VPC peerings: two VPCs that route to each other's interfaces, and to nothing behind them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    id::{PeeringId, VpcId},
    meta::Meta,
};

/// How far a peering got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeeringStatus {
    /// Requested; the other side hasn't answered.
    PendingAcceptance,
    /// Both sides want it: routes to it work.
    Active,
    /// The other side said no; it stays until it is deleted.
    Rejected,
}

impl PeeringStatus {
    /// The status in a word, as the API writes it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::PendingAcceptance => "pending-acceptance",
            Self::Active => "active",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for PeeringStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// A peering of two VPCs, whose blocks don't overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peering {
    /// Its id.
    pub id: PeeringId,
    /// The VPC that asked for it.
    pub requester: VpcId,
    /// The VPC that was asked.
    pub accepter: VpcId,
    /// How far it got.
    pub status: PeeringStatus,
    /// Bookkeeping.
    pub meta: Meta,
}

impl Peering {
    /// The VPC on the other side; `None` where this one is on neither.
    pub fn other(&self, vpc: VpcId) -> Option<VpcId> {
        if vpc == self.requester {
            Some(self.accepter)
        } else {
            (vpc == self.accepter).then_some(self.requester)
        }
    }

    /// Whether traffic may pass.
    pub fn is_active(&self) -> bool {
        self.status == PeeringStatus::Active
    }

    /// Whether it is, or may yet become, active.
    pub fn is_wanted(&self) -> bool {
        self.status != PeeringStatus::Rejected
    }
}
