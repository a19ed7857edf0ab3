use etherparse::{NetSlice, SlicedPacket, TcpSlice, TransportSlice};

use super::*;
use crate::{
    headers::{Arp, L4, tcp_flags},
    samples,
};

/// The frame is whole: nothing behind it, both checksums right, and another library reads it.
fn whole(frame: &[u8]) -> Ip {
    let ip = samples::ip(frame);
    assert_eq!(ip.end, frame.len());
    assert!(checksum::verify_l3(frame, &ip).is_ok() && checksum::verify_l4(frame, &ip));
    SlicedPacket::from_ethernet(frame).unwrap();
    ip
}

fn envelope(v4: bool) -> Envelope {
    let (src, dst) = match v4 {
        true => (IpAddr::from(samples::V4.1), IpAddr::from(samples::V4.0)),
        false => (IpAddr::from(samples::V6.1), IpAddr::from(samples::V6.0)),
    };
    Envelope {
        dst_mac: Mac::new(samples::SRC),
        src_mac: Mac::new(samples::DST),
        addresses: Addresses::new(src, dst).unwrap(),
        ttl: TTL,
    }
}

#[test]
fn an_arp_answer_goes_to_the_asker_with_the_mac_asked_for() {
    let request = samples::arp_request();
    let Body::Arp(asked) = samples::parse(&request).body else {
        panic!("ARP")
    };
    let mut out = vec![1; 9];
    arp_reply(&mut out, &asked, Mac::ROUTER);
    let headers = samples::parse(&out);
    assert_eq!(
        (headers.dst, headers.src),
        (Mac::new(samples::SRC), Mac::ROUTER)
    );
    let expected = Arp {
        operation: Arp::REPLY,
        sender_mac: Mac::ROUTER,
        sender_ip: asked.target_ip,
        target_mac: asked.sender_mac,
        target_ip: asked.sender_ip,
    };
    assert_eq!(headers.body, Body::Arp(expected));
}

#[test]
fn a_datagram_is_what_another_library_would_make() {
    let mut out = Vec::new();
    for v4 in [true, false] {
        udp(&mut out, &envelope(v4), 67, 68, b"answer").unwrap();
        let ip = whole(&out);
        assert_eq!(ip.ports(), (67, 68));
        assert_eq!(&out[ip.l4 + 8..], b"answer");
    }
}

#[test]
fn a_payload_past_the_largest_packet_is_refused() {
    let mut out = Vec::new();
    assert!(udp(&mut out, &envelope(true), 1, 2, &vec![0; 65_507]).is_ok());
    for length in [65_508, 70_000] {
        assert!(udp(&mut out, &envelope(true), 1, 2, &vec![0; length]).is_err());
    }
}

#[test]
fn an_echo_is_answered_with_its_own_data() {
    for v4 in [true, false] {
        let frame = samples::echo(v4, b"ping data");
        let (headers, ip) = (samples::parse(&frame), samples::ip(&frame));
        let mut out = Vec::new();
        assert!(echo_reply(&mut out, &frame, &headers, &ip));
        let reply = whole(&out);
        assert_eq!((reply.src, reply.dst), (ip.dst, ip.src));
        assert_eq!(out[reply.l4 + 4..], frame[ip.l4 + 4..]);
        // An answer to the answer would never end.
        assert!(!echo_reply(
            &mut Vec::new(),
            &out,
            &samples::parse(&out),
            &reply
        ));
    }
}

#[test]
fn an_error_quotes_as_much_as_the_rfcs_allow() {
    let mut out = Vec::new();
    for (v4, most, error) in [(true, 576, (3, 4)), (false, 1280, (2, 0))] {
        let frame = samples::tcp(v4, &samples::payload(3000), false);
        let headers = samples::parse(&frame);
        let from = if v4 {
            IpAddr::from([10, 0, 0, 1])
        } else {
            IpAddr::from(samples::V6.1)
        };
        let too_big = IcmpError::TooBig { mtu: 1450 };
        assert!(icmp_error(
            &mut out,
            &frame,
            &headers,
            Mac::ROUTER,
            from,
            too_big
        ));
        let ip = whole(&out);
        assert_eq!(
            (ip.len(), ip.src, ip.dst),
            (most, from, samples::ip(&frame).src)
        );
        assert!(matches!(ip.l4_kind, L4::Icmp { kind, code, .. } if (kind, code) == error));
        assert_eq!(out[ip.l4 + 6..ip.l4 + 8], 1450u16.to_be_bytes());
        assert_eq!(out[ip.l4 + 8..], frame[14..14 + most - (ip.l4 - ip.l3) - 8]);
    }
}

#[test]
fn an_error_never_quotes_padding() {
    let mut frame = samples::udp(true, b"x");
    let length = frame.len();
    frame.resize(60, 0xee);
    let mut out = Vec::new();
    let headers = samples::parse(&frame);
    let from = IpAddr::from([10, 0, 0, 1]);
    assert!(icmp_error(
        &mut out,
        &frame,
        &headers,
        Mac::ROUTER,
        from,
        IcmpError::NoRoute
    ));
    assert_eq!(out[42..], frame[14..length]);
}

fn reset(frame: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    tcp_reset(&mut out, &samples::parse(frame)).then_some(out)
}

fn flagged(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = samples::tcp(true, payload, false);
    frame[47] = flags;
    frame
}

fn sliced(frame: &[u8]) -> TcpSlice<'_> {
    match SlicedPacket::from_ethernet(frame)
        .unwrap()
        .transport
        .unwrap()
    {
        TransportSlice::Tcp(tcp) => tcp,
        other => panic!("no TCP: {other:?}"),
    }
}

#[test]
fn a_reset_takes_the_acknowledged_sequence() {
    let out = reset(&flagged(tcp_flags::ACK, b"data")).unwrap();
    whole(&out);
    let tcp = sliced(&out);
    assert_eq!(
        (tcp.sequence_number(), tcp.rst(), tcp.ack()),
        (77, true, false)
    );
    assert_eq!((tcp.source_port(), tcp.destination_port()), (443, 40000));
}

#[test]
fn a_reset_of_a_segment_without_ack_acknowledges_it_whole() {
    let seq = 0xffff_f000u32;
    for (flags, payload, length) in [
        (tcp_flags::SYN, &b""[..], 1),
        (tcp_flags::FIN, b"ab", 3),
        (0, &[0; 0x1000], 0x1000),
    ] {
        let out = reset(&flagged(flags, payload)).unwrap();
        let tcp = sliced(&out);
        assert_eq!(tcp.sequence_number(), 0);
        assert_eq!(tcp.acknowledgment_number(), seq.wrapping_add(length));
        assert!(tcp.rst() && tcp.ack());
    }
}

#[test]
fn a_reset_is_never_answered_with_one() {
    assert_eq!(reset(&flagged(tcp_flags::RST, b"")), None);
    assert_eq!(reset(&samples::udp(true, b"")), None);
}

#[test]
fn a_router_advertisement_says_mtu_prefixes_and_dns() {
    let prefix = PrefixInformation {
        prefix: "fd00::".parse().unwrap(),
        length: 64,
        on_link: true,
        autonomous: false,
        valid: 7200,
        preferred: 3600,
    };
    let dns: Vec<Ipv6Addr> = vec!["fd00:ec2::253".parse().unwrap()];
    let it = RouterAdvertisement {
        mac: Mac::ROUTER,
        from: "fe80::1".parse().unwrap(),
        hop_limit: 64,
        managed: true,
        other: true,
        lifetime: 1800,
        mtu: 1430,
        prefixes: &[prefix],
        dns: &dns,
        dns_lifetime: 1800,
    };
    let mut out = Vec::new();
    router_advertisement(
        &mut out,
        Mac::new([0x33, 0x33, 0, 0, 0, 1]),
        "ff02::1".parse().unwrap(),
        &it,
    );
    let ip = whole(&out);
    assert_eq!((ip.ttl, ip.len()), (255, 40 + 32 + 32 + 24));
    let body = &out[ip.l4..];
    assert_eq!(body[4..8], [64, 0xc0, 0x07, 0x08]);
    assert_eq!(body[24..32], [5, 1, 0, 0, 0, 0, 5, 0x96]);
    assert_eq!(body[32..36], [3, 4, 64, 0x80]);
    assert_eq!(body[64..66], [25, 3]);
    assert_eq!(body[72..88], dns[0].octets());
    let packet = SlicedPacket::from_ethernet(&out).unwrap();
    assert!(matches!(packet.net, Some(NetSlice::Ipv6(_))));
}

#[test]
fn more_prefixes_and_servers_than_fit_are_left_out() {
    let prefix = PrefixInformation {
        prefix: Ipv6Addr::UNSPECIFIED,
        length: 0,
        on_link: false,
        autonomous: false,
        valid: 0,
        preferred: 0,
    };
    let it = RouterAdvertisement {
        mac: Mac::ROUTER,
        from: "fe80::1".parse().unwrap(),
        hop_limit: 64,
        managed: false,
        other: false,
        lifetime: 0,
        mtu: 1280,
        prefixes: &[prefix; 99],
        dns: &[Ipv6Addr::LOCALHOST; 99],
        dns_lifetime: 1,
    };
    let mut out = Vec::new();
    router_advertisement(&mut out, Mac::BROADCAST, Ipv6Addr::LOCALHOST, &it);
    assert!(whole(&out).len() <= 1280);
}
