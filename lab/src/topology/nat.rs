//! NAT gateways.

use super::{
    DestinationSpec, ItemName, NatSpec, RouteSpec, Topology, VpcSpec,
    link::unknown,
    outside::POOL_EXAMPLE,
    read::{Fields, Reader},
    source::At,
    yaml::Node,
};

pub(super) fn gateways(r: &mut Reader, fields: &Fields<'_>) -> Vec<NatSpec> {
    let all = r.entries(fields.get("nat_gateways"), "nat_gateways");
    all.iter()
        .filter_map(|(key, node)| gateway(r, key, node))
        .collect()
}

fn gateway(r: &mut Reader, key: &At<String>, node: &Node) -> Option<NatSpec> {
    let what = format!("NAT gateway `{}`", key.value);
    let fields = r.fields(node, key.span, "a NAT gateway", &["subnet"]);
    let name = r.parsed(key, "nat_gateways");
    let subnet = r.required(&fields, "subnet", &what);
    Some(NatSpec {
        name: name?,
        subnet: subnet?,
    })
}

/// Each stands in a subnet, of a VPC with a way out, and has an address to take.
pub(super) fn check(r: &mut Reader, topology: &Topology) {
    for vpc in &topology.vpcs {
        for nat in &vpc.nats {
            if vpc.subnet(&nat.subnet).is_none() {
                let known = vpc.subnets.iter().map(|s| s.name.as_str());
                unknown(r, nat.subnet.span, "subnet", nat.subnet.as_str(), known);
            }
        }
        let Some(first) = vpc.nats.first() else {
            continue;
        };
        if !vpc.internet_gateway {
            let help = format!("give VPC `{}` `internet_gateway: true`", vpc.name.value);
            let message = "a NAT gateway needs an internet gateway";
            r.error_help(first.name.span, message, help);
        }
        let pools = topology.internet.as_ref().map_or(0, |i| i.pools.len());
        if pools == 0 {
            let message = "a NAT gateway needs a pool to take its address from";
            r.error_help(first.name.span, message, POOL_EXAMPLE);
        }
    }
}

/// A route's NAT gateway is of the table's VPC, and the route of IPv4.
pub(super) fn route(r: &mut Reader, vpc: &VpcSpec, route: &RouteSpec, name: &At<ItemName>) {
    let mut names = vpc.nats.iter().map(|nat| nat.name.as_str());
    if !names.any(|known| known == name.as_str()) {
        let what = format!("NAT gateway in VPC `{}` named", vpc.name.value);
        let known = vpc.nats.iter().map(|nat| nat.name.as_str());
        unknown(r, name.span, &what, name.as_str(), known);
    }
    let is_v6 = |d: &DestinationSpec| matches!(d, DestinationSpec::Prefix(p) if p.is_v6());
    if is_v6(&route.destination.value) {
        let message = "a NAT gateway is for IPv4 alone";
        let help = "IPv6 needs no translation: `via: egress-only-gateway` lets nothing in";
        r.error_help(route.destination.span, message, help);
    }
}
