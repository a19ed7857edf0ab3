//! How much a port may do: bandwidth, packets and new connections.

use weft_model::RateLimits;

use crate::{config::Direction, drop::DropReason, time::Now};

/// How long a bucket takes to fill, and so how much may go at once after a pause.
const BURST: u64 = Now::SECOND / 10;
/// Bytes that fit any bucket: two of the largest super frames.
const LEAST_BYTES: u64 = 128 << 10;
/// Packets that fit any bucket: a super frame's segments at the least MTU of IPv4.
const LEAST_PACKETS: u64 = 128;

/// A bucket of what comes back at a rate, kept as one instant as [`super::service::limit`] does, but
/// taken from by any amount at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gauge {
    /// Units per second.
    rate: u64,
    /// When the bucket is full again.
    due: u64,
    /// Nanoseconds that a whole bucket takes to fill.
    depth: u64,
}

impl Gauge {
    fn new(rate: u64, least: u64) -> Self {
        Self {
            rate,
            due: 0,
            depth: BURST.max(nanoseconds(least, rate)),
        }
    }

    /// Whether the bucket holds so much; one that holds all that it can lets any amount go.
    fn holds(&self, now: Now, amount: u64) -> bool {
        let cost = nanoseconds(amount, self.rate).min(self.depth);
        self.due.max(now.0).saturating_add(cost) - now.0 <= self.depth
    }

    fn take(&mut self, now: Now, amount: u64) {
        let cost = nanoseconds(amount, self.rate);
        self.due = self.due.max(now.0).saturating_add(cost);
    }
}

/// What `amount` takes at the rate; both far below where this would overflow.
fn nanoseconds(amount: u64, rate: u64) -> u64 {
    amount.saturating_mul(Now::SECOND) / rate.max(1)
}

/// One direction's gauges.
#[derive(Debug, Clone, Default)]
struct Way {
    bits: Option<Gauge>,
    packets: Option<Gauge>,
}

impl Way {
    fn admit(&mut self, now: Now, bytes: u64, packets: u64) -> Result<(), DropReason> {
        let bits = bytes * 8;
        if self.bits.is_some_and(|gauge| !gauge.holds(now, bits)) {
            return Err(DropReason::LimitBandwidth);
        }
        if self.packets.is_some_and(|gauge| !gauge.holds(now, packets)) {
            return Err(DropReason::LimitPackets);
        }
        if let Some(gauge) = &mut self.bits {
            gauge.take(now, bits);
        }
        if let Some(gauge) = &mut self.packets {
            gauge.take(now, packets);
        }
        Ok(())
    }
}

/// A port's gauges, by the limits that it has now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    limits: RateLimits,
    ingress: Way,
    egress: Way,
    connections: Option<Gauge>,
}

impl Meter {
    /// Takes newer limits; what didn't change goes on as it stands.
    pub(crate) fn set(&mut self, limits: &RateLimits) {
        if self.limits == *limits {
            return;
        }
        let bits = |rate: Option<u64>| rate.map(|rate| Gauge::new(rate, LEAST_BYTES * 8));
        let packets = |rate: Option<u64>| rate.map(|rate| Gauge::new(rate, LEAST_PACKETS));
        let connections = |rate: Option<u64>| rate.map(|rate| Gauge::new(rate, rate));
        renew(
            &mut self.ingress.bits,
            bits(limits.ingress_bits.map(Into::into)),
        );
        renew(
            &mut self.egress.bits,
            bits(limits.egress_bits.map(Into::into)),
        );
        let rate = limits.ingress_packets.map(Into::into);
        renew(&mut self.ingress.packets, packets(rate));
        let rate = limits.egress_packets.map(Into::into);
        renew(&mut self.egress.packets, packets(rate));
        let rate = limits.new_connections.map(Into::into);
        renew(&mut self.connections, connections(rate));
        self.limits = *limits;
    }

    /// Takes a frame's share of a direction: its bytes on the wire and the packets that it becomes.
    pub(crate) fn admit(
        &mut self,
        now: Now,
        direction: Direction,
        bytes: u64,
        packets: u64,
    ) -> Result<(), DropReason> {
        match direction {
            Direction::Ingress => self.ingress.admit(now, bytes, packets),
            Direction::Egress => self.egress.admit(now, bytes, packets),
        }
    }

    /// Takes a new connection's share.
    pub(crate) fn open(&mut self, now: Now) -> Result<(), DropReason> {
        let Some(gauge) = &mut self.connections else {
            return Ok(());
        };
        if !gauge.holds(now, 1) {
            return Err(DropReason::LimitConnectionsRate);
        }
        gauge.take(now, 1);
        Ok(())
    }
}

fn renew(held: &mut Option<Gauge>, wanted: Option<Gauge>) {
    if held.map(|gauge| gauge.rate) != wanted.map(|gauge| gauge.rate) {
        *held = wanted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(limits: RateLimits) -> Meter {
        let mut meter = Meter::default();
        meter.set(&limits);
        meter
    }

    fn admitted(meter: &mut Meter, now: Now, packets: u64) -> usize {
        let mut admit = || meter.admit(now, Direction::Egress, 1000, packets);
        (0..100_000).take_while(|_| admit().is_ok()).count()
    }

    #[test]
    fn packets_go_at_the_rate_after_the_burst() {
        let limits = RateLimits {
            egress_packets: Some(10_000.try_into().unwrap()),
            ..RateLimits::default()
        };
        let mut meter = meter(limits);
        assert_eq!(
            admitted(&mut meter, Now(0), 1),
            1000,
            "a tenth of a second's"
        );
        let later = Now(Now::SECOND / 100);
        assert_eq!(admitted(&mut meter, later, 1), 100);
        let reason = meter.admit(later, Direction::Egress, 1000, 1);
        assert_eq!(reason, Err(DropReason::LimitPackets));
        assert_eq!(meter.admit(later, Direction::Ingress, 1000, 1), Ok(()));
    }

    #[test]
    fn a_super_frame_costs_what_its_segments_do() {
        let limits = RateLimits {
            egress_packets: Some(10_000.try_into().unwrap()),
            ..RateLimits::default()
        };
        assert_eq!(admitted(&mut meter(limits), Now(0), 40), 25);
    }

    #[test]
    fn bandwidth_counts_bits_and_a_full_bucket_lets_any_frame_go() {
        let limits = RateLimits {
            egress_bits: Some(64_000.try_into().unwrap()),
            ..RateLimits::default()
        };
        let mut meter = meter(limits);
        let sent = admitted(&mut meter, Now(0), 1);
        assert_eq!(sent, (128 << 10) / 1000, "the least that a bucket holds");
        let reason = meter.admit(Now(0), Direction::Egress, 1000, 1);
        assert_eq!(reason, Err(DropReason::LimitBandwidth));
        let rested = Now::from_secs(3600);
        assert_eq!(meter.admit(rested, Direction::Egress, 1 << 20, 800), Ok(()));
    }

    #[test]
    fn another_limit_does_not_refill_the_bucket_of_this_one() {
        let limits = RateLimits {
            new_connections: Some(5.try_into().unwrap()),
            ..RateLimits::default()
        };
        let mut meter = meter(limits);
        let opened = (0..10).filter(|_| meter.open(Now(1)).is_ok()).count();
        assert_eq!(opened, 5);
        meter.set(&RateLimits {
            egress_packets: Some(9.try_into().unwrap()),
            ..limits
        });
        assert_eq!(meter.open(Now(1)), Err(DropReason::LimitConnectionsRate));
        assert_eq!(meter.open(Now(1 + Now::SECOND / 5)), Ok(()));
    }
}
