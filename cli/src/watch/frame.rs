//! What a capture adds to the bytes that it got, and a line for people.

use std::net::IpAddr;

use weft_proto::host::v1::Packet;

/// VXLAN's port (RFC 7348 section 8), by which programs know it.
const VXLAN: u16 = 4789;
/// The source port of rebuilt headers: the first of the range that senders choose from. The one on
/// the wire depends on the worker's sockets.
const SOURCE: u16 = 49_152;
const IPV4: usize = 20;
const UDP: usize = 8;

/// The outer IP packet around a VXLAN packet, its headers rebuilt. `None` where the addresses make no
/// sense.
pub(super) fn underlay(packet: &Packet) -> Option<(Vec<u8>, usize)> {
    let own: IpAddr = packet.own_vtep.parse().ok()?;
    let other: IpAddr = packet.vtep.parse().ok()?;
    let (src, dst) = if packet.egress {
        (own, other)
    } else {
        (other, own)
    };
    let length = packet.length as usize + UDP;
    let mut bytes = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let total = u16::try_from(length + IPV4).unwrap_or(u16::MAX);
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0];
            header[2..4].copy_from_slice(&total.to_be_bytes());
            header.extend(src.octets());
            header.extend(dst.octets());
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let payload = u16::try_from(length).unwrap_or(u16::MAX);
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(payload.to_be_bytes());
            header.extend([17, 64]);
            header.extend(src.octets());
            header.extend(dst.octets());
            header
        }
        _ => return None,
    };
    bytes.extend(SOURCE.to_be_bytes());
    bytes.extend(VXLAN.to_be_bytes());
    bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    // No checksum, as tunnels may (RFC 7348 section 5, RFC 6935).
    bytes.extend([0, 0]);
    let headers = bytes.len();
    bytes.extend(&packet.data);
    Some((bytes, headers + packet.length as usize))
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2);
    let sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | word.get(1).copied().map_or(0, u32::from))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

/// What is in an Ethernet frame, in a few words.
pub(super) fn summary(frame: &[u8]) -> String {
    let ethertype = frame.get(12..14).map(|b| u16::from_be_bytes([b[0], b[1]]));
    match ethertype {
        Some(0x0800) => ipv4(&frame[14..]).unwrap_or_else(|| "IPv4, cut short".to_owned()),
        Some(0x86dd) => ipv6(&frame[14..]).unwrap_or_else(|| "IPv6, cut short".to_owned()),
        Some(0x0806) => "ARP".to_owned(),
        Some(other) => format!("ethertype {other:#06x}"),
        None => "too short".to_owned(),
    }
}

fn ipv4(packet: &[u8]) -> Option<String> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let src: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let dst: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    let first = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff == 0;
    let inner = packet.get(header..).filter(|_| first);
    Some(ends(src.into(), dst.into(), packet[9], inner))
}

fn ipv6(packet: &[u8]) -> Option<String> {
    let src: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
    let dst: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
    Some(ends(src.into(), dst.into(), packet[6], packet.get(40..)))
}

fn ends(src: IpAddr, dst: IpAddr, protocol: u8, inner: Option<&[u8]>) -> String {
    let name = match protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        other => format!("protocol {other}"),
    };
    let ports = inner.and_then(|inner| inner.get(..4));
    let port = |at: usize| {
        let ports = ports.filter(|_| matches!(protocol, 6 | 17));
        ports.map_or(0, |p| u32::from(u16::from_be_bytes([p[at], p[at + 1]])))
    };
    let (from, to) = (src.to_string(), dst.to_string());
    let (from, to) = (
        crate::inspect::end(&from, port(0)),
        crate::inspect::end(&to, port(2)),
    );
    format!("{name} {from} > {to}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(own: &str, other: &str) -> Packet {
        Packet {
            data: vec![1, 2, 3],
            length: 1_000,
            egress: true,
            own_vtep: own.into(),
            vtep: other.into(),
            ..Default::default()
        }
    }

    #[test]
    fn rebuilt_headers_say_who_sent_to_whom_and_how_much() {
        let (bytes, length) = underlay(&packet("10.99.0.1", "10.99.0.2")).unwrap();
        assert_eq!(length, 1_028);
        assert_eq!(u16::from_be_bytes([bytes[2], bytes[3]]), 1_028);
        assert_eq!(bytes[12..20], [10, 99, 0, 1, 10, 99, 0, 2]);
        assert_eq!(checksum(&bytes[..20]), 0);
        assert_eq!(bytes[28..], [1, 2, 3]);
        let (bytes, length) = underlay(&packet("fd99::1", "fd99::2")).unwrap();
        assert_eq!((length, bytes[6]), (1_048, 17));
        assert!(underlay(&packet("fd99::1", "10.0.0.1")).is_none());
    }

    #[test]
    fn frames_of_any_length_have_a_summary() {
        let mut frame = vec![0; 14 + 24];
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[14] = 0x45;
        frame[14 + 9] = 17;
        frame[14 + 22] = 0x01;
        for length in 0..=frame.len() {
            summary(&frame[..length]);
        }
        assert_eq!(summary(&frame), "udp 0.0.0.0 > 0.0.0.0:256");
    }
}
