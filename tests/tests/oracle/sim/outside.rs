//! Edges: what they bring from the internet and take there, each judged by what it holds.

use std::{fmt, net::IpAddr, rc::Rc};

use weft_engine::{Encap, Verdict};
use weft_model::{HostName, Interface, Vni};
use weft_packet::vxlan;

use super::{Sender, Simulation, View, packets::told};
use crate::{
    judge::{
        Judge, Outcome, Refusal,
        outside::{Onward, address},
    },
    underlay::Made,
};

/// Where a packet comes from as it arrives, and what was held there.
#[derive(Clone, Copy)]
pub(super) enum Came<'a> {
    Inside(Sender, &'a Rc<View>),
    /// The underlay address of what should be an edge.
    Outside(IpAddr, &'a Rc<View>),
}

impl fmt::Display for Came<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside(from, _) => write!(f, "{from:?}"),
            Self::Outside(edge, _) => write!(f, "edge {edge}"),
        }
    }
}

impl<'a> Came<'a> {
    pub(super) fn sent(&self) -> &'a Rc<View> {
        let (Self::Inside(_, view) | Self::Outside(_, view)) = self;
        view
    }

    /// What must become of the frame at the interface.
    pub(super) fn judge(
        &self,
        judge: &mut Judge,
        (view, now): (&Rc<View>, u64),
        to: &Interface,
        frame: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Inside(..) => judge.arrival(view, now, to, frame),
            Self::Outside(edge, _) => {
                let stranger = !judge.edges(view).contains(edge);
                let stranger = stranger.then_some(*edge);
                judge.arrival_from_outside(view, now, (to, stranger), frame.to_vec())
            }
        }
    }
}

impl Simulation {
    /// The internet brings a packet to a host that takes itself for an edge.
    pub(super) fn bring(&mut self, edge: &HostName, mut frame: Vec<u8>) {
        let host = self.town.hosts.iter().position(|h| h.name == *edge);
        let host = host.unwrap();
        let view = Rc::clone(&self.stations[host].view);
        let takes = view.host(edge).is_some_and(|host| host.uplink.is_some());
        if !takes || !self.stations[host].runs {
            return;
        }
        self.census.packets += 1;
        let at = (self.town.hosts[host].vtep, 0);
        let expected = self.stations[host].judge.brought(&view, at, &frame);
        let verdict = self.town.hosts[host].enter(&mut frame);
        self.sent_on(host, &view, expected, verdict, frame);
    }

    /// A packet from a host comes to an edge.
    pub(super) fn at_edge(
        &mut self,
        host: usize,
        (source, from): (IpAddr, Sender),
        mut payload: Vec<u8>,
        sent: &Rc<View>,
    ) {
        let view = Rc::clone(&self.stations[host].view);
        let mut outcome = Outcome::default();
        let frame = payload[vxlan::HEADER..].to_vec();
        let at = (self.town.hosts[host].vtep, 0);
        let judge = &mut self.stations[host].judge;
        let onward = judge.at_edge(&view, (source, at), frame, &mut outcome);
        let now = self.town.now;
        let mut made = Made::default();
        let verdict = self.town.hosts[host].emerge(now, source, &mut payload, &mut made);
        assert!(made.is_empty(), "an edge makes nothing: {made:?}");
        let frame = payload.split_off(vxlan::HEADER);
        let agree = Rc::ptr_eq(sent, &view) && self.calm;
        if let Verdict::Drop(drop) = verdict
            && ["source_elsewhere", "port_unknown"].contains(&drop.reason.code())
            && !agree
        {
            // The address is somebody else's by now, or has yet to be the sender's; or the edge has
            // just begun and knows of nothing.
            self.census.early += 1;
            return;
        }
        if let Verdict::Outside = verdict {
            let [expected] = outcome.outside.as_slice() else {
                panic!("{from:?} reached the internet: {frame:02x?}");
            };
            let wrong = expected.check(&frame);
            assert_eq!(wrong, Ok(()), "{from:?} to the internet");
            self.census.outside += 1;
            return;
        }
        let expected = match outcome.drops.pop() {
            Some(refusal) => Err(refusal),
            None => Ok(onward.map(|(onward, _)| onward)),
        };
        self.sent_on(host, &view, expected, verdict, frame);
    }

    /// An edge sends a packet on to a host, if it should.
    fn sent_on(
        &mut self,
        host: usize,
        view: &Rc<View>,
        expected: Result<Option<Onward>, Refusal>,
        verdict: Verdict,
        mut frame: Vec<u8>,
    ) {
        let now = self.now();
        let wanted = match &expected {
            Ok(Some(Onward::Interface(to))) => {
                let place = to.attachment.as_ref().unwrap();
                Ok(Some(view.host(&place.host).unwrap().vtep))
            }
            Ok(_) => Ok(None),
            Err(refusal) => Err(refusal.clone()),
        };
        let found = match verdict {
            Verdict::Encapsulate(Encap { vtep, vni, .. }) => {
                assert_eq!(vni, Vni::OUTSIDE, "{now}: an edge sends outside the tunnel");
                Ok(Some(vtep))
            }
            Verdict::Consumed => Ok(None),
            Verdict::Drop(drop) => Err(told(&drop)),
            other => panic!("{now}: {other:?}"),
        };
        assert_eq!(found, wanted, "{now}: on the edge h{host}: {frame:02x?}");
        let (Ok(Some(vtep)), Ok(Some(Onward::Interface(to)))) = (found, expected) else {
            self.census.refused += 1;
            return;
        };
        address(&mut frame, &to);
        let sender = Sender {
            interface: None,
            host,
        };
        let payload = [&vxlan::emit(Vni::OUTSIDE)[..], &frame].concat();
        self.carry(sender, view, vtep, payload);
    }
}
