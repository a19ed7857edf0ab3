//! Tags of any resource.

use weft_model::{Cloud, Kind, RegionName, Resource, ResourceKey, ops::tags};

use crate::{
    Action, Answer, Args, Ask, Fault, Stage, Xml,
    action::done,
    args::tag_key,
    fault,
    filter::is_like,
    page::Page,
    shape::{FILTERS, MAX_RESULTS, NEXT_TOKEN, TAG, list, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateTags",
        &[texts("ResourceId").required(), list("Tag", &TAG).required()],
        create,
    ),
    Action::write(
        "DeleteTags",
        &[texts("ResourceId").required(), list("Tag", &TAG)],
        delete,
    ),
    Action::read(
        "DescribeTags",
        &[FILTERS, MAX_RESULTS, NEXT_TOKEN],
        describe,
    ),
];

/// What AWS calls the kind; `None` for what EC2 has no tags of.
pub(super) fn kind_name(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Vpc => "vpc",
        Kind::Subnet => "subnet",
        Kind::RouteTable => "route-table",
        Kind::SecurityGroup => "security-group",
        Kind::NetworkAcl => "network-acl",
        Kind::InternetGateway => "internet-gateway",
        Kind::EgressGateway => "egress-only-internet-gateway",
        Kind::NatGateway => "natgateway",
        Kind::Interface => "network-interface",
        Kind::ElasticAddress => "elastic-ip",
        Kind::Peering => "vpc-peering-connection",
        Kind::PrefixList => "prefix-list",
        Kind::FlowLog => "vpc-flow-log",
        Kind::TransitGateway => "transit-gateway",
        Kind::TransitTable => "transit-gateway-route-table",
        Kind::TransitAttachment => "transit-gateway-attachment",
        _ => return None,
    })
}

/// Whether the resource is of the region: what has none is of every one.
pub(super) fn is_of_region(cloud: &Cloud, resource: &Resource, region: &RegionName) -> bool {
    let of_vpc = |id| cloud.vpc(id).map(|vpc| vpc.region.clone());
    let own = match resource {
        Resource::Vpc(r) => Some(r.region.clone()),
        Resource::Subnet(r) => of_vpc(r.vpc),
        Resource::RouteTable(r) => of_vpc(r.vpc),
        Resource::SecurityGroup(r) => of_vpc(r.vpc),
        Resource::NetworkAcl(r) => of_vpc(r.vpc),
        Resource::EgressGateway(r) => of_vpc(r.vpc),
        Resource::NatGateway(r) => of_vpc(r.vpc),
        Resource::Interface(r) => of_vpc(r.vpc),
        Resource::InternetGateway(r) => r.region.clone().or(r.vpc.and_then(of_vpc)),
        Resource::ElasticAddress(r) => cloud.public_pool(r.pool).map(|pool| pool.region.clone()),
        Resource::PrefixList(r) => Some(r.region.clone()),
        _ => None,
    };
    own.is_none_or(|own| own == *region)
}

/// The resources that a request names.
fn named(ask: &Ask, cloud: &Cloud) -> Result<Vec<ResourceKey>, Fault> {
    let one = |text: &str| {
        let key = ResourceKey::of_id(text).filter(|key| kind_name(key.kind()).is_some());
        let key = key.ok_or_else(|| {
            let message = format!("The ID '{text}' is not valid");
            Fault::new("InvalidID", message)
        })?;
        let found = cloud.get(&key);
        let own = |resource: &Resource| is_of_region(cloud, resource, &ask.region);
        match found.filter(own) {
            Some(_) => Ok(key),
            None => Err(fault::not_found(&key)),
        }
    };
    ask.args()
        .texts("ResourceId")
        .into_iter()
        .map(one)
        .collect()
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let keys = named(ask, stage.cloud())?;
    let tags = ask.args().tags("Tag")?;
    stage.run(|cloud, settings, _| tags::put(cloud, settings, &keys, &tags))?;
    Ok(done())
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let keys = named(ask, stage.cloud())?;
    let one = |tag: Args<'_>| {
        let key = tag_key(tag.needed("Key")?)?;
        let value = tag.given("Value").map(|value| {
            let why = |e| Fault::value("Tag", value, e);
            value.parse().map_err(why)
        });
        Ok((key, value.transpose()?))
    };
    let given: Result<Vec<_>, Fault> = ask.args().groups("Tag").into_iter().map(one).collect();
    let mut given = given?;
    if given.is_empty() {
        // Without tags, all go.
        for key in &keys {
            let resource = stage.cloud().get(key);
            let tags = resource.iter().flat_map(|r| r.meta().all_tags());
            for (key, _) in tags {
                given.push((tag_key(key)?, None));
            }
        }
    }
    stage.run(|cloud, _, _| tags::remove(cloud, &keys, &given))?;
    Ok(done())
}

/// One tag of one resource.
struct Row {
    id: String,
    kind: &'static str,
    key: String,
    value: String,
}

fn describe(ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let args = ask.args();
    let page = Page::read(args, &format!("tags/{}", ask.region))?;
    let filters = filters(args)?;
    let rows = Kind::ALL.iter().flat_map(|kind| {
        let name = kind_name(*kind);
        let resources = name.into_iter().flat_map(|_| cloud.list(*kind, None));
        let own = resources.filter(|r| is_of_region(cloud, r, &ask.region));
        own.flat_map(move |resource| rows(&resource, name.unwrap_or_default()))
    });
    let place = |row: &Row| format!("{}/{}/{}", row.kind, row.id, row.key);
    let fits = |row: &Row| {
        filters.iter().all(|(name, values)| {
            let text = match *name {
                "key" => &row.key,
                "value" => &row.value,
                "resource-id" => &row.id,
                "resource-type" => row.kind,
                tag => {
                    let own = tag.strip_prefix("tag:") == Some(&row.key);
                    return own && values.iter().any(|v| is_like(v, &row.value));
                }
            };
            values.iter().any(|value| is_like(value, text))
        })
    };
    let mut found: Vec<Row> = rows.filter(fits).collect();
    if let Some(after) = &page.after {
        let at = found.iter().position(|row| place(row) == *after);
        found.drain(..at.map_or(0, |at| at + 1));
    }
    let more = found.len() > page.size;
    found.truncate(page.size);
    xml.list("tagSet", &found, |xml, row| {
        xml.text("resourceId", &row.id);
        xml.text("resourceType", row.kind);
        xml.text("key", &row.key);
        xml.text("value", &row.value);
    });
    if let Some(last) = found.last().filter(|_| more) {
        xml.text("nextToken", page.token(&place(last)));
    }
    Ok(())
}

fn rows(resource: &Resource, kind: &'static str) -> Vec<Row> {
    let id = resource.key().to_string();
    let row = |(key, value): (&str, &str)| Row {
        id: id.clone(),
        kind,
        key: key.to_owned(),
        value: value.to_owned(),
    };
    resource.meta().all_tags().map(row).collect()
}

fn filters(args: Args<'_>) -> Result<Vec<(&str, Vec<&str>)>, Fault> {
    let mut filters = Vec::new();
    for filter in args.groups("Filter") {
        let name = filter.needed("Name")?;
        let known = ["key", "value", "resource-id", "resource-type"];
        if !known.contains(&name) && !name.starts_with("tag:") {
            let message = format!("The filter '{name}' is invalid");
            return Err(Fault::new("InvalidParameterValue", message));
        }
        filters.push((name, filter.texts("Value")));
    }
    Ok(filters)
}
