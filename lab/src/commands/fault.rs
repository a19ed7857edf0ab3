//! `weft lab fault`: what is wrong with hosts, on purpose.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use weft_model::HostName;

use super::{Global, ask, select};
use crate::{
    error::LabError,
    fault::{Delay, Fault, Loss, Rate},
    print::{self, Format},
    runtime::{
        dirs::LabDir,
        wire::{Answer, Request},
    },
};

const AFTER_HELP: &str = "\
Examples:
  weft lab fault set h1 --loss 5% --delay 20ms   a bad cable, each way
  weft lab fault set h2 --down                   unplugged
  weft lab fault set h3 --kill                   the host is dead
  weft lab fault set h1 --partition              only the controller is out of reach
  weft lab fault clear                           everything is well again";

/// Make hosts and cables fail.
#[derive(Debug, Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum FaultCommand {
    /// Make this, and nothing else, be wrong with a host.
    Set(SetArgs),
    /// Make a host, or all, well again.
    Clear {
        /// Which; all when left out.
        host: Option<HostName>,
    },
    /// Say what is wrong now.
    List,
}

/// What is to be wrong.
#[derive(Debug, Args)]
#[group(required = true, multiple = true, skip)]
pub struct SetArgs {
    /// The host.
    host: HostName,
    /// The share of packets that its cable loses, each way.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "0%",
        hide_default_value = true
    )]
    loss: Loss,
    /// How long its cable takes, each way.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "0us",
        hide_default_value = true
    )]
    delay: Delay,
    /// What its cable carries, each way.
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// Unplug its cable.
    #[arg(long)]
    down: bool,
    /// Kill its vswitch for good, and unplug its cable.
    #[arg(long)]
    kill: bool,
    /// Keep it from the controller.
    #[arg(long)]
    partition: bool,
}

impl SetArgs {
    fn fault(&self) -> Fault {
        Fault {
            down: self.down,
            killed: self.kill,
            partitioned: self.partition,
            loss: self.loss,
            delay: self.delay,
            rate: self.rate.unwrap_or_default(),
        }
    }
}

pub(super) fn fault(command: FaultCommand, global: &Global) -> Result<(), LabError> {
    let dir = select(global.lab.as_deref())?;
    match command {
        FaultCommand::Set(args) => {
            let fault = args.fault();
            if fault == Fault::default() {
                let message = "say what is to be wrong, or `weft lab fault clear`";
                return Err(LabError::Which(message.to_owned()));
            }
            set(&dir, args.host, fault)
        }
        FaultCommand::Clear { host: Some(host) } => set(&dir, host, Fault::default()),
        FaultCommand::Clear { host: None } => {
            ask(&dir, &Request::Plan { faults: Vec::new() })?;
            for host in faults(&dir)?.into_keys() {
                if let Ok(host) = host.parse() {
                    set(&dir, host, Fault::default())?;
                }
            }
            Ok(())
        }
        FaultCommand::List => list(&dir, global),
    }
}

fn set(dir: &LabDir, host: HostName, fault: Fault) -> Result<(), LabError> {
    ask(dir, &Request::Fault { host, fault }).map(drop)
}

/// What is wrong in a lab, by host.
pub(super) fn faults(dir: &LabDir) -> Result<BTreeMap<String, Fault>, LabError> {
    match ask(dir, &Request::Status)? {
        Answer::Status { faults, .. } => Ok(faults),
        _ => Ok(BTreeMap::new()),
    }
}

fn list(dir: &LabDir, global: &Global) -> Result<(), LabError> {
    let faults = faults(dir)?;
    if global.format == Format::Json {
        return Ok(print::json(&faults)?);
    }
    let mut table = print::table(&["HOST", "FAULT"]);
    for (host, fault) in &faults {
        table.add_row([host.clone(), fault.to_string()]);
    }
    Ok(print::line(&print::aligned(table))?)
}
