//! Flow logs: made where they are missing, made anew where they differ, and taken away.

use weft_proto::v1 as wire;

use super::view::View;
use crate::{
    api::{Api, ApiError, name_of, named, request_id},
    topology::{FlowLogSpec, LogScopeSpec, Topology},
};

pub(super) async fn flow_logs(
    api: &Api,
    view: &View,
    topology: &Topology,
    before: Option<&Topology>,
) -> Result<(), ApiError> {
    let there = api.list_flow_logs().await?;
    let named_so = |log: &&wire::FlowLog, name: &str| name_of(log.meta.as_ref()) == name;
    for spec in &topology.flow_logs {
        let name = spec.name.as_str();
        let wanted = wanted(view, spec);
        let same = there.iter().find(|log| named_so(log, name));
        if let Some(old) = same {
            if is_so(old, &wanted) {
                continue;
            }
            delete(api, old, name).await?;
        }
        let request = wire::CreateFlowLogRequest {
            flow_log: Some(wanted),
            request_id: request_id(),
        };
        let made = api.flow_logs().create(request).await;
        made.map_err(ApiError::of(format!("flow log {name}")))?;
    }
    for old in before.map_or(&[][..], |before| &before.flow_logs) {
        let name = old.name.as_str();
        let stays = topology
            .flow_logs
            .iter()
            .any(|l| l.name.value == old.name.value);
        if let (false, Some(log)) = (stays, there.iter().find(|log| named_so(log, name))) {
            delete(api, log, name).await?;
        }
    }
    Ok(())
}

fn wanted(view: &View, spec: &FlowLogSpec) -> wire::FlowLog {
    let resource = match &spec.scope {
        LogScopeSpec::Vpc(vpc) => view.vpc_id(vpc.as_str()),
        LogScopeSpec::Subnet(vpc, subnet) => view.subnet_id(vpc.as_str(), subnet.as_str()),
        LogScopeSpec::Workload(workload) => view.interface_id(workload.as_str()),
    };
    wire::FlowLog {
        resource,
        traffic_type: spec.traffic.to_string(),
        max_aggregation_interval: spec.interval.seconds(),
        log_format: spec.format.to_string(),
        meta: named(spec.name.as_str()),
        ..Default::default()
    }
}

/// Whether the log there is does what is wanted: nothing of it can be changed.
fn is_so(log: &wire::FlowLog, wanted: &wire::FlowLog) -> bool {
    log.resource == wanted.resource
        && log.traffic_type == wanted.traffic_type
        && log.max_aggregation_interval == wanted.max_aggregation_interval
        && log.log_format == wanted.log_format
}

/// It may have gone with what it was about.
async fn delete(api: &Api, log: &wire::FlowLog, name: &str) -> Result<(), ApiError> {
    let request = wire::DeleteRequest {
        id: log.id.clone(),
        etag: String::new(),
        request_id: request_id(),
    };
    match api.flow_logs().delete(request).await {
        Err(status) if status.code() != tonic::Code::NotFound => {
            Err(ApiError::of(format!("flow log {name}"))(status))
        }
        _ => Ok(()),
    }
}
