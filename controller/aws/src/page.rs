//! Pages of a listing.

use crate::{Args, Fault, sign::hex};
use ring::digest;

/// The fewest and the most of a page that a caller may ask for.
const SIZES: std::ops::RangeInclusive<i64> = 5..=1_000;

/// A page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many; all where not said.
    pub size: usize,
    /// The key of the last one of the page before.
    pub after: Option<String>,
    scope: String,
}

impl Page {
    /// Reads which page is asked for. Its token holds for the same listing alone: `scope` says which.
    ///
    /// # Errors
    /// `InvalidParameterValue` and `InvalidNextToken`.
    pub fn read(args: Args<'_>, scope: &str) -> Result<Self, Fault> {
        let size = match args.int("MaxResults") {
            None => usize::MAX,
            Some(size) if SIZES.contains(&size) => usize::try_from(size).unwrap_or(usize::MAX),
            Some(size) => {
                let why = format!(
                    "Expecting a value from {} to {}.",
                    SIZES.start(),
                    SIZES.end()
                );
                return Err(Fault::value("maxResults", &size.to_string(), why));
            }
        };
        let after = args.text("NextToken").map(|token| key_in(token, scope));
        Ok(Self {
            size,
            after: after.transpose()?,
            scope: scope.to_owned(),
        })
    }

    /// The token of the page that begins after this key.
    pub fn token(&self, last: &str) -> String {
        format!("{}{}", check(&self.scope, last), hex(last.as_bytes()))
    }
}

/// Digits that a token begins with: they say that it is of this listing.
const CHECK: usize = 16;

fn check(scope: &str, key: &str) -> String {
    let text = format!("page\0{scope}\0{key}");
    let mut digits = hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    digits.truncate(CHECK);
    digits
}

fn key_in(token: &str, scope: &str) -> Result<String, Fault> {
    let parse = || {
        let (sum, digits) = token.split_at_checked(CHECK)?;
        if digits.len() > 512 || digits.len() % 2 != 0 || !digits.is_ascii() {
            return None;
        }
        let byte = |i: usize| u8::from_str_radix(digits.get(i..i + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
        let key = String::from_utf8(bytes?).ok()?;
        (check(scope, &key) == sum).then_some(key)
    };
    parse().ok_or_else(|| Fault::new("InvalidNextToken", "The specified NextToken is not valid."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form;

    #[test]
    fn a_token_holds_for_its_own_listing_alone() {
        let params = form::parse(b"MaxResults=5").unwrap();
        let page = Page::read(Args::new(&params), "vpcs").unwrap();
        let token = page.token("vpc-1");
        let read = |scope: &str, token: &str| {
            let params = form::parse(format!("NextToken={token}").as_bytes()).unwrap();
            Page::read(Args::new(&params), scope)
        };
        assert_eq!(
            read("vpcs", &token).unwrap().after.as_deref(),
            Some("vpc-1")
        );
        for (scope, token) in [("subnets", token.as_str()), ("vpcs", "x"), ("vpcs", "é")] {
            assert_eq!(read(scope, token).unwrap_err().code, "InvalidNextToken");
        }
    }

    #[test]
    fn a_page_has_5_to_1000() {
        for (size, fits) in [
            (4, false),
            (5, true),
            (1_000, true),
            (1_001, false),
            (-1, false),
        ] {
            let params = form::parse(format!("MaxResults={size}").as_bytes()).unwrap();
            assert_eq!(Page::read(Args::new(&params), "").is_ok(), fits, "{size}");
        }
    }
}
