//! Pools of public addresses.

use weft_model::{
    PublicPool, PublicPoolId,
    ops::public_pool::{Draft, Update},
};

use super::prelude::*;

/// Blocks in one request at most: more than anybody is given.
const BLOCKS: usize = 1024;

pub(in crate::north) struct PublicPools;

impl Exposed for PublicPools {
    const KIND: Kind = Kind::PublicPool;
    const FIELD: &'static str = "public_pool";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["blocks", "meta.name"],
        fixed: &["id", "region", "meta"],
    };

    type Key = PublicPoolId;
    type Model = PublicPool;
    type Wire = wire::PublicPool;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreatePublicPoolRequest;
    type UpdateRequest = wire::UpdatePublicPoolRequest;
    type Answer = wire::PublicPoolResponse;
    type Page = wire::ListPublicPoolsResponse;

    fn of(resource: &Resource) -> Option<&PublicPool> {
        match resource {
            Resource::PublicPool(pool) => Some(pool),
            _ => None,
        }
    }

    fn key(pool: &PublicPool) -> PublicPoolId {
        pool.id
    }

    fn key_text(pool: &wire::PublicPool) -> &str {
        &pool.id
    }

    fn show(_cloud: &Cloud, pool: &PublicPool) -> wire::PublicPool {
        pool.into()
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreatePublicPoolRequest,
        pool: &wire::PublicPool,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &pool.id);
        let region = fields.required("region", &pool.region);
        let blocks = fields.all("blocks", BLOCKS, &pool.blocks);
        let label = label(fields, pool.meta.as_ref());
        no_id?;
        Ok(Draft {
            region: region?,
            blocks: blocks?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        pool: &wire::PublicPool,
    ) -> Result<Update, Reported> {
        let blocks = mask.pick("blocks", || fields.all("blocks", BLOCKS, &pool.blocks));
        let label = mask.pick("meta.name", || label(fields, pool.meta.as_ref()));
        Ok(Update {
            blocks: blocks?,
            label: label?,
        })
    }

    fn create(cloud: &Cloud, _: &Settings, draft: Draft, entropy: &mut dyn Entropy) -> Changes {
        ops::public_pool::create(cloud, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: PublicPoolId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::public_pool::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: PublicPoolId, etag: Option<Revision>) -> Changes {
        ops::public_pool::delete(cloud, id, etag)
    }
}

service!(
    PublicPools, public_pools_server::PublicPools, PublicPool public_pool public_pools,
    CreatePublicPoolRequest UpdatePublicPoolRequest PublicPoolResponse ListPublicPoolsResponse {}
);
