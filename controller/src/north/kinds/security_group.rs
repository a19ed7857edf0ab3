//! Security groups, and their rules by and by.

use tonic::Status;
use weft_model::{
    RuleId, SecurityGroup, SecurityGroupId,
    ops::security_group::{Draft, Update},
};
use weft_proto::convert::v1::read_rule_draft;

use super::prelude::*;
use crate::core::Request;

/// Rules in one request and direction at most: as many as an answer under 4 MiB holds with ease.
const RULES: usize = 10_000;

pub(in crate::north) struct SecurityGroups;

impl Exposed for SecurityGroups {
    const KIND: Kind = Kind::SecurityGroup;
    const FIELD: &'static str = "security_group";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["description", "meta.name"],
        fixed: &["id", "vpc", "group_name", "ingress", "egress", "meta"],
    };

    type Key = SecurityGroupId;
    type Model = SecurityGroup;
    type Wire = wire::SecurityGroup;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateSecurityGroupRequest;
    type UpdateRequest = wire::UpdateSecurityGroupRequest;
    type Answer = wire::SecurityGroupResponse;
    type Page = wire::ListSecurityGroupsResponse;

    fn of(resource: &Resource) -> Option<&SecurityGroup> {
        match resource {
            Resource::SecurityGroup(group) => Some(group),
            _ => None,
        }
    }

    fn key(group: &SecurityGroup) -> SecurityGroupId {
        group.id
    }

    fn key_text(group: &wire::SecurityGroup) -> &str {
        &group.id
    }

    fn show(_cloud: &Cloud, group: &SecurityGroup) -> wire::SecurityGroup {
        group.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &SecurityGroup>> {
        Some(cloud.groups_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateSecurityGroupRequest,
        group: &wire::SecurityGroup,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &group.id);
        let vpc = fields.required("vpc", &group.vpc);
        let group_name = fields.required("group_name", &group.group_name);
        let description = fields.text("description", &group.description);
        let ingress = fields.each("ingress", RULES, &group.ingress, read_rule_draft);
        let egress = fields.each("egress", RULES, &group.egress, read_rule_draft);
        let label = label(fields, group.meta.as_ref());
        no_id?;
        Ok(Draft {
            vpc: vpc?,
            group_name: group_name?,
            description: description?,
            ingress: ingress?,
            egress: egress?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        group: &wire::SecurityGroup,
    ) -> Result<Update, Reported> {
        let description = mask.pick("description", || {
            fields.text("description", &group.description)
        });
        let label = mask.pick("meta.name", || label(fields, group.meta.as_ref()));
        Ok(Update {
            description: description?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::security_group::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: SecurityGroupId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::security_group::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: SecurityGroupId, etag: Option<Revision>) -> Changes {
        ops::security_group::delete(cloud, id, etag)
    }
}

async fn authorize(
    north: &North,
    request: wire::AuthorizeRequest,
) -> Result<wire::SecurityGroupResponse, Status> {
    let (group, rules, etag, id) = methods::read(|fields| {
        let group = fields.required::<SecurityGroupId>("security_group", &request.security_group);
        let ingress = fields.each("ingress", RULES, &request.ingress, read_rule_draft);
        let egress = fields.each("egress", RULES, &request.egress, read_rule_draft);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        if request.ingress.is_empty() && request.egress.is_empty() {
            fields.refuse(
                "ingress",
                "or egress must have a rule: there is nothing to add",
            );
        }
        Ok((group?, (ingress?, egress?), etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "security_group.authorize", &request));
    methods::write::<SecurityGroups>(north, request, move |cloud, settings, entropy| {
        ops::security_group::authorize(cloud, settings, group, rules, etag, entropy)
    })
    .await
}

async fn revoke(
    north: &North,
    request: wire::RevokeRequest,
) -> Result<wire::SecurityGroupResponse, Status> {
    let (group, rules, etag, id) = methods::read(|fields| {
        let group = fields.required::<SecurityGroupId>("security_group", &request.security_group);
        let rules = fields.all::<RuleId>("rules", RULES, &request.rules);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        if request.rules.is_empty() {
            fields.refuse("rules", "is required: give the ids of the rules to remove");
        }
        Ok((group?, rules?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "security_group.revoke", &request));
    methods::write::<SecurityGroups>(north, request, move |cloud, _, _| {
        ops::security_group::revoke(cloud, group, &rules, etag)
    })
    .await
}

service!(
    SecurityGroups, security_groups_server::SecurityGroups,
    SecurityGroup security_group security_groups,
    CreateSecurityGroupRequest UpdateSecurityGroupRequest
    SecurityGroupResponse ListSecurityGroupsResponse
    {
        authorize(AuthorizeRequest) => authorize;
        revoke(RevokeRequest) => revoke;
    }
);
