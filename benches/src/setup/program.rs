//! Programs of others, in a namespace: run once, or for as long as a path lives.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::{BenchError, io, netns::Netns};

/// The end of what a failing program printed that is worth showing.
const SAID: usize = 300;

/// Runs `argv` in the namespace with `input`, and gives what it printed.
///
/// # Errors
/// When it isn't installed, or fails: with what it said.
pub(super) fn run(netns: &Netns, argv: &[&str], input: &str) -> Result<String, BenchError> {
    netns.run(|| {
        let mut child = command(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io("start a peer's program"))?;
        let fed = child
            .stdin
            .take()
            .map(|mut to| to.write_all(input.as_bytes()));
        let output = child
            .wait_with_output()
            .map_err(io("wait for a peer's program"))?;
        // One that ends without reading says why itself.
        drop(fed);
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().chars().take(SAID).collect();
        let program = argv.join(" ").chars().take(SAID).collect();
        Err(BenchError::Program { program, said })
    })
}

/// Whether this machine has the program.
pub(super) fn has(program: &'static str) -> Result<(), BenchError> {
    find(program)
        .map(drop)
        .ok_or(BenchError::NoProgram(program))
}

/// In a directory of the path, or where daemons are: an ordinary user's path lacks those.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut files = dirs.map(|dir| dir.join(program));
    files.find(|file| file.is_file())
}

/// The program's command; one that isn't there fails when it is started.
fn command(argv: &[&str]) -> Command {
    let program = argv.first().copied().unwrap_or_default();
    let mut command = Command::new(find(program).unwrap_or_else(|| program.into()));
    command.args(argv.iter().skip(1));
    command
}

/// A program that carries a path: killed with it.
#[derive(Debug)]
pub struct Daemon(Child);

impl Daemon {
    /// Starts `argv` in the namespace.
    pub(super) fn start(
        netns: &Netns,
        argv: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Self, BenchError> {
        netns.run(|| {
            command(argv)
                .envs(env.iter().copied())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map(Self)
                .map_err(io("start a peer's daemon"))
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only where it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
