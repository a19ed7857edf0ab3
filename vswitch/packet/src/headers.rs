//! One-pass views of a frame: where its headers are and what they say.

pub(crate) mod ipv6;
mod layer4;
mod parse;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};

use crate::Mac;

/// Bytes of an Ethernet II header.
pub const ETHERNET: usize = 14;
/// Bytes of an IPv4 header without options.
pub const IPV4: usize = 20;
/// Bytes of an IPv6 header without extensions.
pub const IPV6: usize = 40;
/// Bytes of a TCP header without options.
pub const TCP: usize = 20;
/// Bytes of a UDP header.
pub const UDP: usize = 8;
/// The extension headers that one IPv6 packet may carry: RFC 8504 section 5.3 lets a node set a
/// limit, and 8 is above what it recommends to accept.
pub const MAX_EXTENSIONS: usize = 8;

/// EtherTypes (IANA).
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

/// IP protocol numbers (IANA).
pub mod protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// TCP's flag bits, as in byte 13 of its header.
pub mod tcp_flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number holds.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer holds.
    pub const URG: u8 = 0x20;
    /// ECN echo.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u8 = 0x80;
}

/// A frame's headers. All offsets count from the frame's first byte and lie inside the frame that
/// was parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers {
    /// Destination MAC.
    pub dst: Mac,
    /// Source MAC.
    pub src: Mac,
    /// What the frame carries.
    pub body: Body,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// ARP for IPv4 over Ethernet.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// Another EtherType (VLAN tags too), or an 802.3 length.
    Other(u16),
}

/// An ARP message (RFC 826).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// 1 asks, 2 answers.
    pub operation: u16,
    /// Who speaks.
    pub sender_mac: Mac,
    /// The speaker's address; 0.0.0.0 in a probe (RFC 5227).
    pub sender_ip: Ipv4Addr,
    /// Who is meant; zero in a request.
    pub target_mac: Mac,
    /// The address asked for.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// The operation that asks.
    pub const REQUEST: u16 = 1;
    /// The operation that answers.
    pub const REPLY: u16 = 2;
}

/// An IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family as the source.
    pub dst: IpAddr,
    /// Protocol of layer 4, past any IPv6 extension header.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Offset of the IP header.
    pub l3: usize,
    /// Offset of layer 4: past IPv4 options and IPv6 extension headers.
    pub l4: usize,
    /// Offset past the IP packet: what follows is padding.
    pub end: usize,
    /// Set on a piece of a larger packet. An IPv6 fragment header around a whole packet (RFC 6946)
    /// doesn't count.
    pub fragment: Option<Fragment>,
    /// IPv4: the DF bit. IPv6: always, as no router fragments it.
    pub dont_fragment: bool,
    /// What layer 4 says.
    pub l4_kind: L4,
}

impl Ip {
    /// Whether it is IPv4.
    #[inline]
    pub fn is_v4(&self) -> bool {
        self.src.is_ipv4()
    }

    /// Bytes of the IP packet, headers and all: what an MTU limits.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.l3
    }

    /// Never: an IP packet has at least its header.
    pub fn is_empty(&self) -> bool {
        self.end == self.l3
    }

    /// Ports as flows know them: source and destination; for ICMP echo its identifier in both;
    /// `(0, 0)` where the packet shows none.
    #[inline]
    pub fn ports(&self) -> (u16, u16) {
        match self.l4_kind {
            L4::Tcp { src, dst, .. } | L4::Udp { src, dst } => (src, dst),
            L4::Icmp { id, .. } => (id, id),
            L4::Other | L4::LaterFragment => (0, 0),
        }
    }
}

/// Where a fragment belongs in its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Offset in the whole packet's payload, in bytes; a multiple of 8.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
}

/// What layer 4 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L4 {
    /// TCP.
    Tcp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number, meaningful with the ACK flag.
        ack: u32,
        /// The eight flags: see [`tcp_flags`].
        flags: u8,
        /// Receive window, unscaled.
        window: u16,
        /// Offset of the data in the frame.
        data: usize,
    },
    /// UDP.
    Udp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// ICMP in IPv4, ICMPv6 in IPv6.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier of an echo request or reply, else 0.
        id: u16,
    },
    /// Another protocol, or ICMP of the other family.
    Other,
    /// A fragment that is not the first and so shows no layer 4.
    LaterFragment,
}
