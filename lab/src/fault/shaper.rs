//! One way of a bad cable: what becomes of each packet, and when.

use std::time::Duration;

use super::{Delay, Loss, Rate};

/// Bytes that wait for a slow cable; past it packets are lost, as at any full queue.
const QUEUE: Duration = Duration::from_millis(200);

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The cable loses it.
    Lost,
    /// The queue before the cable is full.
    Full,
    /// It comes out at this time.
    At(Duration),
}

/// One way of a cable. Times count from any one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shaper {
    loss: Loss,
    delay: Delay,
    rate: Rate,
    /// When the last packet that it took is on the wire whole.
    free: Duration,
}

impl Shaper {
    pub(crate) const fn new(loss: Loss, delay: Delay, rate: Rate) -> Self {
        Self {
            loss,
            delay,
            rate,
            free: Duration::ZERO,
        }
    }

    /// A packet of this size arrives.
    pub(crate) fn offer(&mut self, now: Duration, bytes: usize, random: u64) -> Fate {
        if self.loss.takes(random) {
            return Fate::Lost;
        }
        let start = self.free.max(now);
        if start - now > QUEUE {
            return Fate::Full;
        }
        self.free = start + self.rate.time_of(bytes);
        Fate::At(self.free + self.delay.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn shaper(loss: &str, delay: &str, rate: Option<&str>) -> Shaper {
        let rate = rate.map_or_else(Rate::default, |rate| rate.parse().unwrap());
        Shaper::new(loss.parse().unwrap(), delay.parse().unwrap(), rate)
    }

    #[test]
    fn a_delay_keeps_the_order_and_the_gaps() {
        let mut cable = shaper("0%", "20ms", None);
        assert_eq!(cable.offer(MS, 100, 0), Fate::At(21 * MS));
        assert_eq!(cable.offer(4 * MS, 100, 0), Fate::At(24 * MS));
    }

    #[test]
    fn a_slow_cable_sends_one_after_the_other_and_its_queue_fills() {
        // 1000 bytes take a millisecond.
        let mut cable = shaper("0%", "0us", Some("8mbit"));
        assert_eq!(cable.offer(MS, 1000, 0), Fate::At(2 * MS));
        assert_eq!(cable.offer(MS, 1000, 0), Fate::At(3 * MS));
        let taken = (0..1000).filter(|_| cable.offer(MS, 1000, 0) != Fate::Full);
        assert_eq!(taken.count() + 2, 201);
        assert_ne!(cable.offer(500 * MS, 1000, 0), Fate::Full);
    }

    #[test]
    fn a_share_is_lost() {
        let mut cable = shaper("25%", "0us", None);
        let lost = (0..10_000).filter(|n| cable.offer(MS, 1, *n) == Fate::Lost);
        assert_eq!(lost.count(), 2500);
        let mut whole = shaper("0%", "0us", None);
        assert!((0..10_000).all(|n| whole.offer(MS, 1, n) != Fate::Lost));
    }
}
