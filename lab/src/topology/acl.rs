//! Network ACLs and prefix lists of the file.

use weft_model::{AclAction, AclEntry, AclNumber, Family, PortMatch, Prefix};

use super::{
    AclSpec, ItemName, PrefixListSpec,
    read::{Fields, Reader},
    source::At,
    vpc::traffic,
    yaml::Node,
};

const ACL_KEYS: [&str; 2] = ["ingress", "egress"];
const LIST_KEYS: [&str; 2] = ["entries", "max_entries"];

pub(super) fn acl(r: &mut Reader, key: &At<String>, node: &Node) -> Option<AclSpec> {
    let fields = r.fields(node, key.span, "a network ACL", &ACL_KEYS);
    let name: Option<At<ItemName>> = r.parsed(key, "network_acls");
    Some(AclSpec {
        ingress: entries(r, fields.get("ingress"), "from"),
        egress: entries(r, fields.get("egress"), "to"),
        name: name?,
    })
}

fn entries(r: &mut Reader, node: Option<&Node>, end: &str) -> Vec<At<AclEntry>> {
    let mut entries: Vec<At<AclEntry>> = Vec::new();
    for node in Reader::list(node) {
        for entry in entry(r, node, end) {
            if entries.iter().any(|e| e.place() == entry.place()) {
                let family = Family::of(entry.prefix);
                let message = format!("{family} has an entry {} already", entry.number);
                r.error(node.span, message);
            }
            entries.push(At::new(entry, node.span));
        }
    }
    entries
}

/// One entry of the file; for `any` one per family, with the same number.
fn entry(r: &mut Reader, node: &Node, end: &str) -> Vec<AclEntry> {
    let known = ["number", "action", "protocol", "ports", "type", "code", end];
    let fields = r.fields(node, node.span, "an ACL's entry", &known);
    let number = r.required::<AclNumber>(&fields, "number", "an ACL's entry");
    let action = action(r, &fields);
    let traffic = traffic(r, &fields);
    if let [_, _, ..] = traffic[..] {
        let help = "write an entry for each, with a number of its own";
        r.error_help(
            fields.key_span("ports"),
            "an entry has one range of ports",
            help,
        );
    }
    let prefixes = prefixes(r, &fields, end);
    let (Some(number), Some(action), [traffic]) = (number, action, &traffic[..]) else {
        return Vec::new();
    };
    let any = prefixes.len() > 1;
    let mut entries = Vec::new();
    for prefix in prefixes {
        if is_of(*traffic, prefix) {
            entries.push(AclEntry {
                number: number.value,
                action,
                traffic: *traffic,
                prefix,
            });
        } else if !any {
            r.error(fields.key_span(end), "icmp is of IPv4, icmpv6 of IPv6");
        }
    }
    entries
}

fn action(r: &mut Reader, fields: &Fields<'_>) -> Option<AclAction> {
    let text = r.required::<String>(fields, "action", "an ACL's entry")?;
    match text.as_str() {
        "allow" => Some(AclAction::Allow),
        "deny" => Some(AclAction::Deny),
        other => {
            r.error(
                text.span,
                format!("action: `{other}` is neither allow nor deny"),
            );
            None
        }
    }
}

fn prefixes(r: &mut Reader, fields: &Fields<'_>, end: &str) -> Vec<Prefix> {
    let Some(node) = fields.get(end) else {
        let help = format!("`{end}` is a CIDR or `any`");
        r.error_help(fields.span, format!("an ACL's entry needs `{end}`"), help);
        return Vec::new();
    };
    match r.text(node, end) {
        Some(text) if text.as_str() == "any" => Prefix::everywhere().into(),
        Some(text) => {
            let prefix = r.parsed::<Prefix>(&text, end);
            prefix.map(|p| p.value).into_iter().collect()
        }
        None => Vec::new(),
    }
}

fn is_of(traffic: PortMatch, prefix: Prefix) -> bool {
    !matches!(
        (traffic, Family::of(prefix)),
        (PortMatch::Icmp(_), Family::Ipv6) | (PortMatch::Icmpv6(_), Family::Ipv4)
    )
}

pub(super) fn prefix_list(r: &mut Reader, key: &At<String>, node: &Node) -> Option<PrefixListSpec> {
    let what = format!("prefix list `{}`", key.value);
    let fields = r.fields(node, key.span, "a prefix list", &LIST_KEYS);
    let name = r.parsed(key, "prefix_lists");
    let entries: Vec<At<Prefix>> = Reader::list(fields.get("entries"))
        .iter()
        .filter_map(|node| r.value(node, "entries"))
        .collect();
    let Some(first) = entries.first() else {
        r.error(key.span, format!("{what} needs `entries`"));
        return None;
    };
    let family = Family::of(first.value);
    for (n, entry) in entries.iter().enumerate() {
        if Family::of(entry.value) != family {
            r.error(
                entry.span,
                format!("a list is of one family: this one is {family}"),
            );
        }
        if entries[..n].iter().any(|e| e.value == entry.value) {
            r.error(entry.span, format!("{} is listed twice", entry.value));
        }
    }
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let max = r.optional::<u32>(&fields, "max_entries");
    if let Some(max) = max.as_ref().filter(|max| max.value < count) {
        r.error(max.span, format!("max_entries: {what} has {count} entries"));
    }
    Some(PrefixListSpec {
        name: name?,
        family,
        max_entries: max.map_or(count, |max| max.value),
        entries: entries.into_iter().map(|entry| entry.value).collect(),
    })
}
