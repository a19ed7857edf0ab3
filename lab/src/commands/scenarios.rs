//! `weft lab scenarios`.

use serde::Serialize;

use super::Global;
use crate::{
    error::LabError,
    print::{self, Format},
    scenario::{self, Scenario},
};

#[derive(Serialize)]
struct Row {
    name: &'static str,
    exercise: bool,
    about: &'static str,
    parameters: Vec<String>,
}

fn row(scenario: &Scenario) -> Row {
    let parameters = scenario.parameters.iter();
    Row {
        name: scenario.name,
        exercise: scenario.has_exercise(),
        about: scenario.about,
        parameters: parameters
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
    }
}

pub(super) fn list(global: &Global) -> Result<(), LabError> {
    let rows: Vec<Row> = scenario::ALL.iter().map(row).collect();
    if global.format == Format::Json {
        return Ok(print::json(&rows)?);
    }
    let mut table = print::table(&["SCENARIO", "EXERCISE", "ABOUT"]);
    for row in &rows {
        let set = match row.parameters.join(", ") {
            none if none.is_empty() => none,
            some => format!(" ({some})"),
        };
        table.add_row([
            row.name.to_owned(),
            if row.exercise { "yes" } else { "-" }.to_owned(),
            format!("{}{set}", row.about),
        ]);
    }
    Ok(print::line(&print::aligned(table))?)
}
