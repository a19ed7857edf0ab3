//! What can be wrong with the bytes of a packet.

macro_rules! malformed {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal),+ $(,)?) => {
        /// Why bytes are not a packet that may be forwarded. Each variant has a stable code, the
        /// same in counters, logs and explanations.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
        pub enum Malformed {
            $($(#[doc = $doc])+ #[error($code)] $name),+
        }

        impl Malformed {
            /// Every variant, in order.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable snake_case code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }
        }
    };
}

malformed! {
    /// Fewer than the 14 bytes of an Ethernet header.
    EthernetTruncated = "ethernet_truncated",
    /// ARP shorter than its 28 bytes.
    ArpTruncated = "arp_truncated",
    /// ARP for another hardware or protocol than Ethernet and IPv4.
    ArpKind = "arp_kind",
    /// Fewer than the 20 bytes of an IPv4 header.
    Ipv4Truncated = "ipv4_truncated",
    /// EtherType says IPv4, the version field doesn't.
    Ipv4Version = "ipv4_version",
    /// IPv4 header length under 5 words, or past the frame.
    Ipv4HeaderLength = "ipv4_header_length",
    /// IPv4 total length smaller than its header.
    Ipv4TotalLength = "ipv4_total_length",
    /// IPv4 total length past the frame.
    Ipv4Overrun = "ipv4_overrun",
    /// IPv4 header checksum is wrong.
    Ipv4Checksum = "ipv4_checksum",
    /// Fewer than the 40 bytes of an IPv6 header.
    Ipv6Truncated = "ipv6_truncated",
    /// EtherType says IPv6, the version field doesn't.
    Ipv6Version = "ipv6_version",
    /// IPv6 payload length past the frame.
    Ipv6Overrun = "ipv6_overrun",
    /// An IPv6 extension header past the packet.
    Ipv6ExtensionTruncated = "ipv6_extension_truncated",
    /// More IPv6 extension headers than any honest packet has.
    Ipv6ExtensionChain = "ipv6_extension_chain",
    /// Hop-by-hop options not first, or two fragment headers (RFC 8200 section 4.1).
    Ipv6ExtensionOrder = "ipv6_extension_order",
    /// A fragment before the last whose length is not a multiple of 8.
    FragmentLength = "fragment_length",
    /// A fragment that ends past the largest packet.
    FragmentOverflow = "fragment_overflow",
    /// A fragment that would overwrite the TCP header of the first (RFC 1858, RFC 3128).
    FragmentOverlap = "fragment_overlap",
    /// Fewer than the 20 bytes of a TCP header.
    TcpTruncated = "tcp_truncated",
    /// TCP data offset under 5 words, or past the packet.
    TcpDataOffset = "tcp_data_offset",
    /// Fewer than the 8 bytes of a UDP header.
    UdpTruncated = "udp_truncated",
    /// UDP length under 8 or past the packet.
    UdpLength = "udp_length",
    /// Fewer than the 8 bytes of an ICMP or ICMPv6 header.
    IcmpTruncated = "icmp_truncated",
    /// An ICMP error without the packet that it is about, or with one that can't be read.
    IcmpEmbedded = "icmp_embedded",
    /// A neighbour discovery message that RFC 4861 section 6.1 or 7.1 says to discard.
    NdInvalid = "nd_invalid",
    /// Fewer than the 8 bytes of a VXLAN header, or no whole Ethernet header behind it.
    VxlanTruncated = "vxlan_truncated",
    /// VXLAN's I flag is clear (RFC 7348 section 5).
    VxlanFlag = "vxlan_flag",
    /// A VXLAN header with a reserved bit set.
    VxlanReserved = "vxlan_reserved",
    /// VXLAN network identifier 0, which names no network.
    VxlanVni = "vxlan_vni",
    /// Fewer bytes than a virtio-net header.
    VirtioTruncated = "virtio_truncated",
    /// A virtio-net segmentation kind that this vswitch never offered.
    VirtioKind = "virtio_kind",
    /// Segmentation with a size of 0, or without its checksum left open.
    VirtioSize = "virtio_size",
    /// The checksum to be completed is not that of the packet's own layer 4.
    OffloadChecksum = "offload_checksum",
    /// Segmentation of another kind than the packet.
    OffloadKind = "offload_kind",
    /// Segments so small that one super frame would become a flood.
    SegmentCount = "segment_count",
}
