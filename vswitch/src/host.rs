//! This host's state, where the agent writes it and the inspection reads it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;
use weft_datapath::{Datapath, WorkerError};
use weft_engine::Config;
use weft_proto::sync::v1 as wire;

use crate::{
    books::Books, edge::Edge, health::Findings, holdings::Holdings, metrics::Times, mirrors,
    ports::Ports, resolver,
};

/// How the stream from the controller is doing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    pub(crate) endpoint: String,
    pub(crate) connected: bool,
    pub(crate) revision: u64,
    pub(crate) connections: u64,
    pub(crate) updates: u64,
    pub(crate) resources: u64,
    pub(crate) last_error: String,
}

pub(crate) struct Host {
    holdings: Mutex<Holdings>,
    link: Mutex<Link>,
    pub(crate) datapath: Arc<Datapath>,
    pub(crate) ports: Ports,
    /// What the health checks have found.
    pub(crate) findings: watch::Receiver<Findings>,
    books: Mutex<Books>,
    /// What became of questions to resolvers outside.
    pub(crate) resolver: Arc<resolver::Counters>,
    /// What became of mirrored packets for files.
    pub(crate) mirrors: Arc<mirrors::Counters>,
    /// How long things took.
    pub(crate) times: Times,
    edge: Option<Edge>,
    /// Why the kernel doesn't forward, where that was left to the system.
    pub(crate) why_not_kernel: String,
}

/// A panic elsewhere leaves plain values that are still the best there is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    pub(crate) fn new(
        holdings: Holdings,
        datapath: Arc<Datapath>,
        ports: Ports,
        findings: watch::Receiver<Findings>,
        books: Books,
        edge: Option<Edge>,
    ) -> Self {
        Self {
            holdings: Mutex::new(holdings),
            link: Mutex::default(),
            datapath,
            ports,
            findings,
            books: Mutex::new(books),
            resolver: Arc::default(),
            mirrors: Arc::default(),
            times: Times::default(),
            edge,
            why_not_kernel: String::new(),
        }
    }

    /// Applies an update, and returns once all workers judge by it. Takes milliseconds.
    ///
    /// # Errors
    /// A worker hangs: nothing more can be promised of this host.
    #[tracing::instrument(skip_all, fields(
        nonce = update.nonce,
        revision = update.revision,
        resources = update.resources.len(),
        removed = update.removed.len(),
    ))]
    pub(crate) fn apply(&self, update: &wire::Update) -> Result<wire::Ack, WorkerError> {
        let began = Instant::now();
        let mut holdings = lock(&self.holdings);
        let applied = holdings.apply(update);
        self.datapath.publish(Arc::clone(&applied.config))?;
        if let Some(edge) = &self.edge {
            edge.follow(&applied.config);
        }
        if applied.concerns_ports {
            self.ports.reconcile(applied.config);
        }
        if !update.more {
            self.ports.settled();
        }
        self.note(|link| {
            link.updates += 1;
            link.resources += (update.resources.len() + update.removed.len()) as u64;
            if !update.more {
                link.revision = link.revision.max(update.revision);
            }
        });
        self.times.applied(began.elapsed());
        Ok(applied.ack)
    }

    pub(crate) fn held(&self) -> Vec<wire::Held> {
        lock(&self.holdings).held()
    }

    pub(crate) fn census(&self) -> std::collections::BTreeMap<&'static str, u64> {
        lock(&self.holdings).census()
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.datapath.config()
    }

    /// What is written down; its holder may wait for a disk.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    pub(crate) fn link(&self) -> Link {
        lock(&self.link).clone()
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut Link)) {
        change(&mut lock(&self.link));
    }
}
