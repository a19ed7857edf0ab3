//! A packet's way: the egress half at the port that sent it, the ingress half at the port that gets
//! it. Each half is one lookup for a packet of a known connection; the rest is for first packets,
//! odd packets and changes of configuration.

mod acl;
mod balance;
mod egress;
mod fragments;
mod hidden;
mod ingress;
mod judge;
mod limits;
mod mirror;
mod nat;
mod origin;
mod outside;
mod pin;
mod pinned;
mod refuse;
mod reserved;
mod revise;
#[cfg(test)]
mod tests;
mod translate;
#[cfg(test)]
mod translate_tests;
mod way;

use std::net::IpAddr;

use weft_packet::{
    Malformed,
    headers::{Headers, Ip, L4},
};

use self::fragments::Fragments;
pub(crate) use self::nat::public_port;
use crate::{
    balance::{check::Checker, pin::Pins},
    config::{Config, PortView},
    counters::Counters,
    drop::{Drop, DropObject, DropReason},
    flow::{Abroad, FlowKey, FlowTable},
    limits::Limits,
    meter::Meter,
    nat::{Nat, Pieces},
    per_port::PerPort,
    port::PortIndex,
    service::{limit::TokenBucket, reserved::Services},
    time::Now,
    verdict::Verdict,
    watch::Books,
};

/// All of an engine but its configuration, which a packet only reads.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) flows: FlowTable,
    pub(crate) counters: Counters,
    pub(crate) nat: Nat,
    /// As an edge: the NAT's port that a datagram in pieces is for.
    pub(crate) nat_pieces: Pieces<u16>,
    fragments: Fragments,
    pub(crate) abroad: Abroad,
    pub(crate) checker: Checker,
    /// Connections from the internet whose targets this host picks.
    pub(crate) pins: Pins,
    pub(crate) reserved: Services,
    meters: PerPort<Meter>,
    pub(crate) books: Books,
    mirroring: mirror::Mirroring,
    /// ICMP errors that each port may still be sent.
    errors: Vec<Option<(PortIndex, TokenBucket)>>,
    limits: Limits,
    /// Where answers and fragments are built.
    scratch: Vec<u8>,
}

/// A parsed packet at its port.
#[derive(Clone, Copy)]
struct Packet<'a> {
    now: Now,
    view: PortView<'a>,
    headers: &'a Headers,
    /// As its port knows it: where it was translated on its way in, after that.
    ip: &'a Ip,
    /// As it came.
    wire: &'a Ip,
    /// Its port is not to see who sent it, but the load balancer: nor does who judges it.
    hidden: bool,
    /// The connection that it would be part of.
    key: Option<&'a FlowKey>,
    /// The key's hash.
    hash: u32,
}

impl Packet<'_> {
    fn port(&self) -> PortIndex {
        self.view.port.index
    }

    fn generation(&self) -> u32 {
        self.view.vpc.generation
    }

    fn tcp_flags(&self) -> Option<u8> {
        tcp_flags(self.ip)
    }

    /// For the outer source port: the same for all packets of a connection.
    fn entropy(&self) -> u32 {
        self.hash
    }
}

fn tcp_flags(ip: &Ip) -> Option<u8> {
    match ip.l4_kind {
        L4::Tcp { flags, .. } => Some(flags),
        _ => None,
    }
}

impl Core {
    pub(crate) fn new(limits: Limits, seed: u64) -> Self {
        Self {
            flows: FlowTable::new(&limits, seed),
            counters: Counters::default(),
            nat: Nat::new(seed),
            nat_pieces: Pieces::new(seed),
            fragments: Fragments::new(&limits, seed),
            abroad: Abroad::default(),
            checker: Checker::default(),
            pins: Pins::new(seed),
            reserved: Services::new(seed),
            meters: PerPort::default(),
            books: Books::new(),
            mirroring: mirror::Mirroring::default(),
            errors: Vec::new(),
            limits,
            scratch: Vec::new(),
        }
    }

    /// Takes what flows depend on beside the configuration that each packet is judged by.
    pub(crate) fn configure(&mut self, config: &Config) {
        self.flows
            .set_timeouts(config.timeouts(), &self.limits.timeouts);
    }

    /// Ends what is idle or lost its port.
    pub(crate) fn tick(&mut self, config: Option<&Config>, now: Now, budget: usize) {
        let is_live = |port| config.is_some_and(|config| config.port(port).is_some());
        self.flows.sweep(now, budget, is_live);
        self.collect_ports();
        self.fragments.expire(now, budget);
        self.pins.turn(now, budget);
        self.counters.pins = self.pins.len() as u64;
        self.counters.pins_refused = self.pins.refused;
        if let Some(config) = config {
            let table = (&mut self.flows, &self.abroad);
            self.books.turn(config, now, table, budget);
        }
        self.counters.flows = self.flows.counters;
    }

    /// Enters all that passed so far in the books, and closes their windows.
    pub(crate) fn flush(&mut self, config: &Config, now: Now) {
        let table = (&mut self.flows, &self.abroad);
        self.books.flush(config, now, table);
    }

    /// Counts a drop, at the port where it is known.
    pub(crate) fn dropped(
        &mut self,
        config: &Config,
        port: Option<PortIndex>,
        drop: Drop,
    ) -> Verdict {
        self.counters.drops.add(drop.reason);
        if let Some(port) = port.filter(|&port| config.port(port).is_some()) {
            self.counters.port_mut(port).drops.add(drop.reason);
        }
        self.counters.flows = self.flows.counters;
        Verdict::Drop(drop)
    }
}

pub(crate) fn malformed(malformed: Malformed) -> Drop {
    let reason = match malformed {
        Malformed::EthernetTruncated => DropReason::FrameTooShort,
        _ => DropReason::Malformed,
    };
    Drop::because(reason, DropObject::Malformed(malformed))
}

/// VLAN tags (IEEE 802.1Q and 802.1ad) have their own reason: people do configure them.
pub(crate) fn unknown(ethertype: u16) -> Drop {
    let reason = match ethertype {
        0x8100 | 0x88a8 | 0x9100 => DropReason::Vlan,
        _ => DropReason::EthertypeUnknown,
    };
    Drop::because(reason, DropObject::Ethertype(ethertype))
}

/// Whether nobody in particular is at the address: never forwarded.
pub(crate) fn is_for_many(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_multicast() || a.is_broadcast() || a.is_unspecified(),
        IpAddr::V6(a) => a.is_multicast() || a.is_unspecified(),
    }
}
