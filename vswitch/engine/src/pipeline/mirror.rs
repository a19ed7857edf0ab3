//! Copies of packets for whoever mirrors an interface's traffic. A port that nobody mirrors costs a
//! packet one branch.
//!
//! What passed is copied, as the workload knows it: what it sends once its own half has let it go,
//! what it gets once it is delivered. A copy is an ordinary packet to its target, in all but its
//! source MAC, which no workload can use and by which the target's half knows that it is one.

use weft_model::{
    Mac, MirrorAction, MirrorNumber, MirrorRule, MirrorTarget, Protocol, state::MirrorState,
};
use weft_packet::{
    build::{self, Addresses, Envelope},
    gso::Segments,
    headers::{Body, Headers, IPV4, Ip, L4, UDP, protocol},
    vxlan,
};

use super::Core;
use crate::{
    config::{Direction, HostSlot, PortView},
    flow::FlowKey,
    frame::Frame,
    service::limit::TokenBucket,
    time::Now,
    trace::Step,
    verdict::{Encap, MirrorCopy, Sink},
};

/// Copies per second of one interface's packets, and at once after a pause: more than a gigabit of
/// full packets. What exceeds isn't copied, and the packet itself isn't held up.
const COPIES_PER_SECOND: u32 = 131_072;
const BURST: u32 = 16_384;
/// Source ports of copies: connections spread over them, and a target has no more flows of a source.
const FIRST_PORT: u16 = 49_152;
const PORTS: u32 = 16;
/// The largest headers of a segment: Ethernet, IPv6 with extensions, TCP with options.
const HEADERS: usize = 256;

/// What mirroring keeps between packets.
#[derive(Debug, Default)]
pub(super) struct Mirroring {
    buckets: crate::per_port::PerPort<TokenBucket>,
    /// Where a copy is put together.
    payload: Vec<u8>,
}

impl Core {
    /// Copies a packet that passed, if a session wants it.
    #[cold]
    #[inline(never)]
    pub(super) fn mirror(
        &mut self,
        now: Now,
        view: &PortView<'_>,
        direction: Direction,
        frame: &Frame<'_>,
        sink: &mut impl Sink,
    ) {
        let Ok(headers) = Headers::parse(frame.bytes) else {
            return;
        };
        let Body::Ip(ip) = &headers.body else {
            return;
        };
        let wanted = view.port.mirrors.iter().find_map(|session| {
            let rule = accepts(session, direction, ip)?;
            Some((session, rule))
        });
        let Some((session, rule)) = wanted.filter(|_| !is_about_copies(ip, frame.bytes)) else {
            return;
        };
        view.config.note(|| Step::Mirrored {
            session: session.id,
            filter: session.filter,
            rule,
        });
        // An explanation is no packet.
        if !view.config.is_traced() {
            self.copy(now, view, session, (&headers, ip, frame), sink);
        }
    }

    /// As it would be on a wire: a super frame is as many copies as it has segments.
    fn copy(
        &mut self,
        now: Now,
        view: &PortView<'_>,
        session: &MirrorState,
        (headers, ip, frame): (&Headers, &Ip, &Frame<'_>),
        sink: &mut impl Sink,
    ) {
        let Ok(segments) = Segments::new(frame.bytes, headers, frame.offload) else {
            return;
        };
        let key = FlowKey::of(view.port.index, Direction::Egress, ip);
        let entropy = self.hash(key.as_ref());
        let mut scratch = [0; HEADERS];
        for index in 0..segments.count() {
            let full = || TokenBucket::new(COPIES_PER_SECOND, BURST);
            let bucket = self.mirroring.buckets.get_or(view.port.index, full);
            let Some(data) = segments.write(index, &mut scratch) else {
                return;
            };
            if !bucket.take(now) {
                self.counters.mirror_limited += 1;
                continue;
            }
            let pieces = [&scratch[..segments.header_len()], &frame.bytes[data]];
            match session.target {
                MirrorTarget::File => self.copy_to_file(now, session, pieces, sink),
                MirrorTarget::Interface(_) => self.send_copy(view, session, entropy, pieces, sink),
            }
        }
    }

    fn copy_to_file(
        &mut self,
        now: Now,
        session: &MirrorState,
        pieces: [&[u8]; 2],
        sink: &mut impl Sink,
    ) {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        let most = session.packet_length.map_or(length, |most| most.get());
        self.mirroring.payload.clear();
        append(&mut self.mirroring.payload, pieces, most);
        self.counters.mirrored += 1;
        sink.record(MirrorCopy {
            at: now,
            session: session.id,
            length,
            bytes: &self.mirroring.payload,
        });
    }

    fn send_copy(
        &mut self,
        view: &PortView<'_>,
        session: &MirrorState,
        entropy: u32,
        pieces: [&[u8]; 2],
        sink: &mut impl Sink,
    ) {
        let Some((envelope, way)) = way_to(view, session, entropy) else {
            self.counters.mirror_unreachable += 1;
            return;
        };
        // What doesn't fit is cut off, as in AWS: a copy is never in pieces.
        let room = usize::from(view.port.mtu.get()) - IPV4 - UDP - vxlan::HEADER;
        let most = session
            .packet_length
            .map_or(room, |most| most.get().min(room));
        let payload = &mut self.mirroring.payload;
        payload.clear();
        payload.extend_from_slice(&vxlan::emit(session.vni));
        append(payload, pieces, most);
        let from = FIRST_PORT + (entropy % PORTS) as u16;
        if build::udp(&mut self.scratch, &envelope, from, vxlan::PORT, payload).is_err() {
            return;
        }
        self.counters.mirrored += 1;
        match way {
            Way::Local(port) => sink.to_local(port, &self.scratch),
            Way::Tunnel(encap) => sink.to_tunnel(encap, &self.scratch),
        }
    }
}

enum Way {
    Local(crate::port::PortIndex),
    Tunnel(Encap),
}

/// Straight to the target's interface, whatever routes say.
fn way_to(view: &PortView<'_>, session: &MirrorState, entropy: u32) -> Option<(Envelope, Way)> {
    let MirrorTarget::Interface(target) = session.target else {
        return None;
    };
    let entry = view.vpc.interface(target)?;
    let primary = entry.addresses.iter().copied().find(|a| a.is_ipv4())?;
    let envelope = Envelope {
        dst_mac: entry.mac,
        src_mac: Mac::MIRROR,
        addresses: Addresses::new(view.port.ipv4.into(), primary)?,
        ttl: build::TTL,
    };
    let way = if entry.host_slot == HostSlot::OWN {
        Way::Local(view.config.port_of(target)?.index)
    } else {
        Way::Tunnel(Encap {
            vtep: view.config.tunnels().vtep(entry.host_slot)?,
            vni: view.vpc.vni,
            entropy,
        })
    };
    Some((envelope, way))
}

fn append(payload: &mut Vec<u8>, pieces: [&[u8]; 2], most: usize) {
    let mut left = most;
    for piece in pieces {
        let taken = piece.len().min(left);
        payload.extend_from_slice(&piece[..taken]);
        left -= taken;
    }
}

/// The rule by which the session's filter accepts the packet.
fn accepts(session: &MirrorState, direction: Direction, ip: &Ip) -> Option<MirrorNumber> {
    let rules = match direction {
        Direction::Ingress => &session.ingress,
        Direction::Egress => &session.egress,
    };
    let rule = rules.iter().find(|rule| matches(rule, ip))?;
    (rule.action == MirrorAction::Accept).then_some(rule.number)
}

fn matches(rule: &MirrorRule, ip: &Ip) -> bool {
    let ports = match ip.l4_kind {
        L4::Tcp { src, dst, .. } | L4::Udp { src, dst } => Some((src, dst)),
        _ => None,
    };
    let is_port =
        |(src, dst)| rule.source_ports.contains(src) && rule.destination_ports.contains(dst);
    let any_port = || {
        let all = weft_model::PortRange::ALL;
        rule.source_ports == all && rule.destination_ports == all
    };
    rule.protocol.is_none_or(|wanted| wanted == Protocol(ip.protocol))
        && rule.source.contains_addr(ip.src)
        && rule.destination.contains_addr(ip.dst)
        // A later fragment shows no ports: only a rule for all of them matches it.
        && ports.map_or_else(any_port, is_port)
}

/// Whether the packet is an ICMP error about a copy: two interfaces that mirror each other, and take
/// no copies, would talk of that for ever.
fn is_about_copies(ip: &Ip, bytes: &[u8]) -> bool {
    let L4::Icmp { kind, .. } = ip.l4_kind else {
        return false;
    };
    // Copies are IPv4 without options, so what is quoted has its ports 20 bytes in.
    let quoted = bytes.get(ip.l4 + 8..).unwrap_or_default();
    let is_error = ip.is_v4() && matches!(kind, 3 | 11 | 12);
    let udp = quoted.get(9) == Some(&protocol::UDP);
    is_error && udp && quoted.get(22..24) == Some(&vxlan::PORT.to_be_bytes())
}
