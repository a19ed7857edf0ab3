//! Route tables, and their routes one by one.

use tonic::Status;
use weft_model::{
    Destination, RouteTable, RouteTableId,
    ops::route_table::{Draft, Update},
};
use weft_proto::convert::v1::read_route;

use super::prelude::*;
use crate::core::Request;

/// Routes in one request at most: as many as an answer under 4 MiB holds with ease.
const ROUTES: usize = 10_000;

pub(in crate::north) struct RouteTables;

impl Exposed for RouteTables {
    const KIND: Kind = Kind::RouteTable;
    const FIELD: &'static str = "route_table";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["meta.name"],
        fixed: &["id", "vpc", "routes", "main", "meta"],
    };

    type Key = RouteTableId;
    type Model = RouteTable;
    type Wire = wire::RouteTable;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateRouteTableRequest;
    type UpdateRequest = wire::UpdateRouteTableRequest;
    type Answer = wire::RouteTableResponse;
    type Page = wire::ListRouteTablesResponse;

    fn of(resource: &Resource) -> Option<&RouteTable> {
        match resource {
            Resource::RouteTable(table) => Some(table),
            _ => None,
        }
    }

    fn key(table: &RouteTable) -> RouteTableId {
        table.id
    }

    fn key_text(table: &wire::RouteTable) -> &str {
        &table.id
    }

    fn show(cloud: &Cloud, table: &RouteTable) -> wire::RouteTable {
        let vpc = cloud.vpc(table.vpc);
        wire::RouteTable {
            main: vpc.is_some_and(|vpc| vpc.main_route_table == table.id),
            ..table.into()
        }
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &RouteTable>> {
        Some(cloud.route_tables_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateRouteTableRequest,
        table: &wire::RouteTable,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &table.id);
        let vpc = fields.required("vpc", &table.vpc);
        let routes = fields.each("routes", ROUTES, &table.routes, read_route);
        let label = label(fields, table.meta.as_ref());
        no_id?;
        Ok(Draft {
            vpc: vpc?,
            routes: routes?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        table: &wire::RouteTable,
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
        ops::route_table::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: RouteTableId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::route_table::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: RouteTableId, etag: Option<Revision>) -> Changes {
        ops::route_table::delete(cloud, id, etag)
    }
}

async fn put_route(
    north: &North,
    request: wire::PutRouteRequest,
) -> Result<wire::RouteTableResponse, Status> {
    let (table, route, etag, id) = methods::read(|fields| {
        let table = fields.required::<RouteTableId>("route_table", &request.route_table);
        let route = fields.present("route", request.route.as_ref());
        let route =
            route.and_then(|route| fields.within("route", |fields| read_route(fields, route)));
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((table?, route?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "route_table.put_route", &request));
    methods::write::<RouteTables>(north, request, move |cloud, settings, _| {
        ops::route_table::put_route(cloud, settings, table, route, etag)
    })
    .await
}

async fn delete_route(
    north: &North,
    request: wire::DeleteRouteRequest,
) -> Result<wire::RouteTableResponse, Status> {
    let (table, destination, etag, id) = methods::read(|fields| {
        let table = fields.required::<RouteTableId>("route_table", &request.route_table);
        let destination = fields.required::<Destination>("destination", &request.destination);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((table?, destination?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "route_table.delete_route", &request));
    methods::write::<RouteTables>(north, request, move |cloud, _, _| {
        ops::route_table::delete_route(cloud, table, destination, etag)
    })
    .await
}

service!(
    RouteTables, route_tables_server::RouteTables, RouteTable route_table route_tables,
    CreateRouteTableRequest UpdateRouteTableRequest RouteTableResponse ListRouteTablesResponse
    {
        put_route(PutRouteRequest) => put_route;
        delete_route(DeleteRouteRequest) => delete_route;
    }
);
