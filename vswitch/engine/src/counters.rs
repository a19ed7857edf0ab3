//! What an engine counted. Monotonic, so a reader takes differences.

use crate::{drop::DropReason, port::PortIndex};

/// Packets and their bytes (whole frames; a segmented frame counts once).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

impl Tally {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// Drops by reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropCounts([u64; DropReason::COUNT]);

impl Default for DropCounts {
    fn default() -> Self {
        Self([0; DropReason::COUNT])
    }
}

impl DropCounts {
    pub(crate) fn add(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// How many for this reason.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .iter()
            .map(|&reason| (reason, self.get(reason)))
            .filter(|&(_, count)| count > 0)
    }
}

/// One port's counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// What the workload sent and policy passed.
    pub egress: Tally,
    /// What was delivered to the workload.
    pub ingress: Tally,
    /// What was dropped in either half.
    pub drops: DropCounts,
}

/// The flow table's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Flows now.
    pub live: u64,
    /// Flows ever made.
    pub created: u64,
    /// Flows that ended by idleness, or with what they needed.
    pub expired: u64,
    /// Unanswered flows that made room for a new one of the same port.
    pub evicted: u64,
    /// Flows refused because a bound was hit.
    pub refused: u64,
}

/// One engine's counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Drops of every port and of none.
    pub drops: DropCounts,
    /// The flow table.
    pub flows: FlowCounters,
    /// ICMP errors that the router sent.
    pub icmp_errors: u64,
    /// ICMP errors that a port's rate limit held back.
    pub icmp_errors_suppressed: u64,
    /// Frames that the router's services answered.
    pub answered: u64,
    /// DNS queries that went to an upstream resolver.
    pub dns_forwarded: u64,
    /// Copies of mirrored packets.
    pub mirrored: u64,
    /// Copies that were more than an interface may cause.
    pub mirror_limited: u64,
    /// Copies whose target isn't plugged in.
    pub mirror_unreachable: u64,
    /// Frames that were split into fragments.
    pub fragmented: u64,
    /// Connections from the internet to load balancers whose targets this engine picked, now.
    pub pins: u64,
    /// Those that weren't remembered because a bound was hit.
    pub pins_refused: u64,
    pub(crate) ports: Vec<Option<(PortIndex, PortCounters)>>,
    /// Egress and ingress of ports whose place another one took.
    former: [Tally; 2],
}

impl Counters {
    /// The counters of every port that this engine has seen traffic of.
    pub fn ports(&self) -> impl Iterator<Item = (PortIndex, &PortCounters)> {
        self.ports
            .iter()
            .flatten()
            .map(|(index, counters)| (*index, counters))
    }

    /// What all ports sent and got, those that are gone too: it never falls.
    pub fn totals(&self) -> [Tally; 2] {
        let [mut egress, mut ingress] = self.former;
        for (_, counters) in self.ports() {
            egress += counters.egress;
            ingress += counters.ingress;
        }
        [egress, ingress]
    }

    /// One port's counters.
    pub fn port(&self, port: PortIndex) -> Option<&PortCounters> {
        match self.ports.get(port.slot()) {
            Some(Some((index, counters))) if *index == port => Some(counters),
            _ => None,
        }
    }

    pub(crate) fn port_mut(&mut self, port: PortIndex) -> &mut PortCounters {
        let slot = port.slot();
        if slot >= self.ports.len() {
            self.ports.resize_with(slot + 1, || None);
        }
        let entry = &mut self.ports[slot];
        if entry.as_ref().is_none_or(|(index, _)| *index != port)
            && let Some((_, gone)) = entry.take()
        {
            self.former[0] += gone.egress;
            self.former[1] += gone.ingress;
        }
        &mut entry
            .get_or_insert_with(|| (port, PortCounters::default()))
            .1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_keep_what_a_port_counted_whose_place_another_took() {
        let mut counters = Counters::default();
        let port = |generation| PortIndex::new(3, generation);
        counters.port_mut(port(1)).egress.add(100);
        counters.port_mut(port(2)).ingress.add(60);
        let [egress, ingress] = counters.totals();
        assert_eq!((egress.packets, egress.bytes), (1, 100));
        assert_eq!((ingress.packets, ingress.bytes), (1, 60));
    }
}
