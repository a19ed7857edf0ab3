//! Load balancers and the targets behind them.

use std::{net::Ipv4Addr, ops::RangeInclusive};

use weft_model::{Carried, HealthCheck, IdleTimeout, Probe, Scheme};

use super::{
    BalancerSpec, ItemName, ListenerSpec, TargetGroupSpec, Topology, VpcSpec,
    link::unknown,
    read::{Fields, Reader},
    source::At,
    yaml::Node,
};

const GROUP_KEYS: [&str; 13] = [
    "vpc",
    "protocol",
    "port",
    "targets",
    "check",
    "check_port",
    "path",
    "interval",
    "timeout",
    "healthy",
    "unhealthy",
    "deregistration_delay",
    "preserve_client_address",
];
const BALANCER_KEYS: [&str; 6] = [
    "vpc",
    "scheme",
    "subnets",
    "addresses",
    "cross_zone",
    "listeners",
];
const LISTENER_KEYS: [&str; 4] = ["protocol", "port", "target_group", "idle_timeout"];

/// A number of a range; `usual` where it isn't given.
fn number(
    r: &mut Reader,
    fields: &Fields<'_>,
    key: &str,
    usual: u16,
    range: RangeInclusive<u16>,
) -> Option<u16> {
    let Some(given) = r.optional::<u16>(fields, key) else {
        return fields.get(key).is_none().then_some(usual);
    };
    if range.contains(&given.value) {
        return Some(given.value);
    }
    let (first, last) = range.into_inner();
    let message = format!(
        "{key}: {} is out of range: use {first} to {last}",
        given.value
    );
    r.error(given.span, message);
    None
}

fn protocol(r: &mut Reader, fields: &Fields<'_>) -> Option<Carried> {
    let given = r.optional(fields, "protocol");
    match given {
        None if fields.get("protocol").is_some() => None,
        given => Some(given.map_or(Carried::Tcp, |given| given.value)),
    }
}

pub(super) fn target_group(
    r: &mut Reader,
    key: &At<String>,
    node: &Node,
) -> Option<TargetGroupSpec> {
    let what = format!("target group `{}`", key.value);
    let fields = r.fields(node, key.span, "a target group", &GROUP_KEYS);
    let name = r.parsed(key, "target_groups");
    let vpc = r.required(&fields, "vpc", &what);
    let protocol = protocol(r, &fields);
    let port = r.required::<u16>(&fields, "port", &what);
    let port = port.and_then(|_| number(r, &fields, "port", 1, 1..=u16::MAX));
    let targets = Reader::list(fields.get("targets")).iter();
    let targets = targets
        .filter_map(|node| r.value(node, "targets"))
        .collect();
    let check = check(r, &fields, protocol);
    let delay = number(r, &fields, "deregistration_delay", 300, 0..=3600);
    let preserve_client = r.flag(&fields, "preserve_client_address", true);
    if !preserve_client && protocol.is_some_and(|protocol| protocol != Carried::Tcp) {
        let message = "`preserve_client_address` can be off for tcp alone";
        r.error(fields.key_span("preserve_client_address"), message);
    }
    Some(TargetGroupSpec {
        name: name?,
        vpc: vpc?,
        protocol: protocol?,
        port: port?,
        targets,
        check: check?,
        delay: delay?,
        preserve_client,
    })
}

fn check(r: &mut Reader, fields: &Fields<'_>, protocol: Option<Carried>) -> Option<HealthCheck> {
    let probe = r.optional::<Probe>(fields, "check");
    let usual = HealthCheck::new(probe.map_or(Probe::Tcp, |probe| probe.value));
    let path = r.optional(fields, "path");
    if path.is_some() && usual.probe == Probe::Tcp {
        r.error(
            fields.key_span("path"),
            "only `check: http` and `https` have a `path`",
        );
    }
    let port = match fields.get("check_port") {
        None => None,
        Some(_) => Some(number(r, fields, "check_port", 1, 1..=u16::MAX)?),
    };
    if protocol == Some(Carried::Udp) && port.is_none() {
        let message = "a target group of UDP needs `check_port`: checks ask over TCP";
        r.error(fields.span, message);
    }
    let interval = number(r, fields, "interval", usual.interval, 5..=300);
    let timeout = number(r, fields, "timeout", usual.timeout, 2..=120);
    let healthy = number(r, fields, "healthy", usual.healthy.into(), 2..=10);
    let unhealthy = number(r, fields, "unhealthy", usual.unhealthy.into(), 2..=10);
    Some(HealthCheck {
        port,
        path: path.map_or(usual.path, |path| path.value),
        interval: interval?,
        timeout: timeout?,
        healthy: u8::try_from(healthy?).ok()?,
        unhealthy: u8::try_from(unhealthy?).ok()?,
        ..HealthCheck::new(usual.probe)
    })
}

pub(super) fn balancer(r: &mut Reader, key: &At<String>, node: &Node) -> Option<BalancerSpec> {
    let what = format!("load balancer `{}`", key.value);
    let fields = r.fields(node, key.span, "a load balancer", &BALANCER_KEYS);
    let name = r.parsed(key, "load_balancers");
    let vpc = r.required(&fields, "vpc", &what);
    let scheme = r.optional::<Scheme>(&fields, "scheme");
    let subnets: Vec<At<ItemName>> = Reader::list(fields.get("subnets"))
        .iter()
        .filter_map(|node| r.value(node, "subnets"))
        .collect();
    if fields.get("subnets").is_none() {
        r.error(key.span, format!("{what} needs `subnets`"));
    }
    let addresses: Vec<At<Ipv4Addr>> = Reader::list(fields.get("addresses"))
        .iter()
        .filter_map(|node| r.value(node, "addresses"))
        .collect();
    if !addresses.is_empty() && addresses.len() != subnets.len() {
        let message = "`addresses` has one for each of `subnets`, in their order";
        r.error(fields.key_span("addresses"), message);
    }
    let listeners = Reader::list(fields.get("listeners"))
        .iter()
        .filter_map(|node| listener(r, node))
        .collect();
    Some(BalancerSpec {
        cross_zone: r.flag(&fields, "cross_zone", false),
        name: name?,
        vpc: vpc?,
        scheme,
        subnets,
        addresses,
        listeners,
    })
}

fn listener(r: &mut Reader, node: &Node) -> Option<ListenerSpec> {
    let fields = r.fields(node, node.span, "a listener", &LISTENER_KEYS);
    let protocol = protocol(r, &fields);
    let target_group = r.required(&fields, "target_group", "a listener");
    let port = r.required::<u16>(&fields, "port", "a listener");
    let port = port.and_then(|_| number(r, &fields, "port", 1, 1..=u16::MAX));
    let idle = number(r, &fields, "idle_timeout", 350, 60..=6000);
    Some(ListenerSpec {
        span: node.span,
        protocol: protocol?,
        port: port?,
        target_group: target_group?,
        idle_timeout: IdleTimeout::try_from(u32::from(idle?)).ok()?,
    })
}

/// Whether what balancers and groups name exists, and fits.
pub(super) fn resolve(r: &mut Reader, topology: &Topology) {
    for group in &topology.target_groups {
        if vpc(r, topology, &group.vpc).is_none() {
            continue;
        }
        for target in &group.targets {
            let there = topology.workloads.iter();
            let there = there.filter(|w| w.vpc.value == group.vpc.value);
            if !there.clone().any(|w| w.name.value == target.value) {
                let what = format!("workload in VPC `{}` named", group.vpc.value);
                let known = there.map(|w| w.name.as_str());
                unknown(r, target.span, &what, target.as_str(), known);
            }
        }
    }
    for balancer in &topology.balancers {
        if let Some(spec) = vpc(r, topology, &balancer.vpc) {
            placements(r, spec, balancer);
            if let Some(scheme) = &balancer.scheme
                && scheme.value == Scheme::InternetFacing
                && !spec.internet_gateway
            {
                let message = "an internet-facing load balancer needs an internet gateway";
                r.error(scheme.span, message);
            }
            listeners(r, topology, balancer);
        }
    }
}

fn vpc<'a>(r: &mut Reader, topology: &'a Topology, name: &At<ItemName>) -> Option<&'a VpcSpec> {
    let found = topology.vpc(name);
    if found.is_none() {
        let known = topology.vpcs.iter().map(|v| v.name.as_str());
        unknown(r, name.span, "VPC", name.as_str(), known);
    }
    found
}

fn placements(r: &mut Reader, vpc: &VpcSpec, balancer: &BalancerSpec) {
    for (n, name) in balancer.subnets.iter().enumerate() {
        let Some(subnet) = vpc.subnet(name) else {
            let known = vpc.subnets.iter().map(|s| s.name.as_str());
            let what = format!("subnet in VPC `{}` named", vpc.name.value);
            unknown(r, name.span, &what, name.as_str(), known);
            continue;
        };
        let mut earlier = balancer.subnets[..n].iter().filter_map(|n| vpc.subnet(n));
        if let Some(other) = earlier.find(|other| other.zone.value == subnet.zone.value) {
            let message = format!(
                "`{}` is in zone {} as `{}` is: a load balancer has one subnet per zone",
                name.value, subnet.zone.value, other.name.value
            );
            r.error(name.span, message);
        }
        if let Some(address) = balancer.addresses.get(n)
            && !subnet.cidr.contains_addr(address.value)
        {
            let message = format!("{} is outside {}", address.value, subnet.cidr.value);
            r.error(address.span, message);
        }
    }
}

fn listeners(r: &mut Reader, topology: &Topology, balancer: &BalancerSpec) {
    for (n, listener) in balancer.listeners.iter().enumerate() {
        let mut earlier = balancer.listeners[..n].iter();
        if earlier.any(|l| l.port == listener.port && l.protocol.meets(listener.protocol)) {
            r.error(listener.span, format!("port {} is taken", listener.port));
        }
        let name = &listener.target_group;
        let mut groups = topology.target_groups.iter();
        let Some(group) = groups.find(|group| group.name.value == name.value) else {
            let known = topology.target_groups.iter().map(|g| g.name.as_str());
            unknown(r, name.span, "target group", name.as_str(), known);
            continue;
        };
        if group.vpc.value != balancer.vpc.value {
            let message = format!("target group `{}` is of another VPC", name.value);
            r.error(name.span, message);
        }
        if group.protocol != listener.protocol {
            let message = format!(
                "the listener takes {}, and target group `{}` {}",
                listener.protocol, name.value, group.protocol
            );
            r.error(listener.span, message);
        }
    }
}
