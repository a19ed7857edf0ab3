//! Who is asked for a name that isn't the VPC's. Names that mean something here alone stay here, unless
//! a forward names their domain.

use std::net::IpAddr;

use hickory_proto::rr::{Name, RecordType};
use weft_model::{DnsForward, DnsName};

use super::records;
use crate::config::VpcConfig;

/// Domains that nobody outside has (RFC 6761, 6762, 7686, 8375, and ICANN's `internal`).
const PRIVATE: [&str; 8] = [
    "internal",
    "local",
    "localhost",
    "invalid",
    "onion",
    "test",
    "home.arpa",
    "localdomain",
];
/// Reverse names of addresses that nobody outside has, by their first numbers (RFC 6303).
const REVERSE: [&str; 9] = [
    "10.in-addr.arpa",
    "127.in-addr.arpa",
    "254.169.in-addr.arpa",
    "168.192.in-addr.arpa",
    "0.in-addr.arpa",
    "c.f.ip6.arpa",
    "d.f.ip6.arpa",
    "e.f.ip6.arpa",
    "0.0.0.0.ip6.arpa",
];

/// What becomes of a name that isn't the VPC's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Elsewhere<'a> {
    /// These are asked.
    Ask(&'a [IpAddr]),
    /// It is nobody's business outside: it doesn't exist.
    Private,
    /// Nobody is to be asked.
    Nobody,
}

pub(super) fn find<'a>(vpc: &'a VpcConfig, name: &Name, kind: RecordType) -> Elsewhere<'a> {
    let forwards = &vpc.dns.forwards;
    let mut domains = above(name).filter_map(|domain| records::name_of(&domain));
    let named = domains.find_map(|domain| {
        let mut forwards = forwards.iter();
        forwards.find(|forward| forward.domain.as_ref() == Some(&domain))
    });
    let ask = |forward: &'a DnsForward| Elsewhere::Ask(&forward.servers);
    if let Some(named) = named {
        return ask(named);
    }
    match forwards.iter().find(|forward| forward.domain.is_none()) {
        None => Elsewhere::Nobody,
        Some(_) if is_private(vpc, name, kind) => Elsewhere::Private,
        Some(everything) => ask(everything),
    }
}

/// The name and its domains, up to the top ones.
fn above(name: &Name) -> impl Iterator<Item = Name> {
    let first = (name.num_labels() > 0).then(|| name.clone());
    std::iter::successors(first, |name| {
        (name.num_labels() > 1).then(|| name.base_name())
    })
}

fn is_private(vpc: &VpcConfig, name: &Name, kind: RecordType) -> bool {
    let host = matches!(kind, RecordType::A | RecordType::AAAA);
    let mut domains = above(name).filter_map(|domain| records::name_of(&domain));
    // What a person calls a machine, before a search list has made it whole.
    let single = name.num_labels() == 1 && host;
    single || domains.any(|domain| is_private_domain(&domain)) || is_own_reverse(vpc, name)
}

fn is_private_domain(domain: &DnsName) -> bool {
    let text = domain.as_str();
    PRIVATE.contains(&text) || REVERSE.contains(&text) || is_range(text)
}

/// Of 172.16.0.0/12 and 100.64.0.0/10, which end between two numbers.
fn is_range(text: &str) -> bool {
    let first = |rest: &str| text.strip_suffix(rest)?.parse::<u8>().ok();
    let within = |rest: &str, range: std::ops::RangeInclusive<u8>| {
        first(rest).is_some_and(|number| range.contains(&number))
    };
    within(".172.in-addr.arpa", 16..=31) || within(".100.in-addr.arpa", 64..=127)
}

fn is_own_reverse(vpc: &VpcConfig, name: &Name) -> bool {
    let address = records::name_of(name).and_then(|name| records::reversed(&name));
    address.is_some_and(|address| vpc.prefixes().any(|block| block.contains_addr(address)))
}
