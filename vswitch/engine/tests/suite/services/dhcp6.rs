use std::net::Ipv6Addr;

use dhcproto::{
    Decodable, Decoder, Encodable,
    v6::{DhcpOption, DhcpOptions, IAAddr, IANA, IAPD, Message, MessageType, OptionCode, Status},
};
use weft_engine::{DropReason, service::Heard, testing::frames::Way};
use weft_model::Mac;
use weft_packet::{
    checksum,
    headers::{Body, Headers, L4},
};

use super::Link;

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x0857, 0x45ff, 0xfe46, 0x5401);
const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const SERVER_ID: [u8; 10] = [0, 3, 0, 1, 0x0a, 0x57, 0x45, 0x46, 0x54, 0x01];
const CLIENT_ID: [u8; 6] = [0, 4, 1, 2, 3, 4];

fn message(kind: MessageType, options: impl IntoIterator<Item = DhcpOption>) -> Message {
    let mut message = Message::new_with_id(kind, [1, 2, 3]);
    message
        .opts_mut()
        .insert(DhcpOption::ClientId(CLIENT_ID.to_vec()));
    for option in options {
        message.opts_mut().insert(option);
    }
    message
}

fn server() -> DhcpOption {
    DhcpOption::ServerId(SERVER_ID.to_vec())
}

fn ia_na(id: u32, addresses: &[Ipv6Addr]) -> DhcpOption {
    let opts = addresses.iter().map(|addr| {
        DhcpOption::IAAddr(IAAddr {
            addr: *addr,
            preferred_life: 1,
            valid_life: 1,
            opts: DhcpOptions::new(),
        })
    });
    DhcpOption::IANA(IANA {
        id,
        t1: 0,
        t2: 0,
        opts: opts.collect(),
    })
}

fn way(link: &Link) -> Way {
    let mut way = link.net.way_out(&link.port, ALL_SERVERS.into());
    way.dst_mac = Mac::new([0x33, 0x33, 0, 1, 0, 2]);
    way.src = "fe80::abcd".parse().unwrap();
    way
}

fn frame(link: &Link, message: &Message) -> Vec<u8> {
    way(link).udp((546, 547), &message.to_vec().unwrap())
}

pub(super) fn solicit(link: &Link) -> Vec<u8> {
    frame(link, &message(MessageType::Solicit, [ia_na(9, &[])]))
}

#[track_caller]
fn reply(link: &Link, request: &Message) -> Message {
    let answer = link.answer(&frame(link, request));
    let headers = Headers::parse(&answer).unwrap();
    let Body::Ip(ip) = headers.body else {
        panic!("no IP: {headers:?}");
    };
    assert_eq!((headers.dst, headers.src), (link.port.mac, Mac::ROUTER));
    assert_eq!((ip.src, ip.dst), (ROUTER.into(), way(link).src));
    assert_eq!(ip.l4_kind, L4::Udp { src: 547, dst: 546 });
    assert!(checksum::verify_l4(&answer, &ip));
    assert_eq!(ip.end, answer.len());
    let message = Message::decode(&mut Decoder::new(&answer[ip.l4 + 8..])).unwrap();
    assert_eq!(message.xid(), [1, 2, 3]);
    assert_eq!(message.opts().get(OptionCode::ServerId), Some(&server()));
    assert_eq!(
        message.opts().get(OptionCode::ClientId),
        request.opts().get(OptionCode::ClientId)
    );
    let dns: Ipv6Addr = "fd00:ec2::253".parse().unwrap();
    let expected = DhcpOption::DomainNameServers(vec![dns]);
    assert_eq!(
        message.opts().get(OptionCode::DomainNameServers),
        Some(&expected)
    );
    message
}

/// The addresses of the nth association with their preferred lifetimes.
#[track_caller]
fn addresses(message: &Message, n: usize) -> Vec<(Ipv6Addr, u32)> {
    let Some(DhcpOption::IANA(ia)) = message
        .opts()
        .get_all(OptionCode::IANA)
        .and_then(|a| a.get(n))
    else {
        panic!("{message}");
    };
    let all = ia.opts.iter().filter_map(|option| match option {
        DhcpOption::IAAddr(address) => Some((address.addr, address.preferred_life)),
        _ => None,
    });
    all.collect()
}

fn status(options: &DhcpOptions) -> Option<Status> {
    match options.get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(code)) => Some(code.status),
        _ => None,
    }
}

#[test]
fn a_solicit_is_advertised_the_interfaces_address() {
    let link = Link::new();
    let advertise = reply(&link, &message(MessageType::Solicit, [ia_na(9, &[])]));
    assert_eq!(advertise.msg_type(), MessageType::Advertise);
    assert_eq!(addresses(&advertise, 0), [(link.port.ipv6(), 3600)]);
}

#[test]
fn rapid_commit_saves_a_round() {
    let link = Link::new();
    let solicit = message(
        MessageType::Solicit,
        [ia_na(9, &[]), DhcpOption::RapidCommit],
    );
    let answer = reply(&link, &solicit);
    assert_eq!(answer.msg_type(), MessageType::Reply);
    assert_eq!(
        answer.opts().get(OptionCode::RapidCommit),
        Some(&DhcpOption::RapidCommit)
    );
    assert_eq!(addresses(&answer, 0), [(link.port.ipv6(), 3600)]);
}

#[test]
fn request_renew_and_rebind_get_the_address() {
    let link = Link::new();
    let own = link.port.ipv6();
    for (kind, named) in [
        (MessageType::Request, true),
        (MessageType::Renew, true),
        (MessageType::Rebind, false),
    ] {
        let options = [ia_na(9, &[own])].into_iter().chain(named.then(server));
        let answer = reply(&link, &message(kind, options));
        assert_eq!(answer.msg_type(), MessageType::Reply, "{kind:?}");
        assert_eq!(addresses(&answer, 0), [(own, 3600)], "{kind:?}");
    }
}

#[test]
fn an_address_that_is_not_the_interfaces_is_taken_away() {
    let link = Link::new();
    let wrong = link.neighbor.ipv6();
    let answer = reply(&link, &message(MessageType::Rebind, [ia_na(9, &[wrong])]));
    assert_eq!(
        addresses(&answer, 0),
        [(link.port.ipv6(), 3600), (wrong, 0)]
    );
}

#[test]
fn only_one_association_gets_addresses_and_prefixes_are_refused() {
    let link = Link::new();
    let pd = DhcpOption::IAPD(IAPD {
        id: 3,
        t1: 0,
        t2: 0,
        opts: DhcpOptions::new(),
    });
    let answer = reply(
        &link,
        &message(MessageType::Solicit, [ia_na(1, &[]), ia_na(2, &[]), pd]),
    );
    let granted = [addresses(&answer, 0).len(), addresses(&answer, 1).len()];
    assert!(granted == [1, 0] || granted == [0, 1], "{granted:?}");
    let refused = answer.opts().iter().filter(|option| match option {
        DhcpOption::IANA(ia) => status(&ia.opts) == Some(Status::NoAddrsAvail),
        _ => false,
    });
    assert_eq!(refused.count(), 1);
    let Some(DhcpOption::IAPD(pd)) = answer.opts().get(OptionCode::IAPD) else {
        panic!("{answer}");
    };
    assert_eq!((pd.id, status(&pd.opts)), (3, Some(Status::NoPrefixAvail)));
}

#[test]
fn confirm_says_whether_the_addresses_fit_the_link() {
    let link = Link::new();
    let on_link = [link.port.ipv6(), link.neighbor.ipv6()];
    let answer = reply(&link, &message(MessageType::Confirm, [ia_na(1, &on_link)]));
    assert_eq!(status(answer.opts()), Some(Status::Success));
    let moved = [link.port.ipv6(), link.far.ipv6()];
    let answer = reply(&link, &message(MessageType::Confirm, [ia_na(1, &moved)]));
    assert_eq!(status(answer.opts()), Some(Status::NotOnLink));
    let nothing = message(MessageType::Confirm, [ia_na(1, &[])]);
    assert_eq!(link.heard(&frame(&link, &nothing)), Heard::Absorbed);
}

#[test]
fn release_and_information_request_are_answered() {
    let link = Link::new();
    let release = message(
        MessageType::Release,
        [server(), ia_na(1, &[link.port.ipv6()])],
    );
    assert_eq!(status(reply(&link, &release).opts()), Some(Status::Success));
    let mut request = message(MessageType::InformationRequest, []);
    reply(&link, &request);
    request.opts_mut().remove(OptionCode::ClientId);
    reply(&link, &request);
}

#[test]
fn messages_for_another_server_or_from_nobody_get_no_answer() {
    let link = Link::new();
    let other = DhcpOption::ServerId(vec![0, 3, 0, 1, 9, 9, 9, 9, 9, 9]);
    let mut anonymous = message(MessageType::Solicit, [ia_na(1, &[])]);
    anonymous.opts_mut().remove(OptionCode::ClientId);
    for request in [
        anonymous,
        message(MessageType::Request, [ia_na(1, &[]), other]),
        message(MessageType::Request, [ia_na(1, &[])]),
        message(MessageType::Solicit, [ia_na(1, &[]), server()]),
        message(MessageType::Rebind, [ia_na(1, &[]), server()]),
        message(MessageType::RelayForw, []),
        message(MessageType::Unknown(200), []),
    ] {
        assert_eq!(
            link.heard(&frame(&link, &request)),
            Heard::Absorbed,
            "{request}"
        );
    }
}

#[test]
fn workloads_are_no_servers() {
    let link = Link::new();
    for kind in [
        MessageType::Advertise,
        MessageType::Reply,
        MessageType::Reconfigure,
    ] {
        let payload = message(kind, [server()]).to_vec().unwrap();
        for ports in [(547, 546), (546, 547)] {
            assert_eq!(
                link.refused(&way(&link).udp(ports, &payload)),
                DropReason::RogueDhcp
            );
        }
    }
}

#[test]
fn a_client_that_speaks_from_another_address_is_refused() {
    let link = Link::new();
    let payload = message(MessageType::Solicit, [ia_na(1, &[])])
        .to_vec()
        .unwrap();
    for src in [link.neighbor.ipv6(), ROUTER, Ipv6Addr::UNSPECIFIED] {
        let mut way = way(&link);
        way.src = src.into();
        assert_eq!(
            link.refused(&way.udp((546, 547), &payload)),
            DropReason::SpoofedAddress,
            "{src}"
        );
    }
}

#[test]
fn options_nested_as_deep_as_a_frame_allows_take_no_stack() {
    let link = Link::new();
    let mut payload = vec![1, 1, 2, 3, 0, 1, 0, 3, 9, 9, 9];
    while payload.len() < 60_000 {
        let rest = u16::try_from(60_000 - payload.len()).unwrap();
        payload.extend_from_slice(&4_u16.to_be_bytes());
        payload.extend_from_slice(&rest.saturating_sub(4).to_be_bytes());
        payload.extend_from_slice(&[0; 4]);
    }
    let _ = link.say(&way(&link).udp((546, 547), &payload));
}

#[test]
fn every_cut_and_every_length_is_survived() {
    let link = Link::new();
    let solicit = message(
        MessageType::Solicit,
        [ia_na(1, &[link.port.ipv6()]), DhcpOption::ElapsedTime(0)],
    );
    let whole = solicit.to_vec().unwrap();
    for length in 0..whole.len() {
        let _ = link.say(&way(&link).udp((546, 547), &whole[..length]));
    }
    for at in 4..whole.len() {
        for value in [0, 1, 15, 16, 127, 254, 255] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let _ = link.say(&way(&link).udp((546, 547), &bytes));
        }
    }
    let over = message(MessageType::Solicit, [DhcpOption::ClientId(vec![1; 200])]);
    assert_eq!(link.refused(&frame(&link, &over)), DropReason::DhcpRefused);
}
