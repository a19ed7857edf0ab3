//! Mirror sessions.

use weft_model::{
    MirrorSession, MirrorSessionId,
    ops::mirror::{Draft, Update},
};
use weft_proto::convert::v1::{read_mirror_length, read_mirror_number, read_mirror_vni};

use super::prelude::*;

pub(in crate::north) struct MirrorSessions;

impl Exposed for MirrorSessions {
    const KIND: Kind = Kind::MirrorSession;
    const FIELD: &'static str = "mirror_session";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["filter", "packet_length", "meta.name"],
        fixed: &["id", "vpc", "source", "target", "number", "vni", "meta"],
    };

    type Key = MirrorSessionId;
    type Model = MirrorSession;
    type Wire = wire::MirrorSession;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateMirrorSessionRequest;
    type UpdateRequest = wire::UpdateMirrorSessionRequest;
    type Answer = wire::MirrorSessionResponse;
    type Page = wire::ListMirrorSessionsResponse;

    fn of(resource: &Resource) -> Option<&MirrorSession> {
        match resource {
            Resource::MirrorSession(session) => Some(session),
            _ => None,
        }
    }

    fn key(session: &MirrorSession) -> MirrorSessionId {
        session.id
    }

    fn key_text(session: &wire::MirrorSession) -> &str {
        &session.id
    }

    fn show(_: &Cloud, session: &MirrorSession) -> wire::MirrorSession {
        session.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &MirrorSession>> {
        Some(cloud.mirror_sessions_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateMirrorSessionRequest,
        session: &wire::MirrorSession,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &session.id);
        let no_vpc = given_by_controller(fields, "vpc", &session.vpc);
        let source = fields.required("source", &session.source);
        let target = fields.required("target", &session.target);
        let filter = fields.required("filter", &session.filter);
        let number = read_mirror_number(fields, session.number);
        let packet_length = read_mirror_length(fields, session.packet_length);
        let vni = read_mirror_vni(fields, session.vni);
        let label = label(fields, session.meta.as_ref());
        no_id.and(no_vpc)?;
        Ok(Draft {
            source: source?,
            target: target?,
            filter: filter?,
            number: number?,
            packet_length: packet_length?,
            vni: vni?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        session: &wire::MirrorSession,
    ) -> Result<Update, Reported> {
        let filter = mask.pick("filter", || fields.required("filter", &session.filter));
        let packet_length = mask.pick("packet_length", || {
            read_mirror_length(fields, session.packet_length)
        });
        let label = mask.pick("meta.name", || label(fields, session.meta.as_ref()));
        Ok(Update {
            filter: filter?,
            packet_length: packet_length?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::mirror::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: MirrorSessionId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::mirror::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: MirrorSessionId, etag: Option<Revision>) -> Changes {
        ops::mirror::delete(cloud, id, etag)
    }
}

service!(
    MirrorSessions, mirror_sessions_server::MirrorSessions,
    MirrorSession mirror_session mirror_sessions,
    CreateMirrorSessionRequest UpdateMirrorSessionRequest MirrorSessionResponse
    ListMirrorSessionsResponse {}
);
