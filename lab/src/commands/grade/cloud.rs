//! What the controller says of the lab: rules, targets, and whether all is there.

use std::collections::BTreeSet;

use ipnet::IpNet;
use weft_proto::v1::{PrefixList, Rule, SecurityGroup, TargetGroup, rule::Peer};

use super::Finding;
use crate::{
    api::{Api, ApiError, name_of},
    runtime::dirs::LabDir,
    topology::{HealthySpec, ItemName, RulesSpec, Topology},
};

/// The shortest IPv6 prefix that a narrow rule may name: a subnet's.
const WIDEST6: u8 = 64;

/// Everything that criteria ask about.
pub(super) struct Cloud {
    /// By VPC and name.
    groups: Vec<(String, SecurityGroup)>,
    lists: Vec<PrefixList>,
    target_groups: Vec<TargetGroup>,
    /// Interfaces' ids with their names.
    interfaces: Vec<(String, String)>,
    /// Kinds with the names of what there is, those inside a VPC after its name and a slash.
    there: BTreeSet<(&'static str, String)>,
}

impl Cloud {
    /// Asks the lab's controller.
    pub(super) async fn load(dir: &LabDir) -> Result<Self, ApiError> {
        let api = Api::connect(dir).await?;
        let vpcs = api.list_vpcs().await?;
        let vpcs: Vec<(String, String)> = vpcs
            .iter()
            .map(|vpc| (vpc.id.clone(), name_of(vpc.meta.as_ref()).to_owned()))
            .collect();
        let of = |id: &str| {
            let found = vpcs.iter().find(|(vpc, _)| vpc == id);
            found.map_or(String::new(), |(_, name)| name.clone())
        };
        let mut there = BTreeSet::new();
        let mut note = |kind, vpc: &str, name: &str| {
            let name = match vpc {
                "" => name.to_owned(),
                vpc => format!("{}/{name}", of(vpc)),
            };
            there.insert((kind, name));
        };
        for (_, name) in &vpcs {
            note("VPC", "", name);
        }
        for subnet in api.list_subnets().await? {
            note("subnet", &subnet.vpc, name_of(subnet.meta.as_ref()));
        }
        for acl in api.list_network_acls().await? {
            note("network ACL", &acl.vpc, name_of(acl.meta.as_ref()));
        }
        for peering in api.list_peerings().await? {
            note("peering", "", name_of(peering.meta.as_ref()));
        }
        for balancer in api.list_load_balancers().await? {
            note("load balancer", "", name_of(balancer.meta.as_ref()));
        }
        for nat in api.list_nat_gateways().await? {
            note("NAT gateway", &nat.vpc, name_of(nat.meta.as_ref()));
        }
        for log in api.list_flow_logs().await? {
            note("flow log", "", name_of(log.meta.as_ref()));
        }
        let target_groups = api.list_target_groups().await?;
        for group in &target_groups {
            note("target group", "", name_of(group.meta.as_ref()));
        }
        let groups = api.list_security_groups().await?;
        for group in &groups {
            note("security group", &group.vpc, &group.group_name);
        }
        let interfaces = api.list_interfaces().await?;
        let interfaces: Vec<(String, String)> = interfaces
            .iter()
            .map(|i| (i.id.clone(), name_of(i.meta.as_ref()).to_owned()))
            .collect();
        for (_, name) in &interfaces {
            note("workload", "", name);
        }
        let groups = groups.into_iter().map(|group| (of(&group.vpc), group));
        Ok(Self {
            groups: groups.collect(),
            lists: api.list_prefix_lists().await?,
            target_groups,
            interfaces,
            there,
        })
    }

    /// Whether the groups let in no more than few addresses; a finding for each.
    pub(super) fn rules(&self, spec: &RulesSpec) -> Vec<Finding> {
        let widest = spec.widest;
        let one = |(vpc, name): &(ItemName, ItemName)| Finding {
            expected: format!(
                "rules into `{name}` name groups, or prefixes no wider than a /{widest}"
            ),
            decided: None,
            ..self.narrow(vpc, name, widest)
        };
        spec.groups.iter().map(one).collect()
    }

    fn narrow(&self, vpc: &ItemName, name: &ItemName, widest: u8) -> Finding {
        let is = |(of, group): &&(String, SecurityGroup)| {
            of == vpc.as_str() && group.group_name == name.as_str()
        };
        let found = self.groups.iter().find(is);
        let wide: Vec<String> = found
            .iter()
            .flat_map(|(_, group)| &group.ingress)
            .filter_map(|rule| self.too_wide(rule, widest))
            .collect();
        let seen = match (found, wide.is_empty()) {
            (None, _) => "there is no such group".to_owned(),
            (Some(_), true) => "so it is".to_owned(),
            (Some(_), false) => wide.join(", "),
        };
        Finding {
            met: found.is_some() && wide.is_empty(),
            expected: String::new(),
            seen,
            decided: None,
        }
    }

    /// The rule in words, if it lets in more than it may.
    fn too_wide(&self, rule: &Rule, widest: u8) -> Option<String> {
        let prefixes: Vec<&str> = match rule.peer.as_ref()? {
            Peer::Group(_) => return None,
            Peer::Cidr(cidr) => vec![cidr],
            Peer::PrefixList(id) => {
                let list = self.lists.iter().find(|list| list.id == *id)?;
                list.entries
                    .iter()
                    .map(|entry| entry.cidr.as_str())
                    .collect()
            }
        };
        let is_wide = |prefix: &&str| match prefix.parse() {
            Ok(IpNet::V4(net)) => net.prefix_len() < widest,
            Ok(IpNet::V6(net)) => net.prefix_len() < WIDEST6,
            Err(_) => false,
        };
        let wide = prefixes.into_iter().find(is_wide)?;
        Some(format!("{} lets in {} from {wide}", rule.id, traffic(rule)))
    }

    /// Whether the targets are healthy.
    pub(super) fn healthy(&self, spec: &HealthySpec) -> Finding {
        let name = spec.group.as_str();
        let mut groups = self.target_groups.iter();
        let group = groups.find(|group| name_of(group.meta.as_ref()) == name);
        let state = |workload: &ItemName| {
            let is = |(_, name): &&(String, String)| name == workload.as_str();
            let (id, _) = self.interfaces.iter().find(is)?;
            let mut targets = group?.targets.iter();
            targets.find(|target| target.target == *id)
        };
        let mut met = true;
        let mut states = Vec::new();
        for workload in &spec.targets {
            let health = state(workload).map_or("not registered", |t| t.health.as_str());
            met &= health == "healthy";
            states.push(format!("{} is {health}", workload.value));
        }
        let targets: Vec<&str> = spec.targets.iter().map(|t| t.as_str()).collect();
        let mut expected = format!("of target group `{name}` healthy: {}", targets.join(", "));
        if spec.drains > 0 {
            let delay = group.and_then(|group| group.deregistration_delay);
            let delay = delay.unwrap_or_default();
            met &= delay >= u32::from(spec.drains);
            expected += &format!("; those that leave keep connections for {} s", spec.drains);
            states.push(format!("the delay is {delay} s"));
        }
        Finding {
            met,
            expected,
            seen: states.join(", "),
            decided: None,
        }
    }

    /// Whether everything that the topology names is there.
    pub(super) fn intact(&self, topology: &Topology) -> Finding {
        let missing: Vec<String> = wanted(topology)
            .into_iter()
            .filter(|wanted| !self.there.contains(wanted))
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

fn traffic(rule: &Rule) -> String {
    match &rule.ports {
        Some(ports) if ports.first == ports.last => format!("{}/{}", rule.protocol, ports.first),
        Some(ports) => format!("{}/{}-{}", rule.protocol, ports.first, ports.last),
        None => rule.protocol.clone(),
    }
}

/// Kinds and names as the lab's own.
fn wanted(topology: &Topology) -> Vec<(&'static str, String)> {
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
