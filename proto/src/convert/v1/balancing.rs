//! Load balancers, listeners and target groups.

use weft_model::{
    Balancer, HealthCheck, HttpPath, Listener, Placement, Probe, StatusCodes, Target, TargetGroup,
    TargetName, Weight,
};

use super::{Fields, Reported, text_or_empty, wire};

impl From<&Balancer> for wire::LoadBalancer {
    fn from(balancer: &Balancer) -> Self {
        Self {
            id: balancer.id.to_string(),
            vpc: balancer.vpc.to_string(),
            placements: balancer.placements.iter().map(Into::into).collect(),
            cross_zone: balancer.cross_zone,
            scheme: balancer.scheme.to_string(),
            meta: Some((&balancer.meta).into()),
        }
    }
}

impl From<&Placement> for wire::Placement {
    fn from(placement: &Placement) -> Self {
        Self {
            subnet: placement.subnet.to_string(),
            ipv4: placement.ipv4.to_string(),
            ipv6: text_or_empty(placement.ipv6.as_ref()),
            public_ipv4: text_or_empty(placement.public_ipv4.as_ref()),
        }
    }
}

impl From<&Listener> for wire::Listener {
    fn from(listener: &Listener) -> Self {
        Self {
            id: listener.id.to_string(),
            load_balancer: listener.balancer.to_string(),
            protocol: listener.protocol.to_string(),
            port: listener.port.into(),
            target_group: listener.target_group.to_string(),
            idle_timeout: listener.idle_timeout.into(),
            meta: Some((&listener.meta).into()),
        }
    }
}

impl From<&HealthCheck> for wire::HealthCheck {
    fn from(check: &HealthCheck) -> Self {
        let http = check.probe != Probe::Tcp;
        let only_http = |text: String| if http { text } else { String::new() };
        Self {
            protocol: check.probe.to_string(),
            port: check.port.map_or(0, u32::from),
            path: only_http(check.path.to_string()),
            codes: only_http(check.codes.to_string()),
            interval: check.interval.into(),
            timeout: check.timeout.into(),
            healthy_threshold: check.healthy.into(),
            unhealthy_threshold: check.unhealthy.into(),
        }
    }
}

/// Without the targets' health, which isn't stored.
impl From<&TargetGroup> for wire::TargetGroup {
    fn from(group: &TargetGroup) -> Self {
        Self {
            id: group.id.to_string(),
            vpc: group.vpc.to_string(),
            protocol: group.protocol.to_string(),
            port: group.port.into(),
            target_type: group.target_type.to_string(),
            health_check: Some((&group.health_check).into()),
            deregistration_delay: Some(group.deregistration_delay.into()),
            preserve_client_address: Some(group.preserve_client_address),
            targets: group.targets.iter().map(Into::into).collect(),
            meta: Some((&group.meta).into()),
        }
    }
}

impl From<&Target> for wire::Target {
    fn from(target: &Target) -> Self {
        Self {
            target: target.name.to_string(),
            port: target.port.into(),
            weight: target.weight.into(),
            health: if target.draining { "draining" } else { "" }.to_owned(),
            reason: String::new(),
        }
    }
}

/// A port that must be given.
///
/// # Errors
/// When it is none.
pub fn read_port(fields: &mut Fields, field: &str, port: u32) -> Result<u16, Reported> {
    match u16::try_from(port) {
        Ok(port @ 1..) => Ok(port),
        _ => Err(fields.refuse(field, format!("{port} is no port: use 1 to 65535"))),
    }
}

/// A port that may be left out.
///
/// # Errors
/// When it is too large.
pub fn read_optional_port(
    fields: &mut Fields,
    field: &str,
    port: u32,
) -> Result<Option<u16>, Reported> {
    if port == 0 {
        return Ok(None);
    }
    read_port(fields, field, port).map(Some)
}

/// How a target's health is found out; what is left out is as usual.
///
/// # Errors
/// When a field is not of its form, or belongs to another kind of check.
pub fn read_health_check(
    fields: &mut Fields,
    check: &wire::HealthCheck,
) -> Result<HealthCheck, Reported> {
    let probe = match check.protocol.as_str() {
        "" => Ok(Probe::Tcp),
        text => fields.text("protocol", text),
    };
    let usual = HealthCheck::new(probe?);
    let port = read_optional_port(fields, "port", check.port);
    let path = fields.optional::<HttpPath>("path", &check.path);
    let codes = fields.optional::<StatusCodes>("codes", &check.codes);
    if usual.probe == Probe::Tcp && !(check.path.is_empty() && check.codes.is_empty()) {
        fields.refuse("path", "and codes are for HTTP and HTTPS: leave them out");
    }
    let seconds = |given: u32, usual: u16| match given {
        0 => usual,
        given => u16::try_from(given).unwrap_or(u16::MAX),
    };
    let times = |given: u32, usual: u8| match given {
        0 => usual,
        given => u8::try_from(given).unwrap_or(u8::MAX),
    };
    Ok(HealthCheck {
        probe: usual.probe,
        port: port?,
        path: path?.unwrap_or(usual.path),
        codes: codes?.unwrap_or(usual.codes),
        interval: seconds(check.interval, usual.interval),
        timeout: seconds(check.timeout, usual.timeout),
        healthy: times(check.healthy_threshold, usual.healthy),
        unhealthy: times(check.unhealthy_threshold, usual.unhealthy),
    })
}

/// A target to register: who, on which port if not the group's, its share.
///
/// # Errors
/// When a field is not of its form.
pub fn read_target(
    fields: &mut Fields,
    target: &wire::Target,
) -> Result<(TargetName, Option<u16>, Weight), Reported> {
    let name = fields.required("target", &target.target);
    let port = read_optional_port(fields, "port", target.port);
    let weight = match target.weight {
        0 => Ok(Weight::ONE),
        weight => Weight::try_from(weight).map_err(|error| fields.refuse("weight", error)),
    };
    Ok((name?, port?, weight?))
}
