//! Mirror sessions: hosts hold them with their filter's rules.

use std::collections::{BTreeMap, BTreeSet};

use weft_model::{
    MirrorFilter, MirrorFilterId, MirrorSession, MirrorSessionId,
    state::{MirrorState, State, StateKey},
};

use super::{Audience, Planner};
use crate::plan::Plan;

/// What sessions' states are made of.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    filters: BTreeMap<MirrorFilterId, MirrorFilter>,
    sessions: BTreeMap<MirrorSessionId, MirrorSession>,
}

impl Mirrors {
    fn state(&self, session: &MirrorSession) -> Option<MirrorState> {
        let filter = self.filters.get(&session.filter)?;
        Some(MirrorState {
            id: session.id,
            vpc: session.vpc,
            source: session.source,
            target: session.target,
            filter: session.filter,
            ingress: filter.ingress.clone(),
            egress: filter.egress.clone(),
            number: session.number,
            packet_length: session.packet_length,
            vni: session.vni,
        })
    }

    fn with(&self, filter: MirrorFilterId) -> BTreeSet<MirrorSessionId> {
        let sessions = self.sessions.values().filter(|s| s.filter == filter);
        sessions.map(|session| session.id).collect()
    }
}

impl<B> Planner<B> {
    pub(super) fn put_mirror_filter(&mut self, filter: &MirrorFilter, plan: &mut Plan<B>) {
        self.mirrors.filters.insert(filter.id, filter.clone());
        for session in self.mirrors.with(filter.id) {
            self.refresh_mirror(session, plan);
        }
    }

    /// Sessions with it went before.
    pub(super) fn take_mirror_filter(&mut self, id: MirrorFilterId) {
        self.mirrors.filters.remove(&id);
    }

    pub(super) fn put_mirror(&mut self, session: &MirrorSession, plan: &mut Plan<B>) {
        self.mirrors.sessions.insert(session.id, session.clone());
        self.refresh_mirror(session.id, plan);
    }

    pub(super) fn take_mirror(&mut self, id: MirrorSessionId, plan: &mut Plan<B>) {
        if let Some(session) = self.mirrors.sessions.remove(&id) {
            let audience = Audience::Vpc(session.vpc);
            self.unset(&StateKey::Mirror(id), &audience, plan);
            self.forget_vpc_if_empty(session.vpc);
        }
    }

    fn refresh_mirror(&mut self, id: MirrorSessionId, plan: &mut Plan<B>) {
        let session = self.mirrors.sessions.get(&id);
        let state = session.and_then(|session| self.mirrors.state(session));
        if let Some(state) = state {
            let audience = Audience::Vpc(state.vpc);
            self.set(&State::Mirror(state), &audience, plan);
        }
    }
}
