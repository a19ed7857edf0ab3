//! Mirror filters and sessions.

use weft_model::{MirrorFilter, MirrorLength, MirrorNumber, MirrorRule, MirrorSession, Vni};

use super::{
    Fields, Reported,
    policy::{ports, read_ports},
    wire,
};

impl From<&MirrorRule> for wire::MirrorRule {
    fn from(rule: &MirrorRule) -> Self {
        Self {
            number: rule.number.into(),
            action: rule.action.to_string(),
            protocol: rule
                .protocol
                .map_or_else(|| "all".to_owned(), |p| p.to_string()),
            source_cidr: rule.source.to_string(),
            destination_cidr: rule.destination.to_string(),
            source_ports: ports(rule.source_ports),
            destination_ports: ports(rule.destination_ports),
        }
    }
}

impl From<&MirrorFilter> for wire::MirrorFilter {
    fn from(filter: &MirrorFilter) -> Self {
        Self {
            id: filter.id.to_string(),
            region: filter.region.to_string(),
            ingress: filter.ingress.iter().map(Into::into).collect(),
            egress: filter.egress.iter().map(Into::into).collect(),
            meta: Some((&filter.meta).into()),
        }
    }
}

impl From<&MirrorSession> for wire::MirrorSession {
    fn from(session: &MirrorSession) -> Self {
        Self {
            id: session.id.to_string(),
            vpc: session.vpc.to_string(),
            source: session.source.to_string(),
            target: session.target.to_string(),
            filter: session.filter.to_string(),
            number: session.number.into(),
            packet_length: session.packet_length.map_or(0, Into::into),
            vni: session.vni.get(),
            meta: Some((&session.meta).into()),
        }
    }
}

/// Reads a rule of a mirror filter.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_mirror_rule(
    fields: &mut Fields,
    rule: &wire::MirrorRule,
) -> Result<MirrorRule, Reported> {
    let number = read_mirror_number(fields, rule.number);
    let action = fields.required("action", &rule.action);
    let protocol = match rule.protocol.as_str() {
        "" | "all" => Ok(None),
        text => fields.required("protocol", text).map(Some),
    };
    let source = fields.required("source_cidr", &rule.source_cidr);
    let destination = fields.required("destination_cidr", &rule.destination_cidr);
    let source_ports = read_ports(fields, "source_ports", rule.source_ports.as_ref());
    let to_ports = read_ports(fields, "destination_ports", rule.destination_ports.as_ref());
    Ok(MirrorRule {
        number: number?,
        action: action?,
        protocol: protocol?,
        source: source?,
        destination: destination?,
        source_ports: source_ports?,
        destination_ports: to_ports?,
    })
}

/// Reads the number of a mirror rule or session.
///
/// # Errors
/// When it is out of range.
pub fn read_mirror_number(fields: &mut Fields, number: u32) -> Result<MirrorNumber, Reported> {
    MirrorNumber::try_from(number).map_err(|error| fields.refuse("number", error))
}

/// Reads how much of a packet is copied; 0 is all of it.
///
/// # Errors
/// When it is out of range.
pub fn read_mirror_length(
    fields: &mut Fields,
    length: u32,
) -> Result<Option<MirrorLength>, Reported> {
    if length == 0 {
        return Ok(None);
    }
    let length = MirrorLength::try_from(length);
    length
        .map(Some)
        .map_err(|error| fields.refuse("packet_length", error))
}

/// Reads what tells sessions apart; 0 leaves it to the controller.
///
/// # Errors
/// When it is out of range.
pub fn read_mirror_vni(fields: &mut Fields, vni: u32) -> Result<Option<Vni>, Reported> {
    if vni == 0 {
        return Ok(None);
    }
    let vni = Vni::try_from(vni);
    vni.map(Some).map_err(|error| fields.refuse("vni", error))
}
