//! Route tables of transit gateways, and their static routes one by one.

use tonic::Status;
use weft_model::{
    Prefix, TransitTable, TransitTableId,
    ops::transit_table::{Draft, Update},
};
use weft_proto::convert::v1::read_transit_route;

use super::prelude::*;
use crate::core::Request;

/// Routes in one request at most: as many as an answer under 4 MiB holds with ease.
const ROUTES: usize = 10_000;

pub(in crate::north) struct TransitTables;

impl Exposed for TransitTables {
    const KIND: Kind = Kind::TransitTable;
    const FIELD: &'static str = "transit_table";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["meta.name"],
        fixed: &["id", "transit_gateway", "routes", "meta"],
    };

    type Key = TransitTableId;
    type Model = TransitTable;
    type Wire = wire::TransitTable;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateTransitTableRequest;
    type UpdateRequest = wire::UpdateTransitTableRequest;
    type Answer = wire::TransitTableResponse;
    type Page = wire::ListTransitTablesResponse;

    fn of(resource: &Resource) -> Option<&TransitTable> {
        match resource {
            Resource::TransitTable(table) => Some(table),
            _ => None,
        }
    }

    fn key(table: &TransitTable) -> TransitTableId {
        table.id
    }

    fn key_text(table: &wire::TransitTable) -> &str {
        &table.id
    }

    fn show(cloud: &Cloud, table: &TransitTable) -> wire::TransitTable {
        wire::TransitTable {
            routes: cloud.transit_routes(table).iter().map(Into::into).collect(),
            ..table.into()
        }
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateTransitTableRequest,
        table: &wire::TransitTable,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &table.id);
        let gateway = fields.required("transit_gateway", &table.transit_gateway);
        let routes = fields.each("routes", ROUTES, &table.routes, read_transit_route);
        let label = label(fields, table.meta.as_ref());
        no_id?;
        Ok(Draft {
            gateway: gateway?,
            routes: routes?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        table: &wire::TransitTable,
    ) -> Result<Update, Reported> {
        let label = mask.pick("meta.name", || label(fields, table.meta.as_ref()))?;
        Ok(Update { label })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::transit_table::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: TransitTableId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::transit_table::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: TransitTableId, etag: Option<Revision>) -> Changes {
        ops::transit_table::delete(cloud, id, etag)
    }
}

async fn put_route(
    north: &North,
    request: wire::PutTransitRouteRequest,
) -> Result<wire::TransitTableResponse, Status> {
    let (table, route, etag, id) = methods::read(|fields| {
        let table = fields.required::<TransitTableId>("transit_table", &request.transit_table);
        let route = fields.present("route", request.route.as_ref());
        let route = route
            .and_then(|route| fields.within("route", |fields| read_transit_route(fields, route)));
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((table?, route?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "transit_table.put_route", &request));
    methods::write::<TransitTables>(north, request, move |cloud, settings, _| {
        ops::transit_table::put_route(cloud, settings, table, route, etag)
    })
    .await
}

async fn delete_route(
    north: &North,
    request: wire::DeleteTransitRouteRequest,
) -> Result<wire::TransitTableResponse, Status> {
    let (table, destination, etag, id) = methods::read(|fields| {
        let table = fields.required::<TransitTableId>("transit_table", &request.transit_table);
        let destination = fields.required::<Prefix>("destination", &request.destination);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((table?, destination?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "transit_table.delete_route", &request));
    methods::write::<TransitTables>(north, request, move |cloud, _, _| {
        ops::transit_table::delete_route(cloud, table, destination, etag)
    })
    .await
}

service!(
    TransitTables, transit_tables_server::TransitTables,
    TransitTable transit_table transit_tables,
    CreateTransitTableRequest UpdateTransitTableRequest TransitTableResponse
    ListTransitTablesResponse
    {
        put_route(PutTransitRouteRequest) => put_route;
        delete_route(DeleteTransitRouteRequest) => delete_route;
    }
);
