//! Topologies that come with the program.

mod broken;

use std::{collections::BTreeMap, fmt::Write as _, str::FromStr};

/// A built-in topology and its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What `weft lab up` takes.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Parameters with their defaults.
    pub parameters: &'static [(&'static str, u32)],
    /// Its text; made from the parameters if it has some.
    text: &'static str,
    /// How its exercise begins, if it has one: what differs.
    broken: Option<&'static str>,
}

impl Scenario {
    /// Whether it has an exercise.
    pub const fn has_exercise(&self) -> bool {
        self.broken.is_some()
    }
}

/// A scenario of a lesson: its directory has a topology and how that is broken.
macro_rules! lesson {
    ($name:literal, $about:literal) => {
        Scenario {
            name: $name,
            about: $about,
            parameters: &[],
            text: include_str!(concat!("../scenarios/", $name, "/topology.yaml")),
            broken: Some(include_str!(concat!(
                "../scenarios/",
                $name,
                "/broken.diff"
            ))),
        }
    };
}

/// Every scenario.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "quickstart",
        about: "2 hosts, 2 tenants with overlapping addresses, web/app/db tiers, IPv4 and IPv6",
        parameters: &[],
        text: include_str!("../scenarios/quickstart.yaml"),
        broken: None,
    },
    Scenario {
        name: "scale",
        about: "one subnet of many workloads over many hosts, a ring of checks",
        parameters: &[("hosts", 4), ("workloads", 20)],
        text: "",
        broken: None,
    },
    lesson!(
        "three-tier",
        "a shop: nginx, an application behind it, and Redis"
    ),
    lesson!(
        "groups-and-acls",
        "one server behind a security group and a network ACL"
    ),
    lesson!(
        "balancing",
        "three servers behind a load balancer that asks whether they are well"
    ),
    lesson!(
        "peering",
        "two teams peered with shared services, and not with each other"
    ),
    lesson!(
        "middlebox",
        "a firewall that routes lead through, between two subnets"
    ),
    lesson!(
        "zone-failure",
        "a service in two zones that outlives one of them"
    ),
    lesson!(
        "messaging",
        "phones, gateways behind a load balancer, and a queue in a private subnet"
    ),
    lesson!(
        "streaming",
        "video from caches near the viewers, and an origin in a VPC of its own"
    ),
    lesson!(
        "search",
        "a front that asks three shards in three zones at once"
    ),
    lesson!(
        "payments",
        "a checkout, a ledger and a vault, with flow logs for the audit"
    ),
    lesson!(
        "storage",
        "Redis in three zones, with sentinels that outlive one of them"
    ),
    lesson!(
        "private-subnets",
        "workers that go out through a NAT gateway, and nobody comes in to"
    ),
    lesson!(
        "ride-sharing",
        "clusters of two regions and a dispatcher, joined by a transit gateway"
    ),
];

/// Why a scenario can't be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// No such scenario.
    #[error("there is no file and no scenario `{name}`; `weft lab scenarios` lists them")]
    Unknown {
        /// What was asked.
        name: String,
    },
    /// It has no exercise.
    #[error(
        "`{name}` has no exercise that comes with the program; `weft lab scenarios` lists those"
    )]
    NoExercise {
        /// The scenario or file.
        name: String,
    },
    /// What its exercise changes isn't there.
    #[error("the exercise of `{name}` changes `{line}`, which is there {times} times")]
    Exercise {
        /// The scenario.
        name: &'static str,
        /// The first line that it changes.
        line: String,
        /// How often it is there.
        times: usize,
    },
    /// A parameter that it does not have.
    #[error("`{of}` has no parameter `{name}`{hint}")]
    Parameter {
        /// The scenario or file.
        of: String,
        /// The parameter.
        name: String,
        /// What it has.
        hint: String,
    },
    /// A value out of range.
    #[error("`{name}` is {value}: use {rule}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: u32,
        /// The accepted range.
        rule: &'static str,
    },
}

/// A `--set KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The parameter.
    pub key: String,
    /// Its value.
    pub value: u32,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('=')
            .and_then(|(key, value)| Some((key.to_owned(), value.parse().ok()?)));
        parsed
            .map(|(key, value)| Self { key, value })
            .ok_or_else(|| format!("`{text}` is not KEY=NUMBER, as hosts=4"))
    }
}

/// The text of a built-in topology, or of how its exercise begins.
///
/// # Errors
/// Where the name, a parameter or its value is unknown or out of range.
pub fn render(name: &str, settings: &[Setting], broken: bool) -> Result<String, ScenarioError> {
    let Some(scenario) = ALL.iter().find(|s| s.name == name) else {
        return Err(ScenarioError::Unknown { name: name.into() });
    };
    let mut values: BTreeMap<&str, u32> = scenario.parameters.iter().copied().collect();
    for setting in settings {
        match values.get_mut(setting.key.as_str()) {
            Some(value) => *value = setting.value,
            None => return Err(refuse(name, &setting.key, scenario.parameters)),
        }
    }
    match (broken, scenario.broken) {
        (true, Some(diff)) => broken::apply(scenario.name, scenario.text, diff),
        (true, None) => Err(ScenarioError::NoExercise { name: name.into() }),
        (false, _) if name == "scale" => scale(values["hosts"], values["workloads"]),
        (false, _) => Ok(scenario.text.to_owned()),
    }
}

/// The error for a parameter that a scenario, or a file, does not take.
pub fn refuse(of: &str, name: &str, known: &[(&'static str, u32)]) -> ScenarioError {
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    ScenarioError::Parameter {
        of: of.into(),
        name: name.into(),
        hint: if names.is_empty() {
            ": it takes none".into()
        } else {
            format!(": it takes {}", names.join(", "))
        },
    }
}

fn scale(hosts: u32, workloads: u32) -> Result<String, ScenarioError> {
    let within = |name, value, most, rule| match value {
        1.. if value <= most => Ok(()),
        _ => Err(ScenarioError::Value { name, value, rule }),
    };
    within("hosts", hosts, 250, "1 to 250")?;
    within("workloads", workloads, 4_000, "1 to 4000")?;
    let mut out = String::from("name: scale\n\nhosts:\n");
    for h in 1..=hosts {
        line(&mut out, format_args!("  h{h}: {{zone: a}}"));
    }
    out.push_str(SCALE_VPC);
    for w in 0..workloads {
        let (n, h) = (w + 1, w % hosts + 1);
        line(
            &mut out,
            format_args!("  w{n}: {{host: h{h}, vpc: mesh, subnet: all, groups: mesh}}"),
        );
    }
    out.push_str(
        "\n# A ring: each reaches its neighbour on the port that is open, and no other.\nchecks:\n",
    );
    for w in 0..workloads {
        let (n, next) = (w + 1, (w + 1) % workloads + 1);
        if n == next {
            continue;
        }
        line(
            &mut out,
            format_args!("  - {{from: w{n}, to: w{next}, port: 80, expect: reach}}"),
        );
        line(
            &mut out,
            format_args!("  - {{from: w{n}, to: w{next}, port: 81, family: v4, expect: blocked}}"),
        );
    }
    if workloads == 1 {
        out.push_str("  []\n");
    }
    Ok(out)
}

const SCALE_VPC: &str = "
vpcs:
  mesh:
    cidr: 10.0.0.0/16
    ipv6: auto
    subnets:
      all: {cidr: 10.0.0.0/18, zone: a}
    security_groups:
      mesh:
        ingress:
          - {protocol: tcp, ports: 80, from: self}
          - {protocol: icmp, from: self}
          - {protocol: icmpv6, from: self}

workloads:
";

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(out, "{text}");
}
