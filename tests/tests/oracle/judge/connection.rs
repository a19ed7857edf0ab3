//! The connections of interfaces: a list, nothing more.

use std::net::IpAddr;

use weft_model::InterfaceId;
use weft_packet::headers::{Ip, L4, tcp_flags};

use super::policy::Direction;

const SECOND: u64 = 1_000_000_000;

/// What tells a connection of an interface from all others of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) interface: InterfaceId,
    pub(crate) protocol: u8,
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) kind: Kind,
}

/// How a connection looks on the wire: its ends there, with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mask {
    pub(crate) local: (IpAddr, u16),
    pub(crate) remote: (IpAddr, u16),
}

impl Name {
    /// The same with another one at the other end.
    pub(crate) fn with_remote(&self, (remote, port): (IpAddr, u16)) -> Self {
        let kind = match self.kind {
            Kind::Ports { local, .. } => Kind::Ports {
                local,
                remote: port,
            },
            kind => kind,
        };
        Self {
            remote,
            kind,
            ..*self
        }
    }

    /// Its ends, with ports; of a question, the identifier stands for both.
    pub(crate) fn ends(&self) -> Mask {
        let (local, remote) = match self.kind {
            Kind::Ports { local, remote } => (local, remote),
            Kind::Query { id, .. } => (id, id),
            Kind::Plain => (0, 0),
        };
        Mask {
            local: (self.local, local),
            remote: (self.remote, remote),
        }
    }
}

/// What a protocol adds to the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ports {
        local: u16,
        remote: u16,
    },
    /// An ICMP question, by its type, and who asks it.
    Query {
        request: u8,
        id: u16,
        asker: Direction,
    },
    Plain,
}

/// The question that an ICMP type asks or answers, and whether it asks.
fn query(v4: bool, kind: u8) -> Option<(u8, bool)> {
    let pairs: &[(u8, u8)] = match v4 {
        true => &[(8, 0), (13, 14), (15, 16), (17, 18)],
        false => &[(128, 129)],
    };
    let pair = pairs
        .iter()
        .find(|(ask, answer)| [*ask, *answer].contains(&kind))?;
    Some((pair.0, pair.0 == kind))
}

/// Whether the packet answers an ICMP question.
pub(crate) fn is_answer(ip: &Ip) -> bool {
    match ip.l4_kind {
        L4::Icmp { kind, .. } => query(ip.is_v4(), kind).is_some_and(|(_, asks)| !asks),
        _ => false,
    }
}

/// The ends and the protocol of a packet, whole or quoted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ports: (u16, u16),
    /// Type, code and identifier, where it is ICMP of its own family.
    pub(crate) icmp: Option<(u8, u8, u16)>,
}

impl Ends {
    pub(crate) fn of(ip: &Ip) -> Option<Self> {
        let (ports, icmp) = match ip.l4_kind {
            L4::Tcp { src, dst, .. } | L4::Udp { src, dst } => ((src, dst), None),
            L4::Icmp { kind, code, id } => ((0, 0), Some((kind, code, id))),
            L4::Other => ((0, 0), None),
            L4::LaterFragment => return None,
        };
        Some(Self {
            src: ip.src,
            dst: ip.dst,
            protocol: ip.protocol,
            ports,
            icmp,
        })
    }

    /// The connection that it belongs to at the interface, going in that direction.
    pub(crate) fn name(&self, interface: InterfaceId, direction: Direction) -> Option<Name> {
        let kind = match (self.icmp, self.protocol) {
            (Some((_, code, _)), _) if code != 0 => return None,
            (Some((kind, _, id)), _) => {
                let (request, asks) = query(self.src.is_ipv4(), kind)?;
                let asker = if asks { direction } else { direction.other() };
                Kind::Query { request, id, asker }
            }
            (None, 6 | 17) => match direction {
                Direction::Out => Kind::Ports {
                    local: self.ports.0,
                    remote: self.ports.1,
                },
                Direction::In => Kind::Ports {
                    local: self.ports.1,
                    remote: self.ports.0,
                },
            },
            (None, _) => Kind::Plain,
        };
        let (local, remote) = match direction {
            Direction::Out => (self.src, self.dst),
            Direction::In => (self.dst, self.src),
        };
        Some(Name {
            interface,
            protocol: self.protocol,
            local,
            remote,
            kind,
        })
    }
}

/// How far a TCP connection got, seen from outside (RFC 9293 section 3.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tcp {
    /// One side asked.
    Asked,
    /// The other asked back.
    Answered,
    Open,
    /// One side, the one that sends in this direction, is done.
    Half(Direction),
    Over,
}

/// Whether a segment asks for a connection.
pub(crate) fn asks(flags: u8) -> bool {
    flags & (tcp_flags::SYN | tcp_flags::ACK | tcp_flags::RST) == tcp_flags::SYN
}

/// A connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) name: Name,
    pub(crate) began: Direction,
    pub(crate) tracked: bool,
    /// It was untracked and its rule is gone.
    pub(crate) stopped: bool,
    pub(crate) replied: bool,
    pub(crate) tcp: Option<Tcp>,
    /// Who held the remote address when it began.
    pub(crate) with: Option<InterfaceId>,
    pub(crate) last: u64,
    /// How it looks on the wire, where that is otherwise.
    pub(crate) mask: Option<Mask>,
    /// It came by a load balancer from the internet.
    pub(crate) picked: bool,
    /// Seconds that it may be idle while in full swing, where that isn't as usual.
    pub(crate) idle: Option<u64>,
}

impl Connection {
    /// Whether it looks so on the wire. A question has one identifier, which is the local end's.
    pub(crate) fn wears(&self, looks: &Name) -> bool {
        let ends = looks.ends();
        let same = |mask: Mask| match (self.name.kind, looks.kind) {
            (
                Kind::Query { request, asker, .. },
                Kind::Query {
                    request: other,
                    asker: by,
                    ..
                },
            ) => {
                (request, asker) == (other, by)
                    && (mask.local, mask.remote.0) == (ends.local, ends.remote.0)
            }
            (Kind::Query { .. }, _) | (_, Kind::Query { .. }) => false,
            _ => mask == ends,
        };
        let whose = (self.name.interface, self.name.protocol);
        whose == (looks.interface, looks.protocol) && self.mask.is_some_and(same)
    }

    /// Begins, or begins anew.
    pub(crate) fn begin(&mut self, began: Direction, tracked: bool, flags: Option<u8>) {
        self.began = began;
        self.tracked = tracked;
        self.stopped = false;
        self.replied = false;
        self.tcp = flags.map(|flags| match flags {
            _ if asks(flags) => Tcp::Asked,
            _ if flags & tcp_flags::RST != 0 => Tcp::Over,
            _ => Tcp::Open,
        });
    }

    /// When it is forgotten, unless another packet of it passes.
    pub(crate) fn ends(&self) -> u64 {
        let seconds = match (self.tcp, self.stopped) {
            (None, _) if self.name.protocol != 17 => 600,
            (None, true) => 30,
            (None, false) => match self.replied {
                true => 180,
                false => 30,
            },
            (Some(_), true) | (Some(Tcp::Asked | Tcp::Answered), _) => 60,
            (Some(Tcp::Open), _) if self.replied => 432_000,
            (Some(Tcp::Open), _) => 60,
            (Some(Tcp::Half(_)), _) => 120,
            (Some(Tcp::Over), _) => 10,
        };
        let in_swing = match self.tcp {
            None => true,
            Some(tcp) => tcp == Tcp::Open && self.replied,
        };
        let own = self.idle.filter(|_| in_swing);
        self.last + own.unwrap_or(seconds) * SECOND
    }

    /// Whether a segment asks for the connection that is being made already.
    pub(crate) fn is_same_handshake(&self, direction: Direction) -> bool {
        let opening = matches!(self.tcp, Some(Tcp::Asked | Tcp::Answered));
        opening && self.began == direction && !self.stopped
    }

    /// A packet of it passed.
    pub(crate) fn pass(&mut self, now: u64, direction: Direction, flags: Option<u8>) {
        self.last = now;
        self.replied |= direction != self.began;
        if let (Some(tcp), Some(flags)) = (self.tcp, flags) {
            self.tcp = Some(after(tcp, flags, direction, direction == self.began));
        }
    }
}

fn after(tcp: Tcp, flags: u8, direction: Direction, by_beginner: bool) -> Tcp {
    let has = |flag| flags & flag != 0;
    if has(tcp_flags::RST) || tcp == Tcp::Over {
        return Tcp::Over;
    }
    let tcp = match tcp {
        Tcp::Asked if by_beginner => return Tcp::Asked,
        Tcp::Asked | Tcp::Answered if has(tcp_flags::SYN) => return Tcp::Answered,
        Tcp::Asked | Tcp::Answered => Tcp::Open,
        tcp => tcp,
    };
    match tcp {
        tcp if !has(tcp_flags::FIN) => tcp,
        Tcp::Half(done) if done != direction => Tcp::Over,
        Tcp::Half(done) => Tcp::Half(done),
        _ => Tcp::Half(direction),
    }
}
