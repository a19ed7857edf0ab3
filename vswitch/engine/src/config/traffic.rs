//! Which rules speak of a packet's traffic, as an index: per protocol, sorted disjoint intervals of
//! ports. Rules are told by a value whose order says which of several is meant: the least.

use std::collections::BTreeSet;

use weft_model::{IcmpMatch, PortMatch, PortRange, Protocol};

use super::policy::Traffic;

/// What tells a rule from others.
pub(super) trait Tag: Copy + Ord + std::hash::Hash {}

impl<T: Copy + Ord + std::hash::Hash> Tag for T {}

/// Ports `first..=last`, and the least rule for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval<T> {
    first: u16,
    last: u16,
    rule: T,
}

/// Disjoint, sorted.
#[derive(Debug, Clone)]
struct Intervals<T>(Vec<Interval<T>>);

impl<T: Tag> Intervals<T> {
    /// The union; where rules overlap, the least one stands.
    fn compile(ranges: &[(PortRange, T)]) -> Self {
        // Events at each port where some range begins or has just ended.
        let mut events: Vec<(u32, bool, T)> = Vec::with_capacity(ranges.len() * 2);
        for &(range, rule) in ranges {
            events.push((u32::from(range.first()), true, rule));
            events.push((u32::from(range.last()) + 1, false, rule));
        }
        events.sort_unstable();
        let mut open: BTreeSet<(T, usize)> = BTreeSet::new();
        let mut copies: crate::hash::Map<T, usize> = crate::hash::Map::default();
        let mut intervals: Vec<Interval<T>> = Vec::new();
        let mut at = 0;
        for (port, begins, rule) in events {
            if port > at
                && let Some(&(rule, _)) = open.first()
            {
                push(&mut intervals, at as u16, (port - 1) as u16, rule);
            }
            at = port;
            // One rule may come with several ranges: count them apart.
            let count = copies.entry(rule).or_insert(0);
            if begins {
                *count += 1;
                open.insert((rule, *count));
            } else {
                open.remove(&(rule, *count));
                *count -= 1;
            }
        }
        Self(intervals)
    }

    fn find(&self, port: u16) -> Option<T> {
        let after = self.0.partition_point(|interval| interval.first <= port);
        let interval = self.0.get(after.checked_sub(1)?)?;
        (port <= interval.last).then_some(interval.rule)
    }

    fn covers_all(&self) -> bool {
        let mut next = 0u32;
        for interval in &self.0 {
            if u32::from(interval.first) != next {
                return false;
            }
            next = u32::from(interval.last) + 1;
        }
        next == 1 << 16
    }
}

fn push<T: Tag>(intervals: &mut Vec<Interval<T>>, first: u16, last: u16, rule: T) {
    match intervals.last_mut() {
        Some(previous) if previous.rule == rule && u32::from(previous.last) + 1 == first.into() => {
            previous.last = last;
        }
        _ => intervals.push(Interval { first, last, rule }),
    }
}

/// ICMP types and codes.
#[derive(Debug, Clone)]
struct Icmp<T> {
    any: Option<T>,
    /// Sorted by type and code; `None` is every code.
    some: Vec<(u8, Option<u8>, T)>,
}

impl<T> Default for Icmp<T> {
    fn default() -> Self {
        Self {
            any: None,
            some: Vec::new(),
        }
    }
}

impl<T: Tag> Icmp<T> {
    fn add(&mut self, matches: Option<IcmpMatch>, rule: T) {
        match matches {
            None => lowest(&mut self.any, rule),
            Some(IcmpMatch { kind, code }) => {
                match self
                    .some
                    .binary_search_by_key(&(kind, code), |e| (e.0, e.1))
                {
                    Ok(at) => self.some[at].2 = self.some[at].2.min(rule),
                    Err(at) => self.some.insert(at, (kind, code, rule)),
                }
            }
        }
    }

    fn find(&self, kind: u8, code: u8) -> Option<T> {
        let exactly = |code| {
            let found = self
                .some
                .binary_search_by_key(&(kind, code), |e| (e.0, e.1));
            found.ok().map(|at| self.some[at].2)
        };
        let found = [self.any, exactly(None), exactly(Some(code))];
        found.into_iter().flatten().min()
    }
}

fn lowest<T: Tag>(slot: &mut Option<T>, rule: T) {
    *slot = Some(slot.map_or(rule, |present| present.min(rule)));
}

/// One peer's rules while they are collected.
#[derive(Debug)]
pub(super) struct Portions<T> {
    all: Option<T>,
    tcp: Vec<(PortRange, T)>,
    udp: Vec<(PortRange, T)>,
    icmp: Icmp<T>,
    icmpv6: Icmp<T>,
    others: Vec<(u8, T)>,
}

impl<T> Default for Portions<T> {
    fn default() -> Self {
        Self {
            all: None,
            tcp: Vec::new(),
            udp: Vec::new(),
            icmp: Icmp::default(),
            icmpv6: Icmp::default(),
            others: Vec::new(),
        }
    }
}

impl<T: Tag> Portions<T> {
    pub(super) fn add(&mut self, traffic: PortMatch, rule: T) {
        match traffic {
            PortMatch::All => lowest(&mut self.all, rule),
            PortMatch::Tcp(range) => self.tcp.push((range, rule)),
            PortMatch::Udp(range) => self.udp.push((range, rule)),
            PortMatch::Icmp(matches) => self.icmp.add(matches, rule),
            PortMatch::Icmpv6(matches) => self.icmpv6.add(matches, rule),
            PortMatch::Protocol(Protocol::TCP) => self.tcp.push((PortRange::ALL, rule)),
            PortMatch::Protocol(Protocol::UDP) => self.udp.push((PortRange::ALL, rule)),
            PortMatch::Protocol(Protocol::ICMP) => self.icmp.add(None, rule),
            PortMatch::Protocol(Protocol::ICMPV6) => self.icmpv6.add(None, rule),
            PortMatch::Protocol(Protocol(number)) => self.others.push((number, rule)),
        }
    }

    pub(super) fn compile(mut self) -> PortSets<T> {
        self.others.sort_unstable();
        self.others.dedup_by_key(|&mut (number, _)| number);
        PortSets {
            all: self.all,
            tcp: Intervals::compile(&self.tcp),
            udp: Intervals::compile(&self.udp),
            icmp: self.icmp,
            icmpv6: self.icmpv6,
            others: self.others,
        }
    }
}

/// One peer's rules.
#[derive(Debug, Clone)]
pub(super) struct PortSets<T> {
    all: Option<T>,
    tcp: Intervals<T>,
    udp: Intervals<T>,
    icmp: Icmp<T>,
    icmpv6: Icmp<T>,
    others: Vec<(u8, T)>,
}

impl<T: Tag> PortSets<T> {
    /// The least rule that speaks of this traffic.
    pub(super) fn find(&self, traffic: Traffic) -> Option<T> {
        let narrow = match traffic {
            Traffic::Tcp(port) => self.tcp.find(port),
            Traffic::Udp(port) => self.udp.find(port),
            Traffic::Icmp(kind, code) => self.icmp.find(kind, code),
            Traffic::Icmpv6(kind, code) => self.icmpv6.find(kind, code),
            Traffic::Other(number) => {
                let found = self.others.binary_search_by_key(&number, |&(n, _)| n);
                found.ok().map(|at| self.others[at].1)
            }
        };
        self.all.into_iter().chain(narrow).min()
    }

    /// Whether all of TCP, or all of UDP, is spoken of; never of a protocol without ports.
    pub(super) fn every_port(&self, traffic: Traffic) -> bool {
        match traffic {
            Traffic::Tcp(_) => self.all.is_some() || self.tcp.covers_all(),
            Traffic::Udp(_) => self.all.is_some() || self.udp.covers_all(),
            Traffic::Icmp(..) | Traffic::Icmpv6(..) | Traffic::Other(_) => false,
        }
    }
}
