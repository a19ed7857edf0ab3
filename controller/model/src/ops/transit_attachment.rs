//! VPCs joined to transit gateways.

use std::collections::BTreeSet;

use super::{
    Entropy, OpError, Settings, check_etag, check_quota, draw_id, found,
    transit_gateway::check_table,
};
use crate::{
    Change, Cloud, Label, Meta, Revision, TransitAttachment, TransitAttachmentId, TransitGatewayId,
    TransitTableId, VpcId,
};

/// What an attachment is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The gateway.
    pub gateway: TransitGatewayId,
    /// The VPC.
    pub vpc: VpcId,
    /// The table to associate it with; `None`: the gateway's default one, if it has one.
    pub table: Option<TransitTableId>,
    /// The tables that learn its blocks; empty: the gateway's default one, if it has one.
    pub propagations: BTreeSet<TransitTableId>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Lists are the whole list wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The table that it is associated with, or none.
    pub table: Option<Option<TransitTableId>>,
    /// The tables that learn its blocks.
    pub propagations: Option<BTreeSet<TransitTableId>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Attaches a VPC to a transit gateway.
///
/// # Errors
/// When either doesn't exist, they are joined already, a table isn't the gateway's, or a quota is
/// reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let gateway = cloud.transit_gateway(draft.gateway).ok_or_else(|| {
        let reason = format!("transit gateway {} doesn't exist", draft.gateway);
        OpError::invalid("transit_attachment.gateway", reason)
    })?;
    if cloud.vpc(draft.vpc).is_none() {
        let reason = format!("VPC {} doesn't exist", draft.vpc);
        return Err(OpError::invalid("transit_attachment.vpc", reason));
    }
    if let Some(twin) = cloud.attachment(gateway.id, draft.vpc) {
        return Err(OpError::AlreadyExists(twin.id.into()));
    }
    check_quotas(cloud, settings, &draft)?;
    check_tables(cloud, gateway.id, draft.table, &draft.propagations)?;
    let mut propagations = draft.propagations;
    if propagations.is_empty() {
        propagations.extend(gateway.propagation_table);
    }
    Ok(vec![Change::create(TransitAttachment {
        id: draw_id(cloud, entropy, TransitAttachmentId::from_bits)?,
        gateway: gateway.id,
        vpc: draft.vpc,
        table: draft.table.or(gateway.association_table),
        propagations,
        meta: Meta::named(draft.label),
    })])
}

/// Changes the tables of an attachment, or its name.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or a table isn't the gateway's.
pub fn update(
    cloud: &Cloud,
    id: TransitAttachmentId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.transit_attachment(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.table = update.table.unwrap_or(after.table);
    after.propagations = update.propagations.unwrap_or(after.propagations);
    check_tables(cloud, after.gateway, after.table, &after.propagations)?;
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Takes a VPC off a transit gateway. Static routes to the attachment, and routes of the VPC to the
/// gateway, stay as blackholes.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: TransitAttachmentId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let attachment = found(cloud.transit_attachment(id), id)?;
    check_etag(id, &attachment.meta, etag)?;
    Ok(vec![Change::delete(attachment.clone())])
}

fn check_quotas(cloud: &Cloud, settings: &Settings, draft: &Draft) -> Result<(), OpError> {
    let quotas = &settings.quotas;
    let (gateway, vpc) = (draft.gateway, draft.vpc);
    let count = cloud.attachment_count(gateway) + 1;
    let limit = quotas.attachments_per_transit_gateway;
    let within = || format!("transit gateway {gateway}");
    check_quota(count, limit, "attachments", within)?;
    let count = cloud.attachments_of_vpc(vpc).count() + 1;
    let limit = quotas.transit_gateways_per_vpc;
    check_quota(count, limit, "transit gateways", || format!("VPC {vpc}"))
}

fn check_tables(
    cloud: &Cloud,
    gateway: TransitGatewayId,
    table: Option<TransitTableId>,
    propagations: &BTreeSet<TransitTableId>,
) -> Result<(), OpError> {
    check_table(cloud, gateway, table, "transit_attachment.route_table")?;
    for (i, &table) in propagations.iter().enumerate() {
        let field = format!("transit_attachment.propagations[{i}]");
        check_table(cloud, gateway, Some(table), &field)?;
    }
    Ok(())
}
