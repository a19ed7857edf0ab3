//! The ports' devices: one thread makes, watches and removes them, so that a namespace that is
//! slow to come holds up nobody.
//!
//! The order is policy, then device: a configuration reaches the workers before this thread hears
//! of its ports, and a link goes up only once its TAP is served. A removed port leaves the
//! workers' configuration before its device goes.

mod keeper;
mod ledger;

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use tokio::sync::watch;
use weft_datapath::Datapath;
use weft_engine::Config;
use weft_model::InterfaceId;

use self::keeper::Keeper;

/// Configurations that wait for the thread: only the newest counts, so few are enough.
const COMMANDS: usize = 64;

/// How a port's device is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PortState {
    /// The namespace isn't there yet; it is tried again.
    Pending(String),
    /// It carries frames.
    Up,
    /// It can't be had; it is tried again, more and more rarely.
    Failed(String),
}

/// Every port's state.
pub(crate) type Board = BTreeMap<InterfaceId, PortState>;

enum Command {
    /// Bring the devices to this configuration.
    Reconcile(Arc<Config>),
    /// The configuration is whole: what a former process kept beyond it may go.
    Settled,
    /// End the thread.
    Stop { remove: bool },
}

/// The handle on the thread.
pub(crate) struct Ports {
    commands: mpsc::SyncSender<Command>,
    board: watch::Receiver<Board>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread needs.
pub(crate) struct PortsOptions {
    pub(crate) netns_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) datapath: Arc<Datapath>,
}

impl Ports {
    pub(crate) fn start(options: PortsOptions) -> io::Result<Self> {
        let (commands, inbox) = mpsc::sync_channel(COMMANDS);
        let (news, board) = watch::channel(Board::new());
        let keeper = Keeper::new(options, news);
        let thread = std::thread::Builder::new()
            .name("weft-ports".into())
            .spawn(move || keeper.run(&inbox))?;
        Ok(Self {
            commands,
            board,
            thread: Some(thread),
        })
    }

    /// Brings the devices to the configuration, which the workers have already.
    pub(crate) fn reconcile(&self, config: Arc<Config>) {
        self.send(Command::Reconcile(config));
    }

    /// Says that the controller has sent everything.
    pub(crate) fn settled(&self) {
        self.send(Command::Settled);
    }

    fn send(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::error!("the ports' thread has ended: devices are no longer kept");
        }
    }

    /// Every port's state, with word of each change.
    pub(crate) fn board(&self) -> watch::Receiver<Board> {
        self.board.clone()
    }

    /// Ends the thread; the devices go too where `remove` says so.
    pub(crate) fn stop(mut self, remove: bool) {
        self.send(Command::Stop { remove });
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ports' thread panicked");
        }
    }
}
