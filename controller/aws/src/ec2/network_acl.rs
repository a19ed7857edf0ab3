//! Network ACLs.

use weft_model::{
    AclAction, AclEntry, AclNumber, Cloud, Family, NetworkAcl, NetworkAclId, PortMatch, Prefix,
    Subnet,
    acl::Direction,
    ops::{
        network_acl::{self, Draft},
        subnet,
    },
};

use super::{
    permission::{prefix, traffic_fields},
    vpc_named,
};
use crate::{
    Action, Answer, Args, Ask, Fault, Listing, Stage, Xml,
    action::done,
    fault,
    filter::{Filter, filter},
    ids,
    listing::tag_set,
    shape::{
        CLIENT_TOKEN, FILTERS, MAX_RESULTS, NEXT_TOKEN, Param, TAGS, boolean, group, int, text,
        texts,
    },
};

const ENTRY: &[Param] = &[
    text("NetworkAclId").required(),
    int("RuleNumber").required(),
    boolean("Egress").required(),
    text("Protocol").required(),
    text("RuleAction").required(),
    text("CidrBlock"),
    text("Ipv6CidrBlock"),
    group("Icmp", &[int("Type"), int("Code")]),
    group("PortRange", &[int("From"), int("To")]),
];

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateNetworkAcl",
        &[text("VpcId").required(), CLIENT_TOKEN, TAGS],
        create,
    ),
    Action::write(
        "DeleteNetworkAcl",
        &[text("NetworkAclId").required()],
        delete,
    ),
    Action::read(
        "DescribeNetworkAcls",
        &[texts("NetworkAclId"), FILTERS, MAX_RESULTS, NEXT_TOKEN],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
    Action::write("CreateNetworkAclEntry", ENTRY, |ask, stage| {
        put(ask, stage, false)
    }),
    Action::write("ReplaceNetworkAclEntry", ENTRY, |ask, stage| {
        put(ask, stage, true)
    }),
    Action::write(
        "DeleteNetworkAclEntry",
        &[
            text("NetworkAclId").required(),
            int("RuleNumber").required(),
            boolean("Egress").required(),
        ],
        delete_entry,
    ),
    Action::write(
        "ReplaceNetworkAclAssociation",
        &[
            text("AssociationId").required(),
            text("NetworkAclId").required(),
        ],
        replace,
    ),
];

static LISTING: Listing<NetworkAcl, NetworkAclId> = Listing {
    ids: "NetworkAclId",
    set: "networkAclSet",
    key: |acl| acl.id,
    meta: |acl| &acl.meta,
    all: |cloud, region| {
        Box::new(cloud.network_acls().filter(|acl| {
            let vpc = cloud.vpc(acl.vpc);
            vpc.is_some_and(|vpc| vpc.region == *region)
        }))
    },
    one: |cloud, region, id| {
        let acl = cloud.network_acl(id)?;
        let vpc = cloud.vpc(acl.vpc)?;
        (vpc.region == *region).then_some(acl)
    },
    filters: FILTERED,
    show: fields,
};

const FILTERED: &[Filter<NetworkAcl>] = &[
    filter("network-acl-id", |_, a, is| is(&a.id.to_string())),
    filter("vpc-id", |_, a, is| is(&a.vpc.to_string())),
    filter("default", |cloud, a, is| {
        is(&is_default(cloud, a).to_string());
    }),
    filter("association.subnet-id", |cloud, a, is| {
        users(cloud, a)
            .iter()
            .for_each(|subnet| is(&subnet.id.to_string()));
    }),
    filter("association.association-id", |cloud, a, is| {
        users(cloud, a)
            .iter()
            .for_each(|subnet| is(&association(a.id, subnet)));
    }),
    filter("association.network-acl-id", |cloud, a, is| {
        users(cloud, a).iter().for_each(|_| is(&a.id.to_string()));
    }),
    filter("entry.cidr", |_, a, is| {
        let entries = a.ingress.iter().chain(&a.egress);
        entries.for_each(|entry| is(&entry.prefix.to_string()));
    }),
    filter("entry.rule-number", |_, a, is| {
        let entries = a.ingress.iter().chain(&a.egress);
        entries.for_each(|entry| is(&entry.number.to_string()));
    }),
    filter("entry.rule-action", |_, a, is| {
        let entries = a.ingress.iter().chain(&a.egress);
        entries.for_each(|entry| is(action_name(entry.action)));
    }),
    filter("entry.egress", |_, a, is| {
        a.ingress.iter().for_each(|_| is("false"));
        a.egress.iter().for_each(|_| is("true"));
    }),
];

fn is_default(cloud: &Cloud, acl: &NetworkAcl) -> bool {
    cloud
        .vpc(acl.vpc)
        .is_some_and(|vpc| vpc.default_acl == acl.id)
}

/// The subnets that have the ACL, whether they name it or have none of their own.
fn users<'a>(cloud: &'a Cloud, acl: &NetworkAcl) -> Vec<&'a Subnet> {
    let default = is_default(cloud, acl);
    let subnets = cloud.subnets_in_vpc(acl.vpc);
    subnets
        .filter(|subnet| subnet.acl == Some(acl.id) || (default && subnet.acl.is_none()))
        .collect()
}

fn association(acl: NetworkAclId, subnet: &Subnet) -> String {
    ids::derived("aclassoc", &[&subnet.id, &acl])
}

fn action_name(action: AclAction) -> &'static str {
    match action {
        AclAction::Allow => "allow",
        AclAction::Deny => "deny",
    }
}

fn fields(ask: &Ask, cloud: &Cloud, acl: &NetworkAcl, xml: &mut Xml) {
    xml.text("networkAclId", acl.id);
    xml.text("vpcId", acl.vpc);
    xml.text("ownerId", &ask.account);
    xml.text("default", is_default(cloud, acl));
    xml.list("associationSet", users(cloud, acl), |xml, subnet| {
        xml.text("networkAclAssociationId", association(acl.id, subnet));
        xml.text("networkAclId", acl.id);
        xml.text("subnetId", subnet.id);
    });
    // A VPC without IPv6 shows nothing of it.
    let six = cloud.vpc(acl.vpc).is_some_and(|vpc| !vpc.ipv6.is_empty());
    let seen = |entry: &&AclEntry| six || !entry.prefix.is_v6();
    xml.nest("entrySet", |xml| {
        for (egress, entries) in [(true, &acl.egress), (false, &acl.ingress)] {
            for entry in entries.iter().filter(seen) {
                let number = entry.number.get();
                let action = action_name(entry.action);
                entry_fields(xml, (number, action, egress), entry.traffic, entry.prefix);
            }
            for (prefix, number) in Prefix::everywhere().into_iter().zip([32_767, 32_768]) {
                if six || !prefix.is_v6() {
                    entry_fields(xml, (number, "deny", egress), PortMatch::All, prefix);
                }
            }
        }
    });
    tag_set(xml, &acl.meta);
}

fn entry_fields(
    xml: &mut Xml,
    (number, action, egress): (u16, &str, bool),
    traffic: PortMatch,
    prefix: Prefix,
) {
    let (name, ports) = traffic_fields(traffic);
    let protocol = match name.as_str() {
        "tcp" => "6",
        "udp" => "17",
        "icmp" => "1",
        "icmpv6" => "58",
        other => other,
    };
    xml.nest("item", |xml| {
        xml.text("ruleNumber", number);
        xml.text("protocol", protocol);
        xml.text("ruleAction", action);
        xml.text("egress", egress);
        let block = if prefix.is_v6() {
            "ipv6CidrBlock"
        } else {
            "cidrBlock"
        };
        xml.text(block, prefix);
        let Some((from, to)) = ports else { return };
        let (around, one, two) = match traffic {
            PortMatch::Icmp(_) | PortMatch::Icmpv6(_) => ("icmpTypeCode", "type", "code"),
            _ => ("portRange", "from", "to"),
        };
        xml.nest(around, |xml| {
            xml.text(one, from);
            xml.text(two, to);
        });
    });
}

fn acl_named<'a>(ask: &Ask, cloud: &'a Cloud) -> Result<&'a NetworkAcl, Fault> {
    let id: NetworkAclId = ask.args().needed_id("NetworkAclId")?;
    let acl = (LISTING.one)(cloud, &ask.region, id);
    acl.ok_or_else(|| fault::not_found(&id.into()))
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let tags = ask.args().tags_for("network-acl")?;
    let draft = Draft {
        vpc: vpc_named(ask, stage.cloud(), "VpcId")?.id,
        ingress: Vec::new(),
        egress: Vec::new(),
        label: None,
    };
    let id: NetworkAclId = stage
        .create(|cloud, settings, entropy| network_acl::create(cloud, settings, draft, entropy))?;
    stage.tag(id, tags)?;
    let token = ask.args().text("ClientToken").map(str::to_owned);
    Ok(Box::new(move |ask, cloud, xml| {
        xml.nest("networkAcl", |xml| {
            if let Some(acl) = cloud.network_acl(id) {
                fields(ask, cloud, acl, xml);
            }
        });
        xml.maybe("clientToken", token);
    }))
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let acl = acl_named(ask, stage.cloud())?;
    let id = acl.id;
    if is_default(stage.cloud(), acl) {
        let message = format!("default network acl {id} cannot be deleted");
        return Err(Fault::new("InvalidParameterValue", message));
    }
    stage.run(|cloud, _, _| network_acl::delete(cloud, id, None))?;
    Ok(done())
}

/// The number of an entry that can be changed.
fn number(args: Args<'_>) -> Result<AclNumber, Fault> {
    let given = args.int("RuleNumber").unwrap_or(0);
    let number = u16::try_from(given)
        .ok()
        .and_then(|n| AclNumber::try_from(n).ok());
    number.ok_or_else(|| {
        let why = "Must be an integer between 1 and 32766.";
        Fault::value("ruleNumber", &given.to_string(), why)
    })
}

fn direction(args: Args<'_>) -> Direction {
    match args.flag("Egress") {
        Some(true) => Direction::Egress,
        _ => Direction::Ingress,
    }
}

fn entries(acl: &NetworkAcl, direction: Direction) -> &[AclEntry] {
    match direction {
        Direction::Ingress => &acl.ingress,
        Direction::Egress => &acl.egress,
    }
}

/// The families that have an entry of this number.
fn families(acl: &NetworkAcl, direction: Direction, number: AclNumber) -> Vec<Family> {
    let entries = entries(acl, direction).iter();
    let same = entries.filter(|entry| entry.number == number);
    same.map(|entry| Family::of(entry.prefix)).collect()
}

fn read_entry(args: Args<'_>) -> Result<AclEntry, Fault> {
    let action = match args.needed("RuleAction")? {
        "allow" => AclAction::Allow,
        "deny" => AclAction::Deny,
        other => return Err(Fault::value("ruleAction", other, "Use allow or deny.")),
    };
    let prefix = match (args.text("CidrBlock"), args.text("Ipv6CidrBlock")) {
        (Some(text), None) => prefix(text, false)?,
        (None, Some(text)) => prefix(text, true)?,
        (None, None) => return Err(Fault::missing("cidrBlock")),
        (Some(_), Some(_)) => {
            let message = "Only one of cidrBlock and ipv6CidrBlock may be given";
            return Err(Fault::combination(message));
        }
    };
    Ok(AclEntry {
        number: number(args)?,
        action,
        traffic: super::permission::traffic_of(
            args.needed("Protocol")?,
            ports(args, "PortRange", "From").zip(ports(args, "PortRange", "To")),
            ports(args, "Icmp", "Type").zip(ports(args, "Icmp", "Code")),
        )?,
        prefix,
    })
}

fn ports(args: Args<'_>, group: &str, name: &str) -> Option<i64> {
    args.group(group)?.int(name)
}

fn put(ask: &Ask, stage: &mut Stage<'_>, replace: bool) -> Result<Answer, Fault> {
    let acl = acl_named(ask, stage.cloud())?;
    let entry = read_entry(ask.args())?;
    let direction = direction(ask.args());
    let (id, number) = (acl.id, entry.number);
    let six = stage
        .cloud()
        .vpc(acl.vpc)
        .is_some_and(|vpc| !vpc.ipv6.is_empty());
    let there = families(acl, direction, number);
    let seen = there.iter().any(|family| six || *family == Family::Ipv4);
    match (seen, replace) {
        (true, false) => {
            let message = format!("The network acl entry identified by {number} already exists.");
            return Err(Fault::new("NetworkAclEntryAlreadyExists", message));
        }
        (false, true) => return Err(no_entry(number)),
        _ => {}
    }
    // In AWS a number is of one family: what had it gives way.
    for family in there.into_iter().filter(|f| *f != Family::of(entry.prefix)) {
        let place = (direction, family, number);
        stage.run(|cloud, _, _| network_acl::delete_entry(cloud, id, place, None))?;
    }
    stage.run(|cloud, settings, _| {
        network_acl::put_entry(cloud, settings, id, (direction, entry), None)
    })?;
    Ok(done())
}

fn no_entry(number: AclNumber) -> Fault {
    let message = format!("The network acl entry identified by {number} does not exist.");
    Fault::new("InvalidNetworkAclEntry.NotFound", message)
}

fn delete_entry(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let acl = acl_named(ask, stage.cloud())?;
    let (id, number, direction) = (acl.id, number(ask.args())?, direction(ask.args()));
    let families = families(acl, direction, number);
    if families.is_empty() {
        return Err(no_entry(number));
    }
    for family in families {
        let place = (direction, family, number);
        stage.run(|cloud, _, _| network_acl::delete_entry(cloud, id, place, None))?;
    }
    Ok(done())
}

fn replace(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (cloud, wanted) = (stage.cloud(), ask.args().needed("AssociationId")?);
    let acl = acl_named(ask, cloud)?;
    let mut all = (LISTING.all)(cloud, &ask.region);
    let found = all.find_map(|old| {
        let users = users(cloud, old).into_iter();
        users
            .into_iter()
            .find(|subnet| association(old.id, subnet) == wanted)
    });
    let subnet = found.ok_or_else(|| {
        let message = format!("The association ID '{wanted}' does not exist");
        Fault::new("InvalidAssociationID.NotFound", message)
    })?;
    if subnet.vpc != acl.vpc {
        let message = format!(
            "network acl {} and subnet {} belong to different networks",
            acl.id, subnet.id
        );
        return Err(Fault::new("InvalidParameterValue", message));
    }
    let new = association(acl.id, subnet);
    let own = (!is_default(cloud, acl)).then_some(acl.id);
    let id = subnet.id;
    drop(all);
    let update = subnet::Update {
        acl: Some(own),
        ..subnet::Update::default()
    };
    stage.run(|cloud, _, _| subnet::update(cloud, id, update, None))?;
    Ok(Box::new(move |_, _, xml| xml.text("newAssociationId", new)))
}
