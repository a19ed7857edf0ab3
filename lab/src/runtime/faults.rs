//! Making what is wrong with a host be so.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use weft_model::HostName;

use super::{
    link, netns,
    process::Spec,
    stage::{self, vswitch_name},
    supervisor::{Lab, State, note},
    wire::{HostPlace, Stage, Timed},
};
use crate::fault::Fault;

/// Makes this, and nothing else, be wrong with the host.
pub(super) fn set(lab: &Lab, host: &HostName, fault: Fault) -> io::Result<()> {
    let mut state = lab.state();
    let Some((place, netns)) = state.staged.host(host) else {
        let message = format!("there is no host `{host}`");
        return Err(io::Error::other(message));
    };
    let Some(stage) = state.stage.clone() else {
        return Err(io::Error::other("the lab isn't up"));
    };
    let before = state.faults.get(host.as_str()).copied().unwrap_or_default();
    shape(lab, &mut state, &place, (before, fault))?;
    link::set_up(&link::port(&place), !fault.down && !fault.killed)?;
    partition(&netns, &stage, (before, fault))?;
    kill(lab, &mut state, &stage, &place, (before, fault))?;
    if fault == Fault::default() {
        state.faults.remove(host.as_str());
    } else {
        state.faults.insert(host.to_string(), fault);
    }
    drop(state);
    lab.wake();
    Ok(())
}

fn relay_name(place: &HostPlace) -> String {
    format!("cable-{}", place.name)
}

/// A good cable goes into the bridge; a bad one goes through a relay.
fn shape(
    lab: &Lab,
    state: &mut State,
    place: &HostPlace,
    (before, after): (Fault, Fault),
) -> io::Result<()> {
    let bad = |fault: Fault| (fault.loss, fault.delay, fault.rate);
    if bad(before) == bad(after) {
        return Ok(());
    }
    state.processes.remove(&relay_name(place));
    let port = link::port(place);
    if !after.shapes() {
        return link::plug_in(&port);
    }
    let far = link::splice(&port)?;
    let spec = Spec {
        argv: stage::weft(vec![
            "lab".into(),
            "cable".into(),
            port,
            far,
            "--fault".into(),
            serde_json::to_string(&after)?,
        ])?,
        env: BTreeMap::new(),
        netns: None,
        log: lab.dir.log(&relay_name(place)),
        home: None,
        keep: true,
    };
    state.processes.ensure(&relay_name(place), spec)
}

/// Only the controller is out of reach: other hosts are on the same wire.
fn partition(netns: &OwnedFd, stage: &Stage, (before, after): (Fault, Fault)) -> io::Result<()> {
    if before.partitioned == after.partitioned {
        return Ok(());
    }
    let gateway = stage.gateway;
    netns::inside(netns, move || link::blackhole(gateway, after.partitioned))
}

fn kill(
    lab: &Lab,
    state: &mut State,
    stage: &Stage,
    place: &HostPlace,
    (before, after): (Fault, Fault),
) -> io::Result<()> {
    match (before.killed, after.killed) {
        (false, true) => {
            let name = vswitch_name(place.name.as_str());
            state
                .processes
                .signal(&name, nix::sys::signal::Signal::SIGKILL);
            state.processes.remove(&name);
            Ok(())
        }
        (true, false) => stage::start_vswitch(&lab.dir, state, stage, place),
        _ => Ok(()),
    }
}

/// Does these when their time comes; a newer plan replaces an older one.
pub(super) fn plan(lab: &Arc<Lab>, faults: Vec<Timed>) -> io::Result<()> {
    let round = {
        let mut state = lab.state();
        state.plan += 1;
        state.plan
    };
    let lab = Arc::clone(lab);
    let began = Instant::now();
    let builder = thread::Builder::new().name("faults".into());
    builder
        .spawn(move || {
            for timed in faults {
                let at = began + Duration::from_micros(timed.at_us);
                thread::sleep(at.saturating_duration_since(Instant::now()));
                if lab.state().plan != round {
                    return;
                }
                if let Err(error) = set(&lab, &timed.host, timed.fault) {
                    note(&format!("a planned fault of {}: {error}", timed.host));
                }
            }
        })
        .map(drop)
}
