//! Any UDP payload from the underlay: VXLAN and the frame inside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft_packet::{headers::Headers, vxlan};

fuzz_target!(|payload: &[u8]| {
    if let Ok(vni) = vxlan::parse(payload) {
        let again = [&vxlan::emit(vni)[..], &payload[vxlan::HEADER..]].concat();
        assert_eq!(vxlan::parse(&again), Ok(vni));
        let _ = Headers::parse(&payload[vxlan::HEADER..]);
    }
});
