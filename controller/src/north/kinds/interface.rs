//! Network interfaces.

use std::net::IpAddr;

use tonic::Status;
use weft_model::{
    Attachment, Interface, InterfaceId, PortOptions,
    ops::interface::{Assignment, Draft as Parts, Update},
};

use weft_proto::convert::v1::{read_limits, read_metadata, read_timeouts, read_user_data};

use super::prelude::*;
use crate::core::Request;

/// Addresses or groups in one request at most; the quotas are far below.
const ITEMS: usize = 256;

/// What a device is called when the request doesn't say.
const DEVICE: &str = "eth0";

pub(in crate::north) struct Interfaces;

/// What to create, and the VPC that the caller takes the subnet to be in.
pub(in crate::north) struct Draft {
    parts: Parts,
    vpc: Option<VpcId>,
}

impl Exposed for Interfaces {
    const KIND: Kind = Kind::Interface;
    const FIELD: &'static str = "interface";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &[
            "secondary_ipv4",
            "ipv6",
            "groups",
            "source_dest_check",
            "attachment",
            "limits",
            "timeouts",
            "user_data",
            "metadata",
            "meta.name",
        ],
        fixed: &["id", "vpc", "subnet", "mac", "ipv4", "public_ipv4", "meta"],
    };

    type Key = InterfaceId;
    type Model = Interface;
    type Wire = wire::Interface;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateInterfaceRequest;
    type UpdateRequest = wire::UpdateInterfaceRequest;
    type Answer = wire::InterfaceResponse;
    type Page = wire::ListInterfacesResponse;

    fn of(resource: &Resource) -> Option<&Interface> {
        match resource {
            Resource::Interface(interface) => Some(interface),
            _ => None,
        }
    }

    fn key(interface: &Interface) -> InterfaceId {
        interface.id
    }

    fn key_text(interface: &wire::Interface) -> &str {
        &interface.id
    }

    fn show(_cloud: &Cloud, interface: &Interface) -> wire::Interface {
        interface.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &Interface>> {
        Some(cloud.interfaces_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        request: &wire::CreateInterfaceRequest,
        interface: &wire::Interface,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &interface.id);
        let no_mac = given_by_controller(fields, "mac", &interface.mac);
        let no_public = given_by_controller(fields, "public_ipv4", &interface.public_ipv4);
        let vpc = fields.optional("vpc", &interface.vpc);
        let subnet = fields.required("subnet", &interface.subnet);
        let ipv4 = fields.optional("ipv4", &interface.ipv4);
        let secondary_ipv4 = fields.all("secondary_ipv4", ITEMS, &interface.secondary_ipv4);
        let ipv6 = fields.all("ipv6", ITEMS, &interface.ipv6);
        let groups = fields.all("groups", ITEMS, &interface.groups);
        let attachment = read_attachment(fields, interface.attachment.as_ref());
        let options = read_options(fields, interface);
        let label = label(fields, interface.meta.as_ref());
        no_id.and(no_mac).and(no_public)?;
        let parts = Parts {
            ipv4: ipv4?,
            secondary_ipv4: secondary_ipv4?,
            ipv6: ipv6?,
            assign_ipv6: request.assign_ipv6,
            assign_public: request.assign_public_ip,
            groups: groups?,
            source_dest_check: !request.disable_source_dest_check,
            attachment: attachment?,
            options: options?,
            label: label?,
            ..Parts::new(subnet?)
        };
        Ok(Draft { parts, vpc: vpc? })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        interface: &wire::Interface,
    ) -> Result<Update, Reported> {
        let secondary_ipv4 = mask.pick("secondary_ipv4", || {
            fields.all("secondary_ipv4", ITEMS, &interface.secondary_ipv4)
        });
        let ipv6 = mask.pick("ipv6", || fields.all("ipv6", ITEMS, &interface.ipv6));
        let groups = mask.pick("groups", || fields.all("groups", ITEMS, &interface.groups));
        let check = mask.pick("source_dest_check", || Ok(interface.source_dest_check));
        let attachment = mask.pick("attachment", || {
            read_attachment(fields, interface.attachment.as_ref())
        });
        let limits = mask.pick("limits", || read_limits(fields, interface.limits.as_ref()));
        let timeouts = mask.pick("timeouts", || {
            read_timeouts(fields, interface.timeouts.as_ref())
        });
        let user_data = mask.pick("user_data", || read_user_data(fields, &interface.user_data));
        let metadata = mask.pick("metadata", || {
            read_metadata(fields, interface.metadata.as_ref())
        });
        let label = mask.pick("meta.name", || label(fields, interface.meta.as_ref()));
        Ok(Update {
            limits: limits?,
            timeouts: timeouts?,
            user_data: user_data?,
            metadata: metadata?,
            secondary_ipv4: secondary_ipv4?,
            ipv6: ipv6?,
            groups: groups?,
            source_dest_check: check?,
            attachment: attachment?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        let subnet = cloud.subnet(draft.parts.subnet);
        if let (Some(vpc), Some(subnet)) = (draft.vpc, subnet)
            && vpc != subnet.vpc
        {
            let reason = format!(
                "subnet {} is in VPC {}, not in {vpc}",
                subnet.id, subnet.vpc
            );
            return Err(OpError::invalid("interface.vpc", reason));
        }
        ops::interface::create(cloud, settings, draft.parts, entropy)
    }

    fn update(
        cloud: &Cloud,
        settings: &Settings,
        id: InterfaceId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::interface::update(cloud, settings, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: InterfaceId, etag: Option<Revision>) -> Changes {
        ops::interface::delete(cloud, id, etag)
    }
}

fn read_options(fields: &mut Fields, interface: &wire::Interface) -> Result<PortOptions, Reported> {
    let limits = read_limits(fields, interface.limits.as_ref());
    let timeouts = read_timeouts(fields, interface.timeouts.as_ref());
    let user_data = read_user_data(fields, &interface.user_data);
    let metadata = read_metadata(fields, interface.metadata.as_ref());
    Ok(PortOptions {
        limits: limits?,
        timeouts: timeouts?,
        user_data: user_data?,
        metadata: metadata?,
    })
}

fn read_attachment(
    fields: &mut Fields,
    attachment: Option<&wire::Attachment>,
) -> Result<Option<Attachment>, Reported> {
    let Some(attachment) = attachment else {
        return Ok(None);
    };
    fields.within("attachment", |fields| {
        let host = fields.required("host", &attachment.host);
        let netns = fields.required("netns", &attachment.netns);
        let device = match attachment.device.as_str() {
            "" => DEVICE,
            given => given,
        };
        let device = fields.required("device", device);
        Ok(Some(Attachment {
            host: host?,
            netns: netns?,
            device: device?,
        }))
    })
}

async fn assign(
    north: &North,
    request: wire::AssignAddressesRequest,
) -> Result<wire::InterfaceResponse, Status> {
    let (interface, assignment, etag, id) = methods::read(|fields| {
        let interface = fields.required::<InterfaceId>("interface", &request.interface);
        let addresses = fields.all::<IpAddr>("addresses", ITEMS, &request.addresses);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        if request.addresses.is_empty() && request.ipv4_count == 0 && request.ipv6_count == 0 {
            fields.refuse(
                "addresses",
                "or a count is required: there is nothing to assign",
            );
        }
        let assignment = Assignment {
            addresses: addresses?,
            ipv4_count: request.ipv4_count,
            ipv6_count: request.ipv6_count,
        };
        Ok((interface?, assignment, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "interface.assign_addresses", &request));
    methods::write::<Interfaces>(north, request, move |cloud, settings, _| {
        ops::interface::assign(cloud, settings, interface, &assignment, etag)
    })
    .await
}

async fn unassign(
    north: &North,
    request: wire::UnassignAddressesRequest,
) -> Result<wire::InterfaceResponse, Status> {
    let (interface, addresses, etag, id) = methods::read(|fields| {
        let interface = fields.required::<InterfaceId>("interface", &request.interface);
        let addresses = fields.all::<IpAddr>("addresses", ITEMS, &request.addresses);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        if request.addresses.is_empty() {
            fields.refuse("addresses", "is required: name the addresses to take away");
        }
        Ok((interface?, addresses?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "interface.unassign_addresses", &request));
    methods::write::<Interfaces>(north, request, move |cloud, settings, _| {
        ops::interface::unassign(cloud, settings, interface, &addresses, etag)
    })
    .await
}

service!(
    Interfaces, interfaces_server::Interfaces, Interface interface interfaces,
    CreateInterfaceRequest UpdateInterfaceRequest InterfaceResponse ListInterfacesResponse
    {
        assign_addresses(AssignAddressesRequest) => assign;
        unassign_addresses(UnassignAddressesRequest) => unassign;
    }
);
