//! What only makes sense with an internet, and names that are taken.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use weft_model::Scheme;

use super::{BalancerSpec, INTERNET, Topology, WorkloadSpec, read::Reader};

/// How a lab's internet learns which edges are alive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// The supervisor looks.
    #[default]
    BuiltIn,
    /// BIRD runs on every edge and in the internet, and they speak BGP.
    Bird,
}

/// Why a text is no way to learn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither `built-in` nor `bird`")]
pub struct RoutingError(String);

impl FromStr for Routing {
    type Err = RoutingError;

    fn from_str(text: &str) -> Result<Self, RoutingError> {
        match text {
            "built-in" => Ok(Self::BuiltIn),
            "bird" => Ok(Self::Bird),
            _ => Err(RoutingError(
                text.chars()
                    .take(32)
                    .flat_map(char::escape_default)
                    .collect(),
            )),
        }
    }
}

/// What to write where there is none.
pub(super) const POOL_EXAMPLE: &str = "internet: {pools: 203.0.113.0/24}";

pub(super) fn check(r: &mut Reader, topology: &Topology) {
    let reserved = [INTERNET, "internet-gateway", "egress-only-gateway"];
    for workload in &topology.workloads {
        if reserved.contains(&workload.name.as_str()) {
            let message = format!("`{}` is a name of the lab's own", workload.name.value);
            r.error(workload.name.span, message);
        }
    }
    let edge = topology
        .hosts
        .iter()
        .find(|host| host.edge && host.name.as_str() == INTERNET);
    if let Some(edge) = edge {
        r.error(edge.name.span, "`internet` is a name of the lab's own");
    }
    elastic(r, topology);
    let takes =
        |w: &&WorkloadSpec| w.elastic || topology.subnet_of(w).is_some_and(|subnet| subnet.public);
    let pools = topology.internet.as_ref().map_or(0, |i| i.pools.len());
    if pools == 0
        && let Some(workload) = topology.workloads.iter().find(takes)
    {
        let message = "a public address needs a pool to come from";
        r.error_help(workload.name.span, message, POOL_EXAMPLE);
    }
    let faces = |b: &&BalancerSpec| {
        b.scheme
            .as_ref()
            .is_some_and(|s| s.value == Scheme::InternetFacing)
    };
    if pools == 0
        && let Some(balancer) = topology.balancers.iter().find(faces)
    {
        let message = "an internet-facing load balancer needs a pool to take addresses from";
        r.error_help(balancer.name.span, message, POOL_EXAMPLE);
    }
    if topology.internet.is_none()
        && let Some(edge) = topology.hosts.iter().find(|host| host.edge)
    {
        r.error_help(edge.name.span, "an edge needs an internet", POOL_EXAMPLE);
    }
}

fn elastic(r: &mut Reader, topology: &Topology) {
    for workload in topology.workloads.iter().filter(|w| w.elastic) {
        let vpc = topology.vpc(&workload.vpc);
        if vpc.is_some_and(|vpc| !vpc.internet_gateway) {
            r.error_help(
                workload.name.span,
                "an elastic address needs an internet gateway",
                format!("give VPC `{}` `internet_gateway: true`", workload.vpc.value),
            );
        }
    }
}
