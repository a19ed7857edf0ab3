//! Making a cloud be what a topology says, through the API: what is there stays, what is missing is
//! made, what the file before had and this one has not is taken away.

mod acls;
mod balancing;
mod groups;
mod mirrors;
mod nats;
pub(crate) mod outside;
mod peerings;
mod places;
mod removal;
mod transit;
mod view;
mod watch;
mod write;
mod zones;

use std::collections::HashMap;

use weft_proto::v1 as wire;

pub use self::{
    places::{Place, Places},
    view::{View, Where},
};
use crate::{
    api::{Api, ApiError},
    topology::{At, Diagnostic, Topology},
};

/// What differs in a way that nothing in place can mend.
pub fn conflicts(view: &View, topology: &Topology) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for host in &topology.hosts {
        let zone = view.hosts.get(host.name.as_str()).map(|h| h.zone.as_str());
        fixed(&mut all, &host.zone, zone, "a host's zone");
    }
    for vpc in &topology.vpcs {
        let Some(old) = view.vpcs.get(vpc.name.as_str()) else {
            continue;
        };
        if let Some(primary) = vpc.blocks.first() {
            fixed(
                &mut all,
                primary,
                Some(&old.cidr_block),
                "a VPC's first block",
            );
        }
        if vpc.ipv6.is_some() == old.ipv6_cidr_blocks.is_empty() {
            all.push(stuck(vpc.ipv6.span, "whether a VPC has IPv6"));
        }
        for subnet in &vpc.subnets {
            let key = Where::new(vpc.name.as_str(), subnet.name.as_str());
            let Some(old) = view.subnets.get(&key) else {
                continue;
            };
            fixed(
                &mut all,
                &subnet.cidr,
                Some(&old.cidr_block),
                "a subnet's block",
            );
            fixed(&mut all, &subnet.zone, Some(&old.zone), "a subnet's zone");
            if subnet.ipv6.is_some() == old.ipv6_cidr_block.is_empty() {
                all.push(stuck(subnet.ipv6.span, "whether a subnet has IPv6"));
            }
        }
    }
    all
}

fn fixed<T: ToString>(all: &mut Vec<Diagnostic>, new: &At<T>, old: Option<&str>, what: &str) {
    if old.is_some_and(|old| old != new.value.to_string()) {
        all.push(stuck(new.span, what));
    }
}

fn stuck(span: crate::topology::Span, what: &str) -> Diagnostic {
    Diagnostic::new(span, format!("{what} can't change while the lab is up"))
        .help("`weft lab down`, then up again; or give it another name")
}

/// Makes the hosts known, so that their vswitches are welcome from the first moment.
///
/// # Errors
/// What the controller refuses.
pub async fn register(
    api: &Api,
    topology: &Topology,
    vteps: &HashMap<String, String>,
) -> Result<(), ApiError> {
    let mut view = View::load(api).await?;
    write::substrate(api, &mut view, topology, vteps).await
}

/// Makes the cloud be so, its hosts being registered. `before` is the topology that was up, if any.
///
/// # Errors
/// What the controller refuses; what was done before stays, and the next `up` goes on.
pub async fn apply(
    api: &Api,
    topology: &Topology,
    before: Option<&Topology>,
) -> Result<(), ApiError> {
    let mut view = View::load(api).await?;
    outside::pools(api, topology).await?;
    if let Some(before) = before {
        removal::workloads(api, &mut view, before, topology).await?;
    }
    acls::lists(api, &mut view, topology).await?;
    for vpc in &topology.vpcs {
        write::vpc(api, &mut view, vpc).await?;
        outside::gateways(api, &view, vpc).await?;
        write::route_tables(api, &mut view, vpc).await?;
        write::main_table(api, &view, vpc).await?;
        acls::acls(api, &mut view, vpc).await?;
        groups::create(api, &mut view, vpc).await?;
    }
    // Before the rules, which may name groups of peered VPCs.
    peerings::create(api, &mut view, topology).await?;
    transit::create(api, &mut view, topology).await?;
    for vpc in &topology.vpcs {
        groups::rules(api, &mut view, vpc).await?;
        write::subnets(api, &mut view, vpc).await?;
    }
    for workload in &topology.workloads {
        write::workload(api, &mut view, workload).await?;
    }
    outside::elastic(api, &view, before, topology).await?;
    nats::create(api, &mut view, topology).await?;
    for vpc in &topology.vpcs {
        write::routes(api, &mut view, vpc).await?;
    }
    if let Some(before) = before {
        nats::remove(api, &view, before, topology).await?;
    }
    for vpc in &topology.vpcs {
        outside::drop_gateways(api, &view, vpc).await?;
    }
    balancing::balancing(api, &view, topology, before).await?;
    zones::private_zones(api, &view, topology, before).await?;
    watch::flow_logs(api, &view, topology, before).await?;
    mirrors::mirrors(api, &view, topology, before).await?;
    if let Some(before) = before {
        peerings::remove(api, &view, before, topology).await?;
        transit::remove(api, &view, before, topology).await?;
        removal::rest(api, &view, before, topology).await?;
    }
    Ok(())
}

/// The interface of each workload, by name.
///
/// # Errors
/// When the controller can't be asked.
pub async fn interfaces(api: &Api) -> Result<HashMap<String, wire::Interface>, ApiError> {
    let all = api.list_interfaces().await?;
    let named = all.into_iter().filter_map(|i| {
        let name = i.meta.as_ref()?.name.clone();
        Some((name, i))
    });
    Ok(named.collect())
}
