//! The handle of a port.

/// A port of this host: a slot, and how often the slot was given out. Stable for the port's life;
/// a handle that outlives its port never names the next one in that slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortIndex(pub u32);

impl PortIndex {
    /// Bits of the slot: a million ports on a host.
    const SLOT_BITS: u32 = 20;
    /// The most ports that a host can hold.
    pub const MAX_PORTS: usize = 1 << Self::SLOT_BITS;

    /// The handle of a slot in its nth use; uses count modulo 4096.
    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        Self(generation << Self::SLOT_BITS | (slot & (Self::MAX_PORTS as u32 - 1)))
    }

    /// The slot: dense from 0, so a vector can be indexed by it.
    pub const fn slot(self) -> usize {
        (self.0 & (Self::MAX_PORTS as u32 - 1)) as usize
    }

    /// How often the slot was given out before, modulo 4096.
    pub const fn generation(self) -> u32 {
        self.0 >> Self::SLOT_BITS
    }
}
