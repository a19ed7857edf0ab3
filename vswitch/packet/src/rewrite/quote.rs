//! Changes of the packet that an ICMP error quotes: who gets the error must know its own packet again
//! (RFC 5508 section 4.2, RFC 6146 section 3.5.3).

use std::net::IpAddr;

use super::End;
use crate::{
    checksum,
    headers::{Ip, protocol},
    icmp::Embedded,
    wire::{put_u16, u16_at},
};

/// Sets one end of the packet quoted by the ICMP error at `ip`: its address, and its port or, of an
/// echo, its identifier; and every checksum over them that is there, the error's own too. An address
/// of the other family changes nothing.
pub fn quoted(frame: &mut [u8], ip: &Ip, quote: &Embedded, end: End, new: (IpAddr, u16)) {
    let mut quoted = Quoted { frame, ip, quote };
    let changed = match (new.0, quote.src.is_ipv4(), end) {
        (IpAddr::V4(a), true, End::Source) => quoted.address(12, &a.octets()),
        (IpAddr::V4(a), true, End::Destination) => quoted.address(16, &a.octets()),
        (IpAddr::V6(a), false, End::Source) => quoted.address(8, &a.octets()),
        (IpAddr::V6(a), false, End::Destination) => quoted.address(24, &a.octets()),
        _ => None,
    };
    let later = quote.fragment.is_some_and(|fragment| fragment.offset > 0);
    if changed.is_some() && !later {
        quoted.port(end, new.1);
    }
}

struct Quoted<'a> {
    frame: &'a mut [u8],
    ip: &'a Ip,
    quote: &'a Embedded,
}

impl Quoted<'_> {
    fn address(&mut self, offset: usize, new: &[u8]) -> Option<()> {
        let old = self.put(self.quote.l3 + offset, new)?;
        if self.quote.src.is_ipv4() {
            self.adjust(self.quote.l3 + 10, &old[..new.len()], new);
        }
        // ICMP over IPv4 doesn't sum addresses.
        if self.quote.protocol != protocol::ICMP {
            self.adjust_l4(&old[..new.len()], new);
        }
        Some(())
    }

    fn port(&mut self, end: End, new: u16) {
        let offset = match (self.quote.protocol, end) {
            (protocol::TCP | protocol::UDP, End::Source) => 0,
            (protocol::TCP | protocol::UDP, End::Destination) => 2,
            // An echo has one identifier: both ends' at once.
            (protocol::ICMP | protocol::ICMPV6, _) if self.quote.ports.0 != 0 => 4,
            _ => return,
        };
        let new = new.to_be_bytes();
        if let Some(old) = self.put(self.quote.l4 + offset, &new) {
            self.adjust_l4(&old[..2], &new);
        }
    }

    /// Layer 4's checksum, where so much is quoted; UDP may have none (RFC 768).
    fn adjust_l4(&mut self, old: &[u8], new: &[u8]) {
        let offset = match self.quote.protocol {
            protocol::TCP => 16,
            protocol::UDP => 6,
            protocol::ICMP | protocol::ICMPV6 => 2,
            _ => return,
        };
        let at = self.quote.l4 + offset;
        let udp = self.quote.protocol == protocol::UDP;
        if at + 2 > self.ip.end || udp && u16_at(self.frame, at) == Some(0) {
            return;
        }
        self.adjust(at, old, new);
        // That would say that there is none.
        if udp && u16_at(self.frame, at) == Some(0) {
            self.put(at, &[0xff; 2]);
        }
    }

    /// A checksum of the quoted packet after what it covers changed.
    fn adjust(&mut self, at: usize, old: &[u8], new: &[u8]) {
        if let Some(sum) = u16_at(self.frame, at) {
            self.put(at, &checksum::update_bytes(sum, old, new).to_be_bytes());
        }
    }

    /// Writes into the quote, which the error's own checksum covers; gives what stood there.
    fn put(&mut self, at: usize, new: &[u8]) -> Option<[u8; 16]> {
        let slot = self.frame.get_mut(at..at + new.len())?;
        let mut old = [0; 16];
        old.get_mut(..new.len())?.copy_from_slice(slot);
        slot.copy_from_slice(new);
        let sum_at = self.ip.l4 + 2;
        let sum = u16_at(self.frame, sum_at)?;
        let updated = checksum::update_bytes(sum, &old[..new.len()], new);
        put_u16(self.frame, sum_at, updated);
        Some(old)
    }
}
