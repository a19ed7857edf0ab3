//! Judging each criterion.

use super::{Finding, Marked, cloud::Cloud, decided::Deciders, tries};
use crate::{
    commands::{block_on, check},
    error::LabError,
    probe::Observed,
    runtime::dirs::LabDir,
    topology::{Check, CriterionSpec, ExerciseSpec, Topology},
};

/// What came of every criterion, in the order of the file. The lab is what `running` says; what is
/// asked for is the exercise's.
pub(super) fn criteria(
    dir: &LabDir,
    running: &Topology,
    topology: &Topology,
    exercise: &ExerciseSpec,
) -> Result<Vec<Marked>, LabError> {
    // First, as servers may have been started just now.
    let mut tried = tries::all(dir, exercise)?.into_iter();
    let ranges = exercise.criteria.iter().map(|c| c.checks.clone());
    let checks: Vec<&Check> = ranges.flat_map(|range| &topology.checks[range]).collect();
    let owned: Vec<Check> = checks.into_iter().cloned().collect();
    let mut observed = check::run(dir, running, &owned)?.into_iter();
    block_on(async {
        let cloud = Cloud::load(dir).await?;
        let deciders = Deciders::load(dir, running).await?;
        let mut all = Vec::new();
        for spec in &exercise.criteria {
            let mut findings: Vec<Finding> = tried.by_ref().take(spec.tries.len()).collect();
            for check in &topology.checks[spec.checks.clone()] {
                let Some(observed) = observed.next() else {
                    continue;
                };
                let decided = deciders.of(check).await;
                findings.push(packet(check, &observed, decided));
            }
            findings.extend(spec.rules.iter().flat_map(|rules| cloud.rules(rules)));
            findings.extend(spec.healthy.iter().map(|healthy| cloud.healthy(healthy)));
            findings.extend(spec.intact.then(|| cloud.there.intact(topology)));
            all.push(marked(spec, findings));
        }
        Ok(all)
    })
}

fn marked(spec: &CriterionSpec, findings: Vec<Finding>) -> Marked {
    let met = findings.iter().all(|finding| finding.met);
    Marked {
        name: spec.name.clone(),
        met,
        points: if met { spec.points } else { 0 },
        of: spec.points,
        findings,
        hint: spec.hint.clone(),
    }
}

fn packet(check: &Check, observed: &Observed, decided: Option<String>) -> Finding {
    let what = match check.port {
        0 => check.transport.to_string(),
        port => format!("{}/{port}", check.transport),
    };
    let family = if check.ipv6 { "IPv6" } else { "IPv4" };
    let wanted = if check.reach {
        "reaches"
    } else {
        "is kept from"
    };
    Finding {
        met: observed.meets(check.reach),
        expected: format!(
            "{} {wanted} {} by {what} over {family}",
            check.from, check.to
        ),
        seen: observed.word(),
        decided,
    }
}
