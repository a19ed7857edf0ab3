//! From the internet to load balancers: an edge asks one of the targets' hosts, which picks and
//! remembers. Which host and which target is free at first, and follows from then on.

use std::net::IpAddr;

use weft_model::{Balancer, Cloud, HostName, InterfaceId, Scheme, SubnetId, Vni};
use weft_packet::{
    headers::{Ip, L4, tcp_flags},
    icmp,
};

use super::{
    Crossing, Judge, Outcome, Refusal, SECOND,
    balance::{self, RESETS, Server},
    bytes::{self, Expected, ip_of},
    checks::vtep,
    connection::asks,
};

/// A balancer's address outside, and the subnet that it has there.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(super) balancer: Balancer,
    pub(super) subnet: SubnetId,
}

/// The balancer that the internet knows by the address.
pub(crate) fn front_at(cloud: &Cloud, address: IpAddr) -> Option<Front> {
    let facing = cloud.balancers().filter(|balancer| {
        balancer.scheme == Scheme::InternetFacing
            && cloud.internet_gateway_of(balancer.vpc).is_some()
    });
    let mut fronts =
        facing.flat_map(|balancer| balancer.placements.iter().map(move |p| (balancer, p)));
    let found = fronts.find(|(_, placement)| match address {
        IpAddr::V4(a) => placement.public_ipv4 == Some(a),
        IpAddr::V6(a) => placement.ipv6 == Some(a),
    });
    found.map(|(balancer, placement)| Front {
        balancer: balancer.clone(),
        subnet: placement.subnet,
    })
}

impl Front {
    fn unserved(&self) -> Refusal {
        Refusal::because("balancer_unserved", self.balancer.id)
    }

    /// The hosts of all targets behind it, however those are.
    fn hosts(&self, cloud: &Cloud) -> Vec<HostName> {
        let listeners = cloud.listeners_of(self.balancer.id);
        let groups = listeners.filter_map(|l| cloud.target_group(l.target_group));
        let places = groups.flat_map(|group| balance::places(cloud, group));
        let mut hosts: Vec<_> = places.collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    /// Whether the host may speak as the balancer.
    pub(super) fn is_at(&self, cloud: &Cloud, source: IpAddr) -> bool {
        let mut hosts = self.hosts(cloud).into_iter();
        hosts.any(|name| cloud.host(&name).unwrap().vtep == source)
    }
}

/// A connection as the internet sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Visit {
    client: (IpAddr, u16),
    front: (IpAddr, u16),
    protocol: u8,
}

impl Visit {
    fn of(ip: &Ip) -> Option<Self> {
        let (L4::Tcp { src, dst, .. } | L4::Udp { src, dst }) = ip.l4_kind else {
            return None;
        };
        Some(Self {
            client: (ip.src, src),
            front: (ip.dst, dst),
            protocol: ip.protocol,
        })
    }

    /// Of the answer that an error quotes.
    fn quoted(frame: &[u8], ip: &Ip) -> Option<Self> {
        let quote = icmp::embedded(frame, ip).ok()?;
        let later = quote.fragment.is_some_and(|fragment| fragment.offset > 0);
        (!later).then_some(Self {
            client: (quote.dst, quote.ports.1),
            front: (quote.src, quote.ports.0),
            protocol: quote.protocol,
        })
    }
}

/// What chooses the host: all pieces of a datagram go to one, and only TCP's ports show in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spread((IpAddr, IpAddr), (u16, u16), u8);

impl Spread {
    fn of(frame: &[u8], ip: &Ip) -> Self {
        let visit = match icmp::is_error(ip) {
            true => Visit::quoted(frame, ip),
            false => Visit::of(ip),
        };
        let Some(visit) = visit else {
            return Self((ip.src, ip.dst), (0, 0), ip.protocol);
        };
        let ports = match visit.protocol {
            6 => (visit.client.1, visit.front.1),
            _ => (0, 0),
        };
        Self((visit.client.0, visit.front.0), ports, visit.protocol)
    }
}

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) interface: InterfaceId,
    pub(super) remote: (IpAddr, u16),
}

/// How far a connection got, as its client's packets show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begun,
    Settled,
    Closing,
}

/// What a host remembers of a connection.
#[derive(Debug, Clone)]
struct Pin {
    host: HostName,
    visit: Visit,
    pick: Pick,
    seen: u64,
    /// Seconds that the listener gives it.
    idle: u64,
    stage: Stage,
}

impl Pin {
    fn ends(&self) -> u64 {
        let most = match self.stage {
            Stage::Begun => 30,
            Stage::Settled => self.idle,
            Stage::Closing => 60,
        };
        self.seen + most.min(self.idle) * SECOND
    }
}

/// Those who serve, with their weights.
type Weighed = Vec<(Pick, u16)>;

/// A datagram whose first piece went to somebody.
type Datagram = (HostName, (IpAddr, IpAddr, u8), u32);

/// What hosts and edges did so far, as far as it binds them.
#[derive(Debug, Clone, Default)]
pub(super) struct Visits {
    /// Of which hosts which one was asked.
    asked: Vec<(Spread, Vec<HostName>, HostName)>,
    /// Of whom who was picked.
    picked: Vec<(Visit, Weighed, Pick)>,
    pins: Vec<Pin>,
    datagrams: Vec<(Datagram, Pick)>,
}

impl Visits {
    pub(super) fn forget(&mut self, now: u64) {
        self.pins.retain(|pin| pin.ends() > now);
    }

    pub(super) fn ends(&self) -> impl Iterator<Item = u64> {
        self.pins.iter().map(Pin::ends)
    }

    fn pin(&mut self, host: &HostName, visit: &Visit) -> Option<&mut Pin> {
        let mut pins = self.pins.iter_mut();
        pins.find(|pin| pin.host == *host && pin.visit == *visit)
    }
}

/// A host that picks, and who asked it.
struct Picker<'a> {
    cloud: &'a Cloud,
    now: u64,
    host: HostName,
    front: &'a Front,
    frame: &'a [u8],
    ip: &'a Ip,
}

/// What a listener gives.
struct Asked {
    group: weft_model::TargetGroupId,
    idle: u64,
    servers: Vec<Server>,
    /// Who may get a new connection.
    free: Weighed,
}

impl Asked {
    fn refuse(&self, code: &'static str) -> Refusal {
        Refusal::because(code, self.group)
    }
}

/// At an edge.
impl Judge {
    /// To the host that the edges ask, and on to the target that it picks.
    pub(super) fn visit_front(
        &mut self,
        cloud: &Cloud,
        now: u64,
        (front, edges): (&Front, Vec<IpAddr>),
        frame: &[u8],
        outcome: &mut Outcome,
    ) {
        let (_, ip) = ip_of(frame).unwrap();
        let Some(host) = self.ask_host(cloud, front, Spread::of(frame, &ip)) else {
            let refusal = Refusal::because("balancer_no_target", ip.dst);
            return outcome.drops.push(refusal);
        };
        let known = self.edges(cloud);
        let stranger = edges.iter().find(|edge| !known.contains(edge)).copied();
        let here = cloud.host(&host).unwrap().vtep;
        outcome.crossings.push(Crossing {
            from: edges,
            to: vec![here],
            vni: Vni::OUTSIDE,
        });
        self.forget(now);
        let picker = Picker {
            cloud,
            now,
            host,
            front,
            frame,
            ip: &ip,
        };
        let pick = match stranger {
            Some(edge) => Err(Refusal::because("edge_unknown", edge)),
            None => self.pick(&picker),
        };
        match pick {
            Err(refusal) => self.refuse_visit(&picker, here, refusal, outcome),
            Ok(pick) => self.give_on(&picker, here, &pick, outcome),
        }
    }

    /// Every edge asks the same host for the same connection, while both that one and any other
    /// that was asked before are there.
    fn ask_host(&mut self, cloud: &Cloud, front: &Front, spread: Spread) -> Option<HostName> {
        let all = front.hosts(cloud);
        let live = all.iter().filter(|host| !self.lost.contains(*host));
        let mut hosts: Vec<_> = live.cloned().collect();
        if hosts.is_empty() {
            hosts = all;
        }
        let fits = |host: &HostName| {
            let before = self
                .visits
                .asked
                .iter()
                .filter(|(known, ..)| *known == spread);
            let mut both = before.filter(|(_, of, one)| of.contains(host) && hosts.contains(one));
            both.all(|(.., one)| one == host)
        };
        let may: Vec<_> = hosts.iter().filter(|host| fits(host)).cloned().collect();
        let host = may.get(self.choices.of(may.len()))?.clone();
        let asked = (spread, hosts, host.clone());
        if !self.visits.asked.contains(&asked) {
            self.visits.asked.push(asked);
        }
        Some(host)
    }
}

/// At the host that picks.
impl Judge {
    fn pick(&mut self, picker: &Picker<'_>) -> Result<Pick, Refusal> {
        let (ip, front) = (picker.ip, picker.front);
        let datagram = ip.fragment.map(|fragment| {
            let ends = (ip.src, ip.dst, ip.protocol);
            (picker.host.clone(), ends, fragment.id)
        });
        if ip.l4_kind == L4::LaterFragment {
            let mut firsts = self.visits.datagrams.iter();
            let first = firsts.find(|(first, _)| Some(first) == datagram.as_ref());
            return first
                .map(|first| first.1)
                .ok_or_else(|| Refusal::bare("fragment_orphan"));
        }
        if icmp::is_error(ip) {
            let visit = Visit::quoted(picker.frame, ip).filter(|visit| visit.front.0 == ip.dst);
            let visit = visit.ok_or_else(|| front.unserved())?;
            let asked = self.listener(picker, &visit)?;
            let known = self.visits.pin(&picker.host, &visit).map(|pin| pin.pick);
            return known.map_or_else(|| self.pick_by_hash(&asked, &visit), Ok);
        }
        let visit = Visit::of(ip).ok_or_else(|| front.unserved())?;
        let pick = self.pinned(picker, &visit)?;
        if let Some(datagram) = datagram {
            self.visits
                .datagrams
                .retain(|(known, _)| *known != datagram);
            self.visits.datagrams.push((datagram, pick));
        }
        Ok(pick)
    }

    fn listener(&self, picker: &Picker<'_>, visit: &Visit) -> Result<Asked, Refusal> {
        let (cloud, front) = (picker.cloud, picker.front);
        let listener = balance::listener(cloud, front.balancer.id, visit.protocol, visit.front.1);
        let listener = listener.ok_or_else(|| front.unserved())?;
        let group = cloud.target_group(listener.target_group).unwrap();
        let servers = self.servers(cloud, group);
        let zone = &cloud.subnet(front.subnet).unwrap().zone;
        let zone = (!front.balancer.cross_zone).then_some(zone);
        let six = visit.front.0.is_ipv6();
        let free = balance::candidates(&servers, zone, six).into_iter();
        let free = free.filter_map(|server| {
            let pick = Pick {
                interface: server.interface,
                remote: (server.address(six)?, server.port),
            };
            Some((pick, server.weight))
        });
        Ok(Asked {
            group: group.id,
            idle: balance::idle(&listener, visit.protocol),
            free: free.collect(),
            servers,
        })
    }

    /// The target that the connection has there, while it can have it, or another one.
    fn pinned(&mut self, picker: &Picker<'_>, visit: &Visit) -> Result<Pick, Refusal> {
        let asked = self.listener(picker, visit)?;
        let flags = match picker.ip.l4_kind {
            L4::Tcp { flags, .. } => Some(flags),
            _ => None,
        };
        let begins = flags.is_none_or(asks);
        if let Some(pin) = self.visits.pin(&picker.host, visit) {
            let stays = stay(&asked.servers, &pin.pick);
            let kept = match (stays, begins) {
                (Err(code), false) => return Err(asked.refuse(code)),
                (stays, true) => stays.is_ok_and(|draining| !draining),
                (Ok(_), false) => true,
            };
            if kept {
                let closes = tcp_flags::FIN | tcp_flags::RST;
                let closes = flags.is_some_and(|flags| flags & closes != 0);
                pin.seen = picker.now;
                pin.stage = match pin.stage {
                    Stage::Closing => Stage::Closing,
                    _ if closes => Stage::Closing,
                    _ => Stage::Settled,
                };
                return Ok(pin.pick);
            }
        }
        let pick = self.pick_by_hash(&asked, visit)?;
        let is_it = |pin: &Pin| pin.host == picker.host && pin.visit == *visit;
        self.visits.pins.retain(|pin| !is_it(pin));
        self.visits.pins.push(Pin {
            host: picker.host.clone(),
            visit: *visit,
            pick,
            seen: picker.now,
            idle: asked.idle,
            stage: Stage::Begun,
        });
        Ok(pick)
    }

    /// Whoever it is the first time, it is again while the targets are the same, at any host.
    fn pick_by_hash(&mut self, asked: &Asked, visit: &Visit) -> Result<Pick, Refusal> {
        let mut before = self.visits.picked.iter();
        if let Some(same) = before.find(|(of, free, _)| of == visit && *free == asked.free) {
            return Ok(same.2);
        }
        let choice = self.choices.of(asked.free.len());
        let pick = asked.free.get(choice).map(|(pick, _)| *pick);
        let pick = pick.ok_or_else(|| asked.refuse("balancer_no_target"))?;
        self.visits.picked.push((*visit, asked.free.clone(), pick));
        Ok(pick)
    }

    fn give_on(&mut self, picker: &Picker<'_>, here: IpAddr, pick: &Pick, outcome: &mut Outcome) {
        let (cloud, now) = (picker.cloud, picker.now);
        // Pieces follow their first to whoever isn't there any more.
        let to = cloud.interface(pick.interface);
        let Some(to) = to.filter(|to| to.attachment.is_some()) else {
            let refusal = Refusal::because("no_mapping", pick.interface);
            return outcome.drops.push(refusal);
        };
        let there = vtep(cloud, to);
        if here != there {
            outcome.crossings.push(Crossing {
                from: vec![here],
                to: vec![there],
                vni: Vni::OUTSIDE,
            });
        }
        match self.arrive_picked(cloud, now, (to, pick.remote), picker.frame) {
            Ok(frame) => outcome.delivered.push((to.id, Expected::Frame(frame))),
            Err(refusal) => self.refuse_visit(picker, there, refusal, outcome),
        }
    }

    /// A sender of TCP is told of it, where the connection is no more, by an edge.
    fn refuse_visit(
        &mut self,
        picker: &Picker<'_>,
        here: IpAddr,
        refusal: Refusal,
        outcome: &mut Outcome,
    ) {
        let told = RESETS.contains(&refusal.code);
        outcome.drops.push(refusal);
        let reset = bytes::reset(picker.frame).filter(|_| told);
        let edges = self.edges(picker.cloud);
        if let Some(reset) = reset.filter(|_| !edges.is_empty()) {
            let cloud = picker.cloud;
            self.by_edge(cloud, picker.now, here, vec![reset], outcome);
        }
    }
}

/// Whether the connection can stay with its target, and whether that is on its way out.
fn stay(servers: &[Server], pick: &Pick) -> Result<bool, &'static str> {
    balance::stay(servers, pick.remote)?;
    let serves = |s: &&Server| {
        s.interface == pick.interface
            && s.port == pick.remote.1
            && s.addresses.contains(&pick.remote.0)
    };
    let server = servers.iter().find(serves);
    server
        .map(|server| server.draining)
        .ok_or("balancer_target_gone")
}

/// Its addresses outside.
pub(crate) fn publics(balancer: &Balancer) -> Vec<IpAddr> {
    let each = balancer.placements.iter().flat_map(|placement| {
        let four = placement.public_ipv4.map(IpAddr::V4);
        four.into_iter().chain(placement.ipv6.map(IpAddr::V6))
    });
    let facing = balancer.scheme == Scheme::InternetFacing;
    each.filter(|_| facing).collect()
}
