//! What comes out of the tunnel by the kernel's programs: frames of the underlay, whole, from a TAP.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use weft_packet::{
    offload::{Checksum, Offload, SegmentKind},
    vxlan,
};

use super::taps::{Input, read};
use crate::underlay::MAX_FRAME;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const UDP: usize = 8;

/// The device, and room for one frame.
pub(super) struct Upcalls {
    file: File,
    room: Box<[u8]>,
}

/// A UDP payload, or several of one length.
pub(super) struct Upcall {
    pub(super) source: IpAddr,
    pub(super) range: Range<usize>,
    /// The length of each but the last.
    pub(super) segment: usize,
    /// Of the inner frame, where there is one payload whose checksum is open.
    pub(super) offload: Offload,
}

impl Upcalls {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            room: vec![0; MAX_FRAME].into_boxed_slice(),
        }
    }

    pub(super) fn read(&mut self) -> Input {
        read(&self.file, &mut self.room)
    }

    /// What the frame of this length that was read holds.
    pub(super) fn parse(&mut self, length: usize, offload: Offload) -> Option<(Upcall, &mut [u8])> {
        let frame = self.room.get_mut(..length)?;
        let (source, udp) = outer(frame)?;
        let end = udp + usize::from(u16_at(frame, udp + 4)?);
        let range = udp + UDP..end.min(length);
        if range.start > range.end {
            return None;
        }
        let segment = match offload.segmentation {
            Some(segmentation) if segmentation.kind == SegmentKind::Udp => {
                usize::from(segmentation.size)
            }
            // The kernel cuts what is segmented within the tunnel.
            Some(_) => return None,
            None => range.len().max(1),
        };
        let offload = Offload {
            checksum: inner(offload.checksum, range.start + vxlan::HEADER),
            segmentation: None,
        };
        let upcall = Upcall {
            source,
            range,
            segment,
            offload,
        };
        Some((upcall, frame))
    }
}

/// An open checksum within the frame that begins at `at`; the outer one is nobody's here.
fn inner(checksum: Checksum, at: usize) -> Checksum {
    match checksum {
        Checksum::Partial { start, offset } if usize::from(start) > at => Checksum::Partial {
            start: start - at as u16,
            offset,
        },
        _ => Checksum::Complete,
    }
}

/// Who sent it, and where UDP's header begins; the programs have looked at the rest.
fn outer(frame: &[u8]) -> Option<(IpAddr, usize)> {
    match u16_at(frame, 12)? {
        0x0800 => {
            let source: [u8; 4] = frame.get(ETHERNET + 12..ETHERNET + 16)?.try_into().ok()?;
            Some((Ipv4Addr::from(source).into(), ETHERNET + IPV4))
        }
        0x86dd => {
            let source: [u8; 16] = frame.get(ETHERNET + 8..ETHERNET + 24)?.try_into().ok()?;
            Some((Ipv6Addr::from(source).into(), ETHERNET + IPV6))
        }
        _ => None,
    }
}

fn u16_at(frame: &[u8], at: usize) -> Option<u16> {
    let bytes = frame.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_inner_open_checksum_is_kept() {
        let open = |start| Checksum::Partial { start, offset: 16 };
        assert_eq!(inner(open(34), 50), Checksum::Complete);
        assert_eq!(inner(open(84), 50), open(34));
        assert_eq!(inner(Checksum::Complete, 50), Checksum::Complete);
    }
}
