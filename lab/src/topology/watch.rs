//! What is watched of a cloud's traffic.

use std::fmt::Display;

use weft_model::{LogFormat, LogInterval, LogTraffic};

use super::{
    FlowLogSpec, ItemName, LogScopeSpec, Topology,
    link::unknown,
    read::{Fields, Reader},
    source::At,
    yaml::Node,
};

const FLOW_LOG_KEYS: [&str; 6] = ["vpc", "subnet", "workload", "traffic", "interval", "format"];
/// Flow logs of one resource, as the controller's default quota.
const MAX_FLOW_LOGS: usize = 2;

pub(super) fn flow_log(r: &mut Reader, key: &At<String>, node: &Node) -> Option<FlowLogSpec> {
    let fields = r.fields(node, key.span, "a flow log", &FLOW_LOG_KEYS);
    let name = r.parsed(key, "flow_logs");
    let scope = scope(r, key, &fields);
    let traffic = r.optional::<Written<LogTraffic>>(&fields, "traffic");
    let format = r.optional::<LogFormat>(&fields, "format");
    let interval = match r.optional::<u32>(&fields, "interval") {
        None => Some(LogInterval::TenMinutes),
        Some(seconds) => match LogInterval::try_from(seconds.value) {
            Ok(interval) => Some(interval),
            Err(error) => {
                r.error(seconds.span, format!("interval: {} {error}", seconds.value));
                None
            }
        },
    };
    Some(FlowLogSpec {
        name: name?,
        scope: scope?,
        traffic: traffic.map_or(LogTraffic::All, |traffic| traffic.value.0),
        interval: interval?,
        format: format.map_or_else(LogFormat::default, |format| format.value),
    })
}

/// A word whose error doesn't repeat it.
struct Written<T>(T);

impl<T: std::str::FromStr<Err: Display>> std::str::FromStr for Written<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word: String = text.chars().take(40).collect();
        text.parse()
            .map(Self)
            .map_err(|error| format!("`{word}` {error}"))
    }
}

fn scope(r: &mut Reader, key: &At<String>, fields: &Fields<'_>) -> Option<LogScopeSpec> {
    let vpc = r.optional::<ItemName>(fields, "vpc");
    let subnet = r.optional::<ItemName>(fields, "subnet");
    let workload = r.optional::<ItemName>(fields, "workload");
    match (vpc, subnet, workload) {
        (Some(vpc), None, None) => Some(LogScopeSpec::Vpc(vpc)),
        (Some(vpc), Some(subnet), None) => Some(LogScopeSpec::Subnet(vpc, subnet)),
        (None, None, Some(workload)) => Some(LogScopeSpec::Workload(workload)),
        _ => {
            let help = "`vpc: NAME`, `vpc: NAME` with `subnet: NAME`, or `workload: NAME`";
            let message = format!("flow log `{}` must say what it is about", key.value);
            r.error_help(key.span, message, help);
            None
        }
    }
}

/// Whether what the logs are about exists, and has no more of them than it may.
pub(super) fn flow_logs(r: &mut Reader, topology: &Topology) {
    for (n, log) in topology.flow_logs.iter().enumerate() {
        match &log.scope {
            LogScopeSpec::Vpc(vpc) => vpc_exists(r, topology, vpc),
            LogScopeSpec::Subnet(vpc, subnet) => {
                vpc_exists(r, topology, vpc);
                if let Some(spec) = topology.vpc(vpc)
                    && spec.subnet(subnet).is_none()
                {
                    let known = spec.subnets.iter().map(|s| s.name.as_str());
                    let what = format!("subnet in VPC `{}` named", vpc.value);
                    unknown(r, subnet.span, &what, subnet.as_str(), known);
                }
            }
            LogScopeSpec::Workload(name) if topology.workload(name).is_none() => {
                let known = topology.workloads.iter().map(|w| w.name.as_str());
                unknown(r, name.span, "workload", name.as_str(), known);
            }
            LogScopeSpec::Workload(_) => {}
        }
        let same = |other: &&FlowLogSpec| same_scope(&other.scope, &log.scope);
        if topology.flow_logs[..n].iter().filter(same).count() >= MAX_FLOW_LOGS {
            let message = format!("there are {MAX_FLOW_LOGS} flow logs of the same already");
            r.error(log.name.span, message);
        }
    }
}

fn vpc_exists(r: &mut Reader, topology: &Topology, vpc: &At<ItemName>) {
    if topology.vpc(vpc).is_none() {
        let known = topology.vpcs.iter().map(|v| v.name.as_str());
        unknown(r, vpc.span, "VPC", vpc.as_str(), known);
    }
}

/// The same whatever line they stand on.
fn same_scope(a: &LogScopeSpec, b: &LogScopeSpec) -> bool {
    match (a, b) {
        (LogScopeSpec::Vpc(a), LogScopeSpec::Vpc(b))
        | (LogScopeSpec::Workload(a), LogScopeSpec::Workload(b)) => a.value == b.value,
        (LogScopeSpec::Subnet(v, a), LogScopeSpec::Subnet(w, b)) => {
            v.value == w.value && a.value == b.value
        }
        _ => false,
    }
}
