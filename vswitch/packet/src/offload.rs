//! What a frame's sender left to be done: its checksum, its segmentation. The meaning is that of
//! the header that a TAP with `IFF_VNET_HDR` puts before each frame (virtio 1.2 section 5.1.6).

#[cfg(test)]
mod tests;

use crate::{
    Malformed,
    headers::{Ip, L4},
    wire::array,
};

/// Bytes of the legacy virtio-net header, a TAP's default.
pub const VIRTIO: usize = 10;
/// Bytes of the virtio-net header with a buffer count.
pub const VIRTIO_MERGEABLE: usize = 12;

const NEEDS_CHECKSUM: u8 = 1;
const KIND_NONE: u8 = 0;
const KIND_TCP4: u8 = 1;
const KIND_TCP6: u8 = 4;
const KIND_UDP: u8 = 5;
/// Only says that a TCP super frame carries CWR; segmentation reads that from the frame itself.
const KIND_ECN: u8 = 0x80;

/// What is left to be done on a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offload {
    /// Layer 4's checksum.
    pub checksum: Checksum,
    /// Set on a super frame.
    pub segmentation: Option<Segmentation>,
}

/// The state of layer 4's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// As it should be on a wire; for a frame from a peer: to be trusted no more than the peer.
    #[default]
    Complete,
    /// The field holds the pseudo header's sum; the rest is to be added.
    Partial {
        /// Offset in the frame of the first byte to sum.
        start: u16,
        /// Offset of the checksum field from `start`.
        offset: u16,
    },
}

/// How to split a super frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segmentation {
    /// The protocol to split.
    pub kind: SegmentKind,
    /// Payload bytes of each segment but the last; never 0.
    pub size: u16,
}

/// The protocol of a super frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over either: each segment is a datagram of its own.
    Udp,
}

impl Offload {
    /// Nothing left to do.
    pub const NONE: Self = Self {
        checksum: Checksum::Complete,
        segmentation: None,
    };

    /// From a virtio-net header of either length, little-endian (`TUNSETVNETLE`, or any
    /// little-endian host).
    ///
    /// # Errors
    /// A header too short, of an unknown kind, or asking for segments of 0 bytes or without a
    /// checksum to complete.
    #[inline]
    pub fn from_virtio(header: &[u8]) -> Result<Self, Malformed> {
        let h = array::<VIRTIO>(header, 0).ok_or(Malformed::VirtioTruncated)?;
        let checksum = match h[0] & NEEDS_CHECKSUM {
            0 => Checksum::Complete,
            _ => Checksum::Partial {
                start: u16::from_le_bytes([h[6], h[7]]),
                offset: u16::from_le_bytes([h[8], h[9]]),
            },
        };
        let kind = match h[1] & !KIND_ECN {
            KIND_NONE => None,
            KIND_TCP4 => Some(SegmentKind::Tcp4),
            KIND_TCP6 => Some(SegmentKind::Tcp6),
            KIND_UDP => Some(SegmentKind::Udp),
            _ => return Err(Malformed::VirtioKind),
        };
        let size = u16::from_le_bytes([h[4], h[5]]);
        if kind.is_some() && (size == 0 || checksum == Checksum::Complete) {
            return Err(Malformed::VirtioSize);
        }
        Ok(Self {
            checksum,
            segmentation: kind.map(|kind| Segmentation { kind, size }),
        })
    }

    /// As a virtio-net header, little-endian; a TAP with the legacy length takes the first
    /// [`VIRTIO`] bytes. `header` is the length of the frame's headers up to its layer-4 payload,
    /// which the kernel takes as a hint of what to keep linear.
    #[inline]
    pub fn to_virtio(self, header: u16) -> [u8; VIRTIO_MERGEABLE] {
        let mut h = [0; VIRTIO_MERGEABLE];
        if let Checksum::Partial { start, offset } = self.checksum {
            h[0] = NEEDS_CHECKSUM;
            h[6..8].copy_from_slice(&start.to_le_bytes());
            h[8..10].copy_from_slice(&offset.to_le_bytes());
        }
        if let Some(Segmentation { kind, size }) = self.segmentation {
            h[1] = match kind {
                SegmentKind::Tcp4 => KIND_TCP4,
                SegmentKind::Tcp6 => KIND_TCP6,
                SegmentKind::Udp => KIND_UDP,
            };
            h[2..4].copy_from_slice(&header.to_le_bytes());
            h[4..6].copy_from_slice(&size.to_le_bytes());
        }
        h
    }

    /// Whether this fits the packet: a tenant may write any virtio header through a packet socket,
    /// and what it asks for must touch its own layer 4 only.
    ///
    /// # Errors
    /// [`Malformed::OffloadChecksum`] or [`Malformed::OffloadKind`].
    #[inline]
    pub fn check(self, ip: &Ip) -> Result<(), Malformed> {
        if let Checksum::Partial { start, offset } = self.checksum
            && (usize::from(start) != ip.l4 || Some(offset) != checksum_offset(ip.l4_kind))
        {
            return Err(Malformed::OffloadChecksum);
        }
        let fits = match self.segmentation.map(|s| s.kind) {
            None => true,
            Some(SegmentKind::Tcp4) => ip.is_v4() && matches!(ip.l4_kind, L4::Tcp { .. }),
            Some(SegmentKind::Tcp6) => !ip.is_v4() && matches!(ip.l4_kind, L4::Tcp { .. }),
            Some(SegmentKind::Udp) => matches!(ip.l4_kind, L4::Udp { .. }),
        };
        // Pieces of a packet can't be segmented again, nor summed apart.
        let whole = ip.fragment.is_none() || self == Self::NONE;
        if fits && whole {
            Ok(())
        } else {
            Err(Malformed::OffloadKind)
        }
    }
}

/// Where layer 4 keeps its checksum, from its own start.
#[inline]
pub(crate) fn checksum_offset(kind: L4) -> Option<u16> {
    match kind {
        L4::Tcp { .. } => Some(16),
        L4::Udp { .. } => Some(6),
        L4::Icmp { .. } => Some(2),
        L4::Other | L4::LaterFragment => None,
    }
}
