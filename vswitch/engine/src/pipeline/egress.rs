//! Out of a port.

use weft_model::Mac;
use weft_packet::headers::{Body, Headers, Ip, L4};

use super::{
    Core, Packet,
    fragments::First,
    is_for_many,
    judge::refused,
    malformed, tcp_flags, translate, unknown,
    way::{Plan, Way},
};
use crate::{
    config::{Config, Direction, PortView},
    drop::{Drop, DropObject, DropReason},
    flow::{Flags, FlowKey, is_opening},
    frame::Frame,
    mutation::{Mutation, is_awake},
    port::PortIndex,
    service::{self, Heard, reserved::Reserved},
    time::Now,
    verdict::{Sink, Verdict},
};

const OUT: Direction = Direction::Egress;

impl Core {
    pub(crate) fn leave(
        &mut self,
        config: &Config,
        now: Now,
        port: PortIndex,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Verdict {
        let length = frame.bytes.len();
        match self.egress(config, now, port, frame, sink) {
            Ok(verdict) => {
                self.counters.port_mut(port).egress.add(length);
                verdict
            }
            Err(drop) => self.dropped(config, Some(port), drop),
        }
    }

    #[inline]
    fn egress(
        &mut self,
        config: &Config,
        now: Now,
        port: PortIndex,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let view = config.view(port).ok_or(DropReason::PortUnknown)?;
        // By reference: moving a hundred bytes around costs as much as reading them.
        let parsed = Headers::parse(frame.bytes);
        let headers = parsed.as_ref().map_err(|error| malformed(*error))?;
        if headers.src != view.port.mac {
            let object = DropObject::Mac(headers.src);
            return Err(Drop::because(DropReason::SpoofedMac, object));
        }
        let ip = match &headers.body {
            Body::Ip(ip) => ip,
            Body::Arp(_) => return self.serve_arp(&view, headers, frame.bytes, sink),
            Body::Other(ethertype) => return Err(unknown(*ethertype)),
        };
        frame.offload.check(ip).map_err(malformed)?;
        let key = FlowKey::of(port, OUT, ip);
        let packet = Packet {
            now,
            view,
            headers,
            ip,
            wire: ip,
            hidden: false,
            key: key.as_ref(),
            hash: self.hash(key.as_ref()),
        };
        let found = self.find(&packet).filter(|_| !headers.dst.is_group());
        if let Some(at) = self.current(&packet, found, OUT) {
            return self.pass_out(&packet, at, frame, sink);
        }
        let verdict = self.first_out(&packet, frame, sink);
        self.counters.flows = self.flows.counters;
        verdict
    }

    /// The packet's flow, if nothing about it needs another look.
    #[inline]
    pub(super) fn current(
        &self,
        packet: &Packet<'_>,
        found: Option<usize>,
        direction: Direction,
    ) -> Option<usize> {
        let at = found?;
        let flow = self.flows.get(at);
        let newest = flow.generation(direction) == packet.generation();
        let current = (newest || is_awake(Mutation::StaleFlow))
            && !flow.flags.has(Flags::BLOCKED)
            && packet.ip.fragment.is_none()
            && !tcp_flags(packet.ip).is_some_and(is_opening);
        current.then_some(at)
    }

    #[inline]
    pub(crate) fn hash(&self, key: Option<&FlowKey>) -> u32 {
        key.map_or(0, |key| self.flows.hash(key))
    }

    /// The packet's flow, if it has one that isn't idle.
    #[inline]
    pub(super) fn find(&self, packet: &Packet<'_>) -> Option<usize> {
        self.flows.find(packet.now, packet.key?, packet.hash)
    }

    #[inline]
    fn pass_out(
        &mut self,
        packet: &Packet<'_>,
        at: usize,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let length = frame.bytes.len();
        let way = Way::of(self.flows.get(at));
        let outside = self.flows.outside(at).copied();
        let verdict = self.send(packet, way, outside.as_ref(), frame, sink)?;
        self.flows
            .pass(packet.now, at, OUT, length, packet.tcp_flags());
        Ok(verdict)
    }

    fn serve_arp(
        &mut self,
        view: &PortView<'_>,
        headers: &Headers,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        self.serve(view, headers, bytes, sink)?;
        Ok(Verdict::Consumed)
    }

    /// Offers the frame to the services; true where it was theirs.
    fn serve(
        &mut self,
        view: &PortView<'_>,
        headers: &Headers,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Result<bool, Drop> {
        match service::answer(view, headers, bytes, &mut self.scratch)? {
            Heard::Pass => Ok(false),
            Heard::Absorbed => Ok(true),
            Heard::Answered => {
                self.counters.answered += 1;
                sink.to_port(view.port.index, &self.scratch);
                Ok(true)
            }
        }
    }

    /// A packet without a current flow.
    #[inline(never)]
    fn first_out(
        &mut self,
        packet: &Packet<'_>,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        if let Some(service) = Reserved::at(packet.view.vpc, packet.ip.dst) {
            return self.serve_reserved(packet, service, &frame, sink);
        }
        let port = packet.port();
        let checker = &mut self.checker;
        if checker.hear(packet.now, port, packet.ip, frame.bytes, sink)
            || self.serve(&packet.view, packet.headers, frame.bytes, sink)?
        {
            return Ok(Verdict::Consumed);
        }
        check_sender(&packet.view, packet.headers, packet.ip)?;
        if packet.ip.l4_kind == L4::LaterFragment {
            let first = self.fragments.follow(packet, OUT)?;
            return self.follow_out(packet, first, frame, sink);
        }
        let sent = match self.find(packet) {
            Some(at) => self.again_out(packet, at, frame, sink),
            None if packet.key.is_some() => self.open_out(packet, frame, sink),
            None => self.stateless_out(packet, frame, sink),
        };
        if let Err(drop) = &sent
            && drop.reason.is_answered_by_reset()
        {
            self.reset(packet, sink);
        }
        self.settle_fragment(packet, OUT, sent)
    }

    /// A later fragment goes the way of its first one.
    fn follow_out(
        &mut self,
        packet: &Packet<'_>,
        first: First,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let packet = &Packet {
            hash: first.entropy,
            ..*packet
        };
        let Some(key) = first.translated else {
            return self.send_alone(packet, frame, sink);
        };
        let at = self.flows.find(packet.now, &key, self.flows.hash(&key));
        let at = at.ok_or(DropReason::FragmentOrphan)?;
        let way = self.way_now(packet, at)?;
        let outside = self.flows.outside(at).copied();
        if let Some(outside) = &outside {
            self.check_nat_way(packet, way, (&key, outside))?;
        }
        self.send(packet, way, outside.as_ref(), frame, sink)
    }

    /// A packet of a flow that has to be looked at again.
    fn again_out(
        &mut self,
        packet: &Packet<'_>,
        at: usize,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let Some(at) = self.revise(packet, at, OUT)? else {
            // No flow is going to have what it would be translated to, so nothing may be.
            let packet = &Packet {
                key: None,
                ..*packet
            };
            return self.send_alone(packet, frame, sink);
        };
        let held = self.flows.outside(at).copied();
        let plan = match self.hidden_client(packet, at) {
            Some(held) => self.answer_hidden(packet, held),
            None => self.plan(packet, held),
        };
        let directed = plan.and_then(|plan| self.direct(packet, at, &plan));
        if let Err(drop) = directed {
            // An ACL speaks of this packet alone, that of a NAT gateway's subnet too: it ends no
            // connection.
            if !matches!(drop.reason, DropReason::AclEgress | DropReason::AclIngress) {
                self.flows.remove(at);
            }
            return Err(drop);
        }
        self.pass_out(packet, at, frame, sink)
    }

    /// The first packet of a connection.
    fn open_out(
        &mut self,
        packet: &Packet<'_>,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        if packet.is_stray_reply() {
            return self.stateless_out(packet, frame, sink);
        }
        let rule = packet.allowed(OUT)?;
        let plan = self.plan(packet, None)?;
        let opened = self.open(packet, OUT, rule);
        let at = opened.inspect_err(|_| self.give_up(&plan))?;
        if let Err(drop) = self.direct(packet, at, &plan) {
            self.flows.remove(at);
            return Err(drop);
        }
        self.pass_out(packet, at, frame, sink)
    }

    /// The way of a translated flow by the configuration of the day; the flow itself waits for a
    /// packet of its own to hear of that.
    fn way_now(&mut self, packet: &Packet<'_>, at: usize) -> Result<Way, Drop> {
        let flow = self.flows.get(at);
        if flow.generation(OUT) == packet.generation() {
            return Ok(Way::of(flow));
        }
        let hides_client = flow.hides_client();
        let wire = self.flows.outside(at).unwrap_or(&flow.key);
        if packet.view.vpc.balancers.front(wire.local()).is_some() {
            return Ok(Way::OUTSIDE);
        }
        let way = Way::resolve(
            &packet.view,
            (packet.ip.src, wire.remote()),
            &mut self.abroad,
        )?;
        Ok(Way {
            hides_client,
            ..way
        })
    }

    /// A packet that no connection is made of.
    fn stateless_out(
        &mut self,
        packet: &Packet<'_>,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let Some(at) = self.related(packet, OUT, frame.bytes) else {
            packet.allowed(OUT)?;
            return self.send_alone(packet, frame, sink);
        };
        let own = self.flows.get(at).key;
        let Some(outside) = self.flows.outside(at).copied() else {
            return self.send_alone(packet, frame, sink);
        };
        let way = self.way_now(packet, at)?;
        let mut ip = *packet.ip;
        if ip.dst == own.remote() {
            ip.dst = outside.remote();
        }
        let leaving = Packet { ip: &ip, ..*packet };
        leaving.check_exit(way.hop)?;
        self.check_nat_way(packet, way, (&own, &outside))?;
        leaving.check_nat_of(&outside)?;
        // The way of the connection, not of the address that only its port knows.
        translate::apply_to_error(frame.bytes, packet.ip, OUT, (&own, &outside));
        self.send(packet, way, None, frame, sink)
    }

    /// Sends what was judged without a flow.
    fn send_alone(
        &mut self,
        packet: &Packet<'_>,
        frame: Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let plan = self.plan(packet, None)?;
        self.send(packet, plan.way, plan.outside.as_ref(), frame, sink)
    }

    fn direct(&mut self, packet: &Packet<'_>, at: usize, plan: &Plan) -> Result<(), Drop> {
        // A connection stays as it began: what its target sees of the client, too.
        let begins = packet.tcp_flags().is_none_or(is_opening);
        let stays =
            !begins && plan.outside.is_some() && self.flows.outside(at) == plan.outside.as_ref();
        if let Some(outside) = plan.outside {
            let bound = self.flows.bind(packet.now, at, outside);
            if let Err(full) = bound {
                self.give_up(plan);
                return Err(refused(packet, full));
            }
        }
        if let Some(idle) = plan.idle {
            self.flows.set_idle(at, idle);
        }
        let way = plan.way;
        self.flows.exports.change(at, OUT);
        let flow = self.flows.get_mut(at);
        let hides_client = if stays {
            flow.hides_client()
        } else {
            way.hides_client
        };
        flow.set_next(way.next, way.mac, way.hop, hides_client);
        flow.egress_generation = packet.generation();
        Ok(())
    }
}

/// What a port may send: to somebody in particular, and from its own address unless it forwards.
fn check_sender(view: &PortView<'_>, headers: &Headers, ip: &Ip) -> Result<(), Drop> {
    if headers.dst.is_group() || is_for_many(ip.dst) || view.subnet().is_broadcast(ip.dst) {
        let object = DropObject::Address(ip.dst);
        return Err(Drop::because(DropReason::Multicast, object));
    }
    // Even a forwarder never speaks for the router, nor for nobody.
    let impossible = is_for_many(ip.src) || view.subnet().is_router(ip.src) || ip.src.is_loopback();
    let foreign = view.port.source_dest_check && !view.port.owns(ip.src);
    if foreign || impossible {
        let object = DropObject::Address(ip.src);
        return Err(Drop::because(DropReason::SpoofedAddress, object));
    }
    debug_assert_ne!(headers.src, Mac::ROUTER, "no port has the router's MAC");
    Ok(())
}
