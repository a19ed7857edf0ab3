//! `weft.v1`: the model's resources as messages, and rules, entries and routes both ways.

use std::fmt::Display;

use weft_model::{
    Attachment, Destination, FlowLog, Host, IcmpMatch, Interface, Meta, NetworkAcl, Peer,
    PortMatch, PortRange, PrefixList, PrefixListEntry, Protocol, Region, Revision, Route,
    RouteOrigin, RouteTable, RouteTarget, Rule, SecurityGroup, Subnet, Vpc, Zone,
    state::RouteState,
};

use super::fields::{Fields, Invalid, Reported};
use crate::v1 as wire;

mod acl;
mod balancing;
mod dns;
mod mirror;
mod options;
mod outside;
mod peering;
mod policy;
#[cfg(test)]
mod tests;
mod transit;

pub use acl::{read_acl_entry, read_prefix_list_entry};
pub use balancing::{read_health_check, read_optional_port, read_port, read_target};
pub use dns::{read_forward, read_record};
pub use mirror::{read_mirror_length, read_mirror_number, read_mirror_rule, read_mirror_vni};
pub use options::{read_limits, read_metadata, read_timeouts, read_user_data};
pub use policy::{read_route, read_route_state, read_rule, read_rule_draft};
pub use transit::read_transit_route;

fn texts<T: Display>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn text_or_empty<T: Display>(item: Option<&T>) -> String {
    item.map(ToString::to_string).unwrap_or_default()
}

/// The etag of a resource last changed at this revision.
pub fn etag(updated: Revision) -> String {
    format!("r{updated}")
}

/// The revision that an etag stands for; `None` where it is nothing that [`etag`] ever made.
pub fn etag_revision(etag: &str) -> Option<Revision> {
    let digits = etag.strip_prefix('r')?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    canonical.then(|| digits.parse().ok().map(Revision))?
}

impl From<&Meta> for wire::Meta {
    fn from(meta: &Meta) -> Self {
        Self {
            name: text_or_empty(meta.name.as_ref()),
            etag: etag(meta.updated),
            created_revision: meta.created.0,
            updated_revision: meta.updated.0,
        }
    }
}

impl From<&Region> for wire::Region {
    fn from(region: &Region) -> Self {
        Self {
            region: region.name.to_string(),
            meta: Some((&region.meta).into()),
        }
    }
}

impl From<&Zone> for wire::Zone {
    fn from(zone: &Zone) -> Self {
        Self {
            zone: zone.name.to_string(),
            region: zone.region.to_string(),
            meta: Some((&zone.meta).into()),
        }
    }
}

/// Without `status`, which is not stored.
impl From<&Host> for wire::Host {
    fn from(host: &Host) -> Self {
        Self {
            host: host.name.to_string(),
            zone: host.zone.to_string(),
            vtep: host.vtep.to_string(),
            meta: Some((&host.meta).into()),
            status: None,
            uplink: text_or_empty(host.uplink.as_ref()),
        }
    }
}

impl From<&Vpc> for wire::Vpc {
    fn from(vpc: &Vpc) -> Self {
        Self {
            id: vpc.id.to_string(),
            region: vpc.region.to_string(),
            vni: vpc.vni.get(),
            cidr_block: vpc.primary.to_string(),
            secondary_cidr_blocks: texts(&vpc.secondary),
            ipv6_cidr_blocks: texts(&vpc.ipv6),
            main_route_table: vpc.main_route_table.to_string(),
            default_security_group: vpc.default_group.to_string(),
            default_network_acl: vpc.default_acl.to_string(),
            enable_dns_support: Some(vpc.dns.support),
            enable_dns_hostnames: Some(vpc.dns.hostnames),
            dns_forwards: vpc.dns.forwards.iter().map(Into::into).collect(),
            meta: Some((&vpc.meta).into()),
        }
    }
}

/// Without `available_addresses`, which other resources decide.
impl From<&Subnet> for wire::Subnet {
    fn from(subnet: &Subnet) -> Self {
        Self {
            id: subnet.id.to_string(),
            vpc: subnet.vpc.to_string(),
            zone: subnet.zone.to_string(),
            cidr_block: subnet.ipv4.to_string(),
            ipv6_cidr_block: text_or_empty(subnet.ipv6.as_ref()),
            route_table: text_or_empty(subnet.route_table.as_ref()),
            network_acl: text_or_empty(subnet.acl.as_ref()),
            meta: Some((&subnet.meta).into()),
            available_addresses: 0,
            map_public_ip: subnet.map_public_ip,
        }
    }
}

/// Without `main`, which the VPC decides.
impl From<&RouteTable> for wire::RouteTable {
    fn from(table: &RouteTable) -> Self {
        Self {
            id: table.id.to_string(),
            vpc: table.vpc.to_string(),
            routes: table.routes.iter().map(Into::into).collect(),
            main: false,
            meta: Some((&table.meta).into()),
        }
    }
}

impl From<&SecurityGroup> for wire::SecurityGroup {
    fn from(group: &SecurityGroup) -> Self {
        Self {
            id: group.id.to_string(),
            vpc: group.vpc.to_string(),
            group_name: group.group_name.to_string(),
            description: group.description.to_string(),
            ingress: group.ingress.iter().map(Into::into).collect(),
            egress: group.egress.iter().map(Into::into).collect(),
            meta: Some((&group.meta).into()),
        }
    }
}

/// Without `default`, which the VPC decides.
impl From<&NetworkAcl> for wire::NetworkAcl {
    fn from(acl: &NetworkAcl) -> Self {
        Self {
            id: acl.id.to_string(),
            vpc: acl.vpc.to_string(),
            ingress: acl.ingress.iter().map(Into::into).collect(),
            egress: acl.egress.iter().map(Into::into).collect(),
            default: false,
            meta: Some((&acl.meta).into()),
        }
    }
}

impl From<&PrefixList> for wire::PrefixList {
    fn from(list: &PrefixList) -> Self {
        Self {
            id: list.id.to_string(),
            region: list.region.to_string(),
            family: list.family.to_string(),
            max_entries: list.max_entries,
            entries: list.entries.iter().map(Into::into).collect(),
            meta: Some((&list.meta).into()),
        }
    }
}

impl From<&PrefixListEntry> for wire::PrefixListEntry {
    fn from(entry: &PrefixListEntry) -> Self {
        Self {
            cidr: entry.prefix.to_string(),
            description: text_or_empty(entry.description.as_ref()),
        }
    }
}

impl From<&Interface> for wire::Interface {
    fn from(interface: &Interface) -> Self {
        Self {
            id: interface.id.to_string(),
            vpc: interface.vpc.to_string(),
            subnet: interface.subnet.to_string(),
            mac: interface.mac.to_string(),
            ipv4: interface.ipv4.to_string(),
            secondary_ipv4: texts(&interface.secondary_ipv4),
            ipv6: texts(&interface.ipv6),
            groups: texts(&interface.groups),
            source_dest_check: interface.source_dest_check,
            attachment: interface.attachment.as_ref().map(Into::into),
            limits: Some((&interface.options.limits).into()),
            timeouts: Some((&interface.options.timeouts).into()),
            user_data: interface.options.user_data.bytes().to_vec(),
            metadata: Some((&interface.options.metadata).into()),
            meta: Some((&interface.meta).into()),
            public_ipv4: text_or_empty(interface.public_ipv4.as_ref()),
        }
    }
}

impl From<&FlowLog> for wire::FlowLog {
    fn from(log: &FlowLog) -> Self {
        Self {
            id: log.id.to_string(),
            resource: log.scope.to_string(),
            traffic_type: log.traffic.to_string(),
            max_aggregation_interval: log.interval.seconds(),
            log_format: log.format.to_string(),
            meta: Some((&log.meta).into()),
            vpc: log.vpc.to_string(),
            account: log.account.to_string(),
        }
    }
}

impl From<&Attachment> for wire::Attachment {
    fn from(attachment: &Attachment) -> Self {
        Self {
            host: attachment.host.to_string(),
            netns: attachment.netns.to_string(),
            device: attachment.device.to_string(),
        }
    }
}
