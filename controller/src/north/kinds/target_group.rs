//! Target groups, and their targets by and by.

use tonic::Status;
use weft_model::{
    HealthCheck, TargetGroup, TargetGroupId,
    ops::target_group::{Draft, TargetDraft, Update},
};
use weft_proto::convert::v1::{read_health_check, read_port, read_target};

use super::prelude::*;
use crate::core::Request;

/// Targets in one request at most; the quota is below.
const TARGETS: usize = 10_000;

/// Seconds that a deregistered target keeps its connections where nobody says otherwise.
const DELAY: u32 = 300;

pub(in crate::north) struct TargetGroups;

impl Exposed for TargetGroups {
    const KIND: Kind = Kind::TargetGroup;
    const FIELD: &'static str = "target_group";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &[
            "health_check",
            "deregistration_delay",
            "preserve_client_address",
            "meta.name",
        ],
        fixed: &[
            "id",
            "vpc",
            "protocol",
            "port",
            "target_type",
            "targets",
            "meta",
        ],
    };

    type Key = TargetGroupId;
    type Model = TargetGroup;
    type Wire = wire::TargetGroup;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateTargetGroupRequest;
    type UpdateRequest = wire::UpdateTargetGroupRequest;
    type Answer = wire::TargetGroupResponse;
    type Page = wire::ListTargetGroupsResponse;

    fn of(resource: &Resource) -> Option<&TargetGroup> {
        match resource {
            Resource::TargetGroup(group) => Some(group),
            _ => None,
        }
    }

    fn key(group: &TargetGroup) -> TargetGroupId {
        group.id
    }

    fn key_text(group: &wire::TargetGroup) -> &str {
        &group.id
    }

    fn show(_cloud: &Cloud, group: &TargetGroup) -> wire::TargetGroup {
        group.into()
    }

    /// An answer that is repeated may show other targets than there are now: theirs is unknown.
    fn complete(north: &North, group: &mut wire::TargetGroup) {
        let Ok(id) = group.id.parse() else {
            return;
        };
        let reports = north.target_health(id);
        if reports.len() != group.targets.len() {
            return;
        }
        for (target, report) in group.targets.iter_mut().zip(reports) {
            target.health = report.health.to_owned();
            target.reason = report.reason;
        }
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &TargetGroup>> {
        Some(cloud.target_groups_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateTargetGroupRequest,
        group: &wire::TargetGroup,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &group.id);
        let vpc = fields.required("vpc", &group.vpc);
        let protocol = fields.required("protocol", &group.protocol);
        let port = read_port(fields, "port", group.port);
        let target_type = match group.target_type.as_str() {
            "" => fields.text("target_type", "interface"),
            text => fields.text("target_type", text),
        };
        let check = read_check(fields, group.health_check.as_ref());
        let delay = read_delay(fields, group.deregistration_delay);
        let label = label(fields, group.meta.as_ref());
        if !group.targets.is_empty() {
            let reason = "are registered when the group is there: leave them out";
            return Err(fields.refuse("targets", reason));
        }
        no_id?;
        Ok(Draft {
            vpc: vpc?,
            protocol: protocol?,
            port: port?,
            target_type: target_type?,
            health_check: check?,
            deregistration_delay: delay?,
            preserve_client_address: group.preserve_client_address.unwrap_or(true),
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        group: &wire::TargetGroup,
    ) -> Result<Update, Reported> {
        let check = mask.pick("health_check", || {
            read_check(fields, group.health_check.as_ref())
        });
        let delay = mask.pick("deregistration_delay", || {
            read_delay(fields, group.deregistration_delay)
        });
        let preserve = mask.pick("preserve_client_address", || {
            Ok(group.preserve_client_address.unwrap_or(true))
        });
        let label = mask.pick("meta.name", || label(fields, group.meta.as_ref()));
        Ok(Update {
            health_check: check?,
            deregistration_delay: delay?,
            preserve_client_address: preserve?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::target_group::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: TargetGroupId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::target_group::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: TargetGroupId, etag: Option<Revision>) -> Changes {
        ops::target_group::delete(cloud, id, etag)
    }
}

fn read_check(
    fields: &mut Fields,
    check: Option<&wire::HealthCheck>,
) -> Result<HealthCheck, Reported> {
    let usual = wire::HealthCheck::default();
    fields.within("health_check", |fields| {
        read_health_check(fields, check.unwrap_or(&usual))
    })
}

fn read_delay(fields: &mut Fields, delay: Option<u32>) -> Result<u16, Reported> {
    fields.narrow("deregistration_delay", delay.unwrap_or(DELAY), u16::MAX)
}

async fn register(
    north: &North,
    request: wire::RegisterTargetsRequest,
) -> Result<wire::TargetGroupResponse, Status> {
    let (group, targets, etag, id) = methods::read(|fields| {
        let group = fields.required::<TargetGroupId>("target_group", &request.target_group);
        let targets = fields.each("targets", TARGETS, &request.targets, |fields, target| {
            let (name, port, weight) = read_target(fields, target)?;
            Ok(TargetDraft { name, port, weight })
        });
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        if request.targets.is_empty() {
            fields.refuse("targets", "is required: there is nothing to register");
        }
        Ok((group?, targets?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "target_group.register", &request));
    methods::write::<TargetGroups>(north, request, move |cloud, settings, _| {
        ops::target_group::register(cloud, settings, group, &targets, etag)
    })
    .await
}

async fn deregister(
    north: &North,
    request: wire::DeregisterTargetsRequest,
) -> Result<wire::TargetGroupResponse, Status> {
    let (group, targets, etag, id) = methods::read(|fields| {
        let group = fields.required::<TargetGroupId>("target_group", &request.target_group);
        let targets = fields.each("targets", TARGETS, &request.targets, |fields, target| {
            let (name, port, _) = read_target(fields, target)?;
            Ok((name, port))
        });
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        if request.targets.is_empty() {
            fields.refuse("targets", "is required: there is nothing to deregister");
        }
        Ok((group?, targets?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "target_group.deregister", &request));
    methods::write::<TargetGroups>(north, request, move |cloud, _, _| {
        ops::target_group::deregister(cloud, group, &targets, etag)
    })
    .await
}

service!(
    TargetGroups, target_groups_server::TargetGroups, TargetGroup target_group target_groups,
    CreateTargetGroupRequest UpdateTargetGroupRequest
    TargetGroupResponse ListTargetGroupsResponse
    {
        register(RegisterTargetsRequest) => register;
        deregister(DeregisterTargetsRequest) => deregister;
    }
);
