//! Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4), with weights.
//!
//! Every backend has its own order of all slots, and they take turns claiming the next slot in
//! their order that is free. Who comes or goes moves little beside its own share, and everybody who
//! builds a table of the same backends builds the same one.

/// Slots where nobody says otherwise: prime, and more than 100 times the targets of a group, so
/// that shares come out within a percent.
pub const SLOTS: usize = 65_537;

/// One that gets a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    /// What its order of slots follows from: the same wherever and whenever a table is built.
    pub identity: u64,
    /// Its share relative to the others'; 0 gets none.
    pub weight: u16,
}

/// An order of slots: it begins at the offset and goes on by skips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Permutation {
    offset: usize,
    skip: usize,
}

/// A lookup table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maglev {
    slots: Vec<u16>,
    steps: u64,
}

/// Nobody has the slot yet.
const FREE: u16 = u16::MAX;

/// The most backends of a table.
pub const MAX_BACKENDS: usize = FREE as usize;

impl Maglev {
    /// The table of these backends, the first [`MAX_BACKENDS`] of them; `None` where none has a
    /// share. `slots` must be a prime above 1.
    pub fn build(slots: usize, backends: &[Backend]) -> Option<Self> {
        let backends = &backends[..backends.len().min(MAX_BACKENDS)];
        let orders = backends
            .iter()
            .map(|backend| order(slots, backend.identity));
        let orders: Vec<Permutation> = orders.collect();
        let weights: Vec<u16> = backends.iter().map(|backend| backend.weight).collect();
        populate(slots, &orders, &weights)
    }

    /// Who gets this hash, as a place in the list of backends.
    pub fn pick(&self, hash: u64) -> usize {
        // Multiply and shift is as even as a division, and the high bits of a hash are its best.
        let slot = (u128::from(hash) * self.slots.len() as u128) >> 64;
        usize::from(self.slots[slot as usize])
    }

    /// Who has each slot.
    pub fn slots(&self) -> &[u16] {
        &self.slots
    }

    /// Slots that were looked at while it was built: what building cost.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

fn order(slots: usize, identity: u64) -> Permutation {
    let (offset, skip) = (mix(identity), mix(identity ^ 0x6a09_e667_f3bc_c908));
    let slots = slots.max(2) as u64;
    Permutation {
        offset: (offset % slots) as usize,
        skip: (skip % (slots - 1) + 1) as usize,
    }
}

/// Spreads every bit over all (the finaliser of SplitMix64, Steele et al., OOPSLA 2014).
pub(crate) const fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// Lets the backends claim slots in turn: the heaviest in every round, others as often as their
/// weight allows.
fn populate(slots: usize, orders: &[Permutation], weights: &[u16]) -> Option<Maglev> {
    let heaviest = u32::from(weights.iter().copied().max().filter(|&weight| weight > 0)?);
    let mut table = vec![FREE; slots];
    let mut next: Vec<usize> = orders.iter().map(|order| order.offset).collect();
    let mut credit = vec![0u32; orders.len()];
    let (mut filled, mut steps) = (0, 0);
    loop {
        for (backend, order) in orders.iter().enumerate() {
            credit[backend] += u32::from(weights[backend]);
            if credit[backend] < heaviest {
                continue;
            }
            credit[backend] -= heaviest;
            let slot = &mut next[backend];
            // Skips are coprime to a prime number of slots, so the order comes by every slot.
            while table[*slot] != FREE {
                *slot = (*slot + order.skip) % slots;
                steps += 1;
            }
            table[*slot] = backend as u16;
            steps += 1;
            filled += 1;
            if filled == slots {
                return Some(Maglev {
                    slots: table,
                    steps,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn backends(identities: impl IntoIterator<Item = u64>) -> Vec<Backend> {
        let each = identities.into_iter();
        each.map(|identity| Backend {
            identity,
            weight: 1,
        })
        .collect()
    }

    fn shares(table: &Maglev, count: usize) -> Vec<usize> {
        let mut shares = vec![0; count];
        for &backend in table.slots() {
            shares[usize::from(backend)] += 1;
        }
        shares
    }

    #[test]
    fn the_papers_example_comes_out_as_printed() {
        let order = |offset, skip| Permutation { offset, skip };
        let [b0, b1, b2] = [order(3, 4), order(0, 2), order(3, 1)];
        let before = populate(7, &[b0, b1, b2], &[1, 1, 1]).unwrap();
        assert_eq!(before.slots(), [1, 0, 1, 0, 2, 2, 0]);
        let after = populate(7, &[b0, b2], &[1, 1]).unwrap();
        // B2 is the second of the two that are left.
        assert_eq!(after.slots(), [0, 0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn nobody_with_a_share_is_no_table() {
        assert_eq!(Maglev::build(SLOTS, &[]), None);
        let idle = Backend {
            identity: 1,
            weight: 0,
        };
        assert_eq!(Maglev::build(SLOTS, &[idle]), None);
    }

    #[test]
    fn a_backend_of_no_weight_gets_nothing() {
        let mut backends = backends(0..3);
        backends[1].weight = 0;
        let table = Maglev::build(SLOTS, &backends).unwrap();
        assert_eq!(shares(&table, 3)[1], 0);
    }

    #[test]
    fn a_backend_that_leaves_moves_little_beside_its_own_share() {
        for count in [3, 10, 100] {
            let all = backends(0..count);
            let left = backends(1..count);
            let before = Maglev::build(SLOTS, &all).unwrap();
            let after = Maglev::build(SLOTS, &left).unwrap();
            let pairs = before.slots().iter().zip(after.slots());
            let moved = pairs.filter(|(old, new)| **old != 0 && **old != **new + 1);
            // The paper's figure 12: under 3 % for a table of this size.
            assert!(moved.count() * 100 < SLOTS * 3, "{count} backends");
        }
    }

    #[test]
    fn building_looks_at_a_bounded_number_of_slots() {
        for count in [1, 3, 10, 100, 500] {
            let table = Maglev::build(SLOTS, &backends(0..count)).unwrap();
            // The paper's average is M log M; 16 is the logarithm.
            assert!(
                table.steps() < 16 * SLOTS as u64,
                "{count}: {}",
                table.steps()
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn shares_are_within_three_percent_of_the_weights(
            weights in prop::collection::vec(1u16..=10, 1..20), salt in any::<u64>(),
        ) {
            let backends: Vec<Backend> = weights
                .iter()
                .enumerate()
                .map(|(i, &weight)| Backend { identity: mix(salt ^ i as u64), weight })
                .collect();
            let table = Maglev::build(SLOTS, &backends).unwrap();
            let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
            for (share, weight) in shares(&table, weights.len()).into_iter().zip(&weights) {
                let wanted = SLOTS as f64 * f64::from(*weight) / total;
                prop_assert!((share as f64 - wanted).abs() <= wanted * 0.03 + 1.0, "{share} {wanted}");
            }
        }

        #[test]
        fn the_order_of_the_list_is_no_matter_to_most_hashes(salt in any::<u64>()) {
            let identities: Vec<u64> = (0..10).map(|i| mix(salt ^ i)).collect();
            let table = Maglev::build(SLOTS, &backends(identities.clone())).unwrap();
            let again = Maglev::build(SLOTS, &backends(identities)).unwrap();
            prop_assert_eq!(table, again);
        }

        #[test]
        fn every_hash_has_a_backend(hash in any::<u64>(), count in 1u64..50) {
            let table = Maglev::build(251, &backends(0..count)).unwrap();
            prop_assert!(table.pick(hash) < count as usize);
        }
    }
}
