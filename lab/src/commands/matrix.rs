//! `weft lab matrix`: who reaches whom.

use serde::Serialize;

use super::{Global, MatrixArgs, check::run, select, stored};
use crate::{
    error::LabError,
    print::{self, Format},
    topology::{Check, Destination, Topology, Transport},
};

/// Workloads that fit a screen; each pair is a probe.
const MOST: usize = 40;

#[derive(Serialize)]
struct Cell {
    from: String,
    to: String,
    reached: bool,
    observed: String,
}

pub(super) fn matrix(args: &MatrixArgs, global: &Global) -> Result<(), LabError> {
    let dir = select(global.lab.as_deref())?;
    let topology = stored(&dir)?;
    let names: Vec<&str> = topology.workloads.iter().map(|w| w.name.as_str()).collect();
    if names.len() > MOST {
        let message = format!(
            "{} workloads make no readable matrix; at most {MOST}",
            names.len()
        );
        return Err(LabError::Which(message));
    }
    let checks = pairs(&topology, args);
    let observed = run(&dir, &topology, &checks)?;
    let cells: Vec<Cell> = checks
        .iter()
        .zip(observed)
        .map(|(check, observed)| Cell {
            from: check.from.to_string(),
            to: check.to.to_string(),
            reached: observed.meets(true),
            observed: observed.word(),
        })
        .collect();
    if global.format == Format::Json {
        return Ok(print::json(&cells)?);
    }
    show(&names, &cells)
}

fn pairs(topology: &Topology, args: &MatrixArgs) -> Vec<Check> {
    let all = &topology.workloads;
    let others = all
        .iter()
        .flat_map(|from| all.iter().map(move |to| (from, to)));
    others
        .filter(|(from, to)| from.name.value != to.name.value)
        .map(|(from, to)| Check {
            from: from.name.value.clone(),
            to: Destination::Workload(to.name.value.clone()),
            transport: args.protocol,
            port: if args.protocol == Transport::Icmp {
                0
            } else {
                args.port
            },
            ipv6: args.ipv6,
            // Most pairs of a good policy are closed; waiting long for each would be dull.
            reach: false,
        })
        .collect()
}

fn show(names: &[&str], cells: &[Cell]) -> Result<(), LabError> {
    let mut titles = vec!["FROM \\ TO"];
    titles.extend(names);
    let mut table = print::table(&titles);
    for from in names {
        let mut row = vec![(*from).to_owned()];
        for to in names {
            let cell = cells.iter().find(|c| c.from == *from && c.to == *to);
            row.push(cell.map_or_else(
                || "-".to_owned(),
                |c| print::verdict(if c.reached { "yes" } else { "no" }, c.reached),
            ));
        }
        table.add_row(row);
    }
    Ok(print::line(&print::aligned(table))?)
}
