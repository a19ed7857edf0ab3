//! A worker's ways out: its TAPs, the other workers, and the tunnel for frames that the engine
//! makes itself.

use std::{
    ops::Range,
    sync::{Arc, mpsc::SyncSender},
};

use weft_engine::{DnsQuestion, Encap, MirrorCopy, Now, PortIndex, Sink};
use weft_model::MirrorSessionId;
use weft_packet::offload::Offload;

use super::{
    WorkerCounters,
    drops::Drops,
    ring::{Origin, Ring, Rings},
    taps::{Output, Taps, Uplink},
    watch::Watchers,
};
use crate::underlay::{MAX_FRAME, Outbox};

/// Fragments of one frame at the least MTU that there is, or mirrored copies of its segments.
const MADE_FRAMES: usize = 256;
/// Their bytes: a whole super frame's with each one's own headers.
const MADE_BYTES: usize = 3 * MAX_FRAME;

/// A question to resolvers outside, and the worker that waits for the answer.
pub type Question = (usize, DnsQuestion);

/// A mirrored packet on its way to a file.
#[derive(Debug, Clone)]
pub struct MirroredFrame {
    /// When it passed.
    pub at: Now,
    /// The session.
    pub session: MirrorSessionId,
    /// Bytes that it had.
    pub length: usize,
    /// The first of them.
    pub bytes: Vec<u8>,
}

pub(super) struct Lane {
    pub(super) taps: Taps,
    pub(super) uplink: Uplink,
    pub(super) rings: Rings,
    pub(super) counters: WorkerCounters,
    pub(super) drops: Drops,
    pub(super) watch: Watchers,
    questions: SyncSender<Question>,
    mirrored: SyncSender<MirroredFrame>,
    made: Made,
}

/// Frames for the tunnel that wait until the engine is done with the frame that caused them.
struct Made {
    bytes: Vec<u8>,
    frames: Vec<(Encap, Range<usize>)>,
}

impl Lane {
    pub(super) fn new(
        id: usize,
        rings: Arc<[Ring]>,
        questions: SyncSender<Question>,
        mirrored: SyncSender<MirroredFrame>,
    ) -> Self {
        Self {
            taps: Taps::default(),
            uplink: Uplink::default(),
            rings: Rings::new(id, rings),
            counters: WorkerCounters::default(),
            drops: Drops::new(),
            watch: Watchers::default(),
            questions,
            mirrored,
            made: Made {
                bytes: Vec::with_capacity(MADE_BYTES),
                frames: Vec::with_capacity(MADE_FRAMES),
            },
        }
    }

    pub(super) fn write(&mut self, port: PortIndex, frame: &[u8], offload: Offload) {
        match self.taps.write(port, frame, offload) {
            Output::Written => {}
            Output::Full => self.counters.tap_full += 1,
            Output::Refused => self.counters.tap_refused += 1,
        }
    }

    /// Out of the cloud.
    pub(super) fn write_outside(&mut self, frame: &[u8], offload: Offload) {
        match self.uplink.write(frame, offload) {
            Output::Written => self.counters.outward += 1,
            Output::Full => self.counters.tap_full += 1,
            Output::Refused => self.counters.tap_refused += 1,
        }
    }

    pub(super) fn hand_over(
        &mut self,
        worker: usize,
        origin: Origin,
        offload: Offload,
        bytes: &[u8],
    ) {
        if self.rings.pass(worker, origin, offload, bytes) {
            self.counters.handed_over += 1;
        } else {
            self.counters.handover_full += 1;
        }
    }

    /// Queues what the engine made for the tunnel.
    #[inline]
    pub(super) fn send_made(&mut self, outbox: &mut Outbox) {
        if self.made.frames.is_empty() {
            return;
        }
        for (encap, range) in self.made.frames.drain(..) {
            outbox.copy(encap, &self.made.bytes[range]);
        }
        self.made.bytes.clear();
    }
}

impl Sink for Lane {
    fn to_port(&mut self, port: PortIndex, frame: &[u8]) {
        if self.watch.is_on() {
            self.watch.made(port, frame);
        }
        self.write(port, frame, Offload::NONE);
    }

    fn to_local(&mut self, port: PortIndex, frame: &[u8]) {
        // The owner is the worker that the fragment's destination MAC names, as of any frame.
        let Some(&byte) = frame.get(5) else {
            return;
        };
        let worker = usize::from(byte) % self.rings.workers();
        self.hand_over(worker, Origin::Local { port }, Offload::NONE, frame);
    }

    fn record(&mut self, copy: MirrorCopy<'_>) {
        let frame = MirroredFrame {
            at: copy.at,
            session: copy.session,
            length: copy.length,
            bytes: copy.bytes.to_vec(),
        };
        if self.mirrored.try_send(frame).is_err() {
            self.counters.mirror_file_full += 1;
        }
    }

    fn ask(&mut self, question: DnsQuestion) {
        let worker = self.rings.id();
        if self.questions.try_send((worker, question)).is_err() {
            self.counters.questions_lost += 1;
        }
    }

    fn to_tunnel(&mut self, encap: Encap, frame: &[u8]) {
        if self.watch.is_on() {
            self.watch.split(&encap, frame);
        }
        let made = &mut self.made;
        let start = made.bytes.len();
        if made.frames.len() == MADE_FRAMES || start + frame.len() > MADE_BYTES {
            self.counters.made_full += 1;
            return;
        }
        made.bytes.extend_from_slice(frame);
        made.frames.push((encap, start..start + frame.len()));
    }
}
