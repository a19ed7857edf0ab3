//! `weft lab up`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use weft_model::DatapathChoice;
use weft_proto::v1 as wire;

use super::{Global, UpArgs, ask, block_on, parse, source, stored};
use crate::{
    api::Api,
    apply::{self, View},
    error::LabError,
    print::{self, Format},
    runtime::{
        client::stop,
        dirs::{LabDir, Labs},
        launch::{Mode, launch},
        programs, routing,
        wire::{Answer, Expected, HostPlace, Request, Stage, Timed, Work, WorkloadPlace},
    },
    topology::{HostSpec, NeedSpec, Rejected, Routing, RunSpec, Topology},
};

/// How often to look whether devices are up.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn up(args: &UpArgs, global: &Global) -> Result<(), LabError> {
    let (file, text) = source(&args.source)?;
    let topology = parse(&file, &text)?;
    let name = args.name.as_ref().unwrap_or(&topology.name.value);
    installed(&topology)?;
    privileged(&topology, args)?;
    let labs = Labs::open()?;
    let _guard = labs.guard(name)?.ok_or_else(|| {
        LabError::Which(format!(
            "another command brings lab {name} up or takes it down"
        ))
    })?;
    let dir = labs.lab(name);
    let fresh = !dir.alive();
    let begin = Instant::now();
    if fresh {
        dir.remove()?;
        dir.create()?;
        print::progress(&format!("lab {name}: making namespaces"));
    }
    let job = Job {
        dir: &dir,
        file: &file,
        text: &text,
        topology: &topology,
        timeout: Duration::from_secs(args.timeout),
        datapath: args.datapath,
    };
    let outcome = if fresh {
        job.start(mode(args))
    } else {
        job.change()
    };
    if let Err(error) = outcome {
        return Err(job.fail(error, fresh && !args.keep_on_failure));
    }
    let seconds = begin.elapsed().as_secs_f64();
    print::progress(&format!("lab {name}: up in {seconds:.2} s"));
    block_on(show(&dir, &topology, global.format))
}

/// Refuses before anything is made what programs that are missing would fail at.
fn installed(topology: &Topology) -> Result<(), LabError> {
    let routing = topology.internet.as_ref().map(|internet| internet.routing);
    if routing == Some(Routing::Bird) && programs::find(routing::BIRD).is_none() {
        return Err(LabError::NotInstalled {
            needs: "`routing: bird`".into(),
            programs: routing::BIRD.into(),
            packages: "bird2".into(),
        });
    }
    let needs = topology.needs.iter();
    let missing: Vec<&NeedSpec> = needs
        .filter(|need| programs::find(&need.program).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let words = |of: fn(&NeedSpec) -> &str| missing.iter().map(|n| of(n)).collect::<Vec<_>>();
    Err(LabError::NotInstalled {
        needs: format!("topology `{}`", topology.name.value),
        programs: words(|need| &need.program).join(" and "),
        packages: words(|need| &need.package).join(" "),
    })
}

/// Refuses what every vswitch would fail at: the kernel takes programs of its own root only.
fn privileged(topology: &Topology, args: &UpArgs) -> Result<(), LabError> {
    let wants = |host: &HostSpec| {
        let choice = args.datapath.unwrap_or(host.datapath);
        choice == DatapathChoice::Kernel
    };
    match topology.hosts.iter().find(|host| wants(host)) {
        Some(host) if mode(args) == Mode::Rootless => Err(LabError::KernelDatapath {
            host: host.name.value.clone(),
        }),
        _ => Ok(()),
    }
}

fn mode(args: &UpArgs) -> Mode {
    match (args.root, args.rootless) {
        (true, _) => Mode::Root,
        (_, true) => Mode::Rootless,
        _ => Mode::default_for_user(),
    }
}

struct Job<'a> {
    dir: &'a LabDir,
    file: &'a str,
    text: &'a str,
    topology: &'a Topology,
    timeout: Duration,
    datapath: Option<DatapathChoice>,
}

impl Job<'_> {
    fn start(&self, mode: Mode) -> Result<(), LabError> {
        launch(self.dir, mode)?;
        self.bring(None)
    }

    fn change(&self) -> Result<(), LabError> {
        let status = ask(self.dir, &Request::Status)?;
        if matches!(status, Answer::Status { stage: None, .. }) {
            // The first `up` ended before it had asked for anything: there is no controller yet.
            return self.bring(None);
        }
        // Where the first `up` was cut short nothing is stored: go on as if from nothing.
        let before = stored(self.dir).ok();
        if let Some(before) = &before
            && before.underlay != self.topology.underlay
        {
            let message = "the underlay can't change while the lab is up";
            return Err(self.reject(vec![crate::topology::Diagnostic::new(
                self.topology.name.span,
                message,
            )]));
        }
        let routing = |t: &Topology| t.internet.as_ref().map(|internet| internet.routing);
        if let Some(before) = before.as_ref().and_then(routing)
            && routing(self.topology).is_some_and(|now| now != before)
        {
            // Each would have to take away the other's routes.
            let message = "the internet's routing can't change while the lab is up";
            return Err(self.reject(vec![crate::topology::Diagnostic::new(
                self.topology.name.span,
                message,
            )]));
        }
        let conflicts = block_on(async {
            let api = Api::connect(self.dir).await?;
            let view = View::load(&api).await?;
            Ok(apply::conflicts(&view, self.topology))
        })?;
        if !conflicts.is_empty() {
            return Err(self.reject(conflicts));
        }
        self.bring(before.as_ref())
    }

    fn reject(&self, all: Vec<crate::topology::Diagnostic>) -> LabError {
        LabError::Topology(Box::new(Rejected::new(self.file, self.text, all)))
    }

    fn bring(&self, before: Option<&Topology>) -> Result<(), LabError> {
        let Answer::Status { stage: old, .. } = ask(self.dir, &Request::Status)? else {
            return Err(LabError::Which(
                "the lab's supervisor speaks another language".into(),
            ));
        };
        let wanted = self.stage(old.as_ref())?;
        print::progress(&format!(
            "lab {}: {} hosts, {} workloads",
            self.dir.name,
            wanted.hosts.len(),
            wanted.workloads.len()
        ));
        let vteps = wanted
            .hosts
            .iter()
            .map(|h| (h.name.to_string(), h.vtep.to_string()))
            .collect();
        // The controller first, then hosts that it knows, then what they carry; what is to go
        // stays until nothing uses it.
        let union = both(&wanted, old.as_ref());
        let known = |h: &HostPlace| old.as_ref().is_some_and(|o| o.hosts.contains(h));
        let mut first = union.clone();
        first.hosts.retain(known);
        ask(self.dir, &Request::Stage(first))?;
        block_on(self.register(&vteps))?;
        ask(self.dir, &Request::Stage(union))?;
        let interfaces = block_on(self.program(before))?;
        ask(self.dir, &Request::Stage(wanted))?;
        self.await_workloads(&interfaces, |_| Vec::new())?;
        ask(
            self.dir,
            &Request::Commands {
                commands: self.commands(),
            },
        )?;
        self.await_workloads(&interfaces, |run| run.listens.clone())?;
        let faults = self.topology.timeline().into_iter();
        let timed = faults.map(|(at_us, host, fault)| Timed { at_us, host, fault });
        ask(
            self.dir,
            &Request::Plan {
                faults: timed.collect(),
            },
        )?;
        let path = self.dir.topology();
        fs::write(&path, self.text).map_err(|source| LabError::File {
            path: path.display().to_string(),
            source,
        })
    }

    async fn register(&self, vteps: &HashMap<String, String>) -> Result<(), LabError> {
        let api = Api::connect(self.dir).await?;
        Ok(apply::register(&api, self.topology, vteps).await?)
    }

    async fn program(
        &self,
        before: Option<&Topology>,
    ) -> Result<HashMap<String, wire::Interface>, LabError> {
        let api = Api::connect(self.dir).await?;
        print::progress(&format!(
            "lab {}: programming the controller",
            self.dir.name
        ));
        apply::apply(&api, self.topology, before).await?;
        print::progress(&format!("lab {}: waiting for hosts", self.dir.name));
        api.settled(self.timeout).await?;
        Ok(apply::interfaces(&api).await?)
    }

    /// What the supervisor shall keep; hosts that are there keep their addresses.
    fn stage(&self, old: Option<&Stage>) -> Result<Stage, LabError> {
        let underlay = self.topology.underlay;
        let known: HashMap<&str, IpAddr> = old
            .into_iter()
            .flat_map(|s| &s.hosts)
            .map(|h| (h.name.as_str(), h.vtep))
            .collect();
        let mut taken: HashSet<IpAddr> = known.values().copied().collect();
        let mut hosts = Vec::new();
        for host in &self.topology.hosts {
            let vtep = match known.get(host.name.as_str()) {
                Some(vtep) => *vtep,
                None => (0..u16::MAX - 2)
                    .map(|n| underlay.vtep(n))
                    .find(|a| *a != underlay.gateway() && taken.insert(*a))
                    .ok_or_else(|| LabError::Which("the underlay is full".into()))?,
            };
            hosts.push(HostPlace {
                name: host.name.value.clone(),
                vtep,
                edge: host.edge,
                workers: host.workers.as_ref().map(|workers| workers.value.get()),
                datapath: self.datapath.unwrap_or(host.datapath).text().to_owned(),
            });
        }
        let workloads = self.topology.workloads.iter().map(|w| WorkloadPlace {
            name: w.name.to_string(),
            host: w.host.value.clone(),
            forward: !w.source_dest_check,
        });
        Ok(Stage {
            mtu: underlay.mtu.into(),
            prefix_len: underlay.prefix_len(),
            gateway: underlay.gateway(),
            hosts,
            workloads: workloads.collect(),
            internet: self.topology.internet.as_ref().map(|i| i.routing),
            rules: self.topology.most_rules(),
            metrics: self.topology.metrics,
        })
    }

    fn commands(&self) -> BTreeMap<String, Work> {
        let all = self.topology.workloads.iter();
        let with = all.filter(|w| !w.run.argv.is_empty());
        let work = |run: &RunSpec| Work {
            argv: run.argv.clone(),
            files: run.files.clone(),
        };
        with.map(|w| (w.name.to_string(), work(&w.run))).collect()
    }

    /// Waits for the workloads' devices, and for what listens on these ports of each.
    fn await_workloads(
        &self,
        interfaces: &HashMap<String, wire::Interface>,
        ports: fn(&RunSpec) -> Vec<u16>,
    ) -> Result<(), LabError> {
        let expected: Vec<Expected> = self
            .topology
            .workloads
            .iter()
            .filter_map(|w| {
                let interface = interfaces.get(w.name.as_str())?;
                Some(Expected {
                    workload: w.name.to_string(),
                    addresses: addresses(interface),
                    ports: ports(&w.run),
                })
            })
            .collect();
        let deadline = Instant::now() + self.timeout;
        loop {
            let request = Request::Pending {
                expected: expected.clone(),
            };
            let Answer::Pending { lacking } = ask(self.dir, &request)? else {
                return Ok(());
            };
            if lacking.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(LabError::NotReady {
                    seconds: self.timeout.as_secs(),
                    lacking: lacking.join("; "),
                });
            }
            thread::sleep(LOOK);
        }
    }

    /// Says what the processes said, and leaves nothing of a lab that never was.
    fn fail(&self, error: LabError, take_away: bool) -> LabError {
        if !matches!(error, LabError::Topology(_)) {
            self.last_words();
        }
        if take_away {
            // The first error is the one to tell.
            let _ = stop(self.dir);
            let _ = self.dir.remove();
            print::progress("the lab was taken away; `--keep-on-failure` leaves it to look at");
        }
        error
    }

    fn last_words(&self) {
        let Ok(Answer::Status { processes, .. }) = ask(self.dir, &Request::Status) else {
            return;
        };
        for process in processes
            .iter()
            .filter(|p| p.restarts > 0 || p.state != "running")
            .take(3)
        {
            let log = fs::read_to_string(self.dir.log(&process.name)).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(4).collect();
            print::progress(&format!(
                "{} ended {} times; it said:",
                process.name,
                process.restarts.max(1)
            ));
            for line in tail.into_iter().rev() {
                print::progress(&format!("  {line}"));
            }
        }
    }
}

/// The new stage and what of the old one is still in use.
fn both(wanted: &Stage, old: Option<&Stage>) -> Stage {
    let mut stage = wanted.clone();
    let Some(old) = old else {
        return stage;
    };
    stage.rules = wanted.rules.max(old.rules);
    let hosts = old.hosts.iter().cloned();
    stage
        .hosts
        .extend(hosts.filter(|h| wanted.hosts.iter().all(|w| w.name != h.name)));
    let workloads = old.workloads.iter().cloned();
    stage
        .workloads
        .extend(workloads.filter(|p| wanted.workloads.iter().all(|w| w.name != p.name)));
    stage
}

/// An interface's addresses, the primary first.
pub(super) fn addresses(interface: &wire::Interface) -> Vec<IpAddr> {
    let v4 = std::iter::once(&interface.ipv4).chain(&interface.secondary_ipv4);
    v4.chain(&interface.ipv6)
        .filter_map(|a| a.parse().ok())
        .collect()
}

async fn show(dir: &LabDir, topology: &Topology, format: Format) -> Result<(), LabError> {
    let api = Api::connect(dir).await?;
    let interfaces = apply::interfaces(&api).await?;
    if format == Format::Json {
        return Ok(print::json(&interfaces)?);
    }
    let mut table = print::table(&["WORKLOAD", "HOST", "VPC", "SUBNET", "GROUPS", "ADDRESSES"]);
    for w in &topology.workloads {
        let found = interfaces
            .get(w.name.as_str())
            .map(addresses)
            .unwrap_or_default();
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        let groups: Vec<&str> = w.groups.iter().map(|g| g.as_str()).collect();
        table.add_row([
            w.name.as_str(),
            w.host.as_str(),
            w.vpc.as_str(),
            w.subnet.as_str(),
            &groups.join(","),
            &texts.join(" "),
        ]);
    }
    Ok(print::line(&print::aligned(table))?)
}
