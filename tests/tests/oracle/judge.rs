//! The judge: what must become of a packet, by the resources of the cloud and a list of the
//! connections so far. It shares nothing with the engine but the words of the model and the parser.

pub(crate) mod bytes;
pub(crate) mod checks;
pub(crate) mod connection;
pub(crate) mod outside;
pub(crate) mod policy;
mod translate;

use std::{collections::BTreeSet, fmt, net::IpAddr};

use weft_model::{Cloud, HostName, Interface, InterfaceId, Mac, Vni};
use weft_packet::{
    headers::{Body, Headers, Ip, L4},
    icmp,
};

use self::{
    bytes::Expected,
    checks::{ask_router, check_sender, crossing, is_router},
    connection::{Connection, Ends, Name, asks, is_answer},
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
}

/// Who gets a packet next.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    Interface(Box<Interface>),
    /// An edge.
    Internet,
}

impl Next {
    fn mac(&self) -> Mac {
        match self {
            Self::Interface(interface) => interface.mac,
            Self::Internet => Mac::EDGE,
        }
    }

    /// Whether it is outside of the interface's subnet.
    fn is_beyond(&self, from: &Interface) -> bool {
        match self {
            Self::Interface(interface) => interface.subnet != from.subnet,
            Self::Internet => true,
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

/// A datagram whose first fragment passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct First {
    interface: InterfaceId,
    direction: Direction,
    ends: (IpAddr, IpAddr, u8),
    id: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Judge {
    connections: Vec<Connection>,
    firsts: Vec<(First, u64)>,
    /// Hosts whose vswitch is lost.
    pub(crate) lost: BTreeSet<HostName>,
}

/// One packet at one interface.
struct Case<'a> {
    cloud: &'a Cloud,
    now: u64,
    at: &'a Interface,
    direction: Direction,
    frame: &'a [u8],
    ip: &'a Ip,
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
        !is_untracked(self.cloud, self.at, self.direction, self.peer(), traffic)
    }

    fn first(&self) -> Option<First> {
        Some(First {
            interface: self.at.id,
            direction: self.direction,
            ends: (self.ip.src, self.ip.dst, self.ip.protocol),
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
        self.firsts.retain(|(first, _)| stays(first.interface));
    }

    /// Whether something ends so near to this instant that clocks may differ about it.
    pub(crate) fn is_on_edge(&self, now: u64) -> bool {
        let near = |end: u64| end.abs_diff(now) < SECOND / 100;
        self.connections.iter().any(|c| near(c.ends())) || self.firsts.iter().any(|f| near(f.1))
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
        self.firsts.retain(|(_, until)| *until > now);
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
            outside: false,
        };
        if ip.l4_kind == L4::LaterFragment {
            self.follow(&case)?;
            let way = way(cloud, at, (ip.src, ip.dst))?;
            outside::check_sender(&case, &way)?;
            check_hop(&case, &way, outcome)?;
            self.check_edge(&case, &way)?;
            return Ok(Some(way));
        }
        let before = self.connections.clone();
        let judged = self.judge(&case)?;
        let way = way(cloud, at, (ip.src, ip.dst));
        let way = way.map_err(|refusal| self.ended(&judged, refusal))?;
        if let Err(refusal) = check_exit(&case, &way) {
            // An ACL has no memory, and leaves no trace in anybody's.
            self.connections = before;
            return Err(refusal);
        }
        let public = outside::check_sender(&case, &way);
        public.map_err(|refusal| self.ended(&judged, refusal))?;
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
                Ok(()) => outcome.delivered.push((to.id, Expected::Frame(piece))),
            }
        }
    }

    /// A connection dies with its destination.
    fn ended(&mut self, judged: &Judged, refusal: Refusal) -> Refusal {
        if let Judged::Part(name) = judged {
            self.connections.retain(|c| c.name != *name);
        }
        refusal
    }
}

/// The ACL at the way out of the subnet.
fn check_exit(case: &Case<'_>, way: &Way) -> Result<(), Refusal> {
    match way.to.is_beyond(case.at) {
        true => check_boundary(case),
        false => Ok(()),
    }
}

fn check_boundary(case: &Case<'_>) -> Result<(), Refusal> {
    let subnet = case.cloud.subnet(case.at.subnet).unwrap();
    let traffic = Traffic::of(case.ip);
    check_acl(case.cloud, subnet, case.direction, case.peer(), traffic)
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
    /// Whether the frame is delivered.
    pub(crate) fn arrival(
        &mut self,
        cloud: &Cloud,
        now: u64,
        to: &Interface,
        frame: &[u8],
    ) -> Result<(), Refusal> {
        self.forget(now);
        let headers = Headers::parse(frame).unwrap();
        let Body::Ip(ip) = &headers.body else {
            panic!("it was IP: {headers:?}");
        };
        self.enter(&Case {
            cloud,
            now,
            at: to,
            direction: Direction::In,
            frame,
            ip,
            outside: false,
        })
    }

    fn enter(&mut self, case: &Case<'_>) -> Result<(), Refusal> {
        let owned = case.at.addresses().any(|a| a == case.ip.dst);
        let foreign = case.at.source_dest_check && !owned;
        if case.ip.l4_kind == L4::LaterFragment {
            self.follow(case)?;
        }
        if foreign {
            return Err(Refusal::because("not_for_port", case.ip.dst));
        }
        if case.ip.l4_kind == L4::LaterFragment {
            return Ok(());
        }
        // The router's MAC says that it comes from another subnet.
        if case.frame[6..12] == Mac::ROUTER.octets() {
            check_boundary(case)?;
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

/// Connections and rules.
impl Judge {
    fn find(&mut self, name: &Name) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|c| c.name == *name)
    }

    fn judge(&mut self, case: &Case<'_>) -> Result<Judged, Refusal> {
        let Some(name) = case.name() else {
            return self.judge_alone(case);
        };
        let with = case.with();
        // The address is another's now: the connection died with the interface that had it.
        self.connections
            .retain(|c| c.name != name || c.with == with);
        let Some(connection) = self.find(&name) else {
            return self.begin(case, name);
        };
        if case.flags().is_some_and(asks) {
            case.check_rules()?;
            if !connection.is_same_handshake(case.direction) {
                connection.begin(case.direction, case.is_tracked(), case.flags());
            }
            return Ok(Judged::Part(name));
        }
        if connection.tracked {
            return Ok(Judged::Part(name));
        }
        judge_untracked(case, connection)
    }

    fn begin(&mut self, case: &Case<'_>, name: Name) -> Result<Judged, Refusal> {
        case.check_rules()?;
        if is_answer(case.ip) {
            return Ok(Judged::Alone);
        }
        let mut connection = Connection {
            name,
            began: case.direction,
            tracked: true,
            stopped: false,
            replied: false,
            tcp: None,
            with: case.with(),
            last: case.now,
        };
        connection.begin(case.direction, case.is_tracked(), case.flags());
        self.connections.push(connection);
        Ok(Judged::Part(name))
    }

    /// What belongs to no connection needs a rule, unless it is an error about one.
    fn judge_alone(&mut self, case: &Case<'_>) -> Result<Judged, Refusal> {
        if !self.is_about_connection(case) {
            case.check_rules()?;
        }
        Ok(Judged::Alone)
    }

    fn is_about_connection(&mut self, case: &Case<'_>) -> bool {
        let Ok(quote) = icmp::embedded(case.frame, case.ip) else {
            return false;
        };
        let later = quote.fragment.is_some_and(|f| f.offset > 0);
        if later || quote.src != case.ip.dst {
            return false;
        }
        let bytes = &case.frame[quote.l4..];
        let is_icmp = quote.protocol == if quote.src.is_ipv4() { 1 } else { 58 };
        let id = u16::from_be_bytes([bytes[4], bytes[5]]);
        let ends = Ends {
            src: quote.src,
            dst: quote.dst,
            protocol: quote.protocol,
            ports: quote.ports,
            icmp: is_icmp.then_some((bytes[0], bytes[1], echo_id(bytes[0], id))),
        };
        let name = ends.name(case.at.id, case.direction.other());
        let held = holder(case.cloud, case.at, other_end(&ends, case)).map(|i| i.id);
        let found = name.and_then(|name| self.find(&name));
        found.is_some_and(|c| c.tracked && c.with == held)
    }

    fn passed(&mut self, case: &Case<'_>, judged: &Judged) {
        if let Judged::Part(name) = judged
            && let Some(connection) = self.find(name)
        {
            connection.pass(case.now, case.direction, case.flags());
        }
    }

    fn passed_first(&mut self, case: &Case<'_>) {
        let Some(first) = case.first() else {
            return;
        };
        let known = self.firsts.iter().any(|(known, _)| *known == first);
        if case.ip.l4_kind != L4::LaterFragment && !known {
            self.firsts.push((first, case.now + FRAGMENTS));
        }
    }

    fn follow(&self, case: &Case<'_>) -> Result<(), Refusal> {
        let first = case.first();
        let mut firsts = self.firsts.iter();
        let found = firsts.any(|(known, _)| Some(*known) == first);
        found
            .then_some(())
            .ok_or_else(|| Refusal::bare("fragment_orphan"))
    }
}

/// An untracked connection goes by the rules of the day, as its first packet would.
fn judge_untracked(case: &Case<'_>, connection: &mut Connection) -> Result<Judged, Refusal> {
    let name = connection.name;
    let (began, remote) = (connection.began, name.remote);
    let connection::Kind::Ports {
        local,
        remote: there,
    } = name.kind
    else {
        panic!("only TCP and UDP are untracked: {connection:?}");
    };
    let port = match began {
        Direction::Out => there,
        Direction::In => local,
    };
    let traffic = match name.protocol {
        6 => Traffic::Tcp(port),
        _ => Traffic::Udp(port),
    };
    if allows(case.cloud, case.at, began, remote, traffic) {
        connection.stopped = false;
        connection.tracked = !is_untracked(case.cloud, case.at, began, remote, traffic);
        return Ok(Judged::Part(name));
    }
    connection.stopped = true;
    connection.last = case.now;
    if began == case.direction {
        return Err(case.denied());
    }
    // The other way may have a rule of its own, and opens nothing back.
    case.check_rules()?;
    Ok(Judged::Alone)
}

/// Only echoes have an identifier that counts.
fn echo_id(kind: u8, id: u16) -> u16 {
    if [0, 8, 128, 129].contains(&kind) {
        id
    } else {
        0
    }
}

fn other_end(ends: &Ends, case: &Case<'_>) -> IpAddr {
    match case.direction {
        Direction::In => ends.dst,
        Direction::Out => ends.src,
    }
}
