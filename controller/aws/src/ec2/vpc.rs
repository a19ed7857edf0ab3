//! VPCs.

use weft_model::{
    Block4, Cloud, Prefix, ResourceKey, Vpc, VpcDns, VpcId,
    ops::{
        OpError, default_vpc,
        vpc::{self, Block, Draft, Update},
    },
};

use super::{block4, region::dhcp_options, vpc_named, vpc_of};
use crate::{
    Action, Answer, Ask, Fault, Listing, Stage, Xml,
    action::done,
    filter::{Filter, filter},
    ids,
    listing::tag_set,
    shape::{FILTERS, MAX_RESULTS, NEXT_TOKEN, TAGS, boolean, group, lacks, only, text, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateVpc",
        &[
            text("CidrBlock").required(),
            boolean("AmazonProvidedIpv6CidrBlock"),
            only("InstanceTenancy", &["default"]),
            lacks("Ipv6Pool"),
            lacks("Ipv6CidrBlock"),
            lacks("Ipv6CidrBlockNetworkBorderGroup"),
            lacks("Ipv4IpamPoolId"),
            lacks("Ipv4NetmaskLength"),
            lacks("Ipv6IpamPoolId"),
            lacks("Ipv6NetmaskLength"),
            TAGS,
        ],
        create,
    ),
    Action::write("CreateDefaultVpc", &[], create_default),
    Action::write("DeleteVpc", &[text("VpcId").required()], delete),
    Action::read(
        "DescribeVpcs",
        &[texts("VpcId"), FILTERS, MAX_RESULTS, NEXT_TOKEN],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
    Action::read(
        "DescribeVpcAttribute",
        &[text("VpcId").required(), text("Attribute").required()],
        attribute,
    ),
    Action::write(
        "ModifyVpcAttribute",
        &[
            text("VpcId").required(),
            group("EnableDnsSupport", &[boolean("Value")]),
            group("EnableDnsHostnames", &[boolean("Value")]),
            lacks("EnableNetworkAddressUsageMetrics"),
        ],
        modify,
    ),
    Action::write(
        "AssociateVpcCidrBlock",
        &[
            text("VpcId").required(),
            text("CidrBlock"),
            boolean("AmazonProvidedIpv6CidrBlock"),
            lacks("Ipv6Pool"),
            lacks("Ipv6CidrBlock"),
            lacks("Ipv6CidrBlockNetworkBorderGroup"),
            lacks("Ipv4IpamPoolId"),
            lacks("Ipv4NetmaskLength"),
            lacks("Ipv6IpamPoolId"),
            lacks("Ipv6NetmaskLength"),
        ],
        associate,
    ),
    Action::write(
        "DisassociateVpcCidrBlock",
        &[text("AssociationId").required()],
        disassociate,
    ),
    Action::refused("ModifyVpcTenancy", "there are no instances of a tenancy"),
];

/// Their listing.
static LISTING: Listing<Vpc, VpcId> = Listing {
    ids: "VpcId",
    set: "vpcSet",
    key: |vpc| vpc.id,
    meta: |vpc| &vpc.meta,
    all: |cloud, region| Box::new(cloud.vpcs_in_region(region)),
    one: |cloud, region, id| cloud.vpc(id).filter(|vpc| vpc.region == *region),
    filters: FILTERED,
    show: |ask, cloud, vpc, xml| fields(ask, cloud, vpc, xml),
};

const FILTERED: &[Filter<Vpc>] = &[
    filter("vpc-id", |_, vpc, is| is(&vpc.id.to_string())),
    filter("cidr", |_, vpc, is| is(&vpc.primary.to_string())),
    filter("cidrBlock", |_, vpc, is| is(&vpc.primary.to_string())),
    filter("cidr-block", |_, vpc, is| is(&vpc.primary.to_string())),
    filter("state", |_, _, is| is("available")),
    filter("is-default", |_, vpc, is| is(&vpc.meta.preset.to_string())),
    filter("isDefault", |_, vpc, is| is(&vpc.meta.preset.to_string())),
    filter("dhcp-options-id", |_, vpc, is| {
        is(&dhcp_options(&vpc.region));
    }),
    filter("cidr-block-association.cidr-block", |_, vpc, is| {
        vpc.blocks4().for_each(|block| is(&block.to_string()));
    }),
    filter("cidr-block-association.association-id", |_, vpc, is| {
        vpc.blocks4()
            .for_each(|block| is(&association(vpc, block.into())));
    }),
    filter("cidr-block-association.state", |_, _, is| is("associated")),
    filter(
        "ipv6-cidr-block-association.ipv6-cidr-block",
        |_, vpc, is| {
            vpc.ipv6.iter().for_each(|block| is(&block.to_string()));
        },
    ),
    filter(
        "ipv6-cidr-block-association.association-id",
        |_, vpc, is| {
            let ids = vpc
                .ipv6
                .iter()
                .map(|block| association(vpc, (*block).into()));
            ids.for_each(|id| is(&id));
        },
    ),
    filter("ipv6-cidr-block-association.state", |_, vpc, is| {
        vpc.ipv6.iter().for_each(|_| is("associated"));
    }),
];

/// The id of a VPC's having a block.
fn association(vpc: &Vpc, block: Prefix) -> String {
    ids::derived("vpc-cidr-assoc", &[&vpc.id, &block])
}

/// Writes what a VPC is.
fn fields(ask: &Ask, _: &Cloud, vpc: &Vpc, xml: &mut Xml) {
    xml.text("vpcId", vpc.id);
    xml.text("ownerId", &ask.account);
    xml.text("state", "available");
    xml.text("cidrBlock", vpc.primary);
    xml.list("cidrBlockAssociationSet", vpc.blocks4(), |xml, block| {
        block_fields(vpc, block.into(), "associated", xml);
    });
    xml.list("ipv6CidrBlockAssociationSet", &vpc.ipv6, |xml, block| {
        block_fields(vpc, (*block).into(), "associated", xml);
    });
    xml.text("dhcpOptionsId", dhcp_options(&vpc.region));
    xml.text("instanceTenancy", "default");
    xml.text("isDefault", vpc.meta.preset);
    tag_set(xml, &vpc.meta);
}

fn block_fields(vpc: &Vpc, block: Prefix, state: &str, xml: &mut Xml) {
    xml.text("associationId", association(vpc, block));
    let (name, around) = if block.is_v6() {
        xml.text("ipv6Pool", "Amazon");
        xml.text("networkBorderGroup", &vpc.region);
        ("ipv6CidrBlock", "ipv6CidrBlockState")
    } else {
        ("cidrBlock", "cidrBlockState")
    };
    xml.text(name, block);
    xml.nest(around, |xml| xml.text("state", state));
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let args = ask.args();
    let draft = Draft {
        region: ask.region.clone(),
        primary: block4("cidrBlock", args.needed("CidrBlock")?, "InvalidVpc.Range")?,
        secondary: Vec::new(),
        ipv6: Vec::new(),
        assign_ipv6: args.flag("AmazonProvidedIpv6CidrBlock") == Some(true),
        dns: VpcDns {
            support: true,
            hostnames: false,
            forwards: Vec::new(),
        },
        label: None,
    };
    let tags = args.tags_for("vpc")?;
    let id: VpcId =
        stage.create(|cloud, settings, entropy| vpc::create(cloud, settings, draft, entropy))?;
    stage.tag(id, tags)?;
    Ok(made(id))
}

fn create_default(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let made_id = stage.create(|cloud, settings, entropy| {
        default_vpc::create(cloud, settings, &ask.region, entropy)
    });
    let id: VpcId = made_id.map_err(|error| match error {
        OpError::AlreadyExists(ResourceKey::Vpc(_)) => {
            let message = "A Default VPC already exists for this account in this region.";
            Fault::new("DefaultVpcAlreadyExists", message)
        }
        error => error.into(),
    })?;
    Ok(made(id))
}

/// Answers with the VPC.
fn made(id: VpcId) -> Answer {
    Box::new(move |ask, cloud, xml| {
        xml.nest("vpc", |xml| {
            if let Some(vpc) = cloud.vpc(id) {
                fields(ask, cloud, vpc, xml);
            }
        });
    })
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let vpc = vpc_named(ask, stage.cloud(), "VpcId")?.id;
    stage.run(|cloud, _, _| vpc::delete(cloud, vpc, None))?;
    Ok(done())
}

fn attribute(ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let vpc = vpc_named(ask, cloud, "VpcId")?;
    let (name, value) = match ask.args().needed("Attribute")? {
        "enableDnsSupport" => ("enableDnsSupport", vpc.dns.support),
        "enableDnsHostnames" => ("enableDnsHostnames", vpc.dns.hostnames),
        "enableNetworkAddressUsageMetrics" => ("enableNetworkAddressUsageMetrics", false),
        other => {
            let why =
                "Use enableDnsSupport, enableDnsHostnames or enableNetworkAddressUsageMetrics.";
            return Err(Fault::value("attribute", other, why));
        }
    };
    xml.text("vpcId", vpc.id);
    xml.nest(name, |xml| xml.text("value", value));
    Ok(())
}

fn modify(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let args = ask.args();
    let vpc = vpc_named(ask, stage.cloud(), "VpcId")?.id;
    let update = Update {
        dns_support: args.attribute("EnableDnsSupport"),
        dns_hostnames: args.attribute("EnableDnsHostnames"),
        ..Update::default()
    };
    match (update.dns_support, update.dns_hostnames) {
        (None, None) => return Err(Fault::missing("attribute")),
        (Some(_), Some(_)) => {
            let message = "Fields for multiple attribute types specified: enableDnsHostnames, enableDnsSupport";
            return Err(Fault::combination(message));
        }
        _ => {}
    }
    stage.run(|cloud, settings, _| vpc::update(cloud, settings, vpc, update, None))?;
    Ok(done())
}

fn associate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let args = ask.args();
    let vpc = vpc_named(ask, stage.cloud(), "VpcId")?;
    let amazon = args.flag("AmazonProvidedIpv6CidrBlock") == Some(true);
    let block = match (args.text("CidrBlock"), amazon) {
        (Some(text), false) => {
            let block = block4("cidrBlock", text, "InvalidVpc.Range")?;
            check_apart(vpc, block)?;
            Block::Ipv4(block)
        }
        (None, true) => Block::AnyIpv6,
        (None, false) => return Err(Fault::missing("CidrBlock")),
        (Some(_), true) => {
            let message = "The parameter CidrBlock cannot be used with the parameter \
                           AmazonProvidedIpv6CidrBlock";
            return Err(Fault::combination(message));
        }
    };
    let id = vpc.id;
    stage.run(|cloud, settings, _| vpc::associate(cloud, settings, id, block, None))?;
    Ok(Box::new(move |_, cloud, xml| {
        let Some(vpc) = cloud.vpc(id) else { return };
        xml.text("vpcId", id);
        let last4 = vpc.blocks4().last().map(Prefix::from);
        let last6 = vpc.ipv6.last().copied().map(Prefix::from);
        let (name, block) = match block {
            Block::Ipv4(_) => ("cidrBlockAssociation", last4),
            Block::Ipv6(_) | Block::AnyIpv6 => ("ipv6CidrBlockAssociation", last6),
        };
        if let Some(block) = block {
            xml.nest(name, |xml| block_fields(vpc, block, "associating", xml));
        }
    }))
}

fn check_apart(vpc: &Vpc, block: Block4) -> Result<(), Fault> {
    match vpc.blocks4().find(|own| own.overlaps(block)) {
        Some(own) => Err(Fault::new(
            "InvalidVpc.Range",
            format!("The CIDR '{block}' overlaps with the CIDR '{own}' of the VPC."),
        )),
        None => Ok(()),
    }
}

fn disassociate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id = ask.args().needed("AssociationId")?.to_owned();
    let (vpc, block) = find_association(ask, stage.cloud(), &id).ok_or_else(|| {
        let message = format!("The vpc CIDR block association ID '{id}' does not exist");
        Fault::new("InvalidVpcCidrBlockAssociationID.NotFound", message)
    })?;
    if Prefix::from(vpc_of(stage.cloud(), &ask.region, vpc)?.primary) == block {
        let message = format!(
            "The vpc CIDR block with association ID {id} may not be disassociated. It is the primary \
             IPv4 CIDR block of the VPC"
        );
        return Err(Fault::new("OperationNotPermitted", message));
    }
    stage.run(|cloud, settings, _| vpc::disassociate(cloud, settings, vpc, block, None))?;
    Ok(Box::new(move |_, _, xml| {
        xml.text("vpcId", vpc);
        let (name, field, state) = if block.is_v6() {
            (
                "ipv6CidrBlockAssociation",
                "ipv6CidrBlock",
                "ipv6CidrBlockState",
            )
        } else {
            ("cidrBlockAssociation", "cidrBlock", "cidrBlockState")
        };
        xml.nest(name, |xml| {
            xml.text("associationId", &id);
            xml.text(field, block);
            xml.nest(state, |xml| xml.text("state", "disassociating"));
        });
    }))
}

fn find_association(ask: &Ask, cloud: &Cloud, id: &str) -> Option<(VpcId, Prefix)> {
    cloud.vpcs_in_region(&ask.region).find_map(|vpc| {
        let mut blocks = vpc.blocks();
        let block = blocks.find(|block| association(vpc, *block) == id)?;
        Some((vpc.id, block))
    })
}
