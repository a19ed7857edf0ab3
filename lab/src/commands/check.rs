//! `weft lab check`: the topology's checks, with real packets.

mod blame;

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
    time::Instant,
};

use serde::Serialize;

use self::blame::Blame;
use super::{Global, block_on, select, stored, up::addresses};
use crate::{
    api::Api,
    apply,
    error::LabError,
    print::{self, Format},
    probe::{Listener, Observed, Plan, Probe, transport},
    runtime::{client::Control, dirs::LabDir, wire::Program},
    topology::{Check, Destination, Topology, Transport},
};

#[derive(Serialize)]
struct Row {
    from: String,
    to: String,
    protocol: String,
    port: u16,
    family: &'static str,
    expect: &'static str,
    #[serde(flatten)]
    observed: Observed,
    ok: bool,
    /// What the vswitches dropped of a packet that should have arrived.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<String>,
}

pub(super) fn check(global: &Global) -> Result<(), LabError> {
    let dir = select(global.lab.as_deref())?;
    let topology = stored(&dir)?;
    let began = Instant::now();
    let observed = run(&dir, &topology, &topology.checks)?;
    let mut rows: Vec<Row> = topology.checks.iter().zip(observed).map(row).collect();
    explain(&dir, &topology, began, &mut rows)?;
    match global.format {
        Format::Json => print::json(&rows)?,
        Format::Table => show(&rows)?,
    }
    let failed = rows.iter().filter(|r| !r.ok).count();
    if failed == 0 {
        return Ok(());
    }
    Err(LabError::Checks {
        failed,
        all: rows.len(),
    })
}

fn row((check, observed): (&Check, Observed)) -> Row {
    Row {
        from: check.from.to_string(),
        to: check.to.to_string(),
        protocol: check.transport.to_string(),
        port: check.port,
        family: if check.ipv6 { "v6" } else { "v4" },
        expect: if check.reach { "reach" } else { "blocked" },
        ok: observed.meets(check.reach),
        observed,
        dropped: Vec::new(),
    }
}

/// Says of each packet that should have arrived what dropped it.
fn explain(
    dir: &LabDir,
    topology: &Topology,
    began: Instant,
    rows: &mut [Row],
) -> Result<(), LabError> {
    let mut lost: Vec<(&Check, &mut Row)> = topology.checks.iter().zip(rows).collect();
    lost.retain(|(check, row)| check.reach && !row.ok);
    if lost.is_empty() {
        return Ok(());
    }
    block_on(async {
        let checks = lost.iter().map(|(check, _)| *check);
        let blame = Blame::read(dir, topology, checks, began.elapsed()).await?;
        for (check, row) in &mut lost {
            row.dropped = blame.lines(topology, check);
        }
        Ok(())
    })
}

fn what(r: &Row) -> String {
    match r.port {
        0 => format!("{} {}", r.protocol, r.family),
        port => format!("{}/{port} {}", r.protocol, r.family),
    }
}

fn show(rows: &[Row]) -> Result<(), LabError> {
    let mut table = print::table(&["", "FROM", "TO", "WHAT", "EXPECT", "OBSERVED"]);
    for r in rows {
        let mut observed = r.observed.word();
        if let Observed::Reached { micros } = r.observed {
            observed = format!("{observed} in {}.{:03} ms", micros / 1000, micros % 1000);
        }
        let mark = if r.ok { "ok" } else { "FAIL" };
        table.add_row([
            print::verdict(mark, r.ok),
            r.from.clone(),
            r.to.clone(),
            what(r),
            r.expect.to_owned(),
            observed,
        ]);
    }
    print::line(&print::aligned(table))?;
    for r in rows.iter().filter(|r| !r.dropped.is_empty()) {
        print::line(&format!("{} to {} {}:", r.from, r.to, what(r)))?;
        for dropped in &r.dropped {
            print::line(&format!("  {dropped}"))?;
        }
    }
    let good = rows.iter().filter(|r| r.ok).count();
    let reach = rows.iter().filter(|r| r.expect == "reach").count();
    print::line(&format!(
        "{good} of {} as expected ({reach} must reach, {} must be blocked)",
        rows.len(),
        rows.len() - reach
    ))?;
    Ok(())
}

/// Tries all checks at once; what came of each, in order.
pub(super) fn run(
    dir: &LabDir,
    topology: &Topology,
    checks: &[Check],
) -> Result<Vec<Observed>, LabError> {
    let found = block_on(async {
        let api = Api::connect(dir).await?;
        Ok(apply::interfaces(&api).await?)
    })?;
    let known = found
        .iter()
        .map(|(name, i)| (name.as_str(), addresses(i)))
        .collect();
    let mut plan = Plan::default();
    let mut places = Vec::new();
    for check in checks {
        places.push(add(&mut plan, dir, topology, &known, check));
    }
    let tried = if plan.probes.is_empty() {
        Vec::new()
    } else {
        probe(dir, &plan)?
    };
    let untried = || Observed::Error {
        message: "no address of that family".into(),
    };
    let result = |place: Option<usize>| {
        place
            .and_then(|n| tried.get(n).cloned())
            .unwrap_or_else(untried)
    };
    Ok(places.into_iter().map(result).collect())
}

/// Adds a check to the plan; its place there, unless it has no address to go to.
fn add(
    plan: &mut Plan,
    dir: &LabDir,
    topology: &Topology,
    known: &HashMap<&str, Vec<IpAddr>>,
    check: &Check,
) -> Option<usize> {
    let sender = topology.workload(&check.from)?;
    let address = match &check.to {
        Destination::Address(address) => *address,
        Destination::Workload(name) => {
            let all = known.get(name.as_str())?;
            *all.iter().find(|a| a.is_ipv6() == check.ipv6)?
        }
    };
    let (mut listener, mut witness) = (None, None);
    if let Destination::Workload(name) = &check.to
        && let Some(index) = topology
            .workloads
            .iter()
            .position(|w| w.name.value == *name)
    {
        let target = &topology.workloads[index];
        listener = Some(index as u64);
        witness = Some(dir.netns(&target.host, &target.name));
    }
    let listens = check.transport != Transport::Icmp;
    if let (Some(netns), Some(id), true) = (&witness, listener, listens) {
        plan.listeners.push(Listener {
            netns: netns.clone(),
            tcp: check.transport == Transport::Tcp,
            address: SocketAddr::new(address, check.port),
            id,
        });
    }
    plan.probes.push(Probe {
        netns: dir.netns(&sender.host, &sender.name),
        transport: transport(check.transport),
        address,
        port: check.port,
        listener,
        witness: witness.filter(|_| !listens),
        reach: check.reach,
    });
    Some(plan.probes.len() - 1)
}

/// Runs the plan by a process inside the lab.
fn probe(dir: &LabDir, plan: &Plan) -> Result<Vec<Observed>, LabError> {
    let program = Program {
        workload: None,
        argv: vec![
            std::env::current_exe()?.display().to_string(),
            "lab".into(),
            "probe".into(),
        ],
        env: std::collections::BTreeMap::new(),
        cwd: "/".into(),
        tty: false,
    };
    let (input, feed) = pipe()?;
    let (result, output) = pipe()?;
    let text = serde_json::to_vec(plan).map_err(std::io::Error::from)?;
    let control = Control::connect(dir)?;
    let answer = thread::scope(|scope| {
        scope.spawn(move || {
            // The process may end early; its exit code says so.
            let _ = File::from(feed).write_all(&text);
        });
        let reader = scope.spawn(move || {
            let mut all = Vec::new();
            File::from(result).read_to_end(&mut all).map(|_| all)
        });
        let files = [
            input.as_raw_fd(),
            output.as_raw_fd(),
            std::io::stderr().as_raw_fd(),
        ];
        let ended = control.spawn(program, files);
        drop((input, output));
        let read = reader.join().unwrap_or_else(|_| Ok(Vec::new()));
        ended.map(|_| read)
    })??;
    Ok(serde_json::from_slice(&answer).map_err(std::io::Error::from)?)
}

fn pipe() -> Result<(OwnedFd, OwnedFd), LabError> {
    let pair = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC);
    Ok(pair.map_err(std::io::Error::from)?)
}
