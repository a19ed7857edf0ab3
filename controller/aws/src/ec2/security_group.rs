//! Security groups. Their rules are in `permission.rs` and `rule.rs`.

use weft_model::{
    Cloud, Label, PortMatch, Prefix, SecurityGroup, SecurityGroupId, VpcId,
    ops::{
        OpError, default_vpc,
        security_group::{self, Draft, RuleDraft},
    },
};

use super::{permission::permissions, vpc_of};
use crate::{
    Action, Answer, Ask, Fault, Stage, Xml, fault,
    filter::{Filter, Wanted, filter},
    listing::{Listing, tag_set},
    shape::{FILTERS, MAX_RESULTS, NEXT_TOKEN, TAGS, text, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateSecurityGroup",
        &[
            text("GroupName").required(),
            text("GroupDescription").required(),
            text("VpcId"),
            TAGS,
        ],
        create,
    ),
    Action::write(
        "DeleteSecurityGroup",
        &[text("GroupId"), text("GroupName")],
        delete,
    ),
    Action::read(
        "DescribeSecurityGroups",
        &[
            texts("GroupId"),
            texts("GroupName"),
            FILTERS,
            MAX_RESULTS,
            NEXT_TOKEN,
        ],
        describe,
    ),
    Action::refused(
        "DescribeStaleSecurityGroups",
        "rules of ended peerings aren't searched for",
    ),
];

static LISTING: Listing<SecurityGroup, SecurityGroupId> = Listing {
    ids: "GroupId",
    set: "securityGroupInfo",
    key: |group| group.id,
    meta: |group| &group.meta,
    all: |cloud, region| {
        Box::new(cloud.security_groups().filter(|group| {
            let vpc = cloud.vpc(group.vpc);
            vpc.is_some_and(|vpc| vpc.region == *region)
        }))
    },
    one: |cloud, region, id| {
        let group = cloud.security_group(id)?;
        let vpc = cloud.vpc(group.vpc)?;
        (vpc.region == *region).then_some(group)
    },
    filters: FILTERED,
    show: fields,
};

const FILTERED: &[Filter<SecurityGroup>] = &[
    filter("group-id", |_, g, is| is(&g.id.to_string())),
    filter("group-name", |_, g, is| is(g.group_name.as_str())),
    filter("description", |_, g, is| is(g.description.as_str())),
    filter("vpc-id", |_, g, is| is(&g.vpc.to_string())),
    filter("ip-permission.cidr", |_, g, is| {
        cidrs(&g.ingress, false, is);
    }),
    filter("ip-permission.ipv6-cidr", |_, g, is| {
        cidrs(&g.ingress, true, is);
    }),
    filter("ip-permission.group-id", |_, g, is| peers(&g.ingress, is)),
    filter("ip-permission.from-port", |_, g, is| {
        ports(&g.ingress, true, is);
    }),
    filter("ip-permission.to-port", |_, g, is| {
        ports(&g.ingress, false, is);
    }),
    filter("ip-permission.protocol", |_, g, is| {
        protocols(&g.ingress, is);
    }),
    filter("egress.ip-permission.cidr", |_, g, is| {
        cidrs(&g.egress, false, is);
    }),
    filter("egress.ip-permission.ipv6-cidr", |_, g, is| {
        cidrs(&g.egress, true, is);
    }),
    filter("egress.ip-permission.group-id", |_, g, is| {
        peers(&g.egress, is);
    }),
    filter("egress.ip-permission.from-port", |_, g, is| {
        ports(&g.egress, true, is);
    }),
    filter("egress.ip-permission.to-port", |_, g, is| {
        ports(&g.egress, false, is);
    }),
    filter("egress.ip-permission.protocol", |_, g, is| {
        protocols(&g.egress, is);
    }),
];

type Is<'a> = &'a mut dyn FnMut(&str);

fn cidrs(rules: &[weft_model::Rule], v6: bool, is: Is<'_>) {
    for rule in rules {
        if let weft_model::Peer::Cidr(prefix) = rule.peer
            && prefix.is_v6() == v6
        {
            is(&prefix.to_string());
        }
    }
}

fn peers(rules: &[weft_model::Rule], is: Is<'_>) {
    for rule in rules {
        if let weft_model::Peer::Group(group) = rule.peer {
            is(&group.to_string());
        }
    }
}

fn ports(rules: &[weft_model::Rule], first: bool, is: Is<'_>) {
    for rule in rules {
        let (_, ports) = super::permission::traffic_fields(rule.traffic);
        if let Some((from, to)) = ports {
            is(&(if first { from } else { to }).to_string());
        }
    }
}

fn protocols(rules: &[weft_model::Rule], is: Is<'_>) {
    for rule in rules {
        is(&super::permission::traffic_fields(rule.traffic).0);
    }
}

fn fields(ask: &Ask, _: &Cloud, group: &SecurityGroup, xml: &mut Xml) {
    xml.text("ownerId", &ask.account);
    xml.text("groupId", group.id);
    xml.text("groupName", &group.group_name);
    xml.text("groupDescription", &group.description);
    xml.text("vpcId", group.vpc);
    xml.text("securityGroupArn", arn(ask, group.id));
    permissions(ask, "ipPermissions", &group.ingress, xml);
    permissions(ask, "ipPermissionsEgress", &group.egress, xml);
    tag_set(xml, &group.meta);
}

fn arn(ask: &Ask, id: SecurityGroupId) -> String {
    let (region, account) = (&ask.region, &ask.account);
    format!("arn:aws:ec2:{region}:{account}:security-group/{id}")
}

fn describe(ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let names = ask.args().texts("GroupName");
    if names.is_empty() {
        return LISTING.run(ask, cloud, xml);
    }
    // Names are of the default VPC.
    let wanted = Wanted::read(ask.args(), FILTERED)?;
    let one = |name: &&str| by_name(ask, cloud, name);
    let found: Result<Vec<_>, Fault> = names.iter().map(one).collect();
    let found = found?
        .into_iter()
        .filter(|g| wanted.fits(cloud, g, &g.meta));
    xml.list("securityGroupInfo", found, |xml, group| {
        fields(ask, cloud, group, xml);
    });
    Ok(())
}

fn by_name<'a>(ask: &Ask, cloud: &'a Cloud, name: &str) -> Result<&'a SecurityGroup, Fault> {
    let vpc = default_vpc::of(cloud, &ask.region).map(|vpc| vpc.id);
    let groups = vpc.into_iter().flat_map(|vpc| cloud.groups_in_vpc(vpc));
    let mut named = groups.filter(|group| group.group_name.as_str() == name);
    named.next().ok_or_else(|| {
        let message = format!("The security group '{name}' does not exist in default VPC");
        Fault::new("InvalidGroup.NotFound", message)
    })
}

/// The group of this id in the region.
pub(super) fn group_of<'a>(
    ask: &Ask,
    cloud: &'a Cloud,
    id: SecurityGroupId,
) -> Result<&'a SecurityGroup, Fault> {
    let group = (LISTING.one)(cloud, &ask.region, id);
    group.ok_or_else(|| fault::not_found(&id.into()))
}

/// The group that a request names, by its id or, in the default VPC, by its name.
pub(super) fn group_named<'a>(ask: &Ask, cloud: &'a Cloud) -> Result<&'a SecurityGroup, Fault> {
    let args = ask.args();
    match (args.id("GroupId")?, args.text("GroupName")) {
        (Some(id), _) => group_of(ask, cloud, id),
        (None, Some(name)) => by_name(ask, cloud, name),
        (None, None) => Err(Fault::missing("GroupName or GroupId")),
    }
}

/// A text of a group or a rule: AWS's letters.
pub(super) fn described(parameter: &str, text: &str) -> Result<Label, Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.chars().count() > 255 || !text.chars().all(fits) {
        let why = "Character sets beyond ASCII are not supported; at most 255 of a-z, A-Z, 0-9, \
                   spaces, and ._-:/()#,@[]+=&;{}!$*.";
        return Err(Fault::value(parameter, text, why));
    }
    text.parse().map_err(|e| Fault::value(parameter, text, e))
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (cloud, args) = (stage.cloud(), ask.args());
    let vpc = match args.id::<VpcId>("VpcId")? {
        Some(id) => vpc_of(cloud, &ask.region, id)?,
        None => default_vpc::of(cloud, &ask.region).ok_or_else(|| {
            let message = "No default VPC for this user";
            Fault::new("VPCIdNotSpecified", message)
        })?,
    };
    let name = args.needed("GroupName")?;
    if name.eq_ignore_ascii_case("default") {
        let message = format!("Cannot use reserved security group name: {name}");
        return Err(Fault::new("InvalidParameterValue", message));
    }
    if name.starts_with("sg-") {
        let why = "Group names may not be in the format sg-*.";
        return Err(Fault::value("GroupName", name, why));
    }
    let group_name = described("GroupName", name)?;
    if cloud
        .groups_in_vpc(vpc.id)
        .any(|group| group.group_name == group_name)
    {
        let message = format!(
            "The security group '{name}' already exists for VPC '{}'",
            vpc.id
        );
        return Err(Fault::new("InvalidGroup.Duplicate", message));
    }
    // A VPC without IPv6 has no rule for it either.
    let everywhere = Prefix::everywhere().into_iter();
    let everywhere = everywhere.filter(|prefix| !prefix.is_v6() || !vpc.ipv6.is_empty());
    let draft = Draft {
        vpc: vpc.id,
        group_name,
        description: described("GroupDescription", args.needed("GroupDescription")?)?,
        ingress: Vec::new(),
        egress: everywhere
            .map(|prefix| RuleDraft {
                traffic: PortMatch::All,
                peer: weft_model::Peer::Cidr(prefix),
                description: None,
            })
            .collect(),
        label: None,
    };
    let tags = args.tags_for("security-group")?;
    let id: SecurityGroupId = stage.create(|cloud, settings, entropy| {
        security_group::create(cloud, settings, draft, entropy)
    })?;
    stage.tag(id, tags)?;
    Ok(Box::new(move |ask, cloud, xml| {
        xml.text("return", true);
        xml.text("groupId", id);
        xml.text("securityGroupArn", arn(ask, id));
        if let Some(group) = cloud.security_group(id) {
            tag_set(xml, &group.meta);
        }
    }))
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let group = group_named(ask, stage.cloud())?;
    let (id, name) = (group.id, group.group_name.clone());
    let deleted = stage.run(|cloud, _, _| security_group::delete(cloud, id, None));
    deleted.map_err(|error| match error {
        OpError::InUse { .. } => {
            let message = format!("resource {id} has a dependent object");
            Fault::new("DependencyViolation", message)
        }
        OpError::Protected { .. } => {
            let message = format!(
                "the specified group: \"{id}\" name: \"{name}\" cannot be deleted by a user"
            );
            Fault::new("CannotDelete", message)
        }
        error => error.into(),
    })?;
    Ok(Box::new(move |_, _, xml| {
        xml.text("return", true);
        xml.text("groupId", id);
    }))
}
