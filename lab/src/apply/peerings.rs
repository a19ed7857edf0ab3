//! Peerings: requested and accepted, made anew where their sides differ, and taken away.

use weft_proto::v1 as wire;

use super::view::View;
use crate::{
    api::{Api, ApiError, named, request_id},
    topology::Topology,
};

pub(super) async fn create(
    api: &Api,
    view: &mut View,
    topology: &Topology,
) -> Result<(), ApiError> {
    for spec in &topology.peerings {
        let name = spec.name.as_str();
        let what = || ApiError::of(format!("peering {name}"));
        let requester = view.vpc_id(spec.requester.as_str());
        let accepter = view.vpc_id(spec.accepter.as_str());
        let old = view.peerings.get(name);
        let same = |p: &&wire::Peering| p.requester == requester && p.accepter == accepter;
        let kept = old.filter(same).filter(|p| p.status != "rejected").cloned();
        if let (Some(old), None) = (old, &kept) {
            delete(api, &old.id, name).await?;
        }
        let peering = match kept {
            Some(kept) => kept,
            None => {
                let request = wire::CreatePeeringRequest {
                    peering: Some(wire::Peering {
                        requester,
                        accepter,
                        meta: named(name),
                        ..Default::default()
                    }),
                    request_id: request_id(),
                };
                let made = api.peerings().create(request).await.map_err(what())?;
                made.into_inner().peering.unwrap_or_default()
            }
        };
        if peering.status != "active" {
            let request = wire::AnswerPeeringRequest {
                peering: peering.id.clone(),
                etag: String::new(),
                request_id: request_id(),
            };
            api.peerings().accept(request).await.map_err(what())?;
        }
        view.peerings.insert(name.to_owned(), peering);
    }
    Ok(())
}

/// Those that the file before had and this one has not.
pub(super) async fn remove(
    api: &Api,
    view: &View,
    before: &Topology,
    after: &Topology,
) -> Result<(), ApiError> {
    for old in &before.peerings {
        let name = old.name.as_str();
        let mut kept = after.peerings.iter();
        let stays = kept.any(|p| p.name.value == old.name.value);
        if let (false, Some(old)) = (stays, view.peerings.get(name)) {
            delete(api, &old.id, name).await?;
        }
    }
    Ok(())
}

async fn delete(api: &Api, id: &str, name: &str) -> Result<(), ApiError> {
    let request = wire::DeleteRequest {
        id: id.to_owned(),
        etag: String::new(),
        request_id: request_id(),
    };
    let gone = api.peerings().delete(request).await;
    gone.map(|_| ())
        .map_err(ApiError::of(format!("peering {name}")))
}
