//! `sendmmsg` with GSO over gathered pieces.
#![allow(unsafe_code)]

use std::{
    io, mem,
    net::SocketAddr,
    ops::Range,
    os::fd::{AsRawFd as _, OwnedFd},
    ptr,
};

use super::SendCounters;
use crate::underlay::address::RawAddress;

/// A cmsg header and one u16: `CMSG_SPACE(2)`.
const CONTROL: usize = 24;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// One message's own memory, which the kernel reads through pointers.
struct Slot {
    address: RawAddress,
    length: libc::socklen_t,
    control: Control,
    gso: bool,
    iovecs: Range<usize>,
    packets: u64,
    bytes: u64,
}

/// The arguments of one `sendmmsg`; the vectors never grow past their first capacity.
pub(super) struct Batch {
    slots: Vec<Slot>,
    iovecs: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the raw pointers are made from borrowed slices in `push` and used in the `send` that
// follows; `clear` drops them. The owner never moves the arena between.
unsafe impl Send for Batch {}

impl Batch {
    pub(super) fn new(messages: usize, pieces: usize) -> Self {
        Self {
            slots: Vec::with_capacity(messages),
            iovecs: Vec::with_capacity(pieces),
            headers: Vec::with_capacity(messages),
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.iovecs.clear();
        self.headers.clear();
    }

    pub(super) fn push(
        &mut self,
        to: SocketAddr,
        arena: &[u8],
        pieces: &[Range<usize>],
        segment: Option<usize>,
        packets: usize,
    ) {
        let first = self.iovecs.len();
        let mut bytes = 0;
        for piece in pieces {
            let slice = &arena[piece.clone()];
            bytes += slice.len() as u64;
            self.iovecs.push(libc::iovec {
                iov_base: slice.as_ptr().cast_mut().cast(),
                iov_len: slice.len(),
            });
        }
        let (address, length) = RawAddress::new(to);
        let segment = segment.and_then(|size| u16::try_from(size).ok());
        self.slots.push(Slot {
            address,
            length,
            control: segment.map_or(Control([0; CONTROL]), control),
            gso: segment.is_some(),
            iovecs: first..self.iovecs.len(),
            packets: packets as u64,
            bytes,
        });
    }

    /// Sends all; a message that the kernel refuses is counted and left out.
    pub(super) fn send(&mut self, socket: &OwnedFd, counters: &mut SendCounters) {
        self.point();
        let mut done = 0;
        while done < self.headers.len() {
            let rest = &mut self.headers[done..];
            // SAFETY: each header points at a slot's name and control buffer and at iovecs over
            // the arena, all alive and unmoved until the call returns; sends only read them.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as u32,
                    libc::MSG_DONTWAIT as _,
                )
            };
            let sent = usize::try_from(sent).unwrap_or(0);
            for slot in &self.slots[done..done + sent] {
                counters.sends += 1;
                counters.packets += slot.packets;
                counters.bytes += slot.bytes;
            }
            done += sent;
            if sent == 0 {
                done += self.refused(done, socket, &io::Error::last_os_error(), counters);
            }
        }
    }

    /// Takes note of a message that wasn't sent; says how many to skip.
    fn refused(
        &self,
        at: usize,
        socket: &OwnedFd,
        error: &io::Error,
        counters: &mut SendCounters,
    ) -> usize {
        let slot = &self.slots[at];
        match error.raw_os_error() {
            Some(libc::EINTR) => return 0,
            // A device without checksum offload takes no GSO: one by one then.
            Some(libc::EIO) if slot.gso => self.send_each(at, socket, counters),
            Some(libc::EAGAIN | libc::ENOBUFS) => counters.full += slot.packets,
            // With GSO, a segment over the MTU is EINVAL.
            Some(libc::EMSGSIZE | libc::EINVAL) => counters.too_big += slot.packets,
            _ => counters.refused += slot.packets,
        }
        1
    }

    /// The segments of a message as datagrams of their own: each is a header piece and a payload
    /// piece, or one piece with both.
    fn send_each(&self, at: usize, socket: &OwnedFd, counters: &mut SendCounters) {
        let slot = &self.slots[at];
        let iovecs = &self.iovecs[slot.iovecs.clone()];
        let each = iovecs.len() / (slot.packets as usize).max(1);
        for datagram in iovecs.chunks(each.max(1)) {
            // SAFETY: zero is a value of this type.
            let mut header: libc::msghdr = unsafe { mem::zeroed() };
            header.msg_name = (&raw const slot.address).cast_mut().cast();
            header.msg_namelen = slot.length;
            header.msg_iov = datagram.as_ptr().cast_mut();
            header.msg_iovlen = datagram.len() as _;
            // SAFETY: as in `send`.
            let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &header, libc::MSG_DONTWAIT) };
            match sent {
                0.. => {
                    counters.sends += 1;
                    counters.packets += 1;
                    counters.bytes += sent as u64;
                }
                _ => counters.refused += 1,
            }
        }
    }

    fn point(&mut self) {
        for slot in &mut self.slots {
            // SAFETY: zero is a value of this type.
            let mut message: libc::mmsghdr = unsafe { mem::zeroed() };
            let header = &mut message.msg_hdr;
            header.msg_name = (&raw mut slot.address).cast();
            header.msg_namelen = slot.length;
            header.msg_iov = ptr::from_mut(&mut self.iovecs[slot.iovecs.start]);
            header.msg_iovlen = slot.iovecs.len() as _;
            if slot.gso {
                header.msg_control = (&raw mut slot.control).cast();
                header.msg_controllen = CONTROL as _;
            }
            self.headers.push(message);
        }
    }
}

/// `UDP_SEGMENT` with this size.
fn control(size: u16) -> Control {
    let mut control = Control([0; CONTROL]);
    let header = libc::cmsghdr {
        // CMSG_LEN(2): the header, then the data.
        cmsg_len: size_of::<libc::cmsghdr>() + size_of::<u16>(),
        cmsg_level: libc::SOL_UDP,
        cmsg_type: libc::UDP_SEGMENT,
    };
    let at = control.0.as_mut_ptr();
    // SAFETY: the buffer is aligned for a cmsghdr and holds it and two bytes after it.
    unsafe {
        ptr::write(at.cast(), header);
        let data = at.add(size_of::<libc::cmsghdr>());
        ptr::write_unaligned(data.cast(), size);
    }
    control
}
