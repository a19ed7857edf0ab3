//! Security groups and their rules.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw, draw_id, found,
    prefix_list, refuse,
};
use crate::{
    Change, Cloud, Family, Kind, Label, Meta, Peer, PortMatch, PortRange, Prefix, PrefixListId,
    Protocol, RegionName, Revision, Rule, RuleId, SecurityGroup, SecurityGroupId, Vpc, VpcId,
};

/// The name of the group that each VPC is made with.
pub const DEFAULT_NAME: &str = "default";

/// A rule without its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDraft {
    /// What traffic.
    pub traffic: PortMatch,
    /// From or to whom.
    pub peer: Peer,
    /// Why it is there, in a person's words.
    pub description: Option<Label>,
}

/// What a security group is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// Its name, unique in the VPC.
    pub group_name: Label,
    /// What it is for.
    pub description: Label,
    /// What may come in; nothing where empty.
    pub ingress: Vec<RuleDraft>,
    /// What may go out; everything where empty. Revoke to have none.
    pub egress: Vec<RuleDraft>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Rules have commands of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// What it is for.
    pub description: Option<Label>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a security group.
///
/// # Errors
/// When the VPC doesn't exist, the name can't be its, a rule can't be, or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let vpc = cloud.vpc(draft.vpc).ok_or_else(|| {
        let reason = format!("VPC {} doesn't exist", draft.vpc);
        OpError::invalid("security_group.vpc", reason)
    })?;
    check_region_quota(cloud, settings, &vpc.region)?;
    let mut violations: Vec<Violation> = check_name(cloud, vpc, &draft.group_name)
        .into_iter()
        .collect();
    let mut group = SecurityGroup {
        id: draw_id(cloud, entropy, SecurityGroupId::from_bits)?,
        vpc: draft.vpc,
        group_name: draft.group_name,
        description: draft.description,
        ingress: Vec::new(),
        egress: Vec::new(),
        meta: Meta::named(draft.label),
    };
    let ingress = Additions::new("security_group.ingress", draft.ingress);
    let egress = match draft.egress {
        none if none.is_empty() => Additions::new("security_group.egress", everywhere()),
        given => Additions::new("security_group.egress", given),
    };
    violations.extend(add_rules(cloud, &mut group, ingress, egress, entropy)?);
    refuse(violations)?;
    check_quotas(cloud, &group, settings)?;
    Ok(vec![Change::create(group)])
}

/// Changes a security group's texts.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn update(
    cloud: &Cloud,
    id: SecurityGroupId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |group| {
        if let Some(description) = update.description {
            group.description = description;
        }
        group.meta.rename(update.label);
        Ok(())
    })
}

/// Deletes a security group.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, is its VPC's default one, or an interface
/// or another group's rule of the same VPC names it. A rule of a peered VPC becomes stale instead:
/// that VPC's owner may be somebody else.
pub fn delete(
    cloud: &Cloud,
    id: SecurityGroupId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let group = found(cloud.security_group(id), id)?;
    check_etag(id, &group.meta, etag)?;
    let vpc = cloud.vpc(group.vpc);
    if vpc.is_some_and(|vpc| vpc.default_group == id) {
        return Err(OpError::Protected {
            key: id.into(),
            reason: "it is its VPC's default group, and goes with the VPC",
        });
    }
    let member = cloud.interfaces_in_group(id).next().map(|i| i.id.into());
    let mut naming = cloud.groups_naming_group(id);
    let other = naming
        .find(|other| other.id != id && other.vpc == group.vpc)
        .map(|g| g.id.into());
    if let Some(by) = member.or(other) {
        let key = id.into();
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(group.clone())])
}

/// Adds rules.
///
/// # Errors
/// When the group doesn't exist or has changed since the etag, a rule is there already or can't
/// be, or the quota is reached.
pub fn authorize(
    cloud: &Cloud,
    settings: &Settings,
    id: SecurityGroupId,
    (ingress, egress): (Vec<RuleDraft>, Vec<RuleDraft>),
    etag: Option<Revision>,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |group| {
        let ingress = Additions::new("ingress", ingress);
        let egress = Additions::new("egress", egress);
        refuse(add_rules(cloud, group, ingress, egress, entropy)?)?;
        check_quotas(cloud, group, settings)
    })
}

/// Removes rules of either direction.
///
/// # Errors
/// When the group doesn't exist or has changed since the etag, or a rule isn't there.
pub fn revoke(
    cloud: &Cloud,
    id: SecurityGroupId,
    rules: &[RuleId],
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, etag, |group| {
        let has = |id: &RuleId| {
            let mut all = group.ingress.iter().chain(&group.egress);
            all.any(|rule| rule.id == *id)
        };
        let missing = rules.iter().enumerate().filter(|(_, rule)| !has(rule));
        let violation = |(i, rule): (usize, &RuleId)| {
            Violation::new(
                format!("rules[{i}]"),
                format!("group {id} has no rule {rule}"),
            )
        };
        refuse(missing.map(violation).collect())?;
        group.ingress.retain(|rule| !rules.contains(&rule.id));
        group.egress.retain(|rule| !rules.contains(&rule.id));
        Ok(())
    })
}

/// Puts rules in the place of others, which keep their ids and their order.
///
/// # Errors
/// When the group doesn't exist or has no such rule, a rule can't be, or a quota is reached.
pub fn rewrite(
    cloud: &Cloud,
    settings: &Settings,
    id: SecurityGroupId,
    rules: Vec<(RuleId, RuleDraft)>,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    change(cloud, id, None, |group| {
        for (rule, draft) in rules {
            rewrite_one(cloud, group, rule, draft, entropy)?;
        }
        check_quotas(cloud, group, settings)
    })
}

fn rewrite_one(
    cloud: &Cloud,
    group: &mut SecurityGroup,
    id: RuleId,
    draft: RuleDraft,
    entropy: &mut dyn Entropy,
) -> Result<(), OpError> {
    let place = |rules: &[Rule]| rules.iter().position(|rule| rule.id == id);
    let (ingress, at) = match (place(&group.ingress), place(&group.egress)) {
        (Some(at), _) => (true, at),
        (None, Some(at)) => (false, at),
        (None, None) => {
            let reason = format!("group {} has no rule {id}", group.id);
            return Err(OpError::invalid("rules", reason));
        }
    };
    let side = |group: &mut SecurityGroup| match ingress {
        true => std::mem::take(&mut group.ingress),
        false => std::mem::take(&mut group.egress),
    };
    let mut rules = side(group);
    rules.remove(at);
    let one = vec![draft];
    let (new_ingress, new_egress) = match ingress {
        true => (one, Vec::new()),
        false => (Vec::new(), one),
    };
    put_side(group, ingress, rules);
    let new_ingress = Additions::new("ingress", new_ingress);
    let new_egress = Additions::new("egress", new_egress);
    refuse(add_rules(cloud, group, new_ingress, new_egress, entropy)?)?;
    let mut rules = side(group);
    if let Some(mut rule) = rules.pop() {
        rule.id = id;
        rules.insert(at, rule);
    }
    put_side(group, ingress, rules);
    Ok(())
}

fn put_side(group: &mut SecurityGroup, ingress: bool, rules: Vec<Rule>) {
    match ingress {
        true => group.ingress = rules,
        false => group.egress = rules,
    }
}

/// The group that a VPC is made with: ingress from itself, all egress.
pub(super) fn default_group(vpc: &Vpc, entropy: &mut dyn Entropy) -> SecurityGroup {
    let mut rule = |peer| Rule {
        id: RuleId::from_bits(entropy.bits()),
        traffic: PortMatch::All,
        peer,
        description: None,
    };
    let itself = rule(Peer::Group(vpc.default_group));
    SecurityGroup {
        id: vpc.default_group,
        vpc: vpc.id,
        group_name: Label::fixed(DEFAULT_NAME),
        description: Label::fixed("default group of the VPC"),
        ingress: vec![itself],
        egress: everywhere()
            .into_iter()
            .map(|draft| rule(draft.peer))
            .collect(),
        meta: Meta::default(),
    }
}

/// Everything to everywhere: a rule per family.
fn everywhere() -> Vec<RuleDraft> {
    let rule = |prefix| RuleDraft {
        traffic: PortMatch::All,
        peer: Peer::Cidr(prefix),
        description: None,
    };
    Prefix::everywhere().into_iter().map(rule).collect()
}

fn change(
    cloud: &Cloud,
    id: SecurityGroupId,
    etag: Option<Revision>,
    edit: impl FnOnce(&mut SecurityGroup) -> Result<(), OpError>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.security_group(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    edit(&mut after)?;
    Ok(vec![Change::update(before.clone(), after)])
}

fn check_region_quota(
    cloud: &Cloud,
    settings: &Settings,
    region: &RegionName,
) -> Result<(), OpError> {
    let limit = settings.quotas.groups_per_region;
    // The whole cloud's count is at hand and bounds the region's.
    if cloud.count(Kind::SecurityGroup) < limit {
        return Ok(());
    }
    let vpcs = cloud.vpcs_in_region(region);
    let groups: usize = vpcs.map(|vpc| cloud.groups_in_vpc(vpc.id).count()).sum();
    check_quota(groups + 1, limit, "security groups", || {
        format!("region {region}")
    })
}

fn check_name(cloud: &Cloud, vpc: &Vpc, name: &Label) -> Option<Violation> {
    let text = name.as_str();
    let reason = if text.trim().is_empty() {
        "a security group needs a name".to_owned()
    } else if text == DEFAULT_NAME {
        "`default` is the name of the group that the VPC came with; choose another".to_owned()
    } else if text.starts_with("sg-") {
        format!("`{text}` looks like an id; choose a name that doesn't start with `sg-`")
    } else {
        let mut groups = cloud.groups_in_vpc(vpc.id);
        let other = groups.find(|group| group.group_name == *name)?;
        format!(
            "`{text}` is the name of {} in the same VPC; choose another",
            other.id
        )
    };
    Some(Violation::new("security_group.group_name", reason))
}

/// Rules to add to one direction, and the request's field that they came in.
struct Additions {
    field: &'static str,
    rules: Vec<RuleDraft>,
}

impl Additions {
    fn new(field: &'static str, rules: Vec<RuleDraft>) -> Self {
        Self { field, rules }
    }
}

/// Adds what can be; the violations say what can't.
fn add_rules(
    cloud: &Cloud,
    group: &mut SecurityGroup,
    ingress: Additions,
    egress: Additions,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Violation>, OpError> {
    let mut used: Vec<RuleId> = Vec::new();
    used.extend(
        group
            .ingress
            .iter()
            .chain(&group.egress)
            .map(|rule| rule.id),
    );
    let mut violations = Vec::new();
    let vpc = group.vpc;
    for (rules, additions) in [(&mut group.ingress, ingress), (&mut group.egress, egress)] {
        for (i, draft) in additions.rules.into_iter().enumerate() {
            let field = format!("{}[{i}]", additions.field);
            let traffic = canonical(draft.traffic);
            let twin = twin(rules, traffic, draft.peer);
            violations.extend(twin.map(|reason| Violation::new(&*field, reason)));
            violations.extend(check_peer(cloud, vpc, &field, draft.peer));
            violations.extend(check_family(cloud, &field, traffic, draft.peer));
            let id = draw(entropy, "id", RuleId::from_bits, |id| !used.contains(id))?;
            used.push(id);
            rules.push(Rule {
                id,
                traffic,
                peer: draft.peer,
                description: draft.description,
            });
        }
    }
    Ok(violations)
}

/// One spelling per meaning, so that duplicates show.
pub(super) fn canonical(traffic: PortMatch) -> PortMatch {
    match traffic {
        PortMatch::Protocol(Protocol::TCP) => PortMatch::Tcp(PortRange::ALL),
        PortMatch::Protocol(Protocol::UDP) => PortMatch::Udp(PortRange::ALL),
        PortMatch::Protocol(Protocol::ICMP) => PortMatch::Icmp(None),
        PortMatch::Protocol(Protocol::ICMPV6) => PortMatch::Icmpv6(None),
        other => other,
    }
}

fn twin(rules: &[Rule], traffic: PortMatch, peer: Peer) -> Option<String> {
    let same = |rule: &&Rule| rule.traffic == traffic && rule.peer == peer;
    let rule = rules.iter().find(same)?;
    Some(format!(
        "the same rule is there already, or twice in the request: {}",
        rule.id
    ))
}

fn check_peer(cloud: &Cloud, vpc: VpcId, field: &str, peer: Peer) -> Option<Violation> {
    match peer {
        Peer::Cidr(_) => None,
        Peer::Group(id) => check_peer_group(cloud, vpc, id)
            .map(|reason| Violation::new(format!("{field}.group"), reason)),
        Peer::List(id) => {
            let region = &cloud.vpc(vpc)?.region;
            let reason = prefix_list::referable(cloud, region, id).err()?;
            Some(Violation::new(format!("{field}.prefix_list"), reason))
        }
    }
}

fn check_peer_group(cloud: &Cloud, vpc: VpcId, id: SecurityGroupId) -> Option<String> {
    match cloud.security_group(id) {
        None => Some(format!("security group {id} doesn't exist")),
        Some(other) if other.vpc == vpc || cloud.active_peering(vpc, other.vpc).is_some() => None,
        Some(other) => Some(format!(
            "security group {id} is in VPC {}, which is not peered with {vpc} of the rule",
            other.vpc
        )),
    }
}

/// ICMP is IPv4's and ICMPv6 IPv6's: with the other family's prefix a rule would match nothing.
fn check_family(cloud: &Cloud, field: &str, traffic: PortMatch, peer: Peer) -> Option<Violation> {
    let family = match peer {
        Peer::Cidr(prefix) => Family::of(prefix),
        Peer::List(id) => cloud.prefix_list(id)?.family,
        Peer::Group(_) => return None,
    };
    let reason = family_fault(traffic, family)?;
    Some(Violation::new(format!("{field}.protocol"), reason))
}

/// Why no packet of the family is of this traffic.
pub(super) const fn family_fault(traffic: PortMatch, family: Family) -> Option<&'static str> {
    match (traffic, family) {
        (PortMatch::Icmp(_), Family::Ipv6) => {
            Some("icmp is of IPv4; use icmpv6 with an IPv6 prefix")
        }
        (PortMatch::Icmpv6(_), Family::Ipv4) => {
            Some("icmpv6 is of IPv6; use icmp with an IPv4 prefix")
        }
        _ => None,
    }
}

/// A rule counts for the families of its peer: a prefix for its own, a list as often as it may have
/// entries, a group for both.
pub(super) fn check_rule_quota(
    group: &SecurityGroup,
    settings: &Settings,
    family_of: impl Fn(PrefixListId) -> Option<Family>,
    weight: impl Fn(PrefixListId) -> usize,
) -> Result<(), OpError> {
    let limit = settings.quotas.rules_per_group;
    let count = |rules: &[Rule], family: Family| -> usize {
        let counts = rules.iter().map(|rule| match rule.peer {
            Peer::Cidr(prefix) => usize::from(Family::of(prefix) == family),
            Peer::List(id) if family_of(id) == Some(family) => weight(id),
            Peer::List(_) => 0,
            Peer::Group(_) => 1,
        });
        counts.fold(0, usize::saturating_add)
    };
    let within = || format!("security group {}", group.id);
    for (rules, what4, what6) in [
        (&group.ingress, "IPv4 ingress rules", "IPv6 ingress rules"),
        (&group.egress, "IPv4 egress rules", "IPv6 egress rules"),
    ] {
        check_quota(count(rules, Family::Ipv4), limit, what4, within)?;
        check_quota(count(rules, Family::Ipv6), limit, what6, within)?;
    }
    Ok(())
}

fn check_quotas(cloud: &Cloud, group: &SecurityGroup, settings: &Settings) -> Result<(), OpError> {
    let family = |id| cloud.prefix_list(id).map(|list| list.family);
    check_rule_quota(group, settings, family, |id| prefix_list::weight(cloud, id))
}
