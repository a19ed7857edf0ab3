//! The standard methods, for every kind of resource.

use prost::Message as _;
use tonic::Status;
use weft_model::{
    Change, Cloud, Resource, ResourceKey, Revision, VpcId,
    ops::{Entropy, OpError, Settings},
};
use weft_proto::{
    convert::{Fields, Reported, v1::etag_revision},
    v1 as wire,
};

use super::{
    North,
    kind::{Answer as _, CreateRequest as _, Exposed, Page as _, UpdateRequest as _},
    mask::Mask,
    page, status,
};
use crate::core::{Command, Request, RequestId, View};

/// Reads a request, all its faults at once.
pub(super) fn read<T>(read: impl FnOnce(&mut Fields) -> Result<T, Reported>) -> Result<T, Status> {
    Fields::read(read).map_err(status::unreadable)
}

/// Reads the etag that a write insists on.
pub(super) fn read_etag(fields: &mut Fields, etag: &str) -> Result<Option<Revision>, Reported> {
    if etag.is_empty() {
        return Ok(None);
    }
    let revision = etag_revision(etag);
    let known = revision.ok_or_else(|| {
        fields.refuse(
            "etag",
            "is no etag of any resource: give `meta.etag` as it was answered",
        )
    });
    known.map(Some)
}

/// Reads the id that makes a write safe to repeat.
pub(super) fn read_request_id(
    fields: &mut Fields,
    id: &str,
) -> Result<Option<RequestId>, Reported> {
    fields.optional("request_id", id)
}

/// Carries out a write on one resource and answers with it.
pub(super) async fn write<K: Exposed>(
    north: &North,
    request: Option<Request>,
    operation: impl FnOnce(&Cloud, &Settings, &mut dyn Entropy) -> Result<Vec<Change>, OpError>
    + Send
    + 'static,
) -> Result<K::Answer, Status> {
    let command = Command {
        operation: Box::new(operation),
        render: Box::new(render::<K>),
    };
    let answer = north.core.write(request, command).await;
    let mut answer = decode::<K::Answer>(&answer.map_err(status::unwritten)?)?;
    if let Some(resource) = answer.resource_mut() {
        K::complete(north, resource);
    }
    Ok(answer)
}

/// The answer to a write: the resource whose change is first.
fn render<K: Exposed>(view: &View, changes: &[Change]) -> Vec<u8> {
    let mut resources = changes.iter().filter_map(|change| change.after.as_ref());
    match resources.find_map(K::of) {
        Some(model) => K::Answer::new(K::show(&view.cloud, model), view.revision).encode_to_vec(),
        None => Vec::new(),
    }
}

/// An answer is kept encoded, for when the request is repeated.
fn decode<A: prost::Message + Default>(answer: &[u8]) -> Result<A, Status> {
    A::decode(answer)
        .map_err(|error| Status::internal(format!("the stored answer can't be read: {error}")))
}

/// Create.
pub(super) async fn create<K: Exposed>(
    north: &North,
    request: K::CreateRequest,
) -> Result<K::Answer, Status> {
    let (draft, id) = read(|fields| {
        let id = read_request_id(fields, request.request_id());
        let draft = fields
            .present(K::FIELD, request.resource())
            .and_then(|wire| {
                fields.within(K::FIELD, |fields| K::read_draft(fields, &request, wire))
            });
        Ok((draft?, id?))
    })?;
    let request = id.map(|id| Request::new(id, &method::<K>("create"), &request));
    write::<K>(north, request, move |cloud, settings, entropy| {
        K::create(cloud, settings, draft, entropy)
    })
    .await
}

/// Get.
pub(super) fn get<K: Exposed>(
    north: &North,
    request: &wire::GetRequest,
) -> Result<K::Answer, Status> {
    let key = read(|fields| fields.required::<K::Key>("id", &request.id))?.into();
    let answer = north.core.read(|view| {
        let resource = view.cloud.get(&key);
        let model = resource.as_ref().and_then(K::of)?;
        Some(K::Answer::new(K::show(&view.cloud, model), view.revision))
    });
    let mut answer = answer.ok_or_else(|| status::refused(OpError::NotFound(key)))?;
    if let Some(resource) = answer.resource_mut() {
        K::complete(north, resource);
    }
    Ok(answer)
}

/// List.
pub(super) fn list<K: Exposed>(
    north: &North,
    request: &wire::ListRequest,
) -> Result<K::Page, Status> {
    let scope = format!("{}/{}", K::FIELD, request.vpc);
    let (size, vpc, after) = read(|fields| {
        let size = page::size(fields, request.page_size);
        let vpc = fields.optional::<VpcId>("vpc", &request.vpc);
        let after = page::start(fields, &scope, &request.page_token);
        let after = after.and_then(|key| fields.optional("page_token", &key.unwrap_or_default()));
        Ok((size?, vpc?, after?))
    })?;
    let shown = north.core.read(|view| match vpc {
        None => Ok(all::<K>(&view.cloud, after, size)),
        Some(vpc) => of_vpc::<K>(&view.cloud, vpc, after, size),
    });
    let (mut shown, more) = shown.map_err(status::refused)?;
    let last = shown.last().filter(|_| more);
    let token = last.map(|wire| page::token(&scope, K::key_text(wire)));
    for wire in &mut shown {
        K::complete(north, wire);
    }
    Ok(K::Page::new(shown, token.unwrap_or_default()))
}

/// Some of a listing, and whether there are more.
type Shown<K> = (Vec<<K as Exposed>::Wire>, bool);

fn all<K: Exposed>(cloud: &Cloud, after: Option<K::Key>, size: usize) -> Shown<K> {
    let after: Option<ResourceKey> = after.map(Into::into);
    let resources = cloud.list(K::KIND, after.as_ref());
    let show = |resource: Resource| K::of(&resource).map(|model| K::show(cloud, model));
    page::fill(resources.filter_map(show), size)
}

fn of_vpc<K: Exposed>(
    cloud: &Cloud,
    vpc: VpcId,
    after: Option<K::Key>,
    size: usize,
) -> Result<Shown<K>, OpError> {
    if cloud.vpc(vpc).is_none() {
        return Err(OpError::NotFound(vpc.into()));
    }
    let Some(models) = K::in_vpc(cloud, vpc) else {
        let reason = format!("a {} belongs to no VPC: leave it out", K::KIND.text());
        return Err(OpError::invalid("vpc", reason));
    };
    let past = |model: &&K::Model| after.as_ref().is_none_or(|after| K::key(model) > *after);
    let shown = models.filter(past).map(|model| K::show(cloud, model));
    Ok(page::fill(shown, size))
}

/// Update.
pub(super) async fn update<K: Exposed>(
    north: &North,
    request: K::UpdateRequest,
) -> Result<K::Answer, Status> {
    let (key, update, etag, id) = read(|fields| {
        let id = read_request_id(fields, request.request_id());
        let etag = read_etag(fields, request.etag());
        let mask = Mask::read(fields, request.mask(), &K::PATHS);
        let wire = fields.present(K::FIELD, request.resource())?;
        fields.within(K::FIELD, |fields| {
            let key = fields.required::<K::Key>(K::KEY, K::key_text(wire));
            let update = K::read_update(fields, &mask?, wire);
            Ok((key?, update?, etag?, id?))
        })
    })?;
    let request = id.map(|id| Request::new(id, &method::<K>("update"), &request));
    write::<K>(north, request, move |cloud, settings, _| {
        K::update(cloud, settings, key, update, etag)
    })
    .await
}

/// Delete.
pub(super) async fn delete<K: Exposed>(
    north: &North,
    request: wire::DeleteRequest,
) -> Result<wire::DeleteResponse, Status> {
    let (key, etag, id) = read(|fields| {
        let key = fields.required::<K::Key>("id", &request.id);
        let etag = read_etag(fields, &request.etag);
        let id = read_request_id(fields, &request.request_id);
        Ok((key?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, &method::<K>("delete"), &request));
    let command = Command {
        operation: Box::new(move |cloud, _, _| K::delete(cloud, key, etag)),
        render: Box::new(|view, _| {
            let revision = view.revision.0;
            wire::DeleteResponse { revision }.encode_to_vec()
        }),
    };
    let answer = north.core.write(request, command).await;
    decode(&answer.map_err(status::unwritten)?)
}

/// Names a method, to tell a request from one of another method with the same content.
pub(super) fn method<K: Exposed>(verb: &str) -> String {
    format!("{}.{verb}", K::FIELD)
}
