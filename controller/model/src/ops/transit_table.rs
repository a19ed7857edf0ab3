//! Route tables of transit gateways, and their static routes.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, refuse,
    route_table::in_services,
};
use crate::{
    Change, Cloud, Label, Meta, Prefix, Revision, TransitAttachmentId, TransitGatewayId,
    TransitRoute, TransitTable, TransitTableId,
};

/// What a table is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The gateway it is part of.
    pub gateway: TransitGatewayId,
    /// Its static routes.
    pub routes: Vec<TransitRoute>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Routes have commands of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a table of a transit gateway.
///
/// # Errors
/// When the gateway doesn't exist, a route can't be, or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let gateway = draft.gateway;
    if cloud.transit_gateway(gateway).is_none() {
        let reason = format!("transit gateway {gateway} doesn't exist");
        return Err(OpError::invalid("transit_table.gateway", reason));
    }
    let count = cloud.transit_tables_of(gateway).count() + 1;
    let limit = settings.quotas.tables_per_transit_gateway;
    let within = || format!("transit gateway {gateway}");
    check_quota(count, limit, "route tables", within)?;
    let mut table = TransitTable {
        id: draw_id(cloud, entropy, TransitTableId::from_bits)?,
        gateway,
        routes: Vec::new(),
        meta: Meta::named(draft.label),
    };
    let mut violations = Vec::new();
    for (i, route) in draft.routes.iter().enumerate() {
        let field = format!("transit_table.routes[{i}]");
        if find(&table, route.destination).is_ok() {
            let reason = format!("{} is listed twice", route.destination);
            violations.push(Violation::new(format!("{field}.destination"), reason));
        }
        violations.extend(check_route(cloud, gateway, &field, route));
        set_route(&mut table, *route);
    }
    refuse(violations)?;
    check_route_quota(&table, settings)?;
    Ok(vec![Change::create(table)])
}

/// Changes a table's name.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: TransitTableId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |table| {
        table.meta.rename(update.label);
        Ok(())
    })
}

/// Deletes a table.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, is what new attachments are given, or an
/// attachment is associated with it or propagates into it.
pub fn delete(
    cloud: &Cloud,
    id: TransitTableId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let table = found(cloud.transit_table(id), id)?;
    check_etag(id, &table.meta, etag)?;
    let gateway = cloud.transit_gateway(table.gateway);
    if gateway.is_some_and(|gateway| gateway.gives(id)) {
        return Err(OpError::Protected {
            key: id.into(),
            reason: "new attachments are given it: give the transit gateway another default first",
        });
    }
    let mut users = cloud
        .attachments_with_table(id)
        .chain(cloud.attachments_into_table(id));
    if let Some(user) = users.next() {
        let (key, by) = (id.into(), user.id.into());
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(table.clone())])
}

/// Adds a static route, or replaces the one for the destination.
///
/// # Errors
/// When the table doesn't exist or has changed since the etag, the route can't be, or the quota is
/// reached.
pub fn put_route(
    cloud: &Cloud,
    settings: &Settings,
    id: TransitTableId,
    route: TransitRoute,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |table| {
        refuse(check_route(cloud, table.gateway, "route", &route))?;
        set_route(table, route);
        check_route_quota(table, settings)
    })
}

/// Deletes a static route.
///
/// # Errors
/// When the table doesn't exist or has changed since the etag, or has no static route for the
/// destination.
pub fn delete_route(
    cloud: &Cloud,
    id: TransitTableId,
    destination: Prefix,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |table| {
        let at = find(table, destination).map_err(|_| {
            let reason = format!("{id} has no static route for {destination}");
            OpError::invalid("destination", reason)
        })?;
        table.routes.remove(at);
        Ok(())
    })
}

fn change(
    cloud: &Cloud,
    id: TransitTableId,
    etag: Option<Revision>,
    edit: impl FnOnce(&mut TransitTable) -> Result<(), OpError>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.transit_table(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    edit(&mut after)?;
    Ok(vec![Change::update(before.clone(), after)])
}

/// Where the route for the destination is, or would be.
fn find(table: &TransitTable, destination: Prefix) -> Result<usize, usize> {
    let routes = &table.routes;
    routes.binary_search_by_key(&destination, |route| route.destination)
}

fn set_route(table: &mut TransitTable, route: TransitRoute) {
    match find(table, route.destination) {
        Ok(at) => table.routes[at] = route,
        Err(at) => table.routes.insert(at, route),
    }
}

fn check_route(
    cloud: &Cloud,
    gateway: TransitGatewayId,
    field: &str,
    route: &TransitRoute,
) -> Vec<Violation> {
    let destination = route.destination;
    let wrong_place = in_services(destination).then(|| {
        let reason = format!(
            "{destination} is inside 169.254.168.0/22 or fd00:ec2::/32, which are kept for services"
        );
        Violation::new(format!("{field}.destination"), reason)
    });
    let target = route.target;
    let wrong_target = target.and_then(|id| check_target(cloud, gateway, id));
    let wrong_target =
        wrong_target.map(|reason| Violation::new(format!("{field}.attachment"), reason));
    wrong_place.into_iter().chain(wrong_target).collect()
}

/// Why the attachment can't be a target.
fn check_target(
    cloud: &Cloud,
    gateway: TransitGatewayId,
    id: TransitAttachmentId,
) -> Option<String> {
    match cloud.transit_attachment(id) {
        None => Some(format!("attachment {id} doesn't exist")),
        Some(attachment) if attachment.gateway != gateway => Some(format!(
            "{id} is attached to {}, and the table is of {gateway}",
            attachment.gateway
        )),
        Some(_) => None,
    }
}

fn check_route_quota(table: &TransitTable, settings: &Settings) -> Result<(), OpError> {
    let limit = settings.quotas.routes_per_transit_table;
    let within = || format!("transit gateway route table {}", table.id);
    check_quota(table.routes.len(), limit, "static routes", within)
}
