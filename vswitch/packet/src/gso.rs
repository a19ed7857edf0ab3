//! Segmentation in software (as a NIC's TSO and USO): a super frame becomes frames that fit the
//! wire. Each segment is a header in the caller's scratch and a range of the super frame's own
//! payload, so that payload goes to the socket without a copy.

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::{
    Malformed,
    checksum::{self, Sum},
    headers::{Body, ETHERNET, Headers, Ip, L4, UDP, protocol, tcp_flags},
    offload::{Checksum, Offload},
    wire::{put_u16, u16_at},
};

/// Segments of one super frame: 64 KiB in the 64 bytes that no honest MSS is under. More would let
/// a tenant turn one frame into a flood.
pub const MAX_SEGMENTS: usize = 1024;
/// The scratch that any segment's headers fit in: Ethernet, the largest IPv4 header, the largest
/// TCP header. Longer ones (IPv6 extensions) are told by [`Segments::header_len`].
pub const TYPICAL_HEADER: usize = ETHERNET + 60 + 60;

/// A frame cut in segments; one that needs no cutting is its only segment.
#[derive(Debug, Clone, Copy)]
pub struct Segments<'a> {
    frame: &'a [u8],
    /// Payload starts here; headers are all before.
    data: usize,
    end: usize,
    size: usize,
    count: usize,
    work: Work,
}

/// What each segment's header needs.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// Nothing: it goes out as it came.
    Copy,
    /// The one segment's checksum: its place, what is summed besides the headers from `start`.
    Complete { start: usize, field: usize },
    /// Lengths, identification, sequence and checksums of a piece.
    Split { ip: Ip },
}

impl<'a> Segments<'a> {
    /// Of `frame`, whose headers these are, with what its sender left to be done. Padding is not
    /// part of any segment.
    ///
    /// # Errors
    /// An offload that doesn't fit the packet; more segments than [`MAX_SEGMENTS`].
    pub fn new(frame: &'a [u8], headers: &Headers, offload: Offload) -> Result<Self, Malformed> {
        let Body::Ip(ip) = &headers.body else {
            return Ok(Self::whole(frame, ETHERNET, frame.len(), Work::Copy));
        };
        offload.check(ip)?;
        let data = match ip.l4_kind {
            L4::Tcp { data, .. } => data,
            L4::Udp { .. } => ip.l4 + UDP,
            L4::Icmp { .. } => ip.l4 + 8,
            L4::Other | L4::LaterFragment => ip.l4,
        };
        let size = offload.segmentation.map(|s| usize::from(s.size));
        match (size, offload.checksum) {
            (Some(size), _) if size < ip.end - data => Self::split(frame, ip, data, size),
            (_, Checksum::Partial { start, offset }) => {
                let start = usize::from(start);
                let field = start + usize::from(offset);
                Ok(Self::whole(
                    frame,
                    data,
                    ip.end,
                    Work::Complete { start, field },
                ))
            }
            _ => Ok(Self::whole(frame, data, ip.end, Work::Copy)),
        }
    }

    fn whole(frame: &'a [u8], data: usize, end: usize, work: Work) -> Self {
        let size = end - data;
        Self {
            frame,
            data,
            end,
            size,
            count: 1,
            work,
        }
    }

    fn split(frame: &'a [u8], ip: &Ip, data: usize, size: usize) -> Result<Self, Malformed> {
        let count = (ip.end - data).div_ceil(size);
        if count > MAX_SEGMENTS {
            return Err(Malformed::SegmentCount);
        }
        let work = Work::Split { ip: *ip };
        Ok(Self {
            frame,
            data,
            end: ip.end,
            size,
            count,
            work,
        })
    }

    /// How many segments there are: at least 1.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of headers of each segment.
    #[inline]
    pub fn header_len(&self) -> usize {
        self.data
    }

    /// Bytes of each frame but the last, which may be shorter.
    #[inline]
    pub fn frame_len(&self) -> usize {
        self.data + self.size
    }

    /// Writes the headers of segment `index` at the start of `scratch`, and says which bytes of the
    /// super frame follow them. `None` past the last segment, or where `scratch` is shorter than
    /// [`Segments::header_len`].
    #[inline]
    pub fn write(&self, index: usize, scratch: &mut [u8]) -> Option<Range<usize>> {
        let header = scratch
            .get_mut(..self.data)
            .filter(|_| index < self.count)?;
        header.copy_from_slice(&self.frame[..self.data]);
        let start = self.data + index * self.size;
        let payload = start..self.end.min(start + self.size);
        match &self.work {
            Work::Copy => {}
            Work::Complete { start, field } => {
                let body = Sum::of(&self.frame[payload.clone()]);
                let sum = join(&header[*start..], body).checksum();
                put_u16(header, *field, if sum == 0 { 0xffff } else { sum });
            }
            Work::Split { ip } => self.piece(index, header, ip, payload.clone()),
        }
        Some(payload)
    }

    fn piece(&self, index: usize, header: &mut [u8], ip: &Ip, payload: Range<usize>) {
        lengths(header, ip, index, payload.len());
        let field = match ip.l4_kind {
            L4::Tcp { seq, flags, .. } => {
                let ahead = (index * self.size) as u32;
                header[ip.l4 + 4..ip.l4 + 8]
                    .copy_from_slice(&seq.wrapping_add(ahead).to_be_bytes());
                header[ip.l4 + 13] = self.flags(index, flags);
                ip.l4 + 16
            }
            _ => {
                put_u16(header, ip.l4 + 4, (UDP + payload.len()) as u16);
                ip.l4 + 6
            }
        };
        put_u16(header, field, 0);
        let length = (header.len() - ip.l4 + payload.len()) as u32;
        let sum = join(&header[ip.l4..], Sum::of(&self.frame[payload]))
            .join(Sum::pseudo(ip.src, ip.dst, ip.protocol, length))
            .checksum();
        let udp = ip.protocol == protocol::UDP;
        put_u16(header, field, if udp && sum == 0 { 0xffff } else { sum });
    }

    /// The end of the data is said once, at the end; that the window shrank once, at the start
    /// (RFC 3168 section 6.1.2).
    fn flags(&self, index: usize, flags: u8) -> u8 {
        let mut flags = flags;
        if index + 1 < self.count {
            flags &= !(tcp_flags::FIN | tcp_flags::PSH);
        }
        if index > 0 {
            flags &= !tcp_flags::CWR;
        }
        flags
    }
}

/// The sum of headers and of payload behind them. Layer-4 headers have an even length, so payload
/// starts at an even offset.
#[inline]
fn join(header: &[u8], payload: Sum) -> Sum {
    Sum::of(header).join(payload)
}

/// IP's own lengths, and IPv4's identification (one per packet, RFC 6864) and checksum.
#[inline]
fn lengths(header: &mut [u8], ip: &Ip, index: usize, payload: usize) {
    let total = header.len() - ip.l3 + payload;
    if ip.is_v4() {
        put_u16(header, ip.l3 + 2, total as u16);
        let id = u16_at(header, ip.l3 + 4).unwrap_or_default();
        put_u16(header, ip.l3 + 4, id.wrapping_add(index as u16));
        checksum::fill_l3(header, ip);
    } else {
        put_u16(header, ip.l3 + 4, (total - crate::headers::IPV6) as u16);
    }
}
