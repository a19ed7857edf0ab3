//! What the VPC knows of a name.

use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::rr::{Name, Record, RecordType};
use weft_model::{DnsName, InterfaceId, RecordSet};

use super::records;
use crate::config::{MappingEntry, VpcConfig, ZoneConfig};

/// Names that an answer follows one after the other, so that a loop ends.
const LINKS: usize = 8;
/// Seconds that what follows from interfaces may be kept: they come and go.
const TTL: u32 = 60;

/// An answer, as far as it is ours to give.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Whether the (last) name exists.
    pub(super) exists: bool,
    pub(super) answers: Vec<Record>,
    /// The zone's SOA where there is nothing to answer (RFC 2308).
    pub(super) authority: Option<Record>,
}

/// Looks a name up; `None`: it is nobody's here.
pub(super) fn find(vpc: &VpcConfig, name: &Name, kind: RecordType) -> Option<Found> {
    let mut found = Found::default();
    let mut owner = name.clone();
    for _ in 0..LINKS {
        match step(vpc, &owner, kind) {
            Step::Elsewhere if found.answers.is_empty() => return None,
            // The client asks for the rest itself.
            Step::Elsewhere => return Some(found),
            Step::Alias(alias) => {
                let (record, target) = *alias;
                found.answers.push(record);
                found.exists = true;
                owner = target;
            }
            Step::Records(records) => {
                found.answers.extend(records);
                found.exists = true;
                return Some(found);
            }
            Step::Nothing { exists, domain } => {
                found.exists = exists;
                found.authority = records::soa(&domain);
                return Some(found);
            }
        }
    }
    Some(found)
}

enum Step {
    Records(Vec<Record>),
    Alias(Box<(Record, Name)>),
    Nothing { exists: bool, domain: DnsName },
    Elsewhere,
}

fn step(vpc: &VpcConfig, owner: &Name, kind: RecordType) -> Step {
    let Some(name) = records::name_of(owner) else {
        return odd(vpc, owner);
    };
    let domain = domain(vpc);
    let built_in = domain.as_ref().filter(|domain| name.is_in(domain));
    let zone = vpc.zone_of(&name);
    match (zone, built_in) {
        // The more specific one of the two, and the tenant's own where they are the same.
        (Some(zone), Some(domain)) if !zone.domain.is_in(domain) => {
            interface(vpc, &name, domain, owner, kind)
        }
        (Some(zone), _) => private(zone, &name, owner, kind),
        (None, Some(domain)) => interface(vpc, &name, domain, owner, kind),
        (None, None) => reverse(vpc, &name, owner, kind),
    }
}

/// A name with labels that no zone can hold: nobody has it, though it may be in somebody's domain.
fn odd(vpc: &VpcConfig, owner: &Name) -> Step {
    let mut above = owner.clone();
    while above.num_labels() > 1 {
        above = above.base_name();
        let Some(name) = records::name_of(&above) else {
            continue;
        };
        let built_in = domain(vpc).filter(|domain| name.is_in(domain));
        let private = vpc.zone_of(&name).map(|zone| zone.domain.clone());
        return match private.or(built_in) {
            Some(domain) => Step::Nothing {
                exists: false,
                domain,
            },
            None => Step::Elsewhere,
        };
    }
    Step::Elsewhere
}

fn private(zone: &ZoneConfig, name: &DnsName, owner: &Name, kind: RecordType) -> Step {
    let nothing = |exists| Step::Nothing {
        exists,
        domain: zone.domain.clone(),
    };
    let apex = *name == zone.domain;
    if apex && matches!(kind, RecordType::SOA | RecordType::NS) {
        return Step::Records(records::apex(&zone.domain, kind).into_iter().collect());
    }
    let Some(sets) = zone.at(name) else {
        return nothing(false);
    };
    let wanted = |set: &&RecordSet| kind == RecordType::ANY || records::kind_of(set.kind) == kind;
    let answers: Vec<Record> = sets
        .iter()
        .filter(wanted)
        .flat_map(|set| records::of_set(owner, set))
        .collect();
    if !answers.is_empty() {
        return Step::Records(answers);
    }
    match sets.iter().find_map(|set| records::alias(owner, set)) {
        Some(alias) => Step::Alias(Box::new(alias)),
        None => nothing(true),
    }
}

/// The domain of the VPC's interfaces: `REGION.compute.internal`.
pub(crate) fn domain(vpc: &VpcConfig) -> Option<DnsName> {
    let named = vpc.dns.support && vpc.dns.hostnames;
    named.then(|| format!("{}.compute.internal", vpc.region).parse().ok())?
}

fn interface(
    vpc: &VpcConfig,
    name: &DnsName,
    domain: &DnsName,
    owner: &Name,
    kind: RecordType,
) -> Step {
    if name == domain {
        let apex = records::apex(domain, kind);
        return match apex {
            Some(record) => Step::Records(vec![record]),
            None => Step::Nothing {
                exists: true,
                domain: domain.clone(),
            },
        };
    }
    let label = name.as_str().strip_suffix(domain.as_str());
    let label = label.and_then(|label| label.strip_suffix('.'));
    let addresses = label.map_or_else(Vec::new, |label| addresses(vpc, label));
    let answers: Vec<Record> = addresses
        .iter()
        .filter_map(|&address| records::address(owner, TTL, address))
        .filter(|record| kind == RecordType::ANY || record.record_type() == kind)
        .collect();
    if answers.is_empty() {
        return Step::Nothing {
            exists: !addresses.is_empty(),
            domain: domain.clone(),
        };
    }
    Step::Records(answers)
}

/// What a name in the domain stands for: an address in it, an interface's id, or what people call
/// some interfaces.
fn addresses(vpc: &VpcConfig, label: &str) -> Vec<IpAddr> {
    if let Some(address) = label.strip_prefix("ip-").and_then(dashed) {
        let held = vpc.mapping(address.into()).is_some();
        return held.then_some(address.into()).into_iter().collect();
    }
    if let Ok(id) = label.parse::<InterfaceId>() {
        let entry = vpc.interface(id);
        return entry.map_or_else(Vec::new, |entry| entry.addresses.clone());
    }
    let Ok(label) = label.parse() else {
        return Vec::new();
    };
    vpc.named(&label)
        .filter_map(first_of_each)
        .flatten()
        .collect()
}

/// An interface's primary address of each family.
fn first_of_each(entry: &MappingEntry) -> Option<impl Iterator<Item = IpAddr> + use<>> {
    let of = |v4: bool| entry.addresses.iter().copied().find(|a| a.is_ipv4() == v4);
    Some(of(true).into_iter().chain(of(false)))
}

fn dashed(text: &str) -> Option<Ipv4Addr> {
    text.replace('-', ".").parse().ok()
}

/// The label of an interface's address: `ip-10-0-1-5`.
pub(crate) fn label_of(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("ip-{a}-{b}-{c}-{d}")
}

/// `5.1.0.10.in-addr.arpa` and its like in `ip6.arpa`, where the address is the VPC's.
fn reverse(vpc: &VpcConfig, name: &DnsName, owner: &Name, kind: RecordType) -> Step {
    let (Some(address), Some(domain)) = (records::reversed(name), domain(vpc)) else {
        return Step::Elsewhere;
    };
    if !vpc.prefixes().any(|block| block.contains_addr(address)) {
        return Step::Elsewhere;
    }
    let nothing = |exists| Step::Nothing {
        exists,
        domain: records::arpa(address),
    };
    let Some(entry) = vpc.mapping(address) else {
        return nothing(false);
    };
    let label = match address {
        IpAddr::V4(address) => label_of(address),
        IpAddr::V6(_) => entry.interface.to_string(),
    };
    let target = format!("{label}.{domain}").parse().ok();
    match target.and_then(|target| records::pointer(owner, TTL, &target)) {
        Some(record) if matches!(kind, RecordType::PTR | RecordType::ANY) => {
            Step::Records(vec![record])
        }
        _ => nothing(true),
    }
}
