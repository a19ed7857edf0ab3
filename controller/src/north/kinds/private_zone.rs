//! Private zones and their records.

use tonic::Status;
use weft_model::{
    DnsName, PrivateZone, PrivateZoneId, RecordKind,
    ops::private_zone::{Draft, Update},
};
use weft_proto::convert::v1::read_record;

use super::prelude::*;
use crate::core::Request;

/// VPCs in one request at most; the quota is below.
const VPCS: usize = 1_000;

/// Records in one request at most; the quota is below.
const RECORDS: usize = 10_000;

pub(in crate::north) struct PrivateZones;

impl Exposed for PrivateZones {
    const KIND: Kind = Kind::PrivateZone;
    const FIELD: &'static str = "private_zone";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["vpcs", "records", "meta.name"],
        fixed: &["id", "domain", "meta"],
    };

    type Key = PrivateZoneId;
    type Model = PrivateZone;
    type Wire = wire::PrivateZone;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreatePrivateZoneRequest;
    type UpdateRequest = wire::UpdatePrivateZoneRequest;
    type Answer = wire::PrivateZoneResponse;
    type Page = wire::ListPrivateZonesResponse;

    fn of(resource: &Resource) -> Option<&PrivateZone> {
        match resource {
            Resource::PrivateZone(zone) => Some(zone),
            _ => None,
        }
    }

    fn key(zone: &PrivateZone) -> PrivateZoneId {
        zone.id
    }

    fn key_text(zone: &wire::PrivateZone) -> &str {
        &zone.id
    }

    fn show(_cloud: &Cloud, zone: &PrivateZone) -> wire::PrivateZone {
        zone.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &PrivateZone>> {
        Some(cloud.private_zones_of_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreatePrivateZoneRequest,
        zone: &wire::PrivateZone,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &zone.id);
        let domain = fields.required("domain", &zone.domain);
        let vpcs = fields.all("vpcs", VPCS, &zone.vpcs);
        let records = fields.each("records", RECORDS, &zone.records, read_record);
        let label = label(fields, zone.meta.as_ref());
        no_id?;
        Ok(Draft {
            domain: domain?,
            vpcs: vpcs?,
            records: records?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        zone: &wire::PrivateZone,
    ) -> Result<Update, Reported> {
        let vpcs = mask.pick("vpcs", || fields.all("vpcs", VPCS, &zone.vpcs));
        let records = mask.pick("records", || {
            fields.each("records", RECORDS, &zone.records, read_record)
        });
        let label = mask.pick("meta.name", || label(fields, zone.meta.as_ref()));
        Ok(Update {
            vpcs: vpcs?,
            records: records?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::private_zone::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        settings: &Settings,
        id: PrivateZoneId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::private_zone::update(cloud, settings, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: PrivateZoneId, etag: Option<Revision>) -> Changes {
        ops::private_zone::delete(cloud, id, etag)
    }
}

async fn put_record(
    north: &North,
    request: wire::PutRecordRequest,
) -> Result<wire::PrivateZoneResponse, Status> {
    let (zone, record, etag, id) = methods::read(|fields| {
        let zone = fields.required::<PrivateZoneId>("private_zone", &request.private_zone);
        let record = fields.present("record", request.record.as_ref());
        let record =
            record.and_then(|record| fields.within("record", |fields| read_record(fields, record)));
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((zone?, record?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "private_zone.put_record", &request));
    methods::write::<PrivateZones>(north, request, move |cloud, settings, _| {
        ops::private_zone::put_record(cloud, settings, zone, record, etag)
    })
    .await
}

async fn delete_record(
    north: &North,
    request: wire::DeleteRecordRequest,
) -> Result<wire::PrivateZoneResponse, Status> {
    let (zone, name, kind, etag, id) = methods::read(|fields| {
        let zone = fields.required::<PrivateZoneId>("private_zone", &request.private_zone);
        let name = fields.required::<DnsName>("name", &request.name);
        let kind = fields.required::<RecordKind>("type", &request.r#type);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((zone?, name?, kind?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "private_zone.delete_record", &request));
    methods::write::<PrivateZones>(north, request, move |cloud, settings, _| {
        ops::private_zone::delete_record(cloud, settings, zone, (&name, kind), etag)
    })
    .await
}

service!(
    PrivateZones, private_zones_server::PrivateZones,
    PrivateZone private_zone private_zones,
    CreatePrivateZoneRequest UpdatePrivateZoneRequest
    PrivateZoneResponse ListPrivateZonesResponse
    {
        put_record(PutRecordRequest) => put_record;
        delete_record(DeleteRecordRequest) => delete_record;
    }
);
