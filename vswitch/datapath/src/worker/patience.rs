//! Whether a worker that has just had something looks again at once, or sleeps until it is woken.
//!
//! To be woken costs more than a packet: an interrupt to another core, which on an idle virtual machine
//! has to be started first. So a worker looks on for a moment after traffic, and other threads that
//! want the core get it meanwhile. What that may cost is bounded: a share of a core for each worker,
//! nothing while there is no traffic, and little where the next packet never comes within the moment.

use weft_engine::Now;

/// The moment, in nanoseconds: longer than an answer takes on a machine whose cores are awake,
/// shorter than a thread's turn.
const MOMENT: u64 = 50_000;
/// What may be saved up, in nanoseconds of looking: a burst of requests gets its whole answer.
const SAVED: u64 = 20_000_000;
/// After so many moments in a row without a packet they are mostly left out.
const VAIN: u32 = 8;
/// Then one in so many is tried, to see whether the traffic has changed.
const TRIED: u32 = 64;

/// Looks that found nothing, and what they may cost.
#[derive(Debug)]
pub(super) struct Patience {
    /// Hundredths of a core.
    share: u64,
    /// Nanoseconds of vain looking that may still be spent.
    budget: u64,
    looked: Now,
    until: Now,
    /// Moments in a row that brought nothing.
    vain: u32,
    /// Whether the last look was one that would have slept without patience.
    lingering: bool,
    /// Nanoseconds spent in vain, for the counters.
    spent: u64,
}

impl Patience {
    /// With so many hundredths of a core to spend.
    pub(super) fn new(share: u8) -> Self {
        Self {
            share: u64::from(share.min(100)),
            budget: 0,
            looked: Now(0),
            until: Now(0),
            vain: 0,
            lingering: false,
            spent: 0,
        }
    }

    /// Told of each look; says whether the next one is to return at once.
    pub(super) fn looks_again(&mut self, now: Now, found: bool) -> bool {
        let elapsed = now.since(self.looked);
        self.looked = now;
        self.budget = (self.budget + elapsed * self.share / 100).min(SAVED);
        if self.lingering && !found {
            self.budget = self.budget.saturating_sub(elapsed);
            self.spent += elapsed;
        }
        if found {
            self.found(now);
        } else if self.lingering && now >= self.until {
            self.vain = self.vain.saturating_add(1);
        }
        self.lingering = now < self.until && self.budget > 0;
        self.lingering
    }

    fn found(&mut self, now: Now) {
        if self.lingering {
            self.vain = 0;
        } else if self.vain >= VAIN {
            self.vain += 1;
        }
        if self.vain < VAIN || self.vain.is_multiple_of(TRIED) {
            self.until = Now(now.0 + MOMENT);
        }
    }

    /// Nanoseconds looked in vain so far.
    pub(super) fn spent(&self) -> u64 {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 1_000;

    /// Looks every microsecond, or when it slept until the next packet; gives the time in vain.
    fn spend(patience: &mut Patience, gap: u64, packets: u64) -> u64 {
        let before = patience.spent();
        let start = patience.looked.0;
        for n in 1..=packets {
            let next = start + n * gap;
            let mut at = patience.looked.0;
            while patience.lingering && at + STEP < next {
                at += STEP;
                patience.looks_again(Now(at), false);
            }
            patience.looks_again(Now(next), true);
        }
        patience.spent() - before
    }

    #[test]
    fn without_traffic_nothing_is_spent() {
        let mut patience = Patience::new(50);
        for n in 1..1_000 {
            assert!(!patience.looks_again(Now(n * 50_000_000), false));
        }
        assert_eq!(patience.spent(), 0);
    }

    #[test]
    fn a_packet_within_the_moment_is_awaited() {
        let mut patience = Patience::new(90);
        patience.looks_again(Now(1_000_000_000), true);
        assert!(patience.looks_again(Now(1_000_010_000), false));
        assert!(!patience.looks_again(Now(1_000_060_000), false));
    }

    #[test]
    fn what_is_spent_stays_within_the_share() {
        let mut patience = Patience::new(20);
        let (gap, packets) = (20_000, 500_000);
        let spent = spend(&mut patience, gap, packets);
        let share = spent as f64 / (gap * packets) as f64;
        assert!((0.1..0.21).contains(&share), "{share}");
    }

    #[test]
    fn packets_that_never_come_in_time_are_not_waited_for() {
        let mut patience = Patience::new(50);
        let (gap, packets) = (500_000, 10_000);
        let spent = spend(&mut patience, gap, packets);
        let share = spent as f64 / (gap * packets) as f64;
        assert!(share < 0.01, "{share}");
    }

    #[test]
    fn traffic_that_quickens_is_awaited_again() {
        let mut patience = Patience::new(90);
        spend(&mut patience, 500_000, 1_000);
        spend(&mut patience, 10_000, 200);
        assert!(patience.lingering);
    }

    #[test]
    fn a_share_of_none_never_looks_again() {
        let mut patience = Patience::new(0);
        assert_eq!(spend(&mut patience, 10_000, 1_000), 0);
    }
}
