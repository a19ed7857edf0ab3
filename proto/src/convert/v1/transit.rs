//! Transit gateways, what is attached to them, and their tables.

use weft_model::{
    RouteOrigin, TransitAttachment, TransitGateway, TransitRoute, TransitRouteInUse, TransitTable,
};

use super::{Fields, Reported, text_or_empty, wire};

impl From<&TransitGateway> for wire::TransitGateway {
    fn from(gateway: &TransitGateway) -> Self {
        Self {
            id: gateway.id.to_string(),
            association_table: text_or_empty(gateway.association_table.as_ref()),
            propagation_table: text_or_empty(gateway.propagation_table.as_ref()),
            meta: Some((&gateway.meta).into()),
        }
    }
}

impl From<&TransitAttachment> for wire::TransitAttachment {
    fn from(attachment: &TransitAttachment) -> Self {
        let propagations = attachment.propagations.iter();
        Self {
            id: attachment.id.to_string(),
            transit_gateway: attachment.gateway.to_string(),
            vpc: attachment.vpc.to_string(),
            route_table: text_or_empty(attachment.table.as_ref()),
            propagations: propagations.map(ToString::to_string).collect(),
            meta: Some((&attachment.meta).into()),
        }
    }
}

/// Without `routes`, which the attachments have a say in.
impl From<&TransitTable> for wire::TransitTable {
    fn from(table: &TransitTable) -> Self {
        Self {
            id: table.id.to_string(),
            transit_gateway: table.gateway.to_string(),
            routes: Vec::new(),
            meta: Some((&table.meta).into()),
        }
    }
}

impl From<&TransitRouteInUse> for wire::TransitRoute {
    fn from(route: &TransitRouteInUse) -> Self {
        use wire::transit_route::Target;
        let target = match route.target {
            Some(attachment) => Target::Attachment(attachment.to_string()),
            None => Target::Blackhole(true),
        };
        let origin = match route.origin {
            RouteOrigin::Propagated => wire::route::Origin::Propagated,
            RouteOrigin::Static | RouteOrigin::Table => wire::route::Origin::Static,
        };
        Self {
            destination: route.destination.to_string(),
            target: Some(target),
            origin: origin.into(),
            drops: route.hop.is_none(),
        }
    }
}

/// Reads a static route; who made it isn't read, nor what becomes of packets.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_transit_route(
    fields: &mut Fields,
    route: &wire::TransitRoute,
) -> Result<TransitRoute, Reported> {
    use wire::transit_route::Target;
    let destination = fields.required("destination", &route.destination);
    let target = match &route.target {
        Some(Target::Attachment(text)) => fields.required("attachment", text).map(Some),
        Some(Target::Blackhole(true)) => Ok(None),
        Some(Target::Blackhole(false)) => Err(fields.refuse("blackhole", "is true or left out")),
        None => Err(fields.refuse("target", "is required: give an attachment or blackhole")),
    };
    Ok(TransitRoute {
        destination: destination?,
        target: target?,
    })
}
