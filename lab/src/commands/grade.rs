//! `weft lab grade`: how far an exercise is done, and what decides the rest.

mod cloud;
mod decided;
mod mark;
mod there;
mod tries;

use serde::Serialize;

use super::{Global, GradeArgs, SourceArgs, parse, select, source, stored};
use crate::{
    error::LabError,
    print::{self, Format},
    runtime::dirs::{LabDir, Labs},
    topology::{ExerciseSpec, Topology},
};

/// What came of one thing that a criterion asks for.
#[derive(Debug, Serialize)]
struct Finding {
    met: bool,
    expected: String,
    seen: String,
    /// The rule, route or entry that made it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<String>,
}

/// A criterion and all that it asks for.
#[derive(Debug, Serialize)]
struct Marked {
    name: String,
    met: bool,
    /// What was earned.
    points: u32,
    /// What could be.
    of: u32,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Mark {
    lab: String,
    task: String,
    points: u32,
    of: u32,
    criteria: Vec<Marked>,
}

pub(super) fn grade(args: &GradeArgs, global: &Global) -> Result<(), LabError> {
    let given = args.topology.as_deref().map(read).transpose()?;
    let dir = lab_of(given.as_ref(), global)?;
    let running = stored(&dir)?;
    let topology = given.as_ref().unwrap_or(&running);
    let exercise = topology.exercise.as_ref().ok_or_else(|| {
        let name = &topology.name.value;
        LabError::Which(format!("topology `{name}` has no `exercise` to mark"))
    })?;
    let mut criteria = mark::criteria(&dir, &running, topology, exercise)?;
    for marked in &mut criteria {
        if marked.met || args.no_hints {
            marked.hint = None;
        }
    }
    let mark = sum(&dir, exercise, criteria);
    match global.format {
        Format::Json => print::json(&mark)?,
        Format::Table => show(&mark, args.all)?,
    }
    if mark.points == mark.of {
        return Ok(());
    }
    Err(LabError::Grade {
        points: mark.points,
        of: mark.of,
    })
}

fn read(name: &str) -> Result<Topology, LabError> {
    let args = SourceArgs {
        topology: name.to_owned(),
        broken: false,
        set: Vec::new(),
    };
    let (file, text) = source(&args)?;
    parse(&file, &text)
}

/// The lab that was said, or the exercise's own where it is up, or the only one.
fn lab_of(given: Option<&Topology>, global: &Global) -> Result<LabDir, LabError> {
    let own = given.map(|topology| &topology.name.value);
    if let (None, Some(name)) = (&global.lab, own) {
        let dir = Labs::open()?.lab(name);
        if dir.alive() {
            return Ok(dir);
        }
    }
    select(global.lab.as_deref())
}

fn sum(dir: &LabDir, exercise: &ExerciseSpec, criteria: Vec<Marked>) -> Mark {
    Mark {
        lab: dir.name.to_string(),
        task: exercise.task.clone(),
        points: criteria.iter().map(|c| c.points).sum(),
        of: criteria.iter().map(|c| c.of).sum(),
        criteria,
    }
}

fn show(mark: &Mark, all: bool) -> Result<(), LabError> {
    print::line(&mark.task)?;
    print::line("")?;
    for marked in &mark.criteria {
        let word = print::verdict(if marked.met { "met " } else { "FAIL" }, marked.met);
        print::line(&format!(
            "{word}  {}/{}  {}",
            marked.points, marked.of, marked.name
        ))?;
        for finding in marked.findings.iter().filter(|f| all || !f.met) {
            print::line(&format!("        expected  {}", finding.expected))?;
            print::line(&format!("        seen      {}", finding.seen))?;
            if let Some(decided) = &finding.decided {
                print::line(&format!("        decided   {decided}"))?;
            }
        }
        if let Some(hint) = &marked.hint {
            print::line(&format!("        hint      {hint}"))?;
        }
    }
    let percent = mark.points * 100 / mark.of.max(1);
    let total = format!("\n{} of {} points, {percent} %", mark.points, mark.of);
    Ok(print::line(&total)?)
}
