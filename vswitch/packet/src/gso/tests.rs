use proptest::prelude::*;

use super::*;
use crate::{
    offload::{SegmentKind, Segmentation},
    samples,
};

fn cut(frame: &[u8], offload: Offload) -> Vec<Vec<u8>> {
    let segments = Segments::new(frame, &samples::parse(frame), offload).unwrap();
    let mut scratch = vec![0; segments.header_len()];
    (0..segments.count())
        .map(|index| {
            let payload = segments.write(index, &mut scratch).unwrap();
            [&scratch[..], &frame[payload]].concat()
        })
        .collect()
}

fn super_frame(frame: &mut [u8], kind: SegmentKind, size: u16) -> Offload {
    let ip = samples::ip(frame);
    let checksum = checksum::open(frame, &ip).unwrap();
    Offload {
        checksum,
        segmentation: Some(Segmentation { kind, size }),
    }
}

fn kind(v4: bool) -> SegmentKind {
    if v4 {
        SegmentKind::Tcp4
    } else {
        SegmentKind::Tcp6
    }
}

#[test]
fn fin_and_push_are_said_last_and_reduced_window_first() {
    let mut frame = samples::tcp(true, &samples::payload(2500), true);
    frame[47] |= tcp_flags::CWR;
    let offload = super_frame(&mut frame, SegmentKind::Tcp4, 1000);
    let flags: Vec<u8> = cut(&frame, offload).iter().map(|s| s[47]).collect();
    let end = tcp_flags::ACK | tcp_flags::FIN | tcp_flags::PSH;
    assert_eq!(
        flags,
        [tcp_flags::ACK | tcp_flags::CWR, tcp_flags::ACK, end]
    );
}

#[test]
fn ipv4_identification_counts_up_and_wraps() {
    let mut frame = samples::tcp(true, &samples::payload(300), false);
    frame[18..20].copy_from_slice(&[0xff, 0xff]);
    let offload = super_frame(&mut frame, SegmentKind::Tcp4, 100);
    let ids: Vec<_> = cut(&frame, offload)
        .iter()
        .map(|s| u16_at(s, 18).unwrap())
        .collect();
    assert_eq!(ids, [0xffff, 0, 1]);
}

#[test]
fn a_partial_checksum_of_a_small_frame_is_completed() {
    for frame in [
        samples::tcp(true, b"odd", false),
        samples::udp(false, b"odd"),
    ] {
        let mut open = frame.clone();
        let checksum = checksum::open(&mut open, &samples::ip(&frame)).unwrap();
        assert_eq!(
            cut(
                &open,
                Offload {
                    checksum,
                    segmentation: None
                }
            ),
            [frame]
        );
    }
}

#[test]
fn a_frame_with_nothing_left_to_do_goes_as_it_came() {
    for frame in samples::all() {
        assert_eq!(cut(&frame, Offload::NONE), std::slice::from_ref(&frame));
    }
}

#[test]
fn padding_is_not_sent() {
    let frame = samples::udp(true, b"x");
    let padded = [&frame[..], &[0; 20]].concat();
    assert_eq!(cut(&padded, Offload::NONE), [frame]);
}

#[test]
fn segments_so_small_that_they_flood_are_refused() {
    let mut frame = samples::tcp(true, &samples::payload(2000), false);
    let offload = super_frame(&mut frame, SegmentKind::Tcp4, 1);
    let error = Segments::new(&frame, &samples::parse(&frame), offload).unwrap_err();
    assert_eq!(error, Malformed::SegmentCount);
}

#[test]
fn a_scratch_too_short_or_an_index_past_the_end_writes_nothing() {
    let frame = samples::tcp(true, b"x", false);
    let segments = Segments::new(&frame, &samples::parse(&frame), Offload::NONE).unwrap();
    assert_eq!(
        segments.write(0, &mut vec![0; segments.header_len() - 1]),
        None
    );
    assert_eq!(segments.write(1, &mut [0; 200]), None);
}

proptest! {
    #[test]
    fn each_segment_is_whole_and_together_they_are_the_data(
        v4: bool, tcp: bool, length in 1usize..6000, size in 60u16..1500, fin: bool,
    ) {
        let data = samples::payload(length);
        let mut frame = if tcp { samples::tcp(v4, &data, fin) } else { samples::udp(v4, &data) };
        let kind = if tcp { kind(v4) } else { SegmentKind::Udp };
        let offload = super_frame(&mut frame, kind, size);
        let mut seen = Vec::new();
        let mut next = 0xffff_f000u32;
        for segment in cut(&frame, offload) {
            let ip = samples::ip(&segment);
            prop_assert_eq!(ip.end, segment.len());
            prop_assert!(checksum::verify_l3(&segment, &ip).is_ok() && checksum::verify_l4(&segment, &ip));
            let start = match ip.l4_kind {
                L4::Tcp { seq, data, .. } => {
                    prop_assert_eq!(seq, next);
                    data
                }
                _ => ip.l4 + UDP,
            };
            let part = &segment[start..];
            prop_assert!(part.len() <= usize::from(size));
            next = next.wrapping_add(part.len() as u32);
            seen.extend_from_slice(part);
        }
        prop_assert_eq!(seen, data);
    }
}
