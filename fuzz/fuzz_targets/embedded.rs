//! Any ICMP error: the packet that it quotes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft_packet::{
    headers::{Body, Headers},
    icmp,
};

fuzz_target!(|frame: &[u8]| {
    if let Ok(Headers {
        body: Body::Ip(ip), ..
    }) = Headers::parse(frame)
        && let Ok(quoted) = icmp::embedded(frame, &ip)
    {
        assert!(icmp::is_error(&ip));
        assert!(ip.l4 < quoted.l3 && quoted.l3 < quoted.l4 && quoted.l4 + 8 <= ip.end);
        assert_eq!(quoted.src.is_ipv4(), ip.is_v4());
    }
});
