//! The latest drops in words.

#[cfg(test)]
mod tests;

use weft_datapath::{DropRecord, Ends, Half, RecentDrops};
use weft_engine::{Drop, DropObject, DropReason};
use weft_model::{AclNumber, NetworkAclId, SecurityGroupId};
use weft_proto::host::v1 as wire;

pub(super) fn answer(recent: &RecentDrops) -> wire::RecentDropsResponse {
    let drop = |record: &DropRecord| wire::RecentDrop {
        age_milliseconds: recent.now.since(record.at) / 1_000_000,
        ..describe(record)
    };
    wire::RecentDropsResponse {
        drops: recent.drops.iter().map(drop).collect(),
        unrecorded: recent.unrecorded,
    }
}

fn describe(record: &DropRecord) -> wire::RecentDrop {
    let described = wire::RecentDrop {
        half: half(record.half).to_owned(),
        interface: text(record.interface),
        reason: record.drop.reason.code().to_owned(),
        object: text(record.drop.object),
        groups: record.groups.iter().map(ToString::to_string).collect(),
        what: what(&record.drop, &record.groups),
        ..Default::default()
    };
    let Some(Ends {
        protocol,
        src,
        dst,
        ports,
        icmp,
    }) = record.ends
    else {
        return described;
    };
    let (source_port, destination_port) = ports.unwrap_or_default();
    wire::RecentDrop {
        protocol: protocol.map_or_else(|| "arp".to_owned(), |p| p.to_string()),
        source: src.to_string(),
        source_port: source_port.into(),
        destination: dst.to_string(),
        destination_port: destination_port.into(),
        icmp_type: icmp.map(|(kind, _)| kind.into()),
        icmp_code: icmp.map(|(_, code)| code.into()),
        ..described
    }
}

pub(super) fn half(half: Half) -> &'static str {
    match half {
        Half::Egress => "egress",
        Half::Ingress => "ingress",
        Half::Tunnel => "tunnel",
        Half::Outside => "outside",
    }
}

pub(super) fn text(thing: Option<impl ToString>) -> String {
    thing.map_or_else(String::new, |thing| thing.to_string())
}

/// Why, and because of what, so that it's clear what to change.
pub(super) fn what(drop: &Drop, groups: &[SecurityGroupId]) -> String {
    let Some(object) = drop.object else {
        return sentence(drop.reason).to_owned();
    };
    match (drop.reason, object) {
        (DropReason::GroupIngress, _) => no_rule("ingress", groups),
        (DropReason::GroupEgress, _) => no_rule("egress", groups),
        (DropReason::AclIngress, DropObject::AclEntry { acl, entry }) => {
            no_entry("ingress", acl, entry)
        }
        (DropReason::AclEgress, DropObject::AclEntry { acl, entry }) => {
            no_entry("egress", acl, entry)
        }
        (DropReason::NoRoute, table) => format!("{table} has no route to it"),
        (DropReason::Blackhole, DropObject::Route { table, destination }) => {
            format!("the route {destination} of {table} leads nowhere")
        }
        (DropReason::NoMapping, DropObject::Address(address)) => {
            format!("no interface holds {address}")
        }
        (DropReason::NoMapping, interface) => format!("{interface} is no port of its host"),
        (DropReason::NoTunnel, address) => format!("the host of {address} has no known VTEP"),
        (DropReason::NotForPort, address) => {
            format!("{address} isn't the interface's, and its source/destination check is on")
        }
        (DropReason::SpoofedMac, mac) => format!("{mac} isn't the interface's MAC"),
        (DropReason::SpoofedAddress, address) => {
            format!("{address} isn't the interface's address to send from")
        }
        (reason, object) => format!("{} ({object})", sentence(reason)),
    }
}

fn no_entry(direction: &str, acl: NetworkAclId, entry: Option<AclNumber>) -> String {
    match entry {
        Some(number) => format!("{direction} entry {number} of {acl} denies it"),
        None => format!("no {direction} entry of {acl} allows it, so * denies it"),
    }
}

fn no_rule(direction: &str, groups: &[SecurityGroupId]) -> String {
    let names: Vec<String> = groups.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => format!("the interface has no security group, so no {direction} rule allows it"),
        names => format!("no {direction} rule of {} allows it", names.join(" or ")),
    }
}

fn sentence(reason: DropReason) -> &'static str {
    reason.text().trim_end_matches('.')
}
