//! Taking away what the file before had and this one has not. What people made by themselves in the
//! lab's cloud is theirs and stays.

use weft_proto::v1 as wire;

use super::{
    outside,
    view::{View, Where},
};
use crate::{
    api::{Api, ApiError, request_id},
    topology::{DEFAULT_ACL, DEFAULT_GROUP, MAIN_TABLE, Topology, VpcSpec},
};

pub(super) fn delete(id: &str) -> wire::DeleteRequest {
    wire::DeleteRequest {
        id: id.to_owned(),
        etag: String::new(),
        request_id: request_id(),
    }
}

/// Interfaces of workloads that are gone: first, as everything else is in use by them.
pub(super) async fn workloads(
    api: &Api,
    view: &mut View,
    before: &Topology,
    after: &Topology,
) -> Result<(), ApiError> {
    for old in &before.workloads {
        let name = old.name.as_str();
        if after.workload(&old.name).is_some() {
            continue;
        }
        let Some(interface) = view.interfaces.remove(name) else {
            continue;
        };
        unroute(api, view, &interface.id).await?;
        let gone = api.interfaces().delete(delete(&interface.id)).await;
        gone.map_err(ApiError::of(format!("workload {name}")))?;
    }
    Ok(())
}

/// Routes to an interface keep it in use.
async fn unroute(api: &Api, view: &mut View, interface: &str) -> Result<(), ApiError> {
    let target = Some(wire::route::Target::Interface(interface.to_owned()));
    for table in view.route_tables.values_mut() {
        for route in table.routes.iter().filter(|r| r.target == target) {
            let request = wire::DeleteRouteRequest {
                route_table: table.id.clone(),
                destination: format!("{}{}", route.destination, route.prefix_list),
                etag: String::new(),
                request_id: request_id(),
            };
            let gone = api.route_tables().delete_route(request).await;
            gone.map_err(ApiError::of("a route"))?;
        }
        table.routes.retain(|r| r.target != target);
    }
    Ok(())
}

/// Subnets, tables, groups, VPCs and hosts that are gone.
pub(super) async fn rest(
    api: &Api,
    view: &View,
    before: &Topology,
    after: &Topology,
) -> Result<(), ApiError> {
    for vpc in &before.vpcs {
        inside_vpc(api, view, vpc, after.vpc(&vpc.name)).await?;
        if after.vpc(&vpc.name).is_none()
            && let Some(old) = view.vpcs.get(vpc.name.as_str())
        {
            outside::drop_all(api, &old.id).await?;
            let gone = api.vpcs().delete(delete(&old.id)).await;
            gone.map_err(ApiError::of(format!("VPC {}", vpc.name.value)))?;
        }
    }
    for list in &before.prefix_lists {
        let name = list.name.as_str();
        let stays = after.prefix_lists.iter().any(|l| l.name.as_str() == name);
        if let (false, Some(old)) = (stays, view.prefix_lists.get(name)) {
            let gone = api.prefix_lists().delete(delete(&old.id)).await;
            gone.map_err(ApiError::of(format!("prefix list {name}")))?;
        }
    }
    for host in &before.hosts {
        let name = host.name.as_str();
        let stays = after.hosts.iter().any(|h| h.name.value == host.name.value);
        if !stays && view.hosts.contains_key(name) {
            let gone = api.hosts().delete(delete(name)).await;
            gone.map_err(ApiError::of(format!("host {name}")))?;
        }
    }
    Ok(())
}

async fn inside_vpc(
    api: &Api,
    view: &View,
    before: &VpcSpec,
    after: Option<&VpcSpec>,
) -> Result<(), ApiError> {
    let key = |name: &str| Where::new(before.name.as_str(), name);
    if after.is_none() {
        // The table that stood in its place goes as any other.
        let own = VpcSpec {
            main_table: None,
            ..before.clone()
        };
        super::write::main_table(api, view, &own).await?;
    }
    for subnet in &before.subnets {
        let stays = after.is_some_and(|v| v.subnet(&subnet.name).is_some());
        if let (false, Some(old)) = (stays, view.subnets.get(&key(subnet.name.as_str()))) {
            let gone = api.subnets().delete(delete(&old.id)).await;
            gone.map_err(ApiError::of(format!("subnet {}", subnet.name.value)))?;
        }
    }
    for acl in &before.acls {
        let name = acl.name.as_str();
        let stays = after.is_some_and(|v| v.acls.iter().any(|a| a.name.as_str() == name));
        let Some(old) = view.acls.get(&key(name)).filter(|_| !stays) else {
            continue;
        };
        if name == DEFAULT_ACL {
            super::acls::reset(api, acl, old).await?;
        } else {
            let gone = api.network_acls().delete(delete(&old.id)).await;
            gone.map_err(ApiError::of(format!("network ACL {name}")))?;
        }
    }
    for table in &before.route_tables {
        let name = table.name.as_str();
        let stays = after.is_some_and(|v| v.route_tables.iter().any(|t| t.name.as_str() == name));
        if let (false, Some(old)) = (
            stays || name == MAIN_TABLE,
            view.route_tables.get(&key(name)),
        ) {
            let gone = api.route_tables().delete(delete(&old.id)).await;
            gone.map_err(ApiError::of(format!("route table {name}")))?;
        }
    }
    for group in &before.groups {
        let name = group.name.as_str();
        let stays = after.is_some_and(|v| v.groups.iter().any(|g| g.name.as_str() == name));
        if let (false, Some(old)) = (stays || name == DEFAULT_GROUP, view.groups.get(&key(name))) {
            let gone = api.security_groups().delete(delete(&old.id)).await;
            gone.map_err(ApiError::of(format!("security group {name}")))?;
        }
    }
    Ok(())
}
