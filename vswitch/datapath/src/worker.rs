//! A worker thread: it owns an engine, the TAPs of its ports and its own sockets, and waits for
//! all of them in one place. Nothing on a packet's way here is locked or allocated; what other
//! threads want of it comes as commands between batches.

mod arrive;
mod command;
mod counters;
mod drops;
mod lane;
mod patience;
mod poll;
mod ring;
mod taps;
mod upcall;
mod watch;

use std::{
    fs::File,
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::{ArcSwap, Cache};
use weft_engine::{
    Config, Engine, Frame, Limits, Now, PortIndex, Verdict, WallClock, balance::Finding,
    config::owner,
};
use weft_packet::{offload::Offload, vxlan};

use self::{
    arrive::{hand_payload, take_datagram, take_payload},
    drops::Place,
    lane::Lane,
    patience::Patience,
    poll::{Event, Poll},
    ring::Origin,
    taps::Input,
    upcall::Upcalls,
};
pub(crate) use self::{
    command::Command,
    ring::Ring,
    watch::{WatchRing, Watcher},
};
pub use self::{
    command::WorkerSnapshot,
    counters::WorkerCounters,
    drops::{DropRecord, Ends, Half, RecentDrops},
    lane::{MirroredFrame, Question},
    watch::{CapturedFrame, FlowEvent, Point, Points, Seen, Watch, WatchFilter},
};
use crate::kernel::Carrier;
use crate::underlay::{Datagram, Inbox, Outbox, Sockets};

/// Frames taken from one TAP before the others get their turn.
const FRAMES_PER_TURN: usize = 64;
/// Bytes taken from one TAP before the others get their turn: a few super frames.
const BYTES_PER_TURN: usize = 256 << 10;
/// Receive batches before the TAPs get their turn.
const BATCHES_PER_TURN: usize = 4;
/// Frames handed over by other workers before the sockets get their turn.
const PARCELS_PER_TURN: usize = 128;
/// Commands between two batches.
const COMMANDS_PER_TURN: usize = 64;
/// How often flows are looked at for expiry, and how many at a time: a million in a minute.
const TICK: Duration = Duration::from_millis(50);
const TICK_BUDGET: usize = 1024;
/// Halves of connections in the kernel that are looked at in the same time.
const COLLECT_BUDGET: usize = 2048;
/// In a UDP payload, the last byte of the inner destination MAC.
const OWNER_AT: usize = vxlan::HEADER + 5;

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) id: usize,
    pub(crate) config: Arc<ArcSwap<Config>>,
    pub(crate) limits: Limits,
    pub(crate) seed: u64,
    /// Hundredths of a core that looking for packets in vain may take.
    pub(crate) busy_poll: u8,
    pub(crate) started: Instant,
    pub(crate) sockets: Sockets,
    pub(crate) port: u16,
    pub(crate) rings: Arc<[Ring]>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) findings: SyncSender<Finding>,
    pub(crate) questions: SyncSender<Question>,
    pub(crate) mirrored: SyncSender<MirroredFrame>,
    /// The kernel's datapath, and the device that it gives up to.
    pub(crate) kernel: Option<(Carrier, File)>,
}

pub(crate) struct Worker {
    id: usize,
    workers: usize,
    started: Instant,
    ticked: Now,
    engine: Engine,
    config: Cache<Arc<ArcSwap<Config>>, Arc<Config>>,
    current: Arc<Config>,
    poll: Poll,
    patience: Patience,
    commands: Receiver<Command>,
    receive: OwnedFd,
    inbox: Inbox,
    outbox: Outbox,
    lane: Lane,
    findings: SyncSender<Finding>,
    carrier: Option<Carrier>,
    upcalls: Option<Upcalls>,
    stopping: bool,
}

impl Worker {
    pub(crate) fn new(parts: Parts) -> std::io::Result<Self> {
        let poll = Poll::new()?;
        poll.add_waker(parts.rings[parts.id].waker())?;
        poll.add_underlay(&parts.sockets.receive)?;
        let current = parts.config.load_full();
        let mut engine = Engine::new(parts.limits, parts.seed);
        engine.set_share(parts.id, parts.rings.len());
        engine.set_config(Arc::clone(&current));
        let (carrier, upcalls) = parts.kernel.unzip();
        if let Some(file) = &upcalls {
            engine.begin_compiling();
            poll.add_upcall(file)?;
        }
        Ok(Self {
            carrier,
            upcalls: upcalls.map(Upcalls::new),
            id: parts.id,
            workers: parts.rings.len(),
            started: parts.started,
            ticked: Now(0),
            engine,
            config: Cache::new(parts.config),
            current,
            poll,
            patience: Patience::new(parts.busy_poll),
            commands: parts.commands,
            receive: parts.sockets.receive,
            inbox: Inbox::new(),
            outbox: Outbox::new(parts.sockets.send, parts.port),
            lane: Lane::new(parts.id, parts.rings, parts.questions, parts.mirrored),
            findings: parts.findings,
            stopping: false,
        })
    }

    /// Works until told to stop.
    pub(crate) fn run(mut self) {
        let mut again = false;
        while !self.stopping {
            // What other workers left is waited for only when there is none.
            let idle = self.lane.rings.is_idle();
            let wait = if idle && !again { TICK } else { Duration::ZERO };
            let ready = self.poll.wait(wait);
            let now = Now(self.started.elapsed().as_nanos() as u64);
            again = self.patience.looks_again(now, ready > 0 || !idle);
            if again && ready == 0 {
                // Whoever has work for this core does it first.
                thread::yield_now();
            }
            self.refresh();
            for position in 0..ready {
                match self.poll.event(position) {
                    Event::Woken => self.obey(),
                    Event::Underlay => self.serve_underlay(now),
                    Event::Upcall => self.serve_upcalls(now),
                    Event::Edge => self.serve_edge(now),
                    Event::Tap(port) => self.serve_tap(now, port),
                }
            }
            self.serve_ring(now);
            if let Some(carrier) = &mut self.carrier {
                carrier.watch(self.lane.watch.is_on());
                carrier.follow(&mut self.engine);
            }
            self.outbox.flush();
            self.lane.rings.wake_others();
            if now.since(self.ticked) >= TICK.as_nanos() as u64 {
                self.ticked = now;
                self.collect();
                self.engine.tick(now, TICK_BUDGET);
                self.engine.set_clock(wall_clock(now));
                self.engine.attend(now, &mut self.lane);
                self.check_targets(now);
                self.lane.watch.prune();
            }
        }
    }

    /// Hears what passed in the kernel, before what looks idle goes.
    fn collect(&mut self) {
        if let Some(carrier) = &mut self.carrier {
            carrier.collect(&mut self.engine, COLLECT_BUDGET);
            self.lane.counters.kernel_halves = carrier.live;
            self.lane.counters.kernel_refused = carrier.refused;
        }
    }

    fn check_targets(&mut self, now: Now) {
        let (id, workers) = (self.id, self.workers);
        let mine = |mac| owner(mac, workers) == id;
        self.engine.check_targets(now, mine, &mut self.lane);
        for finding in self.engine.take_findings() {
            if self.findings.try_send(finding).is_err() {
                self.lane.counters.findings_lost += 1;
            }
        }
    }

    /// Takes a newer configuration, if there is one.
    fn refresh(&mut self) {
        let newest = self.config.load();
        if !Arc::ptr_eq(newest, &self.current) {
            self.current = Arc::clone(newest);
            self.engine.set_config(Arc::clone(&self.current));
        }
    }

    fn obey(&mut self) {
        self.lane.rings.drain_waker();
        for _ in 0..COMMANDS_PER_TURN {
            let Ok(command) = self.commands.try_recv() else {
                return;
            };
            self.perform(command);
        }
        // More may wait, and the waker has been drained.
        self.lane.rings.wake_self();
    }

    fn perform(&mut self, command: Command) {
        // Whoever asked may have stopped waiting: an answer that nobody takes is no fault.
        match command {
            Command::Attach { port, tap, done } => {
                let _ = done.send(self.lane.taps.attach(port, tap, &self.poll));
            }
            Command::AttachEdge { tap, done } => {
                let _ = done.send(self.lane.uplink.attach(tap, &self.poll));
            }
            Command::Detach { port, done } => {
                self.lane.taps.detach(port, &self.poll);
                let _ = done.send(());
            }
            Command::Barrier { done } => {
                let _ = done.send(());
            }
            Command::Snapshot { done } => {
                let _ = done.send(self.snapshot());
            }
            Command::Flows { port, limit, done } => {
                let now = Now(self.started.elapsed().as_nanos() as u64);
                let _ = done.send(self.engine.flows(now, port).take(limit).collect());
            }
            Command::RecentDrops {
                interface,
                limit,
                done,
            } => {
                let now = Now(self.started.elapsed().as_nanos() as u64);
                let _ = done.send(self.lane.drops.recent(now, interface, limit));
            }
            Command::Watch { watcher, done } => {
                self.lane.watch.add(watcher);
                let _ = done.send(());
            }
            Command::Records { flush, done } => {
                let now = Now(self.started.elapsed().as_nanos() as u64);
                let _ = done.send(self.engine.take_records(now, flush));
            }
            Command::Meters { done } => {
                let _ = done.send(self.engine.take_meters());
            }
            Command::Resolved { question, answer } => {
                let now = Now(self.started.elapsed().as_nanos() as u64);
                let answer = answer.as_deref();
                self.engine.resolved(now, &question, answer, &mut self.lane);
            }
            Command::Stop => self.stopping = true,
        }
    }

    fn snapshot(&self) -> WorkerSnapshot {
        WorkerSnapshot {
            engine: self.engine.counters().clone(),
            worker: WorkerCounters {
                busy_poll: self.patience.spent(),
                ..self.lane.counters
            },
            sent: *self.outbox.counters(),
            ports: self.lane.taps.len(),
        }
    }

    fn serve_tap(&mut self, now: Now, port: PortIndex) {
        let mut bytes = 0;
        for _ in 0..FRAMES_PER_TURN {
            let room = self.outbox.room();
            let (length, offload) = match self.lane.taps.read(port, room) {
                Input::Frame { length, offload } => (length, offload),
                Input::Malformed => {
                    self.lane.counters.tap_malformed += 1;
                    continue;
                }
                Input::Empty => break,
                Input::Gone => {
                    self.lane.counters.taps_lost += 1;
                    self.lane.taps.detach(port, &self.poll);
                    break;
                }
            };
            let room = &mut room[..length];
            if self.lane.watch.is_on() {
                let config = &self.current;
                self.lane.watch.keep(now, config, Some(port), room);
            }
            let frame = Frame {
                bytes: room,
                offload,
            };
            let verdict = self.engine.from_port(now, port, frame, &mut self.lane);
            self.dispatch(now, port, verdict, length, offload);
            bytes += length;
            if bytes >= BYTES_PER_TURN {
                break;
            }
        }
    }

    /// Carries out the verdict on the frame from the port that lies in the outbox.
    fn dispatch(
        &mut self,
        now: Now,
        from: PortIndex,
        verdict: Verdict,
        length: usize,
        offload: Offload,
    ) {
        if self.lane.watch.is_on() {
            let after = self.outbox.pending(length);
            self.lane.watch.left(&self.engine, from, after, &verdict);
        }
        match verdict {
            Verdict::Encapsulate(encap) => self.outbox.commit(encap, length, offload),
            Verdict::Deliver(port) => {
                self.lane.write(port, self.outbox.pending(length), offload);
            }
            Verdict::Local(port) => self.hand_to_port(now, port, length, offload),
            Verdict::Outside | Verdict::Consumed => {}
            Verdict::Drop(drop) => {
                let bytes = self.outbox.pending(length);
                let place = Place::Egress(from);
                self.lane.drops.note(now, &self.current, place, bytes, drop);
            }
        }
        self.lane.send_made(&mut self.outbox);
    }

    /// The ingress half of the frame in the outbox: here, or on the worker that owns the port.
    fn hand_to_port(&mut self, now: Now, port: PortIndex, length: usize, offload: Offload) {
        let Some(target) = self.current.port(port).map(|p| owner(p.mac, self.workers)) else {
            return;
        };
        let bytes = self.outbox.pending(length);
        if target != self.id {
            self.lane
                .hand_over(target, Origin::Local { port }, offload, bytes);
            return;
        }
        if self.lane.watch.is_on() {
            self.lane.watch.keep(now, &self.current, None, bytes);
        }
        let frame = Frame { bytes, offload };
        let verdict = self.engine.to_port(now, port, frame, &mut self.lane);
        let bytes = self.outbox.pending(length);
        if self.lane.watch.is_on() {
            let place = (Place::Ingress(port), None);
            self.lane
                .watch
                .arrived(&self.engine, place, bytes, &verdict);
        }
        match verdict {
            Verdict::Deliver(port) => self.lane.write(port, bytes, offload),
            Verdict::Drop(drop) => {
                let place = Place::Ingress(port);
                self.lane.drops.note(now, &self.current, place, bytes, drop);
            }
            Verdict::Local(_) | Verdict::Encapsulate(_) | Verdict::Outside | Verdict::Consumed => {}
        }
    }

    /// What the internet sent to public addresses.
    fn serve_edge(&mut self, now: Now) {
        let mut bytes = 0;
        for _ in 0..FRAMES_PER_TURN {
            let room = self.outbox.room();
            let (length, offload) = match self.lane.uplink.read(room) {
                Input::Frame { length, offload } => (length, offload),
                Input::Malformed => {
                    self.lane.counters.tap_malformed += 1;
                    continue;
                }
                Input::Empty => break,
                Input::Gone => {
                    self.lane.counters.taps_lost += 1;
                    self.lane.uplink.detach(&self.poll);
                    break;
                }
            };
            self.lane.counters.inward += 1;
            let mut frame = Frame {
                bytes: &mut room[..length],
                offload,
            };
            match self.engine.from_outside(&mut frame) {
                Verdict::Encapsulate(encap) => self.outbox.commit(encap, length, offload),
                Verdict::Drop(drop) => {
                    let bytes = self.outbox.pending(length);
                    let place = Place::Outside;
                    self.lane.drops.note(now, &self.current, place, bytes, drop);
                }
                Verdict::Deliver(_) | Verdict::Local(_) | Verdict::Outside | Verdict::Consumed => {}
            }
            bytes += length;
            if bytes >= BYTES_PER_TURN {
                break;
            }
        }
    }

    fn serve_underlay(&mut self, now: Now) {
        for _ in 0..BATCHES_PER_TURN {
            let Ok(count) = self.inbox.receive(&self.receive) else {
                self.lane.counters.receive_errors += 1;
                return;
            };
            for position in 0..count {
                self.take_datagram(now, position);
            }
            if !Inbox::is_full(count) {
                return;
            }
        }
    }

    fn take_datagram(&mut self, now: Now, position: usize) {
        let Some(datagram) = self.inbox.datagram(position) else {
            self.lane.counters.receive_truncated += 1;
            return;
        };
        let all = (&mut self.engine, &mut self.lane, &mut self.outbox);
        take_datagram(all, &self.current, now, datagram);
    }

    /// What came out of the tunnel and the kernel's programs don't know.
    fn serve_upcalls(&mut self, now: Now) {
        let Some(upcalls) = &mut self.upcalls else {
            return;
        };
        for _ in 0..FRAMES_PER_TURN {
            let (length, offload) = match upcalls.read() {
                Input::Frame { length, offload } => (length, offload),
                Input::Malformed => {
                    self.lane.counters.upcalls_malformed += 1;
                    continue;
                }
                Input::Empty | Input::Gone => return,
            };
            let Some((upcall, frame)) = upcalls.parse(length, offload) else {
                self.lane.counters.upcalls_malformed += 1;
                continue;
            };
            let all = (&mut self.engine, &mut self.lane, &mut self.outbox);
            let (source, segment) = (upcall.source, upcall.segment);
            let bytes = &mut frame[upcall.range];
            if upcall.offload == Offload::NONE {
                let datagram = Datagram {
                    source,
                    segment,
                    bytes,
                };
                take_datagram(all, &self.current, now, datagram);
            } else {
                all.1.counters.received += 1;
                all.1.counters.received_bytes += bytes.len() as u64;
                let origin = Origin::Tunnel { source };
                hand_payload(all, &self.current, now, origin, bytes, upcall.offload);
            }
        }
    }

    fn serve_ring(&mut self, now: Now) {
        for _ in 0..PARCELS_PER_TURN {
            let Some(mut parcel) = self.lane.rings.take() else {
                return;
            };
            take_payload(
                (&mut self.engine, &mut self.lane, &mut self.outbox),
                &self.current,
                now,
                parcel.origin,
                &mut parcel.bytes,
                parcel.offload,
            );
            self.lane.rings.give_back(parcel);
        }
    }
}

/// What the host's clock says: asked every so often, since it may be set.
fn wall_clock(now: Now) -> WallClock {
    let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    WallClock::new(now, unix.as_nanos() as u64)
}
