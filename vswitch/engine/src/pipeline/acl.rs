//! Network ACLs: without memory, and only where a packet crosses its subnet's boundary.
//!
//! A verdict follows from what is the same in all packets of a connection that go one way: protocol,
//! addresses, ports, or the type of an ICMP query. So each direction's first packet is judged, and
//! again when the configuration moves; what a flow remembers is as wide as that and no wider.

use std::net::IpAddr;

use weft_model::{Mac, SubnetId};
use weft_packet::headers::{Ip, L4};

use super::{Packet, judge::traffic, nat, way::Way};
use crate::{
    config::{AclVerdict, Direction},
    drop::{Drop, DropObject, DropReason},
    flow::{Abroad, Hop, NextHop},
    trace::Step,
};

impl Packet<'_> {
    /// Whether the subnet's ACL lets the packet out, where it leaves the subnet.
    pub(super) fn check_exit(&self, hop: Hop) -> Result<(), Drop> {
        if hop == Hop::Routed {
            return self.check_boundary(Direction::Egress);
        }
        Ok(())
    }

    /// Whether the subnet's ACL lets the packet out, before anything is changed for it. On the way in
    /// it was asked already.
    pub(super) fn gate(&self, direction: Direction) -> Result<(), Drop> {
        if direction == Direction::Ingress {
            return Ok(());
        }
        // Only the hop is asked for: a place abroad found on the way there is numbered when it is taken.
        let ends = (self.ip.src, self.ip.dst);
        match Way::resolve(&self.view, ends, &mut Abroad::default()) {
            Ok(way) => {
                self.check_exit(way.hop)?;
                match nat::leads_to(&self.view, self.ip.dst) {
                    Ok(Some(nat)) if way.next == NextHop::Outside => self.check_nat_subnet(nat),
                    _ => Ok(()),
                }
            }
            // What else is wrong, and what it ends, is found where the way is taken.
            Err(_) => Ok(()),
        }
    }

    /// Whether the subnet's ACL lets the packet in, where it comes from outside the subnet: then,
    /// and only then, the router shows its own MAC. A mirrored copy shows neither's.
    pub(super) fn check_entry(&self) -> Result<(), Drop> {
        let (home, balancers) = (self.view.port.subnet_id, &self.view.vpc.balancers);
        if self.hidden && balancers.is_in(home, self.ip.src) {
            return Ok(());
        }
        let copied = || self.headers.src == Mac::MIRROR;
        let crosses = || !self.view.subnet().contains(self.wire.src);
        if self.headers.src == Mac::ROUTER || copied() && crosses() {
            return self.check_boundary(Direction::Ingress);
        }
        Ok(())
    }

    fn check_boundary(&self, direction: Direction) -> Result<(), Drop> {
        // What a balancer stands for is judged, not the balancer; unless its target sees that.
        let peer = match direction {
            Direction::Ingress if !self.hidden => self.wire.src,
            Direction::Ingress => self.ip.src,
            Direction::Egress => self.peer(direction),
        };
        check_subnet(self, direction, (self.view.port.subnet_id, peer), self.ip)
    }
}

/// What the subnet's ACL says of a packet from or to the peer, as it looks there.
pub(super) fn check_subnet(
    packet: &Packet<'_>,
    direction: Direction,
    (subnet, peer): (SubnetId, IpAddr),
    ip: &Ip,
) -> Result<(), Drop> {
    // It shows no ports, and goes where its first one went.
    if ip.l4_kind == L4::LaterFragment {
        return Ok(());
    }
    let subnet = packet.view.vpc.subnet(subnet);
    let id = subnet.ok_or(DropReason::Blackhole)?.acl;
    let acl = packet.view.vpc.acl(id);
    // An ACL that isn't here (yet) allows nothing.
    let verdict = acl.map_or(AclVerdict::DENIED, |acl| {
        acl.judge(direction, peer, traffic(ip))
    });
    if let AclVerdict {
        allowed: true,
        entry: Some(entry),
    } = verdict
    {
        packet.view.config.note(|| Step::Acl {
            direction,
            acl: id,
            entry,
        });
        return Ok(());
    }
    let reason = match direction {
        Direction::Ingress => DropReason::AclIngress,
        Direction::Egress => DropReason::AclEgress,
    };
    let entry = verdict.entry;
    Err(Drop::because(
        reason,
        DropObject::AclEntry { acl: id, entry },
    ))
}
