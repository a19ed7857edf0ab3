//! Rules of security groups in the older form: permissions, each with many peers.

use std::collections::BTreeMap;

use weft_model::{
    Cloud, IcmpMatch, Label, Peer, PortMatch, PortRange, Prefix, PrefixListId, Protocol, Rule,
    RuleId, SecurityGroup, SecurityGroupId,
    ops::security_group::{self, RuleDraft},
};

use super::{
    rule::{rule_fields, rule_ids},
    security_group::{described, group_named, group_of},
};
use crate::{
    Action, Answer, Args, Ask, Fault, Stage, Xml, fault,
    shape::{Param, Shape, int, lacks, list, text, texts},
};

const GROUPS: Shape = Shape::Struct(&[
    text("GroupId"),
    text("GroupName"),
    text("UserId"),
    text("VpcId"),
    lacks("VpcPeeringConnectionId"),
    lacks("PeeringStatus"),
    text("Description"),
]);
const RANGES: Shape = Shape::Struct(&[text("CidrIp"), text("Description")]);
const RANGES6: Shape = Shape::Struct(&[text("CidrIpv6"), text("Description")]);
const LISTS: Shape = Shape::Struct(&[text("PrefixListId"), text("Description")]);

const PERMISSION: Shape = Shape::Struct(&[
    text("IpProtocol"),
    int("FromPort"),
    int("ToPort"),
    list("Groups", &GROUPS),
    list("IpRanges", &RANGES),
    list("Ipv6Ranges", &RANGES6),
    list("PrefixListIds", &LISTS),
]);

const AUTHORIZE: &[Param] = &[
    text("GroupId"),
    text("GroupName"),
    list("IpPermissions", &PERMISSION),
    text("IpProtocol"),
    int("FromPort"),
    int("ToPort"),
    text("CidrIp"),
    lacks("SourceSecurityGroupName"),
    lacks("SourceSecurityGroupOwnerId"),
    lacks("TagSpecification"),
];

const REVOKE: &[Param] = &[
    text("GroupId"),
    text("GroupName"),
    texts("SecurityGroupRuleId"),
    list("IpPermissions", &PERMISSION),
    text("IpProtocol"),
    int("FromPort"),
    int("ToPort"),
    text("CidrIp"),
    lacks("SourceSecurityGroupName"),
    lacks("SourceSecurityGroupOwnerId"),
];

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write("AuthorizeSecurityGroupIngress", AUTHORIZE, |ask, stage| {
        authorize(ask, stage, true)
    })
    .without("tags of rules"),
    Action::write("AuthorizeSecurityGroupEgress", AUTHORIZE, |ask, stage| {
        authorize(ask, stage, false)
    })
    .without("tags of rules"),
    Action::write("RevokeSecurityGroupIngress", REVOKE, |ask, stage| {
        revoke(ask, stage, true)
    }),
    Action::write("RevokeSecurityGroupEgress", REVOKE, |ask, stage| {
        revoke(ask, stage, false)
    }),
];

/// A rule's traffic in AWS's words: its protocol, and what the ports are, or the ICMP type and code.
pub(super) fn traffic_fields(traffic: PortMatch) -> (String, Option<(i64, i64)>) {
    let ports = |range: PortRange| Some((i64::from(range.first()), i64::from(range.last())));
    let icmp = |wanted: Option<IcmpMatch>| match wanted {
        None => Some((-1, -1)),
        Some(IcmpMatch { kind, code }) => Some((i64::from(kind), code.map_or(-1, i64::from))),
    };
    let (name, ports) = match traffic {
        PortMatch::All => ("-1", None),
        PortMatch::Tcp(range) => ("tcp", ports(range)),
        PortMatch::Udp(range) => ("udp", ports(range)),
        PortMatch::Icmp(wanted) => ("icmp", icmp(wanted)),
        PortMatch::Icmpv6(wanted) => ("icmpv6", icmp(wanted)),
        PortMatch::Protocol(protocol) => return (protocol.0.to_string(), None),
    };
    (name.to_owned(), ports)
}

/// Writes a group's rules of a direction, gathered by their traffic.
pub(super) fn permissions(ask: &Ask, name: &str, rules: &[Rule], xml: &mut Xml) {
    let mut gathered: BTreeMap<PortMatch, Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        gathered.entry(rule.traffic).or_default().push(rule);
    }
    xml.list(name, gathered, |xml, (traffic, rules)| {
        let (protocol, ports) = traffic_fields(traffic);
        xml.text("ipProtocol", protocol);
        if let Some((from, to)) = ports {
            xml.text("fromPort", from);
            xml.text("toPort", to);
        }
        peers(ask, &rules, xml);
    });
}

fn peers(ask: &Ask, rules: &[&Rule], xml: &mut Xml) {
    let described =
        |xml: &mut Xml, rule: &Rule| xml.maybe("description", rule.description.as_ref());
    let groups = rules.iter().filter_map(|rule| match rule.peer {
        Peer::Group(group) => Some((group, *rule)),
        _ => None,
    });
    xml.list("groups", groups, |xml, (group, rule)| {
        xml.text("userId", &ask.account);
        xml.text("groupId", group);
        described(xml, rule);
    });
    for (name, field, v6) in [
        ("ipRanges", "cidrIp", false),
        ("ipv6Ranges", "cidrIpv6", true),
    ] {
        let ranges = rules.iter().filter_map(|rule| match rule.peer {
            Peer::Cidr(prefix) if prefix.is_v6() == v6 => Some((prefix, *rule)),
            _ => None,
        });
        xml.list(name, ranges, |xml, (prefix, rule)| {
            xml.text(field, prefix);
            described(xml, rule);
        });
    }
    let lists = rules.iter().filter_map(|rule| match rule.peer {
        Peer::List(list) => Some((list, *rule)),
        _ => None,
    });
    xml.list("prefixListIds", lists, |xml, (list, rule)| {
        xml.text("prefixListId", list);
        described(xml, rule);
    });
}

/// Reads a rule's traffic.
pub(super) fn traffic(args: Args<'_>) -> Result<PortMatch, Fault> {
    let (from, to) = (args.int("FromPort"), args.int("ToPort"));
    let icmp = (from.unwrap_or(-1), to.unwrap_or(-1));
    traffic_of(args.needed("IpProtocol")?, from.zip(to), Some(icmp))
}

/// The traffic of a protocol, with ports or with an ICMP type and code.
pub(super) fn traffic_of(
    name: &str,
    ports: Option<(i64, i64)>,
    types: Option<(i64, i64)>,
) -> Result<PortMatch, Fault> {
    if name == "-1" || name == "all" {
        return Ok(PortMatch::All);
    }
    let protocol: Protocol = name.to_ascii_lowercase().parse().map_err(|_| {
        let message = format!("Invalid value '{name}' for IP protocol. Unknown protocol.");
        Fault::new("InvalidParameterValue", message)
    })?;
    match protocol {
        Protocol::TCP => Ok(PortMatch::Tcp(port_range(protocol, ports)?)),
        Protocol::UDP => Ok(PortMatch::Udp(port_range(protocol, ports)?)),
        Protocol::ICMP => Ok(PortMatch::Icmp(icmp(types)?)),
        Protocol::ICMPV6 => Ok(PortMatch::Icmpv6(icmp(types)?)),
        other => Ok(PortMatch::Protocol(other)),
    }
}

fn port_range(protocol: Protocol, ports: Option<(i64, i64)>) -> Result<PortRange, Fault> {
    let Some((from, to)) = ports else {
        let name = protocol.to_string().to_ascii_uppercase();
        let message = format!(
            "Invalid value 'Must specify both from and to ports with {name}.' for portRange."
        );
        return Err(Fault::new("InvalidParameterValue", message));
    };
    if (from, to) == (-1, -1) {
        return Ok(PortRange::ALL);
    }
    let ports = u16::try_from(from).ok().zip(u16::try_from(to).ok());
    let range = ports.and_then(|(from, to)| PortRange::new(from, to).ok());
    range.ok_or_else(|| {
        let message = format!("Invalid TCP/UDP port range ({from}:{to})");
        Fault::new("InvalidParameterValue", message)
    })
}

fn icmp(types: Option<(i64, i64)>) -> Result<Option<IcmpMatch>, Fault> {
    let byte = |value: i64| match value {
        -1 => Ok(None),
        value => u8::try_from(value).map(Some).map_err(|_| {
            let message = format!("ICMP type and code are -1 to 255, not {value}");
            Fault::new("InvalidParameterValue", message)
        }),
    };
    let Some((kind, code)) = types else {
        return Ok(None);
    };
    let (kind, code) = (byte(kind)?, byte(code)?);
    Ok(kind.map(|kind| IcmpMatch { kind, code }))
}

/// A prefix of the family.
pub(super) fn prefix(text: &str, v6: bool) -> Result<Prefix, Fault> {
    let parsed: Option<Prefix> = text.parse().ok();
    parsed.filter(|prefix| prefix.is_v6() == v6).ok_or_else(|| {
        let message = format!("CIDR block {text} is malformed");
        Fault::new("InvalidParameterValue", message)
    })
}

/// A group of the same network as the rule's own, or of a peered one.
pub(super) fn peer_group(ask: &Ask, cloud: &Cloud, id: SecurityGroupId) -> Result<Peer, Fault> {
    let there = cloud.security_group(id).is_some();
    if !there {
        group_of(ask, cloud, id)?;
    }
    Ok(Peer::Group(id))
}

/// Every rule that a request speaks of.
fn drafts(ask: &Ask, cloud: &Cloud) -> Result<Vec<RuleDraft>, Fault> {
    let args = ask.args();
    let mut drafts = Vec::new();
    for permission in args.groups("IpPermissions") {
        let traffic = traffic(permission)?;
        let before = drafts.len();
        let mut add = |peer: Peer, of: Args<'_>| -> Result<(), Fault> {
            let description = description(of)?;
            drafts.push(RuleDraft {
                traffic,
                peer,
                description,
            });
            Ok(())
        };
        for group in permission.groups("Groups") {
            let id: SecurityGroupId = group.needed_id("GroupId")?;
            add(peer_group(ask, cloud, id)?, group)?;
        }
        for range in permission.groups("IpRanges") {
            let prefix = prefix(range.needed("CidrIp")?, false)?;
            add(Peer::Cidr(prefix), range)?;
        }
        for range in permission.groups("Ipv6Ranges") {
            let prefix = prefix(range.needed("CidrIpv6")?, true)?;
            add(Peer::Cidr(prefix), range)?;
        }
        for list in permission.groups("PrefixListIds") {
            let id: PrefixListId = list.needed_id("PrefixListId")?;
            cloud
                .prefix_list(id)
                .ok_or_else(|| fault::not_found(&id.into()))?;
            add(Peer::List(id), list)?;
        }
        if drafts.len() == before {
            let message = "A permission names no source or destination";
            return Err(Fault::new("MissingParameter", message));
        }
    }
    if let Some(cidr) = args.text("CidrIp") {
        drafts.push(RuleDraft {
            traffic: traffic(args)?,
            peer: Peer::Cidr(prefix(cidr, false)?),
            description: None,
        });
    }
    Ok(drafts)
}

fn description(args: Args<'_>) -> Result<Option<Label>, Fault> {
    let text = args.text("Description");
    text.map(|text| described("Description", text)).transpose()
}

fn sides<T>(ingress: bool, these: Vec<T>) -> (Vec<T>, Vec<T>) {
    if ingress {
        (these, Vec::new())
    } else {
        (Vec::new(), these)
    }
}

fn rules(group: &SecurityGroup, ingress: bool) -> &[Rule] {
    if ingress {
        &group.ingress
    } else {
        &group.egress
    }
}

fn authorize(ask: &Ask, stage: &mut Stage<'_>, ingress: bool) -> Result<Answer, Fault> {
    let group = group_named(ask, stage.cloud())?;
    let drafts = drafts(ask, stage.cloud())?;
    if drafts.is_empty() {
        return Err(Fault::missing("ipPermissions"));
    }
    let (id, own) = (group.id, rules(group, ingress));
    for (at, draft) in drafts.iter().enumerate() {
        let same = |other: PortMatch, peer: Peer| other == draft.traffic && peer == draft.peer;
        let there = own.iter().any(|rule| same(rule.traffic, rule.peer))
            || drafts[..at]
                .iter()
                .any(|other| same(other.traffic, other.peer));
        if there {
            let message = format!("the specified rule \"{}\" already exists", words(draft));
            return Err(Fault::new("InvalidPermission.Duplicate", message));
        }
    }
    let old: Vec<RuleId> = own.iter().map(|rule| rule.id).collect();
    let sides = sides(ingress, drafts);
    stage.run(|cloud, settings, entropy| {
        security_group::authorize(cloud, settings, id, sides, None, entropy)
    })?;
    Ok(Box::new(move |ask, cloud, xml| {
        xml.text("return", true);
        let group = cloud.security_group(id);
        let new = group.into_iter().flat_map(|group| rules(group, ingress));
        let new = new.filter(|rule| !old.contains(&rule.id));
        xml.list("securityGroupRuleSet", new, |xml, rule| {
            rule_fields(ask, id, rule, !ingress, xml);
        });
    }))
}

/// A rule in the words of AWS's messages.
fn words(draft: &RuleDraft) -> String {
    let peer = match draft.peer {
        Peer::Cidr(prefix) => prefix.to_string(),
        Peer::Group(group) => group.to_string(),
        Peer::List(list) => list.to_string(),
    };
    let (protocol, ports) = traffic_fields(draft.traffic);
    let protocol = if protocol == "-1" {
        "ALL".to_owned()
    } else {
        protocol.to_ascii_uppercase()
    };
    let ports = ports.map_or_else(String::new, |(from, to)| {
        format!("from port: {from}, to port: {to}, ")
    });
    format!("peer: {peer}, {protocol}, {ports}ALLOW")
}

fn revoke(ask: &Ask, stage: &mut Stage<'_>, ingress: bool) -> Result<Answer, Fault> {
    let group = group_named(ask, stage.cloud())?;
    let id = group.id;
    let own = rules(group, ingress);
    let named = rule_ids(ask.args(), "SecurityGroupRuleId")?;
    let mut gone = Vec::new();
    for rule in named {
        if !own.iter().any(|own| own.id == rule) {
            return Err(super::rule::absent(&rule.to_string()));
        }
        gone.push(rule);
    }
    for draft in drafts(ask, stage.cloud())? {
        let same = |rule: &&Rule| rule.traffic == draft.traffic && rule.peer == draft.peer;
        let found = own.iter().find(same).ok_or_else(|| {
            let message = "The specified rule does not exist in this security group.";
            Fault::new("InvalidPermission.NotFound", message)
        })?;
        gone.push(found.id);
    }
    if gone.is_empty() {
        return Err(Fault::missing("ipPermissions"));
    }
    let kept = own.iter().filter(|rule| gone.contains(&rule.id));
    let revoked: Vec<Rule> = kept.cloned().collect();
    stage.run(|cloud, _, _| security_group::revoke(cloud, id, &gone, None))?;
    Ok(Box::new(move |ask, _, xml| {
        xml.text("return", true);
        xml.list("revokedSecurityGroupRuleSet", &revoked, |xml, rule| {
            rule_fields(ask, id, rule, !ingress, xml);
        });
    }))
}
