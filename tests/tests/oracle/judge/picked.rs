//! At the target of a load balancer's connection from the internet: there it begins, looks like the
//! balancer to the internet, and ends.

use std::net::IpAddr;

use weft_model::{Cloud, Interface, InterfaceId, Mac};
use weft_packet::headers::{Ip, L4};

use super::{
    Case, Judge, Judged, Refusal, Way, balance,
    bytes::ip_of,
    checks::is_nobody,
    connection::{Ends, Kind, Mask, Name, asks},
    fronts::{Front, front_at},
    outside::check_way_back_in,
    policy::Direction,
    transit, translate,
};

fn flags(ip: &Ip) -> Option<u8> {
    match ip.l4_kind {
        L4::Tcp { flags, .. } => Some(flags),
        _ => None,
    }
}

impl Judge {
    /// A packet that a host picked this target of the interface for.
    pub(super) fn arrive_picked(
        &mut self,
        cloud: &Cloud,
        now: u64,
        (to, target): (&Interface, (IpAddr, u16)),
        frame: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let mut frame = frame.to_vec();
        frame[..6].copy_from_slice(&to.mac.octets());
        frame[6..12].copy_from_slice(&Mac::ROUTER.octets());
        let (_, wire) = ip_of(&frame).unwrap();
        let front = front_at(cloud, wire.dst);
        let front = front.ok_or_else(|| Refusal::because("not_public", wire.dst))?;
        let mut masked = self.behind_mask(cloud, to, &frame);
        if let Some((name, _)) = masked
            && let Some(began) = Ends::of(&wire)
            && began.icmp.is_none()
            && flags(&wire).is_none_or(asks)
            && name.ends().local != target
        {
            // It begins with another target of the interface: the connection before it is over.
            self.connections.retain(|c| c.name != name);
            masked = None;
        }
        let begun = match masked {
            None if wire.l4_kind != L4::LaterFragment => {
                Some(self.check_beginning(cloud, &front, (to, target), &wire)?)
            }
            _ => None,
        };
        if own(cloud, to, wire.src) || is_nobody(wire.src) {
            return Err(Refusal::because("source_elsewhere", wire.src));
        }
        let looks = begun.map(|(looks, _)| looks).or(masked);
        let inside = match &looks {
            Some((name, mask)) => translate::take_off(&frame, name, mask),
            None => frame,
        };
        let (_, ip) = ip_of(&inside).unwrap();
        let case = Case {
            cloud,
            now,
            at: to,
            direction: Direction::In,
            frame: &inside,
            ip: &ip,
            wire: &wire,
            masked: looks.is_some(),
            outside: false,
        };
        if looks.is_some_and(|_| flags(&wire).is_some_and(asks)) && begun.is_none() {
            self.check_again(&case, &front)?;
        }
        match begun {
            None => self.enter(&case)?,
            Some((looks, idle)) => self.begin_picked(&case, looks, idle)?,
        }
        Ok(inside)
    }

    /// What a connection that begins here is called, how it looks outside, and how long it may be idle.
    fn check_beginning(
        &self,
        cloud: &Cloud,
        front: &Front,
        (to, target): (&Interface, (IpAddr, u16)),
        wire: &Ip,
    ) -> Result<((Name, Mask), u64), Refusal> {
        let unserved = || Refusal::because("balancer_unserved", front.balancer.id);
        let (L4::Tcp { src, dst, .. } | L4::Udp { src, dst }) = wire.l4_kind else {
            return Err(unserved());
        };
        let listener = balance::listener(cloud, front.balancer.id, wire.protocol, dst);
        let listener = listener.ok_or_else(unserved)?;
        let refuse = |code| Refusal::because(code, listener.target_group);
        if flags(wire).is_some_and(|flags| !asks(flags)) {
            return Err(refuse("balancer_no_connection"));
        }
        check_way_back_in(cloud, cloud.subnet(front.subnet).unwrap(), wire.src)?;
        let name = Name {
            interface: to.id,
            protocol: wire.protocol,
            local: target.0,
            remote: wire.src,
            kind: Kind::Ports {
                local: target.1,
                remote: src,
            },
        };
        let same = |c: &super::Connection| {
            let alike = (c.name.interface, c.name.protocol) == (to.id, wire.protocol);
            alike && (c.name == name || c.mask == Some(name.ends()))
        };
        if self.connections.iter().any(same) {
            // The client speaks to the target from this port already, by another way.
            return Err(refuse("translation_taken"));
        }
        let mask = Mask {
            local: (wire.dst, dst),
            remote: (wire.src, src),
        };
        let idle = balance::idle(&listener, wire.protocol);
        Ok(((name, mask), idle))
    }

    /// A SYN on a connection that is there needs the way back too; before the rules, after the ACL.
    fn check_again(&self, case: &Case<'_>, front: &Front) -> Result<(), Refusal> {
        super::check_receiver(case)?;
        super::check_entry(case)?;
        let subnet = case.cloud.subnet(front.subnet).unwrap();
        check_way_back_in(case.cloud, subnet, case.wire.src)
    }

    fn begin_picked(
        &mut self,
        case: &Case<'_>,
        (name, mask): (Name, Mask),
        idle: u64,
    ) -> Result<(), Refusal> {
        super::check_receiver(case)?;
        super::check_entry(case)?;
        self.begin(case, name)?;
        let connection = self.find(&name).unwrap();
        connection.mask = Some(mask);
        connection.picked = true;
        connection.idle = Some(idle);
        connection.tracked = true;
        self.passed(case, &Judged::Part(name));
        self.passed_first(case);
        Ok(())
    }

    /// A balancer's answer to the internet leaves as it came in.
    pub(super) fn picked(&mut self, cloud: &Cloud, judged: &Judged) -> Option<Way> {
        let Judged::Part(name) = judged else {
            return None;
        };
        let connection = self.find(name)?;
        let mask = connection.mask?;
        front_at(cloud, mask.local.0)?;
        Some(Way {
            mask: Some((*name, mask)),
            idle: connection.idle,
            ..Way::OUTWARD
        })
    }

    /// Whom the client's connection to the address is served by: the interface, and where there.
    pub(crate) fn fronted(
        &self,
        protocol: u8,
        client: (IpAddr, u16),
        front: IpAddr,
    ) -> Option<(InterfaceId, (IpAddr, u16))> {
        let mut connections = self.connections.iter();
        let found = connections.find(|c| {
            let looks = c.mask.filter(|mask| mask.local.0 == front);
            c.name.protocol == protocol && looks.is_some_and(|mask| mask.remote == client)
        })?;
        Some((found.name.interface, found.name.ends().local))
    }
}

/// Whether the address is one of the interface's own VPC.
fn own(cloud: &Cloud, at: &Interface, address: IpAddr) -> bool {
    transit::has(cloud.vpc(at.vpc).unwrap(), address)
}
