//! Security groups: made empty first, as their rules name each other.

use weft_model::{IcmpMatch, PortMatch, PortRange};
use weft_proto::v1::{self as wire, rule::Peer};

use super::view::{View, Where};
use crate::{
    api::{Api, ApiError, named, request_id},
    topology::{DEFAULT_GROUP, GroupSpec, PeerSpec, RuleSpec, Span, VpcSpec, all_egress},
};

pub(super) async fn create(api: &Api, view: &mut View, spec: &VpcSpec) -> Result<(), ApiError> {
    for group in &spec.groups {
        let name = group.name.as_str();
        let key = Where::new(spec.name.as_str(), name);
        if name == DEFAULT_GROUP || view.groups.contains_key(&key) {
            continue;
        }
        let request = wire::CreateSecurityGroupRequest {
            security_group: Some(wire::SecurityGroup {
                vpc: view.vpc_id(spec.name.as_str()),
                group_name: name.to_owned(),
                description: group.description.clone(),
                meta: named(name),
                ..Default::default()
            }),
            request_id: request_id(),
        };
        let answer = api.security_groups().create(request).await;
        let answer = answer.map_err(ApiError::of(format!("security group {name}")))?;
        view.groups
            .insert(key, answer.into_inner().security_group.unwrap_or_default());
    }
    Ok(())
}

pub(super) async fn rules(api: &Api, view: &mut View, spec: &VpcSpec) -> Result<(), ApiError> {
    for group in &spec.groups {
        let key = Where::new(spec.name.as_str(), group.name.as_str());
        let Some(old) = view.groups.get(&key) else {
            continue;
        };
        let wanted = Wanted::of(view, spec, group);
        let (ingress, gone_in) = difference(&old.ingress, &wanted.ingress);
        let (egress, gone_out) = difference(&old.egress, &wanted.egress);
        change(
            api,
            group,
            &old.id,
            (ingress, egress),
            [gone_in, gone_out].concat(),
        )
        .await?;
    }
    Ok(())
}

/// New rules come before old ones go, so that what both allow is never cut.
async fn change(
    api: &Api,
    group: &GroupSpec,
    id: &str,
    (ingress, egress): (Vec<wire::Rule>, Vec<wire::Rule>),
    gone: Vec<String>,
) -> Result<(), ApiError> {
    let what = || ApiError::of(format!("security group {}", group.name.value));
    if !ingress.is_empty() || !egress.is_empty() {
        let request = wire::AuthorizeRequest {
            security_group: id.to_owned(),
            ingress,
            egress,
            etag: String::new(),
            request_id: request_id(),
        };
        api.security_groups()
            .authorize(request)
            .await
            .map_err(what())?;
    }
    if !gone.is_empty() {
        let request = wire::RevokeRequest {
            security_group: id.to_owned(),
            rules: gone,
            etag: String::new(),
            request_id: request_id(),
        };
        api.security_groups()
            .revoke(request)
            .await
            .map_err(what())?;
    }
    Ok(())
}

struct Wanted {
    ingress: Vec<wire::Rule>,
    egress: Vec<wire::Rule>,
}

impl Wanted {
    fn of(view: &View, vpc: &VpcSpec, group: &GroupSpec) -> Self {
        let to_wire = |rules: &[RuleSpec]| rules.iter().map(|r| rule(view, vpc, r)).collect();
        let everything = all_egress(group.name.span);
        Self {
            ingress: to_wire(&group.ingress),
            egress: to_wire(group.egress.as_deref().unwrap_or(&everything)),
        }
    }
}

/// What a rule allows, whatever it is called.
fn bare(rule: &wire::Rule) -> wire::Rule {
    wire::Rule {
        id: String::new(),
        description: String::new(),
        ..rule.clone()
    }
}

/// The ids of the rules that these made, each with where it is written.
pub(super) fn origins<'a>(
    view: &View,
    vpc: &VpcSpec,
    specs: impl Iterator<Item = &'a RuleSpec>,
    rules: &[wire::Rule],
) -> Vec<(String, Span)> {
    let written: Vec<_> = specs
        .map(|spec| (bare(&rule(view, vpc, spec)), spec.span))
        .collect();
    let found = rules.iter().filter_map(|known| {
        let (_, span) = written.iter().find(|(rule, _)| *rule == bare(known))?;
        Some((known.id.clone(), *span))
    });
    found.collect()
}

/// What to add, and the ids of what to remove.
fn difference(old: &[wire::Rule], wanted: &[wire::Rule]) -> (Vec<wire::Rule>, Vec<String>) {
    let missing = |rule: &&wire::Rule| !old.iter().any(|o| bare(o) == bare(rule));
    let extra = |rule: &&wire::Rule| !wanted.iter().any(|w| bare(w) == bare(rule));
    let mut add: Vec<wire::Rule> = Vec::new();
    for rule in wanted.iter().filter(missing) {
        if !add.iter().any(|a| bare(a) == bare(rule)) {
            add.push(rule.clone());
        }
    }
    let gone = old.iter().filter(extra).map(|r| r.id.clone()).collect();
    (add, gone)
}

fn rule(view: &View, vpc: &VpcSpec, spec: &RuleSpec) -> wire::Rule {
    let (protocol, ports, icmp) = traffic(spec.traffic);
    let peer = match &spec.peer {
        PeerSpec::Cidr(prefix) => Peer::Cidr(prefix.to_string()),
        PeerSpec::GroupOf(other, name) => Peer::Group(view.group_id(other.as_str(), name.as_str())),
        PeerSpec::List(name) => Peer::PrefixList(view.list_id(name.as_str())),
        PeerSpec::Group(name) => Peer::Group(view.group_id(vpc.name.as_str(), name.as_str())),
    };
    wire::Rule {
        id: String::new(),
        protocol,
        ports,
        icmp,
        description: spec.description.clone().unwrap_or_default(),
        peer: Some(peer),
    }
}

fn traffic(traffic: PortMatch) -> (String, Option<wire::PortRange>, Option<wire::IcmpMatch>) {
    match traffic {
        PortMatch::All => ("all".into(), None, None),
        PortMatch::Tcp(range) => ("tcp".into(), ports(range), None),
        PortMatch::Udp(range) => ("udp".into(), ports(range), None),
        PortMatch::Icmp(kind) => ("icmp".into(), None, kind.map(icmp)),
        PortMatch::Icmpv6(kind) => ("icmpv6".into(), None, kind.map(icmp)),
        PortMatch::Protocol(number) => (number.0.to_string(), None, None),
    }
}

/// Absent is every port, as the API answers.
fn ports(range: PortRange) -> Option<wire::PortRange> {
    (range != PortRange::ALL).then(|| wire::PortRange {
        first: range.first().into(),
        last: range.last().into(),
    })
}

fn icmp(kind: IcmpMatch) -> wire::IcmpMatch {
    wire::IcmpMatch {
        r#type: kind.kind.into(),
        code: kind.code.map(Into::into),
    }
}
