//! What an interface may do at the most, and how long its idle connections are remembered.

use weft_engine::{
    DropReason, Now,
    testing::{Eni, Family, Net, Seg, everything, frames::Way},
};
use weft_model::{
    IdleTimeouts, PortOptions, RateLimits,
    state::{Delta, Port, State},
};
use weft_packet::offload::{Checksum, Offload, SegmentKind, Segmentation};

/// A limited port and one without limits on another host, all open.
struct Pair {
    net: Net,
    limited: Eni,
    free: Eni,
}

impl Pair {
    fn new() -> Self {
        let mut net = Net::new(2);
        let tenant = net.tenant(1);
        let group = net.group(tenant, 1, everything(), everything());
        let limited = net.attach(tenant, 0, (1, 10), &[group]);
        let free = net.attach(tenant, 1, (1, 20), &[group]);
        Self { net, limited, free }
    }

    fn set(&mut self, options: PortOptions) {
        let eni = &self.limited;
        let port = Port {
            interface: eni.interface,
            vpc: eni.tenant.vpc,
            subnet: eni.subnet_id(),
            mac: eni.mac,
            ipv4: eni.ipv4(),
            secondary_ipv4: vec![],
            ipv6: vec![eni.ipv6()],
            public: vec![],
            groups: eni.groups.clone(),
            source_dest_check: true,
            netns: "workload".parse().unwrap(),
            device: "eth0".parse().unwrap(),
            name: None,
            options: Box::new(options),
        };
        self.net.on(0, &Delta::Upsert(State::Port(port)));
    }

    fn limit(&mut self, limits: RateLimits) {
        self.set(PortOptions {
            limits,
            ..PortOptions::default()
        });
    }

    fn out(&self) -> Way {
        self.net.way(&self.limited, &self.free, Family::V4)
    }

    fn back(&self) -> Way {
        self.net.way(&self.free, &self.limited, Family::V4)
    }

    fn send_out(&mut self, frame: Vec<u8>) -> Result<(), DropReason> {
        let fate = self.net.send(&self.limited.clone(), frame);
        let reason = fate.drops.first().map(|drop| drop.reason);
        reason.map_or(Ok(()), Err)
    }

    fn send_in(&mut self, frame: Vec<u8>) -> Result<(), DropReason> {
        let fate = self.net.send(&self.free.clone(), frame);
        let reason = fate.drops.first().map(|drop| drop.reason);
        reason.map_or(Ok(()), Err)
    }
}

#[test]
fn each_half_has_its_own_limit_and_a_change_holds_at_once() {
    let mut pair = Pair::new();
    pair.limit(RateLimits {
        ingress_packets: Some(10.try_into().unwrap()),
        ..RateLimits::default()
    });
    let (out, back) = (pair.out(), pair.back());
    let mut passed = 0;
    while pair.send_in(back.udp((2, 1), b"x")) == Ok(()) {
        passed += 1;
        assert!(passed < 1000, "there is a limit");
    }
    assert_eq!(passed, 128);
    let refused = pair.send_in(back.udp((2, 1), b"x"));
    assert_eq!(refused, Err(DropReason::LimitPackets));
    assert_eq!(
        pair.send_out(out.udp((1, 2), b"x")),
        Ok(()),
        "the other way"
    );
    pair.limit(RateLimits::default());
    assert_eq!(pair.send_in(back.udp((2, 1), b"x")), Ok(()));
}

#[test]
fn a_super_frame_is_as_many_packets_as_it_becomes() {
    let mut pair = Pair::new();
    pair.limit(RateLimits {
        egress_packets: Some(10.try_into().unwrap()),
        ..RateLimits::default()
    });
    let out = pair.out();
    let limited = pair.limited.clone();
    pair.send_out(out.tcp((1, 2), Seg::SYN, b"")).unwrap();
    let frame = out.tcp((1, 2), Seg::ACK, &[7; 30_000]);
    let offload = Offload {
        checksum: Checksum::Partial {
            start: 34,
            offset: 16,
        },
        segmentation: Some(Segmentation {
            kind: SegmentKind::Tcp4,
            size: 1000,
        }),
    };
    let mut send = || pair.net.send_offloaded(&limited, frame.clone(), offload);
    let passed = (0..10).filter(|_| send().drops.is_empty()).count();
    assert_eq!(passed, 4, "of 128 packets one is gone, and each takes 30");
}

#[test]
fn new_connections_are_counted_and_old_ones_go_on() {
    let mut pair = Pair::new();
    pair.limit(RateLimits {
        new_connections: Some(3.try_into().unwrap()),
        ..RateLimits::default()
    });
    let out = pair.out();
    for port in 1..=3 {
        assert_eq!(pair.send_out(out.udp((port, 9), b"x")), Ok(()));
    }
    let fourth = pair.send_out(out.udp((4, 9), b"x"));
    assert_eq!(fourth, Err(DropReason::LimitConnectionsRate));
    assert_eq!(pair.send_out(out.udp((1, 9), b"x")), Ok(()));
    pair.net.pass(Now::SECOND);
    assert_eq!(pair.send_out(out.udp((4, 9), b"x")), Ok(()));
}

#[test]
fn bandwidth_is_of_bytes_on_the_wire() {
    let mut pair = Pair::new();
    pair.limit(RateLimits {
        egress_bits: Some(64_000.try_into().unwrap()),
        ..RateLimits::default()
    });
    let out = pair.out();
    let frame = out.udp((1, 2), &[0; 1000]);
    let fit = (128 << 10) / frame.len();
    for _ in 0..fit {
        assert_eq!(pair.send_out(frame.clone()), Ok(()));
    }
    assert_eq!(pair.send_out(frame), Err(DropReason::LimitBandwidth));
}

#[test]
fn an_interface_may_forget_earlier_and_its_connections_of_before_too() {
    let mut pair = Pair::new();
    let (out, back) = (pair.out(), pair.back());
    pair.send_out(out.tcp((1, 2), Seg::SYN, b"")).unwrap();
    pair.send_in(back.tcp((2, 1), Seg::SYN_ACK, b"")).unwrap();
    pair.send_out(out.tcp((1, 2), Seg::ACK, b"")).unwrap();
    let flows = |pair: &Pair| {
        let port = pair.net.port_of(&pair.limited);
        pair.net.engine(0).flows(pair.net.now(), port).count()
    };
    pair.net.pass(59 * Now::SECOND);
    assert_eq!(flows(&pair), 1);
    pair.net.pass(10 * Now::SECOND);
    assert_eq!(flows(&pair), 1, "the default is five days");
    pair.set(PortOptions {
        timeouts: IdleTimeouts {
            tcp_established: Some(60.try_into().unwrap()),
            ..IdleTimeouts::default()
        },
        ..PortOptions::default()
    });
    assert_eq!(flows(&pair), 0);
}
