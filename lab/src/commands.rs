//! The commands of `weft lab`.

mod check;
mod down;
mod env;
mod exec;
mod fault;
mod grade;
mod graph;
mod list;
mod matrix;
mod pty;
mod scenarios;
mod up;

use std::{future::Future, path::PathBuf};

use clap::{Args, Subcommand};
use weft_model::DatapathChoice;

use crate::{
    error::LabError,
    print::{self, Format},
    probe,
    runtime::{
        client::Control,
        dirs::{LabDir, Labs},
        relay, supervisor,
        wire::Request,
    },
    scenario::{self, Setting},
    topology::{LabName, Topology, Transport},
};

const AFTER_HELP: &str = "\
Examples:
  weft lab up quickstart                        2 hosts, 2 tenants, 3 tiers
  weft lab check                                prove what must and must not reach
  weft lab exec web-1 -- ip address             run a program in a workload
  weft lab up scale --set hosts=8 --set workloads=100
  weft lab up my-lab.yaml                       your own; again after editing it
  weft lab up three-tier --broken               an exercise; `weft lab scenarios` lists them
  weft lab grade three-tier                     mark it
  weft lab down                                 take it all away

Exit codes: 0 done; 1 a check or the command failed; 2 wrong usage or topology; 3 the system
lacks something. `exec` and `shell` end with the program's own code.";

/// Bring up, check and take down clouds in namespaces on this machine.
#[derive(Debug, Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum LabCommand {
    /// Bring a topology up, or make the running lab be what the file says now.
    Up(UpArgs),
    /// Take a lab away, with everything in it.
    Down {
        /// Which; may be left away if there is only one.
        name: Option<LabName>,
        /// All labs of this user.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// List labs.
    List,
    /// Say what runs in a lab, and its controller's address.
    Status,
    /// Run a program in a workload's namespace, or in a host's as `host:NAME`.
    Exec {
        /// The workload, or `host:NAME`.
        workload: String,
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Open a shell in a workload's namespace.
    Shell {
        /// The workload.
        workload: String,
    },
    /// Try every check of the topology with real packets.
    Check,
    /// Mark an exercise in the lab that is up: what of it is done, and what decides the rest.
    #[command(
        after_help = "Examples:\n  weft lab up three-tier --broken   begin\n  weft lab grade three-tier         how far it is\n  weft lab grade homework.yaml      by the criteria of a file\n\nExit codes: 0 everything is met; 1 it isn't; 2 wrong usage or topology."
    )]
    Grade(GradeArgs),
    /// List the topologies that come with the program, and which have an exercise.
    Scenarios,
    /// Show who reaches whom.
    Matrix(MatrixArgs),
    /// Draw the topology.
    Graph {
        /// For Graphviz: `weft lab graph --dot | dot -Tsvg`.
        #[arg(long)]
        dot: bool,
    },
    /// Print the log of a process, or list the processes that have one.
    Logs {
        /// As `weft lab status` names it.
        process: Option<String>,
    },
    /// Send a signal to a process of a lab: `weft lab signal vswitch-h1 KILL`.
    Signal {
        /// As `weft lab status` names it.
        process: String,
        /// A signal's name.
        #[arg(default_value = "TERM")]
        signal: String,
    },
    /// Make hosts and cables fail, and be well again.
    #[command(subcommand)]
    Fault(fault::FaultCommand),
    /// Check a topology and create nothing.
    Validate(SourceArgs),
    /// Print a built-in topology, to read or to start from.
    Render(SourceArgs),
    /// Print the environment that leads programs to a lab's controller: `eval $(weft lab env)`.
    Env {
        /// The ids of all that has a name, too: `$sg_web`, `$eni_web_1`, `$sgr_web_in_1` for a
        /// group's first ingress rule. In a lab of several VPCs the VPC comes first: `$sg_shop_web`.
        #[arg(long)]
        ids: bool,
    },
    /// Remove what dead labs left in the directory of labs.
    Gc,
    /// The first process of a lab.
    #[command(hide = true)]
    Supervise {
        /// The lab's directory.
        dir: PathBuf,
    },
    /// Packets for `check`.
    #[command(hide = true)]
    Probe,
    /// A bad cable between two devices.
    #[command(hide = true)]
    Cable {
        /// The device on one side.
        one: String,
        /// The device on the other.
        two: String,
        /// What is wrong with it, as JSON.
        #[arg(long)]
        fault: String,
    },
}

/// What to bring up.
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    /// A topology file, or a scenario of `weft lab scenarios`.
    pub topology: String,
    /// As its exercise begins: a scenario with what is to be mended.
    #[arg(long)]
    pub broken: bool,
    /// A scenario's parameter.
    #[arg(long, value_name = "KEY=NUMBER")]
    pub set: Vec<Setting>,
}

/// How to bring it up.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Call the lab so instead of the file's `name`.
    #[arg(long)]
    pub(crate) name: Option<LabName>,
    /// Leave a lab that failed to come up as it is, to look at.
    #[arg(long)]
    pub(crate) keep_on_failure: bool,
    /// Without a user namespace; needs root, and is root's default.
    #[arg(long, conflicts_with = "rootless")]
    pub(crate) root: bool,
    /// In a user namespace, even as root.
    #[arg(long)]
    pub(crate) rootless: bool,
    /// What forwards every host's packets, whatever the topology says: `userspace`, `auto` (the kernel
    /// where it can be), or `kernel`, which needs a lab as root.
    #[arg(long, value_name = "auto|userspace|kernel", env = "WEFT_DATAPATH")]
    pub(crate) datapath: Option<DatapathChoice>,
    /// How long hosts and devices may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,
}

/// What to mark.
#[derive(Debug, Clone, Args)]
pub struct GradeArgs {
    /// A scenario, or a topology file with an exercise; the lab's own without.
    pub(crate) topology: Option<String>,
    /// Show what was expected and seen of what is met, too.
    #[arg(long)]
    pub(crate) all: bool,
    /// Keep the hints back.
    #[arg(long)]
    pub(crate) no_hints: bool,
}

/// What to try between all workloads.
#[derive(Debug, Clone, Args)]
pub struct MatrixArgs {
    /// `tcp`, `udp` or `icmp`.
    #[arg(long, default_value = "icmp", value_parser = transport)]
    pub(crate) protocol: Transport,
    /// The port of TCP and UDP.
    #[arg(long, default_value_t = 80)]
    pub(crate) port: u16,
    /// Over IPv6.
    #[arg(long)]
    pub(crate) ipv6: bool,
}

fn transport(text: &str) -> Result<Transport, String> {
    match text {
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        "icmp" => Ok(Transport::Icmp),
        _ => Err("use tcp, udp or icmp".into()),
    }
}

/// What was said for all commands.
#[derive(Debug, Clone, Default)]
pub struct Global {
    /// Which lab.
    pub lab: Option<String>,
    /// How to print.
    pub format: Format,
}

/// Runs a command; its exit code.
pub(crate) fn dispatch(command: LabCommand, global: &Global) -> Result<u8, LabError> {
    match command {
        LabCommand::Up(args) => up::up(&args, global).map(|()| 0),
        LabCommand::Down { name, all } => down::down(name, all, global).map(|()| 0),
        LabCommand::List => list::list(global).map(|()| 0),
        LabCommand::Status => list::status(global).map(|()| 0),
        LabCommand::Exec { workload, command } => exec::exec(&workload, command, global),
        LabCommand::Shell { workload } => exec::shell(&workload, global),
        LabCommand::Check => check::check(global).map(|()| 0),
        LabCommand::Grade(args) => grade::grade(&args, global).map(|()| 0),
        LabCommand::Scenarios => scenarios::list(global).map(|()| 0),
        LabCommand::Matrix(args) => matrix::matrix(&args, global).map(|()| 0),
        LabCommand::Graph { dot } => graph::graph(dot, global).map(|()| 0),
        LabCommand::Logs { process } => list::logs(process.as_deref(), global).map(|()| 0),
        LabCommand::Signal { process, signal } => {
            list::signal(process, &signal, global).map(|()| 0)
        }
        LabCommand::Fault(command) => fault::fault(command, global).map(|()| 0),
        LabCommand::Cable { one, two, fault } => {
            let fault = serde_json::from_str(&fault).map_err(std::io::Error::from)?;
            Ok(relay::run([&one, &two], &fault).map(|()| 0)?)
        }
        LabCommand::Validate(source) => validate(&source).map(|()| 0),
        LabCommand::Render(source) => render(&source).map(|()| 0),
        LabCommand::Env { ids } => env::env(ids, global).map(|()| 0),
        LabCommand::Gc => down::gc(global).map(|()| 0),
        LabCommand::Supervise { dir } => Err(supervisor::run(&dir).into()),
        LabCommand::Probe => Ok(probe::run().map(|()| 0)?),
    }
}

/// A topology's name for messages, and its text.
pub(crate) fn source(args: &SourceArgs) -> Result<(String, String), LabError> {
    let name = &args.topology;
    let is_scenario = scenario::ALL.iter().any(|s| s.name == name.as_str());
    if is_scenario {
        return Ok((
            name.clone(),
            scenario::render(name, &args.set, args.broken)?,
        ));
    }
    match std::fs::read_to_string(name) {
        Ok(_) if args.broken => {
            Err(scenario::ScenarioError::NoExercise { name: name.clone() }.into())
        }
        Ok(text) => match args.set.first() {
            Some(setting) => Err(scenario::refuse(name, &setting.key, &[]).into()),
            None => Ok((name.clone(), text)),
        },
        // A word that is neither: it was more likely meant as a scenario than as a file.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !name.contains(['/', '.']) => {
            Err(scenario::ScenarioError::Unknown { name: name.clone() }.into())
        }
        Err(source) => Err(LabError::File {
            path: name.clone(),
            source,
        }),
    }
}

fn parse(file: &str, text: &str) -> Result<Topology, LabError> {
    Topology::parse(file, text).map_err(|rejected| LabError::Topology(Box::new(rejected)))
}

fn validate(args: &SourceArgs) -> Result<(), LabError> {
    let (file, text) = source(args)?;
    let t = parse(&file, &text)?;
    print::line(&format!(
        "{file}: {} hosts, {} VPCs, {} workloads, {} checks: valid",
        t.hosts.len(),
        t.vpcs.len(),
        t.workloads.len(),
        t.checks.len()
    ))?;
    Ok(())
}

fn render(args: &SourceArgs) -> Result<(), LabError> {
    let text = scenario::render(&args.topology, &args.set, args.broken)?;
    print::line(text.trim_end())?;
    Ok(())
}

/// The living lab of that name, or the only one.
pub(crate) fn select(name: Option<&str>) -> Result<LabDir, LabError> {
    let labs = Labs::open()?;
    let alive: Vec<LabDir> = labs.list()?.into_iter().filter(LabDir::alive).collect();
    let names: Vec<&str> = alive.iter().map(|l| l.name.as_str()).collect();
    let known = match names.as_slice() {
        [] => "no lab is up; `weft lab up quickstart` brings one".to_owned(),
        names => format!("labs: {}", names.join(", ")),
    };
    if let Some(name) = name {
        let found = alive.iter().find(|l| l.name.as_str() == name);
        let missing = || LabError::Which(format!("there is no lab `{name}`; {known}"));
        return found.cloned().ok_or_else(missing);
    }
    match alive.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(LabError::Which(known)),
        _ => Err(LabError::Which(format!("say which with `--lab`; {known}"))),
    }
}

/// The living lab that has the workload.
pub(crate) fn select_by_workload(lab: Option<&str>, workload: &str) -> Result<LabDir, LabError> {
    if lab.is_some() {
        let dir = select(lab)?;
        return if stored(&dir).is_ok_and(|t| t.has(workload)) {
            Ok(dir)
        } else {
            Err(no_workload(&dir, workload))
        };
    }
    let labs = Labs::open()?.list()?;
    let mut having: Vec<LabDir> = labs
        .into_iter()
        .filter(|dir| dir.alive() && stored(dir).is_ok_and(|t| t.has(workload)))
        .collect();
    match having.len() {
        1 => Ok(having.remove(0)),
        0 => {
            let dir = select(None)?;
            Err(no_workload(&dir, workload))
        }
        _ => {
            let names: Vec<&str> = having.iter().map(|l| l.name.as_str()).collect();
            let names = names.join(" and ");
            let message = format!("{names} both have `{workload}`; say which with `--lab`");
            Err(LabError::Which(message))
        }
    }
}

fn no_workload(dir: &LabDir, workload: &str) -> LabError {
    LabError::Which(format!("lab {} has no workload `{workload}`", dir.name))
}

/// The topology that a lab was brought up with.
pub(crate) fn stored(dir: &LabDir) -> Result<Topology, LabError> {
    let path = dir.topology().display().to_string();
    let text = std::fs::read_to_string(dir.topology()).map_err(|source| LabError::File {
        path: path.clone(),
        source,
    })?;
    parse(&path, &text)
}

/// Runs async work on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, LabError>>) -> Result<T, LabError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

/// Asks a lab one thing.
pub(crate) fn ask(
    dir: &LabDir,
    request: &Request,
) -> Result<crate::runtime::wire::Answer, LabError> {
    Ok(Control::connect(dir)?.ask(request)?)
}
