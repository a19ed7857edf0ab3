//! VPCs.

use tonic::Status;
use weft_model::{
    DnsForward, Prefix, Vpc, VpcDns,
    ops::vpc::{Block, Draft, Update},
};

use weft_proto::convert::v1::read_forward;

use super::prelude::*;
use crate::core::Request;

/// Blocks in one request at most; the quota is far below.
const BLOCKS: usize = 256;

pub(in crate::north) struct Vpcs;

impl Exposed for Vpcs {
    const KIND: Kind = Kind::Vpc;
    const FIELD: &'static str = "vpc";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &[
            "secondary_cidr_blocks",
            "ipv6_cidr_blocks",
            "main_route_table",
            "enable_dns_support",
            "enable_dns_hostnames",
            "dns_forwards",
            "meta.name",
        ],
        fixed: &[
            "id",
            "region",
            "vni",
            "cidr_block",
            "default_security_group",
            "default_network_acl",
            "meta",
        ],
    };

    type Key = VpcId;
    type Model = Vpc;
    type Wire = wire::Vpc;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateVpcRequest;
    type UpdateRequest = wire::UpdateVpcRequest;
    type Answer = wire::VpcResponse;
    type Page = wire::ListVpcsResponse;

    fn of(resource: &Resource) -> Option<&Vpc> {
        match resource {
            Resource::Vpc(vpc) => Some(vpc),
            _ => None,
        }
    }

    fn key(vpc: &Vpc) -> VpcId {
        vpc.id
    }

    fn key_text(vpc: &wire::Vpc) -> &str {
        &vpc.id
    }

    fn show(_cloud: &Cloud, vpc: &Vpc) -> wire::Vpc {
        vpc.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &Vpc>> {
        Some(cloud.vpc(vpc).into_iter())
    }

    fn read_draft(
        fields: &mut Fields,
        request: &wire::CreateVpcRequest,
        vpc: &wire::Vpc,
    ) -> Result<Draft, Reported> {
        let given = [
            ("id", &vpc.id),
            ("main_route_table", &vpc.main_route_table),
            ("default_security_group", &vpc.default_security_group),
            ("default_network_acl", &vpc.default_network_acl),
        ];
        let given = given.map(|(field, text)| given_by_controller(fields, field, text));
        if vpc.vni != 0 {
            fields.refuse("vni", "is given by the controller: leave it out");
        }
        let region = fields.required("region", &vpc.region);
        let primary = fields.required("cidr_block", &vpc.cidr_block);
        let secondary = &vpc.secondary_cidr_blocks;
        let secondary = fields.all("secondary_cidr_blocks", BLOCKS, secondary);
        let ipv6 = fields.all("ipv6_cidr_blocks", BLOCKS, &vpc.ipv6_cidr_blocks);
        let label = label(fields, vpc.meta.as_ref());
        let forwards = read_forwards(fields, vpc);
        given.into_iter().collect::<Result<(), _>>()?;
        Ok(Draft {
            region: region?,
            primary: primary?,
            secondary: secondary?,
            ipv6: ipv6?,
            assign_ipv6: request.assign_ipv6,
            dns: VpcDns {
                support: vpc.enable_dns_support.unwrap_or(true),
                hostnames: vpc.enable_dns_hostnames.unwrap_or(true),
                forwards: forwards?,
            },
            label: label?,
        })
    }

    fn read_update(fields: &mut Fields, mask: &Mask, vpc: &wire::Vpc) -> Result<Update, Reported> {
        let secondary = mask.pick("secondary_cidr_blocks", || {
            let secondary = &vpc.secondary_cidr_blocks;
            fields.all("secondary_cidr_blocks", BLOCKS, secondary)
        });
        let ipv6 = mask.pick("ipv6_cidr_blocks", || {
            fields.all("ipv6_cidr_blocks", BLOCKS, &vpc.ipv6_cidr_blocks)
        });
        let main = mask.pick("main_route_table", || {
            fields.required("main_route_table", &vpc.main_route_table)
        });
        let support = mask.pick("enable_dns_support", || {
            Ok(vpc.enable_dns_support.unwrap_or(true))
        });
        let hostnames = mask.pick("enable_dns_hostnames", || {
            Ok(vpc.enable_dns_hostnames.unwrap_or(true))
        });
        let forwards = mask.pick("dns_forwards", || read_forwards(fields, vpc));
        let label = mask.pick("meta.name", || label(fields, vpc.meta.as_ref()));
        Ok(Update {
            dns_support: support?,
            dns_hostnames: hostnames?,
            dns_forwards: forwards?,
            secondary: secondary?,
            ipv6: ipv6?,
            main_route_table: main?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::vpc::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        settings: &Settings,
        id: VpcId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::vpc::update(cloud, settings, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: VpcId, etag: Option<Revision>) -> Changes {
        ops::vpc::delete(cloud, id, etag)
    }
}

fn read_forwards(fields: &mut Fields, vpc: &wire::Vpc) -> Result<Vec<DnsForward>, Reported> {
    fields.each("dns_forwards", BLOCKS, &vpc.dns_forwards, read_forward)
}

fn read_block(
    fields: &mut Fields,
    request: &wire::AssociateCidrRequest,
) -> Result<Block, Reported> {
    match (request.cidr_block.as_str(), request.assign_ipv6) {
        ("", true) => Ok(Block::AnyIpv6),
        (_, true) => Err(fields.refuse("assign_ipv6", "stands instead of a cidr_block: give one")),
        (v6, false) if v6.contains(':') => fields.required("cidr_block", v6).map(Block::Ipv6),
        (v4, false) => fields.required("cidr_block", v4).map(Block::Ipv4),
    }
}

async fn associate(
    north: &North,
    request: wire::AssociateCidrRequest,
) -> Result<wire::VpcResponse, Status> {
    let (vpc, block, etag, id) = methods::read(|fields| {
        let vpc = fields.required::<VpcId>("vpc", &request.vpc);
        let block = read_block(fields, &request);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((vpc?, block?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "vpc.associate_cidr", &request));
    methods::write::<Vpcs>(north, request, move |cloud, settings, _| {
        ops::vpc::associate(cloud, settings, vpc, block, etag)
    })
    .await
}

async fn disassociate(
    north: &North,
    request: wire::DisassociateCidrRequest,
) -> Result<wire::VpcResponse, Status> {
    let (vpc, block, etag, id) = methods::read(|fields| {
        let vpc = fields.required::<VpcId>("vpc", &request.vpc);
        let block = fields.required::<Prefix>("cidr_block", &request.cidr_block);
        let etag = methods::read_etag(fields, &request.etag);
        let id = methods::read_request_id(fields, &request.request_id);
        Ok((vpc?, block?, etag?, id?))
    })?;
    let request = id.map(|id| Request::new(id, "vpc.disassociate_cidr", &request));
    methods::write::<Vpcs>(north, request, move |cloud, settings, _| {
        ops::vpc::disassociate(cloud, settings, vpc, block, etag)
    })
    .await
}

service!(
    Vpcs, vpcs_server::Vpcs, Vpc vpc vpcs,
    CreateVpcRequest UpdateVpcRequest VpcResponse ListVpcsResponse
    {
        associate_cidr(AssociateCidrRequest) => associate;
        disassociate_cidr(DisassociateCidrRequest) => disassociate;
    }
);
