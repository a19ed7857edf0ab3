//! Frames from one worker to another: a bounded queue per worker, and an eventfd to wake it.

use std::{io, net::IpAddr, sync::Arc};

use crossbeam_queue::ArrayQueue;
use nix::sys::eventfd::{EfdFlags, EventFd};
use weft_engine::PortIndex;
use weft_packet::offload::Offload;

/// Frames that may wait for a worker: at 64 KiB each, 16 MiB. Past it they drop and are counted,
/// as in any switch whose queue is full.
const CAPACITY: usize = 256;

/// Where a handed-over frame comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// From the underlay: the bytes are a UDP payload.
    Tunnel { source: IpAddr },
    /// From a port of this host, to this one.
    Local { port: PortIndex },
}

pub(super) struct Parcel {
    pub(super) origin: Origin,
    pub(super) offload: Offload,
    pub(super) bytes: Vec<u8>,
}

/// One worker's queue.
pub(crate) struct Ring {
    parcels: ArrayQueue<Parcel>,
    /// Buffers that were used once and wait for the next frame.
    spare: ArrayQueue<Vec<u8>>,
    waker: EventFd,
}

impl Ring {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self {
            parcels: ArrayQueue::new(CAPACITY),
            spare: ArrayQueue::new(CAPACITY),
            waker: EventFd::from_value_and_flags(0, flags)?,
        })
    }

    pub(crate) fn waker(&self) -> &EventFd {
        &self.waker
    }

    /// Makes the worker look at its commands and its queue.
    pub(crate) fn wake(&self) {
        // It fails only when the counter is at its maximum, and then the worker is awake.
        let _ = self.waker.write(1);
    }
}

/// All workers' queues, as one of them sees them.
pub(super) struct Rings {
    id: usize,
    all: Arc<[Ring]>,
    /// Workers to wake at the end of the batch, one bit each.
    touched: u64,
}

impl Rings {
    pub(super) fn new(id: usize, all: Arc<[Ring]>) -> Self {
        Self {
            id,
            all,
            touched: 0,
        }
    }

    /// Whose these are.
    pub(super) fn id(&self) -> usize {
        self.id
    }

    pub(super) fn workers(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.all[self.id].parcels.is_empty()
    }

    /// Copies the frame to the worker; false when its queue is full.
    pub(super) fn pass(
        &mut self,
        worker: usize,
        origin: Origin,
        offload: Offload,
        frame: &[u8],
    ) -> bool {
        let ring = &self.all[worker];
        let mut bytes = ring.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(frame);
        self.touched |= 1 << worker;
        let parcel = Parcel {
            origin,
            offload,
            bytes,
        };
        ring.parcels.push(parcel).is_ok()
    }

    pub(super) fn take(&self) -> Option<Parcel> {
        self.all[self.id].parcels.pop()
    }

    pub(super) fn give_back(&self, parcel: Parcel) {
        // When all places are taken there are buffers enough.
        let _ = self.all[self.id].spare.push(parcel.bytes);
    }

    pub(super) fn wake_others(&mut self) {
        let mut touched = self.touched & !(1 << self.id);
        self.touched = 0;
        while touched != 0 {
            self.all[touched.trailing_zeros() as usize].wake();
            touched &= touched - 1;
        }
    }

    pub(super) fn wake_self(&self) {
        self.all[self.id].wake();
    }

    pub(super) fn drain_waker(&self) {
        // Nothing to read is as good.
        let _ = self.all[self.id].waker.read();
    }
}
