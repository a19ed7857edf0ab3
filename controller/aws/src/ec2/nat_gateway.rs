//! NAT gateways.

use weft_model::{
    Cloud, ElasticAddressId, NatGateway, NatGatewayId,
    ops::nat_gateway::{self, Draft},
};

use super::{
    address::{address_of, association},
    subnet::subnet_named,
};
use crate::{
    Action, Answer, Ask, Fault, Listing, Stage, Xml, fault,
    filter::{Filter, filter},
    listing::tag_set,
    shape::{CLIENT_TOKEN, FILTERS, MAX_RESULTS, NEXT_TOKEN, TAGS, lacks, only, text, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateNatGateway",
        &[
            text("SubnetId").required(),
            text("AllocationId").required(),
            only("ConnectivityType", &["public"]),
            only("AvailabilityMode", &["zonal"]),
            lacks("VpcId"),
            lacks("AvailabilityZoneAddress"),
            lacks("PrivateIpAddress"),
            lacks("SecondaryAllocationId"),
            lacks("SecondaryPrivateIpAddress"),
            lacks("SecondaryPrivateIpAddressCount"),
            CLIENT_TOKEN,
            TAGS,
        ],
        create,
    ),
    Action::write(
        "DeleteNatGateway",
        &[text("NatGatewayId").required()],
        delete,
    ),
    Action::read(
        "DescribeNatGateways",
        &[texts("NatGatewayId"), FILTERS, MAX_RESULTS, NEXT_TOKEN],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
    Action::refused(
        "AssociateNatGatewayAddress",
        "a NAT gateway has one address",
    ),
    Action::refused(
        "DisassociateNatGatewayAddress",
        "a NAT gateway has one address",
    ),
    Action::refused(
        "AssignPrivateNatGatewayAddress",
        "a NAT gateway has one address",
    ),
    Action::refused(
        "UnassignPrivateNatGatewayAddress",
        "a NAT gateway has one address",
    ),
];

static LISTING: Listing<NatGateway, NatGatewayId> = Listing {
    ids: "NatGatewayId",
    set: "natGatewaySet",
    key: |nat| nat.id,
    meta: |nat| &nat.meta,
    all: |cloud, region| {
        Box::new(cloud.nat_gateways().filter(|nat| {
            let vpc = cloud.vpc(nat.vpc);
            vpc.is_some_and(|vpc| vpc.region == *region)
        }))
    },
    one: |cloud, region, id| {
        let nat = cloud.nat_gateway(id)?;
        let vpc = cloud.vpc(nat.vpc)?;
        (vpc.region == *region).then_some(nat)
    },
    filters: FILTERED,
    show: fields,
};

const FILTERED: &[Filter<NatGateway>] = &[
    filter("nat-gateway-id", |_, n, is| is(&n.id.to_string())),
    filter("state", |_, _, is| is("available")),
    filter("subnet-id", |_, n, is| is(&n.subnet.to_string())),
    filter("vpc-id", |_, n, is| is(&n.vpc.to_string())),
];

fn fields(_: &Ask, cloud: &Cloud, nat: &NatGateway, xml: &mut Xml) {
    xml.text("natGatewayId", nat.id);
    xml.text("vpcId", nat.vpc);
    xml.text("subnetId", nat.subnet);
    xml.text("state", "available");
    xml.text("connectivityType", "public");
    xml.list("natGatewayAddressSet", [nat], |xml, nat| {
        xml.text("allocationId", nat.elastic);
        xml.text("publicIp", nat.public);
        xml.text("privateIp", nat.private);
        xml.text("isPrimary", true);
        xml.text("status", "succeeded");
        let elastic = cloud.elastic_address(nat.elastic);
        xml.maybe("associationId", elastic.and_then(association));
    });
    tag_set(xml, &nat.meta);
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (cloud, args) = (stage.cloud(), ask.args());
    let subnet = subnet_named(ask, cloud, "SubnetId")?;
    let elastic: ElasticAddressId = args.needed_id("AllocationId")?;
    let address = address_of(ask, cloud, elastic)?;
    if address.association.is_some() {
        let message = format!("Elastic IP address [{elastic}] is already associated");
        return Err(Fault::new("Resource.AlreadyAssociated", message));
    }
    if cloud.internet_gateway_of(subnet.vpc).is_none() {
        let message = format!("Network {} has no Internet gateway attached", subnet.vpc);
        return Err(Fault::new("Gateway.NotAttached", message));
    }
    let draft = Draft {
        subnet: subnet.id,
        elastic,
        label: None,
    };
    let tags = args.tags_for("natgateway")?;
    let id: NatGatewayId = stage
        .create(|cloud, settings, entropy| nat_gateway::create(cloud, settings, draft, entropy))?;
    stage.tag(id, tags)?;
    let token = args.text("ClientToken").map(str::to_owned);
    Ok(Box::new(move |ask, cloud, xml| {
        xml.maybe("clientToken", token);
        xml.nest("natGateway", |xml| {
            if let Some(nat) = cloud.nat_gateway(id) {
                fields(ask, cloud, nat, xml);
            }
        });
    }))
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id: NatGatewayId = ask.args().needed_id("NatGatewayId")?;
    let nat = (LISTING.one)(stage.cloud(), &ask.region, id);
    nat.ok_or_else(|| fault::not_found(&id.into()))?;
    stage.run(|cloud, _, _| nat_gateway::delete(cloud, id, None))?;
    Ok(Box::new(move |_, _, xml| xml.text("natGatewayId", id)))
}
