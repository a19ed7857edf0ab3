use proptest::prelude::*;

use super::*;
use crate::{
    gso::Segments,
    headers::{Headers, L4},
    samples,
};

const SKIP: usize = 8;

/// A super frame of this payload, cut in segments of `size`.
fn segments(v4: bool, length: usize, size: u16, fin: bool) -> Vec<Vec<u8>> {
    let mut frame = samples::tcp(v4, &samples::payload(length), fin);
    let ip = samples::ip(&frame);
    let kind = if v4 {
        SegmentKind::Tcp4
    } else {
        SegmentKind::Tcp6
    };
    let offload = Offload {
        checksum: checksum::open(&mut frame, &ip).unwrap(),
        segmentation: Some(Segmentation { kind, size }),
    };
    cut(&frame, offload)
}

fn cut(frame: &[u8], offload: Offload) -> Vec<Vec<u8>> {
    let cut = Segments::new(frame, &Headers::parse(frame).unwrap(), offload).unwrap();
    let mut scratch = vec![0; cut.header_len()];
    (0..cut.count())
        .map(|index| {
            let payload = cut.write(index, &mut scratch).unwrap();
            [&scratch[..], &frame[payload]].concat()
        })
        .collect()
}

/// As they lie in a receive buffer, with the bytes that precede each.
fn received(segments: &[Vec<u8>]) -> (Vec<u8>, usize) {
    let buffer = segments
        .iter()
        .flat_map(|s| [&[9; SKIP][..], s].concat())
        .collect();
    (buffer, segments[0].len() + SKIP)
}

fn groups(buffer: &mut [u8], stride: usize) -> Vec<Group> {
    let mut walk = Coalescer::new(stride, SKIP);
    std::iter::from_fn(|| walk.next(buffer)).collect()
}

fn counts(segments: &[Vec<u8>]) -> Vec<usize> {
    let (mut buffer, stride) = received(segments);
    groups(&mut buffer, stride)
        .iter()
        .map(|g| g.count)
        .collect()
}

/// Changes one byte and makes the checksums hold again.
fn change(segment: &mut [u8], at: usize, value: u8) {
    segment[at] = value;
    let ip = samples::ip(segment);
    checksum::fill_l3(segment, &ip);
    checksum::fill_l4(segment, &ip);
}

#[test]
fn a_flow_s_consecutive_segments_become_one() {
    assert_eq!(counts(&segments(true, 5000, 1000, false)), [5]);
    assert_eq!(counts(&segments(false, 5001, 1000, true)), [6]);
}

#[test]
fn a_segment_whose_checksum_is_wrong_goes_alone() {
    let mut bad = segments(true, 5000, 1000, false);
    bad[2][200] ^= 1;
    assert_eq!(counts(&bad), [2, 1, 2]);
    let mut first = segments(true, 3000, 1000, false);
    first[0][200] ^= 1;
    assert_eq!(counts(&first), [1, 2]);
}

#[test]
fn any_header_field_that_differs_parts_them() {
    // MAC, type of service, TTL, port, sequence, acknowledgement, window, urgent pointer, option.
    for at in [0, 15, 22, 35, 41, 45, 49, 53, 60] {
        let mut changed = segments(true, 3000, 1000, false);
        let value = changed[1][at] ^ 4;
        change(&mut changed[1], at, value);
        assert_eq!(counts(&changed)[0], 1, "byte {at}");
    }
    // Flow label and hop limit.
    for at in [17, 21] {
        let mut changed = segments(false, 3000, 1000, false);
        let value = changed[1][at] ^ 4;
        change(&mut changed[1], at, value);
        assert_eq!(counts(&changed)[0], 1, "byte {at}");
    }
}

#[test]
fn another_vxlan_header_parts_them() {
    let (mut buffer, stride) = received(&segments(true, 2000, 1000, false));
    buffer[stride + 6] = 1;
    assert_eq!(groups(&mut buffer, stride).len(), 2);
}

#[test]
fn a_push_ends_the_super_frame_and_is_kept() {
    let mut pushed = segments(true, 5000, 1000, false);
    change(&mut pushed[1], 47, tcp_flags::ACK | tcp_flags::PSH);
    let (mut buffer, stride) = received(&pushed);
    let found = groups(&mut buffer, stride);
    assert_eq!(found.iter().map(|g| g.count).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(buffer[SKIP + 47], tcp_flags::ACK | tcp_flags::PSH);
}

#[test]
fn bare_acknowledgements_and_other_packets_pass_unchanged() {
    for frame in [
        samples::udp(true, b"abc"),
        samples::arp_request(),
        segments(true, 0, 9, false).remove(0),
    ] {
        let (mut buffer, stride) = received(&[frame.clone(), frame]);
        let before = buffer.clone();
        assert!(
            groups(&mut buffer, stride)
                .iter()
                .all(|g| g.count == 1 && g.offload == Offload::NONE)
        );
        assert_eq!(buffer, before);
    }
}

#[test]
fn a_super_frame_never_outgrows_an_ip_packet() {
    let lot = segments(true, 60_000, 1000, false);
    let mut more = segments(true, 60_000, 1000, false);
    for segment in &mut more {
        let L4::Tcp { seq, .. } = samples::ip(segment).l4_kind else {
            panic!("TCP")
        };
        let seq = seq.wrapping_add(60_000).to_be_bytes();
        segment[38..42].copy_from_slice(&seq);
        let id = (u16::from_be_bytes([segment[18], segment[19]]) + 60).to_be_bytes();
        segment[18..20].copy_from_slice(&id);
        change(segment, 47, tcp_flags::ACK);
    }
    let mut first = lot;
    change(first.last_mut().unwrap(), 47, tcp_flags::ACK);
    assert_eq!(counts(&[first, more].concat()), [65, 55]);
}

#[test]
fn a_stride_of_zero_is_one_datagram() {
    let (mut buffer, _) = received(&[samples::udp(true, b"abc")]);
    assert_eq!(groups(&mut buffer, 0).len(), 1);
    assert!(groups(&mut [], 0).is_empty());
}

proptest! {
    #[test]
    fn joining_and_cutting_again_gives_what_arrived(
        v4: bool, length in 1usize..9000, size in 100u16..1500, fin: bool, gathered: bool,
    ) {
        let sent = segments(v4, length, size, fin);
        let (mut buffer, stride) = received(&sent);
        let mut again = Vec::new();
        for group in groups(&mut buffer, stride) {
            let frame = match gathered {
                true => group.slices().flat_map(|r| buffer[r].to_vec()).skip(SKIP).collect(),
                false => {
                    let range = group.compact(&mut buffer);
                    buffer[range][SKIP..].to_vec()
                }
            };
            again.extend(cut(&frame, group.offload));
        }
        prop_assert_eq!(again, sent);
    }

    #[test]
    fn any_buffer_is_walked_to_its_end(mut buffer in prop::collection::vec(any::<u8>(), 0..400), stride in 0usize..90, skip in 0usize..20) {
        let mut walk = Coalescer::new(stride, skip);
        let mut end = 0;
        while let Some(group) = walk.next(&mut buffer) {
            prop_assert_eq!(group.start, end);
            end = group.end;
        }
        prop_assert_eq!(end, buffer.len());
    }
}
