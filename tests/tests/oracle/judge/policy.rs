//! What the cloud says of a packet: rules one by one, routes one by one.

use std::{cmp::Reverse, net::IpAddr};

use weft_model::{
    AclAction, Cloud, Destination, Interface, Peer, PeeringId, PortMatch, Prefix, PrefixListId,
    Protocol, Route, RouteOrigin, RouteTable, RouteTableId, RouteTarget, Rule, Subnet, VpcId,
};
use weft_packet::headers::{Ip, L4};

use super::{Next, Refusal, Way, transit};

/// Which way a packet goes, as the interface sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

impl Direction {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::In => Self::Out,
            Self::Out => Self::In,
        }
    }
}

/// What a rule looks at, beside the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    Tcp(u16),
    Udp(u16),
    Icmp(u8, u8),
    Icmpv6(u8, u8),
    Other(u8),
}

impl Traffic {
    pub(crate) fn of(ip: &Ip) -> Self {
        match ip.l4_kind {
            L4::Tcp { dst, .. } => Self::Tcp(dst),
            L4::Udp { dst, .. } => Self::Udp(dst),
            L4::Icmp { kind, code, .. } if ip.is_v4() => Self::Icmp(kind, code),
            L4::Icmp { kind, code, .. } => Self::Icmpv6(kind, code),
            L4::Other | L4::LaterFragment => Self::Other(ip.protocol),
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Tcp(_) => 6,
            Self::Udp(_) => 17,
            Self::Icmp(..) => 1,
            Self::Icmpv6(..) => 58,
            Self::Other(number) => number,
        }
    }

    fn matches(self, rule: PortMatch) -> bool {
        match (rule, self) {
            (PortMatch::All, _) => true,
            (PortMatch::Tcp(range), Self::Tcp(port)) | (PortMatch::Udp(range), Self::Udp(port)) => {
                range.contains(port)
            }
            (PortMatch::Icmp(None), Self::Icmp(..)) => true,
            (PortMatch::Icmpv6(None), Self::Icmpv6(..)) => true,
            (PortMatch::Icmp(Some(m)), Self::Icmp(kind, code))
            | (PortMatch::Icmpv6(Some(m)), Self::Icmpv6(kind, code)) => {
                m.kind == kind && m.code.is_none_or(|only| only == code)
            }
            (PortMatch::Protocol(Protocol(number)), traffic) => traffic.number() == number,
            _ => false,
        }
    }
}

/// Whether the subnet's ACL lets such traffic cross its boundary: the lowest entry that matches
/// says, and `*` after all of them says no.
pub(crate) fn check_acl(
    cloud: &Cloud,
    subnet: &Subnet,
    direction: Direction,
    peer: IpAddr,
    traffic: Traffic,
) -> Result<(), Refusal> {
    let default = cloud.vpc(subnet.vpc).unwrap().default_acl;
    let id = subnet.acl.unwrap_or(default);
    let acl = cloud.network_acl(id).unwrap();
    let (entries, code) = match direction {
        Direction::In => (&acl.ingress, "acl_ingress"),
        Direction::Out => (&acl.egress, "acl_egress"),
    };
    let matching = entries
        .iter()
        .filter(|entry| entry.prefix.contains_addr(peer) && traffic.matches(entry.traffic));
    match matching.min_by_key(|entry| entry.number) {
        Some(entry) if entry.action == AclAction::Allow => Ok(()),
        Some(entry) => Err(Refusal::because(code, format!("{id} {}", entry.number))),
        None => Err(Refusal::because(code, format!("{id} *"))),
    }
}

/// Who holds the address in the VPC, while plugged in.
pub(crate) fn held(cloud: &Cloud, vpc: VpcId, address: IpAddr) -> Option<Interface> {
    let mut all = cloud.interfaces();
    let holder = all.find(|i| i.vpc == vpc && i.addresses().any(|a| a == address));
    holder.filter(|i| i.attachment.is_some()).cloned()
}

/// Who holds the address, wherever the interface's packets may come from or go.
pub(crate) fn holder(cloud: &Cloud, near: &Interface, address: IpAddr) -> Option<Interface> {
    known(cloud, near, address).or_else(|| transit::holder(cloud, near, address))
}

/// Who holds the address, in the interface's own VPC or one that it is peered with: where several
/// have the address, the one that the route leads to, or else that of the first peering. Groups are
/// known so far and no further.
fn known(cloud: &Cloud, near: &Interface, address: IpAddr) -> Option<Interface> {
    let subnet = cloud.subnet(near.subnet).unwrap();
    let led = match table_route(cloud, subnet, address)
        .1
        .map(|(_, route)| route.target)
    {
        Some(RouteTarget::Peering(id)) => other_side(cloud, near.vpc, id),
        _ => None,
    };
    let mut active: Vec<_> = cloud.peerings_of_vpc(near.vpc).collect();
    active.retain(|peering| peering.is_active());
    active.sort_by_key(|peering| peering.id);
    let others = active
        .into_iter()
        .filter_map(|peering| peering.other(near.vpc));
    let mut vpcs = [near.vpc].into_iter().chain(led).chain(others);
    vpcs.find_map(|vpc| held(cloud, vpc, address))
}

fn rules<'a>(
    cloud: &'a Cloud,
    interface: &'a Interface,
    direction: Direction,
) -> impl Iterator<Item = &'a Rule> {
    let groups = interface.groups.iter().copied();
    let groups = groups.filter_map(|id| cloud.security_group(id));
    groups.flat_map(move |group| match direction {
        Direction::In => &group.ingress,
        Direction::Out => &group.egress,
    })
}

/// Whether some rule of some group of the interface lets a connection begin.
pub(crate) fn allows(
    cloud: &Cloud,
    interface: &Interface,
    direction: Direction,
    peer: IpAddr,
    traffic: Traffic,
) -> bool {
    let behind = known(cloud, interface, peer);
    let is_peer = |rule: &Rule| match rule.peer {
        Peer::Cidr(prefix) => prefix.contains_addr(peer),
        Peer::Group(group) => behind.as_ref().is_some_and(|i| i.groups.contains(&group)),
        Peer::List(id) => listed(cloud, id).iter().any(|p| p.contains_addr(peer)),
    };
    let mut rules = rules(cloud, interface, direction);
    rules.any(|rule| traffic.matches(rule.traffic) && is_peer(rule))
}

/// Whether such a connection needs no tracking: TCP or UDP, allowed to or from everywhere, and the
/// other way open to everywhere on all ports.
pub(crate) fn is_untracked(
    cloud: &Cloud,
    interface: &Interface,
    direction: Direction,
    peer: IpAddr,
    traffic: Traffic,
) -> bool {
    let is_everyone = |p: Prefix| p.net().prefix_len() == 0 && p.contains_addr(peer);
    let everyone = |rule: &Rule| match rule.peer {
        Peer::Cidr(prefix) => is_everyone(prefix),
        Peer::List(id) => listed(cloud, id).into_iter().any(is_everyone),
        Peer::Group(_) => false,
    };
    let open = |direction, traffic: Traffic| {
        let mut rules = rules(cloud, interface, direction);
        rules.any(|rule| everyone(rule) && traffic.matches(rule.traffic))
    };
    let all_ports: fn(u16) -> Traffic = match traffic {
        Traffic::Tcp(_) => Traffic::Tcp,
        Traffic::Udp(_) => Traffic::Udp,
        _ => return false,
    };
    open(direction, traffic)
        && is_open_on_all(cloud, interface, direction.other(), everyone, all_ports)
}

/// Whether the rules for everyone cover every port between them. Only where a range begins or has
/// just ended can that change, so those ports stand for all.
fn is_open_on_all(
    cloud: &Cloud,
    interface: &Interface,
    direction: Direction,
    everyone: impl Fn(&Rule) -> bool,
    all_ports: fn(u16) -> Traffic,
) -> bool {
    let open: Vec<PortMatch> = rules(cloud, interface, direction)
        .filter(|rule| everyone(rule))
        .map(|rule| rule.traffic)
        .collect();
    let mut ports = vec![0, u16::MAX];
    for traffic in &open {
        if let PortMatch::Tcp(range) | PortMatch::Udp(range) = traffic {
            ports.extend([range.first(), range.first().saturating_sub(1)]);
            ports.extend([range.last(), range.last().saturating_add(1)]);
        }
    }
    let is_open = |port| open.iter().any(|rule| all_ports(port).matches(*rule));
    ports.into_iter().all(is_open)
}

pub(crate) fn in_subnet(subnet: &Subnet, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => subnet.ipv4.contains_addr(a),
        IpAddr::V6(a) => subnet.ipv6.is_some_and(|block| block.contains_addr(a)),
    }
}

/// The prefixes that a destination stands for.
fn prefixes(cloud: &Cloud, destination: Destination) -> Vec<Prefix> {
    match destination {
        Destination::Prefix(prefix) => vec![prefix],
        Destination::List(id) => listed(cloud, id),
    }
}

fn listed(cloud: &Cloud, id: PrefixListId) -> Vec<Prefix> {
    let list = cloud.prefix_list(id);
    list.map_or_else(Vec::new, |list| list.prefixes().collect())
}

/// The route that the table has for the address, and for which prefix: the longest, and of several
/// for that prefix one of its own, then the list's with the lowest id, then a propagated one.
fn route<'a>(cloud: &Cloud, table: &'a RouteTable, to: IpAddr) -> Option<(Prefix, &'a Route)> {
    let rank = |route: &Route| match (route.origin, route.destination) {
        (RouteOrigin::Static | RouteOrigin::Table, Destination::Prefix(_)) => (2, None),
        (_, Destination::List(id)) => (1, Some(Reverse(id))),
        (RouteOrigin::Propagated, Destination::Prefix(_)) => (0, None),
    };
    let all = table.routes.iter().flat_map(|route| {
        let prefixes = prefixes(cloud, route.destination).into_iter();
        prefixes.map(move |prefix| (prefix, route))
    });
    let fitting = all.filter(|(prefix, _)| prefix.contains_addr(to));
    fitting.max_by_key(|(prefix, route)| (prefix.net().prefix_len(), rank(route)))
}

/// The table that the subnet uses, and its route for the address.
pub(crate) fn table_route<'a>(
    cloud: &'a Cloud,
    subnet: &Subnet,
    to: IpAddr,
) -> (RouteTableId, Option<(Prefix, &'a Route)>) {
    let vpc = cloud.vpc(subnet.vpc).unwrap();
    let table = subnet.route_table.unwrap_or(vpc.main_route_table);
    let routes = cloud.route_table(table).unwrap();
    (table, route(cloud, routes, to))
}

/// Whether the target is a gateway of the VPC to the internet, whichever kind.
pub(crate) fn is_gateway(cloud: &Cloud, vpc: VpcId, target: RouteTarget) -> bool {
    match target {
        RouteTarget::InternetGateway(id) => {
            cloud.internet_gateway(id).and_then(|gateway| gateway.vpc) == Some(vpc)
        }
        RouteTarget::EgressGateway(id) => cloud.egress_gateway(id).map(|g| g.vpc) == Some(vpc),
        _ => false,
    }
}

/// Where the interface's packets from one address to another go.
pub(crate) fn way(
    cloud: &Cloud,
    from: &Interface,
    (src, dst): (IpAddr, IpAddr),
) -> Result<Way, Refusal> {
    let subnet = cloud.subnet(from.subnet).unwrap();
    let local = || {
        let nobody = Refusal::because("no_mapping", dst);
        held(cloud, from.vpc, dst).ok_or(nobody)
    };
    if in_subnet(subnet, dst) {
        return Ok(Way {
            to: Next::Interface(Box::new(local()?)),
            routed: false,
            mask: None,
            idle: None,
        });
    }
    let (table, found) = table_route(cloud, subnet, dst);
    let (prefix, found) = found.ok_or_else(|| Refusal::because("no_route", table))?;
    let dead = || Refusal::because("blackhole", format!("{table} {prefix}"));
    let to = match found.target {
        RouteTarget::Local => Next::Interface(Box::new(local()?)),
        RouteTarget::Interface(id) => {
            let target = cloud.interface(id).filter(|i| i.attachment.is_some());
            Next::Interface(Box::new(target.cloned().ok_or_else(dead)?))
        }
        target if is_gateway(cloud, from.vpc, target) => Next::Internet,
        RouteTarget::Nat(id) => {
            let nat = cloud.nat_gateway(id).filter(|nat| nat.vpc == from.vpc);
            Next::Nat(Box::new(nat.cloned().ok_or_else(dead)?))
        }
        RouteTarget::Peering(id) => {
            let there = other_side(cloud, from.vpc, id).ok_or_else(dead)?;
            // What isn't the VPC's own doesn't cross, and nothing behind the other is reached.
            let own = held(cloud, from.vpc, src);
            own.ok_or_else(|| Refusal::because("foreign_source", id))?;
            let other = held(cloud, there, dst);
            let other = other.ok_or_else(|| Refusal::because("peer_no_mapping", id))?;
            Next::Interface(Box::new(other))
        }
        RouteTarget::TransitGateway(id) => {
            let there = transit::lead(cloud, from.vpc, id, (src, dst));
            Next::Interface(Box::new(there.ok_or_else(dead)??))
        }
        _ => return Err(dead()),
    };
    Ok(Way {
        to,
        routed: true,
        mask: None,
        idle: None,
    })
}

/// The VPC that an active peering leads to.
pub(crate) fn other_side(cloud: &Cloud, vpc: VpcId, id: PeeringId) -> Option<VpcId> {
    cloud.peering(id).filter(|p| p.is_active())?.other(vpc)
}
