//! Internet gateways and egress-only ones.

use weft_model::{
    Cloud, EgressGateway, EgressGatewayId, InternetGateway, InternetGatewayId, RegionName,
    ops::{egress_gateway, internet_gateway},
};

use super::vpc_named;
use crate::{
    Action, Answer, Ask, Fault, Listing, Stage, Xml,
    action::done,
    fault,
    filter::{Filter, filter},
    listing::tag_set,
    shape::{CLIENT_TOKEN, FILTERS, MAX_RESULTS, NEXT_TOKEN, TAGS, text, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write("CreateInternetGateway", &[TAGS], create),
    Action::write(
        "DeleteInternetGateway",
        &[text("InternetGatewayId").required()],
        delete,
    ),
    Action::write(
        "AttachInternetGateway",
        &[
            text("InternetGatewayId").required(),
            text("VpcId").required(),
        ],
        attach,
    ),
    Action::write(
        "DetachInternetGateway",
        &[
            text("InternetGatewayId").required(),
            text("VpcId").required(),
        ],
        detach,
    ),
    Action::read(
        "DescribeInternetGateways",
        &[texts("InternetGatewayId"), FILTERS, MAX_RESULTS, NEXT_TOKEN],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
    Action::write(
        "CreateEgressOnlyInternetGateway",
        &[text("VpcId").required(), CLIENT_TOKEN, TAGS],
        create_egress,
    ),
    Action::write(
        "DeleteEgressOnlyInternetGateway",
        &[text("EgressOnlyInternetGatewayId").required()],
        delete_egress,
    ),
    Action::read(
        "DescribeEgressOnlyInternetGateways",
        &[
            texts("EgressOnlyInternetGatewayId"),
            FILTERS,
            MAX_RESULTS,
            NEXT_TOKEN,
        ],
        |ask, cloud, xml| EGRESS.run(ask, cloud, xml),
    ),
];

/// One that was made without a region is of whichever its VPC is in, or of all.
fn is_of(cloud: &Cloud, gateway: &InternetGateway, region: &RegionName) -> bool {
    let of_vpc = gateway.vpc.and_then(|id| cloud.vpc(id));
    let own = gateway.region.as_ref().or(of_vpc.map(|vpc| &vpc.region));
    own.is_none_or(|own| own == region)
}

static LISTING: Listing<InternetGateway, InternetGatewayId> = Listing {
    ids: "InternetGatewayId",
    set: "internetGatewaySet",
    key: |gateway| gateway.id,
    meta: |gateway| &gateway.meta,
    all: |cloud, region| {
        let all = cloud.internet_gateways();
        Box::new(all.filter(move |gateway| is_of(cloud, gateway, region)))
    },
    one: |cloud, region, id| {
        let gateway = cloud.internet_gateway(id);
        gateway.filter(|gateway| is_of(cloud, gateway, region))
    },
    filters: FILTERED,
    show: fields,
};

const FILTERED: &[Filter<InternetGateway>] = &[
    filter("internet-gateway-id", |_, g, is| is(&g.id.to_string())),
    filter("attachment.vpc-id", |_, g, is| {
        g.vpc.iter().for_each(|vpc| is(&vpc.to_string()));
    }),
    filter("attachment.state", |_, g, is| {
        g.vpc.iter().for_each(|_| is("available"));
    }),
];

static EGRESS: Listing<EgressGateway, EgressGatewayId> = Listing {
    ids: "EgressOnlyInternetGatewayId",
    set: "egressOnlyInternetGatewaySet",
    key: |gateway| gateway.id,
    meta: |gateway| &gateway.meta,
    all: |cloud, region| {
        Box::new(cloud.egress_gateways().filter(|gateway| {
            let vpc = cloud.vpc(gateway.vpc);
            vpc.is_some_and(|vpc| vpc.region == *region)
        }))
    },
    one: |cloud, region, id| {
        let gateway = cloud.egress_gateway(id)?;
        let vpc = cloud.vpc(gateway.vpc)?;
        (vpc.region == *region).then_some(gateway)
    },
    filters: &[],
    show: egress_fields,
};

fn fields(ask: &Ask, _: &Cloud, gateway: &InternetGateway, xml: &mut Xml) {
    xml.text("internetGatewayId", gateway.id);
    xml.text("ownerId", &ask.account);
    xml.list("attachmentSet", gateway.vpc, |xml, vpc| {
        xml.text("vpcId", vpc);
        xml.text("state", "available");
    });
    tag_set(xml, &gateway.meta);
}

fn egress_fields(_: &Ask, _: &Cloud, gateway: &EgressGateway, xml: &mut Xml) {
    xml.text("egressOnlyInternetGatewayId", gateway.id);
    xml.list("attachmentSet", [gateway.vpc], |xml, vpc| {
        xml.text("vpcId", vpc);
        xml.text("state", "attached");
    });
    tag_set(xml, &gateway.meta);
}

fn named<'a>(ask: &Ask, cloud: &'a Cloud) -> Result<&'a InternetGateway, Fault> {
    let id: InternetGatewayId = ask.args().needed_id("InternetGatewayId")?;
    let gateway = (LISTING.one)(cloud, &ask.region, id);
    gateway.ok_or_else(|| fault::not_found(&id.into()))
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let tags = ask.args().tags_for("internet-gateway")?;
    let draft = internet_gateway::Draft {
        vpc: None,
        label: None,
    };
    let region = ask.region.clone();
    let id: InternetGatewayId = stage.create(|cloud, settings, entropy| {
        internet_gateway::create_in(cloud, settings, region, draft, entropy)
    })?;
    stage.tag(id, tags)?;
    Ok(Box::new(move |ask, cloud, xml| {
        xml.nest("internetGateway", |xml| {
            if let Some(gateway) = cloud.internet_gateway(id) {
                fields(ask, cloud, gateway, xml);
            }
        });
    }))
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id = named(ask, stage.cloud())?.id;
    stage.run(|cloud, _, _| internet_gateway::delete(cloud, id, None))?;
    Ok(done())
}

fn attach(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let cloud = stage.cloud();
    let gateway = named(ask, cloud)?;
    let vpc = vpc_named(ask, cloud, "VpcId")?.id;
    if gateway.vpc.is_some() {
        let message = format!(
            "resource {} is already attached to network {vpc}",
            gateway.id
        );
        return Err(Fault::new("Resource.AlreadyAssociated", message));
    }
    if cloud.internet_gateway_of(vpc).is_some() {
        let message = format!("Network {vpc} already has an internet gateway attached");
        return Err(Fault::new("InvalidParameterValue", message));
    }
    put(stage, gateway.id, Some(vpc))
}

fn put(
    stage: &mut Stage<'_>,
    id: InternetGatewayId,
    vpc: Option<weft_model::VpcId>,
) -> Result<Answer, Fault> {
    let update = internet_gateway::Update {
        vpc: Some(vpc),
        label: None,
    };
    stage.run(|cloud, _, _| internet_gateway::update(cloud, id, update, None))?;
    Ok(done())
}

fn detach(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let cloud = stage.cloud();
    let gateway = named(ask, cloud)?;
    let vpc = vpc_named(ask, cloud, "VpcId")?.id;
    if gateway.vpc != Some(vpc) {
        let message = format!("resource {} is not attached to network {vpc}", gateway.id);
        return Err(Fault::new("Gateway.NotAttached", message));
    }
    let id = gateway.id;
    put(stage, id, None).map_err(|fault| {
        if fault.code != "DependencyViolation" {
            return fault;
        }
        let message = format!(
            "Network {vpc} has some mapped public address(es). Please unmap those public address(es) \
             before detaching the gateway."
        );
        Fault::new("DependencyViolation", message)
    })
}

fn create_egress(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let tags = ask.args().tags_for("egress-only-internet-gateway")?;
    let vpc = vpc_named(ask, stage.cloud(), "VpcId")?.id;
    let draft = egress_gateway::Draft { vpc, label: None };
    let id: EgressGatewayId =
        stage.create(|cloud, _, entropy| egress_gateway::create(cloud, draft, entropy))?;
    stage.tag(id, tags)?;
    let token = ask.args().text("ClientToken").map(str::to_owned);
    Ok(Box::new(move |ask, cloud, xml| {
        xml.maybe("clientToken", token);
        xml.nest("egressOnlyInternetGateway", |xml| {
            if let Some(gateway) = cloud.egress_gateway(id) {
                egress_fields(ask, cloud, gateway, xml);
            }
        });
    }))
}

fn delete_egress(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id: EgressGatewayId = ask.args().needed_id("EgressOnlyInternetGatewayId")?;
    let found = (EGRESS.one)(stage.cloud(), &ask.region, id);
    found.ok_or_else(|| fault::not_found(&id.into()))?;
    stage.run(|cloud, _, _| egress_gateway::delete(cloud, id, None))?;
    Ok(Box::new(|_, _, xml| xml.text("returnCode", true)))
}
