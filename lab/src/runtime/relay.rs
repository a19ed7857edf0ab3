//! A bad cable: carries frames between two devices, late, slowly, or not at all.
//!
//! A process of its own in the lab's namespace, since not every kernel has `netem`. Frames keep their
//! offload headers, so that a segment of 64 KiB crosses as one.

#![allow(unsafe_code)]

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::fault::{Fate, Fault, Shaper};

/// Frames on their way through the cable, each way; past it they are lost.
const IN_FLIGHT: usize = 16_384;
/// The largest super frame with its offload header.
const LONGEST: usize = (64 << 10) + 256;
/// Frames taken from one side before the other gets its turn.
const TURN: usize = 64;

/// Carries frames between these devices until killed.
pub(crate) fn run(devices: [&str; 2], fault: &Fault) -> io::Result<()> {
    let [one, two] = devices.map(open);
    let (one, two) = (one?, two?);
    let way = |seed: u64| Way {
        shaper: Shaper::new(fault.loss, fault.delay, fault.rate),
        random: seed,
        flying: BinaryHeap::new(),
        number: 0,
    };
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let seed = u64::from_ne_bytes(seed) | 1;
    let mut ways = [(way(seed), &one, &two), (way(!seed | 1), &two, &one)];
    let started = Instant::now();
    let mut buffer = vec![0; LONGEST];
    loop {
        let due = ways.iter().filter_map(|(way, ..)| way.due()).min();
        wait(
            &one,
            &two,
            due.map(|due| due.saturating_sub(started.elapsed())),
        )?;
        for (way, from, to) in &mut ways {
            way.take(from, started, &mut buffer)?;
            way.give(to, started.elapsed());
        }
    }
}

/// One way through the cable.
struct Way {
    shaper: Shaper,
    random: u64,
    /// By when they come out, then by when they went in.
    flying: BinaryHeap<Reverse<(Duration, u64, Vec<u8>)>>,
    number: u64,
}

impl Way {
    fn due(&self) -> Option<Duration> {
        self.flying.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes what waits at the device.
    fn take(&mut self, from: &OwnedFd, started: Instant, buffer: &mut [u8]) -> io::Result<()> {
        for _ in 0..TURN {
            let Some(length) = receive(from, buffer)? else {
                return Ok(());
            };
            let random = self.draw();
            let fate = self.shaper.offer(started.elapsed(), length, random);
            if let Fate::At(at) = fate
                && self.flying.len() < IN_FLIGHT
            {
                self.number += 1;
                let frame = buffer[..length].to_vec();
                self.flying.push(Reverse((at, self.number, frame)));
            }
        }
        Ok(())
    }

    /// Gives the other device what has come through.
    fn give(&mut self, to: &OwnedFd, now: Duration) {
        while self.due().is_some_and(|due| due <= now) {
            if let Some(Reverse((.., frame))) = self.flying.pop() {
                // A device without room loses it, as a wire would.
                let _ = nix::unistd::write(to, &frame);
            }
        }
    }

    /// Xorshift: nobody's secret hangs on which packets are lost.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 16
    }
}

fn wait(one: &OwnedFd, two: &OwnedFd, rest: Option<Duration>) -> io::Result<()> {
    let readable = PollFlags::POLLIN;
    let mut fds = [
        PollFd::new(one.as_fd(), readable),
        PollFd::new(two.as_fd(), readable),
    ];
    let rest = rest.map_or(1000, |rest| rest.as_micros().div_ceil(1000).min(1000));
    let timeout = PollTimeout::from(rest as u16);
    match poll(&mut fds, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn receive(from: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match nix::unistd::read(from, buffer) {
        Ok(length) => Ok(Some(length)),
        // ENETDOWN comes once when a device goes down, and it may come up again.
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::ENETDOWN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A socket for all frames that come out of the device, and for sending into it.
fn open(device: &str) -> io::Result<OwnedFd> {
    let index = nix::net::if_::if_nametoindex(device)?;
    let every = (libc::ETH_P_ALL as u16).to_be();
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is handed over.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, every.into()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    option(&socket, libc::PACKET_VNET_HDR)?;
    option(&socket, libc::PACKET_IGNORE_OUTGOING)?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: every,
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the address lives through the call, and its length is its own.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        )
    };
    if bound < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket)
}

fn option(socket: &OwnedFd, name: i32) -> io::Result<()> {
    let on: i32 = 1;
    // SAFETY: the value lives through the call, and its length is its own.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            name,
            (&raw const on).cast(),
            size_of::<i32>() as u32,
        )
    };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
