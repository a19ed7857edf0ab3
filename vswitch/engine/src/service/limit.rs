//! How often a port may have an answer.

use crate::Now;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// A token bucket kept as one instant: the generic cell rate algorithm, ITU-T I.371 annex A.
///
/// `due` is when the bucket would be full again; each take moves it one token's time ahead, and a
/// take that would move it more than a whole bucket ahead of now is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    due: u64,
    /// Nanoseconds that one token takes to come back.
    token: u64,
    /// Nanoseconds that a whole bucket takes to come back.
    bucket: u64,
}

impl TokenBucket {
    /// A full bucket of `burst` tokens that come back at `per_second`; both at least 1.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        let burst = if burst == 0 { 1 } else { burst };
        let token = SECOND / per_second as u64;
        Self {
            due: 0,
            token,
            bucket: token * burst as u64,
        }
    }

    /// Takes one token if there is one.
    pub fn take(&mut self, now: Now) -> bool {
        let due = self.due.max(now.0).saturating_add(self.token);
        if due - now.0 > self.bucket {
            return false;
        }
        self.due = due;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_granted_and_the_next_is_refused() {
        let mut bucket = TokenBucket::new(10, 5);
        let granted = (0..8).filter(|_| bucket.take(Now(7))).count();
        assert_eq!(granted, 5);
    }

    #[test]
    fn tokens_come_back_at_the_rate() {
        let mut bucket = TokenBucket::new(10, 5);
        while bucket.take(Now(0)) {}
        assert!(!bucket.take(Now(SECOND / 10 - 1)));
        assert!(bucket.take(Now(SECOND / 10)));
        assert!(!bucket.take(Now(SECOND / 10)));
    }

    #[test]
    fn a_long_rest_fills_no_more_than_the_bucket() {
        let mut bucket = TokenBucket::new(1000, 3);
        while bucket.take(Now(0)) {}
        let later = Now(3600 * SECOND);
        assert_eq!((0..100).filter(|_| bucket.take(later)).count(), 3);
    }

    #[test]
    fn a_rate_of_nothing_is_one_a_second() {
        let mut bucket = TokenBucket::new(0, 0);
        assert!(bucket.take(Now(0)));
        assert!(!bucket.take(Now(SECOND - 1)));
        assert!(bucket.take(Now(SECOND)));
    }
}
