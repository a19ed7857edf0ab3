//! VPC peerings.

use weft_model::{
    Cloud, Peering, PeeringId, PeeringStatus, RegionName, Vpc, VpcId,
    ops::peering::{self, Draft},
};

use super::vpc_named;
use crate::{
    Action, Answer, Ask, Fault, Listing, Stage, Xml,
    action::done,
    fault,
    filter::{Filter, filter},
    listing::tag_set,
    shape::{FILTERS, MAX_RESULTS, NEXT_TOKEN, Param, TAGS, group, only, text, texts},
};

/// Options of a side: what Weft does anyway.
const OPTIONS: &[Param] = &[
    only("AllowDnsResolutionFromRemoteVpc", &["false"]),
    only("AllowEgressFromLocalClassicLinkToRemoteVpc", &["false"]),
    only("AllowEgressFromLocalVpcToRemoteClassicLink", &["false"]),
];

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateVpcPeeringConnection",
        &[
            text("VpcId").required(),
            text("PeerVpcId").required(),
            text("PeerOwnerId"),
            text("PeerRegion"),
            TAGS,
        ],
        create,
    )
    .without("peers of another account"),
    Action::write(
        "AcceptVpcPeeringConnection",
        &[text("VpcPeeringConnectionId").required()],
        accept,
    ),
    Action::write(
        "RejectVpcPeeringConnection",
        &[text("VpcPeeringConnectionId").required()],
        reject,
    ),
    Action::write(
        "DeleteVpcPeeringConnection",
        &[text("VpcPeeringConnectionId").required()],
        delete,
    ),
    Action::read(
        "DescribeVpcPeeringConnections",
        &[
            texts("VpcPeeringConnectionId"),
            FILTERS,
            MAX_RESULTS,
            NEXT_TOKEN,
        ],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
    Action::write(
        "ModifyVpcPeeringConnectionOptions",
        &[
            text("VpcPeeringConnectionId").required(),
            group("RequesterPeeringConnectionOptions", OPTIONS),
            group("AccepterPeeringConnectionOptions", OPTIONS),
        ],
        modify,
    )
    .without("names of the other VPC"),
];

static LISTING: Listing<Peering, PeeringId> = Listing {
    ids: "VpcPeeringConnectionId",
    set: "vpcPeeringConnectionSet",
    key: |peering| peering.id,
    meta: |peering| &peering.meta,
    all: |cloud, region| {
        let all = cloud.peerings();
        Box::new(all.filter(move |peering| is_of(cloud, peering, region)))
    },
    one: |cloud, region, id| {
        let peering = cloud.peering(id);
        peering.filter(|peering| is_of(cloud, peering, region))
    },
    filters: FILTERED,
    show: fields,
};

const FILTERED: &[Filter<Peering>] = &[
    filter("vpc-peering-connection-id", |_, p, is| {
        is(&p.id.to_string());
    }),
    filter("status-code", |_, p, is| is(p.status.text())),
    filter("requester-vpc-info.vpc-id", |_, p, is| {
        is(&p.requester.to_string());
    }),
    filter("accepter-vpc-info.vpc-id", |_, p, is| {
        is(&p.accepter.to_string());
    }),
    filter("requester-vpc-info.cidr-block", |cloud, p, is| {
        cloud
            .vpc(p.requester)
            .iter()
            .for_each(|vpc| is(&vpc.primary.to_string()));
    }),
    filter("accepter-vpc-info.cidr-block", |cloud, p, is| {
        cloud
            .vpc(p.accepter)
            .iter()
            .for_each(|vpc| is(&vpc.primary.to_string()));
    }),
];

/// A peering is of the regions of both its sides.
fn is_of(cloud: &Cloud, peering: &Peering, region: &RegionName) -> bool {
    let mut sides = [peering.requester, peering.accepter].into_iter();
    sides.any(|vpc| cloud.vpc(vpc).is_some_and(|vpc| vpc.region == *region))
}

fn fields(ask: &Ask, cloud: &Cloud, peering: &Peering, xml: &mut Xml) {
    xml.text("vpcPeeringConnectionId", peering.id);
    side(ask, cloud, "requesterVpcInfo", peering.requester, xml);
    side(ask, cloud, "accepterVpcInfo", peering.accepter, xml);
    let account = &ask.account;
    let message = match peering.status {
        PeeringStatus::PendingAcceptance => format!("Pending Acceptance by {account}"),
        PeeringStatus::Active => "Active".to_owned(),
        PeeringStatus::Rejected => format!("Rejected by {account}"),
    };
    xml.nest("status", |xml| {
        xml.text("code", peering.status);
        xml.text("message", message);
    });
    tag_set(xml, &peering.meta);
}

fn side(ask: &Ask, cloud: &Cloud, name: &str, id: VpcId, xml: &mut Xml) {
    xml.nest(name, |xml| {
        xml.text("ownerId", &ask.account);
        xml.text("vpcId", id);
        let Some(vpc) = cloud.vpc(id) else { return };
        xml.text("cidrBlock", vpc.primary);
        xml.list("cidrBlockSet", vpc.blocks4(), |xml, block| {
            xml.text("cidrBlock", block);
        });
        xml.list("ipv6CidrBlockSet", &vpc.ipv6, |xml, block| {
            xml.text("ipv6CidrBlock", block);
        });
        xml.text("region", &vpc.region);
        options("peeringOptions", xml);
    });
}

fn options(name: &str, xml: &mut Xml) {
    xml.nest(name, |xml| {
        for option in OPTIONS {
            let (first, rest) = option.name.split_at(1);
            xml.text(&format!("{}{rest}", first.to_ascii_lowercase()), false);
        }
    });
}

fn named<'a>(ask: &Ask, cloud: &'a Cloud) -> Result<&'a Peering, Fault> {
    let id: PeeringId = ask.args().needed_id("VpcPeeringConnectionId")?;
    let peering = (LISTING.one)(cloud, &ask.region, id);
    peering.ok_or_else(|| fault::not_found(&id.into()))
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (cloud, args) = (stage.cloud(), ask.args());
    let requester = vpc_named(ask, cloud, "VpcId")?;
    let owner = args.text("PeerOwnerId");
    if owner.is_some_and(|owner| owner != ask.account.as_str()) {
        return Err(Fault::unsupported("There is one account: peers are of it"));
    }
    let id: VpcId = args.needed_id("PeerVpcId")?;
    let region = args.text("PeerRegion").unwrap_or(ask.region.as_str());
    let there = cloud.vpc(id).filter(|vpc| vpc.region.as_str() == region);
    let accepter = there.ok_or_else(|| fault::not_found(&id.into()))?;
    check_pair(cloud, requester, accepter)?;
    let draft = Draft {
        requester: requester.id,
        accepter: accepter.id,
        label: None,
    };
    let tags = args.tags_for("vpc-peering-connection")?;
    let id: PeeringId = stage
        .create(|cloud, settings, entropy| peering::create(cloud, settings, draft, entropy))?;
    stage.tag(id, tags)?;
    Ok(shown(id))
}

fn check_pair(cloud: &Cloud, requester: &Vpc, accepter: &Vpc) -> Result<(), Fault> {
    if requester.id == accepter.id {
        let message = "A VPC can't be peered with itself";
        return Err(Fault::new("InvalidParameterValue", message));
    }
    let mut peerings = cloud.peerings_of_vpc(requester.id);
    let same = |p: &&Peering| {
        p.other(requester.id) == Some(accepter.id) && p.status != PeeringStatus::Rejected
    };
    match peerings.find(same) {
        Some(old) => Err(Fault::new(
            "VpcPeeringConnectionAlreadyExists",
            format!("{} joins the VPCs already", old.id),
        )),
        None => Ok(()),
    }
}

/// Answers with the peering.
fn shown(id: PeeringId) -> Answer {
    Box::new(move |ask, cloud, xml| {
        xml.nest("vpcPeeringConnection", |xml| {
            if let Some(peering) = cloud.peering(id) {
                fields(ask, cloud, peering, xml);
            }
        });
    })
}

/// The peering that the caller's region may answer.
fn pending(ask: &Ask, cloud: &Cloud) -> Result<PeeringId, Fault> {
    let peering = named(ask, cloud)?;
    let id = peering.id;
    let accepter = cloud.vpc(peering.accepter);
    if accepter.is_none_or(|vpc| vpc.region != ask.region) {
        let message = format!("{id} is answered in the region of the accepter's VPC");
        return Err(Fault::new("OperationNotPermitted", message));
    }
    if peering.status != PeeringStatus::PendingAcceptance {
        let message = format!("{id} is {}, not pending-acceptance", peering.status);
        return Err(Fault::new("InvalidStateTransition", message));
    }
    Ok(id)
}

fn accept(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id = pending(ask, stage.cloud())?;
    stage.run(|cloud, settings, _| peering::accept(cloud, settings, id, None))?;
    Ok(shown(id))
}

fn reject(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id = pending(ask, stage.cloud())?;
    stage.run(|cloud, _, _| peering::reject(cloud, id, None))?;
    Ok(done())
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id = named(ask, stage.cloud())?.id;
    stage.run(|cloud, _, _| peering::delete(cloud, id, None))?;
    Ok(done())
}

/// Only what is there already can be asked for.
fn modify(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id = named(ask, stage.cloud())?.id;
    let same = peering::Update::default();
    stage.run(|cloud, _, _| peering::update(cloud, id, same, None))?;
    Ok(Box::new(move |ask, _, xml| {
        for side in [
            "RequesterPeeringConnectionOptions",
            "AccepterPeeringConnectionOptions",
        ] {
            if ask.args().group(side).is_some() {
                let (first, rest) = side.split_at(1);
                options(&format!("{}{rest}", first.to_ascii_lowercase()), xml);
            }
        }
    }))
}
