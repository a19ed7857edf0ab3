//! Subnets.

use weft_model::{
    Cloud, ResourceKey, Subnet, SubnetBlock6, SubnetId, Vpc, Zone,
    ops::{
        OpError, default_vpc,
        subnet::{self, Draft, Update},
    },
};

use super::{block4, vpc_named};
use crate::{
    Action, Answer, Ask, Fault, Listing, Stage, Xml,
    action::done,
    fault,
    filter::{Filter, filter},
    ids,
    listing::tag_set,
    shape::{
        FILTERS, MAX_RESULTS, NEXT_TOKEN, Param, TAGS, boolean, group, lacks, only, text, texts,
    },
};

/// An attribute that can only be off.
const fn off(name: &'static str) -> Param {
    const VALUE: &[Param] = &[only("Value", &["false"])];
    group(name, VALUE)
}

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateSubnet",
        &[
            text("VpcId").required(),
            text("CidrBlock").required(),
            text("Ipv6CidrBlock"),
            text("AvailabilityZone"),
            text("AvailabilityZoneId"),
            only("Ipv6Native", &["false"]),
            lacks("OutpostArn"),
            lacks("Ipv4IpamPoolId"),
            lacks("Ipv4NetmaskLength"),
            lacks("Ipv6IpamPoolId"),
            lacks("Ipv6NetmaskLength"),
            TAGS,
        ],
        create,
    ),
    Action::write(
        "CreateDefaultSubnet",
        &[
            text("AvailabilityZone").required(),
            only("Ipv6Native", &["false"]),
        ],
        create_default,
    ),
    Action::write("DeleteSubnet", &[text("SubnetId").required()], delete),
    Action::read(
        "DescribeSubnets",
        &[texts("SubnetId"), FILTERS, MAX_RESULTS, NEXT_TOKEN],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
    Action::write(
        "ModifySubnetAttribute",
        &[
            text("SubnetId").required(),
            group("MapPublicIpOnLaunch", &[boolean("Value")]),
            off("AssignIpv6AddressOnCreation"),
            off("MapCustomerOwnedIpOnLaunch"),
            off("EnableDns64"),
            off("EnableResourceNameDnsARecordOnLaunch"),
            off("EnableResourceNameDnsAAAARecordOnLaunch"),
            only("PrivateDnsHostnameTypeOnLaunch", &["ip-name"]),
            lacks("CustomerOwnedIpv4Pool"),
            lacks("EnableLniAtDeviceIndex"),
            lacks("DisableLniAtDeviceIndex"),
        ],
        modify,
    ),
    Action::write(
        "AssociateSubnetCidrBlock",
        &[
            text("SubnetId").required(),
            text("Ipv6CidrBlock").required(),
            lacks("Ipv6IpamPoolId"),
            lacks("Ipv6NetmaskLength"),
        ],
        associate,
    ),
    Action::write(
        "DisassociateSubnetCidrBlock",
        &[text("AssociationId").required()],
        disassociate,
    ),
];

static LISTING: Listing<Subnet, SubnetId> = Listing {
    ids: "SubnetId",
    set: "subnetSet",
    key: |subnet| subnet.id,
    meta: |subnet| &subnet.meta,
    all: |cloud, region| {
        Box::new(cloud.subnets().filter(|subnet| {
            let vpc = cloud.vpc(subnet.vpc);
            vpc.is_some_and(|vpc| vpc.region == *region)
        }))
    },
    one: |cloud, region, id| {
        let subnet = cloud.subnet(id)?;
        let vpc = cloud.vpc(subnet.vpc)?;
        (vpc.region == *region).then_some(subnet)
    },
    filters: FILTERED,
    show: fields,
};

const FILTERED: &[Filter<Subnet>] = &[
    filter("subnet-id", |_, s, is| is(&s.id.to_string())),
    filter("vpc-id", |_, s, is| is(&s.vpc.to_string())),
    filter("state", |_, _, is| is("available")),
    filter("availability-zone", |_, s, is| is(s.zone.as_str())),
    filter("availabilityZone", |_, s, is| is(s.zone.as_str())),
    filter("availability-zone-id", |_, s, is| is(s.zone.as_str())),
    filter("cidr", |_, s, is| is(&s.ipv4.to_string())),
    filter("cidrBlock", |_, s, is| is(&s.ipv4.to_string())),
    filter("cidr-block", |_, s, is| is(&s.ipv4.to_string())),
    filter("default-for-az", |_, s, is| is(&s.meta.preset.to_string())),
    filter("defaultForAz", |_, s, is| is(&s.meta.preset.to_string())),
    filter("map-public-ip-on-launch", |_, s, is| {
        is(&s.map_public_ip.to_string());
    }),
    filter("ipv6-native", |_, _, is| is("false")),
    filter("available-ip-address-count", |cloud, s, is| {
        is(&cloud.available_addresses(s).to_string());
    }),
    filter("ipv6-cidr-block-association.ipv6-cidr-block", |_, s, is| {
        s.ipv6.iter().for_each(|block| is(&block.to_string()));
    }),
    filter("ipv6-cidr-block-association.association-id", |_, s, is| {
        s.ipv6.iter().for_each(|block| is(&association(s, *block)));
    }),
    filter("ipv6-cidr-block-association.state", |_, s, is| {
        s.ipv6.iter().for_each(|_| is("associated"));
    }),
];

/// The subnet of this id in the region.
pub(super) fn subnet_of<'a>(
    ask: &Ask,
    cloud: &'a Cloud,
    id: SubnetId,
) -> Result<&'a Subnet, Fault> {
    let subnet = (LISTING.one)(cloud, &ask.region, id);
    subnet.ok_or_else(|| fault::not_found(&id.into()))
}

/// The subnet that a required parameter names.
pub(super) fn subnet_named<'a>(
    ask: &Ask,
    cloud: &'a Cloud,
    name: &str,
) -> Result<&'a Subnet, Fault> {
    subnet_of(ask, cloud, ask.args().needed_id(name)?)
}

fn association(subnet: &Subnet, block: SubnetBlock6) -> String {
    ids::derived("subnet-cidr-assoc", &[&subnet.id, &block])
}

fn fields(ask: &Ask, cloud: &Cloud, subnet: &Subnet, xml: &mut Xml) {
    xml.text("subnetId", subnet.id);
    let (region, account) = (&ask.region, &ask.account);
    xml.text(
        "subnetArn",
        format!("arn:aws:ec2:{region}:{account}:subnet/{}", subnet.id),
    );
    xml.text("state", "available");
    xml.text("vpcId", subnet.vpc);
    xml.text("ownerId", account);
    xml.text("cidrBlock", subnet.ipv4);
    xml.list("ipv6CidrBlockAssociationSet", subnet.ipv6, |xml, block| {
        block_fields(subnet, block, "associated", xml);
    });
    xml.text("availableIpAddressCount", cloud.available_addresses(subnet));
    xml.text("availabilityZone", &subnet.zone);
    xml.text("availabilityZoneId", &subnet.zone);
    xml.text("defaultForAz", subnet.meta.preset);
    xml.text("mapPublicIpOnLaunch", subnet.map_public_ip);
    for off in [
        "assignIpv6AddressOnCreation",
        "mapCustomerOwnedIpOnLaunch",
        "enableDns64",
        "ipv6Native",
    ] {
        xml.text(off, false);
    }
    xml.nest("privateDnsNameOptionsOnLaunch", |xml| {
        xml.text("hostnameType", "ip-name");
        xml.text("enableResourceNameDnsARecord", false);
        xml.text("enableResourceNameDnsAAAARecord", false);
    });
    tag_set(xml, &subnet.meta);
}

fn block_fields(subnet: &Subnet, block: SubnetBlock6, state: &str, xml: &mut Xml) {
    xml.text("associationId", association(subnet, block));
    xml.text("ipv6CidrBlock", block);
    xml.nest("ipv6CidrBlockState", |xml| xml.text("state", state));
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let args = ask.args();
    let vpc = vpc_named(ask, stage.cloud(), "VpcId")?;
    let given = args.needed("CidrBlock")?;
    let ipv4 = block4("cidrBlock", given, "InvalidSubnet.Range")?;
    if !vpc.blocks4().any(|block| block.contains(ipv4)) {
        let message = format!("The CIDR '{given}' is invalid.");
        return Err(Fault::new("InvalidSubnet.Range", message));
    }
    let conflict = || {
        let message = format!("The CIDR '{given}' conflicts with another subnet");
        Fault::new("InvalidSubnet.Conflict", message)
    };
    let cloud = stage.cloud();
    if cloud
        .subnets_in_vpc(vpc.id)
        .any(|other| other.ipv4.overlaps(ipv4))
    {
        return Err(conflict());
    }
    let ipv6 = args.text("Ipv6CidrBlock");
    let ipv6 = ipv6
        .map(|text| block6(stage.cloud(), vpc, text))
        .transpose()?;
    let named = args
        .text("AvailabilityZone")
        .or(args.text("AvailabilityZoneId"));
    let zone = match named {
        Some(name) => zone_named(ask, stage.cloud(), name)?,
        None => emptiest(ask, stage.cloud(), vpc)?,
    };
    let draft = Draft {
        vpc: vpc.id,
        zone: zone.name.clone(),
        ipv4,
        ipv6,
        assign_ipv6: false,
        route_table: None,
        map_public_ip: false,
        acl: None,
        label: None,
    };
    let tags = args.tags_for("subnet")?;
    let id: SubnetId =
        stage.create(|cloud, settings, entropy| subnet::create(cloud, settings, draft, entropy))?;
    stage.tag(id, tags)?;
    Ok(made(id))
}

fn block6(cloud: &Cloud, vpc: &Vpc, text: &str) -> Result<SubnetBlock6, Fault> {
    let block: SubnetBlock6 = text
        .parse()
        .map_err(|e| Fault::value("ipv6CidrBlock", text, e))?;
    if !vpc.ipv6.iter().any(|own| own.contains_subnet(block)) {
        let message = format!("The CIDR '{text}' is invalid.");
        return Err(Fault::new("InvalidSubnet.Range", message));
    }
    let mut others = cloud.subnets_in_vpc(vpc.id).filter_map(|s| s.ipv6);
    if others.any(|other| other == block) {
        let message = format!("The CIDR '{text}' conflicts with another subnet");
        return Err(Fault::new("InvalidSubnet.Conflict", message));
    }
    Ok(block)
}

fn zone_named<'a>(ask: &Ask, cloud: &'a Cloud, name: &str) -> Result<&'a Zone, Fault> {
    let mut zones = cloud.zones_in_region(&ask.region);
    zones
        .find(|zone| zone.name.as_str() == name)
        .ok_or_else(|| {
            let known = cloud.zones_in_region(&ask.region);
            let known: Vec<&str> = known.map(|zone| zone.name.as_str()).collect();
            let why = format!(
                "Subnets can currently only be created in the following availability zones: {}.",
                known.join(", ")
            );
            Fault::value("availabilityZone", name, why)
        })
}

/// The zone with the fewest subnets of the VPC, and of these the first.
fn emptiest<'a>(ask: &Ask, cloud: &'a Cloud, vpc: &Vpc) -> Result<&'a Zone, Fault> {
    let count = |zone: &&Zone| {
        let subnets = cloud.subnets_in_vpc(vpc.id);
        subnets.filter(|subnet| subnet.zone == zone.name).count()
    };
    let zones = cloud.zones_in_region(&ask.region);
    zones.min_by_key(count).ok_or_else(|| {
        let message = format!("The region {} has no availability zone", ask.region);
        Fault::new("InsufficientCapacity", message)
    })
}

/// Answers with the subnet.
fn made(id: SubnetId) -> Answer {
    Box::new(move |ask, cloud, xml| {
        xml.nest("subnet", |xml| {
            if let Some(subnet) = cloud.subnet(id) {
                fields(ask, cloud, subnet, xml);
            }
        });
    })
}

fn create_default(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let name = ask.args().needed("AvailabilityZone")?;
    let zone = zone_named(ask, stage.cloud(), name)?.clone();
    if default_vpc::of(stage.cloud(), &ask.region).is_none() {
        let message = "No default VPC for this account in this region.";
        return Err(Fault::new("DefaultVpcDoesNotExist", message));
    }
    let made_id =
        stage.create(|cloud, _, entropy| default_vpc::create_subnet(cloud, &zone, entropy));
    let id: SubnetId = made_id.map_err(|error| match error {
        OpError::AlreadyExists(ResourceKey::Subnet(old)) => {
            let message = format!("'{old}' is already the default subnet in {name}.");
            Fault::new("DefaultSubnetAlreadyExistsInAvailabilityZone", message)
        }
        error => error.into(),
    })?;
    Ok(made(id))
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id = subnet_named(ask, stage.cloud(), "SubnetId")?.id;
    stage.run(|cloud, _, _| subnet::delete(cloud, id, None))?;
    Ok(done())
}

fn modify(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id = subnet_named(ask, stage.cloud(), "SubnetId")?.id;
    let update = Update {
        map_public_ip: ask.args().attribute("MapPublicIpOnLaunch"),
        ..Update::default()
    };
    stage.run(|cloud, _, _| subnet::update(cloud, id, update, None))?;
    Ok(done())
}

fn associate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let subnet = subnet_named(ask, stage.cloud(), "SubnetId")?;
    let vpc = super::vpc_of(stage.cloud(), &ask.region, subnet.vpc)?;
    let block = block6(stage.cloud(), vpc, ask.args().needed("Ipv6CidrBlock")?)?;
    if subnet.ipv6.is_some() {
        let message = format!("The subnet {} has an IPv6 CIDR block already", subnet.id);
        return Err(Fault::new("SubnetCidrBlockLimitExceeded", message));
    }
    let id = subnet.id;
    let update = Update {
        ipv6: Some(Some(block)),
        ..Update::default()
    };
    stage.run(|cloud, _, _| subnet::update(cloud, id, update, None))?;
    Ok(Box::new(move |_, cloud, xml| {
        xml.text("subnetId", id);
        xml.nest("ipv6CidrBlockAssociation", |xml| {
            if let Some(subnet) = cloud.subnet(id) {
                block_fields(subnet, block, "associating", xml);
            }
        });
    }))
}

fn disassociate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let wanted = ask.args().needed("AssociationId")?;
    let mut subnets = (LISTING.all)(stage.cloud(), &ask.region);
    let found = subnets.find_map(|subnet| {
        let block = subnet
            .ipv6
            .filter(|block| association(subnet, *block) == wanted)?;
        Some((subnet.clone(), block))
    });
    drop(subnets);
    let (subnet, block) = found.ok_or_else(|| {
        let message = format!("The subnet CIDR block association ID '{wanted}' does not exist");
        Fault::new("InvalidSubnetCidrBlockAssociationID.NotFound", message)
    })?;
    let update = Update {
        ipv6: Some(None),
        ..Update::default()
    };
    let id = subnet.id;
    stage.run(|cloud, _, _| subnet::update(cloud, id, update, None))?;
    Ok(Box::new(move |_, _, xml| {
        xml.text("subnetId", id);
        xml.nest("ipv6CidrBlockAssociation", |xml| {
            block_fields(&subnet, block, "disassociating", xml);
        });
    }))
}
