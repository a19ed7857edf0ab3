//! Frames on their way into the tunnel: one arena, filled in place, sent in batches.
//!
//! A frame is read straight into the arena behind room for its VXLAN header. A super frame's
//! segments are sent as their new headers and slices of the payload where it lies, so the payload
//! is copied once, by the kernel.

mod batch;

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
    os::fd::OwnedFd,
};

use weft_engine::Encap;
use weft_packet::{
    checksum,
    gso::Segments,
    headers::{Body, Headers},
    offload::Offload,
    vxlan,
};

use self::batch::Batch;
use super::source_port;

/// The largest frame of a TAP: 64 KiB of IP with Ethernet, rounded up.
pub(crate) const MAX_FRAME: usize = 66 << 10;
/// Room before a frame for the VXLAN header.
const HEADROOM: usize = vxlan::HEADER;
/// VXLAN, Ethernet, and IP and TCP headers with all their options.
const SEGMENT_HEADERS: usize = 256;
/// Datagrams in one GSO send: the kernel's limit before Linux 6.9.
const MAX_SEGMENTS: usize = 64;
/// The largest UDP payload of one send over either family.
const MAX_PAYLOAD: usize = 65_535 - 48;
/// Sends in one batch: a super frame whose segments can't share one still fits.
const MAX_MESSAGES: usize = 2 * MAX_SEGMENTS;
/// Iovecs in one batch.
const MAX_PIECES: usize = 16 * MAX_SEGMENTS;
/// What one frame may take: itself and its segments' headers.
const FRAME_ROOM: usize = HEADROOM + MAX_FRAME + MAX_SEGMENTS * SEGMENT_HEADERS;
/// Twice that: small frames fill half before they have to go.
const ARENA: usize = 2 * FRAME_ROOM;
/// Past this many bytes a batch goes at once, while it is still in the cache.
const HOT: usize = 32 << 10;
/// The last byte of the destination MAC names the owner.
const OWNER_AT: usize = 5;

/// What went into the tunnel, and what didn't.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendCounters {
    /// VXLAN packets handed to the kernel.
    pub packets: u64,
    /// Their bytes, VXLAN headers included.
    pub bytes: u64,
    /// System calls' messages: a GSO send is one.
    pub sends: u64,
    /// Packets larger than the underlay's MTU.
    pub too_big: u64,
    /// Packets that found the socket's buffer full.
    pub full: u64,
    /// Packets that the kernel refused otherwise (no route, device down).
    pub refused: u64,
    /// Frames whose segmentation or checksum could not be done.
    pub malformed: u64,
}

/// One send: a datagram, or several of equal length to one VTEP from one source port.
#[derive(Debug, Clone, Copy)]
struct Message {
    vtep: IpAddr,
    socket: usize,
    owner: u8,
    /// Its pieces in the outbox's list.
    first: usize,
    pieces: usize,
    bytes: usize,
    /// The length of each datagram but the last.
    segment: usize,
    count: usize,
    /// Whether the last datagram was shorter, so that none may follow.
    closed: bool,
}

impl Message {
    fn takes(&self, vtep: IpAddr, socket: usize, owner: u8, length: usize) -> bool {
        self.vtep == vtep
            && self.socket == socket
            && self.owner == owner
            && !self.closed
            && length <= self.segment
            && self.count < MAX_SEGMENTS
            && self.bytes + length <= MAX_PAYLOAD
    }
}

/// The sends to be, in order.
struct Queue {
    pieces: Vec<Range<usize>>,
    messages: Vec<Message>,
    bytes: usize,
}

impl Queue {
    fn new() -> Self {
        Self {
            pieces: Vec::with_capacity(MAX_PIECES),
            messages: Vec::with_capacity(MAX_MESSAGES),
            bytes: 0,
        }
    }

    /// Whether another frame, of one message or many, may not fit.
    fn is_full(&self) -> bool {
        self.messages.len() + MAX_SEGMENTS > MAX_MESSAGES
            || self.pieces.len() + 2 * MAX_SEGMENTS > MAX_PIECES
    }

    /// Makes the next pieces part of the last message, or of a new one. Only the last is asked, so
    /// that no datagram overtakes another.
    fn begin(&mut self, encap: Encap, owner: u8, length: usize) {
        let socket = source_port(owner, encap.entropy);
        self.bytes += length;
        self.end();
        if let Some(last) = self.messages.last_mut()
            && last.takes(encap.vtep, socket, owner, length)
        {
            last.closed = length < last.segment;
            last.count += 1;
            last.bytes += length;
            return;
        }
        self.messages.push(Message {
            vtep: encap.vtep,
            socket,
            owner,
            first: self.pieces.len(),
            pieces: 0,
            bytes: length,
            segment: length,
            count: 1,
            closed: false,
        });
    }

    /// Gives the last message all the pieces since it began.
    fn end(&mut self) {
        if let Some(last) = self.messages.last_mut() {
            last.pieces = self.pieces.len() - last.first;
        }
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.pieces.clear();
        self.bytes = 0;
    }
}

/// The arena and what is to be sent of it. Bounded: it sends itself when it is full.
pub(crate) struct Outbox {
    sockets: Vec<OwnedFd>,
    port: u16,
    arena: Box<[u8]>,
    used: usize,
    queue: Queue,
    batch: Batch,
    counters: SendCounters,
}

impl Outbox {
    pub(crate) fn new(sockets: Vec<OwnedFd>, port: u16) -> Self {
        Self {
            sockets,
            port,
            arena: vec![0; ARENA].into_boxed_slice(),
            used: 0,
            queue: Queue::new(),
            batch: Batch::new(MAX_MESSAGES, MAX_PIECES),
            counters: SendCounters::default(),
        }
    }

    pub(crate) const fn counters(&self) -> &SendCounters {
        &self.counters
    }

    /// Where the next frame is written; [`Outbox::commit`] queues it from there.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.used + FRAME_ROOM > ARENA || self.queue.is_full() {
            self.flush();
        }
        let start = self.used + HEADROOM;
        &mut self.arena[start..start + MAX_FRAME]
    }

    /// The frame of this length that was written to the room.
    pub(crate) fn pending(&mut self, length: usize) -> &mut [u8] {
        &mut self.arena[self.used + HEADROOM..][..length]
    }

    /// Queues a frame from elsewhere; its checksum is complete.
    pub(crate) fn copy(&mut self, encap: Encap, frame: &[u8]) {
        self.forward(encap, frame, Offload::NONE);
    }

    /// Queues a frame from elsewhere, as far as its sender left it.
    pub(crate) fn forward(&mut self, encap: Encap, frame: &[u8], offload: Offload) {
        let Some(room) = self.room().get_mut(..frame.len()) else {
            self.counters.malformed += 1;
            return;
        };
        room.copy_from_slice(frame);
        self.commit(encap, frame.len(), offload);
    }

    /// Queues the frame of this length in the room, with its checksums completed.
    pub(crate) fn commit(&mut self, encap: Encap, length: usize, offload: Offload) {
        let queued = match offload.segmentation {
            None => self.commit_whole(encap, length, offload),
            Some(_) => self.commit_segments(encap, length, offload),
        };
        if queued.is_none() {
            self.counters.malformed += 1;
        }
        if self.queue.bytes >= HOT {
            self.flush();
        }
    }

    fn commit_whole(&mut self, encap: Encap, length: usize, offload: Offload) -> Option<()> {
        let start = self.used;
        let frame = &mut self.arena[start + HEADROOM..][..length];
        complete(frame, offload)?;
        let owner = *frame.get(OWNER_AT)?;
        self.arena[start..start + HEADROOM].copy_from_slice(&vxlan::emit(encap.vni));
        let end = start + HEADROOM + length;
        self.queue.begin(encap, owner, end - start);
        self.queue.pieces.push(start..end);
        self.used = end;
        Some(())
    }

    fn commit_segments(&mut self, encap: Encap, length: usize, offload: Offload) -> Option<()> {
        let frame = self.used + HEADROOM..self.used + HEADROOM + length;
        let mut next = 0;
        loop {
            let (done, count) = self.queue_segments(encap, frame.clone(), offload, next)?;
            next = done;
            if next >= count {
                return Some(());
            }
            // More than the scratch holds. What is queued goes; the payload stays where it lies.
            self.flush();
            self.used = frame.end;
        }
    }

    /// Queues a frame's segments from the nth on, as many as there is scratch for after the frame;
    /// says which comes next and how many there are.
    fn queue_segments(
        &mut self,
        encap: Encap,
        frame: Range<usize>,
        offload: Offload,
        first: usize,
    ) -> Option<(usize, usize)> {
        let (before, scratch) = self.arena.split_at_mut(frame.end);
        let bytes = &before[frame.start..];
        let owner = *bytes.get(OWNER_AT)?;
        let headers = Headers::parse(bytes).ok()?;
        let segments = Segments::new(bytes, &headers, offload).ok()?;
        let length = HEADROOM + segments.header_len();
        let count = segments.count();
        let last = count
            .min(first + MAX_SEGMENTS)
            .min(first + scratch.len() / length);
        self.used = frame.end;
        for (index, header) in (first..last).zip(scratch.chunks_exact_mut(length)) {
            let (tunnel, inner) = header.split_at_mut(HEADROOM);
            let payload = segments.write(index, inner)?;
            tunnel.copy_from_slice(&vxlan::emit(encap.vni));
            self.queue.begin(encap, owner, length + payload.len());
            self.queue.pieces.push(self.used..self.used + length);
            let payload = frame.start + payload.start..frame.start + payload.end;
            self.queue.pieces.push(payload);
            self.used += length;
        }
        (last > first).then_some((last, count))
    }

    /// Sends everything queued.
    pub(crate) fn flush(&mut self) {
        self.queue.end();
        let sockets = self.queue.messages.iter();
        let mut wanted: u64 = sockets.fold(0, |mask, m| mask | 1 << m.socket);
        while wanted != 0 {
            self.send(wanted.trailing_zeros() as usize);
            wanted &= wanted - 1;
        }
        self.queue.clear();
        self.used = 0;
    }

    fn send(&mut self, socket: usize) {
        let messages = &self.queue.messages;
        self.batch.clear();
        for message in messages.iter().filter(|m| m.socket == socket) {
            let to = SocketAddr::new(message.vtep, self.port);
            let pieces = &self.queue.pieces[message.first..][..message.pieces];
            let segment = (message.count > 1).then_some(message.segment);
            self.batch
                .push(to, &self.arena, pieces, segment, message.count);
        }
        self.batch.send(&self.sockets[socket], &mut self.counters);
    }
}

/// Writes what the sender left open of layer 4's checksum.
fn complete(frame: &mut [u8], offload: Offload) -> Option<()> {
    if offload == Offload::NONE {
        return Some(());
    }
    let headers = Headers::parse(frame).ok()?;
    let Body::Ip(ip) = headers.body else {
        return None;
    };
    checksum::complete(frame, ip.end, offload.checksum).ok()
}
