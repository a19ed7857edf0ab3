//! Whether everything that a topology names is there.

use std::collections::BTreeSet;

use super::Finding;
use crate::{
    api::{Api, ApiError, name_of},
    topology::{ItemName, Topology},
};

/// A kind with a name; of what is inside a VPC, after the VPC's name and a slash.
type Named = (&'static str, String);

/// What the controller has, by name.
pub(super) struct There {
    /// Ids with names.
    vpcs: Vec<(String, String)>,
    all: BTreeSet<Named>,
}

impl There {
    /// Asks for everything that criteria count.
    pub(super) async fn load(api: &Api) -> Result<Self, ApiError> {
        let mut there = Self {
            vpcs: Vec::new(),
            all: BTreeSet::new(),
        };
        there.inside_vpcs(api).await?;
        there.beside_vpcs(api).await?;
        Ok(there)
    }

    /// The name of the VPC with that id.
    pub(super) fn vpc(&self, id: &str) -> &str {
        let found = self.vpcs.iter().find(|(vpc, _)| vpc == id);
        found.map_or("", |(_, name)| name)
    }

    fn note(&mut self, kind: &'static str, vpc: &str, name: &str) {
        let name = match vpc {
            "" => name.to_owned(),
            vpc => format!("{}/{name}", self.vpc(vpc)),
        };
        self.all.insert((kind, name));
    }

    async fn inside_vpcs(&mut self, api: &Api) -> Result<(), ApiError> {
        for vpc in api.list_vpcs().await? {
            let name = name_of(vpc.meta.as_ref());
            self.note("VPC", "", name);
            self.vpcs.push((vpc.id, name.to_owned()));
        }
        for subnet in api.list_subnets().await? {
            self.note("subnet", &subnet.vpc, name_of(subnet.meta.as_ref()));
        }
        for acl in api.list_network_acls().await? {
            self.note("network ACL", &acl.vpc, name_of(acl.meta.as_ref()));
        }
        for group in api.list_security_groups().await? {
            self.note("security group", &group.vpc, &group.group_name);
        }
        for nat in api.list_nat_gateways().await? {
            self.note("NAT gateway", &nat.vpc, name_of(nat.meta.as_ref()));
        }
        Ok(())
    }

    async fn beside_vpcs(&mut self, api: &Api) -> Result<(), ApiError> {
        for interface in api.list_interfaces().await? {
            self.note("workload", "", name_of(interface.meta.as_ref()));
        }
        for peering in api.list_peerings().await? {
            self.note("peering", "", name_of(peering.meta.as_ref()));
        }
        for gateway in api.list_transit_gateways().await? {
            self.note("transit gateway", "", name_of(gateway.meta.as_ref()));
        }
        for balancer in api.list_load_balancers().await? {
            self.note("load balancer", "", name_of(balancer.meta.as_ref()));
        }
        for group in api.list_target_groups().await? {
            self.note("target group", "", name_of(group.meta.as_ref()));
        }
        for log in api.list_flow_logs().await? {
            self.note("flow log", "", name_of(log.meta.as_ref()));
        }
        Ok(())
    }

    /// Whether everything that the topology names is there.
    pub(super) fn intact(&self, topology: &Topology) -> Finding {
        let missing: Vec<String> = wanted(topology)
            .into_iter()
            .filter(|wanted| !self.all.contains(wanted))
            .map(|(kind, name)| format!("{kind} {name}"))
            .collect();
        Finding {
            met: missing.is_empty(),
            expected: "everything that the exercise began with is there".into(),
            seen: match missing.is_empty() {
                true => "so it is".into(),
                false => format!("missing: {}", missing.join(", ")),
            },
            decided: None,
        }
    }
}

/// Kinds and names as the lab's own.
fn wanted(topology: &Topology) -> Vec<Named> {
    let mut all = Vec::new();
    for vpc in &topology.vpcs {
        let inside = |name: &ItemName| format!("{}/{name}", vpc.name.value);
        all.push(("VPC", vpc.name.to_string()));
        all.extend(vpc.subnets.iter().map(|s| ("subnet", inside(&s.name))));
        let groups = vpc.groups.iter();
        all.extend(groups.map(|g| ("security group", inside(&g.name))));
        let acls = vpc.acls.iter();
        all.extend(acls.map(|acl| ("network ACL", inside(&acl.name))));
        let nats = vpc.nats.iter();
        all.extend(nats.map(|nat| ("NAT gateway", inside(&nat.name))));
    }
    let workloads = topology.workloads.iter();
    all.extend(workloads.map(|w| ("workload", w.name.to_string())));
    let transit = topology.transit_gateways.iter();
    all.extend(transit.map(|t| ("transit gateway", t.name.to_string())));
    let peerings = topology.peerings.iter();
    all.extend(peerings.map(|p| ("peering", p.name.to_string())));
    let balancers = topology.balancers.iter();
    all.extend(balancers.map(|b| ("load balancer", b.name.to_string())));
    let logs = topology.flow_logs.iter();
    all.extend(logs.map(|log| ("flow log", log.name.to_string())));
    let groups = topology.target_groups.iter();
    all.extend(groups.map(|g| ("target group", g.name.to_string())));
    all
}
