//! Peerings of VPCs.

use super::{
    ItemName, PeeringSpec, Topology, VpcSpec, link::unknown, read::Reader, source::At, yaml::Node,
};

const PEERING_KEYS: [&str; 2] = ["requester", "accepter"];

pub(super) fn peering(r: &mut Reader, key: &At<String>, node: &Node) -> Option<PeeringSpec> {
    let what = format!("peering `{}`", key.value);
    let fields = r.fields(node, key.span, "a peering", &PEERING_KEYS);
    let name = r.parsed(key, "peerings");
    let requester = r.required(&fields, "requester", &what);
    let accepter = r.required(&fields, "accepter", &what);
    Some(PeeringSpec {
        name: name?,
        requester: requester?,
        accepter: accepter?,
    })
}

/// Both VPCs exist, are two, share no address and are peered once.
pub(super) fn peerings(r: &mut Reader, topology: &Topology) {
    for (n, spec) in topology.peerings.iter().enumerate() {
        let (one, two) = (&spec.requester, &spec.accepter);
        if one.value == two.value {
            r.error(two.span, "a VPC can't be peered with itself");
            continue;
        }
        if topology.peerings[..n]
            .iter()
            .any(|o| o.is_between(one, two))
        {
            let message = format!("`{}` and `{}` are peered twice", one.value, two.value);
            r.error(spec.name.span, message);
        }
        let sides = [one, two].map(|name| side(r, topology, name));
        if let [Some(one), Some(two)] = sides {
            apart(r, spec, one, two);
        }
    }
}

fn side<'a>(r: &mut Reader, topology: &'a Topology, name: &At<ItemName>) -> Option<&'a VpcSpec> {
    let found = topology.vpc(name);
    if found.is_none() {
        let known = topology.vpcs.iter().map(|v| v.name.as_str());
        unknown(r, name.span, "VPC", name.as_str(), known);
    }
    found
}

fn apart(r: &mut Reader, spec: &PeeringSpec, one: &VpcSpec, two: &VpcSpec) {
    for here in &one.blocks {
        if let Some(there) = two.blocks.iter().find(|b| b.overlaps(here.value)) {
            let message = format!(
                "{} of `{}` overlaps {} of `{}`: peered VPCs have no address in common",
                there.value, two.name.value, here.value, one.name.value
            );
            r.error(spec.name.span, message);
        }
    }
}

/// A route's peering exists, and the table's VPC is on one of its sides.
pub(super) fn route(r: &mut Reader, topology: &Topology, vpc: &VpcSpec, name: &At<ItemName>) {
    let Some(spec) = topology
        .peerings
        .iter()
        .find(|p| p.name.value == name.value)
    else {
        let known = topology.peerings.iter().map(|p| p.name.as_str());
        return unknown(r, name.span, "peering", name.as_str(), known);
    };
    if vpc.name.value != spec.requester.value && vpc.name.value != spec.accepter.value {
        let message = format!(
            "peering `{}` is between `{}` and `{}`, and the table is of `{}`",
            name.value, spec.requester.value, spec.accepter.value, vpc.name.value
        );
        r.error(name.span, message);
    }
}

/// The VPC of a rule's group, which must be peered with the rule's.
pub(super) fn peer<'a>(
    r: &mut Reader,
    topology: &'a Topology,
    vpc: &VpcSpec,
    name: &At<ItemName>,
) -> Option<&'a VpcSpec> {
    let other = side(r, topology, name)?;
    let mut peerings = topology.peerings.iter();
    if !peerings.any(|p| p.is_between(&vpc.name, name)) {
        let message = format!(
            "VPC `{}` is not peered with `{}`",
            name.value, vpc.name.value
        );
        r.error(name.span, message);
    }
    Some(other)
}
