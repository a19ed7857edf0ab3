//! The command line's side of a lab's control socket.

use std::{
    io::{self, BufRead as _, BufReader, IoSlice, Write as _},
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::net::UnixStream,
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::{
    signal::{SigSet, Signal, kill},
    socket::{ControlMessage, MsgFlags, sendmsg},
};
use nix::unistd::Pid;

use super::{
    dirs::LabDir,
    wire::{Answer, Program, Request},
};

/// Why a lab could not be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket broke.
    #[error("lab {lab}: {source}")]
    Io {
        /// Which.
        lab: String,
        /// How.
        source: io::Error,
    },
    /// The lab said no.
    #[error("lab {lab}: {message}")]
    Refused {
        /// Which.
        lab: String,
        /// Why.
        message: String,
    },
}

/// How long a supervisor that has just come to be may take to listen.
const STARTUP: Duration = Duration::from_secs(5);

/// Whether a living supervisor may only not have come to listening yet.
fn starting(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// A connection to a lab.
#[derive(Debug)]
pub struct Control {
    lab: String,
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Control {
    /// Connects to a living lab.
    ///
    /// # Errors
    /// When its socket doesn't answer.
    pub fn connect(dir: &LabDir) -> Result<Self, ControlError> {
        let lab = dir.name.to_string();
        let open = || {
            let stream = UnixStream::connect(dir.control())?;
            let answers = BufReader::new(stream.try_clone()?);
            Ok((stream, answers))
        };
        let deadline = Instant::now() + STARTUP;
        loop {
            match open() {
                Ok((stream, answers)) => {
                    return Ok(Self {
                        lab,
                        stream,
                        answers,
                    });
                }
                Err(error) if starting(&error) && dir.alive() && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(source) => return Err(ControlError::Io { lab, source }),
            }
        }
    }

    fn io(&self) -> impl Fn(io::Error) -> ControlError + use<> {
        let lab = self.lab.clone();
        move |source| ControlError::Io {
            lab: lab.clone(),
            source,
        }
    }

    fn line(request: &Request) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        Ok(line)
    }

    /// The next answer.
    ///
    /// # Errors
    /// When the lab refuses, or ends.
    pub fn answer(&mut self) -> Result<Answer, ControlError> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        let gone = || io::Error::new(io::ErrorKind::UnexpectedEof, "it ended");
        let answer = match read {
            Ok(0) => Err(gone()),
            Ok(_) => serde_json::from_str(&line).map_err(Into::into),
            Err(error) => Err(error),
        };
        match answer.map_err(self.io())? {
            Answer::Failed { message } => Err(ControlError::Refused {
                lab: self.lab.clone(),
                message,
            }),
            answer => Ok(answer),
        }
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When the lab refuses, or ends.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ControlError> {
        let line = Self::line(request).map_err(self.io())?;
        self.stream.write_all(&line).map_err(self.io())?;
        self.answer()
    }

    /// Starts a program on these descriptors and waits for its end; its exit code.
    ///
    /// # Errors
    /// When it can't be started, or the lab ends.
    pub fn spawn(mut self, program: Program, files: [RawFd; 3]) -> Result<i32, ControlError> {
        self.start(program, files)?;
        self.forward_signals();
        self.end()
    }

    /// The same for a program that ends with this one: signals are this process's own.
    ///
    /// # Errors
    /// When it can't be started, or the lab ends.
    pub fn call(mut self, program: Program, files: [RawFd; 3]) -> Result<i32, ControlError> {
        self.start(program, files)?;
        self.end()
    }

    fn start(&mut self, program: Program, files: [RawFd; 3]) -> Result<(), ControlError> {
        let line = Self::line(&Request::Spawn(program)).map_err(self.io())?;
        let rights = [ControlMessage::ScmRights(&files)];
        let sent = sendmsg::<()>(
            self.stream.as_raw_fd(),
            &[IoSlice::new(&line)],
            &rights,
            MsgFlags::empty(),
            None,
        )
        .map_err(|e| self.io()(e.into()))?;
        self.stream.write_all(&line[sent..]).map_err(self.io())?;
        self.answer().map(|_| ())
    }

    fn end(&mut self) -> Result<i32, ControlError> {
        match self.answer()? {
            Answer::Exited { code } => Ok(code),
            other => Err(self.io()(io::Error::other(format!("unexpected {other:?}")))),
        }
    }

    /// The program is in another session, so the terminal's signals must be carried to it.
    fn forward_signals(&self) {
        let signals: SigSet = [
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGQUIT,
            Signal::SIGHUP,
        ]
        .into_iter()
        .collect();
        let (Ok(()), Ok(mut stream)) = (signals.thread_block(), self.stream.try_clone()) else {
            return;
        };
        // Without the thread the program still ends with this connection.
        let _ = thread::Builder::new().spawn(move || {
            while let Ok(signal) = signals.wait() {
                let signal = signal as i32;
                let sent = Self::line(&Request::Forward { signal })
                    .and_then(|line| stream.write_all(&line));
                if sent.is_err() {
                    return;
                }
            }
        });
    }
}

/// How long a lab may take to end when asked.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ends a lab, by force if need be; returns when its lock is free.
///
/// # Errors
/// When it lives on.
pub fn stop(dir: &LabDir) -> Result<(), ControlError> {
    let pid = dir.pid();
    if let Ok(mut control) = Control::connect(dir) {
        // An answer or none: what counts is whether it ends.
        let _ = control.ask(&Request::Shutdown);
    }
    if ends_within(dir, PATIENCE) {
        return Ok(());
    }
    if let Some(pid) = pid {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    if ends_within(dir, PATIENCE) {
        return Ok(());
    }
    Err(ControlError::Refused {
        lab: dir.name.to_string(),
        message: "it doesn't end, not even when killed".into(),
    })
}

fn ends_within(dir: &LabDir, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while dir.alive() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}
