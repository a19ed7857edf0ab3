//! How much an interface sent and got, by how far away the other end is.

use crate::counters::Tally;

/// How far away the other end of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// In the interface's own zone.
    Zone,
    /// In another zone.
    AcrossZones,
    /// Out of the cloud.
    Internet,
}

impl Reach {
    /// Every one, in order.
    pub const ALL: [Self; 3] = [Self::Zone, Self::AcrossZones, Self::Internet];

    /// The stable name.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::AcrossZones => "across-zones",
            Self::Internet => "internet",
        }
    }
}

/// What went one reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// What the interface sent: bytes of IP.
    pub egress: Tally,
    /// What it got.
    pub ingress: Tally,
    /// Connections that began.
    pub connections: u64,
}

impl Usage {
    /// Adds another's.
    pub fn add(&mut self, more: &Self) {
        for (sum, more) in [
            (&mut self.egress, more.egress),
            (&mut self.ingress, more.ingress),
        ] {
            sum.packets += more.packets;
            sum.bytes += more.bytes;
        }
        self.connections += more.connections;
    }
}

/// An interface's usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meter([Usage; 3]);

impl Meter {
    /// What went this far.
    pub const fn of(&self, reach: Reach) -> &Usage {
        &self.0[reach as usize]
    }

    /// The same, to change.
    pub const fn of_mut(&mut self, reach: Reach) -> &mut Usage {
        &mut self.0[reach as usize]
    }

    /// Adds another's.
    pub fn add(&mut self, more: &Self) {
        for reach in Reach::ALL {
            self.of_mut(reach).add(more.of(reach));
        }
    }
}
