//! The TAPs that a worker serves.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
};

use weft_engine::PortIndex;
use weft_packet::offload::{Checksum, Offload, VIRTIO};

use super::poll::Poll;

/// What a TAP had to read.
pub(super) enum Input {
    /// A frame of this length lies in the buffer.
    Frame { length: usize, offload: Offload },
    /// A frame whose header makes no sense.
    Malformed,
    /// Nothing now.
    Empty,
    /// The device is gone, with its namespace perhaps.
    Gone,
}

/// What became of a write.
pub(super) enum Output {
    Written,
    /// The workload doesn't read fast enough.
    Full,
    /// The device is down or gone, or it isn't served here (any more).
    Refused,
}

struct Tap {
    port: PortIndex,
    file: File,
}

/// By the port's slot.
#[derive(Default)]
pub(super) struct Taps(Vec<Option<Tap>>);

/// The edge's device: towards the internet.
#[derive(Default)]
pub(super) struct Uplink(Option<File>);

impl Uplink {
    pub(super) fn attach(&mut self, file: File, poll: &Poll) -> io::Result<()> {
        poll.add_edge(&file)?;
        self.0 = Some(file);
        Ok(())
    }

    pub(super) fn detach(&mut self, poll: &Poll) {
        if let Some(file) = self.0.take() {
            poll.remove(&file);
        }
    }

    /// Reads one frame to the start of `room`.
    pub(super) fn read(&self, room: &mut [u8]) -> Input {
        self.0
            .as_ref()
            .map_or(Input::Empty, |file| read(file, room))
    }

    pub(super) fn write(&self, frame: &[u8], offload: Offload) -> Output {
        let file = self.0.as_ref();
        file.map_or(Output::Refused, |file| write(file, frame, offload))
    }
}

impl Taps {
    pub(super) fn len(&self) -> usize {
        self.0.iter().flatten().count()
    }

    pub(super) fn attach(&mut self, port: PortIndex, file: File, poll: &Poll) -> io::Result<()> {
        let slot = port.slot();
        if slot >= self.0.len() {
            self.0.resize_with(slot + 1, || None);
        }
        if let Some(old) = self.0[slot].take() {
            poll.remove(&old.file);
        }
        poll.add_tap(&file, port)?;
        self.0[slot] = Some(Tap { port, file });
        Ok(())
    }

    pub(super) fn detach(&mut self, port: PortIndex, poll: &Poll) {
        if self.get(port).is_none() {
            return;
        }
        if let Some(tap) = self.0[port.slot()].take() {
            poll.remove(&tap.file);
        }
    }

    #[inline]
    fn get(&self, port: PortIndex) -> Option<&File> {
        let tap = self.0.get(port.slot())?.as_ref()?;
        (tap.port == port).then_some(&tap.file)
    }

    /// Reads one frame to the start of `room`.
    #[inline]
    pub(super) fn read(&self, port: PortIndex, room: &mut [u8]) -> Input {
        self.get(port).map_or(Input::Empty, |file| read(file, room))
    }

    #[inline]
    pub(super) fn write(&self, port: PortIndex, frame: &[u8], offload: Offload) -> Output {
        let file = self.get(port);
        file.map_or(Output::Refused, |file| write(file, frame, offload))
    }
}

#[inline]
pub(super) fn read(mut file: &File, room: &mut [u8]) -> Input {
    let mut header = [0; VIRTIO];
    let parts = &mut [IoSliceMut::new(&mut header), IoSliceMut::new(room)];
    match file.read_vectored(parts) {
        Ok(length) => match Offload::from_virtio(&header) {
            Ok(offload) if length >= VIRTIO => Input::Frame {
                length: length - VIRTIO,
                offload,
            },
            _ => Input::Malformed,
        },
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Input::Empty,
            _ => Input::Gone,
        },
    }
}

#[inline]
fn write(mut file: &File, frame: &[u8], offload: Offload) -> Output {
    let virtio = offload.to_virtio(linear(offload));
    let parts = &[IoSlice::new(&virtio[..VIRTIO]), IoSlice::new(frame)];
    match file.write_vectored(parts) {
        Ok(_) => Output::Written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Output::Full,
        Err(_) => Output::Refused,
    }
}

/// A hint of how much the kernel keeps linear: the headers up to the checksum that is to be done.
fn linear(offload: Offload) -> u16 {
    match offload.checksum {
        Checksum::Partial { start, offset } => start.saturating_add(offset + 2),
        Checksum::Complete => 0,
    }
}
