//! Load balancers: who may serve a connection, and how it looks to them.

use std::net::IpAddr;

use weft_model::{
    Balancer, BalancerId, Cloud, Health, HostName, Interface, InterfaceId, Listener, Protocol,
    RouteTarget, Target, TargetGroup, TargetName, ZoneName, target::serving,
};
use weft_packet::headers::L4;

use super::{
    Case, Judge, Judged, Refusal, Way,
    bytes::ip_of,
    connection::{Ends, Mask, Name, asks},
    known::quoted,
    policy::{held, holder, other_side, table_route, way},
};

/// What a sender of TCP is told of by a reset.
pub(super) const RESETS: [&str; 4] = [
    "balancer_no_connection",
    "balancer_target_gone",
    "balancer_target_unhealthy",
    "nat_idle",
];

/// Seconds that a connection of UDP is kept.
const UDP_IDLE: u64 = 120;

/// The balancer with that address, in the interface's VPC or one that a peering leads to.
pub(crate) fn balancer_at(cloud: &Cloud, near: &Interface, address: IpAddr) -> Option<Balancer> {
    let subnet = cloud.subnet(near.subnet).unwrap();
    let led = match table_route(cloud, subnet, address)
        .1
        .map(|(_, route)| route.target)
    {
        Some(RouteTarget::Peering(id)) => other_side(cloud, near.vpc, id),
        _ => None,
    };
    let mut vpcs = [near.vpc].into_iter().chain(led);
    vpcs.find_map(|vpc| {
        let mut all = cloud.balancers_in_vpc(vpc);
        let found = all.find(|balancer| balancer.addresses().any(|own| own == address));
        found.cloned()
    })
}

/// The balancer's listener that takes this.
pub(super) fn listener(
    cloud: &Cloud,
    balancer: BalancerId,
    protocol: u8,
    port: u16,
) -> Option<Listener> {
    let takes = |listener: &&Listener| {
        listener.port == port && listener.protocol.carries(Protocol(protocol))
    };
    cloud.listeners_of(balancer).find(takes).cloned()
}

/// Seconds that a connection of it is kept.
pub(super) fn idle(listener: &Listener, protocol: u8) -> u64 {
    match protocol {
        6 => u64::from(listener.idle_timeout.get()),
        _ => UDP_IDLE,
    }
}

/// The interface that a target is at, if it is plugged in, and its addresses.
fn at(cloud: &Cloud, group: &TargetGroup, target: &Target) -> Option<(Interface, Vec<IpAddr>)> {
    match target.name {
        TargetName::Interface(id) => {
            let interface = cloud.interface(id).filter(|i| i.attachment.is_some())?;
            let own = serving(interface.ipv4.into(), &interface.ipv6);
            Some((interface.clone(), own))
        }
        TargetName::Ip(address) => Some((held(cloud, group.vpc, address)?, vec![address])),
    }
}

/// The hosts of a group's targets.
pub(super) fn places(cloud: &Cloud, group: &TargetGroup) -> Vec<HostName> {
    let targets = group.targets.iter();
    let at = targets.filter_map(|target| at(cloud, group, target)?.0.attachment);
    at.map(|place| place.host).collect()
}

/// Somebody who serves.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) interface: InterfaceId,
    zone: ZoneName,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) port: u16,
    pub(super) weight: u16,
    pub(super) draining: bool,
    health: Health,
}

/// What may come of a new connection.
#[derive(Debug, Clone, Copy)]
enum Pick {
    Target((IpAddr, u16)),
    Refused(&'static str),
}

impl Server {
    pub(super) fn address(&self, six: bool) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|a| a.is_ipv6() == six)
    }
}

impl Judge {
    pub(super) fn servers(&self, cloud: &Cloud, group: &TargetGroup) -> Vec<Server> {
        let servers = group.targets.iter().filter_map(|target| {
            let (interface, addresses) = at(cloud, group, target)?;
            let key = (group.id, addresses[0], target.port);
            Some(Server {
                interface: interface.id,
                weight: target.weight.get(),
                zone: cloud.subnet(interface.subnet)?.zone.clone(),
                addresses,
                port: target.port,
                draining: target.draining,
                health: match self.health.get(&key) {
                    None => Health::Unknown,
                    Some(true) => Health::Healthy,
                    Some(false) => Health::Unhealthy,
                },
            })
        });
        servers.collect()
    }

    /// Where packets to a balancer go.
    pub(super) fn balance(
        &mut self,
        case: &Case<'_>,
        judged: &Judged,
        balancer: &Balancer,
    ) -> Result<Way, Refusal> {
        let (cloud, ip) = (case.cloud, case.ip);
        let unserved = || Refusal::because("balancer_unserved", balancer.id);
        let (L4::Tcp { dst: port, .. } | L4::Udp { dst: port, .. }, Some(name)) =
            (ip.l4_kind, case.name())
        else {
            return Err(unserved());
        };
        let listener = listener(cloud, balancer.id, ip.protocol, port).ok_or_else(unserved)?;
        let group = cloud.target_group(listener.target_group).unwrap();
        let servers = self.servers(cloud, group);
        let refuse = |code| Refusal::because(code, group.id);
        let begins = case.flags().is_none_or(asks);
        let held = match judged {
            Judged::Part(name) => self.find(name).and_then(|connection| connection.mask),
            Judged::Alone => None,
        };
        let stays = held.filter(|_| case.flags().is_none() || !begins);
        let stays = stays.map(|mask| stay(&servers, mask.remote).map(|()| mask));
        let mask = match stays {
            Some(Ok(mask)) => mask,
            Some(Err(code)) if case.flags().is_some() => return Err(refuse(code)),
            _ if !begins => return Err(refuse("balancer_no_connection")),
            _ => {
                let zone = &cloud.subnet(case.at.subnet).unwrap().zone;
                let zone = (!balancer.cross_zone).then_some(zone);
                let six = !ip.is_v4();
                let free = candidates(&servers, zone, six).into_iter();
                let free = free.filter_map(|server| Some((server.address(six)?, server.port)));
                let picks = self.picks(case, &name, free.collect());
                match picks.get(self.choices.of(picks.len())) {
                    None => return Err(refuse("balancer_no_target")),
                    Some(Pick::Refused(code)) => return Err(refuse(code)),
                    Some(Pick::Target(remote)) => Mask {
                        local: name.ends().local,
                        remote: *remote,
                    },
                }
            }
        };
        let way = way(cloud, case.at, (ip.src, mask.remote.0))?;
        Ok(Way {
            mask: Some((name, mask)),
            idle: Some(idle(&listener, ip.protocol)),
            ..way
        })
    }

    /// What may come of each candidate.
    fn picks(&self, case: &Case<'_>, name: &Name, servers: Vec<(IpAddr, u16)>) -> Vec<Pick> {
        let pick = |remote: (IpAddr, u16)| match () {
            () if case.at.addresses().any(|own| own == remote.0) => {
                Pick::Refused("balancer_hairpin")
            }
            () if self.is_taken(name, &name.with_remote(remote)) => {
                Pick::Refused("translation_taken")
            }
            () => Pick::Target(remote),
        };
        servers.into_iter().map(pick).collect()
    }

    /// Who serves the interface's connection through a balancer from there, on which port.
    pub(crate) fn served(
        &self,
        interface: InterfaceId,
        protocol: u8,
        local: (IpAddr, u16),
    ) -> Option<(IpAddr, u16)> {
        let mut connections = self.connections.iter();
        let found = connections.find(|c| {
            let ends = c.name.ends();
            (c.name.interface, c.name.protocol, ends.local) == (interface, protocol, local)
                && c.mask.is_some_and(|mask| mask.remote != ends.remote)
        });
        Some(found?.mask?.remote)
    }

    /// Whether somebody's connection is served there.
    pub(crate) fn is_busy(&self, server: (IpAddr, u16)) -> bool {
        let mut connections = self.connections.iter();
        connections.any(|c| {
            let own = c.name.ends();
            let masked = c.mask.filter(|mask| *mask != own);
            masked.is_some_and(|mask| {
                let behind = mask.local != own.local && own.local == server;
                mask.remote == server || behind
            })
        })
    }

    /// Whether another connection of the interface looks so on the wire.
    pub(super) fn is_taken(&self, own: &Name, looks: &Name) -> bool {
        let ends = looks.ends();
        self.connections.iter().any(|other| {
            let alike = (other.name.interface, other.name.protocol)
                == (looks.interface, looks.protocol)
                && other.name != *own;
            // Its own name is as good as taken, whatever it looks like.
            alike && (other.mask == Some(ends) || other.name == *looks)
        })
    }

    /// The connection that a packet from the wire is of, or about, where that looks otherwise there.
    pub(super) fn behind_mask(
        &self,
        cloud: &Cloud,
        to: &Interface,
        frame: &[u8],
    ) -> Option<(Name, Mask)> {
        let (_, ip) = ip_of(frame).unwrap();
        if ip.l4_kind == L4::LaterFragment {
            let first = super::First {
                interface: to.id,
                direction: super::Direction::In,
                ends: (ip.src, ip.dst, ip.protocol),
                id: ip.fragment?.id,
            };
            return self.firsts.iter().find(|(known, ..)| *known == first)?.2;
        }
        let (ends, about) = match quoted(frame, &ip) {
            Some(ends) => (ends, true),
            None => (Ends::of(&ip)?, false),
        };
        let way = match about {
            true => super::Direction::Out,
            false => super::Direction::In,
        };
        let looks = ends.name(to.id, way)?;
        let found = self.connections.iter().find(|other| other.wears(&looks))?;
        let with = holder(cloud, to, found.name.remote).map(|i| i.id);
        let lives = found.tracked && found.with == with;
        (!about || lives).then_some((found.name, found.mask?))
    }
}

/// Why the connection can't stay with its target, if it can't.
pub(super) fn stay(servers: &[Server], (address, port): (IpAddr, u16)) -> Result<(), &'static str> {
    let serves = |s: &&Server| s.port == port && s.addresses.contains(&address);
    let server = servers.iter().find(serves);
    let server = server.ok_or("balancer_target_gone")?;
    let any = servers.iter().any(|other| {
        let six = address.is_ipv6();
        !other.draining && other.health == Health::Healthy && other.address(six).is_some()
    });
    match server.health == Health::Unhealthy && any {
        true => Err("balancer_target_unhealthy"),
        false => Ok(()),
    }
}

/// Those who may get a new connection: the healthy ones of the zone; where it has none, of any zone;
/// where nobody is healthy, those who aren't, the zone's first.
pub(super) fn candidates<'a>(
    servers: &'a [Server],
    zone: Option<&ZoneName>,
    six: bool,
) -> Vec<&'a Server> {
    let some = |zone: Option<&ZoneName>, health: Health| -> Vec<&Server> {
        let fit = servers.iter().filter(|server| {
            !server.draining
                && server.health == health
                && zone.is_none_or(|zone| server.zone == *zone)
                && server.address(six).is_some()
        });
        fit.collect()
    };
    [Health::Healthy, Health::Unhealthy]
        .into_iter()
        .flat_map(|health| [(zone, health), (None, health)])
        .map(|(zone, health)| some(zone, health))
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}
