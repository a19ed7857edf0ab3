//! Making and changing everything but groups.

use std::collections::HashMap;

use weft_model::DeviceName;
use weft_proto::v1::{self as wire, route::Target};

use super::{
    outside,
    view::{View, Where},
};
use crate::{
    api::{Api, ApiError, named, request_id},
    topology::{
        DEFAULT_ACL, DestinationSpec, Ipv6, MAIN_TABLE, REGION, TargetSpec, Topology, VpcSpec,
        WorkloadSpec,
    },
};

/// The device of an edge that leads to the internet.
pub(crate) const UPLINK: &str = "uplink0";

/// The device of a workload.
const DEVICE: &str = "eth0";

pub(super) fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask {
        paths: paths.iter().map(|p| (*p).to_owned()).collect(),
    })
}

/// Region, zones and hosts.
pub(super) async fn substrate(
    api: &Api,
    view: &mut View,
    topology: &Topology,
    vteps: &HashMap<String, String>,
) -> Result<(), ApiError> {
    if view.zones.is_empty() {
        let region = wire::Region {
            region: REGION.into(),
            meta: None,
        };
        let request = wire::CreateRegionRequest {
            region: Some(region),
            request_id: request_id(),
        };
        match api.regions().create(request).await {
            Err(status) if status.code() != tonic::Code::AlreadyExists => {
                return Err(ApiError::of("the lab's region")(status));
            }
            _ => {}
        }
    }
    for zone in topology.zones() {
        if view.zones.contains_key(zone.as_str()) {
            continue;
        }
        let zone = wire::Zone {
            zone: zone.to_string(),
            region: REGION.into(),
            meta: None,
        };
        let what = format!("zone {}", zone.zone);
        view.zones.insert(zone.zone.clone(), zone.clone());
        let request = wire::CreateZoneRequest {
            zone: Some(zone),
            request_id: request_id(),
        };
        api.zones()
            .create(request)
            .await
            .map_err(ApiError::of(what))?;
    }
    hosts(api, view, topology, vteps).await
}

async fn hosts(
    api: &Api,
    view: &View,
    topology: &Topology,
    vteps: &HashMap<String, String>,
) -> Result<(), ApiError> {
    for host in &topology.hosts {
        let name = host.name.as_str();
        if view.hosts.contains_key(name) {
            continue;
        }
        let host = wire::Host {
            host: name.to_owned(),
            zone: host.zone.to_string(),
            vtep: vteps.get(name).cloned().unwrap_or_default(),
            uplink: if host.edge { UPLINK } else { "" }.to_owned(),
            ..Default::default()
        };
        let request = wire::CreateHostRequest {
            host: Some(host),
            request_id: request_id(),
        };
        let done = api.hosts().create(request).await;
        done.map_err(ApiError::of(format!("host {name}")))?;
    }
    Ok(())
}

/// What the VPC's resolver does otherwise than it should.
fn dns_paths(old: &wire::Vpc, spec: &VpcSpec, forwards: &[wire::DnsForward]) -> Vec<&'static str> {
    let (dns, old_forwards) = (&spec.dns, old.dns_forwards.as_slice());
    [
        (
            "enable_dns_support",
            old.enable_dns_support != Some(dns.support),
        ),
        (
            "enable_dns_hostnames",
            old.enable_dns_hostnames != Some(dns.hostnames),
        ),
        ("dns_forwards", old_forwards != forwards),
    ]
    .into_iter()
    .filter_map(|(path, changed)| changed.then_some(path))
    .collect()
}

/// A VPC, or its secondary blocks.
pub(super) async fn vpc(api: &Api, view: &mut View, spec: &VpcSpec) -> Result<(), ApiError> {
    let name = spec.name.as_str();
    let what = || ApiError::of(format!("VPC {name}"));
    let mut blocks = spec.blocks.iter().map(|b| b.value.to_string());
    let primary = blocks.next().unwrap_or_default();
    let secondary: Vec<String> = blocks.collect();
    let forwards: Vec<wire::DnsForward> = spec.dns.forwards.iter().map(Into::into).collect();
    if let Some(old) = view.vpcs.get(name) {
        let mut paths = dns_paths(old, spec, &forwards);
        if old.secondary_cidr_blocks != secondary {
            paths.push("secondary_cidr_blocks");
        }
        if paths.is_empty() {
            return Ok(());
        }
        let request = wire::UpdateVpcRequest {
            vpc: Some(wire::Vpc {
                secondary_cidr_blocks: secondary,
                enable_dns_support: Some(spec.dns.support),
                enable_dns_hostnames: Some(spec.dns.hostnames),
                dns_forwards: forwards,
                ..old.clone()
            }),
            update_mask: mask(&paths),
            etag: String::new(),
            request_id: request_id(),
        };
        api.vpcs().update(request).await.map_err(what())?;
        return Ok(());
    }
    let ipv6 = match spec.ipv6.value {
        Ipv6::Block(block) => vec![block.to_string()],
        Ipv6::None | Ipv6::Auto => Vec::new(),
    };
    let request = wire::CreateVpcRequest {
        vpc: Some(wire::Vpc {
            region: REGION.into(),
            cidr_block: primary,
            secondary_cidr_blocks: secondary,
            ipv6_cidr_blocks: ipv6,
            enable_dns_support: Some(spec.dns.support),
            enable_dns_hostnames: Some(spec.dns.hostnames),
            dns_forwards: forwards,
            meta: named(name),
            ..Default::default()
        }),
        request_id: request_id(),
        assign_ipv6: spec.ipv6.value == Ipv6::Auto,
    };
    let answer = api
        .vpcs()
        .create(request)
        .await
        .map_err(what())?
        .into_inner();
    view.adopt_vpc(api, answer.vpc.unwrap_or_default()).await
}

/// Route tables, empty yet: their routes name interfaces that come later.
pub(super) async fn route_tables(
    api: &Api,
    view: &mut View,
    spec: &VpcSpec,
) -> Result<(), ApiError> {
    for table in &spec.route_tables {
        let key = Where::new(spec.name.as_str(), table.name.as_str());
        if view.route_tables.contains_key(&key) {
            continue;
        }
        let request = wire::CreateRouteTableRequest {
            route_table: Some(wire::RouteTable {
                vpc: view.vpc_id(spec.name.as_str()),
                meta: named(table.name.as_str()),
                ..Default::default()
            }),
            request_id: request_id(),
        };
        let answer = api.route_tables().create(request).await;
        let answer = answer.map_err(ApiError::of(format!("route table {}", table.name.value)))?;
        view.route_tables
            .insert(key, answer.into_inner().route_table.unwrap_or_default());
    }
    Ok(())
}

/// Which table is the VPC's main one: the one that the file names, or its own.
pub(super) async fn main_table(api: &Api, view: &View, spec: &VpcSpec) -> Result<(), ApiError> {
    let name = spec.name.as_str();
    let table = spec.main_table.as_ref().map_or(MAIN_TABLE, |t| t.as_str());
    let id = view.table_id(name, table);
    let Some(vpc) = view.vpcs.get(name) else {
        return Ok(());
    };
    if id.is_empty() || vpc.main_route_table == id {
        return Ok(());
    }
    let request = wire::UpdateVpcRequest {
        vpc: Some(wire::Vpc {
            id: vpc.id.clone(),
            main_route_table: id,
            ..Default::default()
        }),
        update_mask: mask(&["main_route_table"]),
        etag: String::new(),
        request_id: request_id(),
    };
    let done = api.vpcs().update(request).await;
    done.map_err(ApiError::of(format!("VPC {name}")))?;
    Ok(())
}

/// Subnets, and which table and network ACL each uses.
pub(super) async fn subnets(api: &Api, view: &mut View, spec: &VpcSpec) -> Result<(), ApiError> {
    let vpc = spec.name.as_str();
    for subnet in &spec.subnets {
        let name = subnet.name.as_str();
        let what = || ApiError::of(format!("subnet {name}"));
        let route_table = match &subnet.route_table {
            Some(table) if table.as_str() != MAIN_TABLE => view.table_id(vpc, table.as_str()),
            _ => String::new(),
        };
        let network_acl = match &subnet.acl {
            Some(acl) if acl.as_str() != DEFAULT_ACL => view.acl_id(vpc, acl.as_str()),
            _ => String::new(),
        };
        let key = Where::new(vpc, name);
        if let Some(old) = view.subnets.get(&key) {
            let same = old.route_table == route_table
                && old.network_acl == network_acl
                && old.map_public_ip == subnet.public;
            if !same {
                let request = wire::UpdateSubnetRequest {
                    subnet: Some(wire::Subnet {
                        route_table,
                        network_acl,
                        map_public_ip: subnet.public,
                        ..old.clone()
                    }),
                    update_mask: mask(&["route_table", "network_acl", "map_public_ip"]),
                    etag: String::new(),
                    request_id: request_id(),
                };
                api.subnets().update(request).await.map_err(what())?;
            }
            continue;
        }
        let ipv6 = match subnet.ipv6.value {
            Ipv6::Block(block) => block.to_string(),
            Ipv6::None | Ipv6::Auto => String::new(),
        };
        let request = wire::CreateSubnetRequest {
            subnet: Some(wire::Subnet {
                vpc: view.vpc_id(vpc),
                zone: subnet.zone.to_string(),
                cidr_block: subnet.cidr.to_string(),
                ipv6_cidr_block: ipv6,
                route_table,
                network_acl,
                map_public_ip: subnet.public,
                meta: named(name),
                ..Default::default()
            }),
            request_id: request_id(),
            assign_ipv6: subnet.ipv6.value == Ipv6::Auto,
        };
        let answer = api.subnets().create(request).await.map_err(what())?;
        view.subnets
            .insert(key, answer.into_inner().subnet.unwrap_or_default());
    }
    Ok(())
}

/// A workload's interface as the topology wants it.
fn wanted(view: &View, spec: &WorkloadSpec) -> wire::Interface {
    let vpc = spec.vpc.as_str();
    let mut groups: Vec<String> = spec
        .groups
        .iter()
        .map(|g| view.group_id(vpc, g.as_str()))
        .collect();
    if groups.is_empty() {
        groups.push(view.group_id(vpc, crate::topology::DEFAULT_GROUP));
    }
    wire::Interface {
        subnet: view.subnet_id(vpc, spec.subnet.as_str()),
        ipv4: spec
            .address
            .as_ref()
            .map(|a| a.to_string())
            .unwrap_or_default(),
        secondary_ipv4: spec.secondary.iter().map(|a| a.to_string()).collect(),
        groups,
        source_dest_check: spec.source_dest_check,
        attachment: Some(wire::Attachment {
            host: spec.host.to_string(),
            netns: spec.name.to_string(),
            device: DEVICE
                .parse::<DeviceName>()
                .map(|d| d.to_string())
                .unwrap_or_default(),
        }),
        limits: Some((&spec.options.limits).into()),
        timeouts: Some((&spec.options.timeouts).into()),
        user_data: spec.options.user_data.bytes().to_vec(),
        metadata: Some((&spec.options.metadata).into()),
        meta: named(spec.name.as_str()),
        ..Default::default()
    }
}

/// A workload's interface: made, changed in place, or made anew where it can't be changed.
pub(super) async fn workload(
    api: &Api,
    view: &mut View,
    spec: &WorkloadSpec,
) -> Result<(), ApiError> {
    let name = spec.name.as_str();
    let what = || ApiError::of(format!("workload {name}"));
    let wanted = wanted(view, spec);
    if let Some(old) = view.interfaces.get(name) {
        let same_place = old.subnet == wanted.subnet
            && old.attachment == wanted.attachment
            && (wanted.ipv4.is_empty() || old.ipv4 == wanted.ipv4);
        if same_place {
            return update_workload(api, old, wanted).await.map_err(what());
        }
        let request = wire::DeleteRequest {
            id: old.id.clone(),
            etag: String::new(),
            request_id: request_id(),
        };
        api.interfaces().delete(request).await.map_err(what())?;
    }
    let request = wire::CreateInterfaceRequest {
        interface: Some(wanted),
        request_id: request_id(),
        assign_ipv6: None,
        assign_public_ip: None,
        disable_source_dest_check: !spec.source_dest_check,
    };
    let answer = api.interfaces().create(request).await.map_err(what())?;
    let made = answer.into_inner().interface.unwrap_or_default();
    view.interfaces.insert(name.to_owned(), made);
    Ok(())
}

async fn update_workload(
    api: &Api,
    old: &wire::Interface,
    wanted: wire::Interface,
) -> Result<(), tonic::Status> {
    let sorted = |groups: &[String]| {
        let mut groups = groups.to_vec();
        groups.sort();
        groups
    };
    let mut paths = Vec::new();
    if sorted(&old.groups) != sorted(&wanted.groups) {
        paths.push("groups");
    }
    if old.source_dest_check != wanted.source_dest_check {
        paths.push("source_dest_check");
    }
    let options = [
        ("limits", old.limits == wanted.limits),
        ("timeouts", old.timeouts == wanted.timeouts),
        ("user_data", old.user_data == wanted.user_data),
        ("metadata", old.metadata == wanted.metadata),
    ];
    let changed = options.iter().filter(|(_, same)| !same);
    paths.extend(changed.map(|(path, _)| *path));
    if sorted(&old.secondary_ipv4) != sorted(&wanted.secondary_ipv4) {
        paths.push("secondary_ipv4");
    }
    if paths.is_empty() {
        return Ok(());
    }
    let request = wire::UpdateInterfaceRequest {
        interface: Some(wire::Interface {
            groups: wanted.groups,
            secondary_ipv4: wanted.secondary_ipv4,
            source_dest_check: wanted.source_dest_check,
            limits: wanted.limits,
            timeouts: wanted.timeouts,
            user_data: wanted.user_data,
            metadata: wanted.metadata,
            ..old.clone()
        }),
        update_mask: mask(&paths),
        etag: String::new(),
        request_id: request_id(),
    };
    api.interfaces().update(request).await.map(|_| ())
}

/// The routes of a VPC's tables.
pub(super) async fn routes(api: &Api, view: &mut View, spec: &VpcSpec) -> Result<(), ApiError> {
    let vpc = view.vpc_id(spec.name.as_str());
    for table in &spec.route_tables {
        let key = Where::new(spec.name.as_str(), table.name.as_str());
        let Some(old) = view.route_tables.get(&key) else {
            continue;
        };
        let what = || ApiError::of(format!("route table {}", table.name.value));
        let statics = |r: &&wire::Route| r.origin == wire::route::Origin::Static as i32;
        let mut stale: Vec<&wire::Route> = old.routes.iter().filter(statics).collect();
        for route in &table.routes {
            let (destination, prefix_list) = match &route.destination.value {
                DestinationSpec::Prefix(prefix) => (prefix.to_string(), String::new()),
                DestinationSpec::List(list) => (String::new(), view.list_id(list.as_str())),
            };
            let target = match &route.target {
                TargetSpec::Workload(name) => Target::Interface(view.interface_id(name.as_str())),
                TargetSpec::Peering(name) => Target::Peering(view.peering_id(name.as_str())),
                TargetSpec::Nat(name) => {
                    Target::NatGateway(view.nat_id(spec.name.as_str(), name.as_str()))
                }
                TargetSpec::TransitGateway(name) => {
                    Target::TransitGateway(view.transit_id(name.as_str()))
                }
                TargetSpec::Internet => {
                    Target::InternetGateway(outside::internet(api, &vpc).await?)
                }
                TargetSpec::Egress => Target::EgressGateway(outside::egress(api, &vpc).await?),
                TargetSpec::Blackhole => Target::Blackhole(true),
            };
            let there =
                |r: &wire::Route| r.destination == destination && r.prefix_list == prefix_list;
            stale.retain(|r| !there(r));
            let same = |r: &wire::Route| there(r) && r.target.as_ref() == Some(&target);
            if old.routes.iter().any(same) {
                continue;
            }
            let request = wire::PutRouteRequest {
                route_table: old.id.clone(),
                route: Some(wire::Route {
                    destination: destination.clone(),
                    prefix_list: prefix_list.clone(),
                    target: Some(target),
                    ..Default::default()
                }),
                etag: String::new(),
                request_id: request_id(),
            };
            api.route_tables()
                .put_route(request)
                .await
                .map_err(what())?;
        }
        for route in stale {
            let request = wire::DeleteRouteRequest {
                route_table: old.id.clone(),
                destination: format!("{}{}", route.destination, route.prefix_list),
                etag: String::new(),
                request_id: request_id(),
            };
            api.route_tables()
                .delete_route(request)
                .await
                .map_err(what())?;
        }
    }
    Ok(())
}
