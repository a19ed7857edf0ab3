//! Pauses between attempts: doubled each time, bounded, and spread so that a thousand hosts don't
//! come back to a restarted controller in step.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

pub(super) struct Backoff {
    next: Duration,
    random: u64,
}

impl Backoff {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            next: FIRST,
            random: seed,
        }
    }

    /// The next attempt is the first of a new series.
    pub(super) const fn reset(&mut self) {
        self.next = FIRST;
    }

    /// Between half of the pause and all of it.
    pub(super) fn next_delay(&mut self) -> Duration {
        // Knuth's MMIX generator: spread is wanted, not secrecy.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let half = self.next / 2;
        let spread = half.mul_f64((self.random >> 33) as f64 / f64::from(1u32 << 31));
        self.next = (self.next * 2).min(LONGEST);
        half + spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_start_over_after_a_connection() {
        let mut backoff = Backoff::new(7);
        assert!(backoff.next_delay() <= FIRST);
        let later: Vec<_> = (0..20).map(|_| backoff.next_delay()).collect();
        assert!(later.iter().all(|&delay| delay <= LONGEST));
        assert!(later[19] >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.next_delay() <= FIRST);
    }

    #[test]
    fn two_hosts_pause_differently() {
        let delays = |seed| {
            let mut backoff = Backoff::new(seed);
            [(); 8].map(|()| backoff.next_delay())
        };
        assert_ne!(delays(1), delays(2));
    }
}
