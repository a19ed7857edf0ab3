use std::net::{IpAddr, Ipv6Addr};

use weft_engine::{
    DropReason,
    service::Heard,
    testing::{Family, frames::Way},
};
use weft_model::Mac;
use weft_packet::{
    checksum,
    headers::{Body, Headers, Ip},
};

use super::Link;

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x0857, 0x45ff, 0xfe46, 0x5401);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

fn way(link: &Link, src: Ipv6Addr, dst: Ipv6Addr) -> Way {
    let mut way = link.net.way_out(&link.port, IpAddr::V6(dst));
    way.dst_mac = Mac::new([0x33, 0x33, 0, 0, 0, 1]);
    way.src = src.into();
    way.ttl = 255;
    way
}

fn option(kind: u8, mac: Mac) -> Vec<u8> {
    [&[kind, 1][..], &mac.octets()].concat()
}

fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from(0xff02 << 112 | 0x1_ff00_0000 | (u128::from(target) & 0xff_ffff))
}

fn solicit(link: &Link, src: Ipv6Addr, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    let body = [&target.octets()[..], options].concat();
    way(link, src, solicited_node(target)).icmp6_raw(135, 0, [0; 4], &body)
}

fn ask(link: &Link, target: Ipv6Addr) -> Vec<u8> {
    solicit(link, link.port.ipv6(), target, &option(1, link.port.mac))
}

pub(super) fn router_solicitation(link: &Link) -> Vec<u8> {
    way(link, Ipv6Addr::UNSPECIFIED, ALL_ROUTERS).icmp6_raw(133, 0, [0; 4], &[])
}

#[track_caller]
fn sound(answer: &[u8]) -> (Headers, Ip) {
    let headers = Headers::parse(answer).unwrap();
    let Body::Ip(ip) = headers.body else {
        panic!("no IP: {headers:?}");
    };
    assert_eq!((ip.protocol, ip.ttl, ip.end), (58, 255, answer.len()));
    assert!(checksum::verify_l4(answer, &ip));
    (headers, ip)
}

/// The advertised MAC, and the flags.
#[track_caller]
fn advertised(link: &Link, frame: &[u8], to: Ipv6Addr, target: Ipv6Addr) -> (Mac, u8) {
    let answer = link.answer(frame);
    let (headers, ip) = sound(&answer);
    assert_eq!((ip.src, ip.dst), (target.into(), to.into()));
    let body = &answer[ip.l4..ip.end];
    assert_eq!((body[0], body[1]), (136, 0));
    assert_eq!(body[8..24], target.octets());
    assert_eq!((body[24], body[25], body.len()), (2, 1, 32));
    let mac = Mac::new(*body[26..].first_chunk().unwrap());
    assert_eq!(headers.src, mac);
    (mac, body[4])
}

#[test]
fn the_router_is_at_its_own_mac() {
    let link = Link::new();
    let IpAddr::V6(global) = link.port.router(Family::V6) else {
        panic!("family");
    };
    for target in [ROUTER, global] {
        let (mac, flags) = advertised(&link, &ask(&link, target), link.port.ipv6(), target);
        assert_eq!((mac, flags), (Mac::ROUTER, 0xe0), "{target}");
    }
}

#[test]
fn a_neighbor_is_at_its_real_mac() {
    let link = Link::new();
    let target = link.neighbor.ipv6();
    let (mac, flags) = advertised(&link, &ask(&link, target), link.port.ipv6(), target);
    assert_eq!((mac, flags), (link.neighbor.mac, 0x60));
}

#[test]
fn a_unicast_probe_of_reachability_is_answered() {
    let link = Link::new();
    let body = ROUTER.octets();
    let frame = way(&link, link.port.ipv6(), ROUTER).icmp6_raw(135, 0, [0; 4], &body);
    assert_eq!(
        advertised(&link, &frame, link.port.ipv6(), ROUTER).0,
        Mac::ROUTER
    );
}

#[test]
fn a_duplicate_probe_for_a_taken_address_is_contradicted_to_all() {
    let link = Link::new();
    for (target, mac, flags) in [
        (link.neighbor.ipv6(), link.neighbor.mac, 0x20),
        (ROUTER, Mac::ROUTER, 0xa0),
    ] {
        let frame = solicit(&link, Ipv6Addr::UNSPECIFIED, target, &[]);
        assert_eq!(advertised(&link, &frame, ALL_NODES, target), (mac, flags));
    }
}

#[test]
fn nobody_contradicts_a_duplicate_probe_for_its_own_address() {
    let link = Link::new();
    for target in [link.port.ipv6(), "fe80::1234".parse().unwrap()] {
        let frame = solicit(&link, Ipv6Addr::UNSPECIFIED, target, &[]);
        assert_eq!(link.heard(&frame), Heard::Absorbed, "{target}");
    }
}

#[test]
fn nobody_answers_for_an_address_that_nobody_on_the_link_has() {
    let link = Link::new();
    for target in [
        "fd00:0:0:101::63",
        "fd00:0:0:102::1",
        "fd00:0:0:101::28",
        "2001:db8::1",
        "fe80::99",
    ] {
        let frame = ask(&link, target.parse().unwrap());
        assert_eq!(
            link.refused(&frame),
            DropReason::NeighborUnanswered,
            "{target}"
        );
    }
    assert_eq!(
        link.refused(&ask(&link, link.far.ipv6())),
        DropReason::NeighborUnanswered
    );
}

#[test]
fn claims_to_be_somebody_else_are_refused() {
    let link = Link::new();
    let neighbor = link.neighbor.ipv6();
    let advertise = |src: Ipv6Addr, target: Ipv6Addr, mac: Mac| {
        let body = [&target.octets()[..], &option(2, mac)].concat();
        way(&link, src, ALL_NODES).icmp6_raw(136, 0, [0x20, 0, 0, 0], &body)
    };
    for frame in [
        solicit(&link, neighbor, ROUTER, &option(1, link.port.mac)),
        solicit(&link, ROUTER, neighbor, &option(1, link.port.mac)),
        solicit(
            &link,
            link.port.ipv6(),
            ROUTER,
            &option(1, link.neighbor.mac),
        ),
        advertise(link.port.ipv6(), neighbor, link.port.mac),
        advertise(neighbor, neighbor, link.port.mac),
        advertise(link.port.ipv6(), link.port.ipv6(), link.neighbor.mac),
        advertise(link.port.ipv6(), ROUTER, link.port.mac),
    ] {
        assert_eq!(link.refused(&frame), DropReason::SpoofedNeighbor);
    }
    let honest = advertise(link.port.ipv6(), link.port.ipv6(), link.port.mac);
    assert_eq!(link.heard(&honest), Heard::Absorbed);
}

#[test]
fn workloads_are_no_routers() {
    let link = Link::new();
    let from = "fe80::1234".parse().unwrap();
    let advertisement = way(&link, from, ALL_NODES).icmp6_raw(134, 0, [64, 0, 0x23, 0x28], &[0; 8]);
    let redirect = way(&link, ROUTER, link.port.ipv6()).icmp6_raw(137, 0, [0; 4], &[1; 32]);
    for frame in [advertisement, redirect] {
        assert_eq!(link.refused(&frame), DropReason::RogueRouter);
    }
}

#[test]
fn a_router_solicitation_is_answered_with_all_that_a_host_needs() {
    let link = Link::new();
    let own: Ipv6Addr = "fe80::5".parse().unwrap();
    let asks = [
        (
            way(&link, own, ALL_ROUTERS).icmp6_raw(133, 0, [0; 4], &option(1, link.port.mac)),
            own,
        ),
        (
            way(&link, Ipv6Addr::UNSPECIFIED, ALL_ROUTERS).icmp6_raw(133, 0, [0; 4], &[]),
            ALL_NODES,
        ),
    ];
    for (frame, to) in asks {
        let answer = link.answer(&frame);
        let (headers, ip) = sound(&answer);
        assert_eq!(
            (headers.src, ip.src, ip.dst),
            (Mac::ROUTER, ROUTER.into(), to.into())
        );
        let body = &answer[ip.l4..ip.end];
        // Hop limit 64; addresses and the rest come from DHCPv6; a default router for 9000 s.
        assert_eq!((body[0], &body[4..8]), (134, &[64, 0xc0, 0x23, 0x28][..]));
        check_options(&body[16..]);
    }
}

#[track_caller]
fn check_options(mut options: &[u8]) {
    let mut seen = vec![];
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at(usize::from(units) * 8);
        match kind {
            1 => assert_eq!(option[2..], Mac::ROUTER.octets()),
            5 => assert_eq!(option[4..], 1450_u32.to_be_bytes()),
            // On the link, and not for making addresses.
            3 => {
                assert_eq!((option[2], option[3]), (64, 0x80));
                let prefix: Ipv6Addr = "fd00:0:0:101::".parse().unwrap();
                assert_eq!(option[16..], prefix.octets());
            }
            25 => {
                let server: Ipv6Addr = "fd00:ec2::253".parse().unwrap();
                assert_eq!(option[8..], server.octets());
            }
            other => panic!("option {other}"),
        }
        seen.push(kind);
        options = rest;
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 3, 5, 25]);
}

#[test]
fn malformed_discovery_is_dropped() {
    let link = Link::new();
    let good = ask(&link, ROUTER);
    let (_, ip) = sound(&good);
    let mut forwarded = good.clone();
    forwarded[ip.l3 + 7] = 254;
    let mut sum = good.clone();
    sum[ip.l4 + 2] ^= 1;
    let zero_option = solicit(&link, link.port.ipv6(), ROUTER, &[1, 0, 0, 0, 0, 0, 0, 0]);
    let long_option = solicit(&link, link.port.ipv6(), ROUTER, &[1, 2, 0, 0, 0, 0, 0, 0]);
    let cut_option = solicit(&link, link.port.ipv6(), ROUTER, &[1]);
    let multicast = ask(&link, ALL_NODES);
    let short = way(&link, link.port.ipv6(), ROUTER).icmp6_raw(135, 0, [0; 4], &[0; 15]);
    for frame in [
        forwarded,
        sum,
        zero_option,
        long_option,
        cut_option,
        multicast,
        short,
    ] {
        assert_eq!(link.refused(&frame), DropReason::Malformed);
    }
}

#[test]
fn listener_reports_are_absorbed() {
    let link = Link::new();
    for kind in [130, 131, 132, 143] {
        let frame =
            way(&link, Ipv6Addr::UNSPECIFIED, ALL_ROUTERS).icmp6_raw(kind, 0, [0; 4], &[0; 20]);
        assert_eq!(link.heard(&frame), Heard::Absorbed, "{kind}");
    }
}
