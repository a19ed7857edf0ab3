//! The traffic that one peer is allowed: per protocol, sorted disjoint intervals of ports.

use std::collections::BTreeSet;

use weft_model::{IcmpMatch, PortMatch, PortRange, Protocol, Rule, RuleId};

use super::Traffic;

/// Ports `first..=last`, and the rule that allows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval {
    first: u16,
    last: u16,
    rule: RuleId,
}

/// Disjoint, sorted.
#[derive(Debug, Clone, Default)]
struct Intervals(Vec<Interval>);

impl Intervals {
    /// The union; where rules overlap, the one with the lowest id is named, so that the same rules
    /// always give the same answer.
    fn compile(ranges: &[(PortRange, RuleId)]) -> Self {
        // Events at each port where some range begins or has just ended.
        let mut events: Vec<(u32, bool, RuleId)> = Vec::with_capacity(ranges.len() * 2);
        for &(range, rule) in ranges {
            events.push((u32::from(range.first()), true, rule));
            events.push((u32::from(range.last()) + 1, false, rule));
        }
        events.sort_unstable();
        let mut open: BTreeSet<(RuleId, usize)> = BTreeSet::new();
        let mut copies: crate::hash::Map<RuleId, usize> = crate::hash::Map::default();
        let mut intervals: Vec<Interval> = Vec::new();
        let mut at = 0;
        for (port, begins, rule) in events {
            if port > at
                && let Some(&(rule, _)) = open.first()
            {
                push(&mut intervals, at as u16, (port - 1) as u16, rule);
            }
            at = port;
            // One rule id may come with several ranges: count them apart.
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

    fn find(&self, port: u16) -> Option<RuleId> {
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

fn push(intervals: &mut Vec<Interval>, first: u16, last: u16, rule: RuleId) {
    match intervals.last_mut() {
        Some(previous) if previous.rule == rule && u32::from(previous.last) + 1 == first.into() => {
            previous.last = last;
        }
        _ => intervals.push(Interval { first, last, rule }),
    }
}

/// ICMP types and codes.
#[derive(Debug, Clone, Default)]
struct Icmp {
    any: Option<RuleId>,
    /// Sorted by type and code; `None` is every code.
    some: Vec<(u8, Option<u8>, RuleId)>,
}

impl Icmp {
    fn add(&mut self, matches: Option<IcmpMatch>, rule: RuleId) {
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

    fn find(&self, kind: u8, code: u8) -> Option<RuleId> {
        let exactly = |code| {
            let found = self
                .some
                .binary_search_by_key(&(kind, code), |e| (e.0, e.1));
            found.ok().map(|at| self.some[at].2)
        };
        self.any
            .or_else(|| exactly(None))
            .or_else(|| exactly(Some(code)))
    }
}

fn lowest(slot: &mut Option<RuleId>, rule: RuleId) {
    *slot = Some(slot.map_or(rule, |present| present.min(rule)));
}

/// One peer's rules while they are collected.
#[derive(Debug, Default)]
pub(super) struct Portions {
    all: Option<RuleId>,
    tcp: Vec<(PortRange, RuleId)>,
    udp: Vec<(PortRange, RuleId)>,
    icmp: Icmp,
    icmpv6: Icmp,
    others: Vec<(u8, RuleId)>,
}

impl Portions {
    pub(super) fn add(&mut self, rule: &Rule) {
        let id = rule.id;
        match rule.traffic {
            PortMatch::All => lowest(&mut self.all, id),
            PortMatch::Tcp(range) => self.tcp.push((range, id)),
            PortMatch::Udp(range) => self.udp.push((range, id)),
            PortMatch::Icmp(matches) => self.icmp.add(matches, id),
            PortMatch::Icmpv6(matches) => self.icmpv6.add(matches, id),
            PortMatch::Protocol(Protocol::TCP) => self.tcp.push((PortRange::ALL, id)),
            PortMatch::Protocol(Protocol::UDP) => self.udp.push((PortRange::ALL, id)),
            PortMatch::Protocol(Protocol::ICMP) => self.icmp.add(None, id),
            PortMatch::Protocol(Protocol::ICMPV6) => self.icmpv6.add(None, id),
            PortMatch::Protocol(Protocol(number)) => self.others.push((number, id)),
        }
    }

    pub(super) fn compile(mut self) -> PortSets {
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
pub(super) struct PortSets {
    all: Option<RuleId>,
    tcp: Intervals,
    udp: Intervals,
    icmp: Icmp,
    icmpv6: Icmp,
    others: Vec<(u8, RuleId)>,
}

impl PortSets {
    pub(super) fn find(&self, traffic: Traffic) -> Option<RuleId> {
        if self.all.is_some() {
            return self.all;
        }
        match traffic {
            Traffic::Tcp(port) => self.tcp.find(port),
            Traffic::Udp(port) => self.udp.find(port),
            Traffic::Icmp(kind, code) => self.icmp.find(kind, code),
            Traffic::Icmpv6(kind, code) => self.icmpv6.find(kind, code),
            Traffic::Other(number) => {
                let found = self.others.binary_search_by_key(&number, |&(n, _)| n);
                found.ok().map(|at| self.others[at].1)
            }
        }
    }

    /// Whether all of TCP, or all of UDP, is allowed; never of a protocol without ports.
    pub(super) fn every_port(&self, traffic: Traffic) -> bool {
        match traffic {
            Traffic::Tcp(_) => self.all.is_some() || self.tcp.covers_all(),
            Traffic::Udp(_) => self.all.is_some() || self.udp.covers_all(),
            Traffic::Icmp(..) | Traffic::Icmpv6(..) | Traffic::Other(_) => false,
        }
    }
}
