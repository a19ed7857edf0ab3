//! TCP segments without data.

use super::{Envelope, TooLong, packet};
use crate::headers::{Body, Headers, L4, TCP, protocol, tcp_flags};

/// Answers a TCP segment with a reset (RFC 9293 section 3.10.7.1). `false`, and `out` not a frame,
/// where none is due: for another reset, or no TCP.
pub fn tcp_reset(out: &mut Vec<u8>, headers: &Headers) -> bool {
    let Body::Ip(ip) = &headers.body else {
        return false;
    };
    let L4::Tcp {
        src,
        dst,
        seq,
        ack,
        flags,
        data,
        ..
    } = ip.l4_kind
    else {
        return false;
    };
    if flags & tcp_flags::RST != 0 {
        return false;
    }
    let control = u32::from(flags & tcp_flags::SYN != 0) + u32::from(flags & tcp_flags::FIN != 0);
    let length = (ip.end - data) as u32 + control;
    let (seq, ack, flags) = match flags & tcp_flags::ACK {
        0 => (0, seq.wrapping_add(length), tcp_flags::RST | tcp_flags::ACK),
        _ => (ack, 0, tcp_flags::RST),
    };
    let mut header = [0; TCP];
    header[..2].copy_from_slice(&dst.to_be_bytes());
    header[2..4].copy_from_slice(&src.to_be_bytes());
    header[4..8].copy_from_slice(&seq.to_be_bytes());
    header[8..12].copy_from_slice(&ack.to_be_bytes());
    header[12] = 5 << 4;
    header[13] = flags;
    Envelope::reply(headers, ip)
        .is_some_and(|envelope| packet(out, &envelope, protocol::TCP, &[&header]).is_ok())
}

/// A segment without data between two ports; its numbers say nothing.
///
/// # Errors
/// Never: it fits in one IP packet.
pub fn tcp(
    out: &mut Vec<u8>,
    envelope: &Envelope,
    (src, dst): (u16, u16),
    flags: u8,
) -> Result<(), TooLong> {
    let mut header = [0; TCP];
    header[..2].copy_from_slice(&src.to_be_bytes());
    header[2..4].copy_from_slice(&dst.to_be_bytes());
    header[12] = 5 << 4;
    header[13] = flags;
    packet(out, envelope, protocol::TCP, &[&header])
}

/// A TCP segment without options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; 0 where the flags don't say ACK.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Window, in bytes.
    pub window: u16,
    /// Data.
    pub payload: &'a [u8],
}

/// A TCP segment.
///
/// # Errors
/// When the payload doesn't fit in a packet; `out` is then no frame.
pub fn segment(
    out: &mut Vec<u8>,
    envelope: &Envelope,
    segment: &Segment<'_>,
) -> Result<(), TooLong> {
    let mut header = [0; TCP];
    header[..2].copy_from_slice(&segment.src.to_be_bytes());
    header[2..4].copy_from_slice(&segment.dst.to_be_bytes());
    header[4..8].copy_from_slice(&segment.seq.to_be_bytes());
    header[8..12].copy_from_slice(&segment.ack.to_be_bytes());
    header[12] = 5 << 4;
    header[13] = segment.flags;
    header[14..16].copy_from_slice(&segment.window.to_be_bytes());
    packet(out, envelope, protocol::TCP, &[&header, segment.payload])
}
