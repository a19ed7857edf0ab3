use super::*;
use crate::{build, headers::protocol, samples};

/// An ICMPv6 message with this hop limit.
fn message(body: &[u8], ttl: u8) -> Vec<u8> {
    let mut frame = samples::udp(false, &body[8..]);
    frame[20] = protocol::ICMPV6;
    frame[21] = ttl;
    frame[54..].copy_from_slice(body);
    frame
}

fn solicitation(options: &[u8]) -> Vec<u8> {
    let mut body = vec![kind::NEIGHBOR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    body.extend_from_slice(&samples::V6.1);
    body.extend_from_slice(options);
    body
}

const LINK: [u8; 8] = [1, 1, 2, 0, 0, 0, 0, 9];

fn read(frame: &[u8]) -> Result<Option<Nd>, Malformed> {
    parse(frame, &samples::ip(frame))
}

#[test]
fn a_solicitation_names_its_target_and_its_asker() {
    let target = Ipv6Addr::from(samples::V6.1);
    let link = Some(Mac::new([2, 0, 0, 0, 0, 9]));
    let whole = read(&message(&solicitation(&LINK), 255));
    assert_eq!(whole, Ok(Some(Nd::NeighborSolicitation { target, link })));
    let probe = read(&message(&solicitation(&[]), 255));
    assert_eq!(
        probe,
        Ok(Some(Nd::NeighborSolicitation { target, link: None }))
    );
}

#[test]
fn what_the_rfc_says_to_discard_is_refused() {
    let good = solicitation(&LINK);
    let with = |at: usize, value: u8| {
        let mut body = good.clone();
        body[at] = value;
        read(&message(&body, 255))
    };
    assert_eq!(read(&message(&good, 254)), Err(Malformed::NdInvalid));
    assert_eq!(with(1, 1), Err(Malformed::NdInvalid));
    assert_eq!(with(8, 0xff), Err(Malformed::NdInvalid));
    for length in [0, 2, 255] {
        assert_eq!(with(25, length), Err(Malformed::NdInvalid));
    }
    assert_eq!(read(&message(&good[..23], 255)), Err(Malformed::NdInvalid));
    assert_eq!(read(&message(&good[..25], 255)), Err(Malformed::NdInvalid));
}

#[test]
fn other_messages_are_none_of_its() {
    assert_eq!(read(&samples::echo(false, b"")), Ok(None));
    assert_eq!(read(&samples::udp(false, b"")), Ok(None));
    assert_eq!(read(&samples::echo(true, b"")), Ok(None));
}

#[test]
fn an_advertisement_that_was_built_reads_back() {
    let mut out = Vec::new();
    let (target, mac) = (Ipv6Addr::from(samples::V6.0), Mac::ROUTER);
    let it = build::Advertisement {
        target,
        mac,
        router: true,
        solicited: true,
    };
    build::neighbor_advertisement(&mut out, Mac::new(samples::SRC), samples::V6.1.into(), it);
    let expected = Nd::NeighborAdvertisement {
        target,
        link: Some(mac),
    };
    assert_eq!(read(&out), Ok(Some(expected)));
    // Router, solicited, override.
    assert_eq!(out[58], 0xe0);
}
