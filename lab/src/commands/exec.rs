//! `weft lab exec` and `shell`.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    os::fd::AsRawFd as _,
};

use super::{Global, pty, select_by_workload};
use crate::{
    error::LabError,
    runtime::{client::Control, wire::Program},
};

fn program(workload: Option<&str>, argv: Vec<String>, tty: bool) -> Program {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let env: BTreeMap<String, String> = std::env::vars_os().filter_map(text).collect();
    Program {
        workload: workload.map(str::to_owned),
        argv,
        env,
        // A directory that is gone is no reason to refuse.
        cwd: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        tty,
    }
}

/// The program's exit code as this command's.
fn code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(255)
}

pub(super) fn exec(workload: &str, argv: Vec<String>, global: &Global) -> Result<u8, LabError> {
    let dir = select_by_workload(global.lab.as_deref(), workload)?;
    let control = Control::connect(&dir)?;
    let files = [
        io::stdin().as_raw_fd(),
        io::stdout().as_raw_fd(),
        io::stderr().as_raw_fd(),
    ];
    Ok(code(
        control.spawn(program(Some(workload), argv, false), files)?,
    ))
}

pub(super) fn shell(workload: &str, global: &Global) -> Result<u8, LabError> {
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into());
    if !io::stdin().is_terminal() {
        return exec(workload, vec![shell], global);
    }
    let dir = select_by_workload(global.lab.as_deref(), workload)?;
    let control = Control::connect(&dir)?;
    let terminal = pty::Terminal::open()?;
    let slave = terminal.slave();
    let ended = control.spawn(program(Some(workload), vec![shell], true), [slave; 3]);
    drop(terminal);
    Ok(code(ended?))
}
