//! Egress-only internet gateways.

use weft_model::{
    EgressGateway, EgressGatewayId,
    ops::egress_gateway::{Draft, Update},
};

use super::prelude::*;

pub(in crate::north) struct EgressGateways;

impl Exposed for EgressGateways {
    const KIND: Kind = Kind::EgressGateway;
    const FIELD: &'static str = "egress_gateway";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["meta.name"],
        fixed: &["id", "vpc", "meta"],
    };

    type Key = EgressGatewayId;
    type Model = EgressGateway;
    type Wire = wire::EgressGateway;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateEgressGatewayRequest;
    type UpdateRequest = wire::UpdateEgressGatewayRequest;
    type Answer = wire::EgressGatewayResponse;
    type Page = wire::ListEgressGatewaysResponse;

    fn of(resource: &Resource) -> Option<&EgressGateway> {
        match resource {
            Resource::EgressGateway(gateway) => Some(gateway),
            _ => None,
        }
    }

    fn key(gateway: &EgressGateway) -> EgressGatewayId {
        gateway.id
    }

    fn key_text(gateway: &wire::EgressGateway) -> &str {
        &gateway.id
    }

    fn show(_cloud: &Cloud, gateway: &EgressGateway) -> wire::EgressGateway {
        gateway.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &EgressGateway>> {
        Some(cloud.egress_gateway_of(vpc).into_iter())
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateEgressGatewayRequest,
        gateway: &wire::EgressGateway,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &gateway.id);
        let vpc = fields.required("vpc", &gateway.vpc);
        let label = label(fields, gateway.meta.as_ref());
        no_id?;
        Ok(Draft {
            vpc: vpc?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        gateway: &wire::EgressGateway,
    ) -> Result<Update, Reported> {
        let label = mask.pick("meta.name", || label(fields, gateway.meta.as_ref()))?;
        Ok(Update { label })
    }

    fn create(cloud: &Cloud, _: &Settings, draft: Draft, entropy: &mut dyn Entropy) -> Changes {
        ops::egress_gateway::create(cloud, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: EgressGatewayId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::egress_gateway::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: EgressGatewayId, etag: Option<Revision>) -> Changes {
        ops::egress_gateway::delete(cloud, id, etag)
    }
}

service!(
    EgressGateways, egress_gateways_server::EgressGateways, EgressGateway egress_gateway egress_gateways,
    CreateEgressGatewayRequest UpdateEgressGatewayRequest EgressGatewayResponse ListEgressGatewaysResponse {}
);
