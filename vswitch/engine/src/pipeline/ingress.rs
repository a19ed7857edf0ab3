//! To a port: from another port of this host, or out of the tunnel.

use std::net::IpAddr;

use weft_model::{Mac, Vni};
use weft_packet::{
    Malformed,
    headers::{Body, Headers, Ip, L4},
    nd, rewrite, vxlan,
};

use super::{
    Core, Packet,
    hidden::{self, Hidden},
    is_for_many, malformed,
    origin::{check_edge, check_origin, known, vouch},
    outside, pin,
    pinned::{self, Chosen},
    translate, unknown,
};
use crate::{
    config::{Config, Direction, HostSlot, PortView},
    drop::{Drop, DropObject, DropReason},
    edge,
    flow::{FlowKey, is_opening},
    frame::Frame,
    nat,
    port::PortIndex,
    time::Now,
    verdict::{Sink, Verdict},
};

const IN: Direction = Direction::Ingress;

/// The flow that a packet from the wire has to do with.
#[derive(Clone, Copy)]
pub(super) enum Met {
    /// It is a packet of it.
    Flow(usize),
    /// It is an ICMP error about it.
    About(usize),
}

/// Where a packet comes from.
#[derive(Clone, Copy)]
pub(super) enum Entrance {
    /// Another port of this host, whose egress half vouches for it.
    Here,
    /// The underlay address of a tunnel packet.
    Tunnel(IpAddr),
    /// The same as one of these two, of a connection whose client the target is not to see.
    Hidden(Hidden),
    /// The underlay address of a tunnel packet in the outside's VNI.
    Outside(IpAddr),
    /// The same, to a NAT gateway's address.
    Nat(IpAddr),
    /// A host that picked a target for a connection from the internet: its underlay address, if it is
    /// another one, and which target.
    Pinned(Option<IpAddr>, Chosen),
}

/// What a host that picked says of the target: the source MAC, in place of the router's.
fn unpin(headers: &Headers, bytes: &mut [u8]) -> Option<(Headers, Chosen)> {
    let chosen = headers.src.as_pinned()?;
    rewrite::macs(bytes, headers.dst, Mac::ROUTER);
    let headers = Headers {
        src: Mac::ROUTER,
        ..*headers
    };
    Some((headers, chosen))
}

impl Core {
    pub(crate) fn arrive(
        &mut self,
        config: &Config,
        now: Now,
        port: PortIndex,
        mut frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Verdict {
        let length = frame.bytes.len();
        let result = match (config.view(port), &Headers::parse(frame.bytes)) {
            (None, _) => Err(DropReason::PortUnknown.into()),
            (_, Err(error)) => Err(malformed(*error)),
            (Some(view), Ok(headers)) => {
                let result = match unpin(headers, frame.bytes) {
                    Some((headers, chosen)) => {
                        let entrance = Entrance::Pinned(None, chosen);
                        self.ingress_pinned((now, view, entrance), &headers, &mut frame, sink)
                    }
                    None => match hidden::unmark(&view, headers, None, frame.bytes) {
                        Some((headers, hidden)) => {
                            let here = (now, view, hidden);
                            self.ingress_hidden(here, &headers, &mut frame, sink)
                        }
                        None => self.ingress(now, view, headers, Entrance::Here, &mut frame),
                    },
                };
                self.mirror_in(now, &view, headers.src, (&result, &frame), sink);
                result
            }
        };
        self.arrived(config, Some(port), length, result)
    }

    pub(crate) fn emerge(
        &mut self,
        config: &Config,
        now: Now,
        source: IpAddr,
        payload: &mut [u8],
        offload: weft_packet::offload::Offload,
        sink: &mut impl Sink,
    ) -> Verdict {
        if edge::is_outward(payload) {
            let bytes = payload.get_mut(vxlan::HEADER..).unwrap_or_default();
            return self.outward(config, source, &mut Frame { bytes, offload });
        }
        if pin::is_visit(payload) {
            let bytes = payload.get_mut(vxlan::HEADER..).unwrap_or_default();
            let mut frame = Frame { bytes, offload };
            return self.visit(config, now, source, &mut frame, sink);
        }
        let inner = payload.get(vxlan::HEADER..).unwrap_or_default();
        let parsed = Headers::parse(inner);
        let entrance = match vxlan::parse(payload) {
            Ok(Vni::OUTSIDE) => Entrance::Outside(source),
            _ => Entrance::Tunnel(source),
        };
        let located = match self.locate_nat(config, entrance, inner, &parsed) {
            Some(found) => found,
            None => locate(config, source, payload, &parsed).map(|(h, view)| (h, view, entrance)),
        };
        let (headers, view, entrance) = match located {
            Ok(found) => found,
            Err(drop) => return self.dropped(config, None, drop),
        };
        let mut frame = Frame {
            bytes: payload.get_mut(vxlan::HEADER..).unwrap_or_default(),
            offload,
        };
        if let Entrance::Nat(_) = entrance {
            rewrite::dst_mac(frame.bytes, view.port.mac);
        }
        let length = frame.bytes.len();
        let result = match entrance {
            Entrance::Outside(_) => match unpin(headers, frame.bytes) {
                Some((headers, chosen)) => {
                    let entrance = Entrance::Pinned(Some(source), chosen);
                    self.ingress_pinned((now, view, entrance), &headers, &mut frame, sink)
                }
                None => self.ingress(now, view, headers, entrance, &mut frame),
            },
            Entrance::Tunnel(_) => {
                match hidden::unmark(&view, headers, Some(source), frame.bytes) {
                    Some((headers, hidden)) => {
                        self.ingress_hidden((now, view, hidden), &headers, &mut frame, sink)
                    }
                    None => self.ingress(now, view, headers, entrance, &mut frame),
                }
            }
            _ => self.ingress(now, view, headers, entrance, &mut frame),
        };
        self.mirror_in(now, &view, headers.src, (&result, &frame), sink);
        self.arrived(config, Some(view.port.index), length, result)
    }

    /// A copy is never copied again.
    #[inline]
    fn mirror_in(
        &mut self,
        now: Now,
        view: &PortView<'_>,
        src: Mac,
        (result, frame): (&Result<PortIndex, Drop>, &Frame<'_>),
        sink: &mut impl Sink,
    ) {
        if !view.port.mirrors.is_empty() && result.is_ok() && src != Mac::MIRROR {
            self.mirror(now, view, IN, frame, sink);
        }
    }

    #[inline]
    fn arrived(
        &mut self,
        config: &Config,
        port: Option<PortIndex>,
        length: usize,
        result: Result<PortIndex, Drop>,
    ) -> Verdict {
        match result {
            Ok(port) => {
                self.counters.port_mut(port).ingress.add(length);
                Verdict::Deliver(port)
            }
            Err(drop) => self.dropped(config, port, drop),
        }
    }

    /// For a connection that a host picked this port for: who began it hears where it is no more.
    fn ingress_pinned(
        &mut self,
        (now, view, entrance): (Now, PortView<'_>, Entrance),
        headers: &Headers,
        frame: &mut Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<PortIndex, Drop> {
        let result = self.ingress(now, view, headers, entrance, frame);
        if let Err(drop) = &result
            && drop.reason.is_answered_by_reset()
        {
            self.reset_outside(view.config, headers, frame.bytes, sink);
        }
        result
    }

    #[inline]
    pub(super) fn ingress(
        &mut self,
        now: Now,
        view: PortView<'_>,
        headers: &Headers,
        entrance: Entrance,
        frame: &mut Frame<'_>,
    ) -> Result<PortIndex, Drop> {
        let ip = match &headers.body {
            Body::Ip(ip) => ip,
            // Every switch answers ARP itself: none crosses.
            Body::Arp(_) => return Err(unknown(weft_packet::headers::ethertype::ARP)),
            Body::Other(ethertype) => return Err(unknown(*ethertype)),
        };
        frame.offload.check(ip).map_err(malformed)?;
        let wire = ip;
        let inside;
        let ip = match entrance {
            Entrance::Outside(_) => {
                let state = frame.offload.checksum;
                inside = outside::to_private(view.port, frame.bytes, ip, state)?;
                &inside
            }
            Entrance::Here
            | Entrance::Tunnel(_)
            | Entrance::Hidden(_)
            | Entrance::Nat(_)
            | Entrance::Pinned(..) => ip,
        };
        let key = FlowKey::of(view.port.index, IN, ip);
        let packet = Packet {
            now,
            view,
            headers,
            ip,
            wire,
            hidden: false,
            key: key.as_ref(),
            hash: self.hash(key.as_ref()),
        };
        let met = match packet.key {
            Some(key) => self.flows.meet(now, key, packet.hash).map(Met::Flow),
            None => self.related(&packet, IN, frame.bytes).map(Met::About),
        };
        let met = match entrance {
            Entrance::Pinned(_, chosen) => {
                met.filter(|met| !self.is_repicked(*met, &packet, chosen))
            }
            Entrance::Hidden(_) | Entrance::Here | Entrance::Tunnel(_) => {
                self.meet_as_shown(met, &packet, entrance)?
            }
            Entrance::Outside(_) | Entrance::Nat(_) => met,
        };
        match (met, entrance) {
            (Some(Met::Flow(at) | Met::About(at)), _) if self.flows.outside(at).is_some() => {
                self.enter_translated(&packet, at, entrance, frame)
            }
            (_, Entrance::Pinned(_, chosen)) => self.begin_pinned(&packet, chosen, entrance, frame),
            (None, Entrance::Hidden(hidden)) => self.begin_hidden(&packet, hidden, frame),
            _ => self.enter(&packet, met, entrance, frame),
        }
    }

    /// Whether a SYN begins a connection with another target of the port than its flow's: that ends.
    fn is_repicked(&mut self, met: Met, packet: &Packet<'_>, chosen: Chosen) -> bool {
        let Met::Flow(at) = met else {
            return false;
        };
        let begins = packet.tcp_flags().is_none_or(is_opening);
        let repicked = begins && pinned::is_of_another(&self.flows.get(at).key, chosen);
        if repicked {
            self.flows.remove(at);
        }
        repicked
    }

    /// The port behind the NAT's address that a packet from an edge is for.
    fn locate_nat<'a>(
        &self,
        config: &'a Config,
        entrance: Entrance,
        inner: &[u8],
        parsed: &'a Result<Headers, Malformed>,
    ) -> Option<Result<(&'a Headers, PortView<'a>, Entrance), Drop>> {
        let (Entrance::Outside(source), Ok(headers)) = (entrance, parsed) else {
            return None;
        };
        let Body::Ip(ip) = &headers.body else {
            return None;
        };
        if !nat::is_nat(headers.dst) {
            return None;
        }
        let view = self.behind_nat(config, inner, ip)?;
        let found = check_edge(config, source).and(view);
        Some(found.map(|view| (headers, view, Entrance::Nat(source))))
    }

    /// A packet that looks otherwise to its port: of a translated connection, or about one.
    fn enter_translated(
        &mut self,
        packet: &Packet<'_>,
        at: usize,
        entrance: Entrance,
        frame: &mut Frame<'_>,
    ) -> Result<PortIndex, Drop> {
        let own = self.flows.get(at).key;
        if packet.key.is_none() {
            let outside = self.flows.outside(at).copied().unwrap_or(own);
            let ip = translate::apply_to_error(frame.bytes, packet.ip, IN, (&outside, &own));
            let packet = Packet { ip: &ip, ..*packet };
            return self.enter(&packet, Some(Met::About(at)), entrance, frame);
        }
        let state = frame.offload.checksum;
        let ip = translate::apply(frame.bytes, packet.ip, IN, &own, state);
        let packet = Packet {
            ip: &ip,
            hidden: self.hidden_client(packet, at).is_some(),
            key: Some(&own),
            hash: self.flows.hash(&own),
            ..*packet
        };
        self.enter(&packet, Some(Met::Flow(at)), entrance, frame)
    }

    #[inline]
    pub(super) fn enter(
        &mut self,
        packet: &Packet<'_>,
        met: Option<Met>,
        entrance: Entrance,
        frame: &mut Frame<'_>,
    ) -> Result<PortIndex, Drop> {
        let found = match met {
            Some(Met::Flow(at)) => Some(at),
            Some(Met::About(_)) | None => None,
        };
        let length = frame.bytes.len();
        if let Some(at) = self.current(packet, found, IN)
            && self.is_from_there(packet, at, entrance)
        {
            self.admit(packet, IN, frame)?;
            self.flows
                .pass(packet.now, at, IN, length, packet.tcp_flags());
            return Ok(packet.port());
        }
        let result = self
            .first_in(packet, met, entrance, frame)
            .and_then(|()| self.admit(packet, IN, frame));
        self.counters.flows = self.flows.counters;
        result.map(|()| packet.port())
    }

    /// Whether the flow was judged with packets from there.
    #[inline]
    fn is_from_there(&self, packet: &Packet<'_>, at: usize, entrance: Entrance) -> bool {
        let Some((host, mac)) = self.flows.get(at).origin() else {
            return false;
        };
        match entrance {
            // The MAC tells whether it crossed the subnet's boundary, where an ACL stands.
            Entrance::Here => host == HostSlot::OWN && mac == packet.headers.src,
            Entrance::Tunnel(source) => {
                mac == packet.headers.src && packet.view.config.tunnels().vtep(host) == Some(source)
            }
            Entrance::Hidden(hidden) => {
                let tunnels = packet.view.config.tunnels();
                let there = hidden.source.map_or(host == HostSlot::OWN, |source| {
                    tunnels.vtep(host) == Some(source)
                });
                there && mac == packet.headers.src
            }
            // Any edge may bring any packet.
            Entrance::Outside(source) | Entrance::Nat(source) => {
                host == HostSlot::OUTSIDE && packet.view.config.edges().has(source)
            }
            // Any host that knows the connection may, and those that know none pick alike.
            Entrance::Pinned(source, _) => {
                let tunnels = packet.view.config.tunnels();
                host == HostSlot::OUTSIDE && source.is_none_or(|vtep| tunnels.host(vtep).is_some())
            }
        }
    }

    /// A packet without a current flow.
    #[inline(never)]
    fn first_in(
        &mut self,
        packet: &Packet<'_>,
        met: Option<Met>,
        entrance: Entrance,
        frame: &mut Frame<'_>,
    ) -> Result<(), Drop> {
        let host = check_origin(packet, entrance)?;
        if packet.ip.l4_kind == L4::LaterFragment {
            return self.follow_in(packet, frame);
        }
        if let Entrance::Nat(_) = entrance {
            self.check_nat_entry(packet, met)?;
        }
        check_receiver(&packet.view, packet.headers, packet.ip)?;
        packet.check_entry()?;
        let begins = met.is_none() || packet.tcp_flags().is_some_and(is_opening);
        match entrance {
            _ if host != HostSlot::OUTSIDE || !begins => {}
            Entrance::Pinned(..) => pinned::check_way_back(packet)?,
            _ => outside::check_way_back(&packet.view, packet.ip.src)?,
        }
        let length = frame.bytes.len();
        let passed = match met {
            Some(Met::Flow(at)) => self.again_in(packet, at, host, length),
            // An error about a connection passes without a rule.
            Some(Met::About(_)) => Ok(()),
            None if packet.key.is_some() => self.open_in(packet, host, length),
            None => packet.allowed(IN).map(|_| ()),
        };
        self.settle_fragment(packet, IN, passed)
    }

    /// A later fragment goes the way of its first one.
    fn follow_in(&mut self, packet: &Packet<'_>, frame: &mut Frame<'_>) -> Result<(), Drop> {
        let first = self.fragments.follow(packet, IN)?;
        let Some(own) = first.translated else {
            return check_receiver(&packet.view, packet.headers, packet.ip);
        };
        let state = frame.offload.checksum;
        let ip = translate::apply(frame.bytes, packet.ip, IN, &own, state);
        check_receiver(&packet.view, packet.headers, &ip)
    }

    fn again_in(
        &mut self,
        packet: &Packet<'_>,
        at: usize,
        host: HostSlot,
        length: usize,
    ) -> Result<(), Drop> {
        if let Some(at) = self.revise(packet, at, IN)? {
            self.accept(packet, at, host, length);
        }
        Ok(())
    }

    fn open_in(&mut self, packet: &Packet<'_>, host: HostSlot, length: usize) -> Result<(), Drop> {
        let rule = packet.allowed(IN)?;
        // A reply that nobody asked for makes no flow, or that would let the query pass.
        if !packet.is_stray_reply() {
            let at = self.open(packet, IN, rule)?;
            self.accept(packet, at, host, length);
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, packet: &Packet<'_>, at: usize, host: HostSlot, length: usize) {
        self.flows.exports.change(at, IN);
        let flow = self.flows.get_mut(at);
        flow.set_origin(host, packet.headers.src);
        flow.ingress_generation = packet.generation();
        self.flows
            .pass(packet.now, at, IN, length, packet.tcp_flags());
    }
}

/// The local port that a tunnel packet's inner frame is addressed to.
#[inline]
fn locate<'a>(
    config: &'a Config,
    source: IpAddr,
    payload: &[u8],
    parsed: &'a Result<Headers, Malformed>,
) -> Result<(&'a Headers, PortView<'a>), Drop> {
    let vni = vxlan::parse(payload).map_err(|malformed| {
        Drop::because(DropReason::VxlanMalformed, DropObject::Malformed(malformed))
    })?;
    let headers = parsed.as_ref().map_err(|error| malformed(*error))?;
    let port = config.endpoint(vni, headers.dst);
    if let Some(view) = port.and_then(|port| config.view(port)) {
        return Ok((headers, view));
    }
    if vni == Vni::OUTSIDE {
        check_edge(config, source)?;
        let object = DropObject::Mac(headers.dst);
        return Err(Drop::because(DropReason::DestinationElsewhere, object));
    }
    let host = known(config, source)?;
    let vpc = config.vpc_by_vni(vni);
    let vpc = vpc.ok_or(Drop::because(DropReason::VniUnknown, DropObject::Vni(vni)))?;
    // A host that has no business in this VPC is the graver news.
    if let Body::Ip(ip) = &headers.body {
        vouch(config, vpc, host, (headers.src, ip.src))?;
    }
    let object = DropObject::Mac(headers.dst);
    Err(Drop::because(DropReason::DestinationElsewhere, object))
}

/// What a port may get: what is for itself, unless it forwards; never what only a router says.
pub(super) fn check_receiver(view: &PortView<'_>, headers: &Headers, ip: &Ip) -> Result<(), Drop> {
    if headers.dst.is_group() || is_for_many(ip.dst) {
        let object = DropObject::Address(ip.dst);
        return Err(Drop::because(DropReason::Multicast, object));
    }
    if view.port.source_dest_check && !view.port.owns(ip.dst) {
        let object = DropObject::Address(ip.dst);
        return Err(Drop::because(DropReason::NotForPort, object));
    }
    // Neighbour discovery never crosses a switch: each answers for all.
    let discovery = nd::kind::ROUTER_SOLICITATION..=nd::kind::REDIRECT;
    match ip.l4_kind {
        L4::Icmp { kind, .. } if !ip.is_v4() && discovery.contains(&kind) => {
            Err(DropReason::RogueRouter.into())
        }
        _ => Ok(()),
    }
}
