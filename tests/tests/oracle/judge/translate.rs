//! A packet with other ends in the place of its own, byte by byte.

use std::net::{IpAddr, Ipv4Addr};

use weft_packet::{
    headers::{Ip, L4},
    icmp,
};

use super::{
    bytes::{ip_of, sum, sum_header, sum_ipv4},
    connection::{Kind, Mask, Name},
};

/// Which of a packet's two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Destination,
}

impl End {
    const fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }

    /// Where its address is in an IP header, and how long that is.
    const fn place(self, four: bool) -> (usize, usize) {
        match (self, four) {
            (Self::Source, true) => (12, 4),
            (Self::Destination, true) => (16, 4),
            (Self::Source, false) => (8, 16),
            (Self::Destination, false) => (24, 16),
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// The IPv4 frame with the address at that end; an ICMP error speaks of the same end of what the
/// receiver once sent (RFC 5508 section 4.2).
pub(crate) fn readdress(frame: &[u8], end: End, new: Ipv4Addr) -> Vec<u8> {
    let (_, ip) = ip_of(frame).unwrap();
    let old = match end {
        End::Source => ip.src,
        End::Destination => ip.dst,
    };
    let mut after = frame.to_vec();
    replace(&mut after, end, (old, new.into()), None);
    after
}

/// A packet of the connection, or about it, that leaves its interface: as the wire sees it.
pub(crate) fn put_on(frame: &[u8], name: &Name, mask: &Mask) -> Vec<u8> {
    let (own, mut after) = (name.ends(), frame.to_vec());
    put(&mut after, name, End::Source, (own.local, mask.local));
    put(
        &mut after,
        name,
        End::Destination,
        (own.remote, mask.remote),
    );
    after
}

/// A packet from the wire, as the interface knows it.
pub(crate) fn take_off(frame: &[u8], name: &Name, mask: &Mask) -> Vec<u8> {
    let (own, mut after) = (name.ends(), frame.to_vec());
    put(&mut after, name, End::Source, (mask.remote, own.remote));
    put(&mut after, name, End::Destination, (mask.local, own.local));
    after
}

fn put(frame: &mut [u8], name: &Name, end: End, (old, new): ((IpAddr, u16), (IpAddr, u16))) {
    let queries = matches!(name.kind, Kind::Query { .. });
    let ports = (old.1 != new.1).then_some((old.1, new.1));
    if old != new {
        replace(
            frame,
            end,
            (old.0, new.0),
            ports.map(|ports| (queries, ports)),
        );
    }
}

/// Puts a new address, and a new port or, of a query, identifier in the place of the old.
fn replace(
    frame: &mut [u8],
    end: End,
    (old, new): (IpAddr, IpAddr),
    port: Option<(bool, (u16, u16))>,
) {
    let (_, ip) = ip_of(frame).unwrap();
    let (at, length) = end.place(ip.is_v4());
    let at = ip.l3 + at;
    let own = frame[at..at + length] == octets(old);
    if own {
        frame[at..at + length].copy_from_slice(&octets(new));
        sum_ipv4(frame);
        if !(ip.is_v4() && matches!(ip.l4_kind, L4::Icmp { .. })) {
            resum_l4(frame, &ip, &octets(old), &octets(new));
        }
    }
    if icmp::is_error(&ip) {
        return replace_quoted(frame, &ip, end.other(), (old, new), port);
    }
    let Some((query, (was, is))) = port.filter(|_| own) else {
        return;
    };
    let at = match (ip.l4_kind, end) {
        (L4::LaterFragment, _) => return,
        _ if query => ip.l4 + 4,
        (_, End::Source) => ip.l4,
        (_, End::Destination) => ip.l4 + 2,
    };
    frame[at..at + 2].copy_from_slice(&is.to_be_bytes());
    resum_l4(frame, &ip, &was.to_be_bytes(), &is.to_be_bytes());
}

/// What is quoted went the other way, so the same host is its other end.
fn replace_quoted(
    frame: &mut [u8],
    ip: &Ip,
    end: End,
    (old, new): (IpAddr, IpAddr),
    port: Option<(bool, (u16, u16))>,
) {
    let Ok(quote) = icmp::embedded(frame, ip) else {
        return;
    };
    let (at, length) = end.place(quote.src.is_ipv4());
    let at = quote.l3 + at;
    if frame[at..at + length] != octets(old) {
        return;
    }
    frame[at..at + length].copy_from_slice(&octets(new));
    if quote.src.is_ipv4() {
        sum_header(&mut frame[quote.l3..]);
    }
    let later = quote.fragment.is_some_and(|fragment| fragment.offset > 0);
    let place = match quote.protocol {
        6 => Some((quote.l4 + 16, false)),
        17 => Some((quote.l4 + 6, true)),
        1 | 58 => Some((quote.l4 + 2, false)),
        _ => None,
    };
    let place = place.filter(|(at, _)| at + 2 <= ip.end && !later);
    if let Some((at, udp)) = place.filter(|_| quote.protocol != 1) {
        resum(frame, at, udp, (&octets(old), &octets(new)));
    }
    if let Some((query, (was, is))) = port.filter(|_| !later) {
        let at = match end {
            _ if query => quote.l4 + 4,
            End::Source => quote.l4,
            End::Destination => quote.l4 + 2,
        };
        frame[at..at + 2].copy_from_slice(&is.to_be_bytes());
        if let Some((at, udp)) = place {
            resum(frame, at, udp, (&was.to_be_bytes(), &is.to_be_bytes()));
        }
    }
    sum_icmp(frame, ip);
}

/// The sum of an ICMP message, in IPv6 with the pseudo header (RFC 8200 section 8.1).
fn sum_icmp(frame: &mut [u8], ip: &Ip) {
    frame[ip.l4 + 2..ip.l4 + 4].fill(0);
    let mut covered = frame[ip.l4..ip.end].to_vec();
    if !ip.is_v4() {
        if covered.len() % 2 == 1 {
            covered.push(0);
        }
        covered.extend_from_slice(&frame[ip.l3 + 8..ip.l3 + 40]);
        covered.extend(((ip.end - ip.l4) as u32).to_be_bytes());
        covered.extend([0, 0, 0, 58]);
    }
    let right = !sum(&covered);
    frame[ip.l4 + 2..ip.l4 + 4].copy_from_slice(&right.to_be_bytes());
}

fn resum_l4(frame: &mut [u8], ip: &Ip, old: &[u8], new: &[u8]) {
    let (at, udp) = match ip.l4_kind {
        L4::Tcp { .. } => (ip.l4 + 16, false),
        L4::Udp { .. } => (ip.l4 + 6, true),
        L4::Icmp { .. } => (ip.l4 + 2, false),
        L4::Other | L4::LaterFragment => return,
    };
    resum(frame, at, udp, (old, new));
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
