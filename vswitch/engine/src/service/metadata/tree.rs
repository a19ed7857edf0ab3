//! The tree of values below `/latest/`.

use std::{fmt::Display, net::IpAddr};

use crate::service::{Site, dns};

/// The value at the path, or the names below it.
pub(super) fn get(site: &Site<'_>, path: &str) -> Option<String> {
    let path = path.strip_prefix('/')?;
    if path.is_empty() {
        return Some("latest".to_owned());
    }
    let leaves = leaves(site);
    let leaf = leaves.iter().find(|(at, _)| at == path);
    if let Some((_, value)) = leaf {
        return Some(value.clone());
    }
    let folder = format!("{}/", path.trim_end_matches('/'));
    let mut names: Vec<&str> = leaves
        .iter()
        .filter_map(|(at, _)| at.strip_prefix(&folder))
        .map(|below| below.find('/').map_or(below, |slash| &below[..=slash]))
        .collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then(|| names.join("\n"))
}

/// Every value with its path.
fn leaves(site: &Site<'_>) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    let mut add = |path: &str, value: String| leaves.push((format!("latest/{path}"), value));
    for (path, value) in own(site) {
        add(&format!("meta-data/{path}"), value);
    }
    for (path, value) in interface(site) {
        let mac = site.port.mac;
        let path = format!("meta-data/network/interfaces/macs/{mac}/{path}");
        add(&path, value);
    }
    add("dynamic/instance-identity/document", document(site));
    if !site.port.options.user_data.is_empty() {
        add("user-data", String::new());
    }
    leaves
}

/// What the workload is.
fn own(site: &Site<'_>) -> Vec<(&'static str, String)> {
    let region = site.vpc.region.to_string();
    let mut own = vec![
        ("hostname", hostname(site)),
        ("instance-id", instance(site)),
        ("local-hostname", hostname(site)),
        ("local-ipv4", site.port.ipv4.to_string()),
        ("mac", site.port.mac.to_string()),
        (
            "placement/availability-zone",
            site.port.subnet.zone.to_string(),
        ),
        ("placement/region", region),
        ("security-groups", lines(site.port.group_names.iter())),
    ];
    if let Some(address) = site.port.ipv6.first() {
        own.push(("ipv6", address.to_string()));
    }
    if let Some(name) = &site.port.name {
        own.push(("tags/instance/Name", name.to_string()));
    }
    own
}

/// What its interface is.
fn interface(site: &Site<'_>) -> Vec<(&'static str, String)> {
    let (port, vpc) = (site.port, site.vpc);
    let mut all = vec![
        ("device-number", "0".to_owned()),
        ("interface-id", port.interface.to_string()),
        ("local-hostname", hostname(site)),
        ("local-ipv4s", lines(port.addresses4())),
        ("mac", port.mac.to_string()),
        ("security-group-ids", lines(port.groups.iter())),
        ("security-groups", lines(port.group_names.iter())),
        ("subnet-id", port.subnet_id.to_string()),
        ("subnet-ipv4-cidr-block", port.subnet.ipv4.to_string()),
        ("vpc-id", port.vpc.to_string()),
        ("vpc-ipv4-cidr-block", lines(vpc.ipv4.iter().take(1))),
        ("vpc-ipv4-cidr-blocks", lines(vpc.ipv4.iter())),
    ];
    if !port.ipv6.is_empty() {
        all.push(("ipv6s", lines(port.ipv6.iter())));
    }
    if let Some(block) = port.subnet.ipv6 {
        all.push(("subnet-ipv6-cidr-blocks", block.to_string()));
    }
    if !vpc.ipv6.is_empty() {
        all.push(("vpc-ipv6-cidr-blocks", lines(vpc.ipv6.iter())));
    }
    all
}

fn lines<T: Display>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    items.join("\n")
}

/// The primary address's name, with its domain where the VPC has one.
fn hostname(site: &Site<'_>) -> String {
    let label = dns::label_of(site.port.ipv4);
    match dns::domain(site.vpc) {
        Some(domain) => format!("{label}.{domain}"),
        None => label,
    }
}

/// A workload has one interface, whose id names both.
fn instance(site: &Site<'_>) -> String {
    format!("i-{:017x}", site.port.interface.bits())
}

/// The identity document: names and addresses have no characters that JSON would escape.
fn document(site: &Site<'_>) -> String {
    let address = IpAddr::V4(site.port.ipv4);
    let fields = [
        ("availabilityZone", site.port.subnet.zone.to_string()),
        ("instanceId", instance(site)),
        ("privateIp", address.to_string()),
        ("region", site.vpc.region.to_string()),
        ("version", "2017-09-30".to_owned()),
    ];
    let fields: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("  \"{key}\" : \"{value}\""))
        .collect();
    format!("{{\n{}\n}}", fields.join(",\n"))
}
