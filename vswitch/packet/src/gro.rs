//! Receive coalescing (as Linux's GRO): consecutive TCP segments of one flow that arrived in one
//! buffer become a super frame, so that the engine and the TAP are crossed once. What a super frame
//! says, cut again, is what arrived (but for IPv4 identifications where DF leaves them without
//! meaning); all else passes unchanged.

mod segment;
#[cfg(test)]
mod tests;

use std::ops::Range;

use segment::Segment;

use crate::{
    checksum::{self, Sum},
    headers::{IPV6, tcp_flags},
    offload::{Checksum, Offload, SegmentKind, Segmentation},
    wire::put_u16,
};

/// The largest IP packet.
const MAX_PACKET: usize = 65535;

/// A walk over a receive buffer of equal segments (UDP GRO; the last may be shorter), each with
/// `skip` bytes (the VXLAN header) before an inner Ethernet frame.
#[derive(Debug, Clone, Copy)]
pub struct Coalescer {
    stride: usize,
    skip: usize,
    at: usize,
}

/// Consecutive segments that go on as one. All ranges are of the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Where the first segment starts, its skipped bytes included.
    pub start: usize,
    /// Where the last segment ends.
    pub end: usize,
    /// How many segments it joins: 1 is a frame as it came.
    pub count: usize,
    /// What is left to be done on it, offsets counted from its Ethernet header.
    pub offload: Offload,
    stride: usize,
    /// Bytes before payload in each segment.
    head: usize,
}

impl Coalescer {
    /// Over a buffer cut every `stride` bytes: the size that UDP GRO gave, or the buffer's length
    /// for one datagram. A stride of 0 is taken as "all in one".
    pub fn new(stride: usize, skip: usize) -> Self {
        let stride = if stride == 0 { usize::MAX } else { stride };
        Self {
            stride,
            skip,
            at: 0,
        }
    }

    /// The next group; its first segment's headers are rewritten to those of the super frame where
    /// it joins several. `None` at the buffer's end.
    pub fn next(&mut self, buffer: &mut [u8]) -> Option<Group> {
        let start = self.at;
        let end = self.boundary(start, buffer.len())?;
        self.at = end;
        let mut group = Group {
            start,
            end,
            count: 1,
            offload: Offload::NONE,
            stride: self.stride,
            head: 0,
        };
        if let Some(first) = Segment::read(&buffer[start..end], self.skip).filter(Segment::may_lead)
        {
            self.extend(buffer, &mut group, first);
        }
        Some(group)
    }

    fn boundary(&self, start: usize, length: usize) -> Option<usize> {
        (start < length).then(|| length.min(start.saturating_add(self.stride)))
    }

    /// Takes on what follows as long as it fits.
    fn extend(&mut self, buffer: &mut [u8], group: &mut Group, first: Segment) {
        let mut verified = None;
        let mut last = first;
        let mut payload = first.payload;
        while let Some(end) = self.boundary(self.at, buffer.len()) {
            let lead = &buffer[group.start..group.start + first.length];
            let bytes = &buffer[self.at..end];
            let Some(next) = Segment::read(bytes, self.skip) else {
                break;
            };
            let fits = first.ip_len() + payload - first.payload + next.payload <= MAX_PACKET;
            if !fits || !next.follows(bytes, &first, lead, payload) {
                break;
            }
            if !*verified.get_or_insert_with(|| first.checksum_holds(lead))
                || !next.checksum_holds(bytes)
            {
                break;
            }
            payload += next.payload;
            group.count += 1;
            group.end = end;
            self.at = end;
            last = next;
            if next.ends(&first) {
                break;
            }
        }
        if group.count > 1 {
            self.finish(buffer, group, &first, &last, payload);
        }
    }

    /// Makes the first segment's headers those of the whole.
    fn finish(
        &self,
        buffer: &mut [u8],
        group: &mut Group,
        first: &Segment,
        last: &Segment,
        payload: usize,
    ) {
        let ip = &first.ip;
        group.head = self.skip + first.data;
        group.offload = Offload {
            checksum: Checksum::Partial {
                start: ip.l4 as u16,
                offset: 16,
            },
            segmentation: Some(Segmentation {
                kind: if ip.is_v4() {
                    SegmentKind::Tcp4
                } else {
                    SegmentKind::Tcp6
                },
                size: first.payload as u16,
            }),
        };
        let frame = &mut buffer[group.start + self.skip..];
        let total = first.data - ip.l3 + payload;
        if ip.is_v4() {
            put_u16(frame, ip.l3 + 2, total as u16);
            checksum::fill_l3(frame, ip);
        } else {
            put_u16(frame, ip.l3 + 4, (total - IPV6) as u16);
        }
        frame[ip.l4 + 13] |= last.flags & (tcp_flags::FIN | tcp_flags::PSH);
        let length = (total - (ip.l4 - ip.l3)) as u32;
        let open = Sum::pseudo(ip.src, ip.dst, ip.protocol, length).fold();
        put_u16(frame, ip.l4 + 16, open);
    }
}

impl Group {
    /// The pieces of the whole in order, the first with skipped bytes and headers: for a gathering
    /// write that copies nothing.
    pub fn slices(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let Self {
            start,
            end,
            stride,
            head,
            count,
            ..
        } = *self;
        (0..count).map(move |index| {
            let from = start + index * if index == 0 { 0 } else { stride };
            let to = end.min(from.saturating_add(stride));
            from + if index == 0 { 0 } else { head }..to
        })
    }

    /// Moves the pieces together, right behind the first: one contiguous frame with its skipped
    /// bytes, whose range is returned. The checksum pass just brought the bytes into the cache, so
    /// this copy is cheap; the rest of the buffer stays as it is.
    pub fn compact(&self, buffer: &mut [u8]) -> Range<usize> {
        let mut slices = self.slices();
        let mut to = slices.next().map_or(self.end, |first| first.end);
        for piece in slices {
            let length = piece.len();
            buffer.copy_within(piece, to);
            to += length;
        }
        self.start..to
    }
}
