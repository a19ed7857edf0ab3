//! What makes a write safe to repeat: the caller's id for it, and a digest of its content.

use std::{fmt, str::FromStr};

use prost::Message;
use weft_store::MAX_REQUEST_ID;

/// An id that a caller draws for a request, and gives again when it repeats the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(String);

/// Why a text is no request id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no request id: use 1 to {MAX_REQUEST_ID} visible ASCII characters, as a UUID")]
pub struct RequestIdError;

impl RequestId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        let fits = (1..=MAX_REQUEST_ID).contains(&text.len());
        (visible && fits)
            .then(|| Self(text.to_owned()))
            .ok_or(RequestIdError)
    }
}

/// A request that can be told from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The caller's id for it.
    pub id: RequestId,
    /// Equal for equal requests, in every build: it is stored.
    pub digest: u64,
}

impl Request {
    /// The request of this method and content.
    pub fn new(id: RequestId, method: &str, content: &impl Message) -> Self {
        let digest = fnv1a(&[method.as_bytes(), &[0], &content.encode_to_vec()]);
        Self { id, digest }
    }
}

/// FNV-1a, 64 bits: needs no key and never changes. The caller who could make two of its own
/// requests collide gains nothing by it.
pub(crate) fn fnv1a(parts: &[&[u8]]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(OFFSET, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}
