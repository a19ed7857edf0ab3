use std::net::Ipv4Addr;

use weft_engine::{DropReason, service::Heard, testing::frames::arp};
use weft_model::Mac;
use weft_packet::headers::{Arp, Body, Headers};

use super::Link;

const NOBODY: Mac = Mac::new([0; 6]);

fn ask(link: &Link, target: Ipv4Addr) -> Vec<u8> {
    arp(
        Arp::REQUEST,
        (link.port.mac, link.port.ipv4()),
        (NOBODY, target),
    )
}

#[track_caller]
fn reply(link: &Link, frame: &[u8]) -> Arp {
    let answer = link.answer(frame);
    let headers = Headers::parse(&answer).unwrap();
    let Body::Arp(arp) = headers.body else {
        panic!("no ARP: {headers:?}");
    };
    assert_eq!((headers.dst, headers.src), (link.port.mac, arp.sender_mac));
    assert_eq!((arp.operation, arp.target_mac), (Arp::REPLY, link.port.mac));
    assert_eq!(answer.len(), 42);
    arp
}

#[test]
fn the_router_is_at_its_own_mac() {
    let link = Link::new();
    let arp = reply(&link, &ask(&link, Ipv4Addr::new(10, 0, 1, 1)));
    assert_eq!(
        (arp.sender_mac, arp.sender_ip),
        (Mac::ROUTER, Ipv4Addr::new(10, 0, 1, 1))
    );
    assert_eq!(arp.target_ip, link.port.ipv4());
}

#[test]
fn a_neighbor_is_at_its_real_mac() {
    let link = Link::new();
    let arp = reply(&link, &ask(&link, link.neighbor.ipv4()));
    assert_eq!(
        (arp.sender_mac, arp.sender_ip),
        (link.neighbor.mac, link.neighbor.ipv4())
    );
}

#[test]
fn a_probe_for_a_taken_address_is_contradicted() {
    let link = Link::new();
    let probe = arp(
        Arp::REQUEST,
        (link.port.mac, Ipv4Addr::UNSPECIFIED),
        (NOBODY, link.neighbor.ipv4()),
    );
    assert_eq!(reply(&link, &probe).sender_mac, link.neighbor.mac);
}

#[test]
fn nobody_contradicts_a_probe_or_announcement_of_its_own_address() {
    let link = Link::new();
    for sender in [Ipv4Addr::UNSPECIFIED, link.port.ipv4()] {
        let frame = arp(
            Arp::REQUEST,
            (link.port.mac, sender),
            (NOBODY, link.port.ipv4()),
        );
        assert_eq!(link.heard(&frame), Heard::Absorbed);
    }
    let announcement = arp(
        Arp::REPLY,
        (link.port.mac, link.port.ipv4()),
        (Mac::BROADCAST, link.port.ipv4()),
    );
    assert_eq!(link.heard(&announcement), Heard::Absorbed);
}

#[test]
fn nobody_answers_for_an_address_that_nobody_on_the_link_has() {
    let link = Link::new();
    for target in [
        Ipv4Addr::new(10, 0, 1, 99),
        link.far.ipv4(),
        Ipv4Addr::new(10, 0, 2, 1),
        Ipv4Addr::new(10, 0, 1, 40), // Another tenant's.
        Ipv4Addr::new(8, 8, 8, 8),
    ] {
        assert_eq!(
            link.refused(&ask(&link, target)),
            DropReason::ArpUnanswered,
            "{target}"
        );
    }
}

#[test]
fn claims_to_be_somebody_else_are_refused() {
    let link = Link::new();
    let (own, own_ip) = (link.port.mac, link.port.ipv4());
    let router = Ipv4Addr::new(10, 0, 1, 1);
    for frame in [
        arp(Arp::REQUEST, (own, router), (NOBODY, router)),
        arp(Arp::REPLY, (own, router), (Mac::BROADCAST, router)),
        arp(
            Arp::REPLY,
            (own, link.neighbor.ipv4()),
            (link.neighbor.mac, link.neighbor.ipv4()),
        ),
        arp(Arp::REPLY, (own, Ipv4Addr::UNSPECIFIED), (NOBODY, router)),
        arp(Arp::REQUEST, (link.neighbor.mac, own_ip), (NOBODY, router)),
        arp(Arp::REQUEST, (Mac::ROUTER, own_ip), (NOBODY, router)),
    ] {
        assert_eq!(link.refused(&frame), DropReason::SpoofedArp);
    }
}
