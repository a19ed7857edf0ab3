use std::net::Ipv4Addr;

use dhcproto::{
    Decodable, Decoder, Encodable,
    v4::{DhcpOption, Flags, Message, MessageType, Opcode, OptionCode},
};
use weft_engine::{DropReason, service::Heard, testing::frames::Way};
use weft_model::Mac;
use weft_packet::{
    checksum,
    headers::{Body, Headers, L4},
};

use super::Link;

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 10);

fn message(link: &Link, kind: MessageType) -> Message {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(7, none, none, none, none, &link.port.mac.octets());
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    message
}

fn way(link: &Link) -> Way {
    let mut way = link.net.way_out(&link.port, Ipv4Addr::BROADCAST.into());
    way.dst_mac = Mac::BROADCAST;
    way.src = Ipv4Addr::UNSPECIFIED.into();
    way
}

fn frame(link: &Link, message: &Message) -> Vec<u8> {
    way(link).udp((68, 67), &message.to_vec().unwrap())
}

pub(super) fn discover(link: &Link) -> Vec<u8> {
    frame(link, &message(link, MessageType::Discover))
}

/// The answer, and the MAC and address that it goes to.
#[track_caller]
fn reply(link: &Link, frame: &[u8]) -> (Message, Mac, Ipv4Addr) {
    let answer = link.answer(frame);
    let headers = Headers::parse(&answer).unwrap();
    let Body::Ip(ip) = headers.body else {
        panic!("no IP: {headers:?}");
    };
    assert_eq!((headers.src, ip.src), (Mac::ROUTER, ROUTER.into()));
    assert_eq!(ip.l4_kind, L4::Udp { src: 67, dst: 68 });
    assert!(checksum::verify_l3(&answer, &ip).is_ok() && checksum::verify_l4(&answer, &ip));
    assert_eq!(ip.end, answer.len());
    let payload = &answer[ip.l4 + 8..];
    assert!((300..=576).contains(&payload.len()), "{}", payload.len());
    let message = Message::decode(&mut Decoder::new(payload)).unwrap();
    assert_eq!((message.opcode(), message.xid()), (Opcode::BootReply, 7));
    assert_eq!(message.chaddr(), link.port.mac.octets());
    let std::net::IpAddr::V4(to) = ip.dst else {
        panic!("family");
    };
    (message, headers.dst, to)
}

fn option(message: &Message, code: OptionCode) -> &DhcpOption {
    message.opts().get(code).unwrap()
}

#[test]
fn a_discover_is_offered_the_interfaces_address_and_all_that_goes_with_it() {
    let link = Link::new();
    let (offer, mac, to) = reply(&link, &frame(&link, &message(&link, MessageType::Discover)));
    assert_eq!(offer.opts().msg_type(), Some(MessageType::Offer));
    assert_eq!((offer.yiaddr(), mac, to), (OWN, link.port.mac, OWN));
    for expected in [
        DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)),
        DhcpOption::Router(vec![ROUTER]),
        DhcpOption::DomainNameServer(vec![Ipv4Addr::new(10, 0, 0, 2)]),
        DhcpOption::InterfaceMtu(1450),
        DhcpOption::Hostname("ip-10-0-1-10".into()),
        DhcpOption::ServerIdentifier(ROUTER),
        DhcpOption::AddressLeaseTime(3600),
    ] {
        assert_eq!(option(&offer, OptionCode::from(&expected)), &expected);
    }
    assert!(!offer.opts().contains(OptionCode::ClasslessStaticRoute));
}

#[test]
fn classless_routes_come_when_asked_for_and_hold_the_default() {
    let link = Link::new();
    let mut discover = message(&link, MessageType::Discover);
    let wanted = vec![OptionCode::Router, OptionCode::ClasslessStaticRoute];
    discover
        .opts_mut()
        .insert(DhcpOption::ParameterRequestList(wanted));
    let (offer, ..) = reply(&link, &frame(&link, &discover));
    let DhcpOption::ClasslessStaticRoute(routes) = option(&offer, OptionCode::ClasslessStaticRoute)
    else {
        panic!("{offer}");
    };
    assert_eq!(routes[0], ("0.0.0.0/0".parse().unwrap(), ROUTER));
    assert!(routes.contains(&("169.254.169.254/32".parse().unwrap(), ROUTER)));
}

#[test]
fn a_request_for_the_own_address_is_acknowledged() {
    let link = Link::new();
    let mut selecting = message(&link, MessageType::Request);
    selecting
        .opts_mut()
        .insert(DhcpOption::ServerIdentifier(ROUTER));
    selecting
        .opts_mut()
        .insert(DhcpOption::RequestedIpAddress(OWN));
    let mut rebooting = message(&link, MessageType::Request);
    rebooting
        .opts_mut()
        .insert(DhcpOption::RequestedIpAddress(OWN));
    let mut renewing = message(&link, MessageType::Request);
    renewing.set_ciaddr(OWN);
    for request in [selecting, rebooting, renewing] {
        let (ack, mac, to) = reply(&link, &frame(&link, &request));
        assert_eq!(ack.opts().msg_type(), Some(MessageType::Ack));
        assert_eq!((ack.yiaddr(), mac, to), (OWN, link.port.mac, OWN));
    }
}

#[test]
fn a_renewal_goes_to_the_router_and_comes_back() {
    let link = Link::new();
    let mut renewing = message(&link, MessageType::Request);
    renewing.set_ciaddr(OWN);
    let way = link.net.way_out(&link.port, ROUTER.into());
    let frame = way.udp((68, 67), &renewing.to_vec().unwrap());
    assert_eq!(
        reply(&link, &frame).0.opts().msg_type(),
        Some(MessageType::Ack)
    );
}

#[test]
fn a_request_for_another_address_is_refused_to_all() {
    let link = Link::new();
    for claimed in [link.neighbor.ipv4(), ROUTER, Ipv4Addr::new(192, 168, 0, 7)] {
        let mut request = message(&link, MessageType::Request);
        request
            .opts_mut()
            .insert(DhcpOption::RequestedIpAddress(claimed));
        let (nak, mac, to) = reply(&link, &frame(&link, &request));
        assert_eq!(nak.opts().msg_type(), Some(MessageType::Nak), "{claimed}");
        assert_eq!(
            (nak.yiaddr(), mac, to),
            (Ipv4Addr::UNSPECIFIED, Mac::BROADCAST, Ipv4Addr::BROADCAST)
        );
        assert!(!nak.opts().contains(OptionCode::AddressLeaseTime));
    }
}

#[test]
fn the_broadcast_flag_is_honoured() {
    let link = Link::new();
    let mut discover = message(&link, MessageType::Discover);
    discover.set_flags(Flags::default().set_broadcast());
    let (_, mac, to) = reply(&link, &frame(&link, &discover));
    assert_eq!((mac, to), (Mac::BROADCAST, Ipv4Addr::BROADCAST));
}

#[test]
fn inform_gets_the_configuration_and_no_lease() {
    let link = Link::new();
    let mut inform = message(&link, MessageType::Inform);
    inform.set_ciaddr(OWN);
    let (ack, ..) = reply(&link, &frame(&link, &inform));
    assert_eq!(
        (ack.opts().msg_type(), ack.yiaddr()),
        (Some(MessageType::Ack), Ipv4Addr::UNSPECIFIED)
    );
    assert!(!ack.opts().contains(OptionCode::AddressLeaseTime));
    assert_eq!(
        option(&ack, OptionCode::InterfaceMtu),
        &DhcpOption::InterfaceMtu(1450)
    );
}

#[test]
fn rapid_commit_saves_a_round() {
    let link = Link::new();
    let mut discover = message(&link, MessageType::Discover);
    discover.opts_mut().insert(DhcpOption::RapidCommit);
    let (ack, ..) = reply(&link, &frame(&link, &discover));
    assert_eq!(ack.opts().msg_type(), Some(MessageType::Ack));
    assert!(ack.opts().contains(OptionCode::RapidCommit));
}

#[test]
fn what_needs_no_answer_gets_none() {
    let link = Link::new();
    for kind in [MessageType::Release, MessageType::Decline] {
        assert_eq!(
            link.heard(&frame(&link, &message(&link, kind))),
            Heard::Absorbed
        );
    }
    let mut elsewhere = message(&link, MessageType::Request);
    elsewhere
        .opts_mut()
        .insert(DhcpOption::ServerIdentifier(Ipv4Addr::new(10, 0, 1, 66)));
    elsewhere
        .opts_mut()
        .insert(DhcpOption::RequestedIpAddress(OWN));
    assert_eq!(link.heard(&frame(&link, &elsewhere)), Heard::Absorbed);
}

#[test]
fn workloads_are_no_servers() {
    let link = Link::new();
    let mut offer = message(&link, MessageType::Offer);
    offer.set_opcode(Opcode::BootReply);
    let payload = offer.to_vec().unwrap();
    for ports in [(67, 68), (68, 67), (67, 67)] {
        assert_eq!(
            link.refused(&way(&link).udp(ports, &payload)),
            DropReason::RogueDhcp
        );
    }
    let to_neighbor = link
        .net
        .way(&link.port, &link.neighbor, weft_engine::testing::Family::V4);
    assert_eq!(
        link.refused(&to_neighbor.udp((67, 68), &payload)),
        DropReason::RogueDhcp
    );
}

#[test]
fn another_clients_message_is_refused() {
    let link = Link::new();
    let mut discover = message(&link, MessageType::Discover);
    discover.set_chaddr(&link.neighbor.mac.octets());
    assert_eq!(
        link.refused(&frame(&link, &discover)),
        DropReason::SpoofedMac
    );
    let mut way = way(&link);
    way.src = link.neighbor.ipv4().into();
    let payload = message(&link, MessageType::Discover).to_vec().unwrap();
    assert_eq!(
        link.refused(&way.udp((68, 67), &payload)),
        DropReason::SpoofedAddress
    );
}

#[test]
fn a_server_elsewhere_is_the_policys_business() {
    let link = Link::new();
    let way = link
        .net
        .way(&link.port, &link.neighbor, weft_engine::testing::Family::V4);
    let payload = message(&link, MessageType::Discover).to_vec().unwrap();
    assert_eq!(link.heard(&way.udp((68, 67), &payload)), Heard::Pass);
}

#[test]
fn every_cut_and_every_length_is_survived() {
    let link = Link::new();
    let mut discover = message(&link, MessageType::Discover);
    discover
        .opts_mut()
        .insert(DhcpOption::ParameterRequestList(vec![
            OptionCode::Router;
            9
        ]));
    let whole = discover.to_vec().unwrap();
    for length in 0..=whole.len() {
        let answered = link
            .say(&way(&link).udp((68, 67), &whole[..length]))
            .is_ok();
        assert!(length >= 240 || !answered, "{length}");
    }
    for at in [2, 241, 244, 255] {
        for value in [0, 1, 2, 8, 9, 16, 17, 255] {
            let mut bytes = whole.clone();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = link.say(&way(&link).udp((68, 67), &bytes));
        }
    }
}
