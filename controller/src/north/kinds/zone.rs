//! Zones.

use weft_model::{
    Zone, ZoneName,
    ops::zone::{Draft, Update},
};

use super::prelude::*;

pub(in crate::north) struct Zones;

impl Exposed for Zones {
    const KIND: Kind = Kind::Zone;
    const FIELD: &'static str = "zone";
    const KEY: &'static str = "zone";
    const PATHS: Paths = Paths {
        mutable: &["meta.name"],
        fixed: &["zone", "region", "meta"],
    };

    type Key = ZoneName;
    type Model = Zone;
    type Wire = wire::Zone;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateZoneRequest;
    type UpdateRequest = wire::UpdateZoneRequest;
    type Answer = wire::ZoneResponse;
    type Page = wire::ListZonesResponse;

    fn of(resource: &Resource) -> Option<&Zone> {
        match resource {
            Resource::Zone(zone) => Some(zone),
            _ => None,
        }
    }

    fn key(zone: &Zone) -> ZoneName {
        zone.name.clone()
    }

    fn key_text(zone: &wire::Zone) -> &str {
        &zone.zone
    }

    fn show(_cloud: &Cloud, zone: &Zone) -> wire::Zone {
        zone.into()
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateZoneRequest,
        zone: &wire::Zone,
    ) -> Result<Draft, Reported> {
        let name = fields.required("zone", &zone.zone);
        let region = fields.required("region", &zone.region);
        let label = label(fields, zone.meta.as_ref());
        Ok(Draft {
            name: name?,
            region: region?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        zone: &wire::Zone,
    ) -> Result<Update, Reported> {
        let label = mask.pick("meta.name", || label(fields, zone.meta.as_ref()))?;
        Ok(Update { label })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::zone::born(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        name: ZoneName,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::zone::update(cloud, &name, update, etag)
    }

    fn delete(cloud: &Cloud, name: ZoneName, etag: Option<Revision>) -> Changes {
        ops::zone::delete(cloud, &name, etag)
    }
}

service!(
    Zones, zones_server::Zones, Zone zone zones,
    CreateZoneRequest UpdateZoneRequest ZoneResponse ListZonesResponse {}
);
