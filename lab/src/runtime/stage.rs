//! Making hosts and workloads of a lab be what a stage says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::IpAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use weft_model::{HostName, ops::Quotas};

use super::{
    dirs::LabDir,
    internet::{self, UPLINK, Uplink},
    link, netns,
    process::{Home, Spec},
    programs, routing,
    supervisor::{CONTROLLER_PORT, Lab, State, open_controller, workload_netns},
    wire::{Expected, HostPlace, Stage, Work, WorkloadPlace},
};
use crate::topology::{INTERNET, METRICS_PORT};

/// What exists.
#[derive(Debug, Default)]
pub(super) struct Staged {
    hosts: BTreeMap<String, (HostPlace, Arc<OwnedFd>)>,
    workloads: BTreeMap<String, (WorkloadPlace, Arc<OwnedFd>)>,
    internet: Option<Arc<OwnedFd>>,
}

impl Staged {
    /// A host and its namespace.
    pub(super) fn host(&self, name: &HostName) -> Option<(HostPlace, Arc<OwnedFd>)> {
        let (place, netns) = self.hosts.get(name.as_str())?;
        Some((place.clone(), Arc::clone(netns)))
    }

    /// The namespace of a workload, or of a host as `host:NAME`.
    pub(super) fn netns(&self, workload: &str) -> Option<Arc<OwnedFd>> {
        if let Some(host) = workload.strip_prefix("host:") {
            return self.hosts.get(host).map(|(_, fd)| Arc::clone(fd));
        }
        if workload == INTERNET {
            return self.internet.clone();
        }
        self.workloads.get(workload).map(|(_, fd)| Arc::clone(fd))
    }
}

/// The internet, and the edges with the addresses of their uplinks.
pub(super) type Outside = (Arc<OwnedFd>, Vec<(Uplink, Arc<OwnedFd>)>);

impl Staged {
    /// What is outside, if anything.
    pub(super) fn outside(&self) -> Option<Outside> {
        let edges = self.hosts.values().filter(|(place, _)| place.edge);
        let edges = edges.map(|(place, fd)| (Uplink::of(place.vtep), Arc::clone(fd)));
        Some((self.internet.clone()?, edges.collect()))
    }
}

/// Makes what is missing and takes away what is not in the stage.
pub(super) fn apply(lab: &Lab, stage: Stage) -> io::Result<()> {
    let mut state = lab.state();
    match &state.stage {
        None => {
            link::bridge(stage.mtu, stage.gateway, stage.prefix_len)?;
            open_controller(&lab.dir, &stage)?;
        }
        Some(old) if (old.mtu, old.gateway) != (stage.mtu, stage.gateway) => {
            return Err(io::Error::other(
                "the underlay can't change while the lab is up",
            ));
        }
        Some(_) => {}
    }
    state
        .processes
        .ensure("controller", controller(&lab.dir, &stage)?)?;
    drop_absent(&lab.dir, &mut state, &stage)?;
    if stage.internet.is_some() && state.staged.internet.is_none() {
        let netns = netns::create(&lab.dir.internet(), internet::furnish)?;
        state.staged.internet = Some(netns);
    }
    for place in &stage.workloads {
        add_workload(&lab.dir, &mut state, place)?;
    }
    for place in &stage.hosts {
        add_host(&lab.dir, &mut state, &stage, place)?;
    }
    routing::keep(&lab.dir, &mut state, &stage)?;
    state.stage = Some(stage);
    drop(state);
    lab.wake();
    Ok(())
}

/// The name of a host's process.
pub(super) fn vswitch_name(host: &str) -> String {
    format!("vswitch-{host}")
}

/// The name of a workload's process.
fn command_name(workload: &str) -> String {
    format!("workload-{workload}")
}

fn drop_absent(dir: &LabDir, state: &mut State, stage: &Stage) -> io::Result<()> {
    let hosts: BTreeSet<&HostPlace> = stage.hosts.iter().collect();
    let workloads: BTreeSet<&WorkloadPlace> = stage.workloads.iter().collect();
    let gone: Vec<_> = state
        .staged
        .workloads
        .values()
        .map(|(place, _)| place.clone())
        .collect();
    for place in gone.iter().filter(|p| !workloads.contains(p)) {
        state.processes.remove(&command_name(&place.name));
        state.staged.workloads.remove(&place.name);
        netns::remove(&workload_path(dir, place));
    }
    let gone: Vec<_> = state
        .staged
        .hosts
        .values()
        .map(|(place, _)| place.clone())
        .collect();
    for place in gone.iter().filter(|p| !hosts.contains(p)) {
        state.processes.remove(&vswitch_name(place.name.as_str()));
        state.processes.remove(&format!("cable-{}", place.name));
        state.faults.remove(place.name.as_str());
        state.staged.hosts.remove(place.name.as_str());
        netns::remove(&host_path(dir, place));
        link::unplug(place)?;
    }
    Ok(())
}

fn host_path(dir: &LabDir, place: &HostPlace) -> PathBuf {
    dir.namespaces().join("hosts").join(place.name.as_str())
}

fn workload_path(dir: &LabDir, place: &WorkloadPlace) -> PathBuf {
    dir.netns_of_host(&place.host).join(&place.name)
}

fn add_workload(dir: &LabDir, state: &mut State, place: &WorkloadPlace) -> io::Result<()> {
    if state.staged.workloads.contains_key(&place.name) {
        return Ok(());
    }
    let netns = workload_netns(&workload_path(dir, place), place.forward)?;
    state
        .staged
        .workloads
        .insert(place.name.clone(), (place.clone(), netns));
    Ok(())
}

fn add_host(dir: &LabDir, state: &mut State, stage: &Stage, place: &HostPlace) -> io::Result<()> {
    let name = place.name.as_str();
    if !state.staged.hosts.contains_key(name) {
        let netns = netns::create(&host_path(dir, place), link::host)?;
        link::cable(place, &netns, stage.mtu, stage.prefix_len)?;
        if let (true, Some(internet)) = (place.edge, &state.staged.internet) {
            internet::cable(place.vtep, &netns, internet)?;
        }
        state
            .staged
            .hosts
            .insert(name.to_owned(), (place.clone(), netns));
    }
    if state.faults.get(name).is_some_and(|fault| fault.killed) {
        return Ok(());
    }
    start_vswitch(dir, state, stage, place)
}

/// Runs the host's vswitch from now on.
pub(super) fn start_vswitch(
    dir: &LabDir,
    state: &mut State,
    stage: &Stage,
    place: &HostPlace,
) -> io::Result<()> {
    let name = place.name.as_str();
    let netns = state.staged.hosts.get(name).map(|(_, fd)| Arc::clone(fd));
    let spec = vswitch(dir, stage, place, netns)?;
    state.processes.ensure(&vswitch_name(name), spec)
}

/// The running program, by the path that leads to it even where its file was replaced.
pub(super) fn weft(arguments: Vec<String>) -> io::Result<Vec<String>> {
    let program = std::env::current_exe()?;
    let mut argv = vec![program.display().to_string()];
    argv.extend(arguments);
    Ok(argv)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn endpoint(address: IpAddr) -> String {
    std::net::SocketAddr::new(address, CONTROLLER_PORT).to_string()
}

/// Where a program tells what it counts, if it shall.
fn metrics(stage: &Stage, address: IpAddr) -> impl Iterator<Item = String> {
    let listen = move |_| {
        let address = std::net::SocketAddr::new(address, METRICS_PORT);
        ["--metrics-listen".into(), address.to_string()]
    };
    stage.metrics.map(listen).into_iter().flatten()
}

fn controller(dir: &LabDir, stage: &Stage) -> io::Result<Spec> {
    let mut argv = vec![
        "controller".into(),
        "--listen".into(),
        endpoint(stage.gateway),
        "--data".into(),
        text(&dir.data()),
        // The file says how many workloads have one.
        "--quota".into(),
        "elastic-addresses-per-region=5000".into(),
    ];
    // A file with larger groups than the quota means them.
    if stage.rules > Quotas::default().rules_per_group {
        argv.extend(["--quota".into(), format!("rules-per-group={}", stage.rules)]);
    }
    argv.extend(metrics(stage, stage.gateway));
    Ok(Spec {
        argv: weft(argv)?,
        env: BTreeMap::new(),
        netns: None,
        log: dir.log("controller"),
        home: None,
        keep: true,
    })
}

fn vswitch(
    dir: &LabDir,
    stage: &Stage,
    place: &HostPlace,
    netns: Option<Arc<OwnedFd>>,
) -> io::Result<Spec> {
    let run = dir.run(&place.name);
    fs::create_dir_all(&run)?;
    let namespaces = dir.netns_of_host(&place.name);
    fs::create_dir_all(&namespaces)?;
    let name = place.name.as_str();
    let uplink = place.edge.then(|| ["--uplink".into(), UPLINK.into()]);
    let mut argv = vec![
        "vswitch".into(),
        "--host".into(),
        name.into(),
        "--vtep".into(),
        place.vtep.to_string(),
        "--controller".into(),
        format!("http://{}", endpoint(stage.gateway)),
        "--netns-dir".into(),
        text(&namespaces),
        "--run-dir".into(),
        text(&run),
    ];
    argv.extend(["--datapath".into(), place.datapath.clone()]);
    argv.extend(uplink.into_iter().flatten());
    argv.extend(metrics(stage, place.vtep));
    if let Some(metrics) = &stage.metrics {
        let interfaces = metrics.interfaces.to_string();
        argv.extend(["--metrics-interfaces".into(), interfaces]);
    }
    if let Some(workers) = place.workers {
        argv.extend(["--workers".into(), workers.to_string()]);
    }
    Ok(Spec {
        argv: weft(argv)?,
        env: BTreeMap::new(),
        netns,
        log: dir.log(&vswitch_name(name)),
        home: None,
        keep: true,
    })
}

/// Makes the workloads' own processes be these.
pub(super) fn commands(lab: &Lab, commands: &BTreeMap<String, Work>) -> io::Result<()> {
    let mut state = lab.state();
    let names: BTreeSet<String> = commands.keys().map(|w| command_name(w)).collect();
    state
        .processes
        .retain(|name| !name.starts_with("workload-") || names.contains(name));
    for (workload, work) in commands {
        let Some(netns) = state.staged.netns(workload) else {
            return Err(io::Error::other(format!("there is no workload {workload}")));
        };
        let spec = workload_process(&lab.dir, workload, work, netns);
        state.processes.ensure(&command_name(workload), spec)?;
    }
    drop(state);
    lab.wake();
    Ok(())
}

fn workload_process(dir: &LabDir, workload: &str, work: &Work, netns: Arc<OwnedFd>) -> Spec {
    Spec {
        argv: work.argv.clone(),
        env: BTreeMap::from([
            ("WEFT_LAB".into(), dir.name.to_string()),
            ("WEFT_WORKLOAD".into(), workload.to_owned()),
            ("PATH".into(), programs::path()),
        ]),
        netns: Some(netns),
        log: dir.log(&command_name(workload)),
        home: Some(Home {
            path: dir.home(workload),
            files: work.files.clone(),
        }),
        keep: true,
    }
}

/// Which devices lack addresses, and which.
pub(super) fn pending(lab: &Lab, expected: &[Expected]) -> io::Result<Vec<String>> {
    // A lab is up once the internet knows every way in.
    let mut lacking = internet::lacking(lab)?;
    for want in expected {
        let Some(netns) = lab.state().staged.netns(&want.workload) else {
            lacking.push(format!("{}: no such workload", want.workload));
            continue;
        };
        let (have, listening) = netns::inside(&netns, || Ok((present()?, listening())))?;
        let missing: Vec<String> = want
            .addresses
            .iter()
            .filter(|a| !have.contains(a))
            .map(ToString::to_string)
            .collect();
        if !missing.is_empty() {
            lacking.push(format!("{}: {}", want.workload, missing.join(", ")));
        }
        let silent = want.ports.iter().filter(|port| !listening.contains(port));
        lacking.extend(silent.map(|port| {
            let name = command_name(&want.workload);
            format!("{name}: nothing listens on port {port}")
        }));
    }
    Ok(lacking)
}

/// TCP ports that something listens on, in the calling thread's namespace, from the kernel's tables
/// (slot, local address and port, remote ones, state).
fn listening() -> BTreeSet<u16> {
    const LISTEN: &str = "0A";
    let port = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (_, port) = words.next()?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (words.nth(1)? == LISTEN).then_some(port)
    };
    let tables = ["tcp", "tcp6"].map(|table| {
        fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default()
    });
    tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(port)
        .collect()
}

/// Addresses of devices that are up, in the calling thread's namespace; an IPv6 address counts when
/// duplicate detection has let it go.
fn present() -> io::Result<BTreeSet<IpAddr>> {
    use nix::net::if_::InterfaceFlags;
    let tentative = tentative();
    let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let all = nix::ifaddrs::getifaddrs()?;
    Ok(all
        .filter(|i| i.flags.contains(up))
        .filter_map(|i| i.address)
        .filter_map(|a| {
            let v4 = a.as_sockaddr_in().map(|s| IpAddr::V4(s.ip()));
            v4.or_else(|| a.as_sockaddr_in6().map(|s| IpAddr::V6(s.ip())))
        })
        .filter(|a| !tentative.contains(a))
        .collect())
}

/// Addresses that may not be used yet, from the kernel's table (address, index, length, scope,
/// flags, device).
fn tentative() -> BTreeSet<IpAddr> {
    const TENTATIVE: u32 = 0x40;
    let table = fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default();
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
        (flags & TENTATIVE != 0).then(|| IpAddr::V6(address.into()))
    };
    table.lines().filter_map(parse).collect()
}
