//! What a port may ask its own switch: any frame, or any body of DHCP and neighbour discovery.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weft_engine::{
    service::{self, Heard},
    testing::{Eni, Family, Net, frames::Way},
};
use weft_packet::{
    Mac,
    headers::{Body, Headers},
};

/// The services keep nothing, so one link serves all inputs.
static LINK: LazyLock<(Net, Eni)> = LazyLock::new(|| {
    let mut net = Net::new(1);
    let tenant = net.tenant(1);
    let port = net.attach(tenant, 0, (1, 10), &[]);
    net.attach(tenant, 0, (1, 20), &[]);
    (net, port)
});

fn frame(net: &Net, port: &Eni, kind: u8, body: &[u8]) -> Vec<u8> {
    let family = if kind % 2 == 0 {
        Family::V4
    } else {
        Family::V6
    };
    let way = Way {
        ttl: 255,
        ..net.way_out(port, port.router(family))
    };
    match kind % 6 {
        0 => way.udp((68, 67), body),
        1 => way.udp((546, 547), body),
        3 => way.icmp6_raw(133 + kind / 6 % 5, 0, [0; 4], body),
        2 | 5 => way.echo_request(1, body),
        _ => [&Mac::BROADCAST.octets()[..], &port.mac.octets(), body].concat(),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&kind, body)) = input.split_first().filter(|(_, body)| body.len() < 9000) else {
        return;
    };
    let (net, port) = &*LINK;
    let config = net.config(0);
    let view = config.view(net.port_of(port)).expect("the port is there");
    let frame = frame(net, port, kind, body);
    let Ok(headers) = Headers::parse(&frame) else {
        return;
    };
    let mut out = vec![0xee; 2000];
    if service::answer(&view, &headers, &frame, &mut out) == Ok(Heard::Answered) {
        let answer = Headers::parse(&out).expect("answers are frames");
        assert!(answer.dst == headers.src || answer.dst.is_group());
        assert!(
            !out.windows(8).any(|w| w == [0xee; 8]) || body.contains(&0xee),
            "left over"
        );
        if let Body::Ip(ip) = answer.body {
            assert_eq!(ip.end, out.len());
        }
    }
});
