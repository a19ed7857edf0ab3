//! Entries of network ACLs and of prefix lists.

use weft_model::{AclAction, AclEntry, AclNumber, Prefix, PrefixListEntry};

use super::{
    Fields, Reported,
    policy::{read_traffic, traffic},
    wire,
};

/// Reads an entry of a network ACL.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_acl_entry(fields: &mut Fields, entry: &wire::AclEntry) -> Result<AclEntry, Reported> {
    let number = fields
        .narrow("number", entry.number, u16::MAX)
        .and_then(|number| {
            AclNumber::try_from(number).map_err(|error| fields.refuse("number", error))
        });
    let action = match entry.action.as_str() {
        "allow" => Ok(AclAction::Allow),
        "deny" => Ok(AclAction::Deny),
        _ => Err(fields.refuse("action", "is allow or deny")),
    };
    let traffic = read_traffic(
        fields,
        &entry.protocol,
        entry.ports.as_ref(),
        entry.icmp.as_ref(),
    );
    let prefix = fields.required::<Prefix>("cidr", &entry.cidr);
    Ok(AclEntry {
        number: number?,
        action: action?,
        traffic: traffic?,
        prefix: prefix?,
    })
}

/// Reads an entry of a prefix list.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_prefix_list_entry(
    fields: &mut Fields,
    entry: &wire::PrefixListEntry,
) -> Result<PrefixListEntry, Reported> {
    let prefix = fields.required("cidr", &entry.cidr);
    let description = fields.optional("description", &entry.description);
    Ok(PrefixListEntry {
        prefix: prefix?,
        description: description?,
    })
}

impl From<&AclEntry> for wire::AclEntry {
    fn from(entry: &AclEntry) -> Self {
        let (protocol, ports, icmp) = traffic(entry.traffic);
        let action = match entry.action {
            AclAction::Allow => "allow",
            AclAction::Deny => "deny",
        };
        Self {
            number: entry.number.get().into(),
            action: action.to_owned(),
            protocol,
            ports,
            icmp,
            cidr: entry.prefix.to_string(),
        }
    }
}
