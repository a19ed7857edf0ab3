//! What hosts hold of transit gateways.

use weft_model::{
    RouteInTransit, TransitHop, VpcInTransit,
    state::{TransitAttachmentState, TransitRouteState, TransitTargetState},
};

use super::wire;
use crate::convert::fields::{Fields, Reported};

pub(super) fn write_target(target: &TransitTargetState) -> wire::TransitTarget {
    wire::TransitTarget {
        vpc: target.id.vpc.to_string(),
        table: target.id.table.to_string(),
    }
}

pub(super) fn write_route(route: &TransitRouteState) -> wire::TransitRoute {
    wire::TransitRoute {
        destination: route.id.destination.to_string(),
        table: route.id.table.to_string(),
        hop: route.hop.map(|hop| wire::TransitHop {
            attachment: hop.attachment.to_string(),
            vpc: hop.vpc.to_string(),
        }),
    }
}

pub(super) fn write_attachment(attachment: &TransitAttachmentState) -> wire::TransitAttachment {
    let table = attachment.table.map(|table| table.to_string());
    wire::TransitAttachment {
        id: attachment.id.to_string(),
        gateway: attachment.gateway.to_string(),
        vpc: attachment.vpc.to_string(),
        table: table.unwrap_or_default(),
    }
}

pub(super) fn read_target(
    fields: &mut Fields,
    target: &wire::TransitTarget,
) -> Result<TransitTargetState, Reported> {
    let vpc = fields.required("vpc", &target.vpc);
    let table = fields.required("table", &target.table);
    let id = VpcInTransit {
        table: table?,
        vpc: vpc?,
    };
    Ok(TransitTargetState { id })
}

pub(super) fn read_route(
    fields: &mut Fields,
    route: &wire::TransitRoute,
) -> Result<TransitRouteState, Reported> {
    let destination = fields.required("destination", &route.destination);
    let table = fields.required("table", &route.table);
    let hop = route.hop.as_ref().map(|hop| {
        fields.within("hop", |fields| {
            let attachment = fields.required("attachment", &hop.attachment);
            let vpc = fields.required("vpc", &hop.vpc);
            Ok(TransitHop {
                attachment: attachment?,
                vpc: vpc?,
            })
        })
    });
    let id = RouteInTransit {
        table: table?,
        destination: destination?,
    };
    Ok(TransitRouteState {
        id,
        hop: hop.transpose()?,
    })
}

pub(super) fn read_attachment(
    fields: &mut Fields,
    attachment: &wire::TransitAttachment,
) -> Result<TransitAttachmentState, Reported> {
    let id = fields.required("id", &attachment.id);
    let gateway = fields.required("gateway", &attachment.gateway);
    let vpc = fields.required("vpc", &attachment.vpc);
    let table = fields.optional("table", &attachment.table);
    Ok(TransitAttachmentState {
        id: id?,
        gateway: gateway?,
        vpc: vpc?,
        table: table?,
    })
}
