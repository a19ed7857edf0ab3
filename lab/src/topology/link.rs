//! What no single field can know: references, overlaps, addresses, zones, limits.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::{
    DEFAULT_ACL, DEFAULT_GROUP, Destination, DestinationSpec, GroupSpec, INTERNET, Ipv6, ItemName,
    MAIN_TABLE, PeerSpec, RouteSpec, SubnetSpec, TargetSpec, Topology, VpcSpec, WorkloadSpec,
    balancing,
    exercise::{self, CriterionDraft},
    fault, mirror, nat, options, outside,
    parse::{Draft, Family},
    peering,
    read::{Reader, nearest},
    source::{At, Span},
    transit, watch,
};

/// Hosts of one lab: the kernel's bridge has 1024 ports (BR_MAX_PORTS).
const MAX_HOSTS: usize = 1_000;
/// Workloads of one lab: each is a namespace and a TAP.
const MAX_WORKLOADS: usize = 5_000;
/// Checks of one lab, families counted.
const MAX_CHECKS: usize = 20_000;
/// VPCs of a region, as the controller's default quota.
const MAX_VPCS: usize = 5;
/// Groups of an interface, likewise.
const MAX_GROUPS: usize = 5;
/// Rules of a group per direction and family, likewise.
const MAX_RULES: usize = 60;

pub(super) fn resolve(
    r: &mut Reader,
    topology: &mut Topology,
    drafts: &[Draft],
    criteria: &[CriterionDraft],
) {
    limits(r, topology);
    peering::peerings(r, topology);
    transit::gateways(r, topology);
    outside::check(r, topology);
    nat::check(r, topology);
    for vpc in &topology.vpcs {
        blocks(r, vpc);
        subnets(r, topology, vpc);
        tables(r, topology, vpc);
        for group in &vpc.groups {
            rules(r, topology, vpc, group);
        }
    }
    for workload in &topology.workloads {
        placement(r, topology, workload);
    }
    addresses(r, topology);
    options::check_zones(r, topology);
    watch::flow_logs(r, topology);
    mirror::mirrors(r, topology);
    balancing::resolve(r, topology);
    fault::known_hosts(r, topology);
    for draft in drafts {
        expand(r, topology, draft);
    }
    exercise::resolve(r, topology, criteria);
    if topology.checks.len() > MAX_CHECKS {
        let message = format!(
            "{} checks are more than {MAX_CHECKS}",
            topology.checks.len()
        );
        r.error(
            drafts.first().map_or(topology.name.span, |d| d.span),
            message,
        );
    }
}

fn limits(r: &mut Reader, topology: &Topology) {
    let span = topology.name.span;
    if topology.hosts.is_empty() {
        r.error_help(span, "a topology needs a host", "hosts: {h1: {zone: a}}");
    }
    let over = |count: usize, most: usize, what: &str| {
        (count > most).then(|| format!("{count} {what} are more than {most}"))
    };
    if let Some(message) = over(topology.hosts.len(), MAX_HOSTS, "hosts") {
        r.error(topology.hosts[MAX_HOSTS].name.span, message);
    }
    if let Some(message) = over(topology.workloads.len(), MAX_WORKLOADS, "workloads") {
        r.error(topology.workloads[MAX_WORKLOADS].name.span, message);
    }
    if let Some(message) = over(topology.vpcs.len(), MAX_VPCS, "VPCs") {
        r.error(topology.vpcs[MAX_VPCS].name.span, message);
    }
}

pub(super) fn unknown<'w>(
    r: &mut Reader,
    span: Span,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'w str> + Clone,
) {
    let message = format!("there is no {what} `{name}`");
    match nearest(name, known.clone()) {
        Some(word) => r.error_help(span, message, format!("did you mean `{word}`?")),
        None => {
            let all: Vec<_> = known.take(12).collect();
            let help = if all.is_empty() {
                format!("the file defines no {what}")
            } else {
                format!("there are: {}", all.join(", "))
            };
            r.error_help(span, message, help);
        }
    }
}

fn blocks(r: &mut Reader, vpc: &VpcSpec) {
    for (n, block) in vpc.blocks.iter().enumerate() {
        if let Some(other) = vpc.blocks[..n].iter().find(|o| o.overlaps(block.value)) {
            r.error(
                block.span,
                format!("{} overlaps {} of the same VPC", block.value, other.value),
            );
        }
    }
}

fn subnets(r: &mut Reader, topology: &Topology, vpc: &VpcSpec) {
    for (n, subnet) in vpc.subnets.iter().enumerate() {
        if !vpc.blocks.iter().any(|b| b.contains(subnet.cidr.value)) {
            let all: Vec<String> = vpc.blocks.iter().map(|b| b.value.to_string()).collect();
            r.error_help(
                subnet.cidr.span,
                format!("{} is outside VPC `{}`", subnet.cidr.value, vpc.name.value),
                format!("the VPC has {}", all.join(", ")),
            );
        }
        for other in &vpc.subnets[..n] {
            if other.cidr.overlaps(subnet.cidr.value) {
                let message = format!(
                    "{} overlaps {} of subnet `{}`",
                    subnet.cidr.value, other.cidr.value, other.name.value
                );
                r.error(subnet.cidr.span, message);
            }
        }
        subnet_ipv6(r, vpc, subnet, &vpc.subnets[..n]);
        if !topology
            .hosts
            .iter()
            .any(|h| h.zone.value == subnet.zone.value)
        {
            let zones = topology.zones();
            let known = zones.iter().map(|z| z.as_str());
            unknown(r, subnet.zone.span, "zone", subnet.zone.as_str(), known);
        }
        table_of(r, vpc, subnet);
        acl_of(r, vpc, subnet);
    }
}

fn table_of(r: &mut Reader, vpc: &VpcSpec, subnet: &SubnetSpec) {
    let Some(table) = &subnet.route_table else {
        return;
    };
    let tables = vpc.route_tables.iter().map(|t| t.name.as_str());
    let known = tables.chain([MAIN_TABLE]);
    if !known.clone().any(|name| name == table.as_str()) {
        unknown(r, table.span, "route table", table.as_str(), known);
    }
}

fn acl_of(r: &mut Reader, vpc: &VpcSpec, subnet: &SubnetSpec) {
    let Some(acl) = &subnet.acl else {
        return;
    };
    let acls = vpc.acls.iter().map(|a| a.name.as_str());
    let known = acls.chain([DEFAULT_ACL]);
    if !known.clone().any(|name| name == acl.as_str()) {
        unknown(r, acl.span, "network ACL", acl.as_str(), known);
    }
}

fn list_exists(r: &mut Reader, topology: &Topology, name: &str, span: Span) {
    let known = topology.prefix_lists.iter().map(|l| l.name.as_str());
    if !known.clone().any(|list| list == name) {
        unknown(r, span, "prefix list", name, known);
    }
}

fn subnet_ipv6(r: &mut Reader, vpc: &VpcSpec, subnet: &SubnetSpec, before: &[SubnetSpec]) {
    match (&vpc.ipv6.value, &subnet.ipv6.value) {
        (Ipv6::None, Ipv6::Auto | Ipv6::Block(_)) => r.error_help(
            subnet.ipv6.span,
            format!("VPC `{}` has no IPv6", vpc.name.value),
            "give the VPC `ipv6: auto` or a /56",
        ),
        (Ipv6::Auto, Ipv6::Block(_)) => r.error_help(
            subnet.ipv6.span,
            "a subnet's own /64 can't be inside a block that isn't known yet",
            "give the VPC its /56, or the subnet `ipv6: auto`",
        ),
        (Ipv6::Block(outer), Ipv6::Block(inner)) => {
            if !outer.contains_subnet(*inner) {
                let message = format!("{inner} is outside the VPC's {outer}");
                r.error(subnet.ipv6.span, message);
            }
            let same = |s: &&SubnetSpec| s.ipv6.value == subnet.ipv6.value;
            if let Some(other) = before.iter().find(same) {
                let message = format!("subnet `{}` has the same {inner}", other.name.value);
                r.error(subnet.ipv6.span, message);
            }
        }
        _ => {}
    }
}

fn tables(r: &mut Reader, topology: &Topology, vpc: &VpcSpec) {
    if let Some(main) = &vpc.main_table {
        let known = vpc.route_tables.iter().map(|t| t.name.as_str());
        if !known.clone().any(|name| name == main.as_str()) {
            unknown(r, main.span, "route table", main.as_str(), known);
        }
    }
    for table in &vpc.route_tables {
        for (n, route) in table.routes.iter().enumerate() {
            let twice = |o: &RouteSpec| o.destination.value == route.destination.value;
            if table.routes[..n].iter().any(twice) {
                let message = format!("{} is routed twice", route.destination.value);
                r.error(route.destination.span, message);
            }
            if let DestinationSpec::List(list) = &route.destination.value {
                list_exists(r, topology, list.as_str(), route.destination.span);
            }
            route_target(r, topology, vpc, route);
        }
    }
}

fn route_target(r: &mut Reader, topology: &Topology, vpc: &VpcSpec, route: &RouteSpec) {
    let (key, is_there) = match &route.target {
        TargetSpec::Internet => ("internet_gateway", vpc.internet_gateway),
        TargetSpec::Egress => ("egress_only_gateway", vpc.egress_gateway),
        _ => ("", true),
    };
    if !is_there {
        let message = format!("VPC `{}` has no such gateway", vpc.name.value);
        let help = format!("give it `{key}: true`");
        r.error_help(route.destination.span, message, help);
    }
    let name = match &route.target {
        TargetSpec::Workload(name) => name,
        TargetSpec::Peering(name) => return peering::route(r, topology, vpc, name),
        TargetSpec::Nat(name) => return nat::route(r, vpc, route, name),
        TargetSpec::TransitGateway(name) => return transit::vpc_route(r, topology, vpc, name),
        TargetSpec::Internet | TargetSpec::Egress | TargetSpec::Blackhole => return,
    };
    match topology.workload(name) {
        None => {
            let known = topology.workloads.iter().map(|w| w.name.as_str());
            unknown(r, name.span, "workload", name.as_str(), known);
        }
        Some(w) if w.vpc.value != vpc.name.value => {
            let message = format!("workload `{}` is in VPC `{}`", name.value, w.vpc.value);
            r.error(name.span, message);
        }
        Some(w) if w.source_dest_check => r.error_help(
            name.span,
            format!("workload `{}` would drop what is not its own", name.value),
            format!("give `{}` `source_dest_check: false`", name.value),
        ),
        Some(_) => {}
    }
}

fn rules(r: &mut Reader, topology: &Topology, vpc: &VpcSpec, group: &GroupSpec) {
    let egress = group.egress.as_deref().unwrap_or(&[]);
    for rules in [&group.ingress[..], egress] {
        if rules.len() > MAX_RULES * 2 {
            let message = format!("group `{}` has {} rules", group.name.value, rules.len());
            let help = format!("at most {MAX_RULES} per direction and family");
            r.error_help(group.name.span, message, help);
        }
        for rule in rules {
            match &rule.peer {
                PeerSpec::Cidr(_) => {}
                PeerSpec::Group(name) => group_exists(r, vpc, name),
                PeerSpec::GroupOf(other, name) => {
                    if let Some(other) = peering::peer(r, topology, vpc, other) {
                        group_exists(r, other, name);
                    }
                }
                PeerSpec::List(name) => list_exists(r, topology, name.as_str(), name.span),
            }
        }
    }
}

fn group_exists(r: &mut Reader, vpc: &VpcSpec, name: &At<ItemName>) {
    let groups = vpc.groups.iter().map(|g| g.name.as_str());
    let known = groups.chain([DEFAULT_GROUP]);
    if !known.clone().any(|group| group == name.as_str()) {
        let what = format!("security group in VPC `{}` named", vpc.name.value);
        unknown(r, name.span, &what, name.as_str(), known);
    }
}

fn placement(r: &mut Reader, topology: &Topology, workload: &WorkloadSpec) {
    let host = topology
        .hosts
        .iter()
        .find(|h| h.name.value == workload.host.value);
    if host.is_none() {
        let known = topology.hosts.iter().map(|h| h.name.as_str());
        unknown(r, workload.host.span, "host", workload.host.as_str(), known);
    }
    let Some(vpc) = topology.vpc(&workload.vpc) else {
        let known = topology.vpcs.iter().map(|v| v.name.as_str());
        return unknown(r, workload.vpc.span, "VPC", workload.vpc.as_str(), known);
    };
    membership(r, vpc, workload);
    let Some(subnet) = vpc.subnet(&workload.subnet) else {
        let known = vpc.subnets.iter().map(|s| s.name.as_str());
        let what = format!("subnet in VPC `{}` named", vpc.name.value);
        return unknown(
            r,
            workload.subnet.span,
            &what,
            workload.subnet.as_str(),
            known,
        );
    };
    if let Some(host) = host
        && host.zone.value != subnet.zone.value
    {
        let message = format!(
            "host `{}` is in zone `{}`, subnet `{}` in zone `{}`",
            host.name.value, host.zone.value, subnet.name.value, subnet.zone.value
        );
        let help = "a workload's host and subnet are in the same zone";
        r.error_help(workload.host.span, message, help);
    }
}

fn membership(r: &mut Reader, vpc: &VpcSpec, workload: &WorkloadSpec) {
    for (n, group) in workload.groups.iter().enumerate() {
        group_exists(r, vpc, group);
        if workload.groups[..n].iter().any(|g| g.value == group.value) {
            r.error(
                group.span,
                format!("group `{}` is there twice", group.value),
            );
        }
    }
    if let Some(extra) = workload.groups.get(MAX_GROUPS) {
        let message = format!("a workload has at most {MAX_GROUPS} groups");
        r.error(extra.span, message);
    }
}

/// Fixed addresses are inside their subnet, not reserved, and nobody else's; and every subnet has
/// room for those who ask for none.
fn addresses(r: &mut Reader, topology: &Topology) {
    let mut taken: HashMap<(&ItemName, Ipv4Addr), &ItemName> = HashMap::new();
    let mut members: HashMap<(&ItemName, &ItemName), usize> = HashMap::new();
    for workload in &topology.workloads {
        let Some(subnet) = topology.subnet_of(workload) else {
            continue;
        };
        let count = members
            .entry((&workload.vpc, &workload.subnet))
            .or_default();
        *count += 1 + workload.secondary.len();
        // Four at the start and the last are reserved.
        let room = (1_usize << (32 - subnet.cidr.net().prefix_len())) - 5;
        if *count > room && *count - workload.secondary.len() <= room + 1 {
            let message = format!("subnet `{}` has only {room} addresses", subnet.name.value);
            r.error(workload.subnet.span, message);
        }
        for address in workload.address.iter().chain(&workload.secondary) {
            if !usable(subnet, address.value) {
                r.error_help(
                    address.span,
                    format!(
                        "{} is not an address that {} can give",
                        address.value, subnet.cidr.value
                    ),
                    "the first four addresses of a subnet and the last are reserved",
                );
            }
            if let Some(other) = taken.insert((&workload.vpc, address.value), &workload.name) {
                r.error(
                    address.span,
                    format!("{} is taken by `{other}`", address.value),
                );
            }
        }
    }
}

fn usable(subnet: &SubnetSpec, address: Ipv4Addr) -> bool {
    let net = subnet.cidr.net();
    let offset = u32::from(address).wrapping_sub(u32::from(net.network()));
    net.contains(&address) && offset >= 4 && address != net.broadcast()
}

pub(super) fn expand(r: &mut Reader, topology: &mut Topology, draft: &Draft) {
    let known: Vec<String> = topology
        .workloads
        .iter()
        .map(|w| w.name.to_string())
        .collect();
    let known = known.iter().map(String::as_str);
    let mut checks = Vec::new();
    for from in &draft.from {
        let online = topology.internet.is_some();
        let sender = topology.workload(from);
        if sender.is_none() && !(online && from.as_str() == INTERNET) {
            unknown(r, from.span, "workload", from.as_str(), known.clone());
            continue;
        }
        for to in &draft.to {
            if let Destination::Workload(name) = &to.value
                && topology.workload(name).is_none()
                && !(online && name.as_str() == INTERNET)
            {
                unknown(r, to.span, "workload", name.as_str(), known.clone());
                continue;
            }
            for ipv6 in families(r, topology, draft, (from, sender), to) {
                checks.push(draft.check(from, to, ipv6));
            }
        }
    }
    topology.checks.extend(checks);
}

/// Whether to test over IPv4 (`false`), IPv6 (`true`), or both.
fn families(
    r: &mut Reader,
    topology: &Topology,
    draft: &Draft,
    (from, sender): (&At<ItemName>, Option<&WorkloadSpec>),
    to: &At<Destination>,
) -> Vec<bool> {
    let has6 = |w: &WorkloadSpec| topology.subnet_of(w).is_some_and(|s| s.ipv6.is_some());
    let (v4, v6) = match &to.value {
        Destination::Workload(name) => (true, topology.workload(name).is_none_or(has6)),
        Destination::Address(address) => (address.is_ipv4(), address.is_ipv6()),
    };
    // The internet has both.
    let v6 = v6 && sender.is_none_or(has6);
    let wanted = match draft.family.value {
        Family::V4 => vec![false],
        Family::V6 => vec![true],
        Family::Both if v4 || v6 => {
            return [(v4, false), (v6, true)]
                .iter()
                .filter(|f| f.0)
                .map(|f| f.1)
                .collect();
        }
        Family::Both => vec![true],
    };
    if (wanted[0] && !v6) || (!wanted[0] && !v4) {
        let family = if wanted[0] { "IPv6" } else { "IPv4" };
        let message = format!(
            "`{}` and `{}` don't both have {family}",
            from.value, to.value
        );
        r.error(draft.family.span, message);
        return Vec::new();
    }
    wanted
}
