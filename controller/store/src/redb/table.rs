//! The tables of the file and what stands in them.

use ::redb::{
    ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction,
};
use weft_model::{Change, Kind, Resource, ResourceKey, Revision};

use super::failed;
use crate::{Receipt, StoreError, stage::check_fit};

/// Numbers about the store itself, by name.
pub(super) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Resources: letters for the kind and the key's text, to JSON.
pub(super) const RESOURCES: TableDefinition<'static, &str, &[u8]> =
    TableDefinition::new("resources");
/// Receipts in the order of their making: request id, digest, revision, answer.
const RECEIPTS: TableDefinition<'static, u64, (&str, u64, u64, &[u8])> =
    TableDefinition::new("receipts");
/// Where a request's receipt is.
const RECEIPT_OF: TableDefinition<'static, &str, u64> = TableDefinition::new("receipt_of");

/// The layout's version.
pub(super) const SCHEMA: &str = "schema";
/// The newest revision.
const REVISION: &str = "revision";

/// The letters that a kind's keys start with: part of the layout, so fixed, and in the order of
/// [`Kind::ALL`], so that a load yields what is referred to before what refers to it. A kind
/// between two older ones has the letter of the one before it and one more.
const fn letters(kind: Kind) -> &'static str {
    match kind {
        Kind::Region => "a",
        Kind::Zone => "b",
        Kind::Host => "c",
        Kind::PrefixList => "cl",
        Kind::PublicPool => "cp",
        Kind::Vpc => "d",
        Kind::InternetGateway => "di",
        Kind::EgressGateway => "dj",
        Kind::Peering => "dk",
        Kind::TransitGateway => "dl",
        Kind::TransitTable => "dm",
        Kind::TransitAttachment => "dn",
        Kind::RouteTable => "e",
        Kind::SecurityGroup => "f",
        Kind::NetworkAcl => "fa",
        Kind::Subnet => "g",
        Kind::Interface => "h",
        Kind::ElasticAddress => "i",
        Kind::FlowLog => "x",
        Kind::MirrorFilter => "xa",
        Kind::MirrorSession => "xb",
        Kind::PrivateZone => "z",
        Kind::TargetGroup => "za",
        Kind::Balancer => "zb",
        Kind::Listener => "zc",
        Kind::NatGateway => "in",
        Kind::PortLease => "io",
    }
}

fn row_key(key: &ResourceKey) -> String {
    format!("{}/{key}", letters(key.kind()))
}

/// The resource in a row.
pub(super) fn decode(key: &str, value: &[u8]) -> Result<Resource, StoreError> {
    serde_json::from_slice(value).map_err(|source| StoreError::Decode {
        what: format!("resource {key}"),
        source,
    })
}

/// The newest committed revision.
pub(super) fn revision(transaction: &ReadTransaction) -> Result<Revision, StoreError> {
    let meta = transaction
        .open_table(META)
        .map_err(failed("open the store's record"))?;
    read_revision(&meta)
}

fn read_revision(meta: &impl ReadableTable<&'static str, u64>) -> Result<Revision, StoreError> {
    let row = meta.get(REVISION).map_err(failed("read the revision"))?;
    Ok(Revision(row.map_or(0, |row| row.value())))
}

/// The receipt of a request.
pub(super) fn receipt(
    transaction: &ReadTransaction,
    request_id: &str,
) -> Result<Option<Receipt>, StoreError> {
    let places = transaction
        .open_table(RECEIPT_OF)
        .map_err(failed("open the receipts"))?;
    let Some(place) = places.get(request_id).map_err(failed("find a receipt"))? else {
        return Ok(None);
    };
    let receipts = transaction
        .open_table(RECEIPTS)
        .map_err(failed("open the receipts"))?;
    let row = receipts
        .get(place.value())
        .map_err(failed("read a receipt"))?;
    Ok(row.map(|row| {
        let (request_id, digest, revision, answer) = row.value();
        Receipt {
            request_id: request_id.to_owned(),
            digest,
            revision: Revision(revision),
            answer: answer.to_vec(),
        }
    }))
}

/// The tables, open for writing.
pub(super) struct Tables<'t> {
    meta: Table<'t, &'static str, u64>,
    resources: Table<'t, &'static str, &'static [u8]>,
    receipts: Table<'t, u64, (&'static str, u64, u64, &'static [u8])>,
    receipt_of: Table<'t, &'static str, u64>,
}

impl<'t> Tables<'t> {
    /// Opens the tables, making those that aren't there.
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            meta: transaction
                .open_table(META)
                .map_err(failed("open the store's record"))?,
            resources: transaction
                .open_table(RESOURCES)
                .map_err(failed("open the resources"))?,
            receipts: transaction
                .open_table(RECEIPTS)
                .map_err(failed("open the receipts"))?,
            receipt_of: transaction
                .open_table(RECEIPT_OF)
                .map_err(failed("open the receipts"))?,
        })
    }

    /// Records the layout's version.
    pub(super) fn set_schema(&mut self, version: u64) -> Result<(), StoreError> {
        let written = self.meta.insert(SCHEMA, version);
        written
            .map(drop)
            .map_err(failed("write the schema version"))
    }

    pub(super) fn revision(&self) -> Result<Revision, StoreError> {
        read_revision(&self.meta)
    }

    pub(super) fn set_revision(&mut self, revision: Revision) -> Result<(), StoreError> {
        let written = self.meta.insert(REVISION, revision.0);
        written.map(drop).map_err(failed("write the revision"))
    }

    /// Writes what a change leaves behind.
    pub(super) fn put(&mut self, key: &ResourceKey, change: &Change) -> Result<(), StoreError> {
        let row = row_key(key);
        let old = match &change.after {
            Some(after) => {
                let value = serde_json::to_vec(after).map_err(|source| StoreError::Encode {
                    what: format!("resource {key}"),
                    source,
                })?;
                self.resources.insert(row.as_str(), value.as_slice())
            }
            None => self.resources.remove(row.as_str()),
        };
        let existed = old.map_err(failed("write a resource"))?.is_some();
        check_fit(key, change.before.as_ref(), existed)
    }

    /// Keeps a receipt, and the newest `limit` of them only.
    pub(super) fn put_receipt(&mut self, receipt: &Receipt, limit: u64) -> Result<(), StoreError> {
        // One receipt per revision at most, so the revision is its place in the order.
        let place = receipt.revision.0;
        let id = receipt.request_id.as_str();
        let row = (id, receipt.digest, place, receipt.answer.as_slice());
        let written = self.receipts.insert(place, row);
        written.map(drop).map_err(failed("write a receipt"))?;
        let replaced = self.receipt_of.insert(id, place);
        let replaced = replaced
            .map_err(failed("write a receipt"))?
            .map(|old| old.value());
        if let Some(old) = replaced {
            let removed = self.receipts.remove(old);
            removed.map(drop).map_err(failed("replace a receipt"))?;
        }
        self.prune_receipts(limit)
    }

    fn prune_receipts(&mut self, limit: u64) -> Result<(), StoreError> {
        while self.receipts.len().map_err(failed("count the receipts"))? > limit {
            let oldest = self
                .receipts
                .pop_first()
                .map_err(failed("prune the receipts"))?;
            let Some((_, row)) = oldest else {
                return Ok(());
            };
            let (id, ..) = row.value();
            let removed = self.receipt_of.remove(id);
            removed.map(drop).map_err(failed("prune the receipts"))?;
        }
        Ok(())
    }
}
