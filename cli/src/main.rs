//! The `weft` binary: the daemons, the lab, and a client of the controller's API.
#![forbid(unsafe_code)]

mod api;
mod args;
mod dispatch;
mod doctor;
mod error;
mod explain;
mod inspect;
mod meter;
mod output;
mod resource;
mod system;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::{
    args::{Cli, Command},
    error::CliError,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, CliError> {
    let format = cli.output;
    match cli.command {
        Command::Controller(options) => daemon(weft_controller::run(options)),
        Command::Vswitch(options) => daemon(weft_vswitch::run(&options)),
        Command::Lab(command) => {
            let global = weft_lab::Global {
                lab: cli.endpoint.lab,
                format,
            };
            Ok(weft_lab::run(command, &global))
        }
        Command::Observe(args) => watch::observe::run(&cli.endpoint, format, &args),
        Command::Capture(args) => watch::capture::run(&cli.endpoint, &args),
        Command::Inspect(args) => inspect::run(cli.endpoint.lab.as_deref(), format, args),
        Command::Explain(args) => explain::block_on(&cli.endpoint, format, args),
        Command::Bench(args) => {
            weft_benches::command::run(&args, format == output::Format::Json)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor => doctor::run(format),
        Command::Completion { shell } => {
            // Into memory first: a reader that goes away early is no reason to panic.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "weft", &mut script);
            output::lines(String::from_utf8_lossy(&script).trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Api(command) => dispatch::block_on(cli.endpoint, format, *command),
    }
}

fn daemon<E: std::error::Error + Send + Sync + 'static>(
    outcome: Result<(), E>,
) -> Result<ExitCode, CliError> {
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(CliError::Daemon(Box::new(error))),
    }
}
