//! The part of the file that a tenant owns: a VPC, its subnets, tables and groups.

use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use weft_model::{IcmpMatch, PortMatch, PortRange, Prefix, Protocol};

use super::{
    DestinationSpec, GroupSpec, Ipv6, ItemName, PeerSpec, RouteSpec, RouteTableSpec, RuleSpec,
    SubnetSpec, TargetSpec, VpcSpec, acl, nat, options,
    read::{Fields, Reader},
    source::{At, Span},
    yaml::Node,
};

const VPC_KEYS: [&str; 11] = [
    "cidr",
    "ipv6",
    "subnets",
    "route_tables",
    "main_route_table",
    "network_acls",
    "security_groups",
    "internet_gateway",
    "egress_only_gateway",
    "nat_gateways",
    "dns",
];
const SUBNET_KEYS: [&str; 6] = [
    "cidr",
    "zone",
    "ipv6",
    "route_table",
    "network_acl",
    "public",
];
const GROUP_KEYS: [&str; 3] = ["description", "ingress", "egress"];
const ROUTE_KEYS: [&str; 7] = [
    "destination",
    "prefix_list",
    "via",
    "nat_gateway",
    "peering",
    "transit_gateway",
    "blackhole",
];

pub(super) fn vpc(r: &mut Reader, key: &At<String>, node: &Node) -> Option<VpcSpec> {
    let fields = r.fields(node, key.span, "a VPC", &VPC_KEYS);
    let name = r.parsed(key, "vpcs");
    if fields.get("cidr").is_none() {
        r.error(key.span, format!("VPC `{}` needs `cidr`", key.value));
    }
    let blocks = Reader::list(fields.get("cidr"))
        .iter()
        .filter_map(|n| r.value(n, "cidr"))
        .collect();
    let ipv6 = ipv6(r, &fields, Ipv6::None);
    let has6 = ipv6.is_some();
    let internet_gateway = r.flag(&fields, "internet_gateway", false);
    let egress_gateway = r.flag(&fields, "egress_only_gateway", false);
    let nats = nat::gateways(r, &fields);
    let subnets = r
        .entries(fields.get("subnets"), "subnets")
        .iter()
        .filter_map(|(key, node)| subnet(r, key, node, has6))
        .collect();
    let route_tables = r
        .entries(fields.get("route_tables"), "route_tables")
        .iter()
        .filter_map(|(key, node)| route_table(r, key, node))
        .collect();
    let acls = r
        .entries(fields.get("network_acls"), "network_acls")
        .iter()
        .filter_map(|(key, node)| acl::acl(r, key, node))
        .collect();
    let main_table = r.optional(&fields, "main_route_table");
    let groups = r
        .entries(fields.get("security_groups"), "security_groups")
        .iter()
        .filter_map(|(key, node)| group(r, key, node))
        .collect();
    let dns = options::dns(r, fields.get("dns"));
    Some(VpcSpec {
        dns,
        name: name?,
        blocks,
        ipv6,
        internet_gateway,
        egress_gateway,
        nats,
        subnets,
        route_tables,
        main_table,
        acls,
        groups,
    })
}

fn ipv6<T: FromStr<Err: std::fmt::Display>>(
    r: &mut Reader,
    fields: &Fields<'_>,
    default: Ipv6<T>,
) -> At<Ipv6<T>> {
    let span = fields.key_span("ipv6");
    let Some(text) = fields.get("ipv6").and_then(|n| r.text(n, "ipv6")) else {
        return At::new(default, span);
    };
    match text.value.as_str() {
        "none" | "false" => At::new(Ipv6::None, text.span),
        "auto" | "true" => At::new(Ipv6::Auto, text.span),
        _ => r
            .parsed(&text, "ipv6 is `auto`, `none` or a block")
            .map_or(At::new(default, span), |block: At<T>| {
                block.map(Ipv6::Block)
            }),
    }
}

fn subnet(r: &mut Reader, key: &At<String>, node: &Node, has6: bool) -> Option<SubnetSpec> {
    let what = format!("subnet `{}`", key.value);
    let fields = r.fields(node, key.span, "a subnet", &SUBNET_KEYS);
    let default6 = if has6 { Ipv6::Auto } else { Ipv6::None };
    let name = r.parsed(key, "subnets");
    let cidr = r.required(&fields, "cidr", &what);
    let zone = r.required(&fields, "zone", &what);
    Some(SubnetSpec {
        ipv6: ipv6(r, &fields, default6),
        route_table: r.optional(&fields, "route_table"),
        acl: r.optional(&fields, "network_acl"),
        public: r.flag(&fields, "public", false),
        name: name?,
        cidr: cidr?,
        zone: zone?,
    })
}

fn route_table(r: &mut Reader, key: &At<String>, node: &Node) -> Option<RouteTableSpec> {
    let fields = r.fields(node, key.span, "a route table", &["routes"]);
    let name = r.parsed(key, "route_tables")?;
    let routes = Reader::list(fields.get("routes"))
        .iter()
        .filter_map(|node| route(r, node))
        .collect();
    Some(RouteTableSpec { name, routes })
}

fn route(r: &mut Reader, node: &Node) -> Option<RouteSpec> {
    let fields = r.fields(node, node.span, "a route", &ROUTE_KEYS);
    let destination = destination(r, &fields);
    let target = target(r, node, &fields);
    Some(RouteSpec {
        destination: destination?,
        target: target?,
    })
}

fn target(r: &mut Reader, node: &Node, fields: &Fields<'_>) -> Option<TargetSpec> {
    let via = r.optional::<ItemName>(fields, "via").map(by_word);
    let nat = r.optional(fields, "nat_gateway").map(TargetSpec::Nat);
    let peering = r.optional(fields, "peering").map(TargetSpec::Peering);
    let transit = r.optional(fields, "transit_gateway");
    let transit = transit.map(TargetSpec::TransitGateway);
    let blackhole = r.flag(fields, "blackhole", false);
    let blackhole = blackhole.then_some(TargetSpec::Blackhole);
    let mut given = [via, nat, peering, transit, blackhole]
        .into_iter()
        .flatten();
    if let (Some(target), None) = (given.next(), given.next()) {
        return Some(target);
    }
    let help = "`via: WORKLOAD` sends to a workload that forwards, `nat_gateway: NAME` out by a NAT \
                gateway, `peering: PEERING` to a peered VPC, `transit_gateway: NAME` to one that the VPC is \
                attached to, `blackhole: true` drops";
    r.error_help(
        node.span,
        "a route has one of `via`, `nat_gateway`, `peering`, `transit_gateway` and `blackhole: true`",
        help,
    );
    None
}

fn by_word(word: At<ItemName>) -> TargetSpec {
    match word.as_str() {
        "internet-gateway" => TargetSpec::Internet,
        "egress-only-gateway" => TargetSpec::Egress,
        _ => TargetSpec::Workload(word),
    }
}

fn destination(r: &mut Reader, fields: &Fields<'_>) -> Option<At<DestinationSpec>> {
    match r.optional::<ItemName>(fields, "prefix_list") {
        Some(list) if fields.get("destination").is_none() => Some(list.map(DestinationSpec::List)),
        Some(list) => {
            let message = "`prefix_list` stands instead of `destination`";
            r.error(list.span, message);
            None
        }
        None => {
            let prefix = r.required(fields, "destination", "a route");
            prefix.map(|prefix: At<Prefix>| prefix.map(DestinationSpec::Prefix))
        }
    }
}

fn group(r: &mut Reader, key: &At<String>, node: &Node) -> Option<GroupSpec> {
    let fields = r.fields(node, key.span, "a security group", &GROUP_KEYS);
    let name: At<ItemName> = r.parsed(key, "security_groups")?;
    let description = r
        .optional::<String>(&fields, "description")
        .map(|d| d.value);
    let ingress = rules(r, fields.get("ingress"), "from", &name);
    let egress = fields
        .get("egress")
        .map(|node| rules(r, Some(node), "to", &name));
    Some(GroupSpec {
        description: description.unwrap_or_else(|| format!("{} of the lab", name.value)),
        name,
        ingress,
        egress,
    })
}

fn rules(r: &mut Reader, node: Option<&Node>, end: &str, group: &At<ItemName>) -> Vec<RuleSpec> {
    let mut rules = Vec::new();
    for node in Reader::list(node) {
        rule(r, node, end, group, &mut rules);
    }
    rules
}

/// One entry of the file is as many rules as it lists ports and peers.
fn rule(r: &mut Reader, node: &Node, end: &str, group: &At<ItemName>, rules: &mut Vec<RuleSpec>) {
    let known = [
        "protocol",
        "ports",
        "type",
        "code",
        end,
        "prefix_list",
        "description",
    ];
    let fields = r.fields(node, node.span, "a rule", &known);
    let lists = fields.get("prefix_list");
    if fields.get(end).is_none() && lists.is_none() {
        let help = format!("`{end}` is a CIDR, a group's name, `self`, `any`, or a list of these");
        r.error_help(node.span, format!("a rule needs `{end}`"), help);
    }
    let description = r
        .optional::<String>(&fields, "description")
        .map(|d| d.value);
    let traffic = traffic(r, &fields);
    let mut peers: Vec<(Span, PeerSpec)> = Reader::list(fields.get(end))
        .iter()
        .flat_map(|n| peers(r, n, end, group))
        .collect();
    let lists = Reader::list(lists).iter();
    let lists = lists.filter_map(|n| r.value(n, "prefix_list"));
    peers.extend(lists.map(|list: At<ItemName>| (list.span, PeerSpec::List(list))));
    for traffic in traffic {
        for (span, peer) in &peers {
            if let Some(wrong) = wrong_family(traffic, peer) {
                // `any` means every address that the protocol has.
                if !anywhere().contains(peer) {
                    r.error(*span, wrong);
                }
                continue;
            }
            rules.push(RuleSpec {
                span: node.span,
                traffic,
                peer: peer.clone(),
                description: description.clone(),
            });
        }
    }
}

fn wrong_family(traffic: PortMatch, peer: &PeerSpec) -> Option<&'static str> {
    let PeerSpec::Cidr(prefix) = peer else {
        return None;
    };
    match (traffic, prefix.net()) {
        (PortMatch::Icmp(_), IpNet::V6(_)) => Some("icmp is of IPv4: use icmpv6"),
        (PortMatch::Icmpv6(_), IpNet::V4(_)) => Some("icmpv6 is of IPv6: use icmp"),
        _ => None,
    }
}

pub(super) fn traffic(r: &mut Reader, fields: &Fields<'_>) -> Vec<PortMatch> {
    let protocol = fields.get("protocol").and_then(|n| r.text(n, "protocol"));
    let word = protocol.as_ref().map_or("all", |p| p.value.as_str());
    match word {
        "tcp" | "6" => ports(r, fields, PortMatch::Tcp),
        "udp" | "17" => ports(r, fields, PortMatch::Udp),
        "icmp" | "1" => vec![PortMatch::Icmp(icmp(r, fields))],
        "icmpv6" | "58" => vec![PortMatch::Icmpv6(icmp(r, fields))],
        "all" => {
            only_for(
                r,
                fields,
                &["ports", "type", "code"],
                "a rule for all protocols",
            );
            vec![PortMatch::All]
        }
        _ => {
            only_for(r, fields, &["ports", "type", "code"], "this protocol");
            let text = At::new(word.to_owned(), protocol.map_or(fields.span, |p| p.span));
            let number = r.parsed::<Protocol>(&text, "protocol");
            number
                .map(|n| PortMatch::Protocol(n.value))
                .into_iter()
                .collect()
        }
    }
}

/// Refuses fields that mean nothing here: an ignored `ports` would open more than was meant.
fn only_for(r: &mut Reader, fields: &Fields<'_>, keys: &[&str], what: &str) {
    for key in keys {
        if fields.get(key).is_some() {
            r.error(fields.key_span(key), format!("{what} has no `{key}`"));
        }
    }
}

fn ports(r: &mut Reader, fields: &Fields<'_>, make: fn(PortRange) -> PortMatch) -> Vec<PortMatch> {
    only_for(r, fields, &["type", "code"], "TCP or UDP");
    match fields.get("ports") {
        None => vec![make(PortRange::ALL)],
        node => Reader::list(node)
            .iter()
            .filter_map(|n| r.value(n, "ports"))
            .map(|range| make(range.value))
            .collect(),
    }
}

fn icmp(r: &mut Reader, fields: &Fields<'_>) -> Option<IcmpMatch> {
    only_for(r, fields, &["ports"], "ICMP");
    let kind = r.optional::<u8>(fields, "type").map(|n| n.value);
    let code = r.optional::<u8>(fields, "code").map(|n| n.value);
    if kind.is_none() && code.is_some() {
        r.error(fields.key_span("code"), "`code` needs `type`");
    }
    kind.map(|kind| IcmpMatch { kind, code })
}

fn peers(r: &mut Reader, node: &Node, end: &str, group: &At<ItemName>) -> Vec<(Span, PeerSpec)> {
    let found = peer(r, node, end, group);
    found.into_iter().map(|p| (node.span, p)).collect()
}

fn peer(r: &mut Reader, node: &Node, end: &str, group: &At<ItemName>) -> Vec<PeerSpec> {
    let Some(text) = r.text(node, end) else {
        return Vec::new();
    };
    match text.value.as_str() {
        "self" => vec![PeerSpec::Group(At::new(group.value.clone(), text.span))],
        "any" => anywhere(),
        text if is_of_another_vpc(text) => group_of(r, node, end).into_iter().collect(),
        cidr if cidr.contains('/') => r
            .parsed::<Prefix>(&text, end)
            .map(|p| PeerSpec::Cidr(p.value))
            .into_iter()
            .collect(),
        _ => named(r, &text, end).into_iter().collect(),
    }
}

/// `VPC/GROUP`: what stands before the slash of a prefix is an address.
fn is_of_another_vpc(text: &str) -> bool {
    let before = text.split_once('/').map(|(before, _)| before);
    before.is_some_and(|before| before.parse::<std::net::IpAddr>().is_err())
}

fn group_of(r: &mut Reader, node: &Node, end: &str) -> Option<PeerSpec> {
    let text = r.text(node, end)?;
    let (vpc, group) = text.value.split_once('/')?;
    let part = |part: &str| At::new(part.to_owned(), text.span);
    let vpc = r.parsed(&part(vpc), end);
    let group = r.parsed(&part(group), end);
    Some(PeerSpec::GroupOf(vpc?, group?))
}

fn named(r: &mut Reader, text: &At<String>, end: &str) -> Option<PeerSpec> {
    if text.value.parse::<std::net::IpAddr>().is_ok() {
        let help = format!(
            "one address is {}/{}",
            text.value,
            if text.value.contains(':') { 128 } else { 32 }
        );
        r.error_help(text.span, format!("{end}: a CIDR has a length"), help);
        return None;
    }
    r.parsed(text, end).map(PeerSpec::Group)
}

/// Both families: every IPv4 and every IPv6 address.
pub(super) fn anywhere() -> Vec<PeerSpec> {
    let nets: [IpNet; 2] = [Ipv4Net::default().into(), Ipv6Net::default().into()];
    nets.into_iter()
        .filter_map(|net| Prefix::new(net).ok())
        .map(PeerSpec::Cidr)
        .collect()
}

/// The rule of a group that says nothing of egress: all of it.
pub(crate) fn all_egress(span: Span) -> Vec<RuleSpec> {
    anywhere()
        .into_iter()
        .map(|peer| RuleSpec {
            span,
            traffic: PortMatch::All,
            peer,
            description: None,
        })
        .collect()
}
