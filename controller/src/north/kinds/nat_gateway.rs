//! NAT gateways.

use std::collections::BTreeMap;

use weft_model::{
    HostName, NatGateway, NatGatewayId,
    ops::nat_gateway::{Draft, Update},
};

use super::prelude::*;

pub(in crate::north) struct NatGateways;

impl Exposed for NatGateways {
    const KIND: Kind = Kind::NatGateway;
    const FIELD: &'static str = "nat_gateway";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["meta.name"],
        fixed: &[
            "id",
            "vpc",
            "subnet",
            "elastic_address",
            "public_ipv4",
            "private_ipv4",
            "meta",
            "leases",
        ],
    };

    type Key = NatGatewayId;
    type Model = NatGateway;
    type Wire = wire::NatGateway;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateNatGatewayRequest;
    type UpdateRequest = wire::UpdateNatGatewayRequest;
    type Answer = wire::NatGatewayResponse;
    type Page = wire::ListNatGatewaysResponse;

    fn of(resource: &Resource) -> Option<&NatGateway> {
        match resource {
            Resource::NatGateway(nat) => Some(nat),
            _ => None,
        }
    }

    fn key(nat: &NatGateway) -> NatGatewayId {
        nat.id
    }

    fn key_text(nat: &wire::NatGateway) -> &str {
        &nat.id
    }

    fn show(cloud: &Cloud, nat: &NatGateway) -> wire::NatGateway {
        wire::NatGateway {
            leases: leases(cloud, nat.id),
            ..nat.into()
        }
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &NatGateway>> {
        Some(cloud.nat_gateways_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateNatGatewayRequest,
        nat: &wire::NatGateway,
    ) -> Result<Draft, Reported> {
        let given = [
            ("id", &nat.id),
            ("vpc", &nat.vpc),
            ("public_ipv4", &nat.public_ipv4),
            ("private_ipv4", &nat.private_ipv4),
        ];
        let given = given.map(|(field, text)| given_by_controller(fields, field, text));
        let subnet = fields.required("subnet", &nat.subnet);
        let elastic = match nat.elastic_address.as_str() {
            "" => Err(fields.refuse(
                "elastic_address",
                "is required: a gateway without a public address has nowhere to lead yet",
            )),
            text => fields.text("elastic_address", text),
        };
        let label = label(fields, nat.meta.as_ref());
        given.into_iter().collect::<Result<(), Reported>>()?;
        Ok(Draft {
            subnet: subnet?,
            elastic: elastic?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        nat: &wire::NatGateway,
    ) -> Result<Update, Reported> {
        let label = mask.pick("meta.name", || label(fields, nat.meta.as_ref()))?;
        Ok(Update { label })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::nat_gateway::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: NatGatewayId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::nat_gateway::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: NatGatewayId, etag: Option<Revision>) -> Changes {
        ops::nat_gateway::delete(cloud, id, etag)
    }
}

/// How many of the gateway's ports each host holds; those that rest first.
fn leases(cloud: &Cloud, nat: NatGatewayId) -> Vec<wire::PortLeases> {
    let mut by_host: BTreeMap<Option<&HostName>, u32> = BTreeMap::new();
    for lease in cloud.leases_of_nat(nat) {
        let ports = lease.key.ports();
        let count = u32::from(ports.last() - ports.first()) + 1;
        *by_host.entry(lease.host.as_ref()).or_default() += count;
    }
    let shown = by_host.into_iter().map(|(host, ports)| wire::PortLeases {
        host: host.map(ToString::to_string).unwrap_or_default(),
        ports,
    });
    shown.collect()
}

service!(
    NatGateways, nat_gateways_server::NatGateways, NatGateway nat_gateway nat_gateways,
    CreateNatGatewayRequest UpdateNatGatewayRequest NatGatewayResponse ListNatGatewaysResponse {}
);
