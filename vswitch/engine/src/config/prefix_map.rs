//! Values by prefix: one small hash map per prefix length in use, so that a lookup costs the number
//! of distinct lengths and not the number of prefixes.

use std::net::IpAddr;

use weft_model::Prefix;

use crate::hash::Map;

/// The prefixes of one length, by their masked bits.
#[derive(Debug, Clone)]
struct Level<T> {
    length: u8,
    mask: u128,
    prefixes: Map<u128, T>,
}

/// Values by IPv4 and IPv6 prefix.
#[derive(Debug, Clone)]
pub(crate) struct PrefixMap<T> {
    /// Longest first.
    v4: Vec<Level<T>>,
    /// Longest first.
    v6: Vec<Level<T>>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self {
            v4: Vec::new(),
            v6: Vec::new(),
        }
    }
}

/// The address's bits at the top of a word, whatever the family.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(u32::from(a)) << 96,
        IpAddr::V6(a) => u128::from(a),
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(length))
        .unwrap_or_default()
}

impl<T> PrefixMap<T> {
    /// The value of exactly this prefix, made where it is missing.
    pub(crate) fn entry_or_insert_with(
        &mut self,
        prefix: Prefix,
        make: impl FnOnce() -> T,
    ) -> &mut T {
        let length = prefix.net().prefix_len();
        let levels = self.family_mut(prefix.net().addr());
        let at = match levels.binary_search_by(|level| length.cmp(&level.length)) {
            Ok(at) => at,
            Err(at) => {
                let level = Level {
                    length,
                    mask: mask(length),
                    prefixes: Map::default(),
                };
                levels.insert(at, level);
                at
            }
        };
        let key = bits(prefix.net().addr()) & levels[at].mask;
        levels[at].prefixes.entry(key).or_insert_with(make)
    }

    /// Forgets exactly this prefix.
    pub(crate) fn remove(&mut self, prefix: Prefix) {
        let length = prefix.net().prefix_len();
        let levels = self.family_mut(prefix.net().addr());
        let Ok(at) = levels.binary_search_by(|level| length.cmp(&level.length)) else {
            return;
        };
        let key = bits(prefix.net().addr()) & levels[at].mask;
        levels[at].prefixes.remove(&key);
        if levels[at].prefixes.is_empty() {
            levels.remove(at);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The value of the prefix that holds every address of this one's family.
    pub(crate) fn zero(&self, address: IpAddr) -> Option<&T> {
        let level = self.family(address).last()?;
        if level.length != 0 {
            return None;
        }
        level.prefixes.get(&0)
    }

    /// The values of the prefixes that hold the address, longest first.
    pub(crate) fn matches(&self, address: IpAddr) -> impl Iterator<Item = &T> {
        let bits = bits(address);
        self.family(address)
            .iter()
            .filter_map(move |level| level.prefixes.get(&(bits & level.mask)))
    }

    fn family(&self, address: IpAddr) -> &[Level<T>] {
        match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        }
    }

    fn family_mut(&mut self, address: IpAddr) -> &mut Vec<Level<T>> {
        match address {
            IpAddr::V4(_) => &mut self.v4,
            IpAddr::V6(_) => &mut self.v6,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix() -> impl Strategy<Value = Prefix> {
        // Few distinct bits, so that prefixes nest and addresses hit.
        (0u32..16, 0u8..=32, any::<bool>()).prop_map(|(top, length, v6)| {
            let text = if v6 {
                format!("{:x}000::/{}", top, length * 4)
            } else {
                format!("{}.0.0.0/{length}", top << 4)
            };
            text.parse().unwrap()
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_a_scan_finds_longest_first(
            prefixes in prop::collection::vec(prefix(), 0..20), top in 0u8..16, low: u32,
        ) {
            let mut map = PrefixMap::default();
            for &prefix in &prefixes {
                map.entry_or_insert_with(prefix, || prefix);
            }
            let v4 = IpAddr::from([top << 4, 0, 0, low as u8]);
            let v6 = IpAddr::from((u128::from(top) << 124 | u128::from(low)).to_be_bytes());
            for address in [v4, v6] {
                let mut scan: Vec<_> =
                    prefixes.iter().filter(|p| p.contains_addr(address)).copied().collect();
                scan.sort_by_key(|p| std::cmp::Reverse(p.net().prefix_len()));
                scan.dedup();
                let found: Vec<_> = map.matches(address).copied().collect();
                prop_assert_eq!(found, scan);
            }
            let (gone, kept) = prefixes.split_at(prefixes.len() / 2);
            for &prefix in gone {
                map.remove(prefix);
            }
            let kept: Vec<_> = kept.iter().filter(|p| !gone.contains(p)).collect();
            for address in [v4, v6] {
                let found = map.matches(address).count();
                let kept = kept.iter().filter(|p| p.contains_addr(address));
                let kept: std::collections::BTreeSet<_> = kept.collect();
                prop_assert_eq!(found, kept.len());
            }
            for prefix in kept {
                map.remove(*prefix);
            }
            prop_assert!(map.is_empty());
        }
    }
}
