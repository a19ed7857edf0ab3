//! What a workload is given beside addresses and policy, what a VPC's resolver does, and private
//! zones.

use std::{fmt::Display, net::IpAddr, str::FromStr};

use weft_model::{
    DnsForward, DnsName, IdleTimeouts, MetadataOptions, PortOptions, RateLimits, RecordData,
    RecordKind, RecordSet, Ttl, UserData, VpcDns,
};

use super::{
    PrivateZoneSpec, Topology,
    link::unknown,
    read::{Fields, Reader},
    source::At,
    yaml::Node,
};

const LIMIT_KEYS: [&str; 6] = [
    "ingress_bits",
    "egress_bits",
    "ingress_packets",
    "egress_packets",
    "new_connections",
    "connections",
];
const TIMEOUT_KEYS: [&str; 3] = ["tcp_established", "udp_one_way", "udp_stream"];
const DNS_KEYS: [&str; 4] = ["support", "hostnames", "upstream", "forward"];
const ZONE_KEYS: [&str; 2] = ["vpcs", "records"];
const RECORD_KEYS: [&str; 4] = ["name", "type", "ttl", "values"];

/// A workload's options.
pub(super) fn options(r: &mut Reader, fields: &Fields<'_>) -> PortOptions {
    PortOptions {
        limits: limits(r, fields.get("limits")),
        timeouts: timeouts(r, fields.get("timeouts")),
        user_data: user_data(r, fields),
        metadata: metadata(r, fields),
    }
}

fn value<T: FromStr<Err: Display>>(r: &mut Reader, fields: &Fields<'_>, key: &str) -> Option<T> {
    r.optional::<T>(fields, key).map(|value| value.value)
}

fn limits(r: &mut Reader, node: Option<&Node>) -> RateLimits {
    let Some(node) = node else {
        return RateLimits::default();
    };
    let fields = r.fields(node, node.span, "limits", &LIMIT_KEYS);
    RateLimits {
        ingress_bits: value(r, &fields, "ingress_bits"),
        egress_bits: value(r, &fields, "egress_bits"),
        ingress_packets: value(r, &fields, "ingress_packets"),
        egress_packets: value(r, &fields, "egress_packets"),
        new_connections: value(r, &fields, "new_connections"),
        connections: value(r, &fields, "connections"),
    }
}

fn timeouts(r: &mut Reader, node: Option<&Node>) -> IdleTimeouts {
    let Some(node) = node else {
        return IdleTimeouts::default();
    };
    let fields = r.fields(node, node.span, "timeouts", &TIMEOUT_KEYS);
    IdleTimeouts {
        tcp_established: value(r, &fields, "tcp_established"),
        udp_one_way: value(r, &fields, "udp_one_way"),
        udp_stream: value(r, &fields, "udp_stream"),
    }
}

fn user_data(r: &mut Reader, fields: &Fields<'_>) -> UserData {
    let Some(text) = fields.get("user_data").and_then(|n| r.text(n, "user_data")) else {
        return UserData::default();
    };
    UserData::try_from(text.value.into_bytes()).unwrap_or_else(|error| {
        r.error(text.span, format!("user_data: {error}"));
        UserData::default()
    })
}

fn metadata(r: &mut Reader, fields: &Fields<'_>) -> MetadataOptions {
    let mut options = MetadataOptions::default();
    let Some(mode) = fields.get("metadata").and_then(|n| r.text(n, "metadata")) else {
        return options;
    };
    match mode.value.as_str() {
        "required" => {}
        "optional" => options.tokens_required = false,
        "off" | "false" => options.enabled = false,
        other => r.error(
            mode.span,
            format!("metadata: `{other}` is none of required, optional, off"),
        ),
    }
    options
}

/// What a VPC's resolver does.
pub(super) fn dns(r: &mut Reader, node: Option<&Node>) -> VpcDns {
    let Some(node) = node else {
        return VpcDns::default();
    };
    let fields = r.fields(node, node.span, "dns", &DNS_KEYS);
    VpcDns {
        support: r.flag(&fields, "support", true),
        hostnames: r.flag(&fields, "hostnames", true),
        forwards: forwards(r, &fields),
    }
}

/// `upstream` for everything, and `forward` with servers by domain.
fn forwards(r: &mut Reader, fields: &Fields<'_>) -> Vec<DnsForward> {
    let servers = |r: &mut Reader, node: Option<&Node>, key: &str| -> Vec<IpAddr> {
        let nodes = Reader::list(node).iter();
        let found = nodes.filter_map(|node| r.value(node, key));
        found.map(|server| server.value).collect()
    };
    let mut forwards = Vec::new();
    if let Some(node) = fields.get("upstream") {
        forwards.push(DnsForward {
            domain: None,
            servers: servers(r, Some(node), "upstream"),
        });
    }
    for (key, node) in r.entries(fields.get("forward"), "forward") {
        if let Some(domain) = r.parsed::<DnsName>(key, "forward") {
            forwards.push(DnsForward {
                domain: Some(domain.value),
                servers: servers(r, Some(node), "forward"),
            });
        }
    }
    for wrong in DnsForward::check(&forwards, "dns") {
        r.error(fields.span, wrong.to_string());
    }
    forwards
}

/// A private zone: its key is the domain.
pub(super) fn private_zone(
    r: &mut Reader,
    key: &At<String>,
    node: &Node,
) -> Option<PrivateZoneSpec> {
    let fields = r.fields(node, key.span, "a private zone", &ZONE_KEYS);
    let domain = r.parsed::<DnsName>(key, "private_zones");
    let vpcs = Reader::list(fields.get("vpcs"))
        .iter()
        .filter_map(|node| r.value(node, "vpcs"))
        .collect();
    let domain = domain?;
    let records = Reader::list(fields.get("records"))
        .iter()
        .filter_map(|node| record(r, &domain, node))
        .collect();
    Some(PrivateZoneSpec {
        domain,
        vpcs,
        records,
    })
}

fn record(r: &mut Reader, domain: &At<DnsName>, node: &Node) -> Option<RecordSet> {
    let fields = r.fields(node, node.span, "a record", &RECORD_KEYS);
    let name = r.required::<DnsName>(&fields, "name", "a record");
    let kind = r.required::<RecordKind>(&fields, "type", "a record");
    let ttl = r.optional::<u32>(&fields, "ttl");
    if fields.get("values").is_none() {
        r.error(node.span, "a record needs `values`");
    }
    let (name, kind) = (name?, kind?.value);
    if !name.value.is_in(&domain.value) {
        let message = format!("{} isn't in {}", name.value, domain.value);
        r.error_help(name.span, message, "write the whole name");
    }
    let ttl = match ttl.map(|ttl| (ttl.span, Ttl::try_from(ttl.value))) {
        None => Ttl::DEFAULT,
        Some((_, Ok(ttl))) => ttl,
        Some((span, Err(error))) => {
            r.error(span, format!("ttl: {error}"));
            Ttl::DEFAULT
        }
    };
    let values = Reader::list(fields.get("values"))
        .iter()
        .filter_map(|node| {
            let text = r.text(node, "values")?;
            let parsed = RecordData::parse(kind, &text.value);
            parsed
                .map_err(|error| r.error(text.span, error.to_string()))
                .ok()
        })
        .collect();
    Some(RecordSet {
        name: name.value,
        kind,
        ttl,
        values,
    })
}

/// The VPCs that zones name.
pub(super) fn check_zones(r: &mut Reader, topology: &Topology) {
    for zone in &topology.private_zones {
        for vpc in &zone.vpcs {
            if topology.vpc(vpc).is_none() {
                let known = topology.vpcs.iter().map(|vpc| vpc.name.as_str());
                unknown(r, vpc.span, "VPC", vpc.as_str(), known);
            }
        }
    }
}
