//! Load balancers and target groups, and what hosts report of targets.

use weft_model::{
    Carried, Health, IdleTimeout, Weight,
    state::{
        BalancerAddress, BalancerState, Front, FrontHost, ListenerState, TargetGroupState,
        TargetKey, TargetState,
    },
};

use super::{MOST_ITEMS, read_address, wire, write_address};
use crate::convert::{
    fields::{Fields, Invalid, Reported},
    v1::{read_health_check, read_port},
};

pub(super) fn write_group(group: &TargetGroupState) -> wire::TargetGroup {
    wire::TargetGroup {
        id: group.id.to_string(),
        vpc: group.vpc.to_string(),
        health_check: Some((&group.health_check).into()),
        targets: group.targets.iter().map(write_target).collect(),
        hide_client_address: !group.preserve_client_address,
    }
}

fn write_target(target: &TargetState) -> wire::Target {
    let addresses = target.addresses.iter().copied().map(write_address);
    let health = match target.health {
        Health::Unknown => wire::target::Health::Unspecified,
        Health::Healthy => wire::target::Health::Healthy,
        Health::Unhealthy => wire::target::Health::Unhealthy,
    };
    wire::Target {
        interface: target.interface.to_string(),
        zone: target.zone.to_string(),
        addresses: addresses.collect(),
        port: target.port.into(),
        weight: target.weight.into(),
        draining: target.draining,
        health: health.into(),
    }
}

pub(super) fn write_balancer(balancer: &BalancerState) -> wire::Balancer {
    let addresses = balancer.addresses.iter().map(|at| wire::BalancerAddress {
        subnet: at.subnet.to_string(),
        address: write_address(at.address),
        public: at.public.map(write_address).unwrap_or_default(),
    });
    let listeners = balancer.listeners.iter().map(|listener| wire::Listener {
        id: listener.id.to_string(),
        protocol: listener.protocol.to_string(),
        port: listener.port.into(),
        target_group: listener.target_group.to_string(),
        idle_timeout: listener.idle_timeout.into(),
    });
    wire::Balancer {
        id: balancer.id.to_string(),
        vpc: balancer.vpc.to_string(),
        addresses: addresses.collect(),
        cross_zone: balancer.cross_zone,
        listeners: listeners.collect(),
    }
}

pub(super) fn read_group(
    fields: &mut Fields,
    group: &wire::TargetGroup,
) -> Result<TargetGroupState, Reported> {
    let id = fields.required("id", &group.id);
    let vpc = fields.required("vpc", &group.vpc);
    let health_check = fields
        .present("health_check", group.health_check.as_ref())
        .and_then(|check| fields.within("health_check", |fields| read_health_check(fields, check)));
    let targets = fields.each("targets", MOST_ITEMS, &group.targets, read_target);
    Ok(TargetGroupState {
        id: id?,
        vpc: vpc?,
        health_check: health_check?,
        preserve_client_address: !group.hide_client_address,
        targets: targets?,
    })
}

fn read_target(fields: &mut Fields, target: &wire::Target) -> Result<TargetState, Reported> {
    let interface = fields.required("interface", &target.interface);
    let zone = fields.required("zone", &target.zone);
    let addresses = fields.each("addresses", 2, &target.addresses, |fields, bytes| {
        read_address(fields, "", bytes)
    });
    let port = read_port(fields, "port", target.port);
    let weight = Weight::try_from(target.weight).map_err(|error| fields.refuse("weight", error));
    let health = match target.health() {
        wire::target::Health::Unspecified => Health::Unknown,
        wire::target::Health::Healthy => Health::Healthy,
        wire::target::Health::Unhealthy => Health::Unhealthy,
    };
    Ok(TargetState {
        interface: interface?,
        zone: zone?,
        addresses: addresses?,
        port: port?,
        weight: weight?,
        draining: target.draining,
        health,
    })
}

pub(super) fn read_balancer(
    fields: &mut Fields,
    balancer: &wire::Balancer,
) -> Result<BalancerState, Reported> {
    let id = fields.required("id", &balancer.id);
    let vpc = fields.required("vpc", &balancer.vpc);
    let addresses = fields.each(
        "addresses",
        MOST_ITEMS,
        &balancer.addresses,
        |fields, at| {
            let subnet = fields.required("subnet", &at.subnet);
            let address = read_address(fields, "address", &at.address);
            let public = match at.public.as_slice() {
                [] => Ok(None),
                bytes => read_address(fields, "public", bytes).map(Some),
            };
            Ok(BalancerAddress {
                subnet: subnet?,
                address: address?,
                public: public?,
            })
        },
    );
    let listeners = fields.each("listeners", MOST_ITEMS, &balancer.listeners, read_listener);
    Ok(BalancerState {
        id: id?,
        vpc: vpc?,
        addresses: addresses?,
        cross_zone: balancer.cross_zone,
        listeners: listeners?,
    })
}

pub(super) fn write_front(front: &Front) -> wire::Front {
    let hosts = front.hosts.iter().map(|host| wire::FrontHost {
        host: host.host.to_string(),
        vtep: write_address(host.vtep),
        lost: host.lost,
    });
    wire::Front {
        address: write_address(front.address),
        hosts: hosts.collect(),
    }
}

pub(super) fn read_front(fields: &mut Fields, front: &wire::Front) -> Result<Front, Reported> {
    let address = read_address(fields, "address", &front.address);
    let hosts = fields.each("hosts", MOST_ITEMS, &front.hosts, |fields, at| {
        let host = fields.required("host", &at.host);
        let vtep = read_address(fields, "vtep", &at.vtep);
        Ok(FrontHost {
            host: host?,
            vtep: vtep?,
            lost: at.lost,
        })
    });
    Ok(Front {
        address: address?,
        hosts: hosts?,
    })
}

fn read_listener(
    fields: &mut Fields,
    listener: &wire::Listener,
) -> Result<ListenerState, Reported> {
    let id = fields.required("id", &listener.id);
    let protocol = fields.required::<Carried>("protocol", &listener.protocol);
    let port = read_port(fields, "port", listener.port);
    let target_group = fields.required("target_group", &listener.target_group);
    let idle_timeout = IdleTimeout::try_from(listener.idle_timeout)
        .map_err(|error| fields.refuse("idle_timeout", error));
    Ok(ListenerState {
        id: id?,
        protocol: protocol?,
        port: port?,
        target_group: target_group?,
        idle_timeout: idle_timeout?,
    })
}

/// A finding as it travels to the controller; a healthy target has no reason.
pub fn write_health((group, address, port): TargetKey, reason: Option<&str>) -> wire::TargetHealth {
    wire::TargetHealth {
        target_group: group.to_string(),
        address: write_address(address),
        port: port.into(),
        healthy: reason.is_none(),
        reason: reason.unwrap_or_default().to_owned(),
    }
}

/// A finding: of which target, and why it is unhealthy if it is.
///
/// # Errors
/// When it names no target.
pub fn read_health(health: &wire::TargetHealth) -> Result<(TargetKey, Option<String>), Invalid> {
    Fields::read(|fields| {
        let group = fields.required("target_group", &health.target_group);
        let address = read_address(fields, "address", &health.address);
        let port = read_port(fields, "port", health.port);
        let reason = (!health.healthy).then(|| health.reason.clone());
        Ok(((group?, address?, port?), reason))
    })
}
