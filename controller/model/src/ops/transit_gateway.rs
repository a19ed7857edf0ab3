//! Transit gateways: each made with its default table, unless it is to have none.

use super::{Entropy, OpError, Settings, check_etag, check_quota, draw_id, found};
use crate::{
    Change, Cloud, Kind, Label, Meta, Revision, TransitGateway, TransitGatewayId, TransitTable,
    TransitTableId,
};

/// What a transit gateway is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whether new attachments are associated with the default table.
    pub associate: bool,
    /// Whether new attachments propagate into the default table.
    pub propagate: bool,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The table that new attachments are associated with, or none.
    pub association_table: Option<Option<TransitTableId>>,
    /// The table that new attachments propagate into, or none.
    pub propagation_table: Option<Option<TransitTableId>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a transit gateway and, if it is to have one, its default table: the gateway's change is
/// first.
///
/// # Errors
/// When the quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let count = cloud.count(Kind::TransitGateway) + 1;
    let limit = settings.quotas.transit_gateways;
    check_quota(count, limit, "transit gateways", || "the cloud".to_owned())?;
    let id = draw_id(cloud, entropy, TransitGatewayId::from_bits)?;
    let table = if draft.associate || draft.propagate {
        Some(TransitTable {
            id: draw_id(cloud, entropy, TransitTableId::from_bits)?,
            gateway: id,
            routes: Vec::new(),
            meta: Meta::default(),
        })
    } else {
        None
    };
    let default = table.as_ref().map(|table| table.id);
    let gateway = TransitGateway {
        id,
        association_table: default.filter(|_| draft.associate),
        propagation_table: default.filter(|_| draft.propagate),
        meta: Meta::named(draft.label),
    };
    let changes = [Some(Change::create(gateway)), table.map(Change::create)];
    Ok(changes.into_iter().flatten().collect())
}

/// Changes what new attachments are given, or the name. Those that are there stay as they are.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or a table isn't its.
pub fn update(
    cloud: &Cloud,
    id: TransitGatewayId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.transit_gateway(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    if let Some(table) = update.association_table {
        check_table(cloud, id, table, "transit_gateway.association_table")?;
        after.association_table = table;
    }
    if let Some(table) = update.propagation_table {
        check_table(cloud, id, table, "transit_gateway.propagation_table")?;
        after.propagation_table = table;
    }
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a transit gateway with its tables. Routes to it stay and drop what they match.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or a VPC is attached to it.
pub fn delete(
    cloud: &Cloud,
    id: TransitGatewayId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let gateway = found(cloud.transit_gateway(id), id)?;
    check_etag(id, &gateway.meta, etag)?;
    if let Some(attachment) = cloud.attachments_of_gateway(id).next() {
        let (key, by) = (id.into(), attachment.id.into());
        return Err(OpError::InUse { key, by });
    }
    let tables = cloud.transit_tables_of(id).cloned().map(Change::delete);
    Ok(tables.chain([Change::delete(gateway.clone())]).collect())
}

/// The table is one of the gateway's.
pub(super) fn check_table(
    cloud: &Cloud,
    gateway: TransitGatewayId,
    table: Option<TransitTableId>,
    field: &str,
) -> Result<(), OpError> {
    let Some(id) = table else {
        return Ok(());
    };
    let reason = match cloud.transit_table(id) {
        None => format!("transit gateway route table {id} doesn't exist"),
        Some(table) if table.gateway != gateway => {
            format!("{id} is of {}, and this is about {gateway}", table.gateway)
        }
        Some(_) => return Ok(()),
    };
    Err(OpError::invalid(field, reason))
}
