//! Which VPCs exchange packets: by a peering, or through a gateway, or by several of them.

use std::collections::BTreeMap;

use weft_model::VpcId;

use crate::presence::Counted;

/// Pairs of VPCs, each from both ends, with the number of reasons for it.
#[derive(Debug, Default)]
pub(crate) struct Links(BTreeMap<VpcId, Counted<VpcId>>);

impl Links {
    /// One more reason: whether it is the first.
    pub(crate) fn add(&mut self, one: VpcId, two: VpcId) -> bool {
        self.0.entry(two).or_default().add(&one);
        self.0.entry(one).or_default().add(&two)
    }

    /// One reason less: whether it was the last.
    pub(crate) fn sub(&mut self, one: VpcId, two: VpcId) -> bool {
        self.half(two, one);
        self.half(one, two)
    }

    fn half(&mut self, from: VpcId, to: VpcId) -> bool {
        let Some(counted) = self.0.get_mut(&from) else {
            return false;
        };
        let last = counted.sub(&to);
        if counted.is_empty() {
            self.0.remove(&from);
        }
        last
    }

    /// The VPCs that this one exchanges packets with, itself left out.
    pub(crate) fn of(&self, vpc: VpcId) -> impl Iterator<Item = VpcId> {
        let counted = self.0.get(&vpc).into_iter();
        counted.flat_map(|counted| counted.keys().copied())
    }
}
