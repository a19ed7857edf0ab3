//! Elastic addresses.

use weft_model::{
    ElasticAddress, ElasticAddressId,
    ops::elastic_address::{Draft, Target, Update},
};

use super::prelude::*;

pub(in crate::north) struct ElasticAddresses;

impl Exposed for ElasticAddresses {
    const KIND: Kind = Kind::ElasticAddress;
    const FIELD: &'static str = "elastic_address";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["association", "meta.name"],
        fixed: &["id", "region", "pool", "address", "meta"],
    };

    type Key = ElasticAddressId;
    type Model = ElasticAddress;
    type Wire = wire::ElasticAddress;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateElasticAddressRequest;
    type UpdateRequest = wire::UpdateElasticAddressRequest;
    type Answer = wire::ElasticAddressResponse;
    type Page = wire::ListElasticAddressesResponse;

    fn of(resource: &Resource) -> Option<&ElasticAddress> {
        match resource {
            Resource::ElasticAddress(elastic) => Some(elastic),
            _ => None,
        }
    }

    fn key(elastic: &ElasticAddress) -> ElasticAddressId {
        elastic.id
    }

    fn key_text(elastic: &wire::ElasticAddress) -> &str {
        &elastic.id
    }

    fn show(cloud: &Cloud, elastic: &ElasticAddress) -> wire::ElasticAddress {
        let pool = cloud.public_pool(elastic.pool);
        wire::ElasticAddress {
            region: pool.map(|pool| pool.region.to_string()).unwrap_or_default(),
            ..elastic.into()
        }
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateElasticAddressRequest,
        elastic: &wire::ElasticAddress,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &elastic.id);
        let region = fields.required("region", &elastic.region);
        let pool = fields.optional("pool", &elastic.pool);
        let address = fields.optional("address", &elastic.address);
        let label = label(fields, elastic.meta.as_ref());
        if elastic.association.is_some() {
            let reason = "an address is put on something by an update: leave it out";
            return Err(fields.refuse("association", reason));
        }
        no_id?;
        Ok(Draft {
            region: region?,
            pool: pool?,
            address: address?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        elastic: &wire::ElasticAddress,
    ) -> Result<Update, Reported> {
        let association = mask.pick("association", || {
            read_target(fields, elastic.association.as_ref())
        });
        let label = mask.pick("meta.name", || label(fields, elastic.meta.as_ref()));
        Ok(Update {
            association: association?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::elastic_address::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: ElasticAddressId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::elastic_address::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: ElasticAddressId, etag: Option<Revision>) -> Changes {
        ops::elastic_address::delete(cloud, id, etag)
    }
}

/// Where a person may put an address: gateways and balancers take theirs by their own commands.
fn read_target(
    fields: &mut Fields,
    association: Option<&wire::Association>,
) -> Result<Option<Target>, Reported> {
    use wire::association::Holder;
    let Some(association) = association else {
        return Ok(None);
    };
    fields.within("association", |fields| match &association.holder {
        Some(Holder::Interface(on)) => fields.within("interface", |fields| {
            let interface = fields.required("interface", &on.interface);
            let private = fields.optional("private_address", &on.private_address);
            Ok(Some(Target {
                interface: interface?,
                private: private?,
            }))
        }),
        Some(Holder::NatGateway(_)) => {
            let reason = "a NAT gateway takes its address when it is made: leave it out";
            Err(fields.refuse("nat_gateway", reason))
        }
        None => Err(fields.refuse("holder", "is required: give an interface")),
    })
}

service!(
    ElasticAddresses, elastic_addresses_server::ElasticAddresses, ElasticAddress elastic_address elastic_addresses,
    CreateElasticAddressRequest UpdateElasticAddressRequest ElasticAddressResponse ListElasticAddressesResponse {}
);
