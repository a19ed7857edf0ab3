//! What is sent to load balancers from outside, and what comes back from whoever serves.

use std::net::IpAddr;

use weft_engine::testing::frames::Way;
use weft_model::Mac;

use super::{About, Odd, Origin, Send, What, address, nth, outside, public, router};
use crate::{judge::fronts::publics, town::Town};

/// Whether the interface asks the front, and not the internet.
pub(super) fn asks_inside(nth: usize) -> bool {
    nth >= 24
}

/// An address by which the internet knows a balancer, and the port of one of its listeners.
pub(super) fn front(town: &Town, six: bool, nth: usize) -> Option<(IpAddr, Option<u16>)> {
    let (n, listener) = (nth % 6, nth / 6);
    let cloud = &town.controller.cloud;
    let all = cloud.balancers().flat_map(|balancer| {
        let fronts = publics(balancer).into_iter();
        fronts.map(move |address| (balancer.id, address))
    });
    let all: Vec<_> = all.filter(|(_, a)| a.is_ipv6() == six).collect();
    let (balancer, address) = all.get(n % all.len().max(1))?;
    let listeners: Vec<_> = cloud.listeners_of(*balancer).collect();
    let port = listeners.get(listener % listeners.len().max(1));
    Some((*address, port.map(|listener| listener.port)))
}

impl Send {
    /// What somebody in the internet sends to a balancer.
    pub(super) fn asking_frame(&self, town: &Town, nth_front: usize) -> Option<(Origin, Vec<u8>)> {
        let six = self.session.six;
        let (dst, port) = front(town, six, nth_front)?;
        let port = port.filter(|_| self.size != 13);
        let ports = (self.session.ports.0, port.unwrap_or(self.session.ports.1));
        self.at_edge(town, dst, (ports, ports.0))
    }

    /// What whoever serves a front's connection sends back, or has to say about it.
    pub(super) fn fronted_frame(&self, town: &Town, nth_front: usize) -> Option<(Origin, Vec<u8>)> {
        let (session, cloud) = (self.session, &town.controller.cloud);
        let six = session.six;
        let (front, _) = front(town, six, nth_front)?;
        let protocol = match self.what {
            What::Udp | What::Piece(..) | What::Unreachable(About::Udp) => 17,
            _ => 6,
        };
        let dst = match asks_inside(nth_front) {
            true => public(cloud, nth(town, session.a)?, six, session.nth)?,
            false => outside(six),
        };
        let client = (dst, session.ports.0);
        let (server, (own, port)) = town.judge.fronted(protocol, client, front)?;
        let from = cloud.interface(server).filter(|i| i.attachment.is_some())?;
        let src = match self.odd {
            Odd::Foreign(n) => address(nth(town, n)?, six, 0)?,
            Odd::FromRouter => router(six),
            _ => own,
        };
        let way = Way {
            src_mac: from.mac,
            dst_mac: Mac::ROUTER,
            src,
            dst,
            ttl: self.ttl,
            dont_fragment: self.dont_fragment,
        };
        let by_router = self.odd == Odd::FromRouter;
        let seen = if by_router { own } else { src };
        let frame = self.build(&way, seen, ((port, session.ports.0), session.ports.0));
        Some((Origin::Port(from.id), frame))
    }
}
