//! UDP datagrams, for services that answer over it.

use super::{Envelope, TooLong, packet};
use crate::headers::{UDP, protocol};

/// A datagram with `payload` between two ports.
///
/// # Errors
/// [`TooLong`] where it doesn't fit in one IP packet; `out` is then not a frame.
pub fn udp(
    out: &mut Vec<u8>,
    envelope: &Envelope,
    src: u16,
    dst: u16,
    payload: &[u8],
) -> Result<(), TooLong> {
    let length = payload.len() + UDP;
    let field = u16::try_from(length).map_err(|_| TooLong { length })?;
    let mut header = [0; UDP];
    header[..2].copy_from_slice(&src.to_be_bytes());
    header[2..4].copy_from_slice(&dst.to_be_bytes());
    header[4..6].copy_from_slice(&field.to_be_bytes());
    packet(out, envelope, protocol::UDP, &[&header, payload])
}
