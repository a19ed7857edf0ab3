//! Packets: each half judged by what its host holds.

use std::rc::Rc;

use weft_engine::{Drop, PortIndex, Verdict};
use weft_model::{Cloud, Interface, InterfaceId, Mac, Vni};
use weft_packet::{headers::Headers, vxlan};

use super::{
    Event, MILLISECOND, SECOND, Sender, Simulation, Tunnel, View, may_send, outside::Came,
};
use crate::{
    judge::{Next, Outcome, Refusal, Way},
    send::{Origin, Send},
    underlay::Made,
};

/// What a host says of a packet that comes from where its own revision has nobody.
const EARLY: [&str; 7] = [
    "edge_unknown",
    "source_elsewhere",
    "inner_mac",
    "vtep_unknown",
    "vni_unknown",
    "destination_elsewhere",
    "port_unknown",
];

pub(super) fn told(drop: &Drop) -> Refusal {
    Refusal {
        code: drop.reason.code(),
        blames: drop.object.map(|object| object.to_string()),
    }
}

impl Simulation {
    pub(super) fn packet(&mut self) {
        let send = Send::random(&mut self.random, &self.sessions);
        match send.frame(&self.town) {
            Some((Origin::Port(from), frame)) => self.leave(from, frame),
            Some((Origin::Internet(edge), frame)) => self.bring(&edge, frame),
            None => {}
        }
        let busy = self.stations.len() as u64;
        let pause = self.about(50 * MILLISECOND / busy);
        self.after(pause, Event::Packet);
    }

    /// Out of the workload, where its host has it plugged in by now.
    fn leave(&mut self, from: InterfaceId, mut frame: Vec<u8>) {
        let Some(host) = self.town.host_of(from) else {
            return;
        };
        let view = Rc::clone(&self.stations[host].view);
        let Some(at) = plugged(&self.town.hosts[host].name, &view, from) else {
            return;
        };
        self.clear_edge(host);
        self.census.packets += 1;
        let (now, mut made, mut outcome) = (self.town.now, Made::default(), Outcome::default());
        let station = &mut self.stations[host];
        let judged = station
            .judge
            .departure(&view, now.0, &at, &frame, &mut outcome);
        let verdict = self.town.hosts[host].leave(now, at.id, &mut frame, &mut made);
        let found = match verdict {
            Verdict::Drop(drop) => Err(told(&drop)),
            _ => Ok(()),
        };
        let expected = judged.as_ref().map(|_| ()).map_err(Clone::clone);
        assert_eq!(
            found,
            expected,
            "{} out of {} on h{host}: {send:02x?}",
            now.0,
            at.id,
            send = frame
        );
        self.census.refused += usize::from(found.is_err());
        let answers = made.to_port.len();
        assert_eq!(answers, outcome.delivered.len(), "answers to {}", at.id);
        if let Ok(Some(way)) = judged {
            self.onward(host, &at, &way, verdict, frame, made);
        }
    }

    fn onward(
        &mut self,
        host: usize,
        from: &Interface,
        way: &Way,
        verdict: Verdict,
        frame: Vec<u8>,
        made: Made,
    ) {
        let mut local: Vec<(PortIndex, Vec<u8>)> = made.to_local;
        let mut tunnel = made.to_tunnel;
        match verdict {
            Verdict::Local(port) => local.push((port, frame)),
            Verdict::Encapsulate(encap) => tunnel.push((encap, frame)),
            _ => {}
        }
        let view = Rc::clone(&self.stations[host].view);
        let sender = Sender {
            interface: Some(from.id),
            host,
        };
        let Next::Interface(to) = &way.to else {
            assert!(local.is_empty(), "{} is at no port", way.to.mac());
            let edges = self.stations[host].judge.edges(&view);
            for (encap, frame) in tunnel {
                let leaves = encap.vni == Vni::OUTSIDE && edges.contains(&encap.vtep);
                assert!(leaves, "{} to {encap:?}, of {edges:?}", from.id);
                let payload = [&vxlan::emit(encap.vni)[..], &frame].concat();
                self.carry(sender, &view, encap.vtep, payload);
            }
            return;
        };
        let place = to.attachment.as_ref().unwrap();
        for (port, mut frame) in local {
            let (interface, _) = self.town.hosts[host].interface(port);
            assert_eq!(
                (interface, &place.host),
                (to.id, &self.town.hosts[host].name)
            );
            let now = self.town.now;
            let mut made = Made::default();
            let verdict = self.town.hosts[host].arrive(now, port, &mut frame, &mut made);
            assert!(
                made.is_empty(),
                "an arrival leads to nothing more: {made:?}"
            );
            let came = Came::Inside(sender, &view);
            self.arrived(host, came, Some((**to).clone()), verdict, frame);
        }
        for (encap, frame) in tunnel {
            let vtep = view.host(&place.host).unwrap().vtep;
            assert_eq!(encap.vtep, vtep, "{} to {}", from.id, to.id);
            let payload = [&vxlan::emit(encap.vni)[..], &frame].concat();
            self.carry(sender, &view, encap.vtep, payload);
        }
    }

    /// Into the underlay, which loses, repeats, delays and so reorders.
    pub(super) fn carry(
        &mut self,
        from: Sender,
        view: &Rc<View>,
        vtep: std::net::IpAddr,
        payload: Vec<u8>,
    ) {
        let source = self.town.hosts[from.host].vtep;
        let to = self.town.hosts.iter().position(|host| host.vtep == vtep);
        let (Some(to), false) = (to, !self.calm && self.random.percent(3)) else {
            self.census.lost += 1;
            return;
        };
        let copies = if self.random.percent(3) { 2 } else { 1 };
        for _ in 0..copies {
            let late = if self.random.percent(5) { 50 } else { 1 };
            let tunnel = Tunnel {
                to,
                source,
                payload: payload.clone(),
                from,
                view: Rc::clone(view),
            };
            let pause = self.about(late * MILLISECOND);
            self.after(pause, Event::Tunnel(tunnel));
        }
    }

    pub(super) fn tunnel(&mut self, tunnel: Tunnel) {
        let Tunnel {
            to: host,
            source,
            mut payload,
            from,
            view,
        } = tunnel;
        let cut = |host: usize| !self.stations[host].reachable || !self.stations[host].runs;
        if cut(host) || cut(from.host) {
            self.census.lost += 1;
            return;
        }
        if payload[4..7] == [0xff; 3] && payload[vxlan::HEADER..][..6] == Mac::EDGE.octets() {
            return self.at_edge(host, (source, from), payload, &view);
        }
        self.clear_edge(host);
        let to = self.addressee(host, &payload);
        let now = self.town.now;
        // As it came: the judge reads what the engine read.
        let frame = payload[vxlan::HEADER..].to_vec();
        let mut made = Made::default();
        let verdict = self.town.hosts[host].emerge(now, source, &mut payload, &mut made);
        assert!(
            made.is_empty(),
            "an arrival leads to nothing more: {made:?}"
        );
        let came = match payload[4..7] == [0xff; 3] {
            true => Came::Outside(source, &view),
            false => Came::Inside(from, &view),
        };
        self.arrived(host, came, to, verdict, frame);
    }

    /// Whom the inner frame is for, by what the host holds.
    fn addressee(&self, host: usize, payload: &[u8]) -> Option<Interface> {
        let view = &self.stations[host].view;
        let vni = Vni::try_from(u32::from_be_bytes([0, payload[4], payload[5], payload[6]]));
        let vni = vni.ok()?;
        let vpc = view.vpc_by_vni(vni).map(|vpc| vpc.id);
        let inner = Headers::parse(&payload[vxlan::HEADER..]).unwrap();
        let found = view.interface_by_mac(inner.dst)?;
        let here = plugged(&self.town.hosts[host].name, view, found.id)?;
        (vni == Vni::OUTSIDE || Some(here.vpc) == vpc).then_some(here)
    }

    fn arrived(
        &mut self,
        host: usize,
        came: Came<'_>,
        to: Option<Interface>,
        verdict: Verdict,
        frame: Vec<u8>,
    ) {
        let view = Rc::clone(&self.stations[host].view);
        let now = self.now();
        let found = match verdict {
            Verdict::Deliver(port) => Ok(self.town.hosts[host].interface(port).0),
            Verdict::Drop(drop) => Err(told(&drop)),
            other => panic!("{now}: {other:?}"),
        };
        let mut judge = self.stations[host].judge.clone();
        let expected = to.as_ref().map(|to| {
            let judged = came.judge(&mut judge, (&view, now), to, &frame);
            judged.map(|_| to.id)
        });
        if Some(&found) != expected.as_ref() {
            // What it can't know yet: then nothing has happened.
            let early = found.as_ref().is_err_and(|drop| EARLY.contains(&drop.code));
            let agree = Rc::ptr_eq(came.sent(), &view) && self.calm;
            assert!(
                early && !agree,
                "{now}: {came} to {to:?} on h{host}: {found:?}, and should be {expected:?}: \
                 {frame:02x?}"
            );
            self.census.early += 1;
            return;
        }
        self.stations[host].judge = judge;
        let to = to.expect("it was judged");
        if let Came::Inside(from, sent) = came {
            let sender = from.interface.and_then(|id| sent.interface(id));
            // By what the sender held: a host that forwards for the VPC may be believed for long.
            let together = sender.is_some_and(|from| may_send(sent, from.vpc, to.vpc));
            assert!(together, "{now}: {came} reached {} of another VPC", to.id);
        }
        match found {
            Ok(_) => self.census.delivered += 1,
            Err(_) => self.census.refused += 1,
        }
    }

    /// Moves the clock past an instant that two clocks may see differently.
    pub(super) fn clear_edge(&mut self, host: usize) {
        while self.stations[host].judge.is_on_edge(self.town.now.0) {
            self.town.now = self.town.now.plus(SECOND / 50);
        }
    }
}

/// The interface as the view has it, if it is plugged in there.
fn plugged(host: &weft_model::HostName, view: &Cloud, id: InterfaceId) -> Option<Interface> {
    let found = view.interface(id)?;
    let place = found.attachment.as_ref()?;
    (place.host == *host).then(|| found.clone())
}
