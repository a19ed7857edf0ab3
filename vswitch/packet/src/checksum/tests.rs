use proptest::prelude::*;

use super::*;
use crate::samples;

/// RFC 1071 word by word.
fn naive(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[test]
fn the_example_of_rfc_1071_sums_to_ddf2() {
    let sum = Sum::of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert_eq!(sum.fold(), 0xddf2);
}

#[test]
fn the_example_of_rfc_1624_updates_to_zero_not_ffff() {
    assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
}

#[test]
fn the_largest_frame_of_ones_does_not_overflow() {
    assert_eq!(Sum::of(&vec![0xff; 70_000]).fold(), 0xffff);
}

#[test]
fn another_library_s_checksums_hold_and_a_flipped_bit_does_not() {
    for frame in samples::all().iter().skip(1) {
        let ip = samples::ip(frame);
        assert!(verify_l3(frame, &ip).is_ok() && verify_l4(frame, &ip));
        let mut bad = frame.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert!(!verify_l4(&bad, &ip));
        if ip.is_v4() {
            bad[22] ^= 1;
            assert_eq!(verify_l3(&bad, &ip), Err(Malformed::Ipv4Checksum));
        }
    }
}

#[test]
fn udp_without_a_checksum_holds_over_ipv4_only() {
    for v4 in [true, false] {
        let mut frame = samples::udp(v4, b"x");
        let ip = samples::ip(&frame);
        put_u16(&mut frame, ip.l4 + 6, 0);
        assert_eq!(verify_l4(&frame, &ip), v4);
    }
}

#[test]
fn an_opened_checksum_completes_to_what_it_was() {
    for frame in [
        samples::tcp(true, &samples::payload(99), false),
        samples::udp(false, b"abc"),
    ] {
        let ip = samples::ip(&frame);
        let mut changed = frame.clone();
        let state = open(&mut changed, &ip).unwrap();
        assert_ne!(changed, frame);
        complete(&mut changed, ip.end, state).unwrap();
        assert_eq!(changed, frame);
    }
}

#[test]
fn a_partial_checksum_outside_the_packet_is_refused() {
    let mut frame = samples::tcp(true, b"", false);
    let end = frame.len();
    for (start, offset) in [
        (34, u16::MAX),
        (u16::MAX, 0),
        (u16::MAX, u16::MAX),
        (end as u16 - 1, 0),
    ] {
        let state = Checksum::Partial { start, offset };
        assert_eq!(
            complete(&mut frame, end, state),
            Err(Malformed::OffloadChecksum)
        );
    }
}

proptest! {
    #[test]
    fn the_wide_sum_equals_the_naive_one(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(Sum::of(&bytes).fold() % 0xffff, naive(&bytes) % 0xffff);
    }

    #[test]
    fn sums_join_at_even_offsets(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..150) {
        let (a, b) = bytes.split_at((cut * 2).min(bytes.len() & !1));
        prop_assert_eq!(Sum::of(a).with(b).fold() % 0xffff, naive(&bytes) % 0xffff);
    }

    #[test]
    fn an_update_equals_a_recomputation(mut bytes in prop::collection::vec(any::<u8>(), 40), at in 0usize..18, new: u16) {
        // A word that is never zero keeps the sum from the one value that has two forms.
        bytes[38] = 1;
        let old = u16_at(&bytes, at * 2).unwrap();
        let before = Sum::of(&bytes).checksum();
        put_u16(&mut bytes, at * 2, new);
        prop_assert_eq!(update(before, old, new) % 0xffff, Sum::of(&bytes).checksum() % 0xffff);
        prop_assert_eq!(update_bytes(before, &old.to_be_bytes(), &new.to_be_bytes()) % 0xffff, Sum::of(&bytes).checksum() % 0xffff);
    }
}
