//! `weft bench`: brings up a lab, goes inside, makes the other paths there, measures, takes it away.

use std::{
    collections::BTreeMap,
    fs,
    io::{Write as _, stderr, stdin, stdout},
    net::IpAddr,
    os::fd::AsRawFd as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use clap::Args;
use weft_lab::runtime::{
    client::Control,
    dirs::{LabDir, Labs},
    wire::Program,
};

use crate::{
    BenchError, Path, io,
    netns::Netns,
    report::{self, Outcome, Plan},
    setup,
};

/// Two hosts, one workload on each, and a policy that is really judged.
const TOPOLOGY: &str = include_str!("bench.yaml");
/// The server's address in that topology.
const SERVER: &str = "10.0.0.12";

/// Arguments of `weft bench`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Ratios are taken round by round, to the bare veth of the same round; the spread is \
                  the lowest and highest.\n\nExamples:\n  weft bench\n  weft bench --rounds 5 --seconds 5 --output json"
)]
pub struct BenchArgs {
    /// Times that each measure is taken on each path, interleaved.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// Seconds that each measure takes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
    /// Only Weft and the bare veth.
    #[arg(long)]
    no_kernel: bool,
    /// The directory of the lab that this process is in: set by `weft bench` itself.
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// When the lab doesn't come up or a path doesn't carry the load.
pub fn run(args: &BenchArgs, json: bool) -> Result<(), BenchError> {
    match &args.inside {
        Some(dir) => measure(args, dir, json),
        None => around(args, json),
    }
}

/// The outer process: a lab around the inner one.
fn around(args: &BenchArgs, json: bool) -> Result<(), BenchError> {
    let name = format!("bench-{}", std::process::id());
    let lab = Labs::open()
        .map_err(|e| BenchError::Lab(e.to_string()))?
        .lab(
            &name
                .parse()
                .map_err(|_| BenchError::Lab(format!("bad lab name {name}")))?,
        );
    let guard = Up::new(&name)?;
    let outcome = inner(args, &lab, json);
    drop(guard);
    outcome
}

/// A lab that goes away with this.
struct Up<'a>(&'a str);

impl<'a> Up<'a> {
    fn new(name: &'a str) -> Result<Self, BenchError> {
        let file = std::env::temp_dir().join(format!("weft-{name}.yaml"));
        fs::write(&file, TOPOLOGY).map_err(io("write the bench's topology"))?;
        let guard = Self(name);
        let path = file.to_string_lossy().into_owned();
        let outcome = weft(&["lab", "up", &path, "--name", name]);
        let _ = fs::remove_file(&file);
        outcome.map(|()| guard)
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        let _ = weft(&["lab", "down", self.0]);
    }
}

/// Runs this binary, quiet unless it fails.
fn weft(args: &[&str]) -> Result<(), BenchError> {
    let program = std::env::current_exe().map_err(io("find this program"))?;
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(io("run weft"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BenchError::Lab(format!(
        "weft {} failed: {said}",
        args.join(" ")
    )))
}

/// Starts the inner process in the lab's namespaces, on this one's standard streams.
fn inner(args: &BenchArgs, lab: &LabDir, json: bool) -> Result<(), BenchError> {
    let program = std::env::current_exe().map_err(io("find this program"))?;
    let mut argv = vec![
        program.to_string_lossy().into_owned(),
        "bench".to_owned(),
        format!("--rounds={}", args.rounds),
        format!("--seconds={}", args.seconds),
        format!("--inside={}", lab.path().display()),
    ];
    argv.extend(args.no_kernel.then(|| "--no-kernel".to_owned()));
    argv.extend(json.then(|| "--output=json".to_owned()));
    let program = Program {
        workload: None,
        argv,
        env: std::env::vars().collect::<BTreeMap<_, _>>(),
        cwd: PathBuf::from("/"),
        tty: false,
    };
    let control = Control::connect(lab).map_err(|e| BenchError::Lab(e.to_string()))?;
    let files = [
        stdin().as_raw_fd(),
        stdout().as_raw_fd(),
        stderr().as_raw_fd(),
    ];
    match control
        .spawn(program, files)
        .map_err(|e| BenchError::Lab(e.to_string()))?
    {
        0 => Ok(()),
        code => Err(BenchError::Lab(format!(
            "the measuring process ended with {code}"
        ))),
    }
}

/// The inner process: it has the lab's privileges, so it can make the other paths beside it.
fn measure(args: &BenchArgs, dir: &std::path::Path, json: bool) -> Result<(), BenchError> {
    let mut paths = vec![setup::bare_veth()?, overlay(dir)?];
    if !args.no_kernel {
        match setup::kernel_vxlan() {
            Ok(path) => paths.push(path),
            Err(error) => progress(&format!("without the kernel's vxlan: {error}")),
        }
    }
    let plan = Plan {
        rounds: usize::from(args.rounds),
        each: Duration::from_secs(u64::from(args.seconds)),
    };
    let outcomes = report::run(&paths, plan, progress)?;
    print(&outcomes, json)
}

/// Weft's own path: the lab's two workloads.
fn overlay(dir: &std::path::Path) -> Result<Path, BenchError> {
    let lab = LabDir::at(dir)
        .ok_or_else(|| BenchError::Lab(format!("{} is no lab's directory", dir.display())))?;
    let netns = |host: &str, workload: &str| {
        let host = host
            .parse()
            .expect("a host name of the topology beside this file");
        let workload = workload
            .parse()
            .expect("a workload of the topology beside this file");
        Netns::open(&lab.netns(&host, &workload))
    };
    let address: IpAddr = SERVER
        .parse()
        .expect("an address of the topology beside this file");
    let (client, server) = (netns("h1", "client")?, netns("h2", "server")?);
    Ok(Path {
        name: "weft",
        client,
        server,
        address,
        between: Vec::new(),
    })
}

fn progress(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

fn print(outcomes: &[Outcome], json: bool) -> Result<(), BenchError> {
    let text = if json {
        serde_json::to_string_pretty(outcomes).map_err(|e| BenchError::Lab(e.to_string()))?
    } else {
        table(outcomes)
    };
    writeln!(stdout(), "{text}").map_err(io("print the outcome"))
}

fn table(outcomes: &[Outcome]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["MEASURE", "PATH", "MEDIAN", "RATIO", "SPREAD"]);
    for outcome in outcomes {
        let dash = || "-".to_owned();
        table.add_row([
            outcome.measure.text().to_owned(),
            outcome.path.to_owned(),
            format!("{:.2}", outcome.median),
            outcome
                .ratio
                .map_or_else(dash, |ratio| format!("{ratio:.2}")),
            outcome
                .spread
                .map_or_else(dash, |(low, high)| format!("{low:.2} to {high:.2}")),
        ]);
    }
    weft_lab::aligned(table)
}
