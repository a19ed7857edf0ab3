//! What there is: labs, processes, logs.

use nix::sys::signal::Signal;
use serde::Serialize;

use super::{Global, ask, select, stored};
use crate::{
    error::LabError,
    print::{self, Format},
    runtime::{
        dirs::{LabDir, Labs},
        wire::{Answer, ProcessStatus, Request},
    },
};

#[derive(Serialize)]
struct Row {
    name: String,
    state: &'static str,
    hosts: usize,
    workloads: usize,
    pid: Option<i32>,
    controller: String,
}

fn row(dir: &LabDir) -> Row {
    let topology = stored(dir).ok();
    let count = |of: fn(&crate::topology::Topology) -> usize| topology.as_ref().map_or(0, of);
    let pid = dir.pid();
    Row {
        name: dir.name.to_string(),
        state: if pid.is_some() { "up" } else { "dead" },
        hosts: count(|t| t.hosts.len()),
        workloads: count(|t| t.workloads.len()),
        pid,
        controller: dir.controller_uri(),
    }
}

pub(super) fn list(global: &Global) -> Result<(), LabError> {
    let rows: Vec<Row> = Labs::open()?.list()?.iter().map(row).collect();
    if global.format == Format::Json {
        return Ok(print::json(&rows)?);
    }
    let mut table = print::table(&["LAB", "STATE", "HOSTS", "WORKLOADS", "PID", "CONTROLLER"]);
    for r in &rows {
        table.add_row([
            r.name.clone(),
            r.state.to_owned(),
            r.hosts.to_string(),
            r.workloads.to_string(),
            r.pid.map(|p| p.to_string()).unwrap_or_default(),
            r.controller.clone(),
        ]);
    }
    Ok(print::line(&print::aligned(table))?)
}

fn processes(dir: &LabDir) -> Result<Vec<ProcessStatus>, LabError> {
    match ask(dir, &Request::Status)? {
        Answer::Status { processes, .. } => Ok(processes),
        _ => Ok(Vec::new()),
    }
}

pub(super) fn status(global: &Global) -> Result<(), LabError> {
    let dir = select(global.lab.as_deref())?;
    let all = processes(&dir)?;
    if global.format == Format::Json {
        return Ok(print::json(&all)?);
    }
    let mut table = print::table(&["PROCESS", "STATE", "PID IN LAB", "RESTARTS", "LAST EXIT"]);
    for p in &all {
        table.add_row([
            p.name.clone(),
            p.state.clone(),
            p.pid.map(|n| n.to_string()).unwrap_or_default(),
            p.restarts.to_string(),
            p.last_exit.map(|n| n.to_string()).unwrap_or_default(),
        ]);
    }
    Ok(print::line(&print::aligned(table))?)
}

pub(super) fn logs(process: Option<&str>, global: &Global) -> Result<(), LabError> {
    let dir = select(global.lab.as_deref())?;
    let Some(process) = process else {
        for p in processes(&dir)? {
            print::line(&p.name)?;
        }
        return Ok(print::line("supervisor")?);
    };
    if process.contains('/') {
        return Err(LabError::Which(format!("`{process}` is no process's name")));
    }
    let path = dir.log(process);
    let text = std::fs::read(&path).map_err(|source| LabError::File {
        path: path.display().to_string(),
        source,
    })?;
    Ok(print::line(String::from_utf8_lossy(&text).trim_end())?)
}

pub(super) fn signal(process: String, signal: &str, global: &Global) -> Result<(), LabError> {
    let dir = select(global.lab.as_deref())?;
    let upper = signal.to_uppercase();
    let full = format!("SIG{}", upper.trim_start_matches("SIG"));
    let signal: Signal = full
        .parse()
        .map_err(|_| LabError::Which(format!("`{signal}` is no signal: use a name, as KILL")))?;
    let signal = signal as i32;
    ask(&dir, &Request::Signal { process, signal })?;
    Ok(())
}
