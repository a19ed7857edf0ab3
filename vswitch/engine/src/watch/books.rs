//! The walks over the flow table, and what is made of what they find.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use weft_model::{InterfaceId, LogInterval, Mac};
use weft_packet::headers::{Body, Headers, Ip, L4, protocol};

use super::{
    LogRecord, Meter, Reach,
    window::{Sum, Tuple, Window},
};
use crate::{
    config::{Config, Direction, HostSlot, PortView, owner},
    drop::DropReason,
    flow::{Abroad, Carried, FlowKey, FlowTable, NextHop, Piece, since_tick},
    port::PortIndex,
    time::Now,
};

/// Between two walks: meters are as old as this at the most, and windows end on one.
const BETWEEN_WALKS: u64 = 10 * Now::SECOND;
/// A walk looks at so many times more entries at a time than an expiry does: most have nothing new.
const HASTE: usize = 4;
/// Records that wait to be taken; past it the oldest go, and their loss is counted.
const MOST_CLOSED: usize = 1 << 17;
/// Ethernet's header, which records don't count.
const ETHERNET: u64 = 14;

/// Everything that is written down.
#[derive(Debug)]
pub(crate) struct Books {
    /// Which of the host's ports are this engine's: those of this worker of so many.
    share: (usize, usize),
    /// When the next walk begins.
    next: Now,
    /// Where the walk is, and when it began.
    walk: Option<(usize, Now)>,
    windows: [Window; 2],
    meters: BTreeMap<InterfaceId, Meter>,
    closed: VecDeque<LogRecord>,
    lost: u64,
}

impl Books {
    pub(crate) fn new() -> Self {
        let open = |interval| Window::new(interval, Now(0));
        Self {
            share: (0, 1),
            next: Now(0),
            walk: None,
            windows: [open(LogInterval::Minute), open(LogInterval::TenMinutes)],
            meters: BTreeMap::new(),
            closed: VecDeque::new(),
            lost: 0,
        }
    }

    pub(crate) fn set_share(&mut self, worker: usize, workers: usize) {
        self.share = (worker, workers);
    }

    /// Goes on with the walk, or begins one that is due.
    pub(crate) fn turn(
        &mut self,
        config: &Config,
        now: Now,
        (flows, abroad): (&mut FlowTable, &Abroad),
        budget: usize,
    ) {
        if self.next == Now(0) {
            for window in &mut self.windows {
                window.start = now;
            }
        }
        self.take_ended(config, now, (flows, abroad));
        if self.walk.is_none() && now >= self.next {
            self.walk = Some((0, now));
            self.next = now.plus(BETWEEN_WALKS);
        }
        let Some((at, began)) = self.walk else {
            return;
        };
        let end = at
            .saturating_add(budget.saturating_mul(HASTE))
            .min(flows.places());
        for at in at..end {
            if let Some(piece) = flows.news(at) {
                self.post(config, now, abroad, &piece);
            }
        }
        self.walk = (end < flows.places()).then_some((end, began));
        if self.walk.is_none() {
            self.close(config, now, |window| window.is_due(began));
        }
    }

    /// Tells everything up to now: a whole walk, and the end of every window.
    pub(crate) fn flush(
        &mut self,
        config: &Config,
        now: Now,
        (flows, abroad): (&mut FlowTable, &Abroad),
    ) {
        self.walk = Some((0, now));
        self.turn(config, now, (flows, abroad), usize::MAX);
        self.close(config, now, |_| true);
    }

    /// The records of windows that ended, and how many were lost.
    pub(crate) fn take_records(&mut self) -> (Vec<LogRecord>, u64) {
        let lost = std::mem::take(&mut self.lost);
        (std::mem::take(&mut self.closed).into(), lost)
    }

    /// What every interface used since this was asked last.
    pub(crate) fn take_meters(&mut self) -> BTreeMap<InterfaceId, Meter> {
        std::mem::take(&mut self.meters)
    }

    fn take_ended(
        &mut self,
        config: &Config,
        now: Now,
        (flows, abroad): (&mut FlowTable, &Abroad),
    ) {
        let (pieces, losers) = flows.ended();
        for piece in &pieces {
            self.post(config, now, abroad, piece);
        }
        for port in losers {
            for window in &mut self.windows {
                window.skip(config, port);
            }
        }
    }

    fn close(&mut self, config: &Config, now: Now, over: impl Fn(&Window) -> bool) {
        let (worker, workers) = self.share;
        let owns = |port| {
            let port = config.port(port);
            port.is_some_and(|port| owner(port.mac, workers) == worker)
        };
        for window in &mut self.windows {
            if !over(window) {
                continue;
            }
            let fresh = Window::new(window.interval, now);
            let ended = std::mem::replace(window, fresh);
            let logs = config.flow_logs();
            for log in logs.filter(|log| log.interval == ended.interval) {
                self.closed.extend(ended.records(config, log, owns, now));
            }
        }
        while self.closed.len() > MOST_CLOSED {
            self.closed.pop_front();
            self.lost += 1;
        }
    }

    /// Enters what is new of a flow.
    fn post(&mut self, config: &Config, now: Now, abroad: &Abroad, piece: &Piece) {
        if piece.copies {
            return;
        }
        let port = piece.key.port();
        let view = config.view(port);
        if let Some(view) = &view {
            let meter = self.meters.entry(view.port.interface).or_default();
            let usage = meter.of_mut(reach(view, abroad, piece));
            for (sum, carried) in [
                (&mut usage.egress, &piece.egress),
                (&mut usage.ingress, &piece.ingress),
            ] {
                sum.packets += carried.tally.packets;
                sum.bytes += in_ip(carried);
            }
            usage.connections += u64::from(piece.fresh);
        }
        for window in &mut self.windows {
            let asked = |window: &Window| is_logged(config, port, window.interval);
            if view.is_some() && !asked(window) {
                continue;
            }
            for direction in [Direction::Egress, Direction::Ingress] {
                let (tuple, sum) = entry(now, window.start, piece, direction);
                if sum.packets > 0 {
                    window.add(config, tuple, sum);
                }
            }
        }
    }

    /// Enters a packet that a port's half dropped.
    pub(crate) fn reject(
        &mut self,
        config: &Config,
        now: Now,
        (port, direction): (PortIndex, Direction),
        frame: &[u8],
        reason: DropReason,
    ) {
        let intervals = [LogInterval::Minute, LogInterval::TenMinutes];
        if !intervals.iter().any(|&i| is_logged(config, port, i)) {
            return;
        }
        let Some(view) = config.view(port) else {
            return;
        };
        let Ok(Headers {
            body: Body::Ip(ip),
            src,
            ..
        }) = Headers::parse(frame)
        else {
            return;
        };
        if src == Mac::MIRROR || is_exempt(&view, &ip, reason) {
            return;
        }
        let (src, dst) = ports(&ip);
        let tuple = Tuple {
            port,
            egress: direction == Direction::Egress,
            protocol: ip.protocol,
            src: (ip.src, src),
            dst: (ip.dst, dst),
            reject: Some(reason),
        };
        let sum = Sum {
            packets: 1,
            bytes: ip.len() as u64,
            first: now,
            last: now,
            tcp_flags: match ip.l4_kind {
                L4::Tcp { flags, .. } => crate::flow::logged_flags(flags),
                _ => 0,
            },
            on_wire: (ip.src, ip.dst),
            path: None,
        };
        for window in &mut self.windows {
            if is_logged(config, port, window.interval) {
                window.add(config, tuple, sum);
            }
        }
    }
}

/// Whether any log of this interval is about the port.
fn is_logged(config: &Config, port: PortIndex, interval: LogInterval) -> bool {
    let mut logs = config.flow_logs().filter(|log| log.interval == interval);
    let Some(port) = config.port(port) else {
        return false;
    };
    logs.any(|log| match log.scope {
        weft_model::LogScope::Vpc(id) => port.vpc == id,
        weft_model::LogScope::Subnet(id) => port.subnet_id == id,
        weft_model::LogScope::Interface(id) => port.interface == id,
    })
}

/// What flow logs never show: the subnet's own services, and what is for nobody in particular.
fn is_exempt(view: &PortView<'_>, ip: &Ip, reason: DropReason) -> bool {
    let dhcp = |port: u16| matches!(port, 67 | 68 | 546 | 547);
    let (src, dst) = ports(ip);
    let is_dhcp = ip.protocol == protocol::UDP && dhcp(src) && dhcp(dst);
    is_dhcp
        || reason == DropReason::Multicast
        || [ip.src, ip.dst].iter().any(|&end| is_service(view, end))
}

/// The router, the DNS server, metadata and time.
fn is_service(view: &PortView<'_>, address: IpAddr) -> bool {
    if view.subnet().is_router(address) {
        return true;
    }
    match address {
        IpAddr::V4(a) => {
            let [b, c, d, e] = a.octets();
            a == view.vpc.dns4()
                || Ipv4Addr::new(b, c, d, 0) == Ipv4Addr::new(169, 254, 169, 0)
                    && matches!(e, 123 | 253 | 254)
        }
        IpAddr::V6(a) => {
            let service = |last| Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, last);
            [0x123, 0x253, 0x254]
                .into_iter()
                .any(|last| a == service(last))
        }
    }
}

fn ports(ip: &Ip) -> (u16, u16) {
    match ip.l4_kind {
        L4::Tcp { src, dst, .. } | L4::Udp { src, dst } => (src, dst),
        _ => (0, 0),
    }
}

fn in_ip(carried: &Carried) -> u64 {
    let tally = carried.tally;
    tally.bytes.saturating_sub(tally.packets * ETHERNET)
}

/// One direction of a piece as a record's.
fn entry(now: Now, start: Now, piece: &Piece, direction: Direction) -> (Tuple, Sum) {
    let egress = direction == Direction::Egress;
    let ends = |key: &FlowKey| {
        let shows_ports = matches!(key.protocol(), protocol::TCP | protocol::UDP);
        let (local, remote) = if shows_ports { key.ports() } else { (0, 0) };
        let (local, remote) = ((key.local(), local), (key.remote(), remote));
        if egress {
            (local, remote)
        } else {
            (remote, local)
        }
    };
    let (src, dst) = ends(&piece.key);
    let on_wire = piece.outside.as_ref().map_or((src, dst), ends);
    let carried = if egress {
        &piece.egress
    } else {
        &piece.ingress
    };
    let last = since_tick(now, piece.seen).max(start);
    let tuple = Tuple {
        port: piece.key.port(),
        egress,
        protocol: piece.key.protocol(),
        src,
        dst,
        reject: None,
    };
    let sum = Sum {
        packets: carried.tally.packets,
        bytes: in_ip(carried),
        first: since_tick(now, piece.created).max(start).min(last),
        last,
        tcp_flags: carried.tcp_flags,
        on_wire: (on_wire.0.0, on_wire.1.0),
        path: if egress { path(piece.next) } else { None },
    };
    (tuple, sum)
}

/// What carries away what leaves (the numbers are AWS's).
const fn path(next: NextHop) -> Option<u8> {
    match next {
        NextHop::Unknown => None,
        NextHop::Local(_) | NextHop::Tunnel(_) => Some(1),
        NextHop::Abroad(_) => Some(4),
        NextHop::Outside => Some(8),
    }
}

/// How far away the other end is.
fn reach(view: &PortView<'_>, abroad: &Abroad, piece: &Piece) -> Reach {
    let host = match piece.next {
        NextHop::Local(_) => return Reach::Zone,
        NextHop::Outside => return Reach::Internet,
        NextHop::Tunnel(host) => Some(host),
        NextHop::Abroad(number) => abroad.place(number).map(|(host, _)| host),
        // Nothing was sent back yet: the other end is where its packets come from.
        NextHop::Unknown => match view.mapping(piece.key.remote()) {
            Some(entry) => Some(entry.host_slot),
            None => piece.origin,
        },
    };
    match host {
        Some(HostSlot::OWN) => Reach::Zone,
        Some(host) => match view.config.tunnels().zone(host) {
            Some(zone) if *zone == view.subnet().zone => Reach::Zone,
            Some(_) => Reach::AcrossZones,
            None => Reach::Internet,
        },
        None => Reach::Internet,
    }
}
