//! Mirror sessions: what a port's packets are copied by.

use std::sync::Arc;

use weft_model::{InterfaceId, MirrorSessionId, state::MirrorState};

use super::Tables;

impl Tables {
    pub(super) fn set_mirror(&mut self, session: MirrorState) {
        let (vpc, source) = (session.vpc, session.source);
        self.mirrors.insert(session.id, Arc::new(session));
        self.recompile(vpc, |port| port.interface == source);
    }

    pub(super) fn clear_mirror(&mut self, id: MirrorSessionId) {
        if let Some(session) = self.mirrors.remove(&id) {
            self.recompile(session.vpc, |port| port.interface == session.source);
        }
    }

    /// In the order of their numbers.
    pub(super) fn mirrors_of(&self, source: InterfaceId) -> Arc<[Arc<MirrorState>]> {
        let sessions = self.mirrors.values().filter(|s| s.source == source);
        let mut sessions: Vec<_> = sessions.cloned().collect();
        sessions.sort_by_key(|session| session.number);
        sessions.into()
    }
}
