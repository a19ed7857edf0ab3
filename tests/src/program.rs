//! Programs that end: their output, within a time.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// The command line, for messages.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Finished {
    /// The output of a program that must succeed.
    ///
    /// # Panics
    /// When it didn't.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.status.success(), "{self:#?}");
        self.stdout
    }

    /// The exit code; 255 after a signal.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(255)
    }
}

/// Runs a program to its end.
///
/// # Panics
/// When it can't be started, or doesn't end in time; it is killed then.
pub fn run(mut command: Command, input: &[u8], patience: Duration) -> Finished {
    let line = line(&command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let begin = Instant::now();
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    let stdin = child.stdin.take();
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    if let Some(mut stdin) = stdin {
        // A program that doesn't read its input is no error.
        let _ = std::io::Write::write_all(&mut stdin, input);
    }
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() >= patience {
            let _ = child.kill();
            let _ = child.wait();
            let (out, err) = (stdout.join().unwrap(), stderr.join().unwrap());
            panic!("{line}: not done after {patience:?}; it said:\n{out}\n{err}");
        }
        thread::sleep(Duration::from_millis(2));
    };
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    Finished {
        line,
        status,
        stdout,
        stderr,
        took: begin.elapsed(),
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The command as a person would write it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The directory of the profile that this test was built in: `target/debug`, say.
fn profile() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let deps = test.parent().unwrap();
    deps.parent().unwrap().to_owned()
}

/// The `weft` binary: `WEFT_BIN`, else the one that was built beside this test.
///
/// # Panics
/// When there is none, saying how to build it.
pub fn weft_program() -> PathBuf {
    if let Some(path) = std::env::var_os("WEFT_BIN") {
        return std::fs::canonicalize(&path).unwrap_or_else(|e| panic!("WEFT_BIN {path:?}: {e}"));
    }
    let path = profile().join("weft");
    let release = path.ends_with("release/weft");
    let flag = if release { " --release" } else { "" };
    assert!(
        path.is_file(),
        "{path:?} is missing: run `cargo build --package weft{flag}` first"
    );
    path
}

/// The program that tests run in workloads; cargo builds it with the tests.
pub(crate) fn peer_program() -> PathBuf {
    let path = profile().join("weft-peer");
    assert!(
        path.is_file(),
        "{path:?} is missing: run `cargo build --package weft-tests` first"
    );
    path
}

/// Whether everybody may run that file where it lies.
pub(crate) fn everybodys(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.ancestors().all(|part| {
        let mode = std::fs::metadata(part).map_or(0, |meta| meta.permissions().mode());
        mode & 0o1 != 0
    })
}
