//! Peerings.

use weft_model::Peering;

use super::wire;

impl From<&Peering> for wire::Peering {
    fn from(peering: &Peering) -> Self {
        Self {
            id: peering.id.to_string(),
            requester: peering.requester.to_string(),
            accepter: peering.accepter.to_string(),
            status: peering.status.to_string(),
            meta: Some((&peering.meta).into()),
        }
    }
}
