//! Tokens: proof that whoever asks could send a PUT and read its answer. They say until when they
//! hold and are sealed with the engine's secret, so nothing has to be remembered of them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use weft_model::InterfaceId;

use crate::time::Now;

/// Seconds that a token can hold: six hours.
pub(super) const LONGEST: u32 = 21_600;

/// Makes and checks tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    secret: u64,
}

impl Tokens {
    /// `secret` must not be guessed by a tenant.
    pub(crate) const fn new(secret: u64) -> Self {
        Self { secret }
    }

    /// A token of the interface for so many seconds.
    pub(super) fn give(&self, interface: InterfaceId, now: Now, ttl: u32) -> String {
        let until = now.0 / Now::SECOND + u64::from(ttl);
        self.write(interface, until)
    }

    pub(super) fn is_valid(&self, interface: InterfaceId, now: Now, token: &str) -> bool {
        let until = token.get(..16);
        let until = until.and_then(|until| u64::from_str_radix(until, 16).ok());
        until.is_some_and(|until| {
            until >= now.0 / Now::SECOND && same(self.write(interface, until).as_bytes(), token)
        })
    }

    fn write(&self, interface: InterfaceId, until: u64) -> String {
        let seal = |n: u64| {
            let mut hasher = DefaultHasher::new();
            (self.secret, n, interface.bits(), until, self.secret).hash(&mut hasher);
            hasher.finish()
        };
        format!("{until:016x}{:016x}{:016x}", seal(1), seal(2))
    }
}

/// Compares without stopping at the first difference, which would tell where it is.
fn same(token: &[u8], given: &str) -> bool {
    let given = given.as_bytes();
    let differences = token.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
    token.len() == given.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_time_and_its_interface() {
        let tokens = Tokens::new(7);
        let (one, two) = (InterfaceId::from_bits(1), InterfaceId::from_bits(2));
        let token = tokens.give(one, Now::from_secs(100), 60);
        assert!(tokens.is_valid(one, Now::from_secs(160), &token));
        assert!(!tokens.is_valid(one, Now::from_secs(161), &token));
        assert!(!tokens.is_valid(two, Now::from_secs(100), &token));
        assert!(!Tokens::new(8).is_valid(one, Now::from_secs(100), &token));
        let longer = token.replacen('0', "f", 1);
        for bad in ["", "x", &token[..47], &longer, "ééééééééé"] {
            assert!(!tokens.is_valid(one, Now::from_secs(100), bad), "{bad}");
        }
    }
}
