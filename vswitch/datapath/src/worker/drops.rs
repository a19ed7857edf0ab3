//! A worker's latest drops: what each packet was and what is to blame. Counters say how many;
//! this says which.

#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use weft_engine::{Config, Drop, Now, PortIndex};
use weft_model::{InterfaceId, Protocol, SecurityGroupId};
use weft_packet::{
    headers::{Body, Headers, L4},
    vxlan,
};

/// Records of one worker: a screenful for each of a few who ask at once.
const KEPT: usize = 256;
/// In a flood, recording must cost nothing beside dropping: in each such span this many drops are
/// recorded, and of the rest one in a thousand, so that the newest still show.
const SPAN: u64 = Now::SECOND / 10;
const WHOLE: u64 = 200;
const SAMPLE: u64 = 1024;

/// On which part of its way a packet was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Out of a port.
    Egress,
    /// To a port from another one of this host.
    Ingress,
    /// Out of the tunnel, to a port or to none.
    Tunnel,
    /// Into an edge, from the internet.
    Outside,
}

/// Who sent a packet to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The protocol above IP; `None` for ARP.
    pub protocol: Option<Protocol>,
    /// The sender's address.
    pub src: IpAddr,
    /// The receiver's; in ARP the one asked for.
    pub dst: IpAddr,
    /// Source and destination port of TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// Type and code of ICMP.
    pub icmp: Option<(u8, u8)>,
}

/// A dropped packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropRecord {
    /// When.
    pub at: Now,
    /// On which part of its way.
    pub half: Half,
    /// The interface that it came from (egress) or was for, where that is known.
    pub interface: Option<InterfaceId>,
    /// That interface's security groups at the time; empty without an interface.
    pub groups: Arc<[SecurityGroupId]>,
    /// Its ends, where its headers make sense.
    pub ends: Option<Ends>,
    /// Why, and because of what.
    pub drop: Drop,
}

/// Drops, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentDrops {
    /// When the list was made.
    pub now: Now,
    /// At most as many as were asked for.
    pub drops: Vec<DropRecord>,
    /// Drops in floods since the start, of any interface, that were only counted.
    pub unrecorded: u64,
}

impl RecentDrops {
    pub(crate) fn merge(answers: impl IntoIterator<Item = Self>, limit: usize) -> Self {
        let mut all = Self::default();
        for answer in answers {
            all.now = all.now.max(answer.now);
            all.unrecorded += answer.unrecorded;
            all.drops.extend(answer.drops);
        }
        all.drops.sort_by_key(|record| std::cmp::Reverse(record.at));
        all.drops.truncate(limit);
        all
    }
}

/// Where a frame was when it was dropped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// It came from this port.
    Egress(PortIndex),
    /// It came to this port from another one of this host.
    Ingress(PortIndex),
    /// It came out of the tunnel: the bytes begin with the VXLAN header.
    Tunnel,
    /// It came from the internet.
    Outside,
}

impl Place {
    pub(super) const fn half(self) -> Half {
        match self {
            Self::Egress(_) => Half::Egress,
            Self::Ingress(_) => Half::Ingress,
            Self::Tunnel => Half::Tunnel,
            Self::Outside => Half::Outside,
        }
    }
}

/// The port that a frame there belongs to.
pub(super) fn port_of(config: &Config, place: Place, bytes: &[u8]) -> Option<PortIndex> {
    match place {
        Place::Egress(port) | Place::Ingress(port) => Some(port),
        Place::Outside => None,
        Place::Tunnel => {
            let vni = vxlan::parse(bytes).ok()?;
            let headers = Headers::parse(bytes.get(vxlan::HEADER..)?).ok()?;
            config.endpoint(vni, headers.dst)
        }
    }
}

/// A ring of records. It is allocated once.
pub(super) struct Drops {
    records: Vec<DropRecord>,
    /// Where the next record goes once the ring is full.
    next: usize,
    span: Now,
    in_span: u64,
    unrecorded: u64,
    /// What records without an interface share.
    no_groups: Arc<[SecurityGroupId]>,
}

impl Drops {
    pub(super) fn new() -> Self {
        Self {
            records: Vec::with_capacity(KEPT),
            next: 0,
            span: Now(0),
            in_span: 0,
            unrecorded: 0,
            no_groups: Arc::default(),
        }
    }

    /// Records the drop of a frame, or only counts it.
    #[cold]
    pub(super) fn note(
        &mut self,
        now: Now,
        config: &Config,
        place: Place,
        bytes: &[u8],
        drop: Drop,
    ) {
        if self.admits(now) {
            self.keep(self.describe(now, config, place, bytes, drop));
        }
    }

    /// The latest, the newest first.
    pub(super) fn recent(
        &self,
        now: Now,
        interface: Option<InterfaceId>,
        limit: usize,
    ) -> RecentDrops {
        let (newer, older) = self.records.split_at(self.next);
        let newest_first = newer.iter().rev().chain(older.iter().rev());
        let asked = |r: &&DropRecord| interface.is_none() || r.interface == interface;
        RecentDrops {
            now,
            drops: newest_first.filter(asked).take(limit).cloned().collect(),
            unrecorded: self.unrecorded,
        }
    }

    fn admits(&mut self, now: Now) -> bool {
        if now.since(self.span) >= SPAN {
            (self.span, self.in_span) = (now, 0);
        }
        self.in_span += 1;
        let admitted = self.in_span <= WHOLE || self.in_span.is_multiple_of(SAMPLE);
        self.unrecorded += u64::from(!admitted);
        admitted
    }

    fn keep(&mut self, record: DropRecord) {
        match self.records.get_mut(self.next) {
            Some(oldest) => *oldest = record,
            None => self.records.push(record),
        }
        self.next = (self.next + 1) % KEPT;
    }

    fn describe(
        &self,
        now: Now,
        config: &Config,
        place: Place,
        bytes: &[u8],
        drop: Drop,
    ) -> DropRecord {
        let (half, frame) = match place {
            Place::Egress(_) => (Half::Egress, bytes),
            Place::Ingress(_) => (Half::Ingress, bytes),
            Place::Outside => (Half::Outside, bytes),
            Place::Tunnel => (Half::Tunnel, bytes.get(vxlan::HEADER..).unwrap_or_default()),
        };
        let headers = Headers::parse(frame).ok();
        let port = port_of(config, place, bytes);
        let port = port.and_then(|port| config.port(port));
        DropRecord {
            at: now,
            half,
            interface: port.map(|port| port.interface),
            groups: Arc::clone(port.map_or(&self.no_groups, |port| &port.groups)),
            ends: headers.and_then(|headers| ends(&headers)),
            drop,
        }
    }
}

pub(super) fn ends(headers: &Headers) -> Option<Ends> {
    match &headers.body {
        Body::Ip(ip) => Some(Ends {
            protocol: Some(Protocol(ip.protocol)),
            src: ip.src,
            dst: ip.dst,
            ports: match ip.l4_kind {
                L4::Tcp { src, dst, .. } | L4::Udp { src, dst } => Some((src, dst)),
                _ => None,
            },
            icmp: match ip.l4_kind {
                L4::Icmp { kind, code, .. } => Some((kind, code)),
                _ => None,
            },
        }),
        Body::Arp(arp) => Some(Ends {
            protocol: None,
            src: arp.sender_ip.into(),
            dst: arp.target_ip.into(),
            ports: None,
            icmp: None,
        }),
        Body::Other(_) => None,
    }
}
