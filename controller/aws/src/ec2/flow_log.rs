//! Flow logs. They go to files on the interfaces' hosts.

use weft_model::{
    Cloud, FlowLog, FlowLogId, LogFormat, LogInterval, LogScope, LogTraffic,
    ops::flow_log::{self, Draft},
};

use super::{interface::interface_of, subnet::subnet_of, vpc_of};
use crate::{
    Action, Answer, Ask, Fault, Listing, Stage, Xml, fault,
    filter::{Filter, filter},
    ids,
    listing::tag_set,
    shape::{CLIENT_TOKEN, FILTERS, MAX_RESULTS, NEXT_TOKEN, TAGS, int, lacks, text, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateFlowLogs",
        &[
            texts("ResourceId").required(),
            text("ResourceType").required(),
            text("TrafficType").required(),
            text("LogFormat"),
            int("MaxAggregationInterval"),
            lacks("LogDestinationType"),
            lacks("LogDestination"),
            lacks("LogGroupName"),
            lacks("DeliverLogsPermissionArn"),
            lacks("DeliverCrossAccountRole"),
            lacks("DestinationOptions"),
            CLIENT_TOKEN,
            TAGS,
        ],
        create,
    )
    .without("destinations: lines go to files on the interfaces' hosts"),
    Action::write("DeleteFlowLogs", &[texts("FlowLogId").required()], delete),
    Action::read(
        "DescribeFlowLogs",
        &[texts("FlowLogId"), FILTERS, MAX_RESULTS, NEXT_TOKEN],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
];

static LISTING: Listing<FlowLog, FlowLogId> = Listing {
    ids: "FlowLogId",
    set: "flowLogSet",
    key: |log| log.id,
    meta: |log| &log.meta,
    all: |cloud, region| Box::new(cloud.flow_logs().filter(|log| log.region == *region)),
    one: |cloud, region, id| cloud.flow_log(id).filter(|log| log.region == *region),
    filters: FILTERED,
    show: fields,
};

const FILTERED: &[Filter<FlowLog>] = &[
    filter("flow-log-id", |_, l, is| is(&l.id.to_string())),
    filter("resource-id", |_, l, is| is(&l.scope.to_string())),
    filter("traffic-type", |_, l, is| is(&l.traffic.to_string())),
    filter("deliver-log-status", |_, _, is| is("SUCCESS")),
];

fn fields(_: &Ask, _: &Cloud, log: &FlowLog, xml: &mut Xml) {
    xml.text("flowLogId", log.id);
    xml.text("flowLogStatus", "ACTIVE");
    xml.text("resourceId", log.scope);
    xml.text("trafficType", log.traffic);
    xml.text("deliverLogsStatus", "SUCCESS");
    xml.text("logFormat", &log.format);
    xml.text("maxAggregationInterval", log.interval.seconds());
    tag_set(xml, &log.meta);
}

fn scope(ask: &Ask, cloud: &Cloud, text: &str) -> Result<LogScope, Fault> {
    match ask.args().needed("ResourceType")? {
        "VPC" => {
            let id = ids::parse(text)?;
            vpc_of(cloud, &ask.region, id)?;
            Ok(LogScope::Vpc(id))
        }
        "Subnet" => {
            let id = ids::parse(text)?;
            subnet_of(ask, cloud, id)?;
            Ok(LogScope::Subnet(id))
        }
        "NetworkInterface" => {
            let id = ids::parse(text)?;
            interface_of(ask, cloud, id)?;
            Ok(LogScope::Interface(id))
        }
        other => {
            let why = "Use VPC, Subnet or NetworkInterface.";
            Err(Fault::value("ResourceType", other, why))
        }
    }
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let args = ask.args();
    let traffic: LogTraffic = args
        .value("TrafficType")?
        .ok_or_else(|| Fault::missing("TrafficType"))?;
    let format: LogFormat = args.value("LogFormat")?.unwrap_or_default();
    let interval = args.int("MaxAggregationInterval").unwrap_or(600);
    let interval = u32::try_from(interval)
        .ok()
        .and_then(|s| LogInterval::try_from(s).ok());
    let interval = interval.ok_or_else(|| {
        let message = "MaxAggregationInterval is 60 or 600";
        Fault::new("InvalidParameter", message)
    })?;
    let tags = args.tags_for("vpc-flow-log")?;
    let mut made = Vec::new();
    for text in args.texts("ResourceId") {
        let scope = scope(ask, stage.cloud(), text)?;
        check_twin(stage.cloud(), scope, traffic, &format)?;
        let draft = Draft {
            scope,
            traffic,
            interval,
            format: format.clone(),
            label: None,
        };
        let id: FlowLogId = stage
            .create(|cloud, settings, entropy| flow_log::create(cloud, settings, draft, entropy))?;
        stage.tag(id, tags.clone())?;
        made.push(id);
    }
    let token = args.text("ClientToken").map(str::to_owned);
    Ok(Box::new(move |_, _, xml| {
        xml.maybe("clientToken", token);
        xml.texts("flowLogIdSet", made);
        xml.list("unsuccessful", [(); 0], |_, ()| {});
    }))
}

fn check_twin(
    cloud: &Cloud,
    scope: LogScope,
    traffic: LogTraffic,
    format: &LogFormat,
) -> Result<(), Fault> {
    let twin = |log: &FlowLog| log.traffic == traffic && log.format == *format;
    if !cloud.flow_logs_of(scope).any(twin) {
        return Ok(());
    }
    let message = format!("There is an existing Flow Log with the same configuration for {scope}");
    Err(Fault::new("FlowLogAlreadyExists", message))
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let ids: Vec<FlowLogId> = ask.args().ids("FlowLogId")?;
    for id in ids {
        let there = (LISTING.one)(stage.cloud(), &ask.region, id);
        there.ok_or_else(|| fault::not_found(&id.into()))?;
        stage.run(|cloud, _, _| flow_log::delete(cloud, id, None))?;
    }
    Ok(Box::new(|_, _, xml| {
        xml.list("unsuccessful", [(); 0], |_, ()| {});
    }))
}
