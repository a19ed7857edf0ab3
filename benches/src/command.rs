//! `weft bench`: brings up a lab, goes inside, makes the other paths there, measures, takes it away.

use std::{
    collections::BTreeMap,
    fs,
    io::{Write as _, stderr, stdin, stdout},
    net::IpAddr,
    os::fd::AsRawFd as _,
    path::{self, PathBuf},
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
    BenchError, Pair, Path, io,
    netns::Netns,
    page::{self, Run},
    policy,
    report::{self, Outcome, Plan},
    setup,
    topology::{self, Size},
};

const EXAMPLES: &str = "\
Ratios are taken round by round, to the bare veth of the same round; the spread is the lowest
and highest. A machine that does other work meanwhile measures that.

With --peers every path that judges has one policy: established, three services, drop the rest.
A path is measured once it has shown that it passes what it must and drops what it must. What
isn't installed is left out, with a line that says so; `scripts/deps peers` installs it.

Examples:
  weft bench
  weft bench --rounds 5 --seconds 5 --output json
  weft bench --peers --rounds 5 --write docs/performance.md
  weft bench --peers --rules 10000
  weft bench --peers --live 100000";

/// Arguments of `weft bench`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// Times that each measure is taken on each path, interleaved.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// Seconds that each measure takes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
    /// Only Weft and the bare veth.
    #[arg(long, conflicts_with = "peers")]
    no_kernel: bool,
    /// Beside everything else that does the same work on this machine.
    #[arg(long)]
    peers: bool,
    /// Rules besides, that nothing matches.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = rules)]
    rules: usize,
    /// Live connections besides.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = live)]
    live: usize,
    /// Write the outcome into this page, and its plot and numbers beside it.
    #[arg(long, value_name = "FILE", requires = "peers")]
    write: Option<PathBuf>,
    /// The directory of the lab that this process is in: set by `weft bench` itself.
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
    /// The command line of the process outside.
    #[arg(long, hide = true, default_value = "weft bench")]
    said: String,
}

/// More says nothing new, and takes minutes to bring up.
const MOST_RULES: usize = 20_000;
/// As many as the largest table here holds.
const MOST_LIVE: usize = 1_000_000;

fn rules(text: &str) -> Result<usize, String> {
    at_most(text, MOST_RULES)
}

fn live(text: &str) -> Result<usize, String> {
    at_most(text, MOST_LIVE)
}

fn at_most(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("a number from 0 to {most} is meant")),
    }
}

impl BenchArgs {
    fn size(&self) -> Size {
        Size {
            rules: self.rules,
            live: self.live,
        }
    }

    /// As someone would type it.
    fn line(&self) -> String {
        let mut line = format!(
            "weft bench --rounds {} --seconds {}",
            self.rounds, self.seconds
        );
        line += if self.peers { " --peers" } else { "" };
        for (option, value) in [(" --rules ", self.rules), (" --live ", self.live)] {
            if value > 0 {
                line += option;
                line += &value.to_string();
            }
        }
        line
    }
}

/// Measures and prints.
///
/// # Errors
/// When the lab doesn't come up or a path doesn't carry the load.
pub fn run(args: &BenchArgs, json: bool) -> Result<(), BenchError> {
    match &args.inside {
        Some(dir) => measure(args, dir, json),
        None => {
            args.write.as_deref().map_or(Ok(()), page::accepts)?;
            around(args, json)
        }
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
    let guard = Up::new(&name, args.size())?;
    let outcome = inner(args, &lab, json);
    drop(guard);
    outcome
}

/// A lab that goes away with this.
struct Up<'a>(&'a str);

impl<'a> Up<'a> {
    fn new(name: &'a str, size: Size) -> Result<Self, BenchError> {
        let file = std::env::temp_dir().join(format!("weft-{name}.yaml"));
        fs::write(&file, topology::text(size)).map_err(io("write the bench's topology"))?;
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
        format!("--rules={}", args.rules),
        format!("--live={}", args.live),
        format!("--inside={}", lab.path().display()),
        format!("--said={}", args.line()),
    ];
    argv.extend(args.no_kernel.then(|| "--no-kernel".to_owned()));
    argv.extend(args.peers.then(|| "--peers".to_owned()));
    if let Some(page) = &args.write {
        let page = path::absolute(page).map_err(io("find the page"))?;
        argv.push(format!("--write={}", page.display()));
    }
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
fn measure(args: &BenchArgs, dir: &path::Path, json: bool) -> Result<(), BenchError> {
    let mut run = Run::new(args.said.clone());
    let weft = overlay(dir, args.size())?;
    let _well = policy::Well::of(&weft)?;
    policy::check(&weft)?;
    let paths = paths(args, weft, &mut run.absent)?;
    let plan = Plan {
        rounds: usize::from(args.rounds),
        each: Duration::from_secs(u64::from(args.seconds)),
        live: args.live,
    };
    run.outcomes = report::run(&paths, plan, progress)?;
    if let Some(page) = &args.write {
        run.write(page)?;
    }
    print(&run, json)
}

/// What is measured beside Weft, each proven to do its work, and Weft; a peer that can't be is named
/// with the reason.
fn paths(args: &BenchArgs, weft: Path, absent: &mut Vec<String>) -> Result<Vec<Path>, BenchError> {
    let mut paths = vec![setup::bare_veth()?];
    let mut add = |name: &str, path: Result<Path, BenchError>| {
        let path = path.and_then(|path| policy::check(&path).map(|()| path));
        match path {
            Ok(path) => paths.push(path),
            Err(error) => {
                progress(&format!("without {name}: {error}"));
                absent.push(format!("{name}: {error}"));
            }
        }
    };
    if !args.no_kernel {
        add("the kernel's vxlan", setup::kernel_vxlan());
    }
    if args.peers {
        add("nftables", setup::conntrack(args.rules));
        add("Open vSwitch", setup::userspace(args.rules));
        // What it adds is how Open vSwitch's flows are written.
        add("OVN", Err(BenchError::NotSetUp));
    }
    paths.push(weft);
    Ok(paths)
}

/// Weft's own path: the lab's two workloads.
fn overlay(dir: &path::Path, size: Size) -> Result<Path, BenchError> {
    let lab = LabDir::at(dir)
        .ok_or_else(|| BenchError::Lab(format!("{} is no lab's directory", dir.display())))?;
    let netns = |host: &str, workload: &str| {
        let name = |error| BenchError::Lab(format!("{workload} on {host}: {error}"));
        let host = host.parse().map_err(|e| name(format!("{e}")))?;
        let workload = workload.parse().map_err(|e| name(format!("{e}")))?;
        Netns::open(&lab.netns(&host, &workload))
    };
    let crowd = (0..size.pairs()).map(|number| {
        Ok(Pair {
            client: netns("h1", &format!("from-{number}"))?,
            server: netns("h2", &format!("to-{number}"))?,
            address: address(&topology::pair(number)[1]),
        })
    });
    Ok(Path {
        name: "Weft, userspace",
        client: netns("h1", "client")?,
        server: netns("h2", "server")?,
        address: address(topology::SERVER),
        source: address(topology::CLIENT),
        balancer: Some(address(topology::BALANCER)),
        judges: true,
        crowd: crowd.collect::<Result<_, BenchError>>()?,
        carriers: Vec::new(),
        between: Vec::new(),
    })
}

fn address(text: &str) -> IpAddr {
    text.parse()
        .expect("an address that the topology's own text has")
}

fn progress(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

fn print(run: &Run, json: bool) -> Result<(), BenchError> {
    let text = if json {
        serde_json::to_string_pretty(run).map_err(|e| BenchError::Lab(e.to_string()))?
    } else {
        table(&run.outcomes)
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
