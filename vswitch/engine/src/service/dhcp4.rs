//! DHCPv4 (RFC 2131): every port has one address, and its own server that knows it.
//!
//! The server's identifier is the router's `.1`: a client unicasts its renewals there, and they
//! reach this code by any path that a workload may set up.

use std::net::Ipv4Addr;

use dhcproto::{
    Encodable,
    error::EncodeError,
    v4::{
        DhcpOption, DhcpOptions, HType, MAGIC, MIN_PACKET_SIZE, MessageType, Opcode, OptionCode,
        borrowed,
    },
};
use ipnet::Ipv4Net;

use super::{Site, dns};
use crate::drop::{Drop, DropReason};

/// Seconds that a lease holds. An interface's address never changes, so it only says how soon a
/// workload learns of a new MTU or DNS address.
const LEASE: u32 = 3600;

/// Services at link-local addresses that a host may have its own on-link route for; option 121
/// sends them to the router all the same.
const LINK_LOCAL_SERVICES: [Ipv4Addr; 3] = [
    Ipv4Addr::new(169, 254, 169, 123),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(169, 254, 169, 254),
];

pub(super) use dhcproto::v4::{CLIENT_PORT, SERVER_PORT};

/// Bytes before the options: RFC 2131 figure 1 and the magic cookie.
const FIXED: usize = 240;
/// The flag that asks for a broadcast answer.
const BROADCAST: u16 = 0x8000;

/// An answer and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The client's address, or all ones.
    pub(super) to: Ipv4Addr,
    /// The UDP payload.
    pub(super) payload: Vec<u8>,
}

/// Answers a client's message. `None`: heard, nothing to say.
pub(super) fn answer(site: &Site<'_>, payload: &[u8]) -> Result<Option<Answer>, Drop> {
    let request = Request::parse(site, payload)?;
    let Some(kind) = request.decide(site) else {
        return Ok(None);
    };
    let payload = write(site, &request, kind).map_err(|_| DropReason::DhcpRefused)?;
    Ok(Some(Answer {
        to: request.reply_to(site, kind),
        payload,
    }))
}

/// What the answer depends on.
struct Request {
    kind: MessageType,
    xid: u32,
    flags: u16,
    ciaddr: Ipv4Addr,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    rapid_commit: bool,
    wants_classless_routes: bool,
}

impl Request {
    fn parse(site: &Site<'_>, payload: &[u8]) -> Result<Self, Drop> {
        let message = borrowed::Message::new(payload).map_err(|_| DropReason::DhcpRefused)?;
        if message.opcode() != Opcode::BootRequest {
            return Err(DropReason::RogueDhcp.into());
        }
        let client = payload.get(28..34).ok_or(DropReason::DhcpRefused)?;
        if message.htype() != HType::Eth || message.hlen() != 6 || client != site.port.mac.octets()
        {
            return Err(DropReason::SpoofedMac.into());
        }
        if payload[236..FIXED] != MAGIC || message.giaddr() != Ipv4Addr::UNSPECIFIED {
            return Err(DropReason::DhcpRefused.into());
        }
        let mut request = Self {
            kind: MessageType::Unknown(0),
            xid: message.xid(),
            flags: message.flags().into(),
            ciaddr: message.ciaddr(),
            requested: None,
            server: None,
            rapid_commit: false,
            wants_classless_routes: false,
        };
        for option in message.opts() {
            request.note(option.code(), option.data());
        }
        Ok(request)
    }

    fn note(&mut self, code: OptionCode, data: &[u8]) {
        match code {
            OptionCode::MessageType => {
                if let [kind] = data {
                    self.kind = MessageType::from(*kind);
                }
            }
            OptionCode::RequestedIpAddress => self.requested = address(data),
            OptionCode::ServerIdentifier => self.server = address(data),
            OptionCode::RapidCommit => self.rapid_commit = true,
            OptionCode::ParameterRequestList => {
                let wanted = u8::from(OptionCode::ClasslessStaticRoute);
                self.wants_classless_routes = data.contains(&wanted);
            }
            _ => {}
        }
    }

    /// The kind of answer (RFC 2131 section 4.3).
    fn decide(&self, site: &Site<'_>) -> Option<MessageType> {
        match self.kind {
            MessageType::Discover if self.rapid_commit => Some(MessageType::Ack),
            MessageType::Discover => Some(MessageType::Offer),
            MessageType::Request => self.decide_request(site),
            MessageType::Inform => Some(MessageType::Ack),
            _ => None,
        }
    }

    fn decide_request(&self, site: &Site<'_>) -> Option<MessageType> {
        if self.server.is_some_and(|server| server != site.router4()) {
            return None; // It took another server's offer; there is none, but it believes so.
        }
        let claimed = self
            .requested
            .or(Some(self.ciaddr))
            .filter(|a| !a.is_unspecified())?;
        Some(if claimed == site.port.ipv4 {
            MessageType::Ack
        } else {
            MessageType::Nak
        })
    }

    /// RFC 2131 section 4.1: to the address in use; else as the client asked. A NAK always goes to
    /// all, as the address that the client holds may be wrong.
    fn reply_to(&self, site: &Site<'_>, kind: MessageType) -> Ipv4Addr {
        if kind == MessageType::Nak {
            Ipv4Addr::BROADCAST
        } else if site.owns4(self.ciaddr) {
            self.ciaddr
        } else if self.flags & BROADCAST != 0 {
            Ipv4Addr::BROADCAST
        } else {
            site.port.ipv4
        }
    }
}

fn address(data: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from)
}

fn write(site: &Site<'_>, request: &Request, kind: MessageType) -> Result<Vec<u8>, EncodeError> {
    let mut message = Vec::with_capacity(2 * MIN_PACKET_SIZE);
    write_fixed(site, request, kind, &mut message);
    message.extend_from_slice(&options(site, request, kind).to_vec()?);
    // RFC 1542 section 2.1: a BOOTP message has at least 300 bytes, and old clients insist.
    message.resize(message.len().max(MIN_PACKET_SIZE), 0);
    Ok(message)
}

fn write_fixed(site: &Site<'_>, request: &Request, kind: MessageType, out: &mut Vec<u8>) {
    let granted = kind != MessageType::Nak && request.kind != MessageType::Inform;
    let nobody = Ipv4Addr::UNSPECIFIED;
    let yours = if granted { site.port.ipv4 } else { nobody };
    let current = if kind == MessageType::Nak {
        nobody
    } else {
        request.ciaddr
    };
    out.extend_from_slice(&[Opcode::BootReply.into(), HType::Eth.into(), 6, 0]);
    out.extend_from_slice(&request.xid.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&request.flags.to_be_bytes());
    out.extend_from_slice(&current.octets());
    out.extend_from_slice(&yours.octets());
    out.extend_from_slice(&nobody.octets());
    out.extend_from_slice(&nobody.octets());
    out.extend_from_slice(&site.port.mac.octets());
    out.resize(FIXED - MAGIC.len(), 0);
    out.extend_from_slice(&MAGIC);
}

fn options(site: &Site<'_>, request: &Request, kind: MessageType) -> DhcpOptions {
    let mut options = DhcpOptions::new();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(site.router4()));
    if kind == MessageType::Nak {
        return options;
    }
    if request.kind != MessageType::Inform {
        options.insert(DhcpOption::AddressLeaseTime(LEASE));
        options.insert(DhcpOption::Renewal(LEASE / 2));
        options.insert(DhcpOption::Rebinding(LEASE / 8 * 7));
    }
    if request.kind == MessageType::Discover && request.rapid_commit {
        options.insert(DhcpOption::RapidCommit);
    }
    describe(site, request, &mut options);
    options
}

fn describe(site: &Site<'_>, request: &Request, options: &mut DhcpOptions) {
    options.insert(DhcpOption::SubnetMask(site.block4().netmask()));
    options.insert(DhcpOption::BroadcastAddr(site.block4().broadcast()));
    options.insert(DhcpOption::Router(vec![site.router4()]));
    options.insert(DhcpOption::DomainNameServer(vec![site.vpc.dns4()]));
    options.insert(DhcpOption::InterfaceMtu(site.port.mtu.get()));
    options.insert(DhcpOption::Hostname(dns::label_of(site.port.ipv4)));
    if let Some(domain) = dns::domain(site.vpc) {
        options.insert(DhcpOption::DomainName(domain.to_string()));
    }
    if request.wants_classless_routes {
        options.insert(DhcpOption::ClasslessStaticRoute(classless_routes(site)));
    }
}

/// A client that takes option 121 ignores option 3, so the default route is in it too (RFC 3442).
fn classless_routes(site: &Site<'_>) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let host = |address| Ipv4Net::new_assert(address, 32);
    let default = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0);
    std::iter::once(default)
        .chain(LINK_LOCAL_SERVICES.map(host))
        .map(|destination| (destination, site.router4()))
        .collect()
}
