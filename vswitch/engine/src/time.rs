//! Time as the engine knows it: an argument.

/// Nanoseconds since an arbitrary start; never runs backwards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now(pub u64);

impl Now {
    /// Nanoseconds in a second.
    pub const SECOND: u64 = 1_000_000_000;

    /// This many whole seconds after the start.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * Self::SECOND)
    }

    /// Later by this many nanoseconds.
    #[must_use]
    pub const fn plus(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }

    /// Nanoseconds since `earlier`; 0 where that lies ahead.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
