//! `weft lab env`: what a shell needs to speak with a lab's controller about its objects.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{Global, ask, block_on, select};
use crate::{
    api::{Api, ApiError, name_of},
    error::LabError,
    print::{self, Format},
    runtime::{
        dirs::LabDir,
        wire::{Answer, Request},
    },
    topology::METRICS_PORT,
};

/// Variables by name.
type Variables = BTreeMap<String, String>;

pub(super) fn env(ids: bool, global: &Global) -> Result<(), LabError> {
    let dir = select(global.lab.as_deref())?;
    let mut all = Variables::from([
        ("WEFT_LAB".to_owned(), dir.name.to_string()),
        ("WEFT_API".to_owned(), dir.controller_uri()),
    ]);
    all.extend(metrics(&dir)?);
    if ids {
        all.extend(block_on(objects(&dir))?);
    }
    if global.format == Format::Json {
        return Ok(print::json(&all)?);
    }
    for (name, value) in &all {
        print::line(&format!("export {name}={value}"))?;
    }
    Ok(())
}

/// Where the lab's programs tell what they count, as seen from its hosts.
fn metrics(dir: &LabDir) -> Result<Variables, LabError> {
    let status = ask(dir, &Request::Status)?;
    let Answer::Status {
        stage: Some(stage), ..
    } = status
    else {
        return Ok(Variables::new());
    };
    if stage.metrics.is_none() {
        return Ok(Variables::new());
    }
    let url = |address| format!("http://{}/metrics", SocketAddr::new(address, METRICS_PORT));
    let hosts = stage.hosts.iter().map(|host| {
        let name = host.name.as_str().replace(['-', '.'], "_");
        (format!("WEFT_METRICS_{name}"), url(host.vtep))
    });
    let controller = ("WEFT_METRICS".to_owned(), url(stage.gateway));
    Ok(hosts.chain([controller]).collect())
}

/// Gathers variables; those of what is inside a VPC have its name where there are several.
struct Names {
    vpcs: Vec<(String, String)>,
    all: Variables,
}

impl Names {
    fn add(&mut self, kind: &str, vpc: &str, name: &str, id: &str) {
        let of = self.vpcs.iter().find(|(id, _)| id == vpc);
        let parts = match of {
            Some((_, vpc)) if self.vpcs.len() > 1 => vec![kind, vpc, name],
            _ => vec![kind, name],
        };
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let text = parts.collect::<Vec<_>>().join("_");
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        self.all
            .insert(text.chars().map(plain).collect(), id.to_owned());
    }
}

/// The ids of everything that has a name, each as KIND_NAME.
async fn objects(dir: &LabDir) -> Result<Variables, LabError> {
    let api = Api::connect(dir).await?;
    let mut names = Names {
        vpcs: Vec::new(),
        all: Variables::new(),
    };
    inside_vpcs(&api, &mut names).await?;
    beside_vpcs(&api, &mut names).await?;
    Ok(names.all)
}

async fn inside_vpcs(api: &Api, names: &mut Names) -> Result<(), ApiError> {
    for vpc in api.list_vpcs().await? {
        let name = name_of(vpc.meta.as_ref());
        names.add("vpc", "", name, &vpc.id);
        names.vpcs.push((vpc.id, name.to_owned()));
    }
    for subnet in api.list_subnets().await? {
        names.add(
            "subnet",
            &subnet.vpc,
            name_of(subnet.meta.as_ref()),
            &subnet.id,
        );
    }
    for table in api.list_route_tables().await? {
        let name = match name_of(table.meta.as_ref()) {
            "" => "main",
            name => name,
        };
        names.add("rtb", &table.vpc, name, &table.id);
    }
    for acl in api.list_network_acls().await? {
        let name = match acl.default {
            true => "default",
            false => name_of(acl.meta.as_ref()),
        };
        names.add("acl", &acl.vpc, name, &acl.id);
    }
    for gateway in api.list_internet_gateways().await? {
        names.add("igw", &gateway.vpc, "", &gateway.id);
    }
    for group in api.list_security_groups().await? {
        names.add("sg", &group.vpc, &group.group_name, &group.id);
        for (way, rules) in [("in", &group.ingress), ("out", &group.egress)] {
            for (n, rule) in rules.iter().enumerate() {
                let name = format!("{}_{way}_{}", group.group_name, n + 1);
                names.add("sgr", &group.vpc, &name, &rule.id);
            }
        }
    }
    Ok(())
}

async fn beside_vpcs(api: &Api, names: &mut Names) -> Result<(), ApiError> {
    for interface in api.list_interfaces().await? {
        names.add("eni", "", name_of(interface.meta.as_ref()), &interface.id);
    }
    for list in api.list_prefix_lists().await? {
        names.add("pl", "", name_of(list.meta.as_ref()), &list.id);
    }
    for peering in api.list_peerings().await? {
        names.add("pcx", "", name_of(peering.meta.as_ref()), &peering.id);
    }
    for group in api.list_target_groups().await? {
        names.add("tg", "", name_of(group.meta.as_ref()), &group.id);
    }
    for balancer in api.list_load_balancers().await? {
        names.add("nlb", "", name_of(balancer.meta.as_ref()), &balancer.id);
    }
    for nat in api.list_nat_gateways().await? {
        names.add("nat", &nat.vpc, name_of(nat.meta.as_ref()), &nat.id);
    }
    for gateway in api.list_transit_gateways().await? {
        names.add("tgw", "", name_of(gateway.meta.as_ref()), &gateway.id);
    }
    for attachment in api.list_transit_attachments().await? {
        let name = name_of(attachment.meta.as_ref());
        names.add("tgw_attach", "", name, &attachment.id);
    }
    for table in api.list_transit_tables().await? {
        names.add("tgw_rtb", "", name_of(table.meta.as_ref()), &table.id);
    }
    for filter in api.list_mirror_filters().await? {
        names.add("tmf", "", name_of(filter.meta.as_ref()), &filter.id);
    }
    for session in api.list_mirror_sessions().await? {
        names.add("tms", "", name_of(session.meta.as_ref()), &session.id);
    }
    for log in api.list_flow_logs().await? {
        names.add("fl", "", name_of(log.meta.as_ref()), &log.id);
    }
    Ok(())
}
