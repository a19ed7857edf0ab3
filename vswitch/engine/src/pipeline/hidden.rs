//! Targets that don't see their clients: on its way into the target's port a connection takes a port
//! of the load balancer's address in its client's place, and answers lose it on their way out.
//!
//! The client's half picks the target as ever, and says by the source MAC that the target is not to
//! see it. Ports are the target's own: at each one, every connection of a balancer's address has
//! another, so nobody has to be asked for one.

use std::net::IpAddr;

use weft_model::{
    Mac, Protocol, Vni,
    state::{BalancerState, ListenerState},
};
use weft_packet::{
    build,
    headers::{Headers, L4},
    rewrite,
};

use super::{
    Core, Packet,
    ingress::{Entrance, Met, check_receiver},
    judge::refused,
    origin::{known, vouch},
    pin::idle,
    translate,
    way::{Plan, Way},
};
use crate::{
    balance::maglev::mix,
    config::{Direction, HostSlot, PortView, VpcConfig, balancers},
    drop::{Drop, DropObject, DropReason},
    flow::{Flags, FlowKey, Hop, is_opening},
    frame::Frame,
    port::PortIndex,
    time::Now,
    trace::Step,
    verdict::{Encap, Sink},
};

const IN: Direction = Direction::Ingress;

/// The first of the ports that stand for clients, as of NAT gateways.
const FIRST_PORT: u16 = 1_024;

/// Ports that are tried for a connection. With 55,000 of the 64,512 in use, this many are all taken
/// once in 10^17 times.
const ATTEMPTS: u64 = 256;

/// A packet whose client is to be hidden.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hidden {
    /// The underlay address that it came from, if that is another host's.
    pub(super) source: Option<IpAddr>,
    /// The balancer's address that it asked.
    front: IpAddr,
}

/// Where a connection is hidden: the balancer's address, and what it listens with.
struct Front<'a> {
    address: IpAddr,
    balancer: &'a BalancerState,
    listener: &'a ListenerState,
}

/// The source MAC that says behind which address the client is to be hidden.
pub(super) fn mark(front: IpAddr) -> Mac {
    Mac::hiding(balancers::mark(front))
}

/// What the client's half said by the source MAC, which is the router's from here on.
pub(super) fn unmark(
    view: &PortView<'_>,
    headers: &Headers,
    source: Option<IpAddr>,
    bytes: &mut [u8],
) -> Option<(Headers, Hidden)> {
    let mark = headers.src.as_hiding()?;
    let weft_packet::headers::Body::Ip(ip) = &headers.body else {
        return None;
    };
    let front = view.vpc.balancers.by_mark(mark, ip.is_v4())?;
    rewrite::macs(bytes, headers.dst, Mac::ROUTER);
    let headers = Headers {
        src: Mac::ROUTER,
        ..*headers
    };
    Some((headers, Hidden { source, front }))
}

/// The host that the packet comes from, once it is sure that the client is there.
pub(super) fn check_origin(packet: &Packet<'_>, hidden: Hidden) -> Result<HostSlot, Drop> {
    let Some(source) = hidden.source else {
        return Ok(HostSlot::OWN);
    };
    let config = packet.view.config;
    let host = known(config, source)?;
    vouch(
        config,
        packet.view.vpc,
        host,
        (Mac::ROUTER, packet.wire.src),
    )?;
    Ok(host)
}

impl<'a> Front<'a> {
    /// The listener by which a connection came to the port's target.
    fn of(view: &PortView<'a>, address: IpAddr, target: (IpAddr, u16)) -> Result<Self, Drop> {
        let balancers = &view.vpc.balancers;
        let gone = Drop::because(
            DropReason::BalancerTargetGone,
            DropObject::Address(target.0),
        );
        let balancer = balancers.at(address).ok_or(gone)?;
        let leads = |listener: &&ListenerState| {
            let pool = balancers.pool(listener.target_group);
            let serves = pool.is_some_and(|pool| pool.target(target.0, target.1).is_some());
            serves && listener.protocol.carries(Protocol::TCP)
        };
        // Where several lead there, the client's half knows which, and ends it when that says so.
        let listeners = balancer.listeners.iter().filter(leads);
        let listener = listeners.max_by_key(|listener| listener.idle_timeout.get());
        Ok(Self {
            address,
            balancer,
            listener: listener.ok_or(gone)?,
        })
    }

    fn drop(&self, reason: DropReason) -> Drop {
        Drop::because(reason, DropObject::TargetGroup(self.listener.target_group))
    }
}

/// A port that stands for the client; what listens there is no client.
fn stand_in(balancer: &BalancerState, seed: u64) -> Option<u16> {
    let span = u64::from(u16::MAX - FIRST_PORT) + 1;
    let port = FIRST_PORT + (mix(seed) % span) as u16;
    let mut listeners = balancer.listeners.iter();
    (!listeners.any(|listener| listener.port == port)).then_some(port)
}

impl Core {
    /// For a packet whose client is to be hidden: who sent it hears where it is of no connection.
    pub(super) fn ingress_hidden(
        &mut self,
        (now, view, hidden): (Now, PortView<'_>, Hidden),
        headers: &Headers,
        frame: &mut Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<PortIndex, Drop> {
        let entrance = Entrance::Hidden(hidden);
        let result = self.ingress(now, view, headers, entrance, frame);
        if let Err(drop) = &result
            && drop.reason.is_answered_by_reset()
        {
            self.reset_hidden(&view, hidden, headers, sink);
        }
        result
    }

    /// What a packet meets that comes straight from another interface, or from one that is hidden: a
    /// connection that the target sees as the packet would have it. Where it sees it otherwise a SYN
    /// ends that connection, for its client has.
    pub(super) fn meet_as_shown(
        &mut self,
        met: Option<Met>,
        packet: &Packet<'_>,
        entrance: Entrance,
    ) -> Result<Option<Met>, Drop> {
        let Some(Met::Flow(at)) = met else {
            return Ok(met);
        };
        let is_hidden = self.hidden_client(packet, at).is_some();
        if is_hidden == matches!(entrance, Entrance::Hidden(_)) {
            return Ok(met);
        }
        if packet.tcp_flags().is_some_and(is_opening) {
            self.flows.remove(at);
            return Ok(None);
        }
        let object = DropObject::Interface(packet.view.port.interface);
        Err(Drop::because(DropReason::TranslationTaken, object))
    }

    /// How the connection looks on the wire, where its target doesn't see its client.
    #[inline]
    pub(super) fn hidden_client(&self, packet: &Packet<'_>, at: usize) -> Option<FlowKey> {
        let outside = self.flows.outside(at)?;
        let flow = self.flows.get(at);
        let hides = flow.flags.has(Flags::HIDDEN);
        let behind = packet.view.vpc.balancers.at(flow.key.remote());
        (hides && behind.is_some()).then_some(*outside)
    }

    /// The first packet here of a connection whose client is to be hidden.
    pub(super) fn begin_hidden(
        &mut self,
        packet: &Packet<'_>,
        hidden: Hidden,
        frame: &mut Frame<'_>,
    ) -> Result<PortIndex, Drop> {
        let entrance = Entrance::Hidden(hidden);
        if packet.ip.l4_kind == L4::LaterFragment {
            return self.enter(packet, None, entrance, frame);
        }
        let unserved = || Drop::from(DropReason::BalancerUnserved);
        let key = packet.key.ok_or_else(unserved)?;
        let host = check_origin(packet, hidden)?;
        let front = Front::of(&packet.view, hidden.front, (key.local(), key.ports().0))?;
        if !packet.tcp_flags().ok_or_else(unserved).map(is_opening)? {
            return Err(front.drop(DropReason::BalancerNoConnection));
        }
        let own = self.hide(packet, *key, (front.address, front.balancer));
        let own = own.ok_or_else(|| front.drop(DropReason::BalancerExhausted))?;
        let length = frame.bytes.len();
        let ip = translate::apply(frame.bytes, packet.ip, IN, &own, frame.offload.checksum);
        let inside = Packet {
            ip: &ip,
            hidden: true,
            key: Some(&own),
            hash: self.flows.hash(&own),
            ..*packet
        };
        packet
            .view
            .config
            .note(|| Step::Balancer(front.balancer.id));
        let opened = self.open_hidden(&inside, key, host, length);
        let opened = opened.map(|at| {
            let idle = idle(front.listener, Protocol::TCP.0);
            self.flows.set_idle(at, idle);
        });
        self.settle_fragment(&inside, IN, opened)?;
        self.admit(&inside, IN, frame)?;
        self.counters.flows = self.flows.counters;
        Ok(packet.port())
    }

    fn open_hidden(
        &mut self,
        packet: &Packet<'_>,
        outside: &FlowKey,
        host: HostSlot,
        length: usize,
    ) -> Result<usize, Drop> {
        check_receiver(&packet.view, packet.headers, packet.ip)?;
        packet.check_entry()?;
        let rule = packet.allowed(IN)?;
        let at = self.open(packet, IN, rule)?;
        if let Err(full) = self.flows.bind(packet.now, at, *outside) {
            self.flows.remove(at);
            return Err(refused(packet, full));
        }
        self.flows.get_mut(at).flags.set(Flags::HIDDEN, true);
        self.accept(packet, at, host, length);
        Ok(at)
    }

    /// The connection with a port of the balancer's address in its client's place, if one is free.
    pub(super) fn hide(
        &mut self,
        packet: &Packet<'_>,
        key: FlowKey,
        (address, balancer): (IpAddr, &BalancerState),
    ) -> Option<FlowKey> {
        let sequence = match packet.ip.l4_kind {
            L4::Tcp { seq, .. } => seq,
            _ => 0,
        };
        let seed = mix(u64::from(packet.hash) << 32 | u64::from(sequence));
        for attempt in 0..ATTEMPTS {
            let Some(port) = stand_in(balancer, seed ^ attempt) else {
                continue;
            };
            let own = key.with_remote((address, port));
            let hash = self.flows.hash(&own);
            if self.flows.vacate(packet.now, &own, hash).is_ok() {
                return Some(own);
            }
        }
        None
    }

    /// An answer to who is hidden: to the client, whose own half knows it from there.
    pub(super) fn answer_hidden(
        &mut self,
        packet: &Packet<'_>,
        held: FlowKey,
    ) -> Result<Plan, Drop> {
        let balancers = &packet.view.vpc.balancers;
        if !balancers.is_in(packet.view.port.subnet_id, packet.ip.dst) {
            packet.check_exit(Hop::Routed)?;
        }
        let way = match balancers.front(held.local()) {
            Some(_) => Way::OUTSIDE,
            None => {
                let ends = (packet.ip.src, held.remote());
                Way::resolve(&packet.view, ends, &mut self.abroad)?
            }
        };
        Ok(Plan {
            way,
            outside: Some(held),
            idle: None,
        })
    }

    /// Tells the client that its connection is no more, as the target would.
    #[cold]
    fn reset_hidden(
        &mut self,
        view: &PortView<'_>,
        hidden: Hidden,
        headers: &Headers,
        sink: &mut impl Sink,
    ) {
        let weft_packet::headers::Body::Ip(ip) = &headers.body else {
            return;
        };
        let Some((vni, mac, port)) = client(view, ip.src) else {
            return;
        };
        if !build::tcp_reset(&mut self.scratch, headers) {
            return;
        }
        rewrite::macs(&mut self.scratch, mac, Mac::ROUTER);
        match (hidden.source, port) {
            (Some(vtep), _) => {
                let encap = Encap {
                    vtep,
                    vni,
                    entropy: 0,
                };
                sink.to_tunnel(encap, &self.scratch);
            }
            (None, Some(port)) => sink.to_local(port, &self.scratch),
            (None, None) => {}
        }
    }
}

/// The client's network and MAC, and its port if it is of this host.
fn client(view: &PortView<'_>, address: IpAddr) -> Option<(Vni, Mac, Option<PortIndex>)> {
    let found = |vpc: &VpcConfig| {
        let entry = vpc.mapping(address)?;
        let port = view.config.port_of(entry.interface);
        Some((vpc.vni, entry.mac, port.map(|port| port.index)))
    };
    found(view.vpc).or_else(|| view.config.peers(view.vpc).find_map(found))
}
