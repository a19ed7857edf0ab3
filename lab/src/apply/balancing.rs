//! Load balancers and target groups: changed where that can be, made anew where not.

use weft_model::Scheme;
use weft_proto::v1 as wire;

use super::view::View;
use crate::{
    api::{Api, ApiError, name_of, named, request_id},
    topology::{BalancerSpec, ListenerSpec, TargetGroupSpec, Topology},
};

/// What there is.
struct There {
    groups: Vec<wire::TargetGroup>,
    balancers: Vec<wire::LoadBalancer>,
    listeners: Vec<wire::Listener>,
}

impl There {
    fn group(&self, name: &str) -> Option<&wire::TargetGroup> {
        let mut groups = self.groups.iter();
        groups.find(|group| name_of(group.meta.as_ref()) == name)
    }

    fn balancer(&self, name: &str) -> Option<&wire::LoadBalancer> {
        let mut balancers = self.balancers.iter();
        balancers.find(|balancer| name_of(balancer.meta.as_ref()) == name)
    }
}

fn delete(id: &str) -> wire::DeleteRequest {
    wire::DeleteRequest {
        id: id.to_owned(),
        etag: String::new(),
        request_id: request_id(),
    }
}

pub(super) async fn balancing(
    api: &Api,
    view: &View,
    topology: &Topology,
    before: Option<&Topology>,
) -> Result<(), ApiError> {
    let mut there = There {
        groups: api.list_target_groups().await?,
        balancers: api.list_load_balancers().await?,
        listeners: api.list_listeners().await?,
    };
    remove(api, view, &mut there, topology, before).await?;
    for spec in &topology.target_groups {
        let group = group(api, view, &there, spec).await?;
        targets(api, view, &group, spec).await?;
        there.groups.retain(|old| old.id != group.id);
        there.groups.push(group);
    }
    for spec in &topology.balancers {
        if there.balancer(spec.name.as_str()).is_none() {
            balancer(api, view, &there, spec).await?;
        }
    }
    Ok(())
}

/// What is gone from the file, and what differs beyond change: balancers first, as their listeners
/// need the groups.
async fn remove(
    api: &Api,
    view: &View,
    there: &mut There,
    topology: &Topology,
    before: Option<&Topology>,
) -> Result<(), ApiError> {
    let gone = before.map_or(&[][..], |before| &before.balancers).iter();
    let gone = gone.filter(|old| {
        topology
            .balancers
            .iter()
            .all(|b| b.name.value != old.name.value)
    });
    let differing = topology.balancers.iter().filter(|spec| {
        let old = there.balancer(spec.name.as_str());
        old.is_some_and(|old| !is_so(view, there, old, spec))
    });
    let names: Vec<String> = gone.chain(differing).map(|b| b.name.to_string()).collect();
    for name in names {
        if let Some(id) = there.balancer(&name).map(|old| old.id.clone()) {
            let gone = api.load_balancers().delete(delete(&id)).await;
            gone.map_err(ApiError::of(format!("load balancer {name}")))?;
            there.balancers.retain(|old| old.id != id);
        }
    }
    let gone = before
        .map_or(&[][..], |before| &before.target_groups)
        .iter();
    let gone = gone.filter(|old| {
        let mut groups = topology.target_groups.iter();
        groups.all(|group| group.name.value != old.name.value)
    });
    let differing = topology.target_groups.iter().filter(|spec| {
        let old = there.group(spec.name.as_str());
        old.is_some_and(|old| !is_same_group(view, old, spec))
    });
    let names: Vec<String> = gone.chain(differing).map(|g| g.name.to_string()).collect();
    for name in names {
        if let Some(id) = there.group(&name).map(|old| old.id.clone()) {
            let gone = api.target_groups().delete(delete(&id)).await;
            gone.map_err(ApiError::of(format!("target group {name}")))?;
            there.groups.retain(|old| old.id != id);
        }
    }
    Ok(())
}

fn is_same_group(view: &View, old: &wire::TargetGroup, spec: &TargetGroupSpec) -> bool {
    old.vpc == view.vpc_id(spec.vpc.as_str())
        && old.protocol == spec.protocol.to_string()
        && old.port == u32::from(spec.port)
}

/// Listeners without their ids, in the order of their ports.
fn listening(listeners: impl Iterator<Item = wire::Listener>) -> Vec<wire::Listener> {
    let bare = |listener: wire::Listener| wire::Listener {
        id: String::new(),
        load_balancer: String::new(),
        meta: None,
        ..listener
    };
    let mut listeners: Vec<_> = listeners.map(bare).collect();
    listeners.sort_by(|a, b| (a.port, &a.protocol).cmp(&(b.port, &b.protocol)));
    listeners
}

fn is_so(view: &View, there: &There, old: &wire::LoadBalancer, spec: &BalancerSpec) -> bool {
    let placed = |(n, old): (usize, &wire::Placement)| {
        let subnet = spec.subnets.get(n);
        let subnet = subnet.map(|s| view.subnet_id(spec.vpc.as_str(), s.as_str()));
        let wanted = spec.addresses.get(n).map(|at| at.value.to_string());
        subnet.as_ref() == Some(&old.subnet) && wanted.is_none_or(|wanted| wanted == old.ipv4)
    };
    let own = there.listeners.iter().filter(|l| l.load_balancer == old.id);
    let wanted = spec.listeners.iter().map(|l| listener(there, "", l));
    let kept = spec.listeners.iter().all(|l| {
        let group = there.group(l.target_group.as_str());
        group.is_some()
    });
    kept && old.placements.len() == spec.subnets.len()
        && old.placements.iter().enumerate().all(placed)
        && old.cross_zone == spec.cross_zone
        && old.scheme == scheme(spec).to_string()
        && listening(own.cloned()) == listening(wanted)
}

fn scheme(spec: &BalancerSpec) -> Scheme {
    spec.scheme
        .as_ref()
        .map_or_else(Scheme::default, |scheme| scheme.value)
}

fn listener(there: &There, balancer: &str, spec: &ListenerSpec) -> wire::Listener {
    let group = there.group(spec.target_group.as_str());
    wire::Listener {
        load_balancer: balancer.to_owned(),
        protocol: spec.protocol.to_string(),
        port: spec.port.into(),
        target_group: group.map(|group| group.id.clone()).unwrap_or_default(),
        idle_timeout: spec.idle_timeout.into(),
        ..Default::default()
    }
}

async fn group(
    api: &Api,
    view: &View,
    there: &There,
    spec: &TargetGroupSpec,
) -> Result<wire::TargetGroup, ApiError> {
    let name = spec.name.as_str();
    let what = || ApiError::of(format!("target group {name}"));
    let wanted = wire::TargetGroup {
        vpc: view.vpc_id(spec.vpc.as_str()),
        protocol: spec.protocol.to_string(),
        port: spec.port.into(),
        health_check: Some((&spec.check).into()),
        deregistration_delay: Some(spec.delay.into()),
        preserve_client_address: Some(spec.preserve_client),
        meta: named(name),
        ..Default::default()
    };
    let Some(old) = there.group(name) else {
        let request = wire::CreateTargetGroupRequest {
            target_group: Some(wanted),
            request_id: request_id(),
        };
        let made = api.target_groups().create(request).await.map_err(what())?;
        return Ok(made.into_inner().target_group.unwrap_or_default());
    };
    let same = old.health_check == wanted.health_check
        && old.deregistration_delay == wanted.deregistration_delay
        && old.preserve_client_address == wanted.preserve_client_address;
    if same {
        return Ok(old.clone());
    }
    let request = wire::UpdateTargetGroupRequest {
        target_group: Some(wire::TargetGroup {
            id: old.id.clone(),
            ..wanted
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: [
                "health_check",
                "deregistration_delay",
                "preserve_client_address",
            ]
            .map(str::to_owned)
            .into(),
        }),
        etag: String::new(),
        request_id: request_id(),
    };
    let changed = api.target_groups().update(request).await.map_err(what())?;
    Ok(changed.into_inner().target_group.unwrap_or_default())
}

/// Registers who is missing and lets go who is no longer wanted.
async fn targets(
    api: &Api,
    view: &View,
    group: &wire::TargetGroup,
    spec: &TargetGroupSpec,
) -> Result<(), ApiError> {
    let what = || ApiError::of(format!("target group {}", spec.name.value));
    let wanted = spec
        .targets
        .iter()
        .map(|name| view.interface_id(name.as_str()));
    let wanted: Vec<String> = wanted.collect();
    let serving = |t: &&wire::Target| t.health != "draining";
    let serving: Vec<&wire::Target> = group.targets.iter().filter(serving).collect();
    let target = |name: &String| wire::Target {
        target: name.clone(),
        ..Default::default()
    };
    let missing = wanted
        .iter()
        .filter(|name| serving.iter().all(|t| t.target != **name));
    let missing: Vec<wire::Target> = missing.map(target).collect();
    let surplus = serving.iter().filter(|t| !wanted.contains(&t.target));
    let surplus: Vec<wire::Target> = surplus.map(|t| target(&t.target)).collect();
    if !missing.is_empty() {
        let request = wire::RegisterTargetsRequest {
            target_group: group.id.clone(),
            targets: missing,
            etag: String::new(),
            request_id: request_id(),
        };
        api.target_groups()
            .register(request)
            .await
            .map_err(what())?;
    }
    if !surplus.is_empty() {
        let request = wire::DeregisterTargetsRequest {
            target_group: group.id.clone(),
            targets: surplus,
            etag: String::new(),
            request_id: request_id(),
        };
        api.target_groups()
            .deregister(request)
            .await
            .map_err(what())?;
    }
    Ok(())
}

async fn balancer(
    api: &Api,
    view: &View,
    there: &There,
    spec: &BalancerSpec,
) -> Result<(), ApiError> {
    let name = spec.name.as_str();
    let what = || ApiError::of(format!("load balancer {name}"));
    let subnets = spec.subnets.iter().enumerate();
    let placements = subnets.map(|(n, subnet)| wire::Placement {
        subnet: view.subnet_id(spec.vpc.as_str(), subnet.as_str()),
        ipv4: spec
            .addresses
            .get(n)
            .map(|at| at.value.to_string())
            .unwrap_or_default(),
        ..Default::default()
    });
    let request = wire::CreateLoadBalancerRequest {
        load_balancer: Some(wire::LoadBalancer {
            placements: placements.collect(),
            scheme: scheme(spec).to_string(),
            cross_zone: spec.cross_zone,
            meta: named(name),
            ..Default::default()
        }),
        request_id: request_id(),
    };
    let made = api.load_balancers().create(request).await.map_err(what())?;
    let id = made.into_inner().load_balancer.unwrap_or_default().id;
    for spec in &spec.listeners {
        let request = wire::CreateListenerRequest {
            listener: Some(listener(there, &id, spec)),
            request_id: request_id(),
        };
        api.listeners().create(request).await.map_err(what())?;
    }
    Ok(())
}
