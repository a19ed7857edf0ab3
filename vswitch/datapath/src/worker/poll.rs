//! Waiting for everything that a worker serves.

use std::{io, os::fd::AsFd, time::Duration};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use weft_engine::PortIndex;

/// Events per wait: level triggered, so what doesn't fit comes with the next.
const EVENTS: usize = 64;
const WAKER: u64 = u64::MAX;
const UNDERLAY: u64 = u64::MAX - 1;
const EDGE: u64 = u64::MAX - 2;
const UPCALL: u64 = u64::MAX - 3;

/// Who has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Another thread wants something.
    Woken,
    /// The receive socket.
    Underlay,
    /// The kernel's programs, with what came out of the tunnel.
    Upcall,
    /// The internet, at an edge.
    Edge,
    /// A port's workload.
    Tap(PortIndex),
}

pub(super) struct Poll {
    epoll: Epoll,
    events: [EpollEvent; EVENTS],
}

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            events: [EpollEvent::empty(); EVENTS],
        })
    }

    pub(super) fn add_waker(&self, fd: impl AsFd) -> io::Result<()> {
        self.add(fd, WAKER)
    }

    pub(super) fn add_underlay(&self, fd: impl AsFd) -> io::Result<()> {
        self.add(fd, UNDERLAY)
    }

    pub(super) fn add_tap(&self, fd: impl AsFd, port: PortIndex) -> io::Result<()> {
        self.add(fd, u64::from(port.0))
    }

    pub(super) fn add_edge(&self, fd: impl AsFd) -> io::Result<()> {
        self.add(fd, EDGE)
    }

    pub(super) fn add_upcall(&self, fd: impl AsFd) -> io::Result<()> {
        self.add(fd, UPCALL)
    }

    fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
        Ok(self.epoll.add(fd, event)?)
    }

    pub(super) fn remove(&self, fd: impl AsFd) {
        // A descriptor that is gone is out of the set already.
        let _ = self.epoll.delete(fd);
    }

    /// How many have something; [`Poll::event`] names them.
    pub(super) fn wait(&mut self, timeout: Duration) -> usize {
        let timeout = EpollTimeout::try_from(timeout).unwrap_or(EpollTimeout::ZERO);
        // Interrupted is as good as nothing there.
        self.epoll.wait(&mut self.events, timeout).unwrap_or(0)
    }

    pub(super) fn event(&self, position: usize) -> Event {
        match self.events[position].data() {
            WAKER => Event::Woken,
            UNDERLAY => Event::Underlay,
            UPCALL => Event::Upcall,
            EDGE => Event::Edge,
            token => Event::Tap(PortIndex(token as u32)),
        }
    }
}
