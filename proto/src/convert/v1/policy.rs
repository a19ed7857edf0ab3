//! Rules and routes: the two shapes that the north API and the host stream share.

use weft_model::ops::security_group::RuleDraft;

use super::{
    Destination, Fields, IcmpMatch, Invalid, Peer, PortMatch, PortRange, Protocol, Reported, Route,
    RouteOrigin, RouteState, RouteTarget, Rule, text_or_empty, wire,
};

/// Reads a rule whose id doesn't matter yet.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_rule_draft(fields: &mut Fields, rule: &wire::Rule) -> Result<RuleDraft, Reported> {
    let ports = rule.ports.as_ref();
    let traffic = read_traffic(fields, &rule.protocol, ports, rule.icmp.as_ref());
    let peer = read_peer(fields, rule.peer.as_ref());
    let description = fields.optional("description", &rule.description);
    Ok(RuleDraft {
        traffic: traffic?,
        peer: peer?,
        description: description?,
    })
}

/// Reads a rule that has its id.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_rule(fields: &mut Fields, rule: &wire::Rule) -> Result<Rule, Reported> {
    let id = fields.required("id", &rule.id);
    let draft = read_rule_draft(fields, rule)?;
    Ok(Rule {
        id: id?,
        traffic: draft.traffic,
        peer: draft.peer,
        description: draft.description,
    })
}

pub(super) fn read_traffic(
    fields: &mut Fields,
    protocol: &str,
    ports: Option<&wire::PortRange>,
    icmp: Option<&wire::IcmpMatch>,
) -> Result<PortMatch, Reported> {
    let protocol = match protocol {
        "all" => None,
        text => Some(fields.required::<Protocol>("protocol", text)?),
    };
    let with_ports = matches!(protocol, Some(Protocol::TCP | Protocol::UDP));
    let with_types = matches!(protocol, Some(Protocol::ICMP | Protocol::ICMPV6));
    if ports.is_some() && !with_ports {
        return Err(fields.refuse("ports", "only tcp and udp have ports: leave it out"));
    }
    if icmp.is_some() && !with_types {
        return Err(fields.refuse("icmp", "only icmp and icmpv6 have types: leave it out"));
    }
    Ok(match protocol {
        None => PortMatch::All,
        Some(Protocol::TCP) => PortMatch::Tcp(read_ports(fields, "ports", ports)?),
        Some(Protocol::UDP) => PortMatch::Udp(read_ports(fields, "ports", ports)?),
        Some(Protocol::ICMP) => PortMatch::Icmp(read_icmp(fields, icmp)?),
        Some(Protocol::ICMPV6) => PortMatch::Icmpv6(read_icmp(fields, icmp)?),
        Some(other) => PortMatch::Protocol(other),
    })
}

pub(super) fn read_ports(
    fields: &mut Fields,
    field: &str,
    ports: Option<&wire::PortRange>,
) -> Result<PortRange, Reported> {
    let Some(ports) = ports else {
        return Ok(PortRange::ALL);
    };
    fields.within(field, |fields| {
        let first = fields.narrow("first", ports.first, u16::MAX);
        let last = fields.narrow("last", ports.last, u16::MAX);
        PortRange::new(first?, last?).map_err(|error| fields.refuse("", error))
    })
}

fn read_icmp(
    fields: &mut Fields,
    icmp: Option<&wire::IcmpMatch>,
) -> Result<Option<IcmpMatch>, Reported> {
    let Some(icmp) = icmp else {
        return Ok(None);
    };
    fields.within("icmp", |fields| {
        let kind = fields.narrow("type", icmp.r#type, u8::MAX);
        let code = icmp
            .code
            .map(|code| fields.narrow("code", code, u8::MAX))
            .transpose();
        Ok(Some(IcmpMatch {
            kind: kind?,
            code: code?,
        }))
    })
}

fn read_peer(fields: &mut Fields, peer: Option<&wire::rule::Peer>) -> Result<Peer, Reported> {
    use wire::rule::Peer as Wire;
    match peer {
        Some(Wire::Cidr(text)) => fields.required("cidr", text).map(Peer::Cidr),
        Some(Wire::Group(text)) => fields.required("group", text).map(Peer::Group),
        Some(Wire::PrefixList(text)) => fields.required("prefix_list", text).map(Peer::List),
        None => Err(fields.refuse("peer", "is required: give a cidr, a group or a prefix_list")),
    }
}

/// Reads where a route leads; who made it isn't read, since only the controller says that.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_route(
    fields: &mut Fields,
    route: &wire::Route,
) -> Result<(Destination, RouteTarget), Reported> {
    let destination = match (route.destination.as_str(), route.prefix_list.as_str()) {
        (prefix, "") => fields
            .required("destination", prefix)
            .map(Destination::Prefix),
        ("", list) => fields.required("prefix_list", list).map(Destination::List),
        _ => Err(fields.refuse(
            "prefix_list",
            "stands instead of a destination: give one of them",
        )),
    };
    let target = read_target(fields, route.target.as_ref());
    if wire::route::Origin::try_from(route.origin).is_err() {
        fields.refuse("origin", format!("{} is not an origin", route.origin));
    }
    Ok((destination?, target?))
}

/// Reads a route as a host sees it: for one prefix.
///
/// # Errors
/// When a field is at fault, or it is for a list; `fields` says which.
pub fn read_route_state(fields: &mut Fields, route: &wire::Route) -> Result<RouteState, Reported> {
    let (destination, target) = read_route(fields, route)?;
    match destination {
        Destination::Prefix(destination) => Ok(RouteState {
            destination,
            target,
        }),
        Destination::List(_) => Err(fields.refuse(
            "prefix_list",
            "is the controller's to expand: give a prefix",
        )),
    }
}

fn read_target(
    fields: &mut Fields,
    target: Option<&wire::route::Target>,
) -> Result<RouteTarget, Reported> {
    use wire::route::Target as Wire;
    match target {
        Some(Wire::Local(true)) => Ok(RouteTarget::Local),
        Some(Wire::Blackhole(true)) => Ok(RouteTarget::Blackhole),
        Some(Wire::Interface(text)) => fields
            .required("interface", text)
            .map(RouteTarget::Interface),
        Some(Wire::InternetGateway(text)) => fields
            .required("internet_gateway", text)
            .map(RouteTarget::InternetGateway),
        Some(Wire::EgressGateway(text)) => fields
            .required("egress_gateway", text)
            .map(RouteTarget::EgressGateway),
        Some(Wire::Peering(text)) => fields.required("peering", text).map(RouteTarget::Peering),
        Some(Wire::TransitGateway(text)) => fields
            .required("transit_gateway", text)
            .map(RouteTarget::TransitGateway),
        Some(Wire::NatGateway(text)) => fields.required("nat_gateway", text).map(RouteTarget::Nat),
        Some(Wire::Local(false)) => Err(fields.refuse("local", "is true or left out")),
        Some(Wire::Blackhole(false)) => Err(fields.refuse("blackhole", "is true or left out")),
        None => Err(fields.refuse(
            "target",
            "is required: give local, an interface, a gateway, a peering or blackhole",
        )),
    }
}

impl TryFrom<&wire::Rule> for Rule {
    type Error = Invalid;

    fn try_from(rule: &wire::Rule) -> Result<Self, Invalid> {
        Fields::read(|fields| read_rule(fields, rule))
    }
}

impl TryFrom<&wire::Route> for RouteState {
    type Error = Invalid;

    fn try_from(route: &wire::Route) -> Result<Self, Invalid> {
        Fields::read(|fields| read_route_state(fields, route))
    }
}

impl From<&Rule> for wire::Rule {
    fn from(rule: &Rule) -> Self {
        let (protocol, ports, icmp) = traffic(rule.traffic);
        Self {
            id: rule.id.to_string(),
            protocol,
            ports,
            icmp,
            peer: Some(match rule.peer {
                Peer::Cidr(prefix) => wire::rule::Peer::Cidr(prefix.to_string()),
                Peer::Group(group) => wire::rule::Peer::Group(group.to_string()),
                Peer::List(list) => wire::rule::Peer::PrefixList(list.to_string()),
            }),
            description: text_or_empty(rule.description.as_ref()),
        }
    }
}

pub(super) type WireTraffic = (String, Option<wire::PortRange>, Option<wire::IcmpMatch>);

pub(super) fn traffic(traffic: PortMatch) -> WireTraffic {
    match traffic {
        PortMatch::All => ("all".to_owned(), None, None),
        PortMatch::Tcp(range) => (Protocol::TCP.to_string(), ports(range), None),
        PortMatch::Udp(range) => (Protocol::UDP.to_string(), ports(range), None),
        PortMatch::Icmp(types) => (Protocol::ICMP.to_string(), None, types.map(icmp)),
        PortMatch::Icmpv6(types) => (Protocol::ICMPV6.to_string(), None, types.map(icmp)),
        PortMatch::Protocol(protocol) => (protocol.to_string(), None, None),
    }
}

/// Every port is written by leaving the range out.
pub(super) fn ports(range: PortRange) -> Option<wire::PortRange> {
    (range != PortRange::ALL).then(|| wire::PortRange {
        first: range.first().into(),
        last: range.last().into(),
    })
}

fn icmp(types: IcmpMatch) -> wire::IcmpMatch {
    wire::IcmpMatch {
        r#type: types.kind.into(),
        code: types.code.map(Into::into),
    }
}

impl From<RouteTarget> for wire::route::Target {
    fn from(target: RouteTarget) -> Self {
        match target {
            RouteTarget::Local => Self::Local(true),
            RouteTarget::Interface(id) => Self::Interface(id.to_string()),
            RouteTarget::InternetGateway(id) => Self::InternetGateway(id.to_string()),
            RouteTarget::EgressGateway(id) => Self::EgressGateway(id.to_string()),
            RouteTarget::Peering(id) => Self::Peering(id.to_string()),
            RouteTarget::TransitGateway(id) => Self::TransitGateway(id.to_string()),
            RouteTarget::Nat(id) => Self::NatGateway(id.to_string()),
            RouteTarget::Blackhole => Self::Blackhole(true),
        }
    }
}

impl From<RouteOrigin> for wire::route::Origin {
    fn from(origin: RouteOrigin) -> Self {
        match origin {
            RouteOrigin::Table => Self::Table,
            RouteOrigin::Static => Self::Static,
            RouteOrigin::Propagated => Self::Propagated,
        }
    }
}

impl From<&Route> for wire::Route {
    fn from(route: &Route) -> Self {
        let (destination, prefix_list) = match route.destination {
            Destination::Prefix(prefix) => (prefix.to_string(), String::new()),
            Destination::List(list) => (String::new(), list.to_string()),
        };
        Self {
            destination,
            prefix_list,
            target: Some(route.target.into()),
            origin: wire::route::Origin::from(route.origin).into(),
        }
    }
}

/// Without an origin: a host doesn't care who made a route.
impl From<&RouteState> for wire::Route {
    fn from(route: &RouteState) -> Self {
        Self {
            destination: route.destination.to_string(),
            target: Some(route.target.into()),
            origin: wire::route::Origin::Unspecified.into(),
            prefix_list: String::new(),
        }
    }
}
