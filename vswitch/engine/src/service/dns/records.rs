//! Records and names in the format's own types.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{
    Name, RData, Record, RecordType,
    rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT},
};
use weft_model::{DnsName, RecordData, RecordKind, RecordSet};

/// Seconds that "there is none" may be kept.
const NEGATIVE: u32 = 60;
/// Bytes of one string in a TXT record.
const STRING: usize = 255;

/// The name as the model has it; `None` where it has labels that no zone can hold.
pub(super) fn name_of(name: &Name) -> Option<DnsName> {
    let labels = name.iter().map(|label| std::str::from_utf8(label));
    let labels: Vec<&str> = labels.collect::<Result<_, _>>().ok()?;
    if labels.iter().any(|label| label.contains('.')) {
        return None;
    }
    labels.join(".").parse().ok()
}

fn absolute(name: &DnsName) -> Option<Name> {
    let mut name = Name::from_ascii(name.as_str()).ok()?;
    name.set_fqdn(true);
    Some(name)
}

pub(super) const fn kind_of(kind: RecordKind) -> RecordType {
    match kind {
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
        RecordKind::Cname => RecordType::CNAME,
        RecordKind::Mx => RecordType::MX,
        RecordKind::Ptr => RecordType::PTR,
        RecordKind::Srv => RecordType::SRV,
        RecordKind::Txt => RecordType::TXT,
    }
}

/// A set's records, owned by the name that was asked for.
pub(super) fn of_set(owner: &Name, set: &RecordSet) -> Vec<Record> {
    let ttl = set.ttl.get();
    let values = set.values.iter().filter_map(data);
    values
        .map(|data| Record::from_rdata(owner.clone(), ttl, data))
        .collect()
}

/// The other name that the set says this one stands for.
pub(super) fn alias(owner: &Name, set: &RecordSet) -> Option<(Record, Name)> {
    match set.values.first()? {
        RecordData::Cname(target) => {
            let record = of_set(owner, set).into_iter().next()?;
            Some((record, absolute(target)?))
        }
        _ => None,
    }
}

fn data(value: &RecordData) -> Option<RData> {
    Some(match value {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Cname(name) => RData::CNAME(CNAME(absolute(name)?)),
        RecordData::Mx(preference, name) => RData::MX(MX::new(*preference, absolute(name)?)),
        RecordData::Ptr(name) => RData::PTR(PTR(absolute(name)?)),
        RecordData::Srv {
            priority,
            weight,
            port,
            target,
        } => RData::SRV(SRV::new(*priority, *weight, *port, absolute(target)?)),
        RecordData::Txt(text) => {
            let strings = text.as_bytes().chunks(STRING).collect();
            RData::TXT(TXT::from_bytes(strings))
        }
    })
}

/// An interface's address.
pub(super) fn address(owner: &Name, ttl: u32, address: IpAddr) -> Option<Record> {
    let data = match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    };
    Some(Record::from_rdata(owner.clone(), ttl, data))
}

/// The name of an address.
pub(super) fn pointer(owner: &Name, ttl: u32, target: &DnsName) -> Option<Record> {
    let data = RData::PTR(PTR(absolute(target)?));
    Some(Record::from_rdata(owner.clone(), ttl, data))
}

/// What every domain has: its authority and its name server.
pub(super) fn apex(domain: &DnsName, kind: RecordType) -> Option<Record> {
    match kind {
        RecordType::SOA => soa(domain),
        RecordType::NS => {
            let server = RData::NS(NS(absolute(&format!("ns.{domain}").parse().ok()?)?));
            Some(Record::from_rdata(absolute(domain)?, NEGATIVE, server))
        }
        _ => None,
    }
}

/// The domain's authority. Nobody transfers these zones, so its times are the usual ones and its
/// serial doesn't move.
pub(super) fn soa(domain: &DnsName) -> Option<Record> {
    let server = absolute(&format!("ns.{domain}").parse().ok()?)?;
    let person = absolute(&format!("hostmaster.{domain}").parse().ok()?)?;
    let soa = SOA::new(server, person, 1, 7_200, 900, 1_209_600, NEGATIVE);
    Some(Record::from_rdata(
        absolute(domain)?,
        NEGATIVE,
        RData::SOA(soa),
    ))
}

/// The address that a name in `in-addr.arpa` or `ip6.arpa` stands for.
pub(super) fn reversed(name: &DnsName) -> Option<IpAddr> {
    let text = name.as_str();
    if let Some(octets) = text.strip_suffix(".in-addr.arpa") {
        let octets: Vec<u8> = octets
            .split('.')
            .map(|octet| octet.parse().ok())
            .collect::<Option<_>>()?;
        let [d, c, b, a] = octets.try_into().ok()?;
        return Some(Ipv4Addr::new(a, b, c, d).into());
    }
    let nibbles = text.strip_suffix(".ip6.arpa")?;
    let mut bits = 0_u128;
    let mut count = 0;
    for nibble in nibbles.split('.').rev() {
        let [digit] = nibble.as_bytes() else {
            return None;
        };
        bits = bits << 4 | u128::from(char::from(*digit).to_digit(16)?);
        count += 1;
    }
    (count == 32).then(|| Ipv6Addr::from(bits).into())
}

/// The domain that answers for an address's name.
pub(super) fn arpa(address: IpAddr) -> DnsName {
    let text = match address {
        IpAddr::V4(_) => "in-addr.arpa",
        IpAddr::V6(_) => "ip6.arpa",
    };
    text.parse().expect("both are names")
}
