//! Internet gateways.

use weft_model::{
    InternetGateway, InternetGatewayId,
    ops::internet_gateway::{Draft, Update},
};

use super::prelude::*;

pub(in crate::north) struct InternetGateways;

impl Exposed for InternetGateways {
    const KIND: Kind = Kind::InternetGateway;
    const FIELD: &'static str = "internet_gateway";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["vpc", "meta.name"],
        fixed: &["id", "meta"],
    };

    type Key = InternetGatewayId;
    type Model = InternetGateway;
    type Wire = wire::InternetGateway;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateInternetGatewayRequest;
    type UpdateRequest = wire::UpdateInternetGatewayRequest;
    type Answer = wire::InternetGatewayResponse;
    type Page = wire::ListInternetGatewaysResponse;

    fn of(resource: &Resource) -> Option<&InternetGateway> {
        match resource {
            Resource::InternetGateway(gateway) => Some(gateway),
            _ => None,
        }
    }

    fn key(gateway: &InternetGateway) -> InternetGatewayId {
        gateway.id
    }

    fn key_text(gateway: &wire::InternetGateway) -> &str {
        &gateway.id
    }

    fn show(_cloud: &Cloud, gateway: &InternetGateway) -> wire::InternetGateway {
        gateway.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &InternetGateway>> {
        Some(cloud.internet_gateway_of(vpc).into_iter())
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateInternetGatewayRequest,
        gateway: &wire::InternetGateway,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &gateway.id);
        let vpc = fields.optional("vpc", &gateway.vpc);
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
        gateway: &wire::InternetGateway,
    ) -> Result<Update, Reported> {
        let vpc = mask.pick("vpc", || fields.optional("vpc", &gateway.vpc));
        let label = mask.pick("meta.name", || label(fields, gateway.meta.as_ref()));
        Ok(Update {
            vpc: vpc?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::internet_gateway::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: InternetGatewayId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::internet_gateway::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: InternetGatewayId, etag: Option<Revision>) -> Changes {
        ops::internet_gateway::delete(cloud, id, etag)
    }
}

service!(
    InternetGateways, internet_gateways_server::InternetGateways, InternetGateway internet_gateway internet_gateways,
    CreateInternetGatewayRequest UpdateInternetGatewayRequest InternetGatewayResponse ListInternetGatewaysResponse {}
);
