//! Where commits come in and streams draw from.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::DashMap;
use prost::Message as _;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tonic::{Status, codec::CompressionEncoding};
use weft_model::{
    Change, Cloud, HostName, Resource, Revision,
    state::{State, StateKey},
};
use weft_planner::{Edits, Item, Planner, queue::Hello};
use weft_proto::sync::v1::{self as wire, sync_server::SyncServer};

use crate::metering::Metering;

use super::{
    Counters, HostStatus, MESSAGE_LIMIT, Summary, Timings,
    health::LOOK,
    leases::{self, Ask},
    session::{Ending, Link, Session},
    stream::Service,
};

/// Bytes that a resource takes in an update beside itself: its tag and length.
const FRAMING: usize = 6;

/// Revisions of which it is kept which hosts they concerned.
const RECENT: usize = 256;

/// The resource's key, version and size go with it from here on.
fn seal(state: &State) -> Item<wire::Resource> {
    let body = wire::Resource::from(state);
    Item {
        key: state.key(),
        version: body.version,
        size: body.encoded_len() + FRAMING,
        body,
    }
}

/// The hosts' side of the controller. Clones are the same hub.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    /// Held while a commit is planned and handed to the sessions, and while a host connects, so
    /// that a host's first batch and the edits after it fit together.
    plans: Mutex<Plans>,
    sessions: DashMap<HostName, Arc<Session>>,
    revision: watch::Sender<Revision>,
    closing: watch::Sender<bool>,
    timings: Timings,
    metering: Metering,
    turned_away: AtomicU64,
    silent: AtomicU64,
    /// What deleted hosts had counted: sums never fall.
    former: Mutex<Counters>,
    asks: mpsc::Sender<Ask>,
    /// Until somebody answers what hosts ask.
    asked: Mutex<Option<mpsc::Receiver<Ask>>>,
}

pub(super) struct Plans {
    pub(super) planner: Planner<wire::Resource>,
    /// The newest revisions, and whom each concerned.
    recent: VecDeque<(Revision, Vec<HostName>)>,
    /// When to look whether a host is still heard: what it said of targets may hold no more.
    pub(super) looks: BTreeSet<(Instant, HostName)>,
}

/// Commits.
impl Hub {
    /// The hub of this cloud, as of `revision`.
    pub fn new(cloud: &Cloud, revision: Revision, timings: Timings) -> Self {
        let planner = Planner::new(cloud, seal);
        let (asks, asked) = mpsc::channel(leases::ASKS);
        let sessions = DashMap::new();
        let now = Instant::now();
        let hosts = cloud.hosts();
        let looks = hosts.map(|host| (now + LOOK, host.name.clone())).collect();
        for host in cloud.hosts() {
            sessions.insert(host.name.clone(), Arc::new(Session::new(None)));
        }
        // Whether a host still holds what it must, it says when it connects.
        for host in planner.busy_hosts() {
            sessions.insert(host.clone(), Arc::new(Session::new(Some(Revision(0)))));
        }
        Self(Arc::new(Shared {
            plans: Mutex::new(Plans {
                planner,
                recent: VecDeque::new(),
                looks,
            }),
            sessions,
            revision: watch::Sender::new(revision),
            closing: watch::Sender::new(false),
            timings,
            metering: Metering::default(),
            turned_away: AtomicU64::new(0),
            silent: AtomicU64::new(0),
            former: Mutex::default(),
            asks,
            asked: Mutex::new(Some(asked)),
        }))
    }

    /// Tells the hosts concerned of a commit. Revisions come in their order.
    pub fn commit(&self, revision: Revision, changes: &[Change]) {
        let mut plans = self.plans();
        self.add_hosts(&mut plans, changes);
        let plan = plans.planner.apply(changes);
        let concerned = plan.hosts().cloned().collect();
        for (host, edits) in plan {
            self.enqueue(&host, revision, edits);
        }
        if plans.recent.len() == RECENT {
            plans.recent.pop_front();
        }
        plans.recent.push_back((revision, concerned));
        self.drop_hosts(changes);
        // Within the lock: a waiter that sees the revision finds its edits in the sessions.
        self.0.revision.send_replace(revision);
    }

    pub(super) fn enqueue(
        &self,
        host: &HostName,
        revision: Revision,
        edits: Edits<wire::Resource>,
    ) {
        if let Some(session) = self.session(host) {
            session.enqueue(revision, edits);
        }
    }

    fn add_hosts(&self, plans: &mut Plans, changes: &[Change]) {
        for change in changes {
            if let Some(Resource::Host(host)) = &change.after
                && change.before.is_none()
            {
                let new = || Arc::new(Session::new(None));
                self.0.sessions.entry(host.name.clone()).or_insert_with(new);
                plans
                    .looks
                    .insert((Instant::now() + LOOK, host.name.clone()));
            }
        }
    }

    fn drop_hosts(&self, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.after.is_none()) {
            if let Some(Resource::Host(host)) = &change.before {
                self.forget(&host.name);
            }
        }
    }

    /// Ends the host's stream and forgets what it was told. A commit that deletes the host does
    /// this by itself.
    pub fn forget(&self, host: &HostName) {
        if let Some((_, session)) = self.0.sessions.remove(host) {
            session.end(Ending::Forgotten);
            session.count(&mut self.former());
        }
    }

    fn former(&self) -> MutexGuard<'_, Counters> {
        let former = &self.0.former;
        former.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn plans(&self) -> MutexGuard<'_, Plans> {
        self.0.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host, its session, and what ties it to the stream.
type Connected = (HostName, Arc<Session>, Arc<Link>);

/// Streams.
impl Hub {
    /// The service that vswitches connect to.
    pub fn service(&self) -> SyncServer<Service> {
        SyncServer::new(Service::new(self.clone()))
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MESSAGE_LIMIT)
    }

    /// Ends all streams, and takes no more: the server's graceful end waits for them.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
        for session in &self.0.sessions {
            session.end(Ending::Closing);
        }
    }

    /// Returns once the hub is closed.
    pub(super) async fn closed(&self) {
        // Fails only when the sender is gone, and `self` holds it.
        let _ = self
            .0
            .closing
            .subscribe()
            .wait_for(|closing| *closing)
            .await;
    }

    pub(super) fn timings(&self) -> Timings {
        self.0.timings
    }

    pub(super) fn connect(&self, hello: &wire::Hello) -> Result<Connected, Status> {
        let attempt = self.try_connect(hello);
        if attempt.is_err() {
            self.0.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        attempt
    }

    fn try_connect(&self, hello: &wire::Hello) -> Result<Connected, Status> {
        let host: HostName = hello
            .host
            .parse()
            .map_err(|error| Status::invalid_argument(format!("hello.host: {error}")))?;
        let read = Hello {
            instance: hello.instance,
            held: read_held(&host, &hello.held),
        };
        let mut plans = self.plans();
        let session = self.session(&host).ok_or_else(|| unknown(&host))?;
        if *self.0.closing.borrow() {
            return Err(Ending::Closing.status());
        }
        let revision = *self.0.revision.borrow();
        for (other, edits) in plans.planner.set_lost(&host, false) {
            self.enqueue(&other, revision, edits);
        }
        let desired = plans.planner.desired(&host);
        let link = session.connect(&read, &hello.version, &desired, revision);
        session.hear(Instant::now());
        Ok((host, session, link))
    }

    /// What the host is meant to hold, in the order of the kinds.
    pub(super) fn desired_bodies(&self, host: &HostName) -> Vec<wire::Resource> {
        let items = self.plans().planner.desired(host);
        items.iter().map(|item| item.body.clone()).collect()
    }

    /// What interfaces used.
    pub fn metering(&self) -> &Metering {
        &self.0.metering
    }

    /// The host's stream ended: where it is an edge, nobody is to use it until it is back.
    pub(super) fn lost(&self, host: &HostName) {
        let mut plans = self.plans();
        let connected = |session: Arc<Session>| session.is_connected();
        // A controller that goes down says nothing of its hosts.
        let closing = *self.0.closing.borrow();
        if closing || self.session(host).is_none_or(connected) {
            return;
        }
        let revision = *self.0.revision.borrow();
        for (other, edits) in plans.planner.set_lost(host, true) {
            self.enqueue(&other, revision, edits);
        }
    }

    /// Gives up the hosts that have not come since the controller started: an edge may have died
    /// while nobody watched, and until then the others are better left alone.
    pub async fn give_up_absent(&self) {
        tokio::time::sleep(self.0.timings.silence).await;
        for host in self.sessions().into_keys() {
            self.lost(&host);
        }
    }

    /// What hosts ask of leases, for whoever answers them; `None` once somebody does.
    pub(crate) fn take_asks(&self) -> Option<mpsc::Receiver<Ask>> {
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.take()
    }

    pub(super) fn ask(&self, ask: Ask) {
        if self.0.asks.try_send(ask).is_err() {
            tracing::warn!("too many hosts ask for ports: one must ask again");
        }
    }

    pub(super) fn note_silence(&self) {
        self.0.silent.fetch_add(1, Ordering::Relaxed);
    }
}

fn unknown(host: &HostName) -> Status {
    Status::not_found(format!(
        "host `{host}` is not registered: `weft host create {host} --zone ZONE --vtep ADDRESS` \
         makes it known, or start the vswitch with the `--host` that is"
    ))
}

/// What can't be read is left out: this controller has no such kind, and can't remove it either.
fn read_held(host: &HostName, held: &[wire::Held]) -> BTreeMap<StateKey, u64> {
    let mut known = BTreeMap::new();
    for held in held {
        let key = held.key.clone().unwrap_or_default();
        match StateKey::try_from(&key) {
            Ok(key) => {
                known.insert(key, held.version);
            }
            Err(error) => tracing::warn!(%host, ?key, %error, "holds something unknown here"),
        }
    }
    known
}

/// Asking.
impl Hub {
    /// The newest revision committed.
    pub fn revision(&self) -> Revision {
        *self.0.revision.borrow()
    }

    /// How the host is doing; `None` where it isn't registered.
    pub fn status(&self, host: &HostName) -> Option<HostStatus> {
        let newest = self.revision();
        self.session(host).map(|session| session.status(newest))
    }

    /// How all hosts are doing.
    pub(crate) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for (_, session) in self.sessions() {
            session.summarize(&mut summary);
        }
        summary
    }

    /// What happened on all streams since the start, those of hosts deleted since among them.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters {
            turned_away: self.0.turned_away.load(Ordering::Relaxed),
            silent: self.0.silent.load(Ordering::Relaxed),
            connected: 0,
            ..*self.former()
        };
        for (_, session) in self.sessions() {
            session.count(&mut counters);
        }
        counters
    }

    pub(super) fn session(&self, host: &HostName) -> Option<Arc<Session>> {
        self.0
            .sessions
            .get(host)
            .map(|session| Arc::clone(&session))
    }

    /// In the order of the hosts' names.
    pub(super) fn sessions(&self) -> BTreeMap<HostName, Arc<Session>> {
        let sessions = self.0.sessions.iter();
        sessions
            .map(|session| (session.key().clone(), Arc::clone(&session)))
            .collect()
    }

    /// Whom the revision concerned, if that is still known.
    pub(super) fn concerned_by(&self, revision: Revision) -> Option<Vec<HostName>> {
        let plans = self.plans();
        let found = plans
            .recent
            .binary_search_by_key(&revision, |(revision, _)| *revision);
        found.ok().map(|at| plans.recent[at].1.clone())
    }

    pub(super) fn watch_revision(&self) -> watch::Receiver<Revision> {
        self.0.revision.subscribe()
    }
}
