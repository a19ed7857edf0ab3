use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::{
    Mac, Malformed,
    build::{IcmpError, icmp_error},
    samples,
};

fn error_about(frame: &[u8]) -> Vec<u8> {
    let headers = samples::parse(frame);
    let from: IpAddr = match samples::ip(frame).is_v4() {
        true => IpAddr::from(samples::V4.1),
        false => IpAddr::from(samples::V6.1),
    };
    let mut out = Vec::new();
    assert!(icmp_error(
        &mut out,
        frame,
        &headers,
        Mac::ROUTER,
        from,
        IcmpError::TimeExceeded
    ));
    out
}

#[test]
fn an_error_s_quote_names_the_packet_that_it_is_about() {
    for frame in samples::all().iter().skip(1) {
        let about = samples::ip(frame);
        let error = error_about(frame);
        let quoted = embedded(&error, &samples::ip(&error)).unwrap();
        assert_eq!((quoted.src, quoted.dst), (about.src, about.dst));
        assert_eq!(
            (quoted.protocol, quoted.ports),
            (about.protocol, about.ports())
        );
        assert_eq!(error[quoted.l4..][..8], frame[about.l4..][..8]);
    }
}

#[test]
fn a_quote_of_the_header_and_8_bytes_is_enough_and_a_byte_less_is_not() {
    for v4 in [true, false] {
        let error = error_about(&samples::tcp(v4, b"", false));
        let mut ip = samples::ip(&error);
        let least = ip.l4 + HEADER + if v4 { 20 } else { 40 } + 8;
        for end in ip.l4..least {
            ip.end = end;
            assert_eq!(embedded(&error, &ip), Err(Malformed::IcmpEmbedded));
        }
        ip.end = least;
        assert!(embedded(&error, &ip).is_ok());
    }
}

#[test]
fn a_quoted_error_belongs_to_nothing() {
    for v4 in [true, false] {
        let mut error = error_about(&samples::echo(v4, b"0123456789"));
        let ip = samples::ip(&error);
        let quoted = embedded(&error, &ip).unwrap();
        error[quoted.l4] = if v4 { v4::UNREACHABLE } else { v6::TOO_BIG };
        assert_eq!(embedded(&error, &ip), Err(Malformed::IcmpEmbedded));
    }
}

#[test]
fn a_quoted_later_fragment_shows_no_ports() {
    let mut error = error_about(&samples::udp(true, &[0; 32]));
    let ip = samples::ip(&error);
    let l3 = embedded(&error, &ip).unwrap().l3;
    error[l3 + 7] = 4;
    let quoted = embedded(&error, &ip).unwrap();
    assert_eq!(quoted.ports, (0, 0));
    assert_eq!(quoted.fragment.map(|f| f.offset), Some(32));
}

#[test]
fn an_echo_request_is_no_error_and_quotes_nothing() {
    let echo = samples::echo(true, &[0x45; 40]);
    assert_eq!(
        embedded(&echo, &samples::ip(&echo)),
        Err(Malformed::IcmpEmbedded)
    );
}

#[test]
fn nothing_is_answered_about_errors_groups_or_later_fragments() {
    let error = error_about(&samples::udp(true, b"x"));
    assert_eq!(may_answer(&samples::parse(&error)), None);
    let good = samples::udp(true, &[0; 32]);
    assert!(may_answer(&samples::parse(&good)).is_some());
    // Group MAC, multicast and broadcast destination, unspecified and multicast source, fragment.
    let edits: [(usize, &[u8]); 6] = [
        (0, &[1]),
        (30, &[224]),
        (30, &[255; 4]),
        (26, &[0; 4]),
        (26, &[224]),
        (20, &[0, 4]),
    ];
    for (at, bytes) in edits {
        let mut frame = good.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        assert_eq!(may_answer(&samples::parse(&frame)), None, "byte {at}");
    }
}

proptest! {
    #[test]
    fn any_quote_is_read_or_refused(
        v4: bool, noise in prop::collection::vec((0usize..80, any::<u8>()), 0..6), cut in 0usize..90,
    ) {
        let mut error = error_about(&samples::tcp(v4, &[0; 40], false));
        let mut ip = samples::ip(&error);
        for (at, value) in noise {
            if let Some(byte) = error.get_mut(ip.l4 + HEADER + at) {
                *byte = value;
            }
        }
        ip.end = ip.end.min(ip.l4 + cut);
        if let Ok(quoted) = embedded(&error, &ip) {
            prop_assert!(quoted.l4 + 8 <= ip.end);
        }
    }
}
