//! A controller without its process: the cloud, the planner, and a queue for every host.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

use weft_model::{
    Change, Cloud, HostName, Revision,
    state::{Delta, State, StateKey, TargetKey},
};
use weft_planner::{
    HostQueue, Item, Planner,
    queue::{Hello, Update},
};

/// The state itself as the body; the version is a digest of its JSON.
pub(crate) fn seal(state: &State) -> Item<State> {
    let json = serde_json::to_vec(state).unwrap();
    let mut digest = DefaultHasher::new();
    digest.write(&json);
    Item {
        key: state.key(),
        version: digest.finish(),
        size: json.len(),
        body: state.clone(),
    }
}

pub(crate) struct Controller {
    pub(crate) cloud: Cloud,
    planner: Planner<State>,
    queues: BTreeMap<HostName, HostQueue<State>>,
    pub(crate) revision: Revision,
}

impl Controller {
    pub(crate) fn new() -> Self {
        let cloud = Cloud::new();
        let planner = Planner::new(&cloud, seal);
        Self {
            cloud,
            planner,
            queues: BTreeMap::new(),
            revision: Revision(0),
        }
    }

    /// A transaction: applied, planned, and put in the queues of the hosts that it concerns.
    pub(crate) fn commit(&mut self, mut changes: Vec<Change>) {
        self.revision = Revision(self.revision.0 + 1);
        for change in &mut changes {
            change.stamp(self.revision);
        }
        self.cloud.apply(&changes);
        let revision = self.revision;
        for (host, edits) in self.planner.apply(&changes) {
            self.queue(&host).enqueue(revision, edits);
        }
    }

    /// A host's vswitch is lost, or back.
    pub(crate) fn set_lost(&mut self, host: &HostName, lost: bool) {
        self.revision = Revision(self.revision.0 + 1);
        let revision = self.revision;
        for (host, edits) in self.planner.set_lost(host, lost) {
            self.queue(&host).enqueue(revision, edits);
        }
    }

    /// A host says what it found of targets.
    pub(crate) fn report(&mut self, host: &HostName, key: TargetKey, healthy: bool) {
        self.revision = Revision(self.revision.0 + 1);
        let revision = self.revision;
        let finding = (!healthy).then(|| "it doesn't answer".to_owned());
        for (host, edits) in self.planner.report(host, [(key, finding)]) {
            self.queue(&host).enqueue(revision, edits);
        }
    }

    /// Its process starts again: what it keeps is the cloud.
    pub(crate) fn restart(&mut self) {
        self.planner = Planner::new(&self.cloud, seal);
        for queue in self.queues.values_mut() {
            *queue = HostQueue::new(Some(Revision(0)));
        }
    }

    pub(crate) fn queue(&mut self, host: &HostName) -> &mut HostQueue<State> {
        if !self.queues.contains_key(host) {
            self.queues.insert(host.clone(), HostQueue::new(None));
        }
        self.queues.get_mut(host).unwrap()
    }

    /// The host is there, with what it says that it holds.
    pub(crate) fn connect(&mut self, host: &HostName, hello: &Hello) {
        let (desired, revision) = (self.planner.desired(host), self.revision);
        self.queue(host).connect(hello, &desired, revision);
    }

    /// What the host must hold.
    pub(crate) fn desired(&self, host: &HostName) -> BTreeMap<StateKey, u64> {
        let items = self.planner.desired(host);
        items.iter().map(|i| (i.key.clone(), i.version)).collect()
    }
}

/// An update's changes, in their order, with the versions.
pub(crate) fn deltas(update: &Update<State>) -> Vec<(Delta, u64)> {
    let upserts = update.upserts.iter().map(|item: &Arc<Item<State>>| {
        let delta = Delta::Upsert(item.body.clone());
        (delta, item.version)
    });
    let removals = update.removals.iter().cloned();
    upserts
        .chain(removals.map(|key| (Delta::Remove(key), 0)))
        .collect()
}
