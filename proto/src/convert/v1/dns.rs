//! Private zones and their records.

use weft_model::{DnsForward, PrivateZone, RecordData, RecordKind, RecordSet, Ttl};

use super::{Fields, Reported, text_or_empty, texts, wire};

/// Values of one name and type.
const VALUES: usize = 100;
/// Servers of one forward that are read at all; fewer are allowed.
const SERVERS: usize = 16;

impl From<&PrivateZone> for wire::PrivateZone {
    fn from(zone: &PrivateZone) -> Self {
        Self {
            id: zone.id.to_string(),
            domain: zone.domain.to_string(),
            vpcs: texts(&zone.vpcs),
            records: zone.records.iter().map(Into::into).collect(),
            meta: Some((&zone.meta).into()),
        }
    }
}

impl From<&RecordSet> for wire::DnsRecord {
    fn from(record: &RecordSet) -> Self {
        Self {
            name: record.name.to_string(),
            r#type: record.kind.to_string(),
            ttl: Some(record.ttl.get()),
            values: texts(&record.values),
        }
    }
}

impl From<&DnsForward> for wire::DnsForward {
    fn from(forward: &DnsForward) -> Self {
        Self {
            domain: text_or_empty(forward.domain.as_ref()),
            servers: texts(&forward.servers),
        }
    }
}

/// Reads where a resolver asks for names that aren't its own.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_forward(
    fields: &mut Fields,
    forward: &wire::DnsForward,
) -> Result<DnsForward, Reported> {
    let domain = fields.optional("domain", &forward.domain);
    let servers = fields.all("servers", SERVERS, &forward.servers);
    Ok(DnsForward {
        domain: domain?,
        servers: servers?,
    })
}

/// Reads all records of one name and type.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_record(fields: &mut Fields, record: &wire::DnsRecord) -> Result<RecordSet, Reported> {
    let name = fields.required("name", &record.name);
    let kind = fields.required::<RecordKind>("type", &record.r#type);
    let ttl = record.ttl.map_or(Ok(Ttl::DEFAULT), Ttl::try_from);
    let ttl = ttl.map_err(|error| fields.refuse("ttl", error));
    let kind = kind?;
    let values = fields.each("values", VALUES, &record.values, |fields, text| {
        RecordData::parse(kind, text).map_err(|error| fields.refuse("", error))
    });
    Ok(RecordSet {
        name: name?,
        kind,
        ttl: ttl?,
        values: values?,
    })
}
