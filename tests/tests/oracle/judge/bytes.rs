//! The bytes that must arrive.

use std::net::{IpAddr, Ipv6Addr};

use weft_model::{Mac, Subnet};
use weft_packet::{
    checksum,
    headers::{Body, ETHERNET, Headers, Ip, L4},
    icmp,
};

use super::Way;
use crate::underlay::MTU;

/// What the router tells a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Error {
    Expired,
    TooBig,
}

/// A frame that a workload must get.
#[derive(Debug)]
pub(crate) enum Expected {
    /// These bytes, checksums aside, which must be right.
    Frame(Vec<u8>),
    /// The router's answer to this ping.
    Echo(Vec<u8>),
    /// A reset in answer to this segment.
    Reset(Vec<u8>),
    /// The router's word about this frame.
    Error {
        error: Error,
        from: IpAddr,
        about: Vec<u8>,
    },
}

/// The frame as it arrives at the next interface: its MAC, and past a router a hop less. The router
/// shows its own MAC where the packet leaves the subnet.
pub(crate) fn forward(frame: &[u8], way: &Way, crosses: bool) -> Vec<u8> {
    let (_, ip) = ip_of(frame).unwrap();
    let mut sent = frame[..ip.end].to_vec();
    sent[..6].copy_from_slice(&way.to.mac().octets());
    if crosses {
        sent[6..12].copy_from_slice(&Mac::ROUTER.octets());
    }
    if way.routed {
        let ttl = if ip.is_v4() { ip.l3 + 8 } else { ip.l3 + 7 };
        sent[ttl] -= 1;
    }
    sum_ipv4(&mut sent);
    sent
}

/// RFC 1071, over the IPv4 header of a frame; others are left alone.
pub(super) fn sum_ipv4(frame: &mut [u8]) {
    if frame[12..14] == [8, 0] {
        sum_header(&mut frame[ETHERNET..]);
    }
}

/// RFC 1071, over an IPv4 header.
pub(super) fn sum_header(packet: &mut [u8]) {
    let header = usize::from(packet[0] & 0xf) * 4;
    packet[10..12].fill(0);
    let sum = !sum(&packet[..header]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The ones' complement sum of the words.
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2);
    let words = words.map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The frame, in pieces if it is larger than that (RFC 791 section 2.3).
pub(crate) fn pieces(frame: Vec<u8>, mtu: usize) -> Vec<Vec<u8>> {
    if frame.len() - ETHERNET <= mtu {
        return vec![frame];
    }
    let header = ETHERNET + usize::from(frame[ETHERNET] & 0xf) * 4;
    let place = u16::from_be_bytes([frame[ETHERNET + 6], frame[ETHERNET + 7]]);
    let (base, more_behind) = (place & 0x1fff, place & 0x2000 != 0);
    let step = (mtu - (header - ETHERNET)) / 8 * 8;
    let payload = &frame[header..];
    let cut = payload.chunks(step).enumerate().map(|(n, bytes)| {
        let mut piece = [&frame[..header], bytes].concat();
        let last = (n + 1) * step >= payload.len();
        let offset = base + (n * step / 8) as u16;
        let place = offset | if !last || more_behind { 0x2000 } else { 0 };
        let length = (piece.len() - ETHERNET) as u16;
        piece[ETHERNET + 2..ETHERNET + 4].copy_from_slice(&length.to_be_bytes());
        piece[ETHERNET + 6..ETHERNET + 8].copy_from_slice(&place.to_be_bytes());
        sum_ipv4(&mut piece);
        piece
    });
    cut.collect()
}

/// What the router tells about the frame, if anything (RFC 1812 section 4.3.2.7, RFC 4443 section
/// 2.4 (e)).
pub(crate) fn explain(subnet: &Subnet, frame: &[u8], error: Error) -> Option<Expected> {
    let headers = Headers::parse(frame).unwrap();
    let ip = icmp::may_answer(&headers)?;
    let from = match ip.src {
        IpAddr::V4(_) => IpAddr::from((subnet.ipv4.net().network().to_bits() + 1).to_be_bytes()),
        IpAddr::V6(_) => {
            let block = subnet.ipv6.map(|b| b.net().network().to_bits() + 1);
            block.map_or_else(router_link_local, |bits| Ipv6Addr::from_bits(bits).into())
        }
    };
    Some(Expected::Error {
        error,
        from,
        about: frame.to_vec(),
    })
}

fn router_link_local() -> IpAddr {
    let [a, b, c, d, e, f] = Mac::ROUTER.octets();
    let words = [(a ^ 2, b), (c, 0xff), (0xfe, d), (e, f)];
    let [w, x, y, z] = words.map(|(high, low)| u16::from_be_bytes([high, low]));
    Ipv6Addr::new(0xfe80, 0, 0, 0, w, x, y, z).into()
}

impl Expected {
    /// What is wrong with the frame that arrived, if anything.
    pub(crate) fn check(&self, got: &[u8]) -> Result<(), String> {
        match self {
            Self::Frame(frame) => same(frame, got),
            Self::Echo(asked) => check_echo(asked, got),
            Self::Reset(segment) => check_reset(segment, got),
            Self::Error { error, from, about } => check_error(*error, *from, about, got),
        }
    }
}

fn same(expected: &[u8], got: &[u8]) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    let differs = expected.iter().zip(got).position(|(a, b)| a != b);
    Err(format!(
        "byte {differs:?} of {} (got {})\n      expected {expected:02x?}\n      got      {got:02x?}",
        expected.len(),
        got.len()
    ))
}

pub(super) fn ip_of(frame: &[u8]) -> Result<(Headers, Ip), String> {
    match Headers::parse(frame) {
        Ok(
            headers @ Headers {
                body: Body::Ip(ip), ..
            },
        ) => Ok((headers, ip)),
        other => Err(format!("no IP packet: {other:?}")),
    }
}

/// Both layers' checksums.
fn sums(frame: &[u8], ip: &Ip) -> Result<(), String> {
    let right = checksum::verify_l3(frame, ip).is_ok() && checksum::verify_l4(frame, ip);
    right
        .then_some(())
        .ok_or_else(|| "a wrong checksum".to_owned())
}

fn require(holds: bool, what: &str, got: &[u8]) -> Result<(), String> {
    holds
        .then_some(())
        .ok_or_else(|| format!("{what}: {got:02x?}"))
}

fn check_echo(asked: &[u8], got: &[u8]) -> Result<(), String> {
    let ((was, asked_ip), (headers, ip)) = (ip_of(asked)?, ip_of(got)?);
    sums(got, &ip)?;
    require(
        (headers.src, headers.dst) == (was.dst, was.src),
        "MACs not swapped",
        got,
    )?;
    require(
        (ip.src, ip.dst) == (asked_ip.dst, asked_ip.src),
        "addresses not swapped",
        got,
    )?;
    let kind = if ip.is_v4() { 0 } else { 129 };
    require(
        got[ip.l4] == kind && got[ip.l4 + 1] == 0,
        "no echo reply",
        got,
    )?;
    let rest = asked[asked_ip.l4 + 4..asked_ip.end] == got[ip.l4 + 4..ip.end];
    require(rest, "not what was asked", got)
}

/// The reset in answer to a frame from the internet, as it goes to an edge (RFC 9293 section
/// 3.10.7.1); none of what is no segment or a reset itself.
pub(crate) fn reset(frame: &[u8]) -> Option<Vec<u8>> {
    let (_, ip) = ip_of(frame).unwrap();
    let L4::Tcp { flags, .. } = ip.l4_kind else {
        return None;
    };
    if flags & 4 != 0 {
        return None;
    }
    let word = |at: usize| u32::from_be_bytes(*frame[at..].first_chunk().unwrap());
    let data = ip.end - ip.l4 - usize::from(frame[ip.l4 + 12] >> 4) * 4;
    let control = u32::from(flags & 2 != 0) + u32::from(flags & 1 != 0);
    let (seq, ack, flags) = match flags & 0x10 {
        0 => (0, word(ip.l4 + 4) + data as u32 + control, 0x14),
        _ => (word(ip.l4 + 8), 0, 0x04),
    };
    let mut segment = word(ip.l4).rotate_left(16).to_be_bytes().to_vec();
    segment.extend(u32::to_be_bytes(seq));
    segment.extend(u32::to_be_bytes(ack));
    segment.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
    let mut made = [Mac::EDGE.octets(), Mac::ROUTER.octets()].concat();
    match (ip.src, ip.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            made.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
            made.extend([dst.octets(), src.octets()].concat());
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            made.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64]);
            made.extend([dst.octets(), src.octets()].concat());
        }
        ends => panic!("one family: {ends:?}"),
    }
    made.extend(segment);
    sum_ipv4(&mut made);
    sum_tcp(&mut made);
    Some(made)
}

/// The sum of a whole TCP segment, with the pseudo header (RFC 9293 section 3.1).
fn sum_tcp(frame: &mut [u8]) {
    let (_, ip) = ip_of(frame).unwrap();
    let addresses = if ip.is_v4() { 12..20 } else { 8..40 };
    let mut covered = frame[ip.l3 + addresses.start..ip.l3 + addresses.end].to_vec();
    covered.extend(((ip.end - ip.l4) as u32).to_be_bytes());
    covered.extend([0, 0, 0, 6]);
    covered.extend_from_slice(&frame[ip.l4..ip.end]);
    let right = !sum(&covered);
    frame[ip.l4 + 16..ip.l4 + 18].copy_from_slice(&right.to_be_bytes());
}

/// RFC 9293 section 3.10.7.1.
fn check_reset(segment: &[u8], got: &[u8]) -> Result<(), String> {
    let ((was, sent), (headers, ip)) = (ip_of(segment)?, ip_of(got)?);
    sums(got, &ip)?;
    let macs = (headers.src, headers.dst) == (was.dst, was.src);
    require(macs, "MACs not swapped", got)?;
    let ends = (ip.src, ip.dst) == (sent.dst, sent.src);
    require(ends, "addresses not swapped", got)?;
    let word = |frame: &[u8], at: usize| u32::from_be_bytes(*frame[at..].first_chunk().unwrap());
    let ports = word(got, ip.l4).rotate_left(16) == word(segment, sent.l4);
    require(ports, "ports not swapped", got)?;
    let flags = segment[sent.l4 + 13];
    let data = sent.end - sent.l4 - usize::from(segment[sent.l4 + 12] >> 4) * 4;
    let control = u32::from(flags & 2 != 0) + u32::from(flags & 1 != 0);
    let expected = match flags & 0x10 {
        0 => (0, word(segment, sent.l4 + 4) + data as u32 + control, 0x14),
        _ => (word(segment, sent.l4 + 8), 0, 0x04),
    };
    let found = (word(got, ip.l4 + 4), word(got, ip.l4 + 8), got[ip.l4 + 13]);
    require(found == expected, "another reset", got)
}

fn check_error(error: Error, from: IpAddr, about: &[u8], got: &[u8]) -> Result<(), String> {
    let ((was, sent), (headers, ip)) = (ip_of(about)?, ip_of(got)?);
    sums(got, &ip)?;
    let macs = (headers.src, headers.dst) == (Mac::ROUTER, was.src);
    require(macs, "not from the router to the sender", got)?;
    require((ip.src, ip.dst) == (from, sent.src), "wrong addresses", got)?;
    let L4::Icmp { kind, code, .. } = ip.l4_kind else {
        return Err(format!("no ICMP: {ip:?}"));
    };
    let (expected, room) = match (error, ip.is_v4()) {
        (Error::Expired, true) => ((11, 0, 0), 576),
        (Error::Expired, false) => ((3, 0, 0), 1280),
        (Error::TooBig, true) => ((3, 4, MTU as u32), 576),
        (Error::TooBig, false) => ((2, 0, MTU as u32), 1280),
    };
    let value = u32::from_be_bytes(*got[ip.l4 + 4..].first_chunk().unwrap());
    require((kind, code, value) == expected, "another error", got)?;
    let quote = &got[ip.l4 + icmp::HEADER..ip.end];
    let most = room - (ip.l4 - ip.l3) - icmp::HEADER;
    let packet = &about[sent.l3..sent.end];
    let right = quote == &packet[..packet.len().min(most)];
    require(right, "quotes something else", got)
}
