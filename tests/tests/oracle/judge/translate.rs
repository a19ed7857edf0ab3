//! A packet with another address in the place of one of its own, byte by byte.

use std::net::{IpAddr, Ipv4Addr};

use weft_packet::{
    headers::{ETHERNET, Ip, L4},
    icmp,
};

use super::bytes::{ip_of, sum, sum_header, sum_ipv4};

/// Which of a packet's two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Destination,
}

/// The IPv4 frame with the address at that end; an ICMP error speaks of the same end of what the
/// receiver once sent (RFC 5508 section 4.2).
pub(crate) fn readdress(frame: &[u8], end: End, new: Ipv4Addr) -> Vec<u8> {
    let (_, ip) = ip_of(frame).unwrap();
    let (old, at) = match end {
        End::Source => (ip.src, ETHERNET + 12),
        End::Destination => (ip.dst, ETHERNET + 16),
    };
    let mut after = frame.to_vec();
    let was = after[at..at + 4].to_vec();
    after[at..at + 4].copy_from_slice(&new.octets());
    sum_ipv4(&mut after);
    if let L4::Tcp { .. } | L4::Udp { .. } = ip.l4_kind {
        let (at, udp) = match ip.protocol {
            6 => (ip.l4 + 16, false),
            _ => (ip.l4 + 6, true),
        };
        resum(&mut after, at, udp, (&was, &new.octets()));
    }
    readdress_quote(&mut after, &ip, end, (old, new));
    after
}

/// What is quoted went the other way, so its other end is the same host.
fn readdress_quote(frame: &mut [u8], ip: &Ip, end: End, (old, new): (IpAddr, Ipv4Addr)) {
    let Ok(quote) = icmp::embedded(frame, ip) else {
        return;
    };
    let (quoted, at) = match end {
        End::Source => (quote.dst, quote.l3 + 16),
        End::Destination => (quote.src, quote.l3 + 12),
    };
    if quoted != old {
        return;
    }
    let was = frame[at..at + 4].to_vec();
    frame[at..at + 4].copy_from_slice(&new.octets());
    sum_header(&mut frame[quote.l3..]);
    let later = quote.fragment.is_some_and(|fragment| fragment.offset > 0);
    let place = match quote.protocol {
        6 => Some((quote.l4 + 16, false)),
        17 => Some((quote.l4 + 6, true)),
        _ => None,
    };
    if let Some((at, udp)) = place.filter(|(at, _)| at + 2 <= ip.end && !later) {
        resum(frame, at, udp, (&was, &new.octets()));
    }
    frame[ip.l4 + 2..ip.l4 + 4].fill(0);
    let right = !sum(&frame[ip.l4..ip.end]);
    frame[ip.l4 + 2..ip.l4 + 4].copy_from_slice(&right.to_be_bytes());
}

/// A checksum over what changed, of which the rest may be in other fragments: RFC 1624 equation 3.
/// UDP without one has none after either.
fn resum(frame: &mut [u8], at: usize, udp: bool, (old, new): (&[u8], &[u8])) {
    let before = u16::from_be_bytes([frame[at], frame[at + 1]]);
    if udp && before == 0 {
        return;
    }
    let gone: Vec<u8> = old.iter().map(|byte| !byte).collect();
    let parts = [(!before).to_be_bytes().to_vec(), gone, new.to_vec()];
    let after = match !sum(&parts.concat()) {
        0 if udp => 0xffff,
        sum => sum,
    };
    frame[at..at + 2].copy_from_slice(&after.to_be_bytes());
}
