//! The handle on all workers.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use weft_engine::{
    Config, Limits, PortIndex,
    balance::Finding,
    config::owner,
    flow::FlowReport,
    watch::{LogRecord, Meter},
};
use weft_model::{InterfaceId, Mac};

use crate::{
    device::{Device, DeviceError, EdgeDevice, UpcallDevice, Wiring},
    kernel::{Carrier, Kernel, KernelError, Wires},
    underlay::{self, UnderlayError, Vtep},
    worker::{
        CapturedFrame, Command, FlowEvent, MirroredFrame, Parts, Points, Question, RecentDrops,
        Ring, Watch, WatchFilter, WatchRing, Watcher, Worker, WorkerSnapshot,
    },
};

/// The most workers: 8 already saturate what one UDP port pair of NIC queues gives, and one bit
/// each of a word names them.
pub const MAX_WORKERS: usize = 64;
/// Commands that may wait for a worker.
const COMMANDS: usize = 256;
/// Findings of health checks that may wait: each target's first word, and changes from then on.
const FINDINGS: usize = 4096;
/// Questions to resolvers outside that may wait to be sent.
const QUESTIONS: usize = 1024;
/// Mirrored packets that may wait to be written: a burst of small ones, or 24 MiB of full super frames'
/// segments.
const MIRRORED: usize = 16_384;
/// A worker answers between two batches, which take milliseconds; past this it hangs.
const PATIENCE: Duration = Duration::from_secs(5);
/// Events that wait for a reader, for each worker: of a flood it gets a sample.
const EVENTS: usize = 1_024;
/// Packets that wait for a capture's reader, for each worker.
const PACKETS: usize = 1_024;

/// How the datapath is to be.
#[derive(Clone)]
pub struct DatapathOptions {
    /// Where this host's tunnel is.
    pub vtep: Vtep,
    /// Worker threads, 1 to [`MAX_WORKERS`].
    pub workers: usize,
    /// The bounds of each worker's engine.
    pub limits: Limits,
    /// Seeds the flow tables' hashes; draw it at random, tenants must not guess it.
    pub seed: u64,
    /// What carries connections on in the kernel, loaded for this VTEP and these workers.
    pub kernel: Option<Arc<Kernel>>,
    /// Hundredths of a core that each worker may spend looking for the next packet before it sleeps.
    pub busy_poll: u8,
}

/// Why the datapath could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The underlay's sockets.
    #[error(transparent)]
    Underlay(#[from] UnderlayError),
    /// A thread, an eventfd, an epoll.
    #[error("can't start the workers: {0}; is a limit on descriptors or threads reached?")]
    Worker(#[from] io::Error),
    /// The kernel's programs.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A device between them and a worker.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// Why a worker didn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It doesn't answer.
    #[error("worker {0} doesn't answer: the vswitch must be restarted")]
    Hangs(usize),
    /// The descriptor couldn't be had or waited for.
    #[error("can't attach the port's TAP: {0}")]
    Attach(io::Error),
    /// The kernel's tables can't be brought to a configuration, or a port's devices joined.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

struct Handle {
    commands: SyncSender<Command>,
    thread: Option<JoinHandle<()>>,
}

/// Running workers. Dropping it stops them; TAPs that other handles hold stay.
pub struct Datapath {
    config: Arc<ArcSwap<Config>>,
    rings: Arc<[Ring]>,
    workers: Vec<Handle>,
    findings: Mutex<Option<Receiver<Finding>>>,
    questions: Mutex<Option<Receiver<Question>>>,
    mirrored: Mutex<Option<Receiver<MirroredFrame>>>,
    epoch: u64,
    kernel: Option<Arc<Kernel>>,
}

impl Datapath {
    /// Binds the VTEP and starts the workers; they drop everything until a configuration with
    /// ports is published.
    ///
    /// # Errors
    /// The VTEP can't be bound, or the system has no threads or descriptors left.
    pub fn start(options: &DatapathOptions, config: Arc<Config>) -> Result<Self, StartError> {
        let count = options.workers.clamp(1, MAX_WORKERS);
        let sockets = underlay::open(options.vtep, count, options.kernel.is_none())?;
        if let Some(kernel) = &options.kernel {
            kernel.configure(&config)?;
        }
        let rings: Vec<Ring> = (0..count).map(|_| Ring::new()).collect::<io::Result<_>>()?;
        let config = Arc::new(ArcSwap::new(config));
        let started = Instant::now();
        let (findings, found) = sync_channel(FINDINGS);
        let (questions, asked) = sync_channel(QUESTIONS);
        let (mirrored, copies) = sync_channel(MIRRORED);
        let mut datapath = Self {
            config: Arc::clone(&config),
            rings: rings.into(),
            workers: Vec::with_capacity(count),
            findings: Mutex::new(Some(found)),
            questions: Mutex::new(Some(asked)),
            mirrored: Mutex::new(Some(copies)),
            epoch: unix_nanoseconds(),
            kernel: options.kernel.clone(),
        };
        for (id, sockets) in sockets.into_iter().enumerate() {
            let (commands, inbox) = sync_channel(COMMANDS);
            let worker = Worker::new(Parts {
                id,
                config: Arc::clone(&config),
                limits: options.limits.clone(),
                // Each table has its own hash.
                seed: options.seed.wrapping_add(id as u64),
                busy_poll: options.busy_poll,
                started,
                sockets,
                port: options.vtep.port,
                rings: Arc::clone(&datapath.rings),
                commands: inbox,
                findings: findings.clone(),
                questions: questions.clone(),
                mirrored: mirrored.clone(),
                kernel: kernel_of(options, id, started)?,
            })?;
            let name = format!("weft-worker-{id}");
            let thread = std::thread::Builder::new()
                .name(name)
                .spawn(|| worker.run())?;
            datapath.workers.push(Handle {
                commands,
                thread: Some(thread),
            });
        }
        Ok(datapath)
    }

    /// What health checks find, from now on; for the first who asks. It ends with the workers.
    pub fn findings(&self) -> Option<Receiver<Finding>> {
        let mut findings = self.findings.lock();
        let findings = findings.as_deref_mut().ok()?;
        findings.take()
    }

    /// What ports ask resolvers outside, from now on; for the first who asks. It ends with the workers.
    pub fn questions(&self) -> Option<Receiver<Question>> {
        let mut questions = self.questions.lock();
        questions.as_deref_mut().ok()?.take()
    }

    /// Mirrored packets for files, from now on; for the first who asks. It ends with the workers.
    pub fn mirrored(&self) -> Option<Receiver<MirroredFrame>> {
        let mut mirrored = self.mirrored.lock();
        mirrored.as_deref_mut().ok()?.take()
    }

    /// Gives a worker the answer to a question of its, or says that there is none; false where the
    /// worker has too much to do.
    pub fn resolved(&self, (worker, question): Question, answer: Option<Vec<u8>>) -> bool {
        let question = Box::new(question);
        let command = Command::Resolved { question, answer };
        let sent = self.workers[worker].commands.try_send(command).is_ok();
        self.rings[worker].wake();
        sent
    }

    /// What ports' devices are to be.
    pub fn wiring(&self) -> Wiring {
        match self.kernel {
            Some(_) => Wiring::Veth,
            None => Wiring::Tap,
        }
    }

    /// The kernel's part, where it has one.
    pub fn kernel(&self) -> Option<&Kernel> {
        self.kernel.as_deref()
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Publishes a configuration and returns once every worker uses it: no packet read after that
    /// is judged by an older one.
    ///
    /// # Errors
    /// A worker hangs.
    pub fn publish(&self, config: Arc<Config>) -> Result<(), WorkerError> {
        if let Some(kernel) = &self.kernel {
            self.config.store(Arc::clone(&config));
            kernel.configure(&config)?;
        } else {
            self.config.store(config);
        }
        self.ask_all(|done| Command::Barrier { done }).map(drop)
    }

    /// The newest configuration published.
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Serves the device as the port with this MAC.
    ///
    /// # Errors
    /// No descriptors left, the worker hangs, or the kernel refuses its programs.
    pub fn attach(&self, port: PortIndex, mac: Mac, device: &Device) -> Result<(), WorkerError> {
        let tap = File::from(device.descriptor().map_err(WorkerError::Attach)?);
        self.ask(self.owner(mac), |done| Command::Attach { port, tap, done })?
            .map_err(WorkerError::Attach)?;
        let (Some(kernel), Some((veth, tap))) = (&self.kernel, device.on_host()) else {
            return Ok(());
        };
        let wires = Wires {
            veth: veth.as_str(),
            tap: tap.as_str(),
        };
        kernel.attach_port(port, &wires).or_else(|error| {
            self.detach(port, mac)?;
            Err(error.into())
        })
    }

    /// Serves the device as this host's way to the internet.
    ///
    /// # Errors
    /// No descriptors left, or the worker hangs.
    pub fn attach_edge(&self, device: &EdgeDevice) -> Result<(), WorkerError> {
        let tap = File::from(device.descriptor().map_err(WorkerError::Attach)?);
        self.ask(self.owner(Mac::EDGE), |done| Command::AttachEdge {
            tap,
            done,
        })?
        .map_err(WorkerError::Attach)
    }

    /// Serves the port's device no longer; its worker has closed the descriptor on return.
    ///
    /// # Errors
    /// The worker hangs.
    pub fn detach(&self, port: PortIndex, mac: Mac) -> Result<(), WorkerError> {
        if let Some(kernel) = &self.kernel {
            kernel.detach_port(port);
        }
        self.ask(self.owner(mac), |done| Command::Detach { port, done })
    }

    /// Every worker's counters.
    ///
    /// # Errors
    /// A worker hangs.
    pub fn snapshot(&self) -> Result<Vec<WorkerSnapshot>, WorkerError> {
        self.ask_all(|done| Command::Snapshot { done })
    }

    /// The connections of the port with this MAC, at most `limit`, in no order.
    ///
    /// # Errors
    /// The worker hangs.
    pub fn flows(
        &self,
        port: PortIndex,
        mac: Mac,
        limit: usize,
    ) -> Result<Vec<FlowReport>, WorkerError> {
        self.ask(self.owner(mac), |done| Command::Flows { port, limit, done })
    }

    /// The latest drops of all workers, at most `limit`; of one interface if it is named.
    ///
    /// # Errors
    /// A worker hangs.
    pub fn recent_drops(
        &self,
        interface: Option<InterfaceId>,
        limit: usize,
    ) -> Result<RecentDrops, WorkerError> {
        let answers = self.ask_all(|done| Command::RecentDrops {
            interface,
            limit,
            done,
        })?;
        Ok(RecentDrops::merge(answers, limit))
    }

    /// Shows connections as they begin, or every packet, and drops, from now on.
    ///
    /// # Errors
    /// A worker hangs.
    pub fn observe(
        &self,
        filter: &WatchFilter,
        packets: bool,
    ) -> Result<Watch<FlowEvent>, WorkerError> {
        let rings: Vec<_> = (0..self.workers.len())
            .map(|_| Arc::new(WatchRing::new(EVENTS)))
            .collect();
        for (id, ring) in rings.iter().enumerate() {
            let watcher = Watcher::Observer {
                filter: filter.clone(),
                packets,
                ring: Arc::clone(ring),
            };
            self.ask(id, |done| Command::Watch { watcher, done })?;
        }
        Ok(Watch::new(rings))
    }

    /// Copies packets from now on, the first `most` bytes of each.
    ///
    /// # Errors
    /// A worker hangs.
    pub fn capture(
        &self,
        filter: &WatchFilter,
        points: Points,
        most: usize,
    ) -> Result<Watch<CapturedFrame>, WorkerError> {
        let rings: Vec<_> = (0..self.workers.len())
            .map(|_| Arc::new(WatchRing::new(PACKETS)))
            .collect();
        for (id, ring) in rings.iter().enumerate() {
            let watcher = Watcher::Capture {
                filter: filter.clone(),
                points,
                most,
                ring: Arc::clone(ring),
            };
            self.ask(id, |done| Command::Watch { watcher, done })?;
        }
        Ok(Watch::new(rings))
    }

    /// The records of flow logs whose windows ended, and how many were lost; with `flush` the windows
    /// end now.
    ///
    /// # Errors
    /// A worker hangs.
    pub fn take_records(&self, flush: bool) -> Result<(Vec<LogRecord>, u64), WorkerError> {
        let mut all = (Vec::new(), 0);
        for (records, lost) in self.ask_all(|done| Command::Records { flush, done })? {
            all.0.extend(records);
            all.1 += lost;
        }
        Ok(all)
    }

    /// What every interface used since this was asked last.
    ///
    /// # Errors
    /// A worker hangs.
    pub fn take_meters(&self) -> Result<BTreeMap<InterfaceId, Meter>, WorkerError> {
        let mut all: BTreeMap<InterfaceId, Meter> = BTreeMap::new();
        for meters in self.ask_all(|done| Command::Meters { done })? {
            for (interface, meter) in meters {
                all.entry(interface).or_default().add(&meter);
            }
        }
        Ok(all)
    }

    /// The Unix time, in nanoseconds, when the workers' clock began.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    fn owner(&self, mac: Mac) -> usize {
        owner(mac, self.workers.len())
    }

    fn ask_all<T>(
        &self,
        command: impl Fn(SyncSender<T>) -> Command,
    ) -> Result<Vec<T>, WorkerError> {
        let asked: Vec<_> = (0..self.workers.len())
            .map(|id| self.send(id, &command))
            .collect::<Result<_, _>>()?;
        let answers = asked.into_iter().enumerate();
        answers.map(|(id, answer)| receive(id, &answer)).collect()
    }

    fn ask<T>(
        &self,
        id: usize,
        command: impl FnOnce(SyncSender<T>) -> Command,
    ) -> Result<T, WorkerError> {
        receive(id, &self.send(id, command)?)
    }

    fn send<T>(
        &self,
        id: usize,
        command: impl FnOnce(SyncSender<T>) -> Command,
    ) -> Result<Receiver<T>, WorkerError> {
        let (done, answer) = sync_channel(1);
        let sent = self.workers[id].commands.try_send(command(done));
        sent.map_err(|_| WorkerError::Hangs(id))?;
        self.rings[id].wake();
        Ok(answer)
    }
}

/// A worker's part of the kernel's datapath, with the device that it gives up to.
fn kernel_of(
    options: &DatapathOptions,
    id: usize,
    started: Instant,
) -> Result<Option<(Carrier, File)>, StartError> {
    let Some(kernel) = &options.kernel else {
        return Ok(None);
    };
    let device = UpcallDevice::open(id)?;
    kernel.set_upcall(id, device.name())?;
    let carrier = Carrier::new(Arc::clone(kernel), id, started)?;
    Ok(Some((carrier, File::from(device.into_descriptor()))))
}

fn unix_nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

fn receive<T>(id: usize, answer: &Receiver<T>) -> Result<T, WorkerError> {
    answer
        .recv_timeout(PATIENCE)
        .map_err(|_| WorkerError::Hangs(id))
}

impl Drop for Datapath {
    fn drop(&mut self) {
        for (worker, ring) in self.workers.iter().zip(self.rings.iter()) {
            let _ = worker.commands.try_send(Command::Stop);
            ring.wake();
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("a worker panicked");
            }
        }
    }
}
