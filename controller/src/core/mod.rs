//! The core: one writer, many readers.
//!
//! Writes go through a bounded queue to one thread, which commits what is queued as one group, so
//! that a burst pays for one flush to disk. Readers see what is committed, and never wait for the
//! disk.

mod request;
mod stats;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use tokio::sync::oneshot;
use weft_model::{
    Change, Cloud, Revision,
    ops::{Entropy, OpError, Settings},
};
use weft_store::{Store, StoreError};

pub(crate) use self::request::fnv1a;
pub use self::request::{Request, RequestId, RequestIdError};
use self::{
    stats::Stats,
    writer::{Message, Write, Writer},
};

/// Writes that may wait. One write takes some microseconds and a group one flush, so a full queue
/// means seconds of waiting: better to say so at once.
pub(crate) const QUEUE: usize = 1024;

/// What is committed, as of one revision.
#[derive(Debug, Default)]
pub struct View {
    /// Every resource.
    pub cloud: Cloud,
    /// The newest revision in it.
    pub revision: Revision,
}

/// Hears of each commit, in order and on the writer's thread.
pub trait Downstream: Send + Sync {
    /// These changes were committed at `revision`.
    fn commit(&self, revision: Revision, changes: &[Change]);
}

/// Checks a request against the cloud and answers with the changes to commit.
type Operation =
    Box<dyn FnOnce(&Cloud, &Settings, &mut dyn Entropy) -> Result<Vec<Change>, OpError> + Send>;

/// Encodes the answer to a write from what it led to.
pub(crate) type Render = Box<dyn FnOnce(&View, &[Change]) -> Vec<u8> + Send>;

/// What a write leads to: changes, and how to answer once they are made.
pub(crate) type Worked = (Vec<Change>, Render);

/// A write, on the writer's thread.
pub(crate) trait Work: Send {
    /// Checks it against the cloud.
    fn work(
        self: Box<Self>,
        cloud: &Cloud,
        settings: &Settings,
        entropy: &mut dyn Entropy,
    ) -> Result<Worked, WriteError>;
}

impl Work for Command {
    fn work(
        self: Box<Self>,
        cloud: &Cloud,
        settings: &Settings,
        entropy: &mut dyn Entropy,
    ) -> Result<Worked, WriteError> {
        let changes = (self.operation)(cloud, settings, entropy)?;
        Ok((changes, self.render))
    }
}

/// A write: what it does and what it answers.
pub struct Command {
    /// What to change.
    pub operation: Operation,
    /// What to answer, once it is changed.
    pub render: Render,
}

/// Why a write was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The operation refused.
    #[error(transparent)]
    Refused(#[from] OpError),
    /// A service of the AWS-compatible API refused, in its own words.
    #[error(transparent)]
    Service(#[from] weft_aws::Fault),
    /// Another request had this id.
    #[error(
        "request id `{0}` was used for another request: draw a new id for each new request, and \
         repeat one only with the same content"
    )]
    RequestIdReused(RequestId),
    /// Too many writes wait.
    #[error("{QUEUE} writes wait already: try again a little later")]
    Busy,
    /// The core is going down, or its store has failed. Whether the write is stored isn't known.
    #[error("the controller is going down: repeat the request with the same request id")]
    Closed,
}

/// The committed cloud and the way to change it.
pub struct Core {
    view: Arc<RwLock<View>>,
    queue: SyncSender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
    stats: Arc<Stats>,
}

impl Core {
    /// Starts the writer on a store and the view just loaded from it. The receiver hears when
    /// the store fails; nothing can be written from then on.
    ///
    /// # Errors
    /// When the writer's thread can't be started.
    pub fn start(
        view: Arc<RwLock<View>>,
        store: Box<dyn Store>,
        settings: Settings,
        downstream: Arc<dyn Downstream>,
    ) -> std::io::Result<(Self, oneshot::Receiver<StoreError>)> {
        let (queue, commands) = sync_channel(QUEUE);
        let (failed, failure) = oneshot::channel();
        let stats = Arc::<Stats>::default();
        let writer = Writer::new(Arc::clone(&view), store, settings, downstream)
            .with_stats(Arc::clone(&stats));
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                if let Err(error) = writer.run(&commands) {
                    // Nobody listens any more only when the daemon is ending anyway.
                    let _ = failed.send(error);
                }
            })?;
        let core = Self {
            view,
            queue,
            writer: Mutex::new(Some(thread)),
            stats,
        };
        Ok((core, failure))
    }

    /// Looks at what is committed. Keep it short: a commit waits for its readers.
    pub fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Carries a write out and waits until it is durable. A request that was carried out before
    /// gets its first answer again.
    ///
    /// # Errors
    /// When the operation refuses, the request's id belongs to another request, or the core is
    /// too busy or going down.
    pub async fn write(
        &self,
        request: Option<Request>,
        command: Command,
    ) -> Result<Vec<u8>, WriteError> {
        self.carry_out(request, Box::new(command)).await
    }

    /// The same of any work.
    pub(crate) async fn carry_out(
        &self,
        request: Option<Request>,
        work: Box<dyn Work>,
    ) -> Result<Vec<u8>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let write = Write {
            request,
            work,
            reply,
            caller: tracing::Span::current(),
        };
        // Before it is taken, so that it never falls below nothing.
        Stats::add(&self.stats.waiting);
        let sent = self.queue.try_send(Message::Write(write));
        if sent.is_err() {
            self.stats.taken();
        }
        match sent {
            Ok(()) => answer.await.unwrap_or(Err(WriteError::Closed)),
            Err(TrySendError::Full(_)) => {
                Stats::add(&self.stats.busy);
                Err(WriteError::Busy)
            }
            Err(TrySendError::Disconnected(_)) => Err(WriteError::Closed),
        }
    }

    /// What was counted and timed since the start.
    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Carries out what is queued, then ends the writer and closes the store. Blocks.
    pub fn close(&self) {
        // Fails only where the writer has ended already.
        let _ = self.queue.send(Message::Close);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer's thread panicked");
        }
    }
}

/// Loads what a store holds.
///
/// # Errors
/// When the store can't be read.
pub fn load(store: &dyn Store) -> Result<View, StoreError> {
    let snapshot = store.load()?;
    Ok(View {
        cloud: Cloud::from_resources(snapshot.resources),
        revision: snapshot.revision,
    })
}
