//! From the tree to a topology.

use std::net::IpAddr;

use weft_model::{DatapathChoice, Mtu};

use super::{
    Check, Destination, HostSpec, InternetSpec, ItemName, LabName, Routing, Topology, Transport,
    Underlay, WorkloadSpec, acl, balancing, exercise, fault, link, metrics, mirror, options,
    peering,
    read::{Fields, Reader},
    run,
    source::{At, Diagnostic, Span},
    transit, vpc, watch,
    yaml::{self, Node},
};

const KEYS: &[&str] = &[
    "name",
    "underlay",
    "hosts",
    "prefix_lists",
    "vpcs",
    "peerings",
    "transit_gateways",
    "workloads",
    "private_zones",
    "flow_logs",
    "mirrors",
    "target_groups",
    "load_balancers",
    "faults",
    "checks",
    "internet",
    "exercise",
    "needs",
    "metrics",
    "datapath",
];
const HOST_KEYS: [&str; 4] = ["zone", "edge", "workers", "datapath"];
const WORKLOAD_KEYS: [&str; 15] = [
    "host",
    "vpc",
    "subnet",
    "groups",
    "address",
    "secondary_addresses",
    "run",
    "files",
    "listens",
    "source_dest_check",
    "limits",
    "timeouts",
    "user_data",
    "metadata",
    "elastic",
];
const CHECK_KEYS: [&str; 6] = ["from", "to", "protocol", "port", "family", "expect"];

pub(super) fn topology(text: &str) -> Result<Topology, Vec<Diagnostic>> {
    let root = yaml::parse(text).map_err(|error| vec![error])?;
    let mut r = Reader::default();
    let fields = r.fields(&root, root.span, "a topology", KEYS);
    let name = r.required::<LabName>(&fields, "name", "a topology");
    let underlay = underlay(&mut r, &fields);
    let hosts = hosts(&mut r, &fields);
    let internet = internet(&mut r, &fields);
    let prefix_lists = named(&mut r, &fields, "prefix_lists", acl::prefix_list);
    let vpcs = named(&mut r, &fields, "vpcs", vpc::vpc);
    let peerings = named(&mut r, &fields, "peerings", peering::peering);
    let transit_gateways = named(&mut r, &fields, "transit_gateways", transit::gateway);
    let workloads = named(&mut r, &fields, "workloads", workload);
    let private_zones = named(&mut r, &fields, "private_zones", options::private_zone);
    let flow_logs = named(&mut r, &fields, "flow_logs", watch::flow_log);
    let mirrors = named(&mut r, &fields, "mirrors", mirror::mirror);
    let target_groups = named(&mut r, &fields, "target_groups", balancing::target_group);
    let balancers = named(&mut r, &fields, "load_balancers", balancing::balancer);
    let faults = fault::faults(&mut r, fields.get("faults"));
    let drafts: Vec<_> = Reader::list(fields.get("checks"))
        .iter()
        .filter_map(|node| check(&mut r, node))
        .collect();
    let (exercise, criteria) = exercise::exercise(&mut r, fields.get("exercise"));
    let needs = named(&mut r, &fields, "needs", run::need);
    let metrics = metrics::metrics(&mut r, &fields);
    let mut topology = Topology {
        name: name.unwrap_or_else(|| At::new(LabName::unnamed(), root.span)),
        underlay,
        internet,
        hosts,
        prefix_lists,
        vpcs,
        peerings,
        transit_gateways,
        workloads,
        private_zones,
        flow_logs,
        mirrors,
        target_groups,
        balancers,
        faults,
        metrics,
        checks: Vec::new(),
        exercise,
        needs,
    };
    // What failed to parse is absent from the topology; reporting references to it would bury the
    // cause below its consequences.
    if r.errors.is_empty() {
        link::resolve(&mut r, &mut topology, &drafts, &criteria);
    }
    if r.errors.is_empty() {
        return Ok(topology);
    }
    Err(r.errors)
}

/// Reads a mapping from names to bodies, leaving out what is wrong.
fn named<T>(
    r: &mut Reader,
    fields: &Fields<'_>,
    key: &str,
    read: impl Fn(&mut Reader, &At<String>, &Node) -> Option<T>,
) -> Vec<T> {
    let entries = r.entries(fields.get(key), key);
    let read: Vec<T> = entries
        .iter()
        .filter_map(|(name, node)| read(r, name, node))
        .collect();
    read
}

fn underlay(r: &mut Reader, fields: &Fields<'_>) -> Underlay {
    let mut underlay = Underlay {
        mtu: Mtu::INTERNET,
        ipv6: false,
    };
    let Some(node) = fields.get("underlay") else {
        return underlay;
    };
    let inner = r.fields(node, node.span, "the underlay", &["mtu", "ipv6"]);
    underlay.ipv6 = r.flag(&inner, "ipv6", false);
    let Some(bytes) = r.optional::<u32>(&inner, "mtu") else {
        return underlay;
    };
    match Mtu::try_from(bytes.value) {
        Ok(mtu) if mtu.inside_vxlan(underlay.ipv6).is_some() => underlay.mtu = mtu,
        Ok(mtu) => r.error_help(
            bytes.span,
            format!(
                "an underlay of {} bytes leaves less than 1280 inside the tunnel",
                mtu.get()
            ),
            "IPv6 needs 1280; VXLAN takes 50 bytes over IPv4 and 70 over IPv6",
        ),
        Err(error) => r.error(bytes.span, format!("mtu: {error}")),
    }
    underlay
}

fn internet(r: &mut Reader, fields: &Fields<'_>) -> Option<InternetSpec> {
    let node = fields.get("internet")?;
    let inner = r.fields(node, node.span, "the internet", &["pools", "routing"]);
    let pools = Reader::list(inner.get("pools"));
    let pools = pools.iter().filter_map(|node| r.value(node, "pools"));
    Some(InternetSpec {
        pools: pools.collect(),
        routing: r
            .optional(&inner, "routing")
            .map_or_else(Routing::default, |at| at.value),
    })
}

fn hosts(r: &mut Reader, fields: &Fields<'_>) -> Vec<HostSpec> {
    let mut hosts = Vec::new();
    let all = r.optional(fields, "datapath");
    let all = all.map_or_else(DatapathChoice::default, |all| all.value);
    for (key, node) in r.entries(fields.get("hosts"), "hosts") {
        let inner = r.fields(node, key.span, "a host", &HOST_KEYS);
        let name = r.parsed(key, "hosts");
        let zone = r.required(&inner, "zone", &format!("host `{}`", key.value));
        if let (Some(name), Some(zone)) = (name, zone) {
            let edge = r.flag(&inner, "edge", false);
            let workers = r.optional(&inner, "workers");
            let datapath = r.optional(&inner, "datapath");
            hosts.push(HostSpec {
                name,
                zone,
                edge,
                workers,
                datapath: datapath.map_or(all, |own| own.value),
            });
        }
    }
    hosts
}

fn workload(r: &mut Reader, key: &At<String>, node: &Node) -> Option<WorkloadSpec> {
    let what = format!("workload `{}`", key.value);
    let fields = r.fields(node, key.span, "a workload", &WORKLOAD_KEYS);
    let name = r.parsed(key, "workloads");
    let host = r.required(&fields, "host", &what);
    let vpc = r.required(&fields, "vpc", &what);
    let subnet = r.required(&fields, "subnet", &what);
    let groups = Reader::list(fields.get("groups"))
        .iter()
        .filter_map(|node| r.value(node, "groups"))
        .collect();
    let address = r.optional(&fields, "address");
    let secondary = Reader::list(fields.get("secondary_addresses"))
        .iter()
        .filter_map(|node| r.value(node, "secondary_addresses"))
        .collect();
    let source_dest_check = r.flag(&fields, "source_dest_check", true);
    let elastic = r.flag(&fields, "elastic", false);
    let run = run::run(r, &fields);
    let options = options::options(r, &fields);
    Some(WorkloadSpec {
        name: name?,
        host: host?,
        vpc: vpc?,
        subnet: subnet?,
        groups,
        address,
        secondary,
        source_dest_check,
        elastic,
        run,
        options,
    })
}

/// Which families a check speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
    /// Those that both ends have.
    Both,
}

/// An entry of `checks` before its names are known to exist.
pub(super) struct Draft {
    pub(super) span: Span,
    pub(super) from: Vec<At<ItemName>>,
    pub(super) to: Vec<At<Destination>>,
    pub(super) transport: Transport,
    pub(super) port: u16,
    pub(super) family: At<Family>,
    pub(super) reach: bool,
}

impl Draft {
    pub(super) fn check(&self, from: &ItemName, to: &Destination, ipv6: bool) -> Check {
        Check {
            from: from.clone(),
            to: to.clone(),
            transport: self.transport,
            port: self.port,
            ipv6,
            reach: self.reach,
        }
    }
}

pub(super) fn check(r: &mut Reader, node: &Node) -> Option<Draft> {
    let fields = r.fields(node, node.span, "a check", &CHECK_KEYS);
    for key in ["from", "to", "expect"] {
        if fields.get(key).is_none() {
            r.error(fields.span, format!("a check needs `{key}`"));
        }
    }
    let from = Reader::list(fields.get("from"))
        .iter()
        .filter_map(|n| r.value(n, "from"))
        .collect();
    let to = Reader::list(fields.get("to"))
        .iter()
        .filter_map(|n| destination(r, n))
        .collect();
    let transport = word(
        r,
        &fields,
        "protocol",
        &[
            ("tcp", Transport::Tcp),
            ("udp", Transport::Udp),
            ("icmp", Transport::Icmp),
        ],
    );
    let families = [
        ("v4", Family::V4),
        ("v6", Family::V6),
        ("both", Family::Both),
    ];
    let family = word(r, &fields, "family", &families);
    let reach = word(r, &fields, "expect", &[("reach", true), ("blocked", false)]);
    let transport = transport.map_or(Transport::Tcp, |t| t.value);
    Some(Draft {
        span: fields.span,
        from,
        to,
        transport,
        port: port(r, &fields, transport)?,
        family: family.unwrap_or(At::new(Family::Both, fields.span)),
        reach: reach?.value,
    })
}

fn destination(r: &mut Reader, node: &Node) -> Option<At<Destination>> {
    let text = r.text(node, "to")?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(At::new(Destination::Address(address), text.span));
    }
    let name = r.parsed::<ItemName>(&text, "to")?;
    Some(name.map(Destination::Workload))
}

fn port(r: &mut Reader, fields: &Fields<'_>, transport: Transport) -> Option<u16> {
    let given = fields.get("port");
    match (transport, given) {
        (Transport::Icmp, None) => Some(0),
        (Transport::Icmp, Some(_)) => {
            r.error(fields.key_span("port"), "ICMP has no ports");
            None
        }
        (_, None) => {
            r.error(
                fields.span,
                format!("a check over {transport} needs `port`"),
            );
            None
        }
        (_, Some(node)) => match r.value::<u16>(node, "port")?.value {
            0 => {
                r.error(node.span, "port: 0 is no port; use 1 to 65535");
                None
            }
            port => Some(port),
        },
    }
}

/// A field whose value is one of a few words.
fn word<T: Copy>(
    r: &mut Reader,
    fields: &Fields<'_>,
    key: &str,
    words: &[(&str, T)],
) -> Option<At<T>> {
    let text = r.text(fields.get(key)?, key)?;
    let found = words.iter().find(|(word, _)| *word == text.value);
    if let Some((_, value)) = found {
        return Some(At::new(*value, text.span));
    }
    let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    r.error(
        text.span,
        format!("{key}: `{}` is none of {}", text.value, all.join(", ")),
    );
    None
}
