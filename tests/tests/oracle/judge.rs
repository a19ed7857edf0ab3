//! The judge: what must become of a packet, by the resources of the cloud and a list of the
//! connections so far. It shares nothing with the engine but the words of the model and the parser.

pub(crate) mod balance;
pub(crate) mod bytes;
pub(crate) mod checks;
pub(crate) mod choices;
pub(crate) mod connection;
pub(crate) mod fronts;
mod known;
mod nat;
pub(crate) mod outside;
mod picked;
pub(crate) mod policy;
pub(crate) mod transit;
mod translate;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use weft_model::{Cloud, HostName, Interface, InterfaceId, Mac, NatGateway, Vni, state::TargetKey};
use weft_packet::headers::{Body, Headers, Ip, L4, tcp_flags};

use self::{
    balance::balancer_at,
    bytes::Expected,
    checks::{ask_router, check_sender, crossing, is_router},
    choices::Choices,
    connection::{Connection, Ends, Mask, Name},
    fronts::{Visits, front_at},
    policy::{Direction, Traffic, allows, check_acl, holder, is_untracked, way},
};
use crate::underlay::MTU;

const SECOND: u64 = 1_000_000_000;
/// How long a datagram's later fragments may follow its first.
const FRAGMENTS: u64 = 30 * SECOND;

/// Why a packet drops, as a verdict's code and what it blames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) blames: Option<String>,
}

impl Refusal {
    pub(crate) fn because(code: &'static str, object: impl fmt::Display) -> Self {
        Self {
            code,
            blames: Some(object.to_string()),
        }
    }

    fn bare(code: &'static str) -> Self {
        Self { code, blames: None }
    }
}

/// Where a packet goes next.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) to: Next,
    /// By a route table, and not straight within the subnet.
    pub(crate) routed: bool,
    /// As which connection it looks, and how that looks on the wire.
    pub(crate) mask: Option<(Name, Mask)>,
    /// Seconds that the connection may be idle, where that isn't as usual.
    pub(crate) idle: Option<u64>,
}

/// Who gets a packet next.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    Interface(Box<Interface>),
    /// An edge.
    Internet,
    /// A gateway, which leads on to an edge if it can.
    Nat(Box<NatGateway>),
}

impl Way {
    const OUTWARD: Self = Self {
        to: Next::Internet,
        routed: true,
        mask: None,
        idle: None,
    };
}

impl Next {
    pub(crate) fn mac(&self) -> Mac {
        match self {
            Self::Interface(interface) => interface.mac,
            Self::Internet | Self::Nat(_) => Mac::EDGE,
        }
    }

    /// Whether it is outside of the interface's subnet.
    fn is_beyond(&self, from: &Interface) -> bool {
        match self {
            Self::Interface(interface) => interface.subnet != from.subnet,
            Self::Internet | Self::Nat(_) => true,
        }
    }
}

/// A packet's way through the underlay: from one of these hosts to one of those, in which network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crossing {
    pub(crate) from: Vec<IpAddr>,
    pub(crate) to: Vec<IpAddr>,
    pub(crate) vni: Vni,
}

/// What must happen.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) delivered: Vec<(InterfaceId, Expected)>,
    pub(crate) drops: Vec<Refusal>,
    pub(crate) crossings: Vec<Crossing>,
    /// What the internet gets.
    pub(crate) outside: Vec<Expected>,
}

/// A connection, and how it looks on the wire.
type Masked = (Name, Mask);

/// A datagram whose first fragment passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct First {
    interface: InterfaceId,
    direction: Direction,
    ends: (IpAddr, IpAddr, u8),
    id: u32,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Judge {
    connections: Vec<Connection>,
    /// With the end of their time, and how they look on the wire where that is otherwise.
    firsts: Vec<(First, u64, Option<Masked>)>,
    /// Hosts whose vswitch is lost.
    pub(crate) lost: BTreeSet<HostName>,
    /// What checks said of targets; of others nothing is known.
    pub(crate) health: BTreeMap<TargetKey, bool>,
    /// What came from the internet to load balancers.
    visits: Visits,
    /// Which of what may happen does, where the engine is free to choose.
    pub(crate) choices: Choices,
    /// What was seen to cross the underlay first, and to whom: the port that a gateway gave.
    pub(crate) seen: Option<(IpAddr, Vec<u8>)>,
    /// Of every host.
    pub(crate) workers: usize,
    pieces: nat::Pieces,
}

/// One packet at one interface.
struct Case<'a> {
    cloud: &'a Cloud,
    now: u64,
    at: &'a Interface,
    direction: Direction,
    frame: &'a [u8],
    ip: &'a Ip,
    /// As it was on the wire.
    wire: &'a Ip,
    /// It looked otherwise there.
    masked: bool,
    /// An edge brought it.
    outside: bool,
}

impl Case<'_> {
    fn peer(&self) -> IpAddr {
        match self.direction {
            Direction::In => self.ip.src,
            Direction::Out => self.ip.dst,
        }
    }

    fn flags(&self) -> Option<u8> {
        match self.ip.l4_kind {
            L4::Tcp { flags, .. } => Some(flags),
            _ => None,
        }
    }

    fn name(&self) -> Option<Name> {
        Ends::of(self.ip)?.name(self.at.id, self.direction)
    }

    /// Who holds the other end's address.
    fn with(&self) -> Option<InterfaceId> {
        holder(self.cloud, self.at, self.peer()).map(|i| i.id)
    }

    fn denied(&self) -> Refusal {
        let code = match self.direction {
            Direction::In => "security_group_ingress",
            Direction::Out => "security_group_egress",
        };
        Refusal::because(code, self.at.id)
    }

    /// Whether a rule lets this packet begin something.
    fn check_rules(&self) -> Result<(), Refusal> {
        let traffic = Traffic::of(self.ip);
        let allowed = allows(self.cloud, self.at, self.direction, self.peer(), traffic);
        allowed.then_some(()).ok_or_else(|| self.denied())
    }

    fn is_tracked(&self) -> bool {
        let traffic = Traffic::of(self.ip);
        balancer_at(self.cloud, self.at, self.peer()).is_some()
            || !is_untracked(self.cloud, self.at, self.direction, self.peer(), traffic)
    }

    fn first(&self) -> Option<First> {
        Some(First {
            interface: self.at.id,
            direction: self.direction,
            ends: (self.wire.src, self.wire.dst, self.ip.protocol),
            id: self.ip.fragment?.id,
        })
    }
}

/// What a packet is judged to be.
enum Judged {
    /// A packet of this connection.
    Part(Name),
    /// One by itself.
    Alone,
}

/// What the world does.
impl Judge {
    /// The cloud changed: an interface that was unplugged or moved left its connections behind.
    pub(crate) fn changed(&mut self, before: &Cloud, after: &Cloud) {
        let place = |cloud: &Cloud, id| {
            let attachment = cloud.interface(id).and_then(|i| i.attachment.clone());
            attachment.map(|place| place.host)
        };
        let stays = |id| place(before, id) == place(after, id);
        self.connections.retain(|c| stays(c.name.interface));
        self.firsts.retain(|(first, ..)| stays(first.interface));
        self.leave_ports(after);
    }

    /// Whether more connections are live than engines look at at once.
    pub(crate) fn is_crowded(&self) -> bool {
        self.connections.len() > 64
    }

    /// Whether something ends so near to this instant that clocks may differ about it.
    pub(crate) fn is_on_edge(&self, now: u64) -> bool {
        let near = |end: u64| end.abs_diff(now) < SECOND / 100;
        let connections = self.connections.iter().map(Connection::ends);
        let firsts = self.firsts.iter().map(|first| first.1);
        let mut ends = connections.chain(firsts).chain(self.visits.ends());
        ends.any(near)
    }

    /// The workload behind the interface sends a frame, and it goes all its way.
    pub(crate) fn send(
        &mut self,
        cloud: &Cloud,
        now: u64,
        from: InterfaceId,
        frame: &[u8],
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let at = cloud.interface(from).unwrap();
        match self.departure(cloud, now, at, frame, &mut outcome) {
            Ok(Some(way)) => self.carry(cloud, now, (at, &way), frame, &mut outcome),
            Ok(None) => {}
            Err(refusal) => outcome.drops.push(refusal),
        }
        outcome
    }

    fn forget(&mut self, now: u64) {
        self.connections.retain(|c| c.ends() > now);
        self.firsts.retain(|(_, until, _)| *until > now);
        self.visits.forget(now);
    }
}

/// Out of an interface.
impl Judge {
    /// Where a frame goes next; nowhere, if the router answers it.
    pub(crate) fn departure(
        &mut self,
        cloud: &Cloud,
        now: u64,
        at: &Interface,
        frame: &[u8],
        outcome: &mut Outcome,
    ) -> Result<Option<Way>, Refusal> {
        self.forget(now);
        let headers = Headers::parse(frame).unwrap();
        if headers.src != at.mac {
            return Err(Refusal::because("spoofed_mac", headers.src));
        }
        let Body::Ip(ip) = &headers.body else {
            panic!("stories send IP: {headers:?}");
        };
        let subnet = cloud.subnet(at.subnet).unwrap();
        if is_router(subnet, ip.dst) {
            return ask_router(at, &headers, ip, frame, outcome).map(|()| None);
        }
        check_sender(subnet, at, &headers, ip)?;
        let case = Case {
            cloud,
            now,
            at,
            direction: Direction::Out,
            frame,
            ip,
            wire: ip,
            masked: false,
            outside: false,
        };
        if ip.l4_kind == L4::LaterFragment {
            let masked = self.follow(&case)?;
            let way = self.way_of_piece(&case, masked)?;
            let way = self.through_nat(&case, &Judged::Alone, way)?;
            outside::check_sender(&case, &way)?;
            check_hop(&case, &way, outcome)?;
            self.check_edge(&case, &way)?;
            return Ok(Some(way));
        }
        let before = self.connections.clone();
        let judged = self.judge(&case)?;
        let way = self.plan(&case, &judged);
        let way = way.map_err(|refusal| self.ended(&case, &judged, refusal, outcome))?;
        if let Err(refusal) = check_exit(&case, &way) {
            // An ACL has no memory, and leaves no trace in anybody's.
            self.connections = before;
            return Err(refusal);
        }
        let way = match self.through_nat(&case, &judged, way) {
            Err(refusal) if refusal.code.starts_with("acl_") => {
                self.connections = before;
                return Err(refusal);
            }
            way => way.map_err(|refusal| self.ended(&case, &judged, refusal, outcome))?,
        };
        let public = outside::check_sender(&case, &way);
        let free = public.and_then(|()| self.check_free(&case, &judged, &way));
        free.map_err(|refusal| self.ended(&case, &judged, refusal, outcome))?;
        self.mask(&judged, &way);
        check_hop(&case, &way, outcome)?;
        self.check_edge(&case, &way)?;
        self.passed(&case, &judged);
        self.passed_first(&case);
        Ok(Some(way))
    }

    fn carry(
        &mut self,
        cloud: &Cloud,
        now: u64,
        (from, way): (&Interface, &Way),
        frame: &[u8],
        outcome: &mut Outcome,
    ) {
        let mut sent = bytes::forward(frame, way, way.to.is_beyond(from));
        if let Some((name, mask)) = &way.mask {
            sent = translate::put_on(&sent, name, mask);
        }
        if let Next::Internet = way.to {
            sent = outside::to_public(cloud, from, sent);
        }
        let pieces = bytes::pieces(sent, MTU);
        let Next::Interface(to) = &way.to else {
            return self.outward(cloud, now, from, pieces, outcome);
        };
        for piece in pieces {
            outcome.crossings.extend(crossing(cloud, from, to));
            match self.arrival(cloud, now, to, &piece) {
                Err(refusal) => outcome.drops.push(refusal),
                Ok(frame) => outcome.delivered.push((to.id, Expected::Frame(frame))),
            }
        }
    }

    /// A connection dies with its destination, and a sender of TCP is told where a balancer stood.
    fn ended(
        &mut self,
        case: &Case<'_>,
        judged: &Judged,
        refusal: Refusal,
        outcome: &mut Outcome,
    ) -> Refusal {
        if let Judged::Part(name) = judged {
            self.connections.retain(|c| c.name != *name);
        }
        let reset = case
            .flags()
            .is_some_and(|flags| flags & tcp_flags::RST == 0);
        if reset && balance::RESETS.contains(&refusal.code) {
            let answer = Expected::Reset(case.frame.to_vec());
            outcome.delivered.push((case.at.id, answer));
        }
        refusal
    }

    fn plan(&mut self, case: &Case<'_>, judged: &Judged) -> Result<Way, Refusal> {
        let (cloud, at, ip) = (case.cloud, case.at, case.ip);
        if case.name().is_none()
            && let Some(connection) = self.related(case)
            && let Some(mask) = connection.mask
        {
            return masked_way(cloud, at, (connection.name, mask), ip.src);
        }
        if let Some(balancer) = balancer_at(cloud, at, ip.dst) {
            return self.balance(case, judged, &balancer);
        }
        match self.picked(cloud, judged) {
            Some(way) => Ok(way),
            None => way(cloud, at, (ip.src, ip.dst)),
        }
    }

    /// A later piece goes where its first went, as long as that one's connection lives.
    fn way_of_piece(
        &mut self,
        case: &Case<'_>,
        masked: Option<(Name, Mask)>,
    ) -> Result<Way, Refusal> {
        let Some((name, _)) = masked else {
            return self.plan(case, &Judged::Alone);
        };
        let mask = self.find(&name).and_then(|connection| connection.mask);
        let mask = mask.ok_or_else(|| Refusal::bare("fragment_orphan"))?;
        masked_way(case.cloud, case.at, (name, mask), case.ip.src)
    }

    /// Two connections of an interface never look the same on the wire.
    fn check_free(&self, case: &Case<'_>, judged: &Judged, way: &Way) -> Result<(), Refusal> {
        let Judged::Part(name) = judged else {
            return Ok(());
        };
        match way.mask.is_none() && self.is_taken(name, name) {
            true => Err(Refusal::because("translation_taken", case.at.id)),
            false => Ok(()),
        }
    }

    fn mask(&mut self, judged: &Judged, way: &Way) {
        if let (Judged::Part(name), Some((_, mask))) = (judged, way.mask)
            && let Some(connection) = self.find(name)
        {
            connection.mask = Some(mask);
            connection.idle = way.idle;
            connection.tracked = true;
        }
    }
}

/// Where what is of a connection goes that looks otherwise on the wire.
fn masked_way(cloud: &Cloud, at: &Interface, masked: Masked, src: IpAddr) -> Result<Way, Refusal> {
    let (_, mask) = masked;
    let way = match front_at(cloud, mask.local.0) {
        // Whatever the target's own routes are.
        Some(_) => Way::OUTWARD,
        None => way(cloud, at, (src, mask.remote.0))?,
    };
    Ok(Way {
        mask: Some(masked),
        ..way
    })
}

/// The ACL at the way out of the subnet: of what stands behind a balancer.
fn check_exit(case: &Case<'_>, way: &Way) -> Result<(), Refusal> {
    if !way.to.is_beyond(case.at) {
        return Ok(());
    }
    let (mut peer, mut traffic) = (case.ip.dst, Traffic::of(case.ip));
    if let Some((name, mask)) = way.mask.filter(|(name, _)| name.remote == case.ip.dst) {
        peer = mask.remote.0;
        traffic = match traffic {
            Traffic::Tcp(_) if name.protocol == 6 => Traffic::Tcp(mask.remote.1),
            Traffic::Udp(_) if name.protocol == 17 => Traffic::Udp(mask.remote.1),
            traffic => traffic,
        };
    }
    let subnet = case.cloud.subnet(case.at.subnet).unwrap();
    check_acl(case.cloud, subnet, Direction::Out, peer, traffic)
}

/// The ACL at the way into the subnet.
fn check_entry(case: &Case<'_>) -> Result<(), Refusal> {
    let subnet = case.cloud.subnet(case.at.subnet).unwrap();
    let traffic = Traffic::of(case.ip);
    check_acl(case.cloud, subnet, Direction::In, case.wire.src, traffic)
}

/// What an interface gets is for it, unless it forwards.
fn check_receiver(case: &Case<'_>) -> Result<(), Refusal> {
    let owned = case.at.addresses().any(|a| a == case.ip.dst);
    match case.at.source_dest_check && !owned {
        true => Err(Refusal::because("not_for_port", case.ip.dst)),
        false => Ok(()),
    }
}

/// A route takes a hop, and the tunnel takes so many bytes.
fn check_hop(case: &Case<'_>, way: &Way, outcome: &mut Outcome) -> Result<(), Refusal> {
    let subnet = case.cloud.subnet(case.at.subnet).unwrap();
    let mut explain = |error| {
        let expected = bytes::explain(subnet, case.frame, error);
        outcome.delivered.extend(expected.map(|e| (case.at.id, e)));
    };
    if way.routed && case.ip.ttl <= 1 {
        explain(bytes::Error::Expired);
        return Err(Refusal::bare("ttl_exceeded"));
    }
    if case.ip.len() > MTU && case.ip.dont_fragment {
        explain(bytes::Error::TooBig);
        return Err(Refusal::because("too_big", format!("mtu {MTU}")));
    }
    Ok(())
}

/// Into an interface.
impl Judge {
    /// The frame as it is delivered, if it is.
    pub(crate) fn arrival(
        &mut self,
        cloud: &Cloud,
        now: u64,
        to: &Interface,
        frame: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        self.forget(now);
        self.arrive(cloud, now, (to, false), frame.to_vec())
    }

    fn arrive(
        &mut self,
        cloud: &Cloud,
        now: u64,
        (to, outside): (&Interface, bool),
        frame: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        let (_, wire) = bytes::ip_of(&frame).unwrap();
        let masked = self.behind_mask(cloud, to, &frame);
        let frame = match &masked {
            Some((name, mask)) => translate::take_off(&frame, name, mask),
            None => frame,
        };
        let (_, ip) = bytes::ip_of(&frame).unwrap();
        self.enter(&Case {
            cloud,
            now,
            at: to,
            direction: Direction::In,
            frame: &frame,
            ip: &ip,
            wire: &wire,
            masked: masked.is_some(),
            outside,
        })?;
        Ok(frame)
    }

    fn enter(&mut self, case: &Case<'_>) -> Result<(), Refusal> {
        if case.ip.l4_kind == L4::LaterFragment {
            self.follow(case)?;
            return check_receiver(case);
        }
        check_receiver(case)?;
        // The router's MAC says that it comes from another subnet.
        if case.frame[6..12] == Mac::ROUTER.octets() {
            check_entry(case)?;
        }
        if case.outside && self.begins(case) {
            outside::check_way_back(case)?;
        }
        let judged = self.judge(case)?;
        self.passed(case, &judged);
        self.passed_first(case);
        Ok(())
    }
}
