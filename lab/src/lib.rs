//! Weft clouds in network namespaces: from one topology file to real packets, and away again.

pub mod api;
pub mod apply;
mod commands;
mod error;
pub mod fault;
mod print;
pub mod probe;
pub mod runtime;
pub mod scenario;
pub mod topology;

use std::process::ExitCode;

pub use commands::{Global, LabCommand};
pub use error::LabError;
pub use print::{Format, aligned};

/// Runs a lab command; call it before starting threads or an async runtime.
pub fn run(command: LabCommand, global: &Global) -> ExitCode {
    match commands::dispatch(command, global) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            print::progress(&format!("{}{error}", prefix(&error)));
            ExitCode::from(error.exit_code())
        }
    }
}

/// A rejected topology brings its own.
const fn prefix(error: &LabError) -> &'static str {
    match error {
        LabError::Topology(_) => "",
        _ => "error: ",
    }
}

/// The address of a living lab's controller, as `unix:///...`.
///
/// # Errors
/// When there is no such lab.
pub fn controller_url(lab: &str) -> Result<String, LabError> {
    commands::select(Some(lab)).map(|dir| dir.controller_uri())
}

/// Every host of a living lab with its vswitch's run directory.
///
/// # Errors
/// When there is no such lab, or its topology can't be read.
pub fn run_dirs(lab: &str) -> Result<Vec<(weft_model::HostName, std::path::PathBuf)>, LabError> {
    let dir = commands::select(Some(lab))?;
    let topology = commands::stored(&dir)?;
    let hosts = topology.hosts.into_iter().map(|host| host.name.value);
    Ok(hosts.map(|host| (host.clone(), dir.run(&host))).collect())
}

/// The run directory of a host's vswitch in a living lab: its inspection socket is there.
///
/// # Errors
/// When there is no such lab.
pub fn run_dir(lab: &str, host: &weft_model::HostName) -> Result<std::path::PathBuf, LabError> {
    commands::select(Some(lab)).map(|dir| dir.run(host))
}

/// Where the objects of a living lab are written, and what they are called there.
///
/// # Errors
/// When there is no such lab, or its controller doesn't answer.
pub async fn places(lab: &str) -> Result<apply::Places, LabError> {
    let dir = commands::select(Some(lab))?;
    let topology = commands::stored(&dir)?;
    let view = apply::View::load(&api::Api::connect(&dir).await?).await?;
    Ok(apply::Places::of(&view, &topology))
}
