//! Subnets.

use weft_model::{
    Subnet, SubnetId,
    ops::subnet::{Draft, Update},
};

use super::prelude::*;

pub(in crate::north) struct Subnets;

impl Exposed for Subnets {
    const KIND: Kind = Kind::Subnet;
    const FIELD: &'static str = "subnet";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &[
            "ipv6_cidr_block",
            "route_table",
            "network_acl",
            "map_public_ip",
            "meta.name",
        ],
        fixed: &[
            "id",
            "vpc",
            "zone",
            "cidr_block",
            "meta",
            "available_addresses",
        ],
    };

    type Key = SubnetId;
    type Model = Subnet;
    type Wire = wire::Subnet;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateSubnetRequest;
    type UpdateRequest = wire::UpdateSubnetRequest;
    type Answer = wire::SubnetResponse;
    type Page = wire::ListSubnetsResponse;

    fn of(resource: &Resource) -> Option<&Subnet> {
        match resource {
            Resource::Subnet(subnet) => Some(subnet),
            _ => None,
        }
    }

    fn key(subnet: &Subnet) -> SubnetId {
        subnet.id
    }

    fn key_text(subnet: &wire::Subnet) -> &str {
        &subnet.id
    }

    fn show(cloud: &Cloud, subnet: &Subnet) -> wire::Subnet {
        wire::Subnet {
            available_addresses: cloud.available_addresses(subnet),
            ..subnet.into()
        }
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &Subnet>> {
        Some(cloud.subnets_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        request: &wire::CreateSubnetRequest,
        subnet: &wire::Subnet,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &subnet.id);
        let vpc = fields.required("vpc", &subnet.vpc);
        let zone = fields.required("zone", &subnet.zone);
        let ipv4 = fields.required("cidr_block", &subnet.cidr_block);
        let ipv6 = fields.optional("ipv6_cidr_block", &subnet.ipv6_cidr_block);
        let route_table = fields.optional("route_table", &subnet.route_table);
        let acl = fields.optional("network_acl", &subnet.network_acl);
        let label = label(fields, subnet.meta.as_ref());
        no_id?;
        Ok(Draft {
            vpc: vpc?,
            zone: zone?,
            ipv4: ipv4?,
            ipv6: ipv6?,
            assign_ipv6: request.assign_ipv6,
            route_table: route_table?,
            map_public_ip: subnet.map_public_ip,
            acl: acl?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        subnet: &wire::Subnet,
    ) -> Result<Update, Reported> {
        let route_table = mask.pick("route_table", || {
            fields.optional("route_table", &subnet.route_table)
        });
        let acl = mask.pick("network_acl", || {
            fields.optional("network_acl", &subnet.network_acl)
        });
        let ipv6 = mask.pick("ipv6_cidr_block", || {
            fields.optional("ipv6_cidr_block", &subnet.ipv6_cidr_block)
        });
        let map_public_ip = mask.pick("map_public_ip", || Ok(subnet.map_public_ip));
        let label = mask.pick("meta.name", || label(fields, subnet.meta.as_ref()));
        Ok(Update {
            route_table: route_table?,
            acl: acl?,
            ipv6: ipv6?,
            map_public_ip: map_public_ip?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::subnet::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: SubnetId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::subnet::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: SubnetId, etag: Option<Revision>) -> Changes {
        ops::subnet::delete(cloud, id, etag)
    }
}

service!(
    Subnets, subnets_server::Subnets, Subnet subnet subnets,
    CreateSubnetRequest UpdateSubnetRequest SubnetResponse ListSubnetsResponse {}
);
