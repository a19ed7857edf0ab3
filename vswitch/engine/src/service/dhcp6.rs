//! DHCPv6 (RFC 8415): the port's IPv6 addresses and the DNS server, from the router.

mod request;

use std::net::Ipv6Addr;

use dhcproto::{
    Encodable,
    error::EncodeError,
    v6::{DhcpOption, DhcpOptions, IAAddr, IANA, IAPD, IATA, MessageType, Status, StatusCode},
};
use weft_model::Mac;

use self::request::{Association, Request, Wanted};
use super::{Site, site::DNS6};
use crate::drop::{Drop, DropReason};

pub(super) use dhcproto::v6::{CLIENT_PORT, SERVER_PORT};

/// All DHCPv6 servers and relays on the link (RFC 8415 section 7.1).
pub(super) const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// Seconds that an address is preferred; it is valid twice as long. It never changes, so this only
/// says how soon a workload asks again.
const PREFERRED: u32 = 3600;

/// The server's identifier: the router's link-layer address (RFC 8415 section 11.4), so every
/// vswitch is the same server.
const SERVER: [u8; 10] = {
    let [a, b, c, d, e, f] = Mac::ROUTER.octets();
    [0, 3, 0, 1, a, b, c, d, e, f]
};

/// Answers a client's message with a UDP payload. `None`: heard, nothing to say.
pub(super) fn answer(site: &Site<'_>, payload: &[u8]) -> Result<Option<Vec<u8>>, Drop> {
    let request = Request::parse(payload).ok_or(DropReason::DhcpRefused)?;
    if matches!(
        request.kind,
        MessageType::Advertise | MessageType::Reply | MessageType::Reconfigure
    ) {
        return Err(DropReason::RogueDhcp.into());
    }
    if !addressed_to_us(&request) {
        return Ok(None);
    }
    let Some(mut options) = respond(site, &request) else {
        return Ok(None);
    };
    if let Some(client) = request.client {
        options.insert(DhcpOption::ClientId(client.to_vec()));
    }
    options.insert(DhcpOption::ServerId(SERVER.to_vec()));
    let message = write(&request, &options).map_err(|_| DropReason::DhcpRefused)?;
    Ok(Some(message))
}

/// RFC 8415 section 16: which messages must, and which must not, name client and server.
fn addressed_to_us(request: &Request<'_>) -> bool {
    let named = request.server == Some(&SERVER);
    match request.kind {
        MessageType::Solicit | MessageType::Confirm | MessageType::Rebind => {
            request.client.is_some() && request.server.is_none()
        }
        MessageType::Request | MessageType::Renew | MessageType::Release | MessageType::Decline => {
            request.client.is_some() && named
        }
        MessageType::InformationRequest => request.server.is_none() || named,
        _ => false,
    }
}

fn respond(site: &Site<'_>, request: &Request<'_>) -> Option<DhcpOptions> {
    let mut options = DhcpOptions::new();
    match request.kind {
        MessageType::Solicit => {
            grant(site, request, &mut options);
            if request.rapid_commit {
                options.insert(DhcpOption::RapidCommit);
            }
        }
        MessageType::Request | MessageType::Renew | MessageType::Rebind => {
            grant(site, request, &mut options);
        }
        MessageType::Confirm => options.insert(confirm(site, request)?),
        MessageType::Release | MessageType::Decline => {
            options.insert(status(Status::Success));
        }
        _ => {}
    }
    options.insert(DhcpOption::DomainNameServers(vec![DNS6]));
    Some(options)
}

/// RFC 8415 section 18.3.3: whether all addresses fit the link; no answer where none is named.
fn confirm(site: &Site<'_>, request: &Request<'_>) -> Option<DhcpOption> {
    let mut addresses = request
        .associations()
        .filter(|association| association.wanted != Wanted::Prefix)
        .flat_map(|association| association.addresses())
        .peekable();
    addresses.peek()?;
    let on_link = |address| site.on_link6(address);
    Some(status(if addresses.all(on_link) {
        Status::Success
    } else {
        Status::NotOnLink
    }))
}

/// All of the port's addresses in the first association that asks for some; nothing in others.
fn grant(site: &Site<'_>, request: &Request<'_>, options: &mut DhcpOptions) {
    let mut given = false;
    for association in request.associations() {
        let wants = association.wanted == Wanted::Addresses;
        let first = wants && !given;
        given |= wants;
        let body = if first && !site.port.ipv6.is_empty() {
            addresses(site, &association)
        } else {
            refusal(association.wanted)
        };
        options.insert(wrap(&association, body));
    }
}

/// The port's addresses, then with no lifetime those that the client holds wrongly: it has to let
/// go of them at once (RFC 8415 section 18.3.4).
fn addresses(site: &Site<'_>, association: &Association<'_>) -> DhcpOptions {
    let address = |addr: Ipv6Addr, preferred_life: u32| {
        DhcpOption::IAAddr(IAAddr {
            addr,
            preferred_life,
            valid_life: preferred_life * 2,
            opts: DhcpOptions::new(),
        })
    };
    let own = site.port.ipv6.iter().map(|addr| address(*addr, PREFERRED));
    let foreign = association
        .addresses()
        .filter(|addr| !site.port.ipv6.contains(addr));
    own.chain(foreign.map(|addr| address(addr, 0))).collect()
}

fn refusal(wanted: Wanted) -> DhcpOptions {
    let why = match wanted {
        Wanted::Addresses | Wanted::Temporary => Status::NoAddrsAvail,
        Wanted::Prefix => Status::NoPrefixAvail,
    };
    std::iter::once(status(why)).collect()
}

fn wrap(association: &Association<'_>, opts: DhcpOptions) -> DhcpOption {
    let id = association.id;
    let (t1, t2) = (PREFERRED / 2, PREFERRED / 5 * 4);
    match association.wanted {
        Wanted::Addresses => DhcpOption::IANA(IANA { id, t1, t2, opts }),
        Wanted::Temporary => DhcpOption::IATA(IATA { id, opts }),
        Wanted::Prefix => DhcpOption::IAPD(IAPD { id, t1, t2, opts }),
    }
}

fn status(status: Status) -> DhcpOption {
    DhcpOption::StatusCode(StatusCode {
        status,
        msg: String::new(),
    })
}

fn write(request: &Request<'_>, options: &DhcpOptions) -> Result<Vec<u8>, EncodeError> {
    let advertise = request.kind == MessageType::Solicit && !request.rapid_commit;
    let kind = if advertise {
        MessageType::Advertise
    } else {
        MessageType::Reply
    };
    let mut message = vec![u8::from(kind)];
    message.extend_from_slice(&request.transaction);
    message.extend_from_slice(&options.to_vec()?);
    Ok(message)
}
