//! Regions.

use weft_model::{
    Region, RegionName,
    ops::region::{Draft, Update},
};

use super::prelude::*;

pub(in crate::north) struct Regions;

impl Exposed for Regions {
    const KIND: Kind = Kind::Region;
    const FIELD: &'static str = "region";
    const KEY: &'static str = "region";
    const PATHS: Paths = Paths {
        mutable: &["meta.name"],
        fixed: &["region", "meta"],
    };

    type Key = RegionName;
    type Model = Region;
    type Wire = wire::Region;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateRegionRequest;
    type UpdateRequest = wire::UpdateRegionRequest;
    type Answer = wire::RegionResponse;
    type Page = wire::ListRegionsResponse;

    fn of(resource: &Resource) -> Option<&Region> {
        match resource {
            Resource::Region(region) => Some(region),
            _ => None,
        }
    }

    fn key(region: &Region) -> RegionName {
        region.name.clone()
    }

    fn key_text(region: &wire::Region) -> &str {
        &region.region
    }

    fn show(_cloud: &Cloud, region: &Region) -> wire::Region {
        region.into()
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateRegionRequest,
        region: &wire::Region,
    ) -> Result<Draft, Reported> {
        let name = fields.required("region", &region.region);
        let label = label(fields, region.meta.as_ref());
        Ok(Draft {
            name: name?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        region: &wire::Region,
    ) -> Result<Update, Reported> {
        let label = mask.pick("meta.name", || label(fields, region.meta.as_ref()))?;
        Ok(Update { label })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::region::born(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        name: RegionName,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::region::update(cloud, &name, update, etag)
    }

    fn delete(cloud: &Cloud, name: RegionName, etag: Option<Revision>) -> Changes {
        ops::region::delete(cloud, &name, etag)
    }
}

service!(
    Regions, regions_server::Regions, Region region regions,
    CreateRegionRequest UpdateRegionRequest RegionResponse ListRegionsResponse {}
);
