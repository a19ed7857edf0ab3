//! Mirrors: a filter and a session of the same name each; made anew where they differ, and taken away.

use weft_proto::v1 as wire;

use super::{view::View, write::mask};
use crate::{
    api::{Api, ApiError, name_of, named, request_id},
    topology::{MirrorSpec, MirrorTargetSpec, REGION, Topology},
};

/// What the controller has.
struct There {
    filters: Vec<wire::MirrorFilter>,
    sessions: Vec<wire::MirrorSession>,
}

impl There {
    fn filter(&self, name: &str) -> Option<&wire::MirrorFilter> {
        let mut filters = self.filters.iter();
        filters.find(|filter| name_of(filter.meta.as_ref()) == name)
    }

    fn session(&self, name: &str) -> Option<&wire::MirrorSession> {
        let mut sessions = self.sessions.iter();
        sessions.find(|session| name_of(session.meta.as_ref()) == name)
    }
}

pub(super) async fn mirrors(
    api: &Api,
    view: &View,
    topology: &Topology,
    before: Option<&Topology>,
) -> Result<(), ApiError> {
    let there = There {
        filters: api.list_mirror_filters().await?,
        sessions: api.list_mirror_sessions().await?,
    };
    // What goes makes room for what comes.
    for old in before.map_or(&[][..], |before| &before.mirrors) {
        let mut mirrors = topology.mirrors.iter();
        if !mirrors.any(|mirror| mirror.name.value == old.name.value) {
            remove(api, &there, old.name.as_str()).await?;
        }
    }
    for spec in &topology.mirrors {
        let filter = filter(api, &there, spec).await?;
        session(api, view, &there, (spec, filter)).await?;
    }
    Ok(())
}

/// The filter's id.
async fn filter(api: &Api, there: &There, spec: &MirrorSpec) -> Result<String, ApiError> {
    let name = spec.name.as_str();
    let what = || ApiError::of(format!("mirror filter {name}"));
    let mut wanted = wire::MirrorFilter {
        region: REGION.into(),
        ingress: spec.ingress.iter().map(Into::into).collect(),
        egress: spec.egress.iter().map(Into::into).collect(),
        meta: named(name),
        ..Default::default()
    };
    let Some(old) = there.filter(name) else {
        let request = wire::CreateMirrorFilterRequest {
            mirror_filter: Some(wanted),
            request_id: request_id(),
        };
        let made = api.mirror_filters().create(request).await.map_err(what())?;
        return Ok(made.into_inner().mirror_filter.unwrap_or_default().id);
    };
    if old.ingress != wanted.ingress || old.egress != wanted.egress {
        wanted.id.clone_from(&old.id);
        let request = wire::UpdateMirrorFilterRequest {
            mirror_filter: Some(wanted),
            update_mask: mask(&["ingress", "egress"]),
            etag: String::new(),
            request_id: request_id(),
        };
        api.mirror_filters().update(request).await.map_err(what())?;
    }
    Ok(old.id.clone())
}

async fn session(
    api: &Api,
    view: &View,
    there: &There,
    (spec, filter): (&MirrorSpec, String),
) -> Result<(), ApiError> {
    let name = spec.name.as_str();
    let wanted = wire::MirrorSession {
        source: view.interface_id(spec.source.as_str()),
        target: match &spec.target {
            MirrorTargetSpec::File => "file".into(),
            MirrorTargetSpec::Workload(workload) => view.interface_id(workload.as_str()),
        },
        filter,
        number: spec.number.into(),
        packet_length: spec.packet_length.map_or(0, Into::into),
        vni: spec.vni.map_or(0, Into::into),
        meta: named(name),
        ..Default::default()
    };
    if let Some(old) = there.session(name) {
        if is_so(old, &wanted) {
            return Ok(());
        }
        end(api, old, name).await?;
    }
    let request = wire::CreateMirrorSessionRequest {
        mirror_session: Some(wanted),
        request_id: request_id(),
    };
    let made = api.mirror_sessions().create(request).await;
    made.map(drop)
        .map_err(ApiError::of(format!("mirror session {name}")))
}

fn is_so(old: &wire::MirrorSession, wanted: &wire::MirrorSession) -> bool {
    let vni = wanted.vni == 0 || old.vni == wanted.vni;
    let ends = (&old.source, &old.target) == (&wanted.source, &wanted.target);
    let place = (old.number, old.packet_length) == (wanted.number, wanted.packet_length);
    vni && ends && place && old.filter == wanted.filter
}

async fn remove(api: &Api, there: &There, name: &str) -> Result<(), ApiError> {
    if let Some(session) = there.session(name) {
        end(api, session, name).await?;
    }
    let Some(filter) = there.filter(name) else {
        return Ok(());
    };
    let gone = api.mirror_filters().delete(delete(&filter.id)).await;
    gone.map(drop)
        .map_err(ApiError::of(format!("mirror filter {name}")))
}

/// It may have gone with its source or its target.
async fn end(api: &Api, session: &wire::MirrorSession, name: &str) -> Result<(), ApiError> {
    match api.mirror_sessions().delete(delete(&session.id)).await {
        Err(status) if status.code() != tonic::Code::NotFound => {
            Err(ApiError::of(format!("mirror session {name}"))(status))
        }
        _ => Ok(()),
    }
}

fn delete(id: &str) -> wire::DeleteRequest {
    wire::DeleteRequest {
        id: id.to_owned(),
        etag: String::new(),
        request_id: request_id(),
    }
}
