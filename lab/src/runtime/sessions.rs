//! One connection on the control socket: requests, and programs that live as long as it does.

use std::{
    io::{self, IoSliceMut, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    process::Stdio,
    sync::{Arc, mpsc},
    thread,
};

use nix::{
    sys::{
        signal::Signal,
        socket::{ControlMessageOwned, MsgFlags, recvmsg},
    },
    unistd::Pid,
};

use super::{
    faults, netns,
    process::{command, signal_group, spawn},
    stage,
    supervisor::{Lab, shut_down},
    wire::{Answer, MAX_MESSAGE, Program, Request},
};

/// Answers requests until the other side closes.
pub(super) fn serve(lab: &Arc<Lab>, connection: &UnixStream) -> io::Result<()> {
    let mut inbox = Inbox::new(connection);
    while let Some(request) = inbox.next()? {
        if let Request::Spawn(program) = request {
            return program_session(lab, connection, inbox, program);
        }
        let last = request == Request::Shutdown;
        answer(connection, &handle(lab, request))?;
        if last {
            shut_down(lab);
        }
    }
    Ok(())
}

fn handle(lab: &Arc<Lab>, request: Request) -> Answer {
    let done = match request {
        Request::Status => {
            let state = lab.state();
            return Answer::Status {
                processes: state.processes.status(),
                stage: state.stage.clone(),
                faults: state.faults.clone(),
            };
        }
        Request::Pending { expected } => match stage::pending(lab, &expected) {
            Ok(lacking) => return Answer::Pending { lacking },
            Err(error) => Err(error),
        },
        Request::Stage(stage) => stage::apply(lab, stage),
        Request::Commands { commands } => stage::commands(lab, &commands),
        Request::Fault { host, fault } => faults::set(lab, &host, fault),
        Request::Plan { faults } => faults::plan(lab, faults),
        Request::Signal { process, signal } => signal_process(lab, &process, signal),
        Request::Forward { .. } | Request::Spawn(_) => {
            Err(io::Error::other("no program runs here"))
        }
        Request::Shutdown => Ok(()),
    };
    match done {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Failed {
            message: error.to_string(),
        },
    }
}

fn signal_process(lab: &Lab, process: &str, signal: i32) -> io::Result<()> {
    let signal = Signal::try_from(signal)?;
    if lab.state().processes.signal(process, signal) {
        return Ok(());
    }
    Err(io::Error::other(format!("no process `{process}` runs")))
}

fn answer(mut connection: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    connection.write_all(&line)
}

/// Runs a program until it ends, or ends it when its connection closes.
fn program_session(
    lab: &Arc<Lab>,
    connection: &UnixStream,
    mut inbox: Inbox<'_>,
    program: Program,
) -> io::Result<()> {
    let (sender, ended) = mpsc::channel();
    let pid = match start(lab, program, std::mem::take(&mut inbox.files), sender) {
        Ok(pid) => pid,
        Err(error) => {
            let message = error.to_string();
            return answer(connection, &Answer::Failed { message });
        }
    };
    lab.wake();
    answer(connection, &Answer::Started)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            while let Ok(Some(Request::Forward { signal })) = inbox.next() {
                if let Ok(signal) = Signal::try_from(signal) {
                    signal_group(pid, signal);
                }
            }
            // After a normal end there is nobody to signal: a group's number is not given out again
            // while this connection's program has only just been reaped.
            if lab.state().sessions.contains_key(&pid) {
                signal_group(pid, Signal::SIGKILL);
            }
        });
        let code = ended.recv().unwrap_or(255);
        let told = answer(connection, &Answer::Exited { code });
        let _ = connection.shutdown(std::net::Shutdown::Both);
        told
    })
}

fn start(
    lab: &Lab,
    program: Program,
    files: Vec<OwnedFd>,
    ended: mpsc::Sender<i32>,
) -> io::Result<Pid> {
    let mut files = files.into_iter();
    let (Some(stdin), Some(stdout), Some(stderr)) = (files.next(), files.next(), files.next())
    else {
        return Err(io::Error::other(
            "three descriptors must come with a program",
        ));
    };
    let mut command = command(&program.argv)?;
    command
        .env_clear()
        .envs(&program.env)
        .env("WEFT_LAB", lab.dir.name.as_str())
        .current_dir(&program.cwd)
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::from(stderr));
    let mut state = lab.state();
    let netns = match &program.workload {
        None => None,
        Some(name) => {
            command.env("WEFT_WORKLOAD", name);
            let missing = || io::Error::other(format!("there is no workload {name}"));
            Some(state.staged.netns(name).ok_or_else(missing)?)
        }
    };
    netns::enter(&mut command, netns, program.tty);
    let what = program.argv[0].clone();
    let pid = spawn(&mut command)
        .map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))?;
    state.sessions.insert(pid, ended);
    Ok(pid)
}

/// Lines from a connection, with the descriptors that came along.
struct Inbox<'c> {
    connection: &'c UnixStream,
    read: Vec<u8>,
    files: Vec<OwnedFd>,
    started: bool,
}

impl<'c> Inbox<'c> {
    const fn new(connection: &'c UnixStream) -> Self {
        Self {
            connection,
            read: Vec::new(),
            files: Vec::new(),
            started: false,
        }
    }

    fn next(&mut self) -> io::Result<Option<Request>> {
        loop {
            if let Some(end) = self.read.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            if self.read.len() > MAX_MESSAGE {
                return Err(io::Error::other("a message is too long"));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 << 10];
        let count = if self.started {
            let mut connection = self.connection;
            connection.read(&mut buffer)?
        } else {
            self.started = true;
            self.first(&mut buffer)?
        };
        self.read.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    /// Descriptors come with the first byte of a connection, if at all.
    fn first(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut space = nix::cmsg_space!([RawFd; 3]);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<()>(
            self.connection.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = control {
                self.files.extend(raw.into_iter().map(own));
            }
        }
        Ok(message.bytes)
    }
}

#[allow(unsafe_code)]
fn own(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for this process; nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}
