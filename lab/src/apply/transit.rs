//! Transit gateways: made with their tables, VPCs attached, routes set; and taken away.

use std::collections::BTreeSet;

use weft_proto::v1::{self as wire, transit_route::Target};

use super::{
    removal::delete,
    view::{View, Where},
    write::mask,
};
use crate::{
    api::{Api, ApiError, named, request_id},
    topology::{DEFAULT_TRANSIT_TABLE, Topology, TransitAttachmentSpec, TransitSpec},
};

pub(super) async fn create(
    api: &Api,
    view: &mut View,
    topology: &Topology,
) -> Result<(), ApiError> {
    for spec in &topology.transit_gateways {
        gateway(api, view, spec).await?;
        tables(api, view, spec).await?;
        for attachment in &spec.attachments {
            attach(api, view, spec, attachment).await?;
        }
        routes(api, view, spec).await?;
    }
    Ok(())
}

async fn gateway(api: &Api, view: &mut View, spec: &TransitSpec) -> Result<(), ApiError> {
    let name = spec.name.as_str();
    if view.transit_gateways.contains_key(name) {
        return Ok(());
    }
    let what = || ApiError::of(format!("transit gateway {name}"));
    let request = wire::CreateTransitGatewayRequest {
        transit_gateway: Some(wire::TransitGateway {
            meta: named(name),
            ..Default::default()
        }),
        request_id: request_id(),
        ..Default::default()
    };
    let made = api.transit_gateways().create(request).await;
    let made = made.map_err(what())?.into_inner().transit_gateway;
    let made = made.unwrap_or_default();
    let request = wire::GetRequest {
        id: made.association_table.clone(),
    };
    let table = api.transit_tables().get(request).await.map_err(what())?;
    let table = table.into_inner().transit_table.unwrap_or_default();
    let key = Where::new(name, DEFAULT_TRANSIT_TABLE);
    view.transit_tables.insert(key, table);
    view.transit_gateways.insert(name.to_owned(), made);
    Ok(())
}

async fn tables(api: &Api, view: &mut View, spec: &TransitSpec) -> Result<(), ApiError> {
    for table in &spec.tables {
        let key = Where::new(spec.name.as_str(), table.name.as_str());
        if view.transit_tables.contains_key(&key) {
            continue;
        }
        let request = wire::CreateTransitTableRequest {
            transit_table: Some(wire::TransitTable {
                transit_gateway: view.transit_id(spec.name.as_str()),
                meta: named(table.name.as_str()),
                ..Default::default()
            }),
            request_id: request_id(),
        };
        let what = ApiError::of(format!("transit table {}", table.name.value));
        let made = api.transit_tables().create(request).await.map_err(what)?;
        let made = made.into_inner().transit_table.unwrap_or_default();
        view.transit_tables.insert(key, made);
    }
    Ok(())
}

async fn attach(
    api: &Api,
    view: &mut View,
    spec: &TransitSpec,
    attachment: &TransitAttachmentSpec,
) -> Result<(), ApiError> {
    let (gateway, vpc) = (spec.name.as_str(), attachment.vpc.as_str());
    let what = || ApiError::of(format!("VPC {vpc} at transit gateway {gateway}"));
    let key = Where::new(gateway, vpc);
    let table = |name: &str| view.transit_table_id(gateway, name);
    let wanted = wire::TransitAttachment {
        transit_gateway: view.transit_id(gateway),
        vpc: view.vpc_id(vpc),
        route_table: (attachment.table.as_ref())
            .map(|name| table(name.as_str()))
            .unwrap_or_default(),
        propagations: (attachment.propagations.iter())
            .map(|name| table(name.as_str()))
            .collect(),
        meta: named(&format!("{gateway}-{vpc}")),
        ..Default::default()
    };
    let made = match view.attachments.get(&key) {
        Some(old) => old.clone(),
        None => {
            let request = wire::CreateTransitAttachmentRequest {
                transit_attachment: Some(wanted.clone()),
                request_id: request_id(),
            };
            let made = api.transit_attachments().create(request).await;
            let made = made.map_err(what())?.into_inner().transit_attachment;
            made.unwrap_or_default()
        }
    };
    // What it was made without, the gateway has given it.
    if !is_same(&made, &wanted) {
        let request = wire::UpdateTransitAttachmentRequest {
            transit_attachment: Some(wire::TransitAttachment {
                id: made.id.clone(),
                ..wanted
            }),
            update_mask: mask(&["route_table", "propagations"]),
            etag: String::new(),
            request_id: request_id(),
        };
        let answer = api.transit_attachments().update(request).await;
        answer.map_err(what())?;
    }
    view.attachments.insert(key, made);
    Ok(())
}

fn is_same(one: &wire::TransitAttachment, two: &wire::TransitAttachment) -> bool {
    let set = |a: &wire::TransitAttachment| -> BTreeSet<String> {
        a.propagations.iter().cloned().collect()
    };
    one.route_table == two.route_table && set(one) == set(two)
}

/// The static routes of the gateway's tables.
async fn routes(api: &Api, view: &View, spec: &TransitSpec) -> Result<(), ApiError> {
    let gateway = spec.name.as_str();
    let named = spec.tables.iter().map(|table| table.name.as_str());
    // The default table has its routes taken away with its mention.
    let names: BTreeSet<_> = named.chain([DEFAULT_TRANSIT_TABLE]).collect();
    for name in names {
        let Some(old) = view.transit_tables.get(&Where::new(gateway, name)) else {
            continue;
        };
        let what = || ApiError::of(format!("transit table {name}"));
        let wanted = spec.table(name).into_iter().flat_map(|table| &table.routes);
        let wanted: Vec<(String, Target)> = wanted
            .map(|route| {
                let target = route
                    .target
                    .as_ref()
                    .map_or(Target::Blackhole(true), |vpc| {
                        Target::Attachment(view.attachment_id(gateway, vpc.as_str()))
                    });
                (route.destination.to_string(), target)
            })
            .collect();
        let statics = |r: &&wire::TransitRoute| r.origin == wire::route::Origin::Static as i32;
        let statics: Vec<_> = old.routes.iter().filter(statics).collect();
        for (destination, target) in &wanted {
            let same = |r: &&&wire::TransitRoute| {
                r.destination == *destination && r.target.as_ref() == Some(target)
            };
            if statics.iter().any(|r| same(&r)) {
                continue;
            }
            let request = wire::PutTransitRouteRequest {
                transit_table: old.id.clone(),
                route: Some(wire::TransitRoute {
                    destination: destination.clone(),
                    target: Some(target.clone()),
                    ..Default::default()
                }),
                etag: String::new(),
                request_id: request_id(),
            };
            let put = api.transit_tables().put_route(request).await;
            put.map_err(what())?;
        }
        let stale = |r: &&&wire::TransitRoute| !wanted.iter().any(|(d, _)| *d == r.destination);
        for route in statics.iter().filter(stale) {
            let request = wire::DeleteTransitRouteRequest {
                transit_table: old.id.clone(),
                destination: route.destination.clone(),
                etag: String::new(),
                request_id: request_id(),
            };
            let gone = api.transit_tables().delete_route(request).await;
            gone.map_err(what())?;
        }
    }
    Ok(())
}

/// What the file before had and this one has not.
pub(super) async fn remove(
    api: &Api,
    view: &View,
    before: &Topology,
    after: &Topology,
) -> Result<(), ApiError> {
    for old in &before.transit_gateways {
        let name = old.name.as_str();
        let mut gateways = after.transit_gateways.iter();
        let kept = gateways.find(|g| g.name.value == old.name.value);
        for attachment in &old.attachments {
            let vpc = &attachment.vpc;
            let stays = kept.is_some_and(|g| g.attachment(vpc).is_some());
            let there = view.attachments.get(&Where::new(name, vpc.as_str()));
            if let (false, Some(there)) = (stays, there) {
                let gone = api.transit_attachments().delete(delete(&there.id)).await;
                gone.map_err(ApiError::of(format!("VPC {} at {name}", vpc.value)))?;
            }
        }
        for table in &old.tables {
            let table = table.name.as_str();
            let stays =
                table == DEFAULT_TRANSIT_TABLE || kept.is_none_or(|g| g.table(table).is_some());
            let there = view.transit_tables.get(&Where::new(name, table));
            if let (false, Some(there)) = (stays, there) {
                let gone = api.transit_tables().delete(delete(&there.id)).await;
                gone.map_err(ApiError::of(format!("transit table {table}")))?;
            }
        }
        if let (None, Some(there)) = (kept, view.transit_gateways.get(name)) {
            let gone = api.transit_gateways().delete(delete(&there.id)).await;
            gone.map_err(ApiError::of(format!("transit gateway {name}")))?;
        }
    }
    Ok(())
}
