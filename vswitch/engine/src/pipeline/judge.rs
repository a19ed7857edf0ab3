//! What policy says of a packet.

use weft_model::{RuleId, SecurityGroupId};
use weft_packet::headers::{Ip, L4};

use super::{Core, Packet};
use crate::{
    config::{Direction, PortView, Traffic},
    drop::{Drop, DropObject, DropReason},
    flow::{Full, Holder, Opening, is_query_reply},
    trace::Step,
};

/// What rules look at in a packet.
pub(super) fn traffic(ip: &Ip) -> Traffic {
    match ip.l4_kind {
        L4::Tcp { dst, .. } => Traffic::Tcp(dst),
        L4::Udp { dst, .. } => Traffic::Udp(dst),
        L4::Icmp { kind, code, .. } if ip.is_v4() => Traffic::Icmp(kind, code),
        L4::Icmp { kind, code, .. } => Traffic::Icmpv6(kind, code),
        L4::Other | L4::LaterFragment => Traffic::Other(ip.protocol),
    }
}

/// The security groups that are behind an address.
pub(super) fn groups_of<'a>(
    view: &PortView<'a>,
    address: std::net::IpAddr,
) -> &'a [SecurityGroupId] {
    view.other_end(address)
        .map_or(&[], |entry| entry.groups.as_slice())
}

/// The port's groups said no.
pub(super) fn denied(view: &PortView<'_>, direction: Direction) -> Drop {
    let reason = match direction {
        Direction::Ingress => DropReason::GroupIngress,
        Direction::Egress => DropReason::GroupEgress,
    };
    Drop::because(reason, DropObject::Interface(view.port.interface))
}

impl Packet<'_> {
    /// The other end.
    pub(super) fn peer(&self, direction: Direction) -> std::net::IpAddr {
        match direction {
            Direction::Ingress => self.ip.src,
            Direction::Egress => self.ip.dst,
        }
    }

    /// Who holds the other end's address now.
    pub(super) fn peer_holder(&self, direction: Direction) -> Holder {
        let entry = self.view.holder(self.peer(direction));
        Holder::of(entry.map(|entry| entry.interface))
    }

    /// The rule of the port's groups that allows the packet as the first of a connection.
    pub(super) fn allowed(&self, direction: Direction) -> Result<RuleId, Drop> {
        let peer = self.peer(direction);
        let groups = groups_of(&self.view, peer);
        let policy = &self.view.port.policy;
        let rule = policy
            .allows(direction, peer, groups, traffic(self.ip))
            .ok_or_else(|| denied(&self.view, direction))?;
        self.view.config.note(|| Step::Group {
            direction,
            interface: self.view.port.interface,
            rule,
        });
        Ok(rule)
    }

    /// Whether it answers an ICMP query that nobody made: it must not make a flow, or that would
    /// let the query pass.
    pub(super) fn is_stray_reply(&self) -> bool {
        match self.ip.l4_kind {
            L4::Icmp { kind, .. } => is_query_reply(kind, self.ip.is_v4()),
            _ => false,
        }
    }

    /// A connection that this packet begins.
    pub(super) fn opening(&self, direction: Direction, rule: RuleId) -> Option<Opening> {
        let policy = &self.view.port.policy;
        Some(Opening {
            key: *self.key?,
            direction,
            rule,
            peer: self.peer_holder(direction),
            // What a balancer translates is always tracked.
            untracked: self.view.vpc.balancers.at(self.peer(direction)).is_none()
                && policy.untracked(direction, self.peer(direction), traffic(self.ip)),
            tcp_flags: self.tcp_flags(),
        })
    }
}

impl Core {
    /// Makes the flow of a connection that was allowed.
    pub(super) fn open(
        &mut self,
        packet: &Packet<'_>,
        direction: Direction,
        rule: RuleId,
    ) -> Result<usize, Drop> {
        let opening = packet.opening(direction, rule);
        let opening = opening.ok_or(DropReason::FragmentOrphan)?;
        self.admit_connection(packet)?;
        let allowance = packet.view.port.options.limits.connections;
        self.flows
            .insert(
                packet.now,
                &opening,
                packet.hash,
                allowance.map(|n| n.get()),
            )
            .map_err(|full| refused(packet, full))
    }
}

/// There is no room for the packet's connection.
pub(super) fn refused(packet: &Packet<'_>, full: Full) -> Drop {
    let reason = match full {
        Full::Table => DropReason::FlowTableFull,
        Full::Allowance => DropReason::FlowAllowanceFull,
        Full::Taken => DropReason::TranslationTaken,
    };
    Drop::because(reason, DropObject::Interface(packet.view.port.interface))
}
