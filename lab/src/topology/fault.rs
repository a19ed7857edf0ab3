//! Faults to come: what goes wrong, where and when.

use weft_model::HostName;

use super::{
    HostSpec, Topology,
    read::{Fields, Reader},
    source::At,
    yaml::Node,
};
use crate::fault::{Delay, Fault, Loss, Rate};

const KEYS: &[&str] = &[
    "at",
    "for",
    "host",
    "loss",
    "delay",
    "rate",
    "down",
    "kill",
    "partition",
];

/// A fault with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSpec {
    /// How long after the lab is up it begins.
    pub at: Delay,
    /// How long it lasts; for good where none.
    pub lasts: Option<Delay>,
    /// Where.
    pub host: At<HostName>,
    /// What.
    pub fault: Fault,
}

pub(super) fn faults(r: &mut Reader, node: Option<&Node>) -> Vec<FaultSpec> {
    let nodes = Reader::list(node);
    let read: Vec<_> = nodes.iter().filter_map(|node| fault(r, node)).collect();
    read
}

fn fault(r: &mut Reader, node: &Node) -> Option<FaultSpec> {
    let fields = r.fields(node, node.span, "a fault", KEYS);
    let host = r.required::<HostName>(&fields, "host", "a fault");
    let at = time(r, &fields, "at");
    let lasts = time(r, &fields, "for");
    let fault = Fault {
        down: r.flag(&fields, "down", false),
        killed: r.flag(&fields, "kill", false),
        partitioned: r.flag(&fields, "partition", false),
        loss: r
            .optional::<Loss>(&fields, "loss")
            .map_or_else(Loss::default, |l| l.value),
        delay: time(r, &fields, "delay").unwrap_or_default(),
        rate: r
            .optional::<Rate>(&fields, "rate")
            .map_or_else(Rate::default, |l| l.value),
    };
    if fault == Fault::default() {
        let message = "a fault says what goes wrong";
        let help = "one or more of loss, delay, rate, down, kill, partition";
        r.error_help(node.span, message, help);
    }
    Some(FaultSpec {
        at: at.unwrap_or_default(),
        lasts,
        host: host?,
        fault,
    })
}

/// Faults are of hosts that there are.
pub(super) fn known_hosts(r: &mut Reader, topology: &Topology) {
    for fault in &topology.faults {
        let known = |host: &HostSpec| host.name.value == fault.host.value;
        if !topology.hosts.iter().any(known) {
            let message = format!("there is no host `{}`", fault.host.value);
            r.error(fault.host.span, message);
        }
    }
}

impl Topology {
    /// The faults and their ends, in the order of their times, each in microseconds.
    pub(crate) fn timeline(&self) -> Vec<(u64, HostName, Fault)> {
        let micros = |time: Delay| time.get().as_micros() as u64;
        let mut line = Vec::new();
        for spec in &self.faults {
            let (host, at) = (&spec.host.value, micros(spec.at));
            line.push((at, host.clone(), spec.fault));
            if let Some(lasts) = spec.lasts {
                line.push((at + micros(lasts), host.clone(), Fault::default()));
            }
        }
        line.sort_by_key(|(at, ..)| *at);
        line
    }
}

fn time(r: &mut Reader, fields: &Fields<'_>, key: &str) -> Option<Delay> {
    r.optional::<Delay>(fields, key).map(|time| time.value)
}
