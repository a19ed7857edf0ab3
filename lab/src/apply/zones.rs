//! Private zones: made, changed in place, and taken away; their domain is their name.

use weft_proto::v1 as wire;

use super::view::View;
use crate::{
    api::{Api, ApiError, request_id},
    topology::{PrivateZoneSpec, Topology},
};

pub(super) async fn private_zones(
    api: &Api,
    view: &View,
    topology: &Topology,
    before: Option<&Topology>,
) -> Result<(), ApiError> {
    let there = api.list_private_zones().await?;
    let of = |spec: &PrivateZoneSpec| {
        let domain = spec.domain.value.to_string();
        there.iter().find(|zone| zone.domain == domain)
    };
    for spec in &topology.private_zones {
        put(api, of(spec), wanted(view, spec)).await?;
    }
    for old in before.map_or(&[][..], |before| &before.private_zones) {
        let mut kept = topology.private_zones.iter();
        let stays = kept.any(|zone| zone.domain.value == old.domain.value);
        if let (false, Some(zone)) = (stays, of(old)) {
            let request = wire::DeleteRequest {
                id: zone.id.clone(),
                etag: String::new(),
                request_id: request_id(),
            };
            let gone = api.private_zones().delete(request).await;
            gone.map_err(ApiError::of(format!("private zone {}", zone.domain)))?;
        }
    }
    Ok(())
}

fn wanted(view: &View, spec: &PrivateZoneSpec) -> wire::PrivateZone {
    let vpcs = spec.vpcs.iter().map(|vpc| view.vpc_id(vpc.as_str()));
    wire::PrivateZone {
        domain: spec.domain.value.to_string(),
        vpcs: vpcs.collect(),
        records: spec.records.iter().map(Into::into).collect(),
        ..Default::default()
    }
}

async fn put(
    api: &Api,
    old: Option<&wire::PrivateZone>,
    wanted: wire::PrivateZone,
) -> Result<(), ApiError> {
    let what = ApiError::of(format!("private zone {}", wanted.domain));
    let Some(old) = old else {
        let request = wire::CreatePrivateZoneRequest {
            private_zone: Some(wanted),
            request_id: request_id(),
        };
        return api
            .private_zones()
            .create(request)
            .await
            .map(drop)
            .map_err(what);
    };
    let sorted = |zone: &wire::PrivateZone| {
        let mut zone = zone.clone();
        zone.vpcs.sort();
        zone.records
            .sort_by(|a, b| (&a.name, &a.r#type).cmp(&(&b.name, &b.r#type)));
        (zone.vpcs, zone.records)
    };
    if sorted(old) == sorted(&wanted) {
        return Ok(());
    }
    let request = wire::UpdatePrivateZoneRequest {
        private_zone: Some(wire::PrivateZone {
            id: old.id.clone(),
            ..wanted
        }),
        update_mask: super::write::mask(&["vpcs", "records"]),
        etag: String::new(),
        request_id: request_id(),
    };
    let updated = api.private_zones().update(request).await;
    updated.map(drop).map_err(what)
}
