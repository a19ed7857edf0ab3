//! Changes in place, with the checksums that they touch. An [`Ip`] given here must be that of the
//! frame given with it; what lies outside the frame is left alone.

mod quote;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use quote::quoted;

use crate::{
    Mac, checksum,
    headers::{Ip, L4},
    offload::Checksum,
    wire::{array_mut, put_u16, u16_at},
};

/// Sets both MACs.
#[inline]
pub fn macs(frame: &mut [u8], dst: Mac, src: Mac) {
    if let Some(slot) = array_mut::<12>(frame, 0) {
        slot[..6].copy_from_slice(&dst.octets());
        slot[6..].copy_from_slice(&src.octets());
    }
}

/// Sets the destination MAC.
#[inline]
pub fn dst_mac(frame: &mut [u8], mac: Mac) {
    if let Some(slot) = array_mut(frame, 0) {
        *slot = mac.octets();
    }
}

/// Sets the source MAC.
#[inline]
pub fn src_mac(frame: &mut [u8], mac: Mac) {
    if let Some(slot) = array_mut(frame, 6) {
        *slot = mac.octets();
    }
}

/// Takes one hop: TTL or hop limit less one, IPv4's header checksum updated. `None`, and the frame
/// untouched, where none is left: the sender is owed a "time exceeded".
#[inline]
pub fn decrement_ttl(frame: &mut [u8], ip: &Ip) -> Option<u8> {
    let ttl = ip.ttl.checked_sub(1).filter(|ttl| *ttl > 0)?;
    if ip.is_v4() {
        let word = u16_at(frame, ip.l3 + 8)?;
        let sum = u16_at(frame, ip.l3 + 10)?;
        put_u16(frame, ip.l3 + 8, word - 0x100);
        put_u16(frame, ip.l3 + 10, checksum::update(sum, word, word - 0x100));
    } else {
        *frame.get_mut(ip.l3 + 7)? = ttl;
    }
    Some(ttl)
}

/// Which of a packet's two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Who sent it.
    Source,
    /// Whom it is for.
    Destination,
}

/// Sets an address of the packet's own family, and the checksums over it; a partial checksum stays
/// partial. An address of the other family changes nothing.
pub fn address(frame: &mut [u8], ip: &Ip, end: End, new: IpAddr, state: Checksum) {
    match (new, ip.is_v4(), end) {
        (IpAddr::V4(a), true, End::Source) => octets(frame, ip, 12, &a.octets(), state),
        (IpAddr::V4(a), true, End::Destination) => octets(frame, ip, 16, &a.octets(), state),
        (IpAddr::V6(a), false, End::Source) => octets(frame, ip, 8, &a.octets(), state),
        (IpAddr::V6(a), false, End::Destination) => octets(frame, ip, 24, &a.octets(), state),
        _ => {}
    }
}

fn octets<const N: usize>(frame: &mut [u8], ip: &Ip, at: usize, new: &[u8; N], state: Checksum) {
    let Some(slot) = array_mut::<N>(frame, ip.l3 + at) else {
        return;
    };
    let old = std::mem::replace(slot, *new);
    if ip.is_v4()
        && let Some(sum) = u16_at(frame, ip.l3 + 10)
    {
        put_u16(frame, ip.l3 + 10, checksum::update_bytes(sum, &old, new));
    }
    // ICMP over IPv4 doesn't sum addresses.
    if !(ip.is_v4() && matches!(ip.l4_kind, L4::Icmp { .. })) {
        update_l4(frame, ip, &old, new, state);
    }
}

/// Sets a port of TCP or UDP, and the checksum over it; other packets stay as they are.
pub fn port(frame: &mut [u8], ip: &Ip, end: End, new: u16, state: Checksum) {
    if !matches!(ip.l4_kind, L4::Tcp { .. } | L4::Udp { .. }) {
        return;
    }
    let at = match end {
        End::Source => ip.l4,
        End::Destination => ip.l4 + 2,
    };
    let Some(old) = u16_at(frame, at) else { return };
    put_u16(frame, at, new);
    // A partial sum covers the pseudo header only, which has no ports.
    if state == Checksum::Complete {
        update_l4(frame, ip, &old.to_be_bytes(), &new.to_be_bytes(), state);
    }
}

/// Sets the identifier of an ICMP echo, and the checksum over it; other packets stay as they are.
pub fn identifier(frame: &mut [u8], ip: &Ip, new: u16) {
    if !matches!(ip.l4_kind, L4::Icmp { .. }) {
        return;
    }
    let at = ip.l4 + 4;
    let Some(old) = u16_at(frame, at) else { return };
    put_u16(frame, at, new);
    let (old, new) = (old.to_be_bytes(), new.to_be_bytes());
    update_l4(frame, ip, &old, &new, Checksum::Complete);
}

/// A first fragment carries the checksum of the whole packet, so it is updated too.
fn update_l4(frame: &mut [u8], ip: &Ip, old: &[u8], new: &[u8], state: Checksum) {
    let Some(at) = checksum::position(ip) else {
        return;
    };
    let Some(sum) = u16_at(frame, at) else { return };
    let udp = matches!(ip.l4_kind, L4::Udp { .. });
    let updated = match state {
        // UDP that left its checksum out has none to keep.
        Checksum::Complete if udp && sum == 0 => return,
        Checksum::Complete => match checksum::update_bytes(sum, old, new) {
            0 if udp => 0xffff,
            other => other,
        },
        // The field holds the sum itself, not its complement.
        Checksum::Partial { .. } => !checksum::update_bytes(!sum, old, new),
    };
    put_u16(frame, at, updated);
}
