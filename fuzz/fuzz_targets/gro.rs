//! Any receive buffer cut at any stride (the first two bytes): joined, and cut again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft_packet::{gro::Coalescer, gso::Segments, headers::Headers, vxlan};

fuzz_target!(|bytes: &[u8]| {
    let Some((stride, rest)) = bytes.split_first_chunk() else {
        return;
    };
    let stride = usize::from(u16::from_le_bytes(*stride));
    let arrived = rest;
    let mut buffer = rest.to_vec();
    let mut walk = Coalescer::new(stride, vxlan::HEADER);
    let mut at = 0;
    while let Some(group) = walk.next(&mut buffer) {
        assert!(group.start == at && group.end > at && group.end <= buffer.len());
        at = group.end;
        let range = group.compact(&mut buffer);
        if group.count == 1 {
            assert_eq!(buffer[range], arrived[group.start..group.end]);
        } else {
            let frame = &buffer[range][vxlan::HEADER..];
            let headers = Headers::parse(frame).expect("a super frame is a packet");
            let segments = Segments::new(frame, &headers, group.offload).expect("it can be cut");
            assert_eq!(segments.count(), group.count);
        }
    }
    assert_eq!(at, buffer.len());
});
