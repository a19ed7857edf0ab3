//! Dependencies point down: a crate knows only crates of lower tiers (docs/design.md has the map).

use std::fs;

use crate::source;

/// Each crate with its folder and tier.
const TIERS: [(&str, &str, u8); 15] = [
    ("weft-model", "controller/model", 0),
    ("weft-aws", "controller/aws", 1),
    ("weft-packet", "vswitch/packet", 1),
    ("weft-proto", "proto", 1),
    ("weft-store", "controller/store", 1),
    ("weft-telemetry", "controller/telemetry", 1),
    ("weft-engine", "vswitch/engine", 2),
    ("weft-planner", "controller/planner", 2),
    ("weft-datapath", "vswitch/datapath", 3),
    ("weft-controller", "controller", 4),
    ("weft-vswitch", "vswitch", 4),
    ("weft-lab", "lab", 5),
    ("weft-benches", "benches", 6),
    ("weft", "cli", 7),
    ("weft-tests", "tests", 8),
];

/// The crates of ours that a manifest's `[dependencies]` name.
fn dependencies(folder: &str) -> Vec<String> {
    let text = fs::read_to_string(source::root().join(folder).join("Cargo.toml")).unwrap();
    let section = text.split("\n[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let name = |line: &str| {
        line.split(['.', ' ', '='])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    section
        .lines()
        .map(name)
        .filter(|name| name.starts_with("weft"))
        .collect()
}

#[test]
fn an_arrow_never_points_up_or_sideways() {
    let tier = |name: &str| {
        TIERS
            .iter()
            .find(|(krate, ..)| *krate == name)
            .map(|(.., tier)| *tier)
    };
    let mut findings = Vec::new();
    for (krate, folder, own) in TIERS {
        for dependency in dependencies(folder) {
            match tier(&dependency) {
                Some(theirs) if theirs < own => {}
                Some(theirs) => {
                    findings.push(format!(
                        "{krate} (tier {own}) -> {dependency} (tier {theirs})"
                    ));
                }
                None => findings.push(format!("{krate} -> {dependency}: not in the map")),
            }
        }
    }
    source::none("turn these arrows", &findings);
}

#[test]
fn every_crate_of_the_workspace_is_in_the_map() {
    let text = fs::read_to_string(source::root().join("Cargo.toml")).unwrap();
    let members = text
        .split("members = [")
        .nth(1)
        .unwrap()
        .split(']')
        .next()
        .unwrap();
    let unknown: Vec<String> = members
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|member| !TIERS.iter().any(|(_, folder, _)| folder == member))
        .map(str::to_owned)
        .collect();
    source::none("give these crates a tier", &unknown);
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let lacks = |folder: &str| {
        let text = fs::read_to_string(source::root().join(folder).join("Cargo.toml")).unwrap();
        !text.contains("[lints]\nworkspace = true")
    };
    let findings: Vec<String> = TIERS
        .iter()
        .filter(|(_, folder, _)| lacks(folder))
        .map(|t| t.0.to_owned())
        .collect();
    source::none("add `[lints] workspace = true`", &findings);
}
