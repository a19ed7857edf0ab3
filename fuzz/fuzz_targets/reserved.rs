//! What a port may ask DNS, the time and the metadata service: any message over UDP, and any text on
//! a connection.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use weft_engine::{
    Now, WallClock,
    testing::{Eni, Net, Seg, frames::Way},
};
use weft_packet::headers::{Body, Headers, Ip};

thread_local! {
    /// What the services keep is gone after a while, and that passes between inputs.
    static LINK: RefCell<(Net, Eni)> = RefCell::new({
        let mut net = Net::new(1);
        let tenant = net.tenant(1);
        let port = net.attach(tenant, 0, (1, 10), &[]);
        let (engine, now) = net.engine_mut(0);
        engine.set_clock(WallClock::new(now, 0));
        (net, port)
    });
}

fn ip(frame: &[u8]) -> Option<Ip> {
    match Headers::parse(frame).ok()?.body {
        Body::Ip(ip) => Some(ip),
        _ => None,
    }
}

fn datagram(net: &mut Net, port: &Eni, way: Way, to: u16, body: &[u8]) {
    let fate = net.send(port, way.udp((4000, to), body));
    for frame in fate.at(port) {
        let answer = ip(frame).expect("answers are packets");
        assert_eq!((answer.src, answer.dst), (way.dst, way.src));
        assert_eq!(answer.end, frame.len());
    }
}

fn connection(net: &mut Net, port: &Eni, way: Way, to: u16, body: &[u8]) {
    let fate = net.send(port, way.tcp((4000, to), Seg::SYN, b""));
    let answers = fate.at(port);
    let Some((frame, answer)) = answers.first().and_then(|f| Some((f, ip(f)?))) else {
        return;
    };
    let theirs = frame[answer.l4 + 4..answer.l4 + 8].try_into().expect("four bytes");
    let seg = Seg {
        seq: Seg::SYN.seq + 1,
        ack_number: u32::from_be_bytes(theirs).wrapping_add(1),
        ..Seg::ACK
    };
    net.send(port, way.tcp((4000, to), seg, b""));
    net.send(port, way.tcp((4000, to), seg, body));
    net.send(port, way.tcp((4000, to), Seg::RST, b""));
}

fuzz_target!(|input: &[u8]| {
    let Some((&kind, body)) = input.split_first().filter(|(_, body)| body.len() < 1400) else {
        return;
    };
    LINK.with_borrow_mut(|(net, port)| {
        let way = |address: &str| net.way_out(port, address.parse().expect("an address"));
        let (dns, metadata) = (way("10.0.0.2"), way("169.254.169.254"));
        let time = way("fd00:ec2::123");
        match kind % 4 {
            0 => datagram(net, port, dns, 53, body),
            1 => datagram(net, port, time, 123, body),
            2 => connection(net, port, dns, 53, body),
            _ => connection(net, port, metadata, 80, body),
        }
        net.pass(40 * Now::SECOND);
    });
});
