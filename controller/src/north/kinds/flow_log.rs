//! Flow logs.

use weft_model::{
    FlowLog, FlowLogId, LogFormat, LogInterval, LogTraffic,
    ops::flow_log::{Draft, Update},
};

use super::prelude::*;

pub(in crate::north) struct FlowLogs;

impl Exposed for FlowLogs {
    const KIND: Kind = Kind::FlowLog;
    const FIELD: &'static str = "flow_log";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["meta.name"],
        fixed: &[
            "id",
            "resource",
            "traffic_type",
            "max_aggregation_interval",
            "log_format",
            "vpc",
            "account",
            "meta",
        ],
    };

    type Key = FlowLogId;
    type Model = FlowLog;
    type Wire = wire::FlowLog;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateFlowLogRequest;
    type UpdateRequest = wire::UpdateFlowLogRequest;
    type Answer = wire::FlowLogResponse;
    type Page = wire::ListFlowLogsResponse;

    fn of(resource: &Resource) -> Option<&FlowLog> {
        match resource {
            Resource::FlowLog(log) => Some(log),
            _ => None,
        }
    }

    fn key(log: &FlowLog) -> FlowLogId {
        log.id
    }

    fn key_text(log: &wire::FlowLog) -> &str {
        &log.id
    }

    fn show(_: &Cloud, log: &FlowLog) -> wire::FlowLog {
        log.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &FlowLog>> {
        Some(cloud.flow_logs_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateFlowLogRequest,
        log: &wire::FlowLog,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &log.id);
        let no_vpc = given_by_controller(fields, "vpc", &log.vpc);
        let no_account = given_by_controller(fields, "account", &log.account);
        let scope = fields.required("resource", &log.resource);
        let traffic = fields.optional::<LogTraffic>("traffic_type", &log.traffic_type);
        let interval = match log.max_aggregation_interval {
            0 => Ok(LogInterval::TenMinutes),
            seconds => LogInterval::try_from(seconds)
                .map_err(|error| fields.refuse("max_aggregation_interval", error)),
        };
        let format = fields.optional::<LogFormat>("log_format", &log.log_format);
        let label = label(fields, log.meta.as_ref());
        no_id.and(no_vpc).and(no_account)?;
        Ok(Draft {
            scope: scope?,
            traffic: traffic?.unwrap_or(LogTraffic::All),
            interval: interval?,
            format: format?.unwrap_or_default(),
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        log: &wire::FlowLog,
    ) -> Result<Update, Reported> {
        let label = mask.pick("meta.name", || label(fields, log.meta.as_ref()))?;
        Ok(Update { label })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::flow_log::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: FlowLogId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::flow_log::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: FlowLogId, etag: Option<Revision>) -> Changes {
        ops::flow_log::delete(cloud, id, etag)
    }
}

service!(
    FlowLogs, flow_logs_server::FlowLogs, FlowLog flow_log flow_logs,
    CreateFlowLogRequest UpdateFlowLogRequest FlowLogResponse ListFlowLogsResponse
    {}
);
