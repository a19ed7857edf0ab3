//! What every store does with a transaction before it writes: check its form, stamp its revision.

use std::collections::BTreeSet;

use weft_model::{Resource, ResourceKey, Revision};

use crate::{MAX_REQUEST_ID, Receipt, StoreError, Txn};

/// A transaction that can be written: each change has a key, and stamps are in place.
pub(crate) struct Staged {
    pub(crate) txn: Txn,
    pub(crate) keys: Vec<ResourceKey>,
}

/// Checks a transaction's form and stamps it with its revision.
pub(crate) fn stage(mut txn: Txn, revision: Revision) -> Result<Staged, StoreError> {
    let mut keys = Vec::with_capacity(txn.changes.len());
    let mut seen = BTreeSet::new();
    for change in &mut txn.changes {
        let key = change
            .key()
            .ok_or_else(|| StoreError::Malformed("a change of nothing into nothing".to_owned()))?;
        let before = change.before.as_ref().map(Resource::key);
        if before.is_some_and(|before| before != key) {
            return Err(StoreError::Malformed(format!(
                "a change gives {key} another key"
            )));
        }
        if !seen.insert(key.clone()) {
            return Err(StoreError::Malformed(format!("{key} changes twice")));
        }
        change.stamp(revision);
        keys.push(key);
    }
    if let Some(receipt) = &mut txn.receipt {
        check_request_id(receipt)?;
        receipt.revision = revision;
    }
    Ok(Staged { txn, keys })
}

fn check_request_id(receipt: &Receipt) -> Result<(), StoreError> {
    match receipt.request_id.len() {
        1..=MAX_REQUEST_ID => Ok(()),
        length => Err(StoreError::RequestId { length }),
    }
}

/// Checks that a change fits what was there: `existed` says whether the resource did.
pub(crate) fn check_fit(
    key: &ResourceKey,
    expects: Option<&Resource>,
    existed: bool,
) -> Result<(), StoreError> {
    if expects.is_some() == existed {
        return Ok(());
    }
    Err(StoreError::Conflict {
        key: key.clone(),
        exists: existed,
    })
}
