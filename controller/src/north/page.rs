//! Paged listings: in the order of keys, so that a walk meets what stays exactly once, whatever
//! comes and goes meanwhile.

use prost::Message;
use weft_proto::convert::{Fields, Reported};

use crate::core::fnv1a;

/// The most that a page holds.
pub(super) const LARGEST: u32 = 1000;
/// What a page holds when the caller doesn't care.
const USUAL: u32 = 100;

/// Bytes that a page holds, its first item aside. A client takes 4 MiB in one message unless it is
/// told otherwise.
const BYTES: usize = 2 << 20;

/// The first of `items` that fit on a page, and whether there are more.
pub(super) fn fill<T: Message>(items: impl Iterator<Item = T>, size: usize) -> (Vec<T>, bool) {
    let mut page = Vec::new();
    let mut bytes = 0;
    for item in items {
        bytes += item.encoded_len();
        let full = page.len() == size || bytes > BYTES;
        if full && !page.is_empty() {
            return (page, true);
        }
        page.push(item);
    }
    (page, false)
}

/// How many items a page holds at most.
pub(super) fn size(fields: &mut Fields, asked: u32) -> Result<usize, Reported> {
    let size = match asked {
        0 => USUAL,
        1..=LARGEST => asked,
        _ => {
            let reason = format!("{asked} is too large: use at most {LARGEST}, or 0 for {USUAL}");
            return Err(fields.refuse("page_size", reason));
        }
    };
    Ok(size as usize)
}

/// The token of the page that starts after `key`: hex of a tag and the key. The tag ties it to
/// the listing (`scope`), so that a token of another list or filter is refused, not misread.
pub(super) fn token(scope: &str, key: &str) -> String {
    let tag = tag(scope, key).to_be_bytes();
    let bytes = tag.iter().chain(key.as_bytes());
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// The key that a page starts after; `None` is the first page.
pub(super) fn start(
    fields: &mut Fields,
    scope: &str,
    token: &str,
) -> Result<Option<String>, Reported> {
    if token.is_empty() {
        return Ok(None);
    }
    match key_of(scope, token) {
        Some(key) => Ok(Some(key)),
        None => Err(fields.refuse(
            "page_token",
            "is no token of this list with this filter: give the one from the last answer, or \
             none to start again",
        )),
    }
}

fn key_of(scope: &str, token: &str) -> Option<String> {
    let digits = token.as_bytes().chunks(2);
    let bytes: Vec<u8> = digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    let (given, key) = bytes.split_first_chunk::<8>()?;
    let key = std::str::from_utf8(key).ok()?;
    (u64::from_be_bytes(*given) == tag(scope, key)).then(|| key.to_owned())
}

fn tag(scope: &str, key: &str) -> u64 {
    fnv1a(&[scope.as_bytes(), &[0], key.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts_after(scope: &str, token: &str) -> Result<Option<String>, ()> {
        Fields::read(|fields| start(fields, scope, token)).map_err(|_| ())
    }

    #[test]
    fn a_token_leads_on_from_its_key() {
        let token = token("subnet/", "subnet-0123");
        assert_eq!(
            starts_after("subnet/", &token),
            Ok(Some("subnet-0123".to_owned()))
        );
    }

    #[test]
    fn a_token_of_another_filter_is_refused() {
        let token = token("subnet/vpc-1", "subnet-0123");
        assert_eq!(starts_after("subnet/vpc-2", &token), Err(()));
    }

    #[test]
    fn made_up_tokens_are_refused() {
        let mut changed = token("subnet/", "subnet-0123");
        changed.replace_range(0..1, if changed.starts_with('0') { "1" } else { "0" });
        for made_up in ["x", "0", "+1", "00", "é", "0011223344556677", &changed] {
            assert_eq!(starts_after("subnet/", made_up), Err(()), "{made_up}");
        }
    }

    #[test]
    fn a_page_ends_before_it_is_too_large_to_receive() {
        let item = "x".repeat(BYTES / 3);
        let (page, more) = fill(vec![item; 10].into_iter(), 100);
        assert!(more);
        assert_eq!(page.len(), 2);
    }

    #[test]
    fn one_item_makes_a_page_however_large_it_is() {
        let (page, more) = fill(vec!["x".repeat(BYTES * 2); 2].into_iter(), 100);
        assert_eq!((page.len(), more), (1, true));
    }

    #[test]
    fn a_page_is_never_larger_than_the_largest() {
        assert_eq!(Fields::read(|fields| size(fields, 0)), Ok(100));
        assert_eq!(Fields::read(|fields| size(fields, LARGEST)), Ok(1000));
        assert!(Fields::read(|fields| size(fields, LARGEST + 1)).is_err());
    }
}
