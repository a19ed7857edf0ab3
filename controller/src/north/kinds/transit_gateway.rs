//! Transit gateways.

use weft_model::{
    TransitGateway, TransitGatewayId,
    ops::transit_gateway::{Draft, Update},
};

use super::prelude::*;

pub(in crate::north) struct TransitGateways;

impl Exposed for TransitGateways {
    const KIND: Kind = Kind::TransitGateway;
    const FIELD: &'static str = "transit_gateway";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["association_table", "propagation_table", "meta.name"],
        fixed: &["id", "meta"],
    };

    type Key = TransitGatewayId;
    type Model = TransitGateway;
    type Wire = wire::TransitGateway;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateTransitGatewayRequest;
    type UpdateRequest = wire::UpdateTransitGatewayRequest;
    type Answer = wire::TransitGatewayResponse;
    type Page = wire::ListTransitGatewaysResponse;

    fn of(resource: &Resource) -> Option<&TransitGateway> {
        match resource {
            Resource::TransitGateway(gateway) => Some(gateway),
            _ => None,
        }
    }

    fn key(gateway: &TransitGateway) -> TransitGatewayId {
        gateway.id
    }

    fn key_text(gateway: &wire::TransitGateway) -> &str {
        &gateway.id
    }

    fn show(_cloud: &Cloud, gateway: &TransitGateway) -> wire::TransitGateway {
        gateway.into()
    }

    fn read_draft(
        fields: &mut Fields,
        request: &wire::CreateTransitGatewayRequest,
        gateway: &wire::TransitGateway,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &gateway.id);
        let tables = [
            ("association_table", &gateway.association_table),
            ("propagation_table", &gateway.propagation_table),
        ];
        let tables = tables.map(|(field, text)| given_by_controller(fields, field, text));
        let label = label(fields, gateway.meta.as_ref());
        no_id?;
        tables.into_iter().collect::<Result<(), _>>()?;
        Ok(Draft {
            associate: !request.disable_default_association,
            propagate: !request.disable_default_propagation,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        gateway: &wire::TransitGateway,
    ) -> Result<Update, Reported> {
        let association = mask.pick("association_table", || {
            fields.optional("association_table", &gateway.association_table)
        });
        let propagation = mask.pick("propagation_table", || {
            fields.optional("propagation_table", &gateway.propagation_table)
        });
        let label = mask.pick("meta.name", || label(fields, gateway.meta.as_ref()));
        Ok(Update {
            association_table: association?,
            propagation_table: propagation?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::transit_gateway::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: TransitGatewayId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::transit_gateway::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: TransitGatewayId, etag: Option<Revision>) -> Changes {
        ops::transit_gateway::delete(cloud, id, etag)
    }
}

service!(
    TransitGateways, transit_gateways_server::TransitGateways,
    TransitGateway transit_gateway transit_gateways,
    CreateTransitGatewayRequest UpdateTransitGatewayRequest TransitGatewayResponse
    ListTransitGatewaysResponse {}
);
