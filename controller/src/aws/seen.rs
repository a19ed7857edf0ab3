//! Signatures of writes that came: who listens on the way must not be able to say them again.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// Signatures remembered at most: a quarter of an hour of 290 writes a second, in 20 MB.
const MOST: usize = 1 << 18;

/// How long a signature may hold: as long before its time as after.
const LIFE: Duration = Duration::from_secs(2 * weft_aws::sign::SKEW as u64);

/// A client that does the same twice within a second signs the same, since times are whole seconds.
/// What comes later than this is no client's.
const TWIN: Duration = Duration::from_secs(5);

/// The first half of a signature: enough to tell any two apart.
type Half = [u8; 16];

/// What came, in the order of its coming.
#[derive(Debug, Default)]
pub(super) struct Seen {
    first: HashMap<Half, Instant>,
    order: VecDeque<(Half, Instant)>,
    /// How many were forgotten before their time.
    forgotten: u64,
}

impl Seen {
    /// Whether a write with this signature may be carried out.
    pub(super) fn admit(&mut self, signature: &[u8; 32], now: Instant) -> bool {
        self.forget(now);
        let half: Half = std::array::from_fn(|i| signature[i]);
        if let Some(first) = self.first.get(&half) {
            return now.saturating_duration_since(*first) < TWIN;
        }
        self.first.insert(half, now);
        self.order.push_back((half, now));
        true
    }

    fn forget(&mut self, now: Instant) {
        while let Some((half, at)) = self.order.front() {
            let due = now.saturating_duration_since(*at) >= LIFE;
            if !due && self.order.len() < MOST {
                return;
            }
            if !due {
                self.forgotten += 1;
                if self.forgotten.is_power_of_two() {
                    let count = self.forgotten;
                    tracing::warn!(count, "signatures of writes were forgotten early");
                }
            }
            self.first.remove(half);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_taken_again_by_its_twin_but_not_later() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let signature = [7; 32];
        assert!(seen.admit(&signature, start));
        assert!(seen.admit(&signature, start + Duration::from_secs(1)));
        assert!(!seen.admit(&signature, start + TWIN));
        assert!(!seen.admit(&signature, start + LIFE - TWIN));
        assert!(seen.admit(&[8; 32], start + TWIN));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        for n in 0..MOST + 10 {
            let mut signature = [0; 32];
            signature[..8].copy_from_slice(&n.to_be_bytes());
            assert!(seen.admit(&signature, now));
        }
        assert!(seen.first.len() <= MOST && seen.order.len() <= MOST);
        assert_eq!(seen.forgotten, 10);
    }
}
