//! Network ACLs, and their entries one by one.

use tonic::Status;
use weft_model::{
    AclNumber, Family, NetworkAcl, NetworkAclId,
    acl::Direction,
    ops::network_acl::{Draft, Update},
};
use weft_proto::convert::v1::read_acl_entry;

use super::prelude::*;
use crate::core::Request;

/// Entries in one request and direction at most: as many as an answer under 4 MiB holds with ease.
const ENTRIES: usize = 10_000;

pub(in crate::north) struct NetworkAcls;

impl Exposed for NetworkAcls {
    const KIND: Kind = Kind::NetworkAcl;
    const FIELD: &'static str = "network_acl";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["meta.name"],
        fixed: &["id", "vpc", "ingress", "egress", "default", "meta"],
    };

    type Key = NetworkAclId;
    type Model = NetworkAcl;
    type Wire = wire::NetworkAcl;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateNetworkAclRequest;
    type UpdateRequest = wire::UpdateNetworkAclRequest;
    type Answer = wire::NetworkAclResponse;
    type Page = wire::ListNetworkAclsResponse;

    fn of(resource: &Resource) -> Option<&NetworkAcl> {
        match resource {
            Resource::NetworkAcl(acl) => Some(acl),
            _ => None,
        }
    }

    fn key(acl: &NetworkAcl) -> NetworkAclId {
        acl.id
    }

    fn key_text(acl: &wire::NetworkAcl) -> &str {
        &acl.id
    }

    fn show(cloud: &Cloud, acl: &NetworkAcl) -> wire::NetworkAcl {
        let vpc = cloud.vpc(acl.vpc);
        wire::NetworkAcl {
            default: vpc.is_some_and(|vpc| vpc.default_acl == acl.id),
            ..acl.into()
        }
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &NetworkAcl>> {
        Some(cloud.acls_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateNetworkAclRequest,
        acl: &wire::NetworkAcl,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &acl.id);
        let vpc = fields.required("vpc", &acl.vpc);
        let ingress = fields.each("ingress", ENTRIES, &acl.ingress, read_acl_entry);
        let egress = fields.each("egress", ENTRIES, &acl.egress, read_acl_entry);
        let label = label(fields, acl.meta.as_ref());
        no_id?;
        Ok(Draft {
            vpc: vpc?,
            ingress: ingress?,
            egress: egress?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        acl: &wire::NetworkAcl,
    ) -> Result<Update, Reported> {
        let label = mask.pick("meta.name", || label(fields, acl.meta.as_ref()))?;
        Ok(Update { label })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::network_acl::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: NetworkAclId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::network_acl::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: NetworkAclId, etag: Option<Revision>) -> Changes {
        ops::network_acl::delete(cloud, id, etag)
    }
}

fn read_direction(fields: &mut Fields, text: &str) -> Result<Direction, Reported> {
    match text {
        "ingress" => Ok(Direction::Ingress),
        "egress" => Ok(Direction::Egress),
        _ => Err(fields.refuse("direction", "is ingress or egress")),
    }
}

fn read_number(fields: &mut Fields, number: u32) -> Result<AclNumber, Reported> {
    let number = fields.narrow("number", number, u16::MAX)?;
    AclNumber::try_from(number).map_err(|error| fields.refuse("number", error))
}

async fn put_entry(
    north: &North,
    request: wire::PutAclEntryRequest,
) -> Result<wire::NetworkAclResponse, Status> {
    let (acl, entry, etag, id) = methods::read(|fields| {
        let acl = fields.required::<NetworkAclId>("network_acl", &request.network_acl);
        let direction = read_direction(fields, &request.direction);
        let entry = fields.present("entry", request.entry.as_ref());
        let entry =
            entry.and_then(|entry| fields.within("entry", |fields| read_acl_entry(fields, entry)));
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((acl?, (direction?, entry?), etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "network_acl.put_entry", &request));
    methods::write::<NetworkAcls>(north, request, move |cloud, settings, _| {
        ops::network_acl::put_entry(cloud, settings, acl, entry, etag)
    })
    .await
}

async fn delete_entry(
    north: &North,
    request: wire::DeleteAclEntryRequest,
) -> Result<wire::NetworkAclResponse, Status> {
    let (acl, entry, etag, id) = methods::read(|fields| {
        let acl = fields.required::<NetworkAclId>("network_acl", &request.network_acl);
        let direction = read_direction(fields, &request.direction);
        let family = fields.required::<Family>("family", &request.family);
        let number = read_number(fields, request.number);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((acl?, (direction?, family?, number?), etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "network_acl.delete_entry", &request));
    methods::write::<NetworkAcls>(north, request, move |cloud, _, _| {
        ops::network_acl::delete_entry(cloud, acl, entry, etag)
    })
    .await
}

service!(
    NetworkAcls, network_acls_server::NetworkAcls, NetworkAcl network_acl network_acls,
    CreateNetworkAclRequest UpdateNetworkAclRequest NetworkAclResponse ListNetworkAclsResponse
    {
        put_entry(PutAclEntryRequest) => put_entry;
        delete_entry(DeleteAclEntryRequest) => delete_entry;
    }
);
