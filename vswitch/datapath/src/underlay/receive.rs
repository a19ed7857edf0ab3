//! Batched receiving with GRO.
#![allow(unsafe_code)]

use std::{io, mem, net::IpAddr, os::fd::AsRawFd as _, os::fd::OwnedFd, ptr};

use super::address::RawAddress;

/// Datagrams per system call.
const BATCH: usize = 16;
/// The largest datagram, or run of datagrams that GRO joined.
const SLOT: usize = 1 << 16;
/// A cmsg header and one int, aligned as the kernel wants it.
const CONTROL: usize = 64;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// One datagram, or several of one sender that the kernel joined.
#[derive(Debug)]
pub(crate) struct Datagram<'a> {
    pub(crate) source: IpAddr,
    /// The length of each datagram in `bytes` but the last.
    pub(crate) segment: usize,
    pub(crate) bytes: &'a mut [u8],
}

/// Buffers for one batch; allocated once.
pub(crate) struct Inbox {
    bytes: Box<[u8]>,
    addresses: [RawAddress; BATCH],
    controls: [Control; BATCH],
    messages: [libc::mmsghdr; BATCH],
    iovecs: [libc::iovec; BATCH],
}

// SAFETY: the raw pointers in `messages` and `iovecs` are written before each call and read only by
// that call; nothing else looks at them.
unsafe impl Send for Inbox {}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; BATCH * SLOT].into_boxed_slice(),
            addresses: [RawAddress::empty(); BATCH],
            controls: [Control([0; CONTROL]); BATCH],
            // SAFETY: null pointers and zero lengths are values of these types.
            messages: unsafe { mem::zeroed() },
            // SAFETY: as above.
            iovecs: unsafe { mem::zeroed() },
        }
    }

    /// Whether a batch came back full, so that more may wait.
    pub(crate) const fn is_full(count: usize) -> bool {
        count == BATCH
    }

    /// Receives what is there, up to a batch; 0 when nothing is.
    pub(crate) fn receive(&mut self, socket: &OwnedFd) -> io::Result<usize> {
        self.point();
        // SAFETY: every header points at a name, a control buffer and a slot of this value, with
        // their true sizes.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        if count >= 0 {
            return Ok(count as usize);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
            _ => Err(error),
        }
    }

    fn point(&mut self) {
        let slots = self.bytes.chunks_exact_mut(SLOT);
        let parts = self.messages.iter_mut().zip(&mut self.iovecs);
        let rooms = self.addresses.iter_mut().zip(&mut self.controls);
        for ((slot, (message, iovec)), (address, control)) in slots.zip(parts).zip(rooms) {
            *iovec = libc::iovec {
                iov_base: slot.as_mut_ptr().cast(),
                iov_len: SLOT,
            };
            let header = &mut message.msg_hdr;
            header.msg_name = (&raw mut *address).cast();
            header.msg_namelen = RawAddress::ROOM;
            header.msg_iov = iovec;
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut *control).cast();
            header.msg_controllen = CONTROL as _;
            header.msg_flags = 0;
        }
    }

    /// The nth datagram of the last batch; `None` where it didn't fit or has no sender.
    pub(crate) fn datagram(&mut self, index: usize) -> Option<Datagram<'_>> {
        let message = &self.messages[index];
        if message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let length = message.msg_len as usize;
        let source = self.addresses[index].ip()?;
        let mut header = message.msg_hdr;
        // This value may have moved since the kernel wrote to it.
        header.msg_control = (&raw mut self.controls[index]).cast();
        let segment = gro_size(&header).unwrap_or(length).max(1);
        let bytes = &mut self.bytes[index * SLOT..][..length];
        Some(Datagram {
            source,
            segment,
            bytes,
        })
    }
}

fn gro_size(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: the kernel filled the control buffer and its length; the CMSG macros stay inside.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(header);
        while !at.is_null() {
            if (*at).cmsg_level == libc::SOL_UDP && (*at).cmsg_type == libc::UDP_GRO {
                let size: i32 = ptr::read_unaligned(libc::CMSG_DATA(at).cast());
                return usize::try_from(size).ok();
            }
            at = libc::CMSG_NXTHDR(header, at);
        }
    }
    None
}
