//! One host's session: its queue, and the stream that draws from it while it is connected.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tonic::Status;
use weft_model::{InterfaceId, Revision, state::StateKey};
use weft_planner::{
    Edits, HostQueue, Item,
    queue::{Hello, Refusal, UnexpectedAck, Update},
};
use weft_proto::sync::v1::Resource;

use super::{Counters, HostStatus, PortTrouble, Summary, probe::Probes};

/// Ports in trouble that are remembered for each host: more of them say nothing new.
const TROUBLES: usize = 1024;

/// Bytes kept of a vswitch's build and of a port's reason.
const TEXT_LIMIT: usize = 512;

/// Why a stream ends by the controller's will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Another stream of the same host said hello.
    Displaced,
    /// The host is no longer registered.
    Forgotten,
    /// The controller is going down.
    Closing,
    /// The host has said nothing for so long that what it said of its targets holds no more.
    Silent,
}

impl Ending {
    pub(super) fn status(self) -> Status {
        match self {
            Self::Displaced => Status::aborted(
                "another vswitch of this host has connected since: only one may run per host",
            ),
            Self::Forgotten => Status::not_found("the host was deleted"),
            Self::Closing => {
                Status::unavailable("the controller is going down: reconnect a little later")
            }
            Self::Silent => Status::deadline_exceeded(
                "no word for longer than the health checks take: say again how the targets are",
            ),
        }
    }
}

/// What ties a session to the one stream that draws from it.
#[derive(Debug, Default)]
pub(super) struct Link {
    wake: Notify,
    ending: OnceLock<Ending>,
    /// Questions beside the state.
    pub(super) probes: Probes,
}

impl Link {
    /// Returns when there may be something to send, or the stream is to end.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.ending.get().copied()
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    fn end(&self, ending: Ending) {
        // The first reason stands.
        let _ = self.ending.set(ending);
        self.wake.notify_one();
    }
}

/// How far a host is behind, for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lag {
    oldest: Option<Revision>,
    forgotten: bool,
}

impl Lag {
    /// Whether nothing up to the revision is outstanding.
    pub(super) fn is_past(self, revision: Revision) -> bool {
        self.forgotten || self.oldest.is_none_or(|oldest| oldest > revision)
    }
}

pub(super) struct Session {
    inner: Mutex<Inner>,
    lag: watch::Sender<Lag>,
    made: Instant,
    /// Microseconds from then until the host was heard last: written with each of its words, and
    /// read only when somebody asks.
    heard: AtomicU64,
}

struct Inner {
    queue: HostQueue<Resource>,
    link: Option<Arc<Link>>,
    version: String,
    troubles: BTreeMap<InterfaceId, PortTrouble>,
    displaced: u64,
}

impl Session {
    pub(super) fn new(behind: Option<Revision>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                queue: HostQueue::new(behind),
                link: None,
                version: String::new(),
                troubles: BTreeMap::new(),
                displaced: 0,
            }),
            lag: watch::Sender::new(Lag {
                oldest: behind,
                forgotten: false,
            }),
            made: Instant::now(),
            heard: AtomicU64::new(0),
        }
    }

    /// The host said something.
    pub(super) fn hear(&self, now: Instant) {
        let micros = now.saturating_duration_since(self.made).as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.heard.fetch_max(micros, Ordering::Relaxed);
    }

    /// When the host was heard last; before its first word, when waiting for it began.
    pub(super) fn heard(&self) -> Instant {
        self.made + Duration::from_micros(self.heard.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, inner: &Inner) {
        let oldest = inner.queue.oldest();
        self.lag.send_if_modified(|lag| {
            let changed = lag.oldest != oldest;
            lag.oldest = oldest;
            changed
        });
    }

    pub(super) fn watch(&self) -> watch::Receiver<Lag> {
        self.lag.subscribe()
    }
}

/// From the hub.
impl Session {
    /// The stream that said hello last draws from here on; an earlier one ends.
    pub(super) fn connect(
        &self,
        hello: &Hello,
        version: &str,
        desired: &[Arc<Item<Resource>>],
        revision: Revision,
    ) -> Arc<Link> {
        let mut inner = self.lock();
        let link = Arc::new(Link::default());
        if let Some(old) = inner.link.replace(Arc::clone(&link)) {
            old.end(Ending::Displaced);
            inner.displaced += 1;
        }
        inner.queue.connect(hello, desired, revision);
        inner.version = printable(version);
        inner.troubles.clear();
        self.publish(&inner);
        link
    }

    pub(super) fn enqueue(&self, revision: Revision, edits: Edits<Resource>) {
        let mut inner = self.lock();
        for key in edits.keys() {
            if let StateKey::Port(port) = key {
                inner.troubles.remove(port);
            }
        }
        inner.queue.enqueue(revision, edits);
        self.publish(&inner);
        if let Some(link) = &inner.link {
            link.wake.notify_one();
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.lock().queue.is_connected()
    }

    pub(super) fn end(&self, ending: Ending) {
        let inner = self.lock();
        if let Some(link) = &inner.link {
            link.end(ending);
        }
        if ending == Ending::Forgotten {
            self.lag.send_modify(|lag| lag.forgotten = true);
        }
    }

    /// The stream of the host, while it is connected.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.lock().link.clone()
    }

    pub(super) fn status(&self, newest: Revision) -> HostStatus {
        let inner = self.lock();
        let oldest = inner.queue.oldest();
        HostStatus {
            connected: inner.queue.is_connected(),
            version: inner.version.clone(),
            applied: oldest.map_or(newest, |oldest| Revision(oldest.0.saturating_sub(1))),
            pending: inner.queue.pending(),
            refused: inner.queue.refused().clone(),
            troubles: inner.troubles.clone(),
            counters: inner.queue.counters(),
        }
    }

    pub(super) fn summarize(&self, summary: &mut Summary) {
        let inner = self.lock();
        let failed = inner.troubles.values().filter(|t| t.failed).count();
        summary.hosts += 1;
        summary.connected += usize::from(inner.queue.is_connected());
        summary.behind += usize::from(inner.queue.oldest().is_some());
        summary.pending += inner.queue.pending();
        summary.refused += inner.queue.refused().len();
        summary.waiting += inner.troubles.len() - failed;
        summary.failed += failed;
    }

    pub(super) fn count(&self, counters: &mut Counters) {
        let inner = self.lock();
        counters.queues += inner.queue.counters();
        counters.displaced += inner.displaced;
        counters.connected += u64::from(inner.queue.is_connected());
    }
}

/// From the stream; nothing happens for one that was displaced.
impl Session {
    fn of(&self, link: &Arc<Link>) -> Option<MutexGuard<'_, Inner>> {
        let inner = self.lock();
        let current = inner
            .link
            .as_ref()
            .is_some_and(|now| Arc::ptr_eq(now, link));
        current.then_some(inner)
    }

    pub(super) fn is_ready(&self, link: &Arc<Link>) -> bool {
        self.of(link).is_some_and(|inner| inner.queue.is_ready())
    }

    pub(super) fn next_update(&self, link: &Arc<Link>) -> Option<Update<Resource>> {
        self.of(link)?.queue.next_update()
    }

    pub(super) fn ack(
        &self,
        link: &Arc<Link>,
        nonce: u64,
        refused: Vec<(StateKey, Refusal)>,
    ) -> Result<(), UnexpectedAck> {
        let Some(mut inner) = self.of(link) else {
            return Ok(());
        };
        inner.queue.ack(nonce, refused)?;
        self.publish(&inner);
        Ok(())
    }

    /// `None`: the port is up.
    pub(super) fn report(&self, link: &Arc<Link>, port: InterfaceId, trouble: Option<PortTrouble>) {
        let Some(mut inner) = self.of(link) else {
            return;
        };
        match trouble {
            None => {
                inner.troubles.remove(&port);
            }
            Some(mut trouble) if inner.troubles.len() < TROUBLES => {
                trouble.reason = printable(&trouble.reason);
                inner.troubles.insert(port, trouble);
            }
            Some(_) => {}
        }
    }

    pub(super) fn disconnect(&self, link: &Arc<Link>) {
        if let Some(mut inner) = self.of(link) {
            inner.link = None;
            inner.queue.disconnect();
            self.publish(&inner);
        }
    }
}

/// Another machine's text, cut and made fit to be shown.
fn printable(text: &str) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.truncate(text.floor_char_boundary(TEXT_LIMIT));
    text
}
