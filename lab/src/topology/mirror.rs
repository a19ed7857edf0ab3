//! Traffic mirroring: whose packets are copied, which, and for whom.

use weft_model::{
    MirrorAction, MirrorLength, MirrorNumber, MirrorRule, PortRange, Prefix, Protocol, Vni,
};

use super::{
    ItemName, MirrorSpec, MirrorTargetSpec, Topology,
    link::unknown,
    read::{Fields, Reader},
    source::At,
    yaml::Node,
};

const KEYS: [&str; 7] = [
    "source",
    "target",
    "number",
    "packet_length",
    "vni",
    "ingress",
    "egress",
];
const RULE_KEYS: [&str; 7] = [
    "number",
    "action",
    "protocol",
    "from",
    "to",
    "from_ports",
    "to_ports",
];
/// Rules of one direction, as the controller's default quota.
const MAX_RULES: usize = 10;
/// Mirrors of one source, likewise.
const MAX_MIRRORS: usize = 3;

pub(super) fn mirror(r: &mut Reader, key: &At<String>, node: &Node) -> Option<MirrorSpec> {
    let what = format!("mirror `{}`", key.value);
    let fields = r.fields(node, key.span, "a mirror", &KEYS);
    let name = r.parsed(key, "mirrors");
    let source = r.required(&fields, "source", &what);
    let target = r.required::<ItemName>(&fields, "target", &what);
    let number = r.optional::<MirrorNumber>(&fields, "number");
    let number = number
        .map(|number| number.value)
        .or(MirrorNumber::try_from(1).ok());
    let length = r.optional::<Ranged<MirrorLength>>(&fields, "packet_length");
    let vni = r.optional::<Ranged<Vni>>(&fields, "vni");
    // Who says nothing of rules wants everything.
    let silent = fields.get("ingress").is_none() && fields.get("egress").is_none();
    let (ingress, egress) = if silent {
        (everything(), everything())
    } else {
        (rules(r, &fields, "ingress"), rules(r, &fields, "egress"))
    };
    Some(MirrorSpec {
        name: name?,
        source: source?,
        target: match target? {
            word if word.as_str() == "file" => MirrorTargetSpec::File,
            workload => MirrorTargetSpec::Workload(workload),
        },
        number: number?,
        packet_length: length.map(|length| length.value.0),
        vni: vni.map(|vni| vni.value.0),
        ingress,
        egress,
    })
}

/// A number whose type is made of `u32`.
struct Ranged<T>(T);

impl<T: TryFrom<u32, Error: std::fmt::Display>> std::str::FromStr for Ranged<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse::<u32>().map_err(|_| "is no number".to_owned())?;
        let value = T::try_from(number).map_err(|error| error.to_string())?;
        Ok(Self(value))
    }
}

fn everything() -> Vec<MirrorRule> {
    let number = MirrorNumber::try_from(1).ok();
    let rules = Prefix::everywhere().into_iter().filter_map(|any| {
        Some(MirrorRule {
            number: number?,
            action: MirrorAction::Accept,
            protocol: None,
            source: any,
            destination: any,
            source_ports: PortRange::ALL,
            destination_ports: PortRange::ALL,
        })
    });
    rules.collect()
}

fn rules(r: &mut Reader, fields: &Fields<'_>, direction: &str) -> Vec<MirrorRule> {
    let mut rules: Vec<MirrorRule> = Vec::new();
    for node in Reader::list(fields.get(direction)) {
        for rule in rule(r, node) {
            if rules.iter().any(|other| other.place() == rule.place()) {
                let message = format!("there is a rule {} already", rule.number);
                r.error(node.span, message);
            }
            rules.push(rule);
        }
    }
    if rules.len() > MAX_RULES {
        let message = format!("{} rules: a direction has {MAX_RULES} at most", rules.len());
        r.error(fields.key_span(direction), message);
    }
    rules.sort_by_key(MirrorRule::place);
    rules
}

/// One rule of the file; where it names no prefix, one per family with the same number.
fn rule(r: &mut Reader, node: &Node) -> Vec<MirrorRule> {
    let fields = r.fields(node, node.span, "a mirror's rule", &RULE_KEYS);
    let number = r.required::<MirrorNumber>(&fields, "number", "a mirror's rule");
    let action = r.required::<MirrorAction>(&fields, "action", "a mirror's rule");
    let protocol = r.optional::<Protocol>(&fields, "protocol").map(|p| p.value);
    let mut prefix = |key| {
        r.optional::<Prefix>(&fields, key)
            .map(|prefix| prefix.value)
    };
    let (from, to) = (prefix("from"), prefix("to"));
    let mut ports = |key| {
        r.optional::<PortRange>(&fields, key)
            .map(|ports| ports.value)
    };
    let (from_ports, to_ports) = (ports("from_ports"), ports("to_ports"));
    let has_ports = [Some(Protocol::TCP), Some(Protocol::UDP)].contains(&protocol);
    if (from_ports.is_some() || to_ports.is_some()) && !has_ports {
        r.error(node.span, "ports are of `protocol: tcp` and `udp` alone");
    }
    if from
        .zip(to)
        .is_some_and(|(from, to)| from.is_v6() != to.is_v6())
    {
        r.error(node.span, "`from` and `to` are of one family");
    }
    let (Some(number), Some(action)) = (number, action) else {
        return Vec::new();
    };
    let named = from.or(to).map(|prefix| prefix.is_v6());
    let families = Prefix::everywhere().into_iter();
    let families = families.filter(|any| named.is_none_or(|v6| v6 == any.is_v6()));
    let of_family = |any: Prefix| MirrorRule {
        number: number.value,
        action: action.value,
        protocol,
        source: from.unwrap_or(any),
        destination: to.unwrap_or(any),
        source_ports: from_ports.unwrap_or(PortRange::ALL),
        destination_ports: to_ports.unwrap_or(PortRange::ALL),
    };
    families.map(of_family).collect()
}

/// Whether those that the mirrors name exist and belong together.
pub(super) fn mirrors(r: &mut Reader, topology: &Topology) {
    for (n, mirror) in topology.mirrors.iter().enumerate() {
        let source = workload(r, topology, &mirror.source);
        if let MirrorTargetSpec::Workload(name) = &mirror.target {
            let target = workload(r, topology, name);
            if name.value == mirror.source.value {
                r.error(name.span, "the target is the source itself");
            }
            if source.zip(target).is_some_and(|(s, t)| s != t) {
                r.error(name.span, "source and target are of one VPC");
            }
        }
        let own = topology.mirrors[..n].iter();
        let own = own.filter(|other| other.source.value == mirror.source.value);
        if own.clone().any(|other| other.number == mirror.number) {
            let message = format!("the source has a mirror with number {}", mirror.number);
            r.error(mirror.name.span, message);
        }
        if own.count() >= MAX_MIRRORS {
            let message = format!("a source has {MAX_MIRRORS} mirrors at most");
            r.error(mirror.name.span, message);
        }
    }
}

/// The workload's VPC.
fn workload(r: &mut Reader, topology: &Topology, name: &At<ItemName>) -> Option<String> {
    let found = topology.workload(name);
    if found.is_none() {
        let known = topology.workloads.iter().map(|w| w.name.as_str());
        unknown(r, name.span, "workload", name.as_str(), known);
    }
    found.map(|workload| workload.vpc.as_str().to_owned())
}
