//! An exercise: what a learner is to bring about in the lab, and how it is judged.

use std::ops::Range;

use super::{
    ItemName, Topology,
    link::{expand, unknown},
    parse::{Draft, check},
    read::{Fields, Reader},
    source::{At, Span},
    yaml::Node,
};

const KEYS: [&str; 2] = ["task", "criteria"];
const CRITERION_KEYS: [&str; 8] = [
    "name", "points", "hint", "checks", "try", "rules", "healthy", "intact",
];
const TRY_KEYS: [&str; 3] = ["in", "run", "prints"];
const RULES_KEYS: [&str; 2] = ["groups", "widest"];
const HEALTHY_KEYS: [&str; 3] = ["target_group", "targets", "drains"];

/// What a criterion is worth that doesn't say it.
const POINTS: u32 = 1;
/// The most that one may be worth.
const MOST_POINTS: u32 = 100;

/// What a learner is to bring about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExerciseSpec {
    /// What to do, in words.
    pub task: String,
    /// What must hold then; never empty.
    pub criteria: Vec<CriterionSpec>,
}

/// One thing that must hold: all that it lists, or it is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriterionSpec {
    /// What it is about, in words.
    pub name: String,
    /// What it is worth.
    pub points: u32,
    /// What to think of where it isn't met.
    pub hint: Option<String>,
    /// Which of the topology's checks are its own.
    pub checks: Range<usize>,
    /// Programs that must succeed.
    pub tries: Vec<TrySpec>,
    /// Security groups that must stay narrow.
    pub rules: Option<RulesSpec>,
    /// Targets that must be healthy.
    pub healthy: Option<HealthySpec>,
    /// Whether everything that the topology names must still be there.
    pub intact: bool,
}

/// A program that must succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrySpec {
    /// The workload, `internet`, or `host:NAME`.
    pub place: At<String>,
    /// A shell's line.
    pub run: String,
    /// What its output must contain.
    pub prints: Option<String>,
}

/// Groups whose ingress rules name groups, or few addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesSpec {
    /// The groups: their VPC and name.
    pub groups: Vec<(ItemName, ItemName)>,
    /// The shortest IPv4 prefix that a rule may name; of IPv6 it is always a /64.
    pub widest: u8,
}

/// Targets that must be healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthySpec {
    /// The target group.
    pub group: At<ItemName>,
    /// The workloads.
    pub targets: Vec<At<ItemName>>,
    /// The fewest seconds that one that is deregistered keeps its connections.
    pub drains: u16,
}

/// A criterion's checks before their names are known to exist, and its groups as they are written.
pub(super) struct CriterionDraft {
    checks: Vec<Draft>,
    groups: Vec<At<String>>,
}

/// The exercise, and what of each criterion needs the whole topology.
pub(super) fn exercise(
    r: &mut Reader,
    node: Option<&Node>,
) -> (Option<ExerciseSpec>, Vec<CriterionDraft>) {
    let Some(node) = node else {
        return (None, Vec::new());
    };
    let fields = r.fields(node, node.span, "an exercise", &KEYS);
    let task = r.required::<String>(&fields, "task", "an exercise");
    let nodes = Reader::list(fields.get("criteria"));
    if nodes.is_empty() {
        r.error(node.span, "an exercise needs `criteria`");
    }
    let read: Vec<_> = nodes.iter().filter_map(|node| criterion(r, node)).collect();
    let (criteria, drafts) = read.into_iter().unzip();
    let spec = task.map(|task| ExerciseSpec {
        task: task.value.trim().to_owned(),
        criteria,
    });
    (spec, drafts)
}

fn criterion(r: &mut Reader, node: &Node) -> Option<(CriterionSpec, CriterionDraft)> {
    let fields = r.fields(node, node.span, "a criterion", &CRITERION_KEYS);
    let name = r.required::<String>(&fields, "name", "a criterion");
    let points = points(r, &fields);
    let hint = r.optional::<String>(&fields, "hint");
    let checks = Reader::list(fields.get("checks")).iter();
    let checks: Vec<Draft> = checks.filter_map(|node| check(r, node)).collect();
    let tries = Reader::list(fields.get("try")).iter();
    let tries: Vec<TrySpec> = tries.filter_map(|node| attempt(r, node)).collect();
    let (rules, groups) = rules(r, fields.get("rules"));
    let healthy = fields.get("healthy").and_then(|node| healthy(r, node));
    let intact = r.flag(&fields, "intact", false);
    if CRITERION_KEYS[3..]
        .iter()
        .all(|key| fields.get(key).is_none())
    {
        let help = "one or more of checks, try, rules, healthy, intact";
        r.error_help(node.span, "a criterion says what must hold", help);
    }
    let spec = CriterionSpec {
        name: name?.value,
        points,
        hint: hint.map(|hint| hint.value.trim().to_owned()),
        checks: 0..0,
        tries,
        rules,
        healthy,
        intact,
    };
    Some((spec, CriterionDraft { checks, groups }))
}

fn points(r: &mut Reader, fields: &Fields<'_>) -> u32 {
    let Some(given) = r.optional::<u32>(fields, "points") else {
        return POINTS;
    };
    if !(1..=MOST_POINTS).contains(&given.value) {
        let message = format!(
            "points: {} is out of range: use 1 to {MOST_POINTS}",
            given.value
        );
        r.error(given.span, message);
    }
    given.value
}

fn attempt(r: &mut Reader, node: &Node) -> Option<TrySpec> {
    let fields = r.fields(node, node.span, "what is tried", &TRY_KEYS);
    let place = r.required::<String>(&fields, "in", "what is tried");
    let run = r.required::<String>(&fields, "run", "what is tried");
    let prints = r.optional::<String>(&fields, "prints");
    Some(TrySpec {
        place: place?,
        run: run?.value,
        prints: prints.map(|text| text.value),
    })
}

fn rules(r: &mut Reader, node: Option<&Node>) -> (Option<RulesSpec>, Vec<At<String>>) {
    let Some(node) = node else {
        return (None, Vec::new());
    };
    let fields = r.fields(node, node.span, "`rules`", &RULES_KEYS);
    let groups = Reader::list(fields.get("groups")).iter();
    let groups: Vec<_> = groups.filter_map(|node| r.text(node, "groups")).collect();
    if groups.is_empty() {
        r.error(node.span, "`rules` needs `groups`");
    }
    let widest = r.required::<u8>(&fields, "widest", "`rules`");
    if let Some(wide) = widest.as_ref().filter(|widest| widest.value > 32) {
        r.error(wide.span, "widest: an IPv4 prefix has 0 to 32 bits");
    }
    let spec = widest.map(|widest| RulesSpec {
        groups: Vec::new(),
        widest: widest.value,
    });
    (spec, groups)
}

fn healthy(r: &mut Reader, node: &Node) -> Option<HealthySpec> {
    let fields = r.fields(node, node.span, "`healthy`", &HEALTHY_KEYS);
    let group = r.required(&fields, "target_group", "`healthy`");
    let targets = Reader::list(fields.get("targets")).iter();
    let targets: Vec<_> = targets.filter_map(|n| r.value(n, "targets")).collect();
    if targets.is_empty() {
        r.error(node.span, "`healthy` needs `targets`");
    }
    let drains = r.optional(&fields, "drains");
    Some(HealthySpec {
        group: group?,
        targets,
        drains: drains.map_or(0, |seconds| seconds.value),
    })
}

/// Adds the criteria's checks to the topology's, and finds what they name.
pub(super) fn resolve(r: &mut Reader, topology: &mut Topology, drafts: &[CriterionDraft]) {
    let Some(mut exercise) = topology.exercise.take() else {
        return;
    };
    for (spec, draft) in exercise.criteria.iter_mut().zip(drafts) {
        let first = topology.checks.len();
        for draft in &draft.checks {
            expand(r, topology, draft);
        }
        spec.checks = first..topology.checks.len();
        for attempt in &spec.tries {
            place(r, topology, &attempt.place);
        }
        let groups = draft
            .groups
            .iter()
            .filter_map(|name| group(r, topology, name));
        let groups = groups.collect();
        if let Some(rules) = &mut spec.rules {
            rules.groups = groups;
        }
        if let Some(healthy) = &spec.healthy {
            targets(r, topology, healthy);
        }
    }
    topology.exercise = Some(exercise);
}

fn place(r: &mut Reader, topology: &Topology, place: &At<String>) {
    if !topology.has(place) {
        let known = topology.workloads.iter().map(|w| w.name.as_str());
        unknown(r, place.span, "workload", &place.value, known);
    }
}

/// `GROUP` where only one VPC has it, or `VPC/GROUP`.
fn group(r: &mut Reader, topology: &Topology, text: &At<String>) -> Option<(ItemName, ItemName)> {
    let all = topology.vpcs.iter().flat_map(|vpc| {
        let groups = vpc.groups.iter();
        groups.map(move |group| (vpc.name.value.clone(), group.name.value.clone()))
    });
    let (vpc, name) = match text.value.split_once('/') {
        Some((vpc, name)) => (Some(vpc), name),
        None => (None, text.value.as_str()),
    };
    let is = |(of, group): &(ItemName, ItemName)| {
        group.as_str() == name && vpc.is_none_or(|vpc| of.as_str() == vpc)
    };
    let mut found: Vec<_> = all.filter(is).collect();
    if found.len() > 1 {
        let message = format!("several VPCs have a group `{name}`");
        r.error_help(text.span, message, "write VPC/GROUP");
    }
    if found.is_empty() {
        missing_group(r, topology, text.span, &text.value);
    }
    found.pop()
}

fn missing_group(r: &mut Reader, topology: &Topology, span: Span, name: &str) {
    let groups = topology.vpcs.iter().flat_map(|vpc| &vpc.groups);
    let known = groups.map(|group| group.name.as_str());
    unknown(r, span, "security group", name, known);
}

fn targets(r: &mut Reader, topology: &Topology, healthy: &HealthySpec) {
    let mut groups = topology.target_groups.iter();
    if !groups.any(|group| group.name.value == healthy.group.value) {
        let known = topology.target_groups.iter().map(|g| g.name.as_str());
        unknown(
            r,
            healthy.group.span,
            "target group",
            healthy.group.as_str(),
            known,
        );
    }
    for target in &healthy.targets {
        if topology.workload(target).is_none() {
            let known = topology.workloads.iter().map(|w| w.name.as_str());
            unknown(r, target.span, "workload", target.as_str(), known);
        }
    }
}
