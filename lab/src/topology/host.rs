//! What a host is given.

use std::str::FromStr;

/// As many threads as a vswitch takes.
const MOST: u8 = 64;

/// Threads of a vswitch: 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers(u8);

impl Workers {
    /// How many.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Why a text is no number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a vswitch has 1 to {MOST} workers")]
pub struct WorkersError;

impl FromStr for Workers {
    type Err = WorkersError;

    fn from_str(text: &str) -> Result<Self, WorkersError> {
        match text.parse() {
            Ok(count @ 1..=MOST) => Ok(Self(count)),
            _ => Err(WorkersError),
        }
    }
}
