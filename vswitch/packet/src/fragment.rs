//! IPv4 fragmentation (RFC 791 section 3.2). IPv6 routers never fragment.

#[cfg(test)]
mod tests;

use crate::{
    checksum::Sum,
    headers::{IPV4, Ip},
    wire::put_u16,
};

/// Why a packet can't be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The sender is owed "fragmentation needed" or "packet too big" instead.
    #[error("the packet may not be fragmented: answer with the MTU")]
    DontFragment,
    /// Not even 8 bytes fit behind the header.
    #[error("an MTU of {mtu} holds no payload: use 68 or more")]
    MtuTooSmall {
        /// The MTU asked for.
        mtu: usize,
    },
}

/// Cuts the packet `ip` in `frame` into frames of at most `mtu` bytes of layer 3, and gives each to
/// `emit`; one that fits is given whole. Its checksum must be complete. `out` is scratch. Says how
/// many there were.
///
/// # Errors
/// IPv6 or DF set and too big; an MTU that holds nothing.
pub fn fragment(
    frame: &[u8],
    ip: &Ip,
    mtu: usize,
    out: &mut Vec<u8>,
    mut emit: impl FnMut(&[u8]),
) -> Result<usize, Refused> {
    if ip.len() <= mtu {
        emit(&frame[..ip.end]);
        return Ok(1);
    }
    let step = step(ip, mtu)?;
    let base = ip.fragment.map_or(0, |f| usize::from(f.offset));
    let more_behind = ip.fragment.is_some_and(|f| f.more);
    let payload = &frame[ip.l4..ip.end];
    for (index, piece) in payload.chunks(step).enumerate() {
        let at = index * step;
        let more = more_behind || at + piece.len() < payload.len();
        out.clear();
        out.extend_from_slice(&frame[..ip.l4]);
        out.extend_from_slice(piece);
        header(out, ip, base + at, more);
        emit(out);
    }
    Ok(payload.len().div_ceil(step))
}

/// Payload bytes of each piece but the last: a multiple of 8.
fn step(ip: &Ip, mtu: usize) -> Result<usize, Refused> {
    if !ip.is_v4() || ip.dont_fragment {
        return Err(Refused::DontFragment);
    }
    match mtu.saturating_sub(ip.l4 - ip.l3) & !7 {
        0 => Err(Refused::MtuTooSmall { mtu }),
        step => Ok(step),
    }
}

/// Makes the copied header that of the piece at `offset`.
fn header(out: &mut [u8], ip: &Ip, offset: usize, more: bool) {
    if offset > 0 {
        blank_uncopied(&mut out[ip.l3 + IPV4..ip.l4]);
    }
    let place = (offset >> 3) as u16 | u16::from(more) << 13;
    put_u16(out, ip.l3 + 2, (out.len() - ip.l3) as u16);
    put_u16(out, ip.l3 + 6, place);
    put_u16(out, ip.l3 + 10, 0);
    let sum = Sum::of(&out[ip.l3..ip.l4]).checksum();
    put_u16(out, ip.l3 + 10, sum);
}

/// Options without the copy bit belong to the first piece only; "no operation" in their place keeps
/// the header's length.
fn blank_uncopied(options: &mut [u8]) {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const COPY: u8 = 0x80;
    let mut at = 0;
    while at < options.len() && options[at] != END {
        let length = match options[at] {
            NO_OPERATION => 1,
            _ => usize::from(options.get(at + 1).copied().unwrap_or(0)).max(2),
        };
        let end = (at + length).min(options.len());
        if options[at] & COPY == 0 {
            options[at..end].fill(NO_OPERATION);
        }
        at = end;
    }
}
