//! One received segment, and whether it continues another (the rules of Linux's
//! `inet_gro_receive` and `tcp_gro_receive`, which every TCP is tested against).

use crate::{
    checksum,
    headers::{Body, Headers, IPV4, IPV6, Ip, L4, tcp_flags},
    wire::u16_at,
};

/// Flags that end a super frame, or bar a segment from leading one.
const ENDING: u8 =
    tcp_flags::FIN | tcp_flags::SYN | tcp_flags::RST | tcp_flags::PSH | tcp_flags::URG;
/// Flags that may differ between the segments of a super frame.
const MAY_DIFFER: u8 = tcp_flags::CWR | tcp_flags::FIN | tcp_flags::PSH;

/// A TCP segment that fills its frame. Offsets count from the inner Ethernet header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) ip: Ip,
    pub(super) seq: u32,
    pub(super) flags: u8,
    /// Where payload starts.
    pub(super) data: usize,
    /// Bytes of payload.
    pub(super) payload: usize,
    /// Bytes of the segment with what precedes the inner frame.
    pub(super) length: usize,
    skip: usize,
}

impl Segment {
    /// Of `bytes`, behind `skip` others. `None` for what is never joined: no TCP, a fragment, IP
    /// options, IPv6 extensions, padding.
    pub(super) fn read(bytes: &[u8], skip: usize) -> Option<Self> {
        let frame = bytes.get(skip..)?;
        let Ok(Headers {
            body: Body::Ip(ip), ..
        }) = Headers::parse(frame)
        else {
            return None;
        };
        let L4::Tcp {
            seq, flags, data, ..
        } = ip.l4_kind
        else {
            return None;
        };
        let plain = ip.l4 - ip.l3 == if ip.is_v4() { IPV4 } else { IPV6 };
        let whole = ip.fragment.is_none() && ip.end == frame.len();
        (plain && whole).then_some(Self {
            ip,
            seq,
            flags,
            data,
            payload: ip.end - data,
            length: bytes.len(),
            skip,
        })
    }

    /// Whether others may be joined to it.
    pub(super) fn may_lead(&self) -> bool {
        self.payload > 0 && self.flags & ENDING == 0 && self.flags & tcp_flags::ACK != 0
    }

    pub(super) fn ip_len(&self) -> usize {
        self.ip.len()
    }

    /// Whether this segment (`bytes`) comes next in the super frame that `first` (`lead`) began and
    /// that holds `payload` bytes.
    pub(super) fn follows(&self, bytes: &[u8], first: &Self, lead: &[u8], payload: usize) -> bool {
        let in_order = self.seq == first.seq.wrapping_add(payload as u32);
        let sized = (1..=first.payload).contains(&self.payload);
        let flags =
            (self.flags ^ first.flags) & !MAY_DIFFER == 0 && self.flags & tcp_flags::CWR == 0;
        in_order
            && sized
            && flags
            && self.data == first.data
            && self.same_headers(bytes, lead)
            && self.identified(bytes, first, lead)
    }

    /// Whether all header bytes are equal but those that count up, and those judged apart (flags).
    fn same_headers(&self, bytes: &[u8], lead: &[u8]) -> bool {
        let (l3, l4) = (self.skip + self.ip.l3, self.skip + self.ip.l4);
        let same = |from: usize, to: usize| bytes[from..to] == lead[from..to];
        let network = match self.ip.is_v4() {
            // Not total length, identification and checksum.
            true => same(l3, l3 + 2) && same(l3 + 6, l3 + 10) && same(l3 + 12, l4),
            // Not payload length.
            false => same(l3, l3 + 4) && same(l3 + 6, l4),
        };
        // Ports; acknowledgement and data offset; window; urgent pointer and options.
        network
            && same(0, l3)
            && same(l4, l4 + 4)
            && same(l4 + 8, l4 + 13)
            && same(l4 + 14, l4 + 16)
            && same(l4 + 18, l4 - self.ip.l4 + self.data)
    }

    /// IPv4 identification counts up by one per segment, as segmentation will make it again; or it
    /// stays, where DF leaves it without meaning (RFC 6864).
    fn identified(&self, bytes: &[u8], first: &Self, lead: &[u8]) -> bool {
        let id = |b: &[u8]| u16_at(b, self.skip + self.ip.l3 + 4).unwrap_or_default();
        let ahead = self.seq.wrapping_sub(first.seq) as usize / first.payload;
        let (own, leading) = (id(bytes), id(lead));
        !self.ip.is_v4()
            || own == leading.wrapping_add(ahead as u16)
            || (own == leading && self.ip.dont_fragment)
    }

    /// Whether nothing may follow.
    pub(super) fn ends(&self, first: &Self) -> bool {
        self.payload < first.payload || self.flags & ENDING != 0
    }

    /// Whether both its checksums hold.
    pub(super) fn checksum_holds(&self, bytes: &[u8]) -> bool {
        let frame = &bytes[self.skip..];
        checksum::verify_l3(frame, &self.ip).is_ok() && checksum::verify_l4(frame, &self.ip)
    }
}
