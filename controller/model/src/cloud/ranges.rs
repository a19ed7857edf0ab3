//! A set of numbers kept as runs, so that the lowest free one costs a lookup, not a scan.

use std::collections::BTreeMap;

/// Numbers in use, as disjoint runs that never touch: first number to last number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(BTreeMap<u128, u128>);

impl Ranges {
    /// The run that holds `n`, if `n` is in use.
    fn run_of(&self, n: u128) -> Option<(u128, u128)> {
        let (&first, &last) = self.0.range(..=n).next_back()?;
        (n <= last).then_some((first, last))
    }

    /// The lowest number from `from` to `last`, both in it, that is not in use.
    pub(super) fn lowest_free(&self, from: u128, last: u128) -> Option<u128> {
        let free = match self.run_of(from) {
            // Runs never touch, so what follows a run is free.
            Some((_, end)) => end.checked_add(1)?,
            None => from,
        };
        (free <= last).then_some(free)
    }

    /// Marks `n` as in use.
    pub(super) fn insert(&mut self, n: u128) {
        if self.run_of(n).is_some() {
            return;
        }
        let below = n.checked_sub(1).and_then(|below| self.run_of(below));
        let first = below.map_or(n, |(first, _)| first);
        let last = n
            .checked_add(1)
            .and_then(|above| self.0.remove(&above))
            .unwrap_or(n);
        self.0.insert(first, last);
    }

    /// Marks `n` as free.
    pub(super) fn remove(&mut self, n: u128) {
        let Some((first, last)) = self.run_of(n) else {
            return;
        };
        self.0.remove(&first);
        if first < n {
            self.0.insert(first, n - 1);
        }
        if n < last {
            self.0.insert(n + 1, last);
        }
    }

    /// How many numbers are in use, at a cost that follows the runs.
    pub(super) fn len(&self) -> u128 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether nothing is in use.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_agree_with_a_plain_set(steps in prop::collection::vec((any::<bool>(), 0u128..24), 0..200)) {
            let mut ranges = Ranges::default();
            let mut plain = BTreeSet::new();
            for (add, n) in steps {
                if add {
                    ranges.insert(n);
                    plain.insert(n);
                } else {
                    ranges.remove(n);
                    plain.remove(&n);
                }
                for from in 0..24 {
                    let expected = (from..=20).find(|n| !plain.contains(n));
                    prop_assert_eq!(ranges.lowest_free(from, 20), expected);
                }
                prop_assert_eq!(ranges.is_empty(), plain.is_empty());
                prop_assert_eq!(ranges.len(), plain.len() as u128);
            }
        }
    }

    #[test]
    fn the_largest_number_has_no_successor() {
        let mut ranges = Ranges::default();
        ranges.insert(u128::MAX);
        assert_eq!(ranges.lowest_free(u128::MAX, u128::MAX), None);
        ranges.remove(u128::MAX);
        assert_eq!(ranges.lowest_free(u128::MAX, u128::MAX), Some(u128::MAX));
    }
}
