//! The internet checksum: RFC 1071, and its incremental update, RFC 1624.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::{
    Malformed,
    headers::{Ip, L4},
    offload::{Checksum, checksum_offset},
    wire::{array_mut, put_u16, u16_at},
};

/// A ones' complement sum under way, in the machine's byte order (RFC 1071 section 2 (B)): bytes
/// are swapped once at the end, not once per word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(u64);

impl Sum {
    /// Of `bytes`; an odd last byte counts as if a zero followed.
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sum(bytes))
    }

    /// Of what TCP, UDP and ICMPv6 sum besides themselves (RFC 9293 section 3.1, RFC 8200 section
    /// 8.1): addresses, protocol and the length of layer 4 in bytes.
    #[inline]
    pub fn pseudo(src: IpAddr, dst: IpAddr, protocol: u8, length: u32) -> Self {
        let [high, low] = [(length >> 16) as u16, length as u16];
        let addresses = address(src) + address(dst);
        Self(addresses)
            .with_word(u16::from(protocol))
            .with_word(high)
            .with_word(low)
    }

    /// With more bytes, which must start at an even offset of what is summed.
    #[inline]
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        self.join(Self::of(bytes))
    }

    /// With another sum, of bytes that start at an even offset.
    #[inline]
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let (total, carry) = self.0.overflowing_add(other.0);
        Self(total + u64::from(carry))
    }

    /// With one 16-bit word.
    #[inline]
    #[must_use]
    pub fn with_word(self, word: u16) -> Self {
        self.join(Self(u64::from(word.to_be())))
    }

    /// Folded to 16 bits, as it stands in a field that is to be completed later.
    #[inline]
    pub fn fold(self) -> u16 {
        let x = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        let x = (x >> 32) + (x & 0xffff_ffff);
        let x = (x >> 16) + (x & 0xffff);
        let x = (x >> 16) + (x & 0xffff);
        u16::from_be(((x >> 16) + (x & 0xffff)) as u16)
    }

    /// The checksum: the folded sum's complement.
    #[inline]
    pub fn checksum(self) -> u16 {
        !self.fold()
    }
}

#[inline]
fn address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(a) => u64::from(u32::from_ne_bytes(a.octets())),
        IpAddr::V6(a) => Sum::of(&a.octets()).0,
    }
}

/// Eight independent sums of 32-bit halves: no carry to chase, so the compiler vectorises it. Each
/// gains less than 2^33 per 64 bytes, so nothing short of gigabytes overflows.
#[inline]
fn sum(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<64>();
    let mut lanes = [0u64; 8];
    for block in blocks {
        let words = block.as_chunks::<8>().0;
        for (index, lane) in lanes.iter_mut().enumerate() {
            *lane += halves(words[index]);
        }
    }
    lanes.iter().sum::<u64>() + tail(rest)
}

#[inline]
fn halves(word: [u8; 8]) -> u64 {
    let word = u64::from_ne_bytes(word);
    (word & 0xffff_ffff) + (word >> 32)
}

/// Less than a block: without a call to copy the odd bytes, as headers end here too.
#[inline]
fn tail(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let (fours, rest) = rest.as_chunks::<4>();
    let last = match *rest {
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        _ => [0; 4],
    };
    words.iter().map(|word| halves(*word)).sum::<u64>()
        + fours
            .iter()
            .map(|four| u64::from(u32::from_ne_bytes(*four)))
            .sum::<u64>()
        + u64::from(u32::from_ne_bytes(last))
}

/// The checksum after one 16-bit word that it covers went from `old` to `new` (RFC 1624 equation
/// 3).
#[inline]
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let sum = (sum >> 16) + (sum & 0xffff);
    !((sum >> 16) + (sum & 0xffff)) as u16
}

/// As [`update`], for bytes of even, equal length at an even offset (addresses).
#[inline]
pub fn update_bytes(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let removed = !Sum::of(old).fold();
    Sum::default()
        .with_word(!checksum)
        .with_word(removed)
        .with(new)
        .checksum()
}

/// Whether the IPv4 header's checksum holds; IPv6 has none and passes.
///
/// # Errors
/// [`Malformed::Ipv4Checksum`].
#[inline]
pub fn verify_l3(frame: &[u8], ip: &Ip) -> Result<(), Malformed> {
    let holds = !ip.is_v4() || Sum::of(&frame[ip.l3..ip.l4]).fold() == 0xffff;
    if holds {
        Ok(())
    } else {
        Err(Malformed::Ipv4Checksum)
    }
}

/// Whether layer 4's checksum holds. True where the packet shows none: other protocols, fragments,
/// and UDP over IPv4 that left it out (RFC 768).
pub fn verify_l4(frame: &[u8], ip: &Ip) -> bool {
    let Some(at) = field(ip) else {
        return true;
    };
    if matches!(ip.l4_kind, L4::Udp { .. }) && u16_at(frame, at) == Some(0) {
        return ip.is_v4();
    }
    l4_sum(frame, ip).fold() == 0xffff
}

/// Writes the IPv4 header's checksum; IPv6 has none.
#[inline]
pub fn fill_l3(frame: &mut [u8], ip: &Ip) {
    if !ip.is_v4() {
        return;
    }
    put_u16(frame, ip.l3 + 10, 0);
    let checksum = Sum::of(&frame[ip.l3..ip.l4]).checksum();
    put_u16(frame, ip.l3 + 10, checksum);
}

/// Writes layer 4's checksum in full; nothing where it has none that is known.
pub fn fill_l4(frame: &mut [u8], ip: &Ip) {
    let Some(at) = field(ip) else {
        return;
    };
    put_u16(frame, at, 0);
    let checksum = l4_sum(frame, ip).checksum();
    put_u16(frame, at, nonzero(ip, checksum));
}

/// Completes a partial checksum over the rest of the packet, up to `end` (the offset past the IP
/// packet). [`Checksum::Complete`] is left as it is.
///
/// # Errors
/// [`Malformed::OffloadChecksum`] where the field doesn't lie in the packet.
pub fn complete(frame: &mut [u8], end: usize, checksum: Checksum) -> Result<(), Malformed> {
    let Checksum::Partial { start, offset } = checksum else {
        return Ok(());
    };
    let body = frame
        .get_mut(usize::from(start)..end)
        .ok_or(Malformed::OffloadChecksum)?;
    let total = match Sum::of(body).checksum() {
        // In UDP zero means "none"; in the others both zeros mean the same.
        0 => 0xffff,
        other => other,
    };
    let field = array_mut(body, usize::from(offset)).ok_or(Malformed::OffloadChecksum)?;
    *field = total.to_be_bytes();
    Ok(())
}

/// Makes a complete checksum of TCP or UDP partial: writes the pseudo header's sum and says where.
/// `None` where the packet has no such checksum.
pub fn open(frame: &mut [u8], ip: &Ip) -> Option<Checksum> {
    let at = field(ip).filter(|_| !matches!(ip.l4_kind, L4::Icmp { .. }))?;
    let length = covered_end(frame, ip) - ip.l4;
    put_u16(frame, at, pseudo(ip, length).fold());
    Some(Checksum::Partial {
        start: u16::try_from(ip.l4).ok()?,
        offset: checksum_offset(ip.l4_kind)?,
    })
}

/// Layer 4 and what it sums besides itself. UDP's own length may be shorter than the packet, and
/// counts; ICMP over IPv4 sums itself only.
fn l4_sum(frame: &[u8], ip: &Ip) -> Sum {
    let body = &frame[ip.l4..covered_end(frame, ip)];
    match ip.l4_kind {
        L4::Icmp { .. } if ip.is_v4() => Sum::of(body),
        _ => pseudo(ip, body.len()).with(body),
    }
}

fn covered_end(frame: &[u8], ip: &Ip) -> usize {
    match ip.l4_kind {
        L4::Udp { .. } => {
            let length = u16_at(frame, ip.l4 + 4).unwrap_or_default();
            ip.end.min(ip.l4 + usize::from(length))
        }
        _ => ip.end,
    }
}

fn pseudo(ip: &Ip, length: usize) -> Sum {
    Sum::pseudo(ip.src, ip.dst, ip.protocol, length as u32)
}

fn nonzero(ip: &Ip, checksum: u16) -> u16 {
    match (ip.l4_kind, checksum) {
        (L4::Udp { .. }, 0) => 0xffff,
        _ => checksum,
    }
}

/// Where in the frame layer 4's checksum lies, of a whole packet or a first fragment.
#[inline]
pub(crate) fn position(ip: &Ip) -> Option<usize> {
    checksum_offset(ip.l4_kind).map(|offset| ip.l4 + usize::from(offset))
}

/// As [`position`], but only of a whole packet: a fragment can't be summed alone.
#[inline]
fn field(ip: &Ip) -> Option<usize> {
    position(ip).filter(|_| ip.fragment.is_none())
}
