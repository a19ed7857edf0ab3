use super::*;
use crate::samples;

fn offload(kind: SegmentKind, start: u16, offset: u16) -> Offload {
    Offload {
        checksum: Checksum::Partial { start, offset },
        segmentation: Some(Segmentation { kind, size: 1448 }),
    }
}

#[test]
fn what_is_written_reads_back() {
    let partial = Offload {
        checksum: Checksum::Partial {
            start: 34,
            offset: 6,
        },
        segmentation: None,
    };
    let kinds = [SegmentKind::Tcp4, SegmentKind::Tcp6, SegmentKind::Udp];
    for it in kinds
        .map(|k| offload(k, 54, 16))
        .into_iter()
        .chain([Offload::NONE, partial])
    {
        let header = it.to_virtio(66);
        assert_eq!(Offload::from_virtio(&header), Ok(it));
        assert_eq!(Offload::from_virtio(&header[..VIRTIO]), Ok(it));
    }
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let good = offload(SegmentKind::Tcp4, 34, 16).to_virtio(54);
    assert_eq!(
        Offload::from_virtio(&good[..9]),
        Err(Malformed::VirtioTruncated)
    );
    let with = |at: usize, value: u8| {
        let mut h = good;
        h[at] = value;
        Offload::from_virtio(&h)
    };
    // The old UDP fragmentation offload, and a number that nobody gave.
    assert_eq!(with(1, 3), Err(Malformed::VirtioKind));
    assert_eq!(with(1, 9), Err(Malformed::VirtioKind));
    assert_eq!(with(0, 0), Err(Malformed::VirtioSize));
    let mut zero = good;
    zero[4..6].fill(0);
    assert_eq!(Offload::from_virtio(&zero), Err(Malformed::VirtioSize));
    assert_eq!(with(1, 0x81), Ok(offload(SegmentKind::Tcp4, 34, 16)));
}

#[test]
fn an_offload_may_touch_its_own_layer_4_only() {
    let tcp = samples::ip(&samples::tcp(true, b"", false));
    assert_eq!(offload(SegmentKind::Tcp4, 34, 16).check(&tcp), Ok(()));
    for (start, offset) in [(33, 16), (34, 6), (0, 0), (u16::MAX, u16::MAX)] {
        let it = offload(SegmentKind::Tcp4, start, offset);
        assert_eq!(it.check(&tcp), Err(Malformed::OffloadChecksum));
    }
    for kind in [SegmentKind::Tcp6, SegmentKind::Udp] {
        assert_eq!(
            offload(kind, 34, 16).check(&tcp),
            Err(Malformed::OffloadKind)
        );
    }
}

#[test]
fn a_fragment_has_nothing_left_to_be_done() {
    let mut ip = samples::ip(&samples::udp(true, &[0; 16]));
    ip.fragment = Some(crate::headers::Fragment {
        id: 1,
        offset: 0,
        more: true,
    });
    assert_eq!(Offload::NONE.check(&ip), Ok(()));
    assert_eq!(
        offload(SegmentKind::Udp, 34, 6).check(&ip),
        Err(Malformed::OffloadKind)
    );
}
