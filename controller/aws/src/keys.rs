//! Access keys.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// An access key: who signs, and the secret that only both sides know.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    id: String,
    secret: String,
}

/// Why a text is no access key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an access key is written ID:SECRET: the id 4 to 128 letters, digits and underscores, the secret \
     8 to 128 visible ASCII characters"
)]
pub struct AccessKeyError;

impl AccessKey {
    /// What requests name it by.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Never the secret: it would reach logs.
impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccessKey").field(&self.id).finish()
    }
}

impl FromStr for AccessKey {
    type Err = AccessKeyError;

    fn from_str(text: &str) -> Result<Self, AccessKeyError> {
        let (id, secret) = text.split_once(':').ok_or(AccessKeyError)?;
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = (4..=128).contains(&id.len())
            && id.bytes().all(word)
            && (8..=128).contains(&secret.len())
            && secret.bytes().all(|b| b.is_ascii_graphic());
        let (id, secret) = (id.to_owned(), secret.to_owned());
        fits.then_some(Self { id, secret }).ok_or(AccessKeyError)
    }
}

/// The keys that requests may be signed with.
#[derive(Debug, Clone, Default)]
pub struct Keys(BTreeMap<String, AccessKey>);

impl Keys {
    /// These keys; of two with one id, the later.
    pub fn new(keys: impl IntoIterator<Item = AccessKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.id.clone(), key)).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret of the key.
    pub(crate) fn secret(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(|key| key.secret.as_str())
    }
}
