//! A pseudo-terminal between the user's terminal and a shell in a workload.
#![allow(unsafe_code)]

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
    thread,
};

use nix::{
    pty::{Winsize, openpty},
    sys::{
        signal::{SigSet, Signal},
        termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr},
    },
};

/// The user's terminal in raw mode, its bytes carried to and from a pseudo-terminal.
pub(super) struct Terminal {
    before: Termios,
    slave: OwnedFd,
}

impl Terminal {
    pub(super) fn open() -> io::Result<Self> {
        let before = tcgetattr(io::stdin().as_fd())?;
        let size = size().unwrap_or(Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        });
        let pair = openpty(Some(&size), Some(&before))?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &raw)?;
        let terminal = Self {
            before,
            slave: pair.slave,
        };
        carry(pair.master)?;
        Ok(terminal)
    }

    pub(super) fn slave(&self) -> RawFd {
        self.slave.as_raw_fd()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where the terminal itself is gone there is nothing to restore.
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, &self.before);
    }
}

/// Starts the threads that carry bytes and window sizes; they end with the process.
fn carry(master: OwnedFd) -> io::Result<()> {
    let mut keys = File::from(master.try_clone()?);
    let mut screen = File::from(master.try_clone()?);
    let mut resized = SigSet::empty();
    resized.add(Signal::SIGWINCH);
    resized.thread_block()?;
    thread::Builder::new().spawn(move || pump(&mut io::stdin(), &mut keys))?;
    thread::Builder::new().spawn(move || pump(&mut screen, &mut io::stdout()))?;
    thread::Builder::new().spawn(move || {
        while resized.wait().is_ok() {
            if let Some(size) = size() {
                resize(&master, &size);
            }
        }
    })?;
    Ok(())
}

fn pump(from: &mut impl io::Read, to: &mut impl io::Write) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let sent = to.write_all(&buffer[..count]).and_then(|()| to.flush());
        if sent.is_err() {
            return;
        }
    }
}

nix::ioctl_read_bad!(get_size, libc::TIOCGWINSZ, Winsize);
nix::ioctl_write_ptr_bad!(set_size, libc::TIOCSWINSZ, Winsize);

fn size() -> Option<Winsize> {
    let mut size = Winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the kernel writes one `winsize` to the pointer, which is to one.
    unsafe { get_size(io::stdin().as_raw_fd(), &raw mut size) }.ok()?;
    Some(size)
}

fn resize(master: &OwnedFd, size: &Winsize) {
    // SAFETY: the kernel reads one `winsize` from the pointer, which is to one.
    let _ = unsafe { set_size(master.as_raw_fd(), size) };
}
