//! What the controller says of the lab: rules, targets, and what is there.

use ipnet::IpNet;
use weft_proto::v1::{PrefixList, Rule, SecurityGroup, TargetGroup, rule::Peer};

use super::{Finding, there::There};
use crate::{
    api::{Api, ApiError, name_of},
    runtime::dirs::LabDir,
    topology::{HealthySpec, ItemName, RulesSpec},
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
    /// What there is, by name.
    pub(super) there: There,
}

impl Cloud {
    /// Asks the lab's controller.
    pub(super) async fn load(dir: &LabDir) -> Result<Self, ApiError> {
        let api = Api::connect(dir).await?;
        let there = There::load(&api).await?;
        let groups = api.list_security_groups().await?.into_iter();
        let groups = groups.map(|group| (there.vpc(&group.vpc).to_owned(), group));
        let interfaces = api.list_interfaces().await?.into_iter();
        let interfaces = interfaces.map(|i| (i.id, name_of(i.meta.as_ref()).to_owned()));
        Ok(Self {
            groups: groups.collect(),
            lists: api.list_prefix_lists().await?,
            target_groups: api.list_target_groups().await?,
            interfaces: interfaces.collect(),
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
}

fn traffic(rule: &Rule) -> String {
    match &rule.ports {
        Some(ports) if ports.first == ports.last => format!("{}/{}", rule.protocol, ports.first),
        Some(ports) => format!("{}/{}-{}", rule.protocol, ports.first, ports.last),
        None => rule.protocol.clone(),
    }
}
