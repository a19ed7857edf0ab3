//! Rules of security groups in the newer form: each by its id.

use weft_model::{
    Cloud, Peer, PrefixListId, RegionName, Rule, RuleId, SecurityGroupId,
    ops::security_group::{self, RuleDraft},
};

use super::{
    permission::{peer_group, prefix, traffic, traffic_fields},
    security_group::{described, group_named},
};
use crate::{
    Action, Answer, Args, Ask, Fault, Stage, Xml,
    action::done,
    fault,
    filter::is_like,
    ids,
    page::Page,
    shape::{FILTERS, MAX_RESULTS, NEXT_TOKEN, Shape, group, int, list, text, texts},
};

const REQUEST: Shape = Shape::Struct(&[
    text("SecurityGroupRuleId").required(),
    group(
        "SecurityGroupRule",
        &[
            text("IpProtocol"),
            int("FromPort"),
            int("ToPort"),
            text("CidrIpv4"),
            text("CidrIpv6"),
            text("PrefixListId"),
            text("ReferencedGroupId"),
            text("Description"),
        ],
    ),
]);

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::read(
        "DescribeSecurityGroupRules",
        &[
            texts("SecurityGroupRuleId"),
            FILTERS,
            MAX_RESULTS,
            NEXT_TOKEN,
        ],
        describe,
    ),
    Action::write(
        "ModifySecurityGroupRules",
        &[
            text("GroupId").required(),
            list("SecurityGroupRule", &REQUEST).required(),
        ],
        modify,
    ),
];

/// Rule ids of a list.
pub(super) fn rule_ids(args: Args<'_>, name: &str) -> Result<Vec<RuleId>, Fault> {
    args.texts(name).into_iter().map(rule_id).collect()
}

fn rule_id(text: &str) -> Result<RuleId, Fault> {
    text.parse().map_err(|_| {
        if ids::is_well_formed(RuleId::PREFIX, text) {
            return absent(text);
        }
        let message = format!("Invalid id: \"{text}\" (expecting \"sgr-...\")");
        Fault::new("InvalidSecurityGroupRuleId.Malformed", message)
    })
}

/// The service's words for a rule that isn't there.
pub(super) fn absent(id: &str) -> Fault {
    let noun = "security group rule ID";
    fault::absent("InvalidSecurityGroupRuleId.NotFound", noun, id)
}

/// Writes a rule.
pub(super) fn rule_fields(
    ask: &Ask,
    group: SecurityGroupId,
    rule: &Rule,
    egress: bool,
    xml: &mut Xml,
) {
    let (region, account) = (&ask.region, &ask.account);
    xml.text("securityGroupRuleId", rule.id);
    xml.text("groupId", group);
    xml.text("groupOwnerId", account);
    xml.text("isEgress", egress);
    let (protocol, ports) = traffic_fields(rule.traffic);
    let (from, to) = ports.unwrap_or((-1, -1));
    xml.text("ipProtocol", protocol);
    xml.text("fromPort", from);
    xml.text("toPort", to);
    match rule.peer {
        Peer::Cidr(prefix) if prefix.is_v6() => xml.text("cidrIpv6", prefix),
        Peer::Cidr(prefix) => xml.text("cidrIpv4", prefix),
        Peer::List(list) => xml.text("prefixListId", list),
        Peer::Group(id) => xml.nest("referencedGroupInfo", |xml| {
            xml.text("groupId", id);
            xml.text("userId", account);
        }),
    }
    xml.maybe("description", rule.description.as_ref());
    xml.list("tagSet", [(); 0], |_, ()| {});
    let arn = format!(
        "arn:aws:ec2:{region}:{account}:security-group-rule/{}",
        rule.id
    );
    xml.text("securityGroupRuleArn", arn);
}

/// A rule with its group, and whether it is for what goes out.
type Listed<'a> = (RuleId, SecurityGroupId, &'a Rule, bool);

/// Rules have no tags, and few other filters.
fn check_filters(args: Args<'_>) -> Result<(), Fault> {
    for filter in args.groups("Filter") {
        let name = filter.needed("Name")?;
        if !matches!(name, "group-id" | "security-group-rule-id" | "tag-key")
            && !name.starts_with("tag:")
        {
            let message = format!("The filter '{name}' is invalid");
            return Err(Fault::new("InvalidParameterValue", message));
        }
    }
    Ok(())
}

fn fits(args: Args<'_>, group: SecurityGroupId, rule: &Rule) -> bool {
    args.groups("Filter").into_iter().all(|filter| {
        let text = match filter.text("Name") {
            Some("group-id") => group.to_string(),
            Some("security-group-rule-id") => rule.id.to_string(),
            _ => return false,
        };
        let mut values = filter.texts("Value").into_iter();
        values.any(|value| is_like(value, &text))
    })
}

/// Every rule of the region's groups.
fn rules<'a>(cloud: &'a Cloud, region: &'a RegionName) -> impl Iterator<Item = Listed<'a>> {
    let groups = cloud.security_groups().filter(move |group| {
        let vpc = cloud.vpc(group.vpc);
        vpc.is_some_and(|vpc| vpc.region == *region)
    });
    groups.flat_map(|group| {
        let ingress = group
            .ingress
            .iter()
            .map(|rule| (rule.id, group.id, rule, false));
        let egress = group
            .egress
            .iter()
            .map(|rule| (rule.id, group.id, rule, true));
        ingress.chain(egress)
    })
}

fn describe(ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let args = ask.args();
    let named = rule_ids(args, "SecurityGroupRuleId")?;
    let page = Page::read(args, &format!("rules/{}", ask.region))?;
    check_filters(args)?;
    let all = rules(cloud, &ask.region);
    let mut all: Vec<Listed<'_>> = all
        .filter(|(id, ..)| named.is_empty() || named.contains(id))
        .collect();
    if let Some(id) = named
        .iter()
        .find(|id| !all.iter().any(|(own, ..)| own == *id))
    {
        return Err(absent(&id.to_string()));
    }
    all.retain(|(_, group, rule, _)| fits(args, *group, rule));
    all.sort_by_key(|(id, ..)| *id);
    if let Some(after) = page
        .after
        .as_deref()
        .and_then(|key| key.parse::<RuleId>().ok())
    {
        all.retain(|(id, ..)| *id > after);
    }
    let more = all.len() > page.size;
    all.truncate(page.size);
    xml.list(
        "securityGroupRuleSet",
        &all,
        |xml, (_, group, rule, egress)| {
            rule_fields(ask, *group, rule, *egress, xml);
        },
    );
    if let Some((last, ..)) = all.last().filter(|_| more) {
        xml.text("nextToken", page.token(&last.to_string()));
    }
    Ok(())
}

fn modify(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let cloud = stage.cloud();
    let group = group_named(ask, cloud)?;
    let id = group.id;
    let mut changed = Vec::new();
    for request in ask.args().groups("SecurityGroupRule") {
        let rule = rule_id(request.needed("SecurityGroupRuleId")?)?;
        let mut own = group.ingress.iter().chain(&group.egress);
        if !own.any(|own| own.id == rule) {
            return Err(absent(&rule.to_string()));
        }
        let wanted = request.group("SecurityGroupRule");
        let wanted = wanted.ok_or_else(|| Fault::missing("SecurityGroupRule"))?;
        changed.push((rule, draft(ask, cloud, wanted)?));
    }
    stage.run(|cloud, settings, entropy| {
        security_group::rewrite(cloud, settings, id, changed, entropy)
    })?;
    Ok(done())
}

fn draft(ask: &Ask, cloud: &Cloud, args: Args<'_>) -> Result<RuleDraft, Fault> {
    let mut peers = Vec::new();
    if let Some(text) = args.text("CidrIpv4") {
        peers.push(Peer::Cidr(prefix(text, false)?));
    }
    if let Some(text) = args.text("CidrIpv6") {
        peers.push(Peer::Cidr(prefix(text, true)?));
    }
    if let Some(id) = args.id::<SecurityGroupId>("ReferencedGroupId")? {
        peers.push(peer_group(ask, cloud, id)?);
    }
    if let Some(id) = args.id::<PrefixListId>("PrefixListId")? {
        cloud
            .prefix_list(id)
            .ok_or_else(|| fault::not_found(&id.into()))?;
        peers.push(Peer::List(id));
    }
    let [peer] = peers[..] else {
        let message = "A rule has exactly one of CidrIpv4, CidrIpv6, PrefixListId and \
                       ReferencedGroupId";
        return Err(Fault::combination(message));
    };
    let description = args.text("Description");
    Ok(RuleDraft {
        traffic: traffic(args)?,
        peer,
        description: description
            .map(|text| described("Description", text))
            .transpose()?,
    })
}
