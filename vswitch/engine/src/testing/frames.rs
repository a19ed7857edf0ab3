//! Frames as workloads send them, built by another hand than the engine's own builders.

use std::net::IpAddr;

use etherparse::{
    Icmpv4Type, Icmpv6Type, IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6Extensions,
    Ipv6FragmentHeader, Ipv6Header, PacketBuilder, PacketBuilderStep,
};
use weft_model::Mac;

/// A protocol family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

/// A TCP segment's flags and numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seg {
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
    pub seq: u32,
    pub ack_number: u32,
}

impl Seg {
    pub const SYN: Self = Self {
        syn: true,
        ..Self::NONE
    };
    pub const SYN_ACK: Self = Self {
        syn: true,
        ack: true,
        ..Self::NONE
    };
    pub const ACK: Self = Self {
        ack: true,
        ..Self::NONE
    };
    pub const FIN: Self = Self {
        fin: true,
        ack: true,
        ..Self::NONE
    };
    pub const RST: Self = Self {
        rst: true,
        ..Self::NONE
    };
    const NONE: Self = Self {
        syn: false,
        ack: false,
        fin: false,
        rst: false,
        seq: 1000,
        ack_number: 1000,
    };
}

/// What is the same in every packet between two stations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub src_mac: Mac,
    pub dst_mac: Mac,
    pub src: IpAddr,
    pub dst: IpAddr,
    pub ttl: u8,
    /// IPv4's DF bit.
    pub dont_fragment: bool,
}

impl Way {
    pub fn back(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            ..self
        }
    }

    fn ip(&self, protocol: IpNumber) -> IpHeaders {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut header =
                    Ipv4Header::new(0, self.ttl, protocol, src.octets(), dst.octets()).unwrap();
                header.dont_fragment = self.dont_fragment;
                IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default())
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let header = Ipv6Header {
                    next_header: protocol,
                    hop_limit: self.ttl,
                    source: src.octets(),
                    destination: dst.octets(),
                    ..Ipv6Header::default()
                };
                IpHeaders::Ipv6(header, Ipv6Extensions::default())
            }
            _ => panic!("{} and {} are of two families", self.src, self.dst),
        }
    }

    fn start(&self) -> PacketBuilderStep<IpHeaders> {
        PacketBuilder::ethernet2(self.src_mac.octets(), self.dst_mac.octets())
            .ip(self.ip(IpNumber::UDP))
    }

    pub fn tcp(&self, ports: (u16, u16), seg: Seg, payload: &[u8]) -> Vec<u8> {
        let mut step = self.start().tcp(ports.0, ports.1, seg.seq, 64_000);
        if seg.syn {
            step = step.syn();
        }
        if seg.ack {
            step = step.ack(seg.ack_number);
        }
        if seg.fin {
            step = step.fin();
        }
        if seg.rst {
            step = step.rst();
        }
        let mut frame = Vec::new();
        step.write(&mut frame, payload).unwrap();
        frame
    }

    pub fn udp(&self, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.start()
            .udp(ports.0, ports.1)
            .write(&mut frame, payload)
            .unwrap();
        frame
    }

    pub fn echo_request(&self, id: u16, payload: &[u8]) -> Vec<u8> {
        self.echo(id, payload, true)
    }

    pub fn echo_reply(&self, id: u16, payload: &[u8]) -> Vec<u8> {
        self.echo(id, payload, false)
    }

    fn echo(&self, id: u16, payload: &[u8], request: bool) -> Vec<u8> {
        let header = etherparse::IcmpEchoHeader { id, seq: 1 };
        match (self.src, request) {
            (IpAddr::V4(_), true) => self.icmp4(Icmpv4Type::EchoRequest(header), payload),
            (IpAddr::V4(_), false) => self.icmp4(Icmpv4Type::EchoReply(header), payload),
            (IpAddr::V6(_), true) => self.icmp6(Icmpv6Type::EchoRequest(header), payload),
            (IpAddr::V6(_), false) => self.icmp6(Icmpv6Type::EchoReply(header), payload),
        }
    }

    pub fn icmp4(&self, kind: Icmpv4Type, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.start()
            .icmpv4(kind)
            .write(&mut frame, payload)
            .unwrap();
        frame
    }

    pub fn icmp6(&self, kind: Icmpv6Type, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.start()
            .icmpv6(kind)
            .write(&mut frame, payload)
            .unwrap();
        frame
    }

    /// An ICMPv6 message whose body is given whole, as neighbour discovery's.
    pub fn icmp6_raw(&self, kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.start()
            .icmpv6_raw(kind, code, rest)
            .write(&mut frame, body)
            .unwrap();
        frame
    }

    /// "Port unreachable" about a frame that was sent the other way.
    pub fn unreachable(&self, about: &[u8]) -> Vec<u8> {
        let quote = &about[14..about.len().min(14 + 64)];
        match self.src {
            IpAddr::V4(_) => self.icmp4(
                Icmpv4Type::DestinationUnreachable(etherparse::icmpv4::DestUnreachableHeader::Port),
                quote,
            ),
            IpAddr::V6(_) => self.icmp6(
                Icmpv6Type::DestinationUnreachable(etherparse::icmpv6::DestUnreachableCode::Port),
                quote,
            ),
        }
    }

    /// Another protocol.
    pub fn raw(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut ip = self.ip(IpNumber(protocol));
        match &mut ip {
            IpHeaders::Ipv4(header, _) => {
                header.set_payload_len(payload.len()).unwrap();
                header.header_checksum = header.calc_header_checksum();
            }
            IpHeaders::Ipv6(header, _) => header.set_payload_length(payload.len()).unwrap(),
        }
        self.frame(&ip, payload)
    }

    fn frame(&self, ip: &IpHeaders, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend_from_slice(&self.dst_mac.octets());
        frame.extend_from_slice(&self.src_mac.octets());
        let ethertype: u16 = if self.src.is_ipv4() { 0x0800 } else { 0x86dd };
        frame.extend_from_slice(&ethertype.to_be_bytes());
        ip.write(&mut frame).unwrap();
        frame.extend_from_slice(payload);
        frame
    }

    /// A UDP datagram in pieces of at most `piece` bytes (a multiple of 8) of IP payload.
    pub fn udp_fragments(
        &self,
        id: u16,
        ports: (u16, u16),
        payload: &[u8],
        piece: usize,
    ) -> Vec<Vec<u8>> {
        let whole = self.udp(ports, payload);
        let header = if self.src.is_ipv4() { 34 } else { 54 };
        let body = &whole[header..];
        let pieces = body.chunks(piece).enumerate();
        pieces
            .map(|(n, bytes)| {
                let more = n * piece + bytes.len() < body.len();
                self.fragment(id, n * piece, more, bytes)
            })
            .collect()
    }

    fn fragment(&self, id: u16, offset: usize, more: bool, bytes: &[u8]) -> Vec<u8> {
        let mut ip = self.ip(IpNumber::UDP);
        let place = IpFragOffset::try_new(offset as u16 / 8).unwrap();
        match &mut ip {
            IpHeaders::Ipv4(header, _) => {
                header.identification = id;
                header.dont_fragment = false;
                header.more_fragments = more;
                header.fragment_offset = place;
                header.set_payload_len(bytes.len()).unwrap();
                header.header_checksum = header.calc_header_checksum();
            }
            IpHeaders::Ipv6(header, extensions) => {
                header.next_header = IpNumber::IPV6_FRAGMENTATION_HEADER;
                header.set_payload_length(bytes.len() + 8).unwrap();
                extensions.fragment = Some(Ipv6FragmentHeader::new(
                    IpNumber::UDP,
                    place,
                    more,
                    u32::from(id),
                ));
            }
        }
        self.frame(&ip, bytes)
    }
}

/// An ARP message for IPv4 over Ethernet.
pub fn arp(
    operation: u16,
    sender: (Mac, std::net::Ipv4Addr),
    target: (Mac, std::net::Ipv4Addr),
) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&Mac::BROADCAST.octets());
    frame.extend_from_slice(&sender.0.octets());
    frame.extend_from_slice(&[0x08, 0x06, 0, 1, 8, 0, 6, 4]);
    frame.extend_from_slice(&operation.to_be_bytes());
    frame.extend_from_slice(&sender.0.octets());
    frame.extend_from_slice(&sender.1.octets());
    frame.extend_from_slice(&target.0.octets());
    frame.extend_from_slice(&target.1.octets());
    frame
}
