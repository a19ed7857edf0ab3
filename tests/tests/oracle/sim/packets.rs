//! Packets: each half judged by what its host holds.

use std::rc::Rc;

use weft_engine::{Drop, PortIndex, Verdict};
use weft_model::{Cloud, Interface, InterfaceId, Vni};
use weft_packet::{headers::Headers, vxlan};

use super::{Event, MILLISECOND, SECOND, Simulation, Tunnel, may_send};
use crate::{
    judge::{Next, Outcome, Refusal, Way},
    send::{Origin, Send},
    underlay::Made,
};

/// What a host says of a packet that comes from where its own revision has nobody.
const EARLY: [&str; 6] = [
    "source_elsewhere",
    "inner_mac",
    "vtep_unknown",
    "vni_unknown",
    "destination_elsewhere",
    "port_unknown",
];

fn told(drop: &Drop) -> Refusal {
    Refusal {
        code: drop.reason.code(),
        blames: drop.object.map(|object| object.to_string()),
    }
}

impl Simulation {
    pub(super) fn packet(&mut self) {
        let send = Send::random(&mut self.random, &self.sessions);
        if let Some((Origin::Port(from), frame)) = send.frame(&self.town) {
            self.leave(from, frame);
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
        let Next::Interface(to) = &way.to else {
            panic!("no gateway leads out of a simulation: {way:?}");
        };
        let place = to.attachment.as_ref().unwrap();
        for (port, mut frame) in local {
            let (interface, _) = self.town.hosts[host].interface(port);
            assert_eq!(
                (interface, &place.host),
                (to.id, &self.town.hosts[host].name)
            );
            let now = self.town.now;
            let verdict = self.town.hosts[host].arrive(now, port, &mut frame);
            self.arrived(host, (from.id, &view), Some((**to).clone()), verdict, frame);
        }
        for (encap, frame) in tunnel {
            let vtep = view.host(&place.host).unwrap().vtep;
            assert_eq!(encap.vtep, vtep, "{} to {}", from.id, to.id);
            let payload = [&vxlan::emit(encap.vni)[..], &frame].concat();
            self.carry(host, from.id, &view, encap.vtep, payload);
        }
    }

    /// Into the underlay, which loses, repeats, delays and so reorders.
    fn carry(
        &mut self,
        host: usize,
        from: InterfaceId,
        view: &Rc<Cloud>,
        vtep: std::net::IpAddr,
        payload: Vec<u8>,
    ) {
        let source = self.town.hosts[host].vtep;
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
        let sender = view.interface(from).and_then(|i| i.attachment.clone());
        let sender = sender.map(|place| place.host);
        let cut = |host: usize| !self.stations[host].reachable || !self.stations[host].runs;
        let lost = self
            .town
            .hosts
            .iter()
            .position(|h| Some(&h.name) == sender.as_ref());
        if cut(host) || lost.is_some_and(cut) {
            self.census.lost += 1;
            return;
        }
        self.clear_edge(host);
        let to = self.addressee(host, &payload);
        let now = self.town.now;
        let verdict = self.town.hosts[host].emerge(now, source, &mut payload);
        // As it came: the judge reads what the engine read.
        let frame = payload.split_off(vxlan::HEADER);
        self.arrived(host, (from, &view), to, verdict, frame);
    }

    /// Whom the inner frame is for, by what the host holds.
    fn addressee(&self, host: usize, payload: &[u8]) -> Option<Interface> {
        let view = &self.stations[host].view;
        let vni = Vni::try_from(u32::from_be_bytes([0, payload[4], payload[5], payload[6]]));
        let vpc = view.vpc_by_vni(vni.ok()?)?;
        let inner = Headers::parse(&payload[vxlan::HEADER..]).unwrap();
        let found = view.interface_by_mac(inner.dst)?;
        let here = plugged(&self.town.hosts[host].name, view, found.id)?;
        (here.vpc == vpc.id).then_some(here)
    }

    fn arrived(
        &mut self,
        host: usize,
        (from, sent): (InterfaceId, &Rc<Cloud>),
        to: Option<Interface>,
        verdict: Verdict,
        frame: Vec<u8>,
    ) {
        let view = Rc::clone(&self.stations[host].view);
        let now = self.now();
        if let Verdict::Drop(drop) = verdict
            && EARLY.contains(&drop.reason.code())
        {
            let agree = Rc::ptr_eq(sent, &view) && self.calm;
            assert!(
                !agree,
                "{now}: {from} to {to:?}: {drop} though all hosts agree"
            );
            self.census.early += 1;
            return;
        }
        let to = to.unwrap_or_else(|| panic!("{now}: {from} reached h{host}: {verdict:?}"));
        let sender = sent.interface(from).map(|from| from.vpc).unwrap();
        // By what the sender held: a host that forwards for the VPC may be believed for long.
        let together = may_send(sent, sender, to.vpc);
        assert!(together, "{now}: {from} reached {} of another VPC", to.id);
        let judged = self.stations[host].judge.arrival(&view, now, &to, &frame);
        let expected = judged.map(|_| ());
        let found = match verdict {
            Verdict::Deliver(port) => {
                assert_eq!(self.town.hosts[host].interface(port).0, to.id);
                Ok(())
            }
            Verdict::Drop(drop) => Err(told(&drop)),
            other => panic!("{now}: {other:?}"),
        };
        assert_eq!(
            found, expected,
            "{now}: {from} to {} on h{host}: {frame:02x?}",
            to.id
        );
        match found {
            Ok(()) => self.census.delivered += 1,
            Err(_) => self.census.refused += 1,
        }
    }

    /// Moves the clock past an instant that two clocks may see differently.
    fn clear_edge(&mut self, host: usize) {
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
