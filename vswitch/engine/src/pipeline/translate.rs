//! Translation: a packet is made to look, on the wire, as another connection than its port knows.
//!
//! Out of a port it is the last thing that happens to a packet, and to a port the first: whatever
//! judges a packet sees what the workload sees.

use weft_packet::{
    headers::{Ip, L4},
    icmp,
    offload::Checksum,
    rewrite::{self, End},
};

use super::{Core, Packet};
use crate::{
    config::Direction,
    flow::{Flags, FlowKey, Holder, is_echo},
    mutation::{Mutation, is_awake},
};

/// Makes the packet's ends those of `key`, as it stands when the packet goes in `direction`.
pub(super) fn apply(
    frame: &mut [u8],
    ip: &Ip,
    direction: Direction,
    key: &FlowKey,
    state: Checksum,
) -> Ip {
    let (local_port, remote_port) = key.ports();
    let local = (key.local(), local_port);
    let remote = (key.remote(), remote_port);
    let (src, dst) = match direction {
        Direction::Egress => (local, remote),
        Direction::Ingress => (remote, local),
    };
    let mut after = *ip;
    if ip.src != src.0 {
        rewrite::address(frame, ip, End::Source, src.0, state);
        after.src = src.0;
    }
    if ip.dst != dst.0 {
        rewrite::address(frame, ip, End::Destination, dst.0, state);
        after.dst = dst.0;
    }
    after.l4_kind = ports(frame, ip, (src.1, dst.1, local_port), state);
    after
}

fn ports(frame: &mut [u8], ip: &Ip, (from, to, id): (u16, u16, u16), state: Checksum) -> L4 {
    let mut kind = ip.l4_kind;
    match &mut kind {
        L4::Tcp { src, dst, .. } | L4::Udp { src, dst } => {
            if std::mem::replace(src, from) != from {
                rewrite::port(frame, ip, End::Source, from, state);
            }
            if std::mem::replace(dst, to) != to {
                rewrite::port(frame, ip, End::Destination, to, state);
            }
        }
        // Only an echo has an identifier that is the local end's "port"; 0 is one too.
        L4::Icmp { kind, id: own, .. } if is_echo(*kind, ip.is_v4()) && *own != id => {
            rewrite::identifier(frame, ip, id);
            *own = id;
        }
        L4::Icmp { .. } | L4::Other | L4::LaterFragment => {}
    }
    kind
}

/// Makes an ICMP error, and the packet that it quotes, speak of the connection as `to` what it says
/// of it as `from`. What neither end is, a router on the way, stays.
pub(super) fn apply_to_error(
    frame: &mut [u8],
    ip: &Ip,
    direction: Direction,
    (from, to): (&FlowKey, &FlowKey),
) -> Ip {
    let mut after = *ip;
    let natted = from.local() != to.local();
    if let Ok(quote) = icmp::embedded(frame, ip)
        && !is_awake(Mutation::ErrorNotTranslated)
        && !(natted && is_awake(Mutation::NatErrorNotTranslated))
    {
        // The quoted packet went the other way.
        let (local, remote) = match direction {
            Direction::Ingress => (End::Source, End::Destination),
            Direction::Egress => (End::Destination, End::Source),
        };
        let echo = quote.ports.0 == quote.ports.1 && !matches!(quote.protocol, 6 | 17);
        let (local_port, remote_port) = to.ports();
        let remote_port = if echo { local_port } else { remote_port };
        rewrite::quoted(frame, ip, &quote, local, (to.local(), local_port));
        rewrite::quoted(frame, ip, &quote, remote, (to.remote(), remote_port));
    }
    for (old, new) in [(from.local(), to.local()), (from.remote(), to.remote())] {
        if ip.src == old && old != new {
            rewrite::address(frame, ip, End::Source, new, Checksum::Complete);
            after.src = new;
        }
        if ip.dst == old && old != new {
            rewrite::address(frame, ip, End::Destination, new, Checksum::Complete);
            after.dst = new;
        }
    }
    after
}

impl Core {
    /// The connection of the port that an ICMP error is about: such errors pass without a rule.
    pub(super) fn related(
        &self,
        packet: &Packet<'_>,
        direction: Direction,
        bytes: &[u8],
    ) -> Option<usize> {
        if !icmp::is_error(packet.ip) {
            return None;
        }
        let quote = icmp::embedded(bytes, packet.ip).ok()?;
        // An error goes to whoever sent what it quotes.
        let key = FlowKey::quoted(packet.port(), direction, &quote)
            .filter(|_| quote.src == packet.ip.dst)?;
        let hash = self.flows.hash(&key);
        let at = match direction {
            Direction::Egress => self.flows.find(packet.now, &key, hash),
            Direction::Ingress => self.flows.meet(packet.now, &key, hash),
        }?;
        let flow = self.flows.get(at);
        // An untracked connection is no more than its rules; one whose other end is another
        // interface's by now is over.
        let tracked = !flow.flags.has(Flags::UNTRACKED);
        let remote = packet.view.holder(flow.key.remote());
        let lives = flow.peer == Holder::of(remote.map(|entry| entry.interface));
        (tracked && lives || is_awake(Mutation::AnyError)).then_some(at)
    }
}
