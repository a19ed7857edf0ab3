//! Peerings, and the answers to them.

use tonic::Status;
use weft_model::{
    Peering, PeeringId,
    ops::peering::{Draft, Update},
};

use super::prelude::*;
use crate::core::Request;

pub(in crate::north) struct Peerings;

impl Exposed for Peerings {
    const KIND: Kind = Kind::Peering;
    const FIELD: &'static str = "peering";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["meta.name"],
        fixed: &["id", "requester", "accepter", "status", "meta"],
    };

    type Key = PeeringId;
    type Model = Peering;
    type Wire = wire::Peering;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreatePeeringRequest;
    type UpdateRequest = wire::UpdatePeeringRequest;
    type Answer = wire::PeeringResponse;
    type Page = wire::ListPeeringsResponse;

    fn of(resource: &Resource) -> Option<&Peering> {
        match resource {
            Resource::Peering(peering) => Some(peering),
            _ => None,
        }
    }

    fn key(peering: &Peering) -> PeeringId {
        peering.id
    }

    fn key_text(peering: &wire::Peering) -> &str {
        &peering.id
    }

    fn show(_cloud: &Cloud, peering: &Peering) -> wire::Peering {
        peering.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &Peering>> {
        Some(cloud.peerings_of_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreatePeeringRequest,
        peering: &wire::Peering,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &peering.id);
        let no_status = given_by_controller(fields, "status", &peering.status);
        let requester = fields.required("requester", &peering.requester);
        let accepter = fields.required("accepter", &peering.accepter);
        let label = label(fields, peering.meta.as_ref());
        no_id?;
        no_status?;
        Ok(Draft {
            requester: requester?,
            accepter: accepter?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        peering: &wire::Peering,
    ) -> Result<Update, Reported> {
        let label = mask.pick("meta.name", || label(fields, peering.meta.as_ref()))?;
        Ok(Update { label })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::peering::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: PeeringId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::peering::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: PeeringId, etag: Option<Revision>) -> Changes {
        ops::peering::delete(cloud, id, etag)
    }
}

/// Reads an answer; `verb` tells a request apart from the other answer with the same content.
fn read_answer(
    request: &wire::AnswerPeeringRequest,
    verb: &str,
) -> Result<(PeeringId, Option<Revision>, Option<Request>), Status> {
    let (peering, etag, id) = methods::read(|fields| {
        let peering = fields.required::<PeeringId>("peering", &request.peering);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((peering?, etag?, id?))
    })?;
    let method = methods::method::<Peerings>(verb);
    Ok((
        peering,
        etag,
        id.map(|id| Request::new(id, &method, request)),
    ))
}

async fn accept(
    north: &North,
    request: wire::AnswerPeeringRequest,
) -> Result<wire::PeeringResponse, Status> {
    let (peering, etag, request) = read_answer(&request, "accept")?;
    methods::write::<Peerings>(north, request, move |cloud, settings, _| {
        ops::peering::accept(cloud, settings, peering, etag)
    })
    .await
}

async fn reject(
    north: &North,
    request: wire::AnswerPeeringRequest,
) -> Result<wire::PeeringResponse, Status> {
    let (peering, etag, request) = read_answer(&request, "reject")?;
    methods::write::<Peerings>(north, request, move |cloud, _, _| {
        ops::peering::reject(cloud, peering, etag)
    })
    .await
}

service!(
    Peerings, peerings_server::Peerings, Peering peering peerings,
    CreatePeeringRequest UpdatePeeringRequest PeeringResponse ListPeeringsResponse
    {
        accept(AnswerPeeringRequest) => accept;
        reject(AnswerPeeringRequest) => reject;
    }
);
