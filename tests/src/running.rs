//! A program that runs beside the test, its output read line by line.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use crate::program::line;

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running program; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Running {
    /// Starts it.
    ///
    /// # Panics
    /// When that fails.
    pub fn start(mut command: Command) -> Self {
        let name = line(&command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let (sender, lines) = channel();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let errors = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = errors.send(format!("stderr: {line}"));
            }
        });
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let stdin = child.stdin.take();
        Self {
            name,
            child,
            stdin,
            lines,
        }
    }

    /// The next line.
    ///
    /// # Panics
    /// When none comes in time.
    #[track_caller]
    pub fn next(&self) -> String {
        self.next_within(PATIENCE)
    }

    /// The next line, of something that takes its time.
    ///
    /// # Panics
    /// When none comes within that.
    #[track_caller]
    pub fn next_within(&self, patience: Duration) -> String {
        match self.lines.recv_timeout(patience) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("{}: silent for {patience:?}", self.name),
            Err(RecvTimeoutError::Disconnected) => panic!("{}: it ended", self.name),
        }
    }

    /// The next line, which must be that.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn expect(&self, wanted: &str) {
        assert_eq!(self.next(), wanted, "{}", self.name);
    }

    /// Writes a line to its standard input and gives its answer.
    ///
    /// # Panics
    /// When it has ended, or doesn't answer.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap_or_else(|error| panic!("{}: {error}", self.name));
        self.next()
    }

    /// Ends its standard input; the next line.
    #[track_caller]
    pub fn finish(&mut self) -> String {
        self.stdin = None;
        self.next()
    }

    /// The lines that came up to now.
    pub fn said(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// When the system can't say.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end by itself; whether it succeeded.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn wait(&mut self, patience: Duration) -> bool {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(
                begin.elapsed() < patience,
                "{}: not done after {patience:?}",
                self.name
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
