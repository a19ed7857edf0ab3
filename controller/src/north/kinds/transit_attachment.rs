//! VPCs joined to transit gateways.

use std::collections::BTreeSet;

use weft_model::{
    TransitAttachment, TransitAttachmentId, TransitTableId,
    ops::transit_attachment::{Draft, Update},
};

use super::prelude::*;

/// Tables in one request at most: more than any gateway has by its quota.
const TABLES: usize = 1_000;

pub(in crate::north) struct TransitAttachments;

impl Exposed for TransitAttachments {
    const KIND: Kind = Kind::TransitAttachment;
    const FIELD: &'static str = "transit_attachment";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["route_table", "propagations", "meta.name"],
        fixed: &["id", "transit_gateway", "vpc", "meta"],
    };

    type Key = TransitAttachmentId;
    type Model = TransitAttachment;
    type Wire = wire::TransitAttachment;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateTransitAttachmentRequest;
    type UpdateRequest = wire::UpdateTransitAttachmentRequest;
    type Answer = wire::TransitAttachmentResponse;
    type Page = wire::ListTransitAttachmentsResponse;

    fn of(resource: &Resource) -> Option<&TransitAttachment> {
        match resource {
            Resource::TransitAttachment(attachment) => Some(attachment),
            _ => None,
        }
    }

    fn key(attachment: &TransitAttachment) -> TransitAttachmentId {
        attachment.id
    }

    fn key_text(attachment: &wire::TransitAttachment) -> &str {
        &attachment.id
    }

    fn show(_cloud: &Cloud, attachment: &TransitAttachment) -> wire::TransitAttachment {
        attachment.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &TransitAttachment>> {
        Some(cloud.attachments_of_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateTransitAttachmentRequest,
        attachment: &wire::TransitAttachment,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &attachment.id);
        let gateway = fields.required("transit_gateway", &attachment.transit_gateway);
        let vpc = fields.required("vpc", &attachment.vpc);
        let table = fields.optional("route_table", &attachment.route_table);
        let propagations = read_propagations(fields, attachment);
        let label = label(fields, attachment.meta.as_ref());
        no_id?;
        Ok(Draft {
            gateway: gateway?,
            vpc: vpc?,
            table: table?,
            propagations: propagations?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        attachment: &wire::TransitAttachment,
    ) -> Result<Update, Reported> {
        let table = mask.pick("route_table", || {
            fields.optional("route_table", &attachment.route_table)
        });
        let propagations = mask.pick("propagations", || read_propagations(fields, attachment));
        let label = mask.pick("meta.name", || label(fields, attachment.meta.as_ref()));
        Ok(Update {
            table: table?,
            propagations: propagations?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::transit_attachment::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: TransitAttachmentId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::transit_attachment::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: TransitAttachmentId, etag: Option<Revision>) -> Changes {
        ops::transit_attachment::delete(cloud, id, etag)
    }
}

fn read_propagations(
    fields: &mut Fields,
    attachment: &wire::TransitAttachment,
) -> Result<BTreeSet<TransitTableId>, Reported> {
    let tables = fields.all("propagations", TABLES, &attachment.propagations)?;
    Ok(tables.into_iter().collect())
}

service!(
    TransitAttachments, transit_attachments_server::TransitAttachments,
    TransitAttachment transit_attachment transit_attachments,
    CreateTransitAttachmentRequest UpdateTransitAttachmentRequest TransitAttachmentResponse
    ListTransitAttachmentsResponse {}
);
