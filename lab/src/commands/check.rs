//! `weft lab check`: the topology's checks, with real packets.

pub(super) mod blame;

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
    runtime::{client::Control, dirs::LabDir, internet, wire::Program},
    topology::{Check, Destination, INTERNET, Topology, Transport},
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
        let found = apply::interfaces(&api).await?;
        let public = apply::outside::public(&api, found.values()).await?;
        Ok((found, public))
    })?;
    let (found, public) = found;
    let outside = found.iter().map(|(name, i)| {
        let public = public.get(&i.id).copied();
        let v6 = addresses(i).into_iter().filter(IpAddr::is_ipv6);
        (name.as_str(), public.into_iter().chain(v6).collect())
    });
    let own = found.iter().map(|(name, i)| (name.as_str(), addresses(i)));
    let known = Known {
        own: own.collect(),
        outside: outside.collect(),
    };
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
        message: "one end isn't there, or has no address of that family".into(),
    };
    let result = |place: Option<usize>| {
        place
            .and_then(|n| tried.get(n).cloned())
            .unwrap_or_else(untried)
    };
    Ok(places.into_iter().map(result).collect())
}

/// Where workloads can be reached.
struct Known<'a> {
    /// Their own addresses: what their programs listen on.
    own: HashMap<&'a str, Vec<IpAddr>>,
    /// What the internet knows them by.
    outside: HashMap<&'a str, Vec<IpAddr>>,
}

impl Known<'_> {
    /// Where the check's packets go, and where a listener of ours takes them.
    fn target(&self, check: &Check) -> Option<(IpAddr, IpAddr)> {
        let find = |all: &[IpAddr]| all.iter().copied().find(|a| a.is_ipv6() == check.ipv6);
        let name = match &check.to {
            Destination::Address(address) => return Some((*address, *address)),
            Destination::Workload(name) => name.as_str(),
        };
        let own = match name {
            INTERNET => find(&internet::servers())?,
            _ => find(self.own.get(name)?)?,
        };
        match check.from.as_str() {
            INTERNET => Some((find(self.outside.get(name)?)?, own)),
            _ => Some((own, own)),
        }
    }
}

/// Adds a check to the plan; its place there, unless it has no address to go to.
fn add(
    plan: &mut Plan,
    dir: &LabDir,
    topology: &Topology,
    known: &Known<'_>,
    check: &Check,
) -> Option<usize> {
    let sender = match check.from.as_str() {
        INTERNET => dir.internet(),
        _ => {
            let sender = topology.workload(&check.from)?;
            dir.netns(&sender.host, &sender.name)
        }
    };
    let (address, own) = known.target(check)?;
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
    if matches!(&check.to, Destination::Workload(name) if name.as_str() == INTERNET) {
        listener = Some(topology.workloads.len() as u64);
        witness = Some(dir.internet());
    }
    let listens = check.transport != Transport::Icmp;
    if let (Some(netns), Some(id), true) = (&witness, listener, listens) {
        plan.listeners.push(Listener {
            netns: netns.clone(),
            tcp: check.transport == Transport::Tcp,
            address: SocketAddr::new(own, check.port),
            id,
        });
    }
    plan.probes.push(Probe {
        netns: sender,
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
