//! `weft lab graph`: the topology as a tree, as JSON, or for Graphviz.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::{Global, fault::faults, select, stored};
use crate::{
    error::LabError,
    fault::Fault,
    print::{self, Format},
    topology::{Topology, TransitSpec, VpcSpec, WorkloadSpec},
};

#[derive(Serialize)]
struct Node<'t> {
    workload: &'t str,
    host: &'t str,
    zone: String,
    vpc: &'t str,
    subnet: &'t str,
    groups: Vec<&'t str>,
    /// What is wrong with its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

type Faults = BTreeMap<String, Fault>;

pub(super) fn graph(dot: bool, global: &Global) -> Result<(), LabError> {
    let dir = select(global.lab.as_deref())?;
    let topology = stored(&dir)?;
    let faults = faults(&dir)?;
    if global.format == Format::Json {
        let nodes: Vec<Node<'_>> = topology
            .workloads
            .iter()
            .map(|w| node(&topology, w, &faults))
            .collect();
        return Ok(print::json(&nodes)?);
    }
    let text = if dot {
        for_graphviz(&topology, &faults)
    } else {
        tree(&topology) + &wrong(&faults)
    };
    Ok(print::line(text.trim_end())?)
}

fn node<'t>(topology: &Topology, w: &'t WorkloadSpec, faults: &Faults) -> Node<'t> {
    let zone = topology.subnet_of(w).map(|s| s.zone.to_string());
    Node {
        workload: w.name.as_str(),
        host: w.host.as_str(),
        zone: zone.unwrap_or_default(),
        vpc: w.vpc.as_str(),
        subnet: w.subnet.as_str(),
        groups: w.groups.iter().map(|g| g.as_str()).collect(),
        fault: faults.get(w.host.as_str()).map(ToString::to_string),
    }
}

/// What is wrong with hosts.
fn wrong(faults: &Faults) -> String {
    let mut out = String::new();
    for (host, fault) in faults {
        put(&mut out, format_args!("! {host}: {fault}"));
    }
    out
}

/// Writes a line; writing to a string can't fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

fn tree(topology: &Topology) -> String {
    let mut out = String::new();
    for vpc in &topology.vpcs {
        let blocks: Vec<String> = vpc.blocks.iter().map(|b| b.to_string()).collect();
        put(
            &mut out,
            format_args!("{} {}", vpc.name.value, blocks.join(" ")),
        );
        subnets(&mut out, topology, vpc);
    }
    for gateway in &topology.transit_gateways {
        transit(&mut out, gateway);
    }
    out
}

/// A transit gateway with its VPCs: which table routes each, and which learn its blocks.
fn transit(out: &mut String, gateway: &TransitSpec) {
    put(out, format_args!("transit gateway {}", gateway.name.value));
    let last = gateway.attachments.len().saturating_sub(1);
    for (n, attachment) in gateway.attachments.iter().enumerate() {
        let branch = if n == last { "└─" } else { "├─" };
        let table = attachment.table.as_ref().map_or("none", |t| t.as_str());
        let into: Vec<&str> = attachment.propagations.iter().map(|t| t.as_str()).collect();
        let into = if into.is_empty() {
            "none".into()
        } else {
            into.join(",")
        };
        let vpc = &attachment.vpc.value;
        put(
            out,
            format_args!("{branch} {vpc} routed by {table}, announced to {into}"),
        );
    }
}

fn subnets(out: &mut String, topology: &Topology, vpc: &VpcSpec) {
    for (n, subnet) in vpc.subnets.iter().enumerate() {
        let last = n + 1 == vpc.subnets.len();
        let (branch, stem) = if last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        let zone = &subnet.zone.value;
        put(
            out,
            format_args!(
                "{branch} {} {} in {zone}",
                subnet.name.value, subnet.cidr.value
            ),
        );
        let inside = |w: &&WorkloadSpec| {
            w.vpc.value == vpc.name.value && w.subnet.value == subnet.name.value
        };
        let members: Vec<_> = topology.workloads.iter().filter(inside).collect();
        for (m, w) in members.iter().enumerate() {
            let leaf = if m + 1 == members.len() {
                "└─"
            } else {
                "├─"
            };
            let groups: Vec<&str> = w.groups.iter().map(|g| g.as_str()).collect();
            let groups = if groups.is_empty() {
                "default".into()
            } else {
                groups.join(",")
            };
            put(
                out,
                format_args!(
                    "{stem} {leaf} {} on {} [{groups}]",
                    w.name.value, w.host.value
                ),
            );
        }
    }
}

fn for_graphviz(topology: &Topology, faults: &Faults) -> String {
    let mut out = String::from("graph weft {\n  node [shape=box];\n  underlay [shape=ellipse];\n");
    for (n, host) in topology.hosts.iter().enumerate() {
        let name = &host.name.value;
        put(&mut out, format_args!("  subgraph cluster_{n} {{"));
        put(
            &mut out,
            format_args!("    label=\"{name} ({})\";", host.zone.value),
        );
        put(
            &mut out,
            format_args!("    \"host {name}\" [label=\"vswitch\"];"),
        );
        for w in topology
            .workloads
            .iter()
            .filter(|w| w.host.value == host.name.value)
        {
            let label = format!("{}\\n{}/{}", w.name.value, w.vpc.value, w.subnet.value);
            put(
                &mut out,
                format_args!("    \"{}\" [label=\"{label}\"];", w.name.value),
            );
            put(
                &mut out,
                format_args!("    \"host {name}\" -- \"{}\";", w.name.value),
            );
        }
        let cable = faults.get(name.as_str()).map_or_else(String::new, |fault| {
            format!(" [label=\"{fault}\", color=red, fontcolor=red]")
        });
        put(
            &mut out,
            format_args!("  }}\n  underlay -- \"host {name}\"{cable};"),
        );
    }
    out.push_str("}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_shows_what_is_attached_to_transit_gateways() {
        let text = include_str!("../../../tests/topologies/transit.yaml");
        let topology = Topology::parse("transit.yaml", text).unwrap_or_else(|e| panic!("{e}"));
        let tree = tree(&topology);
        let shown: Vec<&str> = tree
            .lines()
            .skip_while(|line| !line.starts_with("transit gateway"))
            .collect();
        assert_eq!(
            shown,
            [
                "transit gateway core",
                "├─ a routed by spokes, announced to default",
                "├─ b routed by spokes, announced to default",
                "└─ shared routed by default, announced to spokes",
            ]
        );
    }
}
