//! Any virtio-net header with any frame: what a TAP hands over, completed or cut in segments.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft_packet::{
    checksum,
    gso::Segments,
    headers::{Body, Headers},
    offload::{Offload, VIRTIO},
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(offload) = Offload::from_virtio(bytes) else {
        return;
    };
    assert_eq!(Offload::from_virtio(&offload.to_virtio(54)), Ok(offload));
    let frame = &bytes[VIRTIO..];
    let _ = checksum::complete(&mut frame.to_vec(), frame.len(), offload.checksum);
    let Ok(headers) = Headers::parse(frame) else {
        return;
    };
    let Ok(segments) = Segments::new(frame, &headers, offload) else {
        return;
    };
    cut(frame, &headers, offload, &segments);
});

fn cut(frame: &[u8], headers: &Headers, offload: Offload, segments: &Segments<'_>) {
    let mut scratch = vec![0; segments.header_len()];
    let mut next = segments.header_len();
    for index in 0..segments.count() {
        let payload = segments
            .write(index, &mut scratch)
            .expect("the index is within the count");
        assert_eq!(payload.start, next);
        next = payload.end;
        let segment = [&scratch[..], &frame[payload]].concat();
        assert!(segment.len() <= segments.frame_len());
        if offload.segmentation.is_some() && segments.count() > 1 {
            whole(&segment);
        }
    }
    if let Body::Ip(ip) = headers.body {
        assert_eq!(next, ip.end);
    }
}

fn whole(segment: &[u8]) {
    let Ok(Headers {
        body: Body::Ip(ip), ..
    }) = Headers::parse(segment)
    else {
        panic!("a segment is a packet");
    };
    assert_eq!(ip.end, segment.len());
    assert!(checksum::verify_l3(segment, &ip).is_ok() && checksum::verify_l4(segment, &ip));
}
